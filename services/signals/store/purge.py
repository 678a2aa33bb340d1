"""What is of no use any more, by the terms of docs/operations.md: sessions, links and invitations
that ended, counts of mails; and, as the owner alone, rows of the audit log.
"""

from datetime import datetime, timedelta

from shared import db, mail_limits

KEPT_AFTER_THE_END = timedelta(days=1)

# Of many at once some: nothing waits for a long deletion.
MOST_AT_ONCE = 5_000

EXPIRED = """
DELETE FROM {table}
WHERE ctid IN (
    SELECT ctid
    FROM {table}
    WHERE expires_at < %(before)s
    LIMIT %(most)s
)
"""

OLD_AUDIT_ROWS = """
DELETE FROM audit_log
WHERE ctid IN (
    SELECT ctid
    FROM audit_log
    WHERE at < %(before)s
    LIMIT %(most)s
)
"""


def expired(connection: db.Connection, *, now: datetime) -> dict[str, int]:
    """table -> rows that went."""
    values = {"before": now - KEPT_AFTER_THE_END, "most": MOST_AT_ONCE}
    gone = {
        table: connection.execute(EXPIRED.format(table=table).encode(), values).rowcount
        for table in ("sessions", "sign_in_links", "invitations")
    }
    return gone | {"mails_counted": mail_limits.forget(connection, now=now)}


def audit_rows(connection: db.Connection, *, now: datetime, kept: timedelta) -> int:
    """As the owner: nobody else deletes them. Returns how many went."""
    gone = 0
    while True:
        values = {"before": now - kept, "most": MOST_AT_ONCE}
        rows = connection.execute(OLD_AUDIT_ROWS, values).rowcount
        gone += rows
        if rows < MOST_AT_ONCE:
            return gone
