"""Sequences as people see and edit them. Who is enrolled is the sequences service's,
read through its view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from shared import db
from shared.domain.sequence_states import State
from shared.events import SequenceDrafted, SignalType, Step

COLUMNS = """
SELECT
    s.sequence,
    s.name,
    s.signal_type,
    s.state,
    s.drafted_at,
    s.edition,
    s.edited_at,
    s.edited_by,
    s.launched_at,
    s.launched_by,
    s.sender,
    s.asked_at,
    s.asked_by,
    s.confirmed,
    e.enrolled,
    e.skipped,
    e.is_open,
    e.asked_about,
    e.replied,
    e.ordered
FROM sequences s
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE state <> 'skipped') AS enrolled,
        count(*) FILTER (WHERE state = 'skipped') AS skipped,
        count(*) FILTER (WHERE state IN ('active', 'held', 'task')) AS is_open,
        count(*) FILTER (WHERE state = 'task') AS asked_about,
        count(*) FILTER (WHERE reason = 'replied') AS replied,
        count(*) FILTER (WHERE reason = 'reordered' AND started_at IS NOT NULL) AS ordered
    FROM published_enrollments
    WHERE organization = s.organization
      AND sequence = s.sequence
) e
WHERE s.organization = %(organization)s
"""

NEWEST = """
  AND s.state = ANY(%(states)s)
ORDER BY coalesce(s.launched_at, s.drafted_at) DESC, s.signal_type
LIMIT 50
"""

ONE = """
  AND s.sequence = %(sequence)s
"""

STEPS = """
SELECT
    wait_days,
    subject,
    body
FROM sequence_steps
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
ORDER BY position
"""

ENROLLED = """
SELECT
    e.account,
    a.name AS account_name,
    e.contact,
    c.name AS contact_name,
    c.email,
    e.state,
    e.reason,
    e.variables
FROM published_enrollments e
LEFT JOIN accounts a ON a.organization = e.organization AND a.account = e.account
LEFT JOIN contacts c ON c.organization = e.organization AND c.contact = e.contact
WHERE e.organization = %(organization)s
  AND e.sequence = %(sequence)s
  AND (e.state = 'skipped') = %(skipped)s
ORDER BY lower(coalesce(a.name, e.account)), e.account, e.contact
LIMIT %(most)s
OFFSET %(first)s
"""

ACTIVITY = """
SELECT
    at,
    actor,
    action
FROM audit_log
WHERE organization = %(organization)s
  AND subject = %(subject)s
ORDER BY at DESC
LIMIT 100
"""

# Compare and set: whoever saves says which edition they had read.
NEXT_EDITION = """
UPDATE sequences
SET edition = edition + 1,
    edited_at = %(at)s,
    edited_by = %(actor)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND edition = %(edition)s
  AND state IN ('draft', 'paused')
"""

DELETE_STEPS = """
DELETE FROM sequence_steps
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
"""

INSERT_SEQUENCE = """
INSERT INTO sequences (organization, sequence, digest, signal_type, name, drafted_at)
VALUES (%(organization)s, %(sequence)s, %(digest)s, %(signal_type)s, %(name)s, %(drafted_at)s)
ON CONFLICT DO NOTHING
"""

INSERT_STEP = """
INSERT INTO sequence_steps (organization, sequence, position, wait_days, subject, body)
VALUES (%(organization)s, %(sequence)s, %(position)s, %(wait_days)s, %(subject)s, %(body)s)
"""

SET_STATE = """
UPDATE sequences
SET state = %(state)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND state = %(from)s
"""

LOCK = """
SELECT
FROM sequences
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
FOR UPDATE
"""

ASK = """
UPDATE sequences
SET asked_at = %(at)s,
    asked_by = %(by)s,
    sender = %(sender)s,
    confirmed = %(confirmed)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
