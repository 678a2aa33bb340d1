"""What the digest's outbox has of its own in SQL; the rest is `shared.outbox.store`."""

from datetime import datetime, timedelta

from shared import db

KEEP = timedelta(days=90)  # product.md 12

# A digest is due from its slot on, however long its run took.
SLOT_AT = (
    "(SELECT slot_at FROM digests d WHERE d.organization = m.organization AND d.digest = m.digest)"
)

# Who unsubscribes need not wait for the mail's next attempt: the console says it at once.
SUPPRESS = """
UPDATE digest_mails m
SET state = 'suppressed',
    answer = s.reason
FROM published_suppressions s
WHERE m.state IN ('queued', 'retry')
  AND s.organization = m.organization
  AND s.email = m.email
"""

FORGET_MAILS = """
DELETE FROM digest_mails
WHERE queued_at < %(before)s
"""

FORGET_RENDERINGS = """
UPDATE digests
SET html = '',
    body = ''
WHERE created_at < %(before)s
  AND html <> ''
"""

LAST_SENT = """
SELECT
    organization,
    max(sent_at)
FROM digest_mails
WHERE state = 'sent'
GROUP BY organization
"""


def suppress(connection: db.Connection) -> None:
    """Mails that wait for somebody who has unsubscribed meanwhile."""
    connection.execute(SUPPRESS)


def forget(connection: db.Connection, *, now: datetime) -> None:
    """Rendered mails are kept 90 days."""
    connection.execute(FORGET_MAILS, {"before": now - KEEP})
    connection.execute(FORGET_RENDERINGS, {"before": now - KEEP})


def last_sent(connection: db.Connection) -> dict[str, datetime]:
    """When each organization's newest mail was taken."""
    return dict(connection.execute(LAST_SENT).fetchall())
