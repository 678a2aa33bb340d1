"""The outbox's SQL. Every change of a mail's state is one statement that checks the state it comes
from.

{table} and {key} are the outbox's; the values of a mail's key come under the names of its columns.
`attempts` counts claims and so names one: whoever claimed later owns the mail, and what the one
before still says counts for nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import LiteralString

from psycopg import sql

from shared import db
from shared.outbox.table import Claimed, Outbox

LEASE = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(hours=24)
PENDING_STATES = ("queued", "retry", "sending", "unknown")

INSERT = """
INSERT INTO {table} (
    {columns}
) VALUES (
    {values}
)
ON CONFLICT DO NOTHING
"""

# A sender died, or froze past its lease, after the final dot may have gone out.
EXPIRED_AFTER_THE_DOT = """
UPDATE {table}
SET state = 'unknown',
    ambiguous = ambiguous + 1,
    submitted_at = NULL,
    lease_until = NULL,
    next_attempt_at = %(now)s,
    answer = 'the sender was gone before it could note the answer'
WHERE state = 'sending'
  AND lease_until < %(now)s
  AND submitted_at IS NOT NULL
RETURNING {key}
"""

# The same before the final dot: the server has nothing.
EXPIRED_BEFORE_THE_DOT = """
UPDATE {table}
SET state = 'retry',
    lease_until = NULL,
    next_attempt_at = %(now)s,
    answer = 'the sender was gone before the final dot'
WHERE state = 'sending'
  AND lease_until < %(now)s
  AND submitted_at IS NULL
"""

GIVE_UP = """
UPDATE {table}
SET state = 'bounced',
    answer = 'given up: ' || coalesce(answer, 'no mail server in all that time')
WHERE state IN ('queued', 'retry')
  AND queued_at < %(too_old)s
"""

IS_DUE = """
SELECT EXISTS (
    SELECT
    FROM {table}
    WHERE state IN ('queued', 'retry', 'unknown')
      AND next_attempt_at <= %(now)s
      AND ambiguous < %(most_ambiguous)s
      AND queued_at >= %(too_old)s
      AND (%(batch)s::text IS NULL OR {batch} = %(batch)s)
)
"""

CLAIM = """
WITH due AS (
    SELECT {key}
    FROM {table}
    WHERE state IN ('queued', 'retry', 'unknown')
      AND next_attempt_at <= %(now)s
      AND ambiguous < %(most_ambiguous)s
      AND queued_at >= %(too_old)s
      AND (%(batch)s::text IS NULL OR {batch} = %(batch)s)
    ORDER BY next_attempt_at
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
)
UPDATE {table} m
SET state = 'sending',
    attempts = m.attempts + 1,
    lease_until = %(now)s + %(lease)s::interval
FROM due
WHERE ({key_of_m}) = ({key_of_due})
RETURNING
    m.email,
    m.message,
    m.attempts,
    {due_at},
    {envelope},
    {key_of_m}
"""

# Of the claim that is asking, and of no other.
NOTE = """
UPDATE {table}
SET submitted_at = %(now)s,
    lease_until = %(now)s + %(lease)s::interval
WHERE ({key}) = ({key_values})
  AND state = 'sending'
  AND attempts = %(attempts)s
"""

# A sender that freezes keeps what the guard locked for no longer than that.
HOLD = "SELECT set_config('idle_in_transaction_session_timeout', %s, true)"

SETTLE = """
UPDATE {table}
SET state = %(state)s,
    submitted_at = NULL,
    lease_until = NULL,
    next_attempt_at = %(next_attempt_at)s,
    ambiguous = ambiguous + CASE WHEN %(state)s = 'unknown' THEN 1 ELSE 0 END,
    sent_at = CASE WHEN %(state)s = 'sent' THEN %(now)s END,
    answer = %(answer)s
WHERE ({key}) = ({key_values})
  AND state = 'sending'
  AND attempts = %(attempts)s
"""

# By the sender that knows that its dot did not go out, with the note or without.
RELEASE = """
UPDATE {table}
SET state = 'retry',
    attempts = attempts - 1,
    submitted_at = NULL,
    lease_until = NULL
WHERE ({key}) = ({key_values})
  AND state = 'sending'
  AND attempts = %(attempts)s
"""

PENDING = """
SELECT
    state,
    count(*),
    min(queued_at)
FROM {table}
WHERE state IN ('queued', 'retry', 'sending', 'unknown')
  AND ambiguous < %(most_ambiguous)s
GROUP BY state
"""

STATES = """
SELECT
    email,
    state,
    answer,
    state IN ('queued', 'retry', 'sending', 'unknown') AND ambiguous < %(most_ambiguous)s AS waits
FROM {table}
WHERE organization = %(organization)s
  AND {batch} = %(batch)s
