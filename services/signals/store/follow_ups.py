"""Calls that somebody promised, until they are done; what people wrote down about an account."""

from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from shared import db

MOST = 50
MOST_NOTES = 100

ADD = """
INSERT INTO follow_ups (
    organization, follow_up, account, due_on, note, email, outcome, created_at
) VALUES (
    %(organization)s, %(follow_up)s, %(account)s, %(due_on)s, %(note)s, %(email)s, %(outcome)s,
    %(at)s
)
ON CONFLICT DO NOTHING
"""

COLUMNS = """
SELECT
    f.follow_up,
    f.account,
    a.name,
    f.due_on,
    f.note,
    f.email,
    f.created_at,
    f.done_at
FROM follow_ups f
LEFT JOIN accounts a USING (organization, account)
WHERE f.organization = %(organization)s
"""

DUE = """
  AND f.done_at IS NULL
  AND f.due_on <= %(up_to)s
  AND (%(email)s::text IS NULL OR f.email = %(email)s)
ORDER BY f.due_on, f.created_at, f.follow_up
LIMIT %(most)s
"""

OPEN_OF_ACCOUNT = """
  AND f.done_at IS NULL
  AND f.account = %(account)s
ORDER BY f.due_on, f.follow_up
LIMIT %(most)s
"""

ONE = """
  AND f.follow_up = %(follow_up)s
FOR UPDATE OF f
"""

END = """
UPDATE follow_ups
SET done_at = %(at)s,
    done_by = %(by)s
WHERE organization = %(organization)s
  AND follow_up = %(follow_up)s
  AND done_at IS NULL
"""

END_OF_OUTCOME = """
UPDATE follow_ups
SET done_at = %(at)s,
    done_by = %(by)s
WHERE organization = %(organization)s
  AND outcome = %(outcome)s
  AND done_at IS NULL
"""

MOVE = """
UPDATE follow_ups
SET due_on = %(due_on)s
WHERE organization = %(organization)s
  AND follow_up = %(follow_up)s
  AND done_at IS NULL
"""

ADD_NOTE = """
INSERT INTO account_notes (organization, note, account, body, at, actor)
VALUES (%(organization)s, %(note)s, %(account)s, %(body)s, %(at)s, %(actor)s)
ON CONFLICT DO NOTHING
"""

DELETE_NOTE = """
DELETE FROM account_notes
WHERE organization = %(organization)s
  AND note = %(note)s
"""

NOTES = """
SELECT
    note,
    account,
    body,
    at,
    actor
FROM account_notes
WHERE organization = %(organization)s
"""

NOTES_OF_ACCOUNT = """
  AND account = %(account)s
ORDER BY at DESC, note
LIMIT %(most)s
"""

ONE_NOTE = """
  AND note = %(note)s
"""


@dataclass(frozen=True, kw_only=True)
class FollowUpRow:
    """A call that somebody (`email`) promised; `name` of the account."""

    follow_up: str
    account: str
    name: str | None
    due_on: date
    note: str | None
    email: str
    created_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NoteRow:
    """What somebody wrote down about an account."""

    note: str
    account: str
    body: str
    at: datetime
    actor: str


def add(
    connection: db.Connection,
    organization: str,
    *,
    follow_up: str,
    account: str,
    due_on: date,
    note: str | None,
    email: str,
    outcome: str | None,
    at: datetime,
) -> None:
    """Once, however often it comes."""
    values = {
        "organization": organization,
        "follow_up": follow_up,
        "account": account,
        "due_on": due_on,
        "note": note,
        "email": email,
        "outcome": outcome,
        "at": at,
    }
    connection.execute(ADD, values)


def due(
    connection: db.Connection, organization: str, *, up_to: date, email: str | None
) -> list[FollowUpRow]:
    """Those that are due, the oldest first; of one member, None: of all."""
    values = {"organization": organization, "up_to": up_to, "email": email, "most": MOST}
    with connection.cursor(row_factory=class_row(FollowUpRow)) as cursor:
        return cursor.execute(COLUMNS + DUE, values).fetchall()


def of_account(connection: db.Connection, organization: str, account: str) -> list[FollowUpRow]:
    """Those that are not done, the next first."""
    values = {"organization": organization, "account": account, "most": MOST}
    with connection.cursor(row_factory=class_row(FollowUpRow)) as cursor:
        return cursor.execute(COLUMNS + OPEN_OF_ACCOUNT, values).fetchall()


def lock(connection: db.Connection, organization: str, follow_up: str) -> FollowUpRow | None:
    """As it stands, until the end of the transaction; None: there is none."""
    values = {"organization": organization, "follow_up": follow_up}
    with connection.cursor(row_factory=class_row(FollowUpRow)) as cursor:
        return cursor.execute(COLUMNS + ONE, values).fetchone()


def end(
    connection: db.Connection, organization: str, follow_up: str, *, at: datetime, by: str
) -> None:
    """It is done."""
    values = {"organization": organization, "follow_up": follow_up, "at": at, "by": by}
    connection.execute(END, values)


def end_of_outcome(
    connection: db.Connection, organization: str, outcome: str, *, at: datetime, by: str
) -> None:
    """What an outcome that was taken back had promised."""
    values = {"organization": organization, "outcome": outcome, "at": at, "by": by}
    connection.execute(END_OF_OUTCOME, values)


def move(connection: db.Connection, organization: str, follow_up: str, due_on: date) -> None:
    """To another day."""
    values = {"organization": organization, "follow_up": follow_up, "due_on": due_on}
    connection.execute(MOVE, values)


def add_note(
    connection: db.Connection,
    organization: str,
    *,
    note: str,
    account: str,
    body: str,
    at: datetime,
    actor: str,
) -> bool:
    """False: it is there already."""
    values = {
        "organization": organization,
        "note": note,
        "account": account,
        "body": body,
        "at": at,
        "actor": actor,
    }
    return connection.execute(ADD_NOTE, values).rowcount == 1


def notes_of(connection: db.Connection, organization: str, account: str) -> list[NoteRow]:
    """The newest first."""
    values = {"organization": organization, "account": account, "most": MOST_NOTES}
    with connection.cursor(row_factory=class_row(NoteRow)) as cursor:
        return cursor.execute(NOTES + NOTES_OF_ACCOUNT, values).fetchall()


def find_note(connection: db.Connection, organization: str, note: str) -> NoteRow | None:
    """None: there is none."""
    with connection.cursor(row_factory=class_row(NoteRow)) as cursor:
        return cursor.execute(
            NOTES + ONE_NOTE, {"organization": organization, "note": note}
        ).fetchone()


def delete_note(connection: db.Connection, organization: str, note: str) -> None:
    """For good."""
    connection.execute(DELETE_NOTE, {"organization": organization, "note": note})
