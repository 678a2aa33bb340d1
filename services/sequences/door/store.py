"""The SQL of the door: whose letter a token names, what came, and whether a test mail returned."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row

from services.sequences.flow_store import Person, taken_from
from shared import db

LETTER = """
SELECT
    m.organization,
    m.sequence,
    m.account,
    m.contact,
    m.step,
    m.email,
    m.sender,
    d.zone,
    d.country,
    o.timezone
FROM sequence_mails m
JOIN published_addressees d USING (organization, sequence, account, contact)
JOIN published_organizations o USING (organization)
WHERE m.token = %s
"""

IS_KNOWN = """
SELECT
    EXISTS (SELECT FROM sequence_mails WHERE token = %(token)s)
    OR EXISTS (SELECT FROM round_trips WHERE token = %(token)s)
"""

INSERT_RECEIVED = """
INSERT INTO received_mails (
    organization,
    id,
    sequence,
    account,
    contact,
    step,
    email,
    kind,
    matched,
    received_at,
    sender,
    subject,
    said
)
VALUES (
    %(organization)s,
    %(id)s,
    %(sequence)s,
    %(account)s,
    %(contact)s,
    %(step)s,
    %(email)s,
    %(kind)s,
    'token',
    %(at)s,
    %(sender)s,
    %(subject)s,
    %(said)s
)
ON CONFLICT DO NOTHING
"""

# Three times at most: who is away for ever is written to in the end.
HOLD_AWAY = """
UPDATE enrollments
SET state = 'held',
    next_at = greatest(next_at, %(until)s),
    held_times = held_times + 1,
    waits = jsonb_build_object('why', 'away')
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state IN ('active', 'held')
  AND held_times < %(most)s
"""

CANCEL_QUEUED = """
UPDATE sequence_mails
SET state = 'cancelled',
    answer = 'held'
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state IN ('queued', 'retry')
"""

FORGET = "DELETE FROM received_mails WHERE received_at < %s"

# -- the round trip --------------------------------------------------------------------------------

# Organizations whose answers come here, with the sender of their letters, where no test was sent
# for a day; a test that failed is sent again each hour.
DUE_TRIPS = """
SELECT
    s.organization,
    (
        SELECT lower(p.email)
        FROM published_senders p
        WHERE p.organization = s.organization
          AND p.proven_at IS NOT NULL
          AND p.is_allowed
        ORDER BY p.proven_at, p.email
        LIMIT 1
    ) AS sender
FROM published_sending_settings s
LEFT JOIN LATERAL (
    SELECT
        asked_at,
        returned_at,
        wrong
    FROM round_trips
    WHERE organization = s.organization
    ORDER BY asked_at DESC
    LIMIT 1
) t ON true
WHERE s.settings ->> 'replies' = 'door'
  AND (
      t.asked_at IS NULL
      OR t.asked_at < %(day)s
      OR (t.asked_at < %(hour)s AND (t.returned_at IS NULL OR t.wrong IS NOT NULL))
  )
"""

INSERT_TRIP = """
INSERT INTO round_trips (organization, token, sender, message_id, asked_at)
VALUES (%(organization)s, %(token)s, %(sender)s, %(message_id)s, %(at)s)
"""

SENT_TRIP = "UPDATE round_trips SET sent_at = %(at)s WHERE token = %(token)s"

TRIP = """
SELECT
    organization,
    token,
    sender,
    message_id
FROM round_trips
WHERE token = %s
FOR UPDATE
"""

RETURNED = """
UPDATE round_trips
SET returned_at = %(at)s,
    wrong = %(wrong)s
WHERE token = %(token)s
"""

# Failed: asked for long enough ago, and not returned as it was sent. One row an organization.
STATE_OF_TRIPS = """
SELECT DISTINCT ON (t.organization)
    t.organization,
    t.asked_at,
    t.returned_at,
    t.wrong
FROM round_trips t
JOIN published_sending_settings s USING (organization)
WHERE s.settings ->> 'replies' = 'door'
ORDER BY t.organization, t.asked_at DESC
"""

LAST_RETURNED = """
SELECT min(latest)
FROM (
    SELECT max(t.returned_at) FILTER (WHERE t.wrong IS NULL) AS latest
    FROM round_trips t
    JOIN published_sending_settings s USING (organization)
    WHERE s.settings ->> 'replies' = 'door'
    GROUP BY t.organization
) AS of_each
"""

END_PAUSE = """
DELETE FROM sending_pauses
WHERE organization = %(organization)s
  AND sender = ''
  AND why = 'round_trip'
