"""The outbox's SQL. Every change of a mail's state is one statement that checks the state it comes
from.

`attempts` counts claims and so names one: whoever claimed later owns the mail, and what the one
before still says counts for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import db

LEASE = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(hours=24)
KEEP = timedelta(days=90)  # product.md 12
PENDING_STATES = ("queued", "retry", "sending", "unknown")
MOST_AMBIGUOUS = 2  # submissions whose answer was lost; then a person has to look

# A sender died, or froze past its lease, after the final dot may have gone out.
EXPIRED_AFTER_THE_DOT = """
UPDATE digest_mails
SET state = 'unknown',
    ambiguous = ambiguous + 1,
    submitted_at = NULL,
    lease_until = NULL,
    next_attempt_at = %(now)s,
    answer = 'the sender was gone before it could note the answer'
WHERE state = 'sending'
  AND lease_until < %(now)s
  AND submitted_at IS NOT NULL
RETURNING organization, digest, email
"""

# The same before the final dot: the server has nothing.
EXPIRED_BEFORE_THE_DOT = """
UPDATE digest_mails
SET state = 'retry',
    lease_until = NULL,
    next_attempt_at = %(now)s,
    answer = 'the sender was gone before the final dot'
WHERE state = 'sending'
  AND lease_until < %(now)s
  AND submitted_at IS NULL
"""

SUPPRESS = """
UPDATE digest_mails m
SET state = 'suppressed',
    answer = s.reason
FROM digest_suppressions s
WHERE m.state IN ('queued', 'retry')
  AND s.organization = m.organization
  AND s.email = m.email
"""

GIVE_UP = """
UPDATE digest_mails
SET state = 'bounced',
    answer = 'given up: ' || coalesce(answer, 'no mail server in all that time')
WHERE state IN ('queued', 'retry')
  AND queued_at < %(too_old)s
"""

IS_DUE = """
SELECT EXISTS (
    SELECT
    FROM digest_mails
    WHERE state IN ('queued', 'retry', 'unknown')
      AND next_attempt_at <= %(now)s
      AND ambiguous < %(most_ambiguous)s
      AND queued_at >= %(too_old)s
      AND (%(digest)s::text IS NULL OR digest = %(digest)s)
)
"""

CLAIM = """
WITH due AS (
    SELECT
        organization,
        digest,
        email
    FROM digest_mails
    WHERE state IN ('queued', 'retry', 'unknown')
      AND next_attempt_at <= %(now)s
      AND ambiguous < %(most_ambiguous)s
      AND queued_at >= %(too_old)s
      AND (%(digest)s::text IS NULL OR digest = %(digest)s)
    ORDER BY next_attempt_at
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
)
UPDATE digest_mails m
SET state = 'sending',
    attempts = m.attempts + 1,
    lease_until = %(now)s + %(lease)s::interval
FROM due
WHERE m.organization = due.organization
  AND m.digest = due.digest
  AND m.email = due.email
RETURNING
    m.organization,
    m.digest,
    m.email,
    m.message,
    m.attempts,
    (SELECT slot_at FROM digests d WHERE d.organization = m.organization AND d.digest = m.digest)
"""

# Of the claim that is asking, and only as long as nobody unsubscribed.
SUBMITTING = """
UPDATE digest_mails m
SET submitted_at = %(now)s,
    lease_until = %(now)s + %(lease)s::interval
WHERE organization = %(organization)s
  AND digest = %(digest)s
  AND email = %(email)s
  AND state = 'sending'
  AND attempts = %(attempts)s
  AND NOT EXISTS (
      SELECT
      FROM digest_suppressions s
      WHERE s.organization = m.organization
        AND s.email = m.email
  )
"""

SETTLE = """
UPDATE digest_mails
SET state = %(state)s,
    submitted_at = NULL,
    lease_until = NULL,
    next_attempt_at = %(next_attempt_at)s,
    ambiguous = ambiguous + CASE WHEN %(state)s = 'unknown' THEN 1 ELSE 0 END,
    sent_at = CASE WHEN %(state)s = 'sent' THEN %(now)s END,
    answer = %(answer)s
WHERE organization = %(organization)s
  AND digest = %(digest)s
  AND email = %(email)s
  AND state = 'sending'
  AND attempts = %(attempts)s
"""

RELEASE = """
UPDATE digest_mails
SET state = 'retry',
    attempts = attempts - 1,
    lease_until = NULL
WHERE organization = %(organization)s
  AND digest = %(digest)s
  AND email = %(email)s
  AND state = 'sending'
  AND attempts = %(attempts)s
  AND submitted_at IS NULL
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

PENDING = """
SELECT
    state,
    count(*),
    min(queued_at)
FROM digest_mails
WHERE state IN ('queued', 'retry', 'sending', 'unknown')
  AND ambiguous < %(most_ambiguous)s
GROUP BY state
"""