ORDER BY {key}
"""


@dataclass(frozen=True, kw_only=True)
class MailState:
    """One mail as the outbox has it."""

    email: str
    state: str
    answer: str | None
    waits: bool


def plan(connection: db.Connection, outbox: Outbox, mails: Sequence[dict[str, object]]) -> None:
    """Put mails into the outbox, in the caller's transaction. One that is there already stays as it
    is.

    A mail is its key and email, message_id, message, state (queued, or suppressed or bounced from
    the start), at (when it was planned, and is due), answer (why it is not queued).
    """
    with connection.cursor() as cursor:
        cursor.executemany(composed(outbox, INSERT), mails)


def sweep(connection: db.Connection, outbox: Outbox, *, now: datetime) -> list[dict[str, object]]:
    """Leases that ran out, what need not be tried any more, mails that are too old. Returns the
    keys of the mails whose answer was lost.
    """
    lost = connection.execute(composed(outbox, EXPIRED_AFTER_THE_DOT), {"now": now}).fetchall()
    connection.execute(composed(outbox, EXPIRED_BEFORE_THE_DOT), {"now": now})
    outbox.withdraw(connection)
    connection.execute(composed(outbox, GIVE_UP), {"too_old": now - GIVE_UP_AFTER})
    return [dict(zip(outbox.key, key, strict=True)) for key in lost]


def is_due(
    connection: db.Connection, outbox: Outbox, *, now: datetime, batch: str | None = None
) -> bool:
    """Is there a mail to send?"""
    row = connection.execute(composed(outbox, IS_DUE), _due(outbox, now, batch)).fetchone()
    return row is not None and bool(row[0])


def claim(
    connection: db.Connection, outbox: Outbox, *, now: datetime, most: int, batch: str | None = None
) -> list[Claimed]:
    """Up to `most` mails, each one sender's alone."""
    asked = _due(outbox, now, batch) | {"most": most, "lease": LEASE}
    return [
        Claimed(
            key=dict(zip(outbox.key, key, strict=True)),
            email=email,
            message=bytes(message),
            attempts=attempts,
            due_at=due_at,
            envelope=envelope,
        )
        for email, message, attempts, due_at, envelope, *key in connection.execute(
            composed(outbox, CLAIM), asked
        )
    ]


def note(connection: db.Connection, outbox: Outbox, mail: Claimed, *, now: datetime) -> bool:
    """That the final dot is about to go out, committed. False: the mail is not ours any more."""
    asked = {**mail.claim, "now": now, "lease": LEASE}
    return _committed(connection, composed(outbox, NOTE), asked) == 1


def hold(connection: db.Connection, *, seconds: float) -> None:
    """Let PostgreSQL end this transaction when nothing is heard of it for that long."""
    connection.execute(HOLD, (f"{round(seconds * 1000)}ms",))


def settle(
    connection: db.Connection,
    outbox: Outbox,
    mail: Claimed,
    *,
    state: str,
    answer: str,
    now: datetime,
    next_attempt_at: datetime,
) -> bool:
    """Note what the server, or the guard, said, committed. False: another sender has the mail
    meanwhile.
    """
    said = {"state": state, "answer": answer, "now": now, "next_attempt_at": next_attempt_at}
    return _committed(connection, composed(outbox, SETTLE), {**mail.claim, **said}) == 1


def release(connection: db.Connection, outbox: Outbox, mails: Sequence[Claimed]) -> None:
    """Give back mails whose final dot certainly did not go out."""
    for mail in mails:
        connection.execute(composed(outbox, RELEASE), mail.claim)


def pending(connection: db.Connection, outbox: Outbox) -> dict[str, tuple[int, datetime]]:
    """Of each state that is not final: how many, and since when the oldest waits."""
    rows = connection.execute(composed(outbox, PENDING), {"most_ambiguous": outbox.most_ambiguous})
    return {str(state): (int(number), oldest) for state, number, oldest in rows}


def states(
    connection: db.Connection, outbox: Outbox, organization: str, batch: str
) -> list[MailState]:
    """How it stands with each mail of a batch."""
    asked = {
        "organization": organization,
        "batch": batch,
        "most_ambiguous": outbox.most_ambiguous,
    }
    return [
        MailState(email=email, state=state, answer=answer, waits=waits)
        for email, state, answer, waits in connection.execute(composed(outbox, STATES), asked)
    ]


def _committed(connection: db.Connection, statement: bytes, asked: Mapping[str, object]) -> int:
    """A transaction of one statement, and so without the two exchanges of BEGIN and COMMIT. Returns
    how many rows it changed.
    """
    connection.autocommit = True
    try:
        return connection.execute(statement, asked).rowcount
    finally:
        connection.autocommit = False


@cache
def composed(outbox: Outbox, statement: LiteralString) -> bytes:
    """A statement of this outbox's table, as PostgreSQL gets it."""
    columns = {
        **{column: column for column in outbox.key},
        **{column: column for column in ("email", "message_id", "message", "state", "answer")},
        "next_attempt_at": "at",
        "queued_at": "at",
    }
    return (
        sql.SQL(statement)
        .format(
            table=sql.Identifier(outbox.table),
            key=_listed(map(sql.Identifier, outbox.key)),
            key_values=_listed(map(sql.Placeholder, outbox.key)),
            key_of_m=_listed(sql.Identifier("m", column) for column in outbox.key),
            key_of_due=_listed(sql.Identifier("due", column) for column in outbox.key),
            batch=sql.Identifier(outbox.batch),
            due_at=sql.SQL(outbox.due_at),
            envelope=sql.SQL(outbox.envelope),
            columns=_listed(map(sql.Identifier, columns)),
            values=_listed(map(sql.Placeholder, columns.values())),
        )
        .as_bytes()
    )


def _listed(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _due(outbox: Outbox, now: datetime, batch: str | None) -> dict[str, object]:
    return {
        "now": now,
        "batch": batch,
        "too_old": now - GIVE_UP_AFTER,
        "most_ambiguous": outbox.most_ambiguous,
    }