"""

FORGET_TRIPS = "DELETE FROM round_trips WHERE asked_at < %s"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A letter that left, to whom, and their days."""

    person: Person
    step: int
    email: str
    sender: str
    zone: str | None
    country: str | None
    timezone: str


@dataclass(frozen=True, kw_only=True)
class Trip:
    """A test mail, as it was sent."""

    organization: str
    token: str
    sender: str
    message_id: str


@dataclass(frozen=True, kw_only=True)
class TripState:
    """The newest of an organization."""

    organization: str
    asked_at: datetime
    returned_at: datetime | None
    wrong: str | None


def is_known(connection: db.Connection, token: str) -> bool:
    """Whether the token is of a letter or a test mail."""
    row = connection.execute(IS_KNOWN, {"token": token}).fetchone()
    return row is not None and bool(row[0])


def letter(connection: db.Connection, token: str) -> Letter | None:
    """None: it names none."""
    row = connection.cursor(row_factory=dict_row).execute(LETTER, (token,)).fetchone()
    return None if row is None else Letter(person=taken_from(row), **row)


def insert_received(
    connection: db.Connection, letter: Letter, id_: str, values: dict[str, Any]
) -> bool:
    """False: it is there already."""
    row = letter.person.key | {"step": letter.step, "email": letter.email, "id": id_} | values
    return connection.execute(INSERT_RECEIVED, row).rowcount == 1


def hold_away(connection: db.Connection, person: Person, *, until: datetime, most: int) -> bool:
    """Nothing before `until`. False: closed, or held so often already."""
    return connection.execute(HOLD_AWAY, person.key | {"until": until, "most": most}).rowcount == 1


def cancel_queued(connection: db.Connection, person: Person) -> None:
    """The letter that waits comes again when the hold is over."""
    connection.execute(CANCEL_QUEUED, person.key)


def forget(connection: db.Connection, *, before: datetime) -> None:
    """Mails and test mails that are older."""
    connection.execute(FORGET, (before,))
    connection.execute(FORGET_TRIPS, (before,))


def due_trips(
    connection: db.Connection, *, day: datetime, hour: datetime
) -> list[tuple[str, str | None]]:
    """(organization, sender) of whom a test mail is due."""
    return connection.execute(DUE_TRIPS, {"day": day, "hour": hour}).fetchall()


def insert_trip(connection: db.Connection, trip: Trip, *, at: datetime) -> None:
    """Before it is sent: it may be back before that is known."""
    values = {"organization": trip.organization, "token": trip.token, "sender": trip.sender}
    connection.execute(INSERT_TRIP, values | {"message_id": trip.message_id, "at": at})


def sent_trip(connection: db.Connection, token: str, *, at: datetime) -> None:
    """The relay took it."""
    connection.execute(SENT_TRIP, {"token": token, "at": at})


def trip(connection: db.Connection, token: str) -> Trip | None:
    """Locked."""
    with connection.cursor(row_factory=class_row(Trip)) as cursor:
        return cursor.execute(TRIP, (token,)).fetchone()


def returned(connection: db.Connection, token: str, wrong: str | None, *, at: datetime) -> None:
    """It came back. wrong: what the relay changed that answers need."""
    connection.execute(RETURNED, {"token": token, "wrong": wrong, "at": at})


def states_of_trips(connection: db.Connection) -> list[TripState]:
    """The newest of each organization whose answers come here."""
    with connection.cursor(row_factory=class_row(TripState)) as cursor:
        return cursor.execute(STATE_OF_TRIPS).fetchall()


def last_returned(connection: db.Connection) -> datetime | None:
    """When the last good one of the organization returned that has waited longest for one."""
    row = connection.execute(LAST_RETURNED).fetchone()
    return row[0] if row else None


def end_pause(connection: db.Connection, organization: str) -> None:
    """Answers are heard again."""
    connection.execute(END_PAUSE, {"organization": organization})