"""

LAUNCH = """
UPDATE sequences
SET state = 'launched',
    launched_at = %(at)s,
    launched_by = %(by)s,
    sender = %(sender)s,
    confirmed = %(confirmed)s,
    asked_at = NULL,
    asked_by = NULL
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND state = 'draft'
"""

UNLAUNCH = """
UPDATE sequences
SET launched_at = NULL,
    launched_by = NULL,
    sender = NULL
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
"""


SENT_STEPS = """
SELECT coalesce(max(step), 0)
FROM published_letters
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND state IN ('queued', 'sending', 'retry', 'sent', 'unknown', 'bounced')
"""

FINISH = """
UPDATE sequences
SET state = 'finished'
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND state IN ('launched', 'paused')
"""


@dataclass(frozen=True, kw_only=True)
class SequenceRow:
    """A sequence's head. is_open: who may still be written to; asked_about: of them, about whom a
    person is asked. ordered: what they named was ordered while they were in it.
    """

    sequence: str
    name: str
    signal_type: SignalType
    state: State
    drafted_at: datetime
    edition: int
    edited_at: datetime | None
    edited_by: str | None
    launched_at: datetime | None
    launched_by: str | None
    sender: str | None
    asked_at: datetime | None
    asked_by: str | None
    confirmed: str
    enrolled: int
    skipped: int
    is_open: int
    asked_about: int
    replied: int
    ordered: int


@dataclass(frozen=True, kw_only=True)
class EnrolledRow:
    """An account in a sequence, or why it is not. variables: what fills the text for it."""

    account: str
    account_name: str | None
    contact: str
    contact_name: str | None
    email: str | None
    state: str
    reason: str | None
    variables: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ActivityRow:
    """What somebody did with a sequence."""

    at: datetime
    actor: str
    action: str


def newest(
    connection: db.Connection, organization: str, *, states: Sequence[str]
) -> list[SequenceRow]:
    """The newest first, of those in one of the states."""
    with connection.cursor(row_factory=class_row(SequenceRow)) as cursor:
        return cursor.execute(
            COLUMNS + NEWEST, {"organization": organization, "states": list(states)}
        ).fetchall()


def find(connection: db.Connection, organization: str, sequence: str) -> SequenceRow | None:
    """None: the organization has no such sequence."""
    with connection.cursor(row_factory=class_row(SequenceRow)) as cursor:
        return cursor.execute(COLUMNS + ONE, _key(organization, sequence)).fetchone()


def steps(connection: db.Connection, organization: str, sequence: str) -> tuple[Step, ...]:
    """In their order."""
    rows = connection.execute(STEPS, _key(organization, sequence))
    return tuple(
        Step(wait_days=wait_days, subject=subject, text=body) for wait_days, subject, body in rows
    )


def enrolled(
    connection: db.Connection,
    organization: str,
    sequence: str,
    *,
    first: int,
    most: int,
    skipped: bool = False,
) -> list[EnrolledRow]:
    """Who is in it, by name, or who was skipped: at most so many, from the `first` on (0: all)."""
    values = _key(organization, sequence) | {"skipped": skipped, "first": first, "most": most}
    with connection.cursor(row_factory=class_row(EnrolledRow)) as cursor:
        return cursor.execute(ENROLLED, values).fetchall()


def sent_steps(connection: db.Connection, organization: str, sequence: str) -> int:
    """The last step that went out to anybody, or may have; 0: none."""
    row = connection.execute(SENT_STEPS, _key(organization, sequence)).fetchone()
    return int(row[0]) if row else 0


def activity(connection: db.Connection, organization: str, sequence: str) -> list[ActivityRow]:
    """What people did with it, the newest first."""
    values = {"organization": organization, "subject": subject_of(sequence)}
    with connection.cursor(row_factory=class_row(ActivityRow)) as cursor:
        return cursor.execute(ACTIVITY, values).fetchall()


def save_draft(connection: db.Connection, event: SequenceDrafted) -> None:
    """A draft that is there is left as it is: someone may have edited it."""
    key = _key(event.organization, event.sequence)
    values = {
        "digest": event.digest,
        "signal_type": event.signal_type,
        "name": event.name,
        "drafted_at": event.drafted_at,
    }
    if connection.execute(INSERT_SEQUENCE, key | values).rowcount:
        _insert_steps(connection, key, event.steps)


def save_steps(
    connection: db.Connection,
    organization: str,
    sequence: str,
    steps: Sequence[Step],
    *,
    edition: int,
    actor: str,
    at: datetime,
) -> bool:
    """False: somebody else saved it meanwhile, or it is no draft any more."""
    key = _key(organization, sequence)
    if (
        connection.execute(
            NEXT_EDITION, key | {"edition": edition, "actor": actor, "at": at}
        ).rowcount
        == 0
    ):
        return False
    connection.execute(DELETE_STEPS, key)
    _insert_steps(connection, key, steps)
    return True


def set_state(
    connection: db.Connection, organization: str, sequence: str, *, before: str, after: str
) -> bool:
    """False: it is not in the state `before`."""
    values = _key(organization, sequence) | {"from": before, "state": after}
    return connection.execute(SET_STATE, values).rowcount == 1


def lock(connection: db.Connection, organization: str, sequence: str) -> None:
    """Until the end of the transaction nobody else changes its state."""
    connection.execute(LOCK, _key(organization, sequence))


def ask(
    connection: db.Connection,
    organization: str,
    sequence: str,
    *,
    by: str,
    sender: str | None,
    confirmed: str,
    at: datetime,
) -> None:
    """A launch that waits for an owner or admin."""
    connection.execute(
        ASK,
        _key(organization, sequence)
        | {"by": by, "sender": sender, "confirmed": confirmed, "at": at},
    )


def launch(
    connection: db.Connection,
    organization: str,
    sequence: str,
    *,
    by: str,
    sender: str | None,
    confirmed: str,
    at: datetime,
) -> None:
    """From a draft that is locked."""
    connection.execute(
        LAUNCH,
        _key(organization, sequence)
        | {"by": by, "sender": sender, "confirmed": confirmed, "at": at},
    )


def unlaunch(connection: db.Connection, organization: str, sequence: str) -> None:
    """As if it had never been."""
    connection.execute(UNLAUNCH, _key(organization, sequence))


def finish(connection: db.Connection, organization: str, sequence: str) -> None:
    """Nobody is open in it any more."""
    connection.execute(FINISH, _key(organization, sequence))


def subject_of(sequence: str) -> str:
    """As the audit log names it."""
    return f"sequence {sequence}"


def _insert_steps(connection: db.Connection, key: dict[str, Any], steps: Sequence[Step]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            INSERT_STEP,
            [
                key
                | {
                    "position": position,
                    "wait_days": step.wait_days,
                    "subject": step.subject,
                    "body": step.text,
                }
                for position, step in enumerate(steps, start=1)
            ],
        )


def _key(organization: str, sequence: str) -> dict[str, Any]:
    return {"organization": organization, "sequence": sequence}