LAST_SENT = """
SELECT
    organization,
    max(sent_at)
FROM digest_mails
WHERE state = 'sent'
GROUP BY organization
"""

STATES = """
SELECT
    email,
    state,
    answer,
    state IN ('queued', 'retry', 'sending', 'unknown') AND ambiguous < %(most_ambiguous)s AS waits
FROM digest_mails
WHERE organization = %(organization)s
  AND digest = %(digest)s
ORDER BY email
"""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A mail that is this sender's until its lease ends."""

    organization: str
    digest: str
    email: str
    message: bytes
    attempts: int
    slot_at: datetime

    @property
    def key(self) -> dict[str, str | int]:
        """The mail, and the claim on it."""
        return {
            "organization": self.organization,
            "digest": self.digest,
            "email": self.email,
            "attempts": self.attempts,
        }


@dataclass(frozen=True, kw_only=True)
class MailState:
    """One recipient's mail as the outbox has it."""

    email: str
    state: str
    answer: str | None
    waits: bool


def sweep(connection: db.Connection, *, now: datetime) -> list[tuple[str, str, str]]:
    """Leases that ran out, people who unsubscribed, mails that are too old. Returns the mails whose
    answer was lost.
    """
    lost = connection.execute(EXPIRED_AFTER_THE_DOT, {"now": now}).fetchall()
    connection.execute(EXPIRED_BEFORE_THE_DOT, {"now": now})
    connection.execute(SUPPRESS)
    connection.execute(GIVE_UP, {"too_old": now - GIVE_UP_AFTER})
    return [(str(organization), str(digest), str(email)) for organization, digest, email in lost]


def is_due(connection: db.Connection, *, now: datetime, digest: str | None) -> bool:
    """Is there a mail to send?"""
    row = connection.execute(IS_DUE, _due(now, digest)).fetchone()
    return row is not None and bool(row[0])


def claim(
    connection: db.Connection, *, now: datetime, most: int, digest: str | None
) -> list[Claimed]:
    """Up to `most` mails, each one sender's alone."""
    rows = connection.execute(CLAIM, _due(now, digest) | {"most": most, "lease": LEASE})
    return [
        Claimed(organization=o, digest=d, email=e, message=bytes(m), attempts=a, slot_at=s)
        for o, d, e, m, a, s in rows
    ]


def submitting(connection: db.Connection, mail: Claimed, *, now: datetime) -> bool:
    """Note that the final dot is about to go out. False: the mail is not ours any more, or must not
    be sent.
    """
    return connection.execute(SUBMITTING, mail.key | {"now": now, "lease": LEASE}).rowcount == 1


def settle(
    connection: db.Connection,
    mail: Claimed,
    *,
    state: str,
    answer: str,
    now: datetime,
    next_attempt_at: datetime,
) -> bool:
    """Note what the server said. False: another sender has the mail meanwhile."""
    parameters = {"state": state, "answer": answer, "now": now, "next_attempt_at": next_attempt_at}
    return connection.execute(SETTLE, mail.key | parameters).rowcount == 1


def release(connection: db.Connection, mails: Sequence[Claimed]) -> None:
    """Give back what was claimed and not begun."""
    for mail in mails:
        connection.execute(RELEASE, mail.key)


def forget(connection: db.Connection, *, now: datetime) -> None:
    """Rendered mails are kept 90 days."""
    connection.execute(FORGET_MAILS, {"before": now - KEEP})
    connection.execute(FORGET_RENDERINGS, {"before": now - KEEP})


def pending(connection: db.Connection) -> dict[str, tuple[int, datetime]]:
    """Of each state that is not final: how many, and since when the oldest waits."""
    rows = connection.execute(PENDING, {"most_ambiguous": MOST_AMBIGUOUS})
    return {str(state): (int(number), oldest) for state, number, oldest in rows}


def last_sent(connection: db.Connection) -> dict[str, datetime]:
    """When each organization's newest mail was taken."""
    return dict(connection.execute(LAST_SENT).fetchall())


def states(connection: db.Connection, organization: str, digest: str) -> list[MailState]:
    """How it stands with each recipient of a digest."""
    parameters = {"organization": organization, "digest": digest, "most_ambiguous": MOST_AMBIGUOUS}
    rows = connection.execute(STATES, parameters)
    return [
        MailState(email=email, state=state, answer=answer, waits=waits)
        for email, state, answer, waits in rows
    ]


def _due(now: datetime, digest: str | None) -> dict[str, object]:
    return {
        "now": now,
        "digest": digest,
        "too_old": now - GIVE_UP_AFTER,
        "most_ambiguous": MOST_AMBIGUOUS,
    }
