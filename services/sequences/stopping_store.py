"""The SQL of what stops people in sequences.

Who is closed, is closed whatever else happens. A stop locks its rows before it writes down when: a
letter whose dot is being written keeps it waiting for these milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.sequences.flow_store import Person
from shared import db
from shared.domain.enrollment_states import StopReason
from shared.events import SignalRecovered

TAKE_BACK = """
UPDATE enrollments
SET state = 'enrolled',
    reason = NULL,
    started_at = NULL,
    due_at = NULL,
    next_at = NULL,
    waits = NULL
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND (state IN ('active', 'held', 'task') OR (state = 'skipped' AND started_at IS NOT NULL))
"""

# An open one by any signal that its letters name; a draft once all that it was made for are
# answered, or, if it was made before it knew them, by the type.
ANSWERED = """
SELECT DISTINCT
    e.sequence,
    e.account,
    e.contact,
    e.state,
    said.resolution AS reason,
    said.at
FROM unnest(
    %(accounts)s::text[], %(signals)s::text[], %(episodes)s::int[], %(types)s::text[],
    %(resolutions)s::text[], %(at)s::timestamptz[]
) AS said (account, signal, episode, type, resolution, at)
JOIN enrollments e ON e.organization = %(organization)s AND e.account = said.account
WHERE (
    e.state IN ('active', 'held', 'task')
    AND EXISTS (
        SELECT
        FROM unnest(e.signals, e.episodes) AS named (signal, episode)
        WHERE named.signal = said.signal
          AND named.episode <= said.episode
    )
) OR (
    e.state = 'enrolled'
    AND e.signal_type = said.type
    AND e.seen_at < said.at
    AND NOT EXISTS (
        SELECT
        FROM unnest(e.signals, e.episodes) AS named (signal, episode)
        WHERE NOT EXISTS (
            SELECT
            FROM answers w
            WHERE w.organization = e.organization
              AND w.signal = named.signal
              AND w.episode >= named.episode
        )
    )
)
"""

INSERT_ANSWERS = """
INSERT INTO answers (organization, signal, episode, at, resolution, erp_order)
SELECT
    %(organization)s,
    said.signal,
    said.episode,
    said.at,
    said.resolution,
    said.erp_order
FROM unnest(
    %(signals)s::text[], %(episodes)s::int[], %(at)s::timestamptz[], %(resolutions)s::text[],
    %(orders)s::text[]
) AS said (signal, episode, at, resolution, erp_order)
WHERE EXISTS (
    SELECT
    FROM published_organizations
    WHERE organization = %(organization)s
)
ON CONFLICT DO NOTHING
"""

OPEN_OF = """
SELECT
    sequence,
    account,
    contact
FROM enrollments
WHERE organization = %(organization)s
  AND state IN ('active', 'held', 'task')
  AND (%(sequence)s::text IS NULL OR sequence = %(sequence)s)
  AND (%(account)s::text IS NULL OR account = %(account)s)
  AND (%(contact)s::text IS NULL OR contact = %(contact)s)
  AND (%(signal)s::text IS NULL OR %(signal)s = ANY(signals))
  AND (
      %(email)s::text IS NULL
      OR lower(email) = lower(%(email)s)
      OR '@' || lower(split_part(email, '@', 2)) = lower(%(email)s)
  )
"""

LOCK_ROWS = """
SELECT e.state
FROM enrollments e
JOIN unnest(%(sequences)s::text[], %(accounts)s::text[], %(contacts)s::text[])
    AS one (sequence, account, contact)
    USING (sequence, account, contact)
WHERE e.organization = %(organization)s
ORDER BY e.sequence, e.account, e.contact
FOR UPDATE OF e
"""

# clock_timestamp(): behind the wait for the rows, not before it.
STOP = """
UPDATE enrollments
SET state = 'stopped',
    reason = %(reason)s,
    stopped_at = clock_timestamp(),
    stopped_by = %(by)s,
    due_at = NULL,
    next_at = NULL,
    waits = NULL
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state IN ('enrolled', 'active', 'held', 'task')
RETURNING
    stopped_at,
    next_step - 1
"""

CANCEL_MAILS = """
UPDATE sequence_mails
SET state = 'cancelled',
    answer = %(why)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND (%(account)s::text IS NULL OR (account, contact) = (%(account)s, %(contact)s))
  AND state IN ('queued', 'retry')
"""

DROP_TASKS = """
UPDATE tasks
SET done_at = clock_timestamp(),
    result = 'dropped'
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND (%(account)s::text IS NULL OR (account, contact) = (%(account)s, %(contact)s))
  AND done_at IS NULL
"""

STOPPED_BY = """
SELECT
    sequence,
    account,
    contact
FROM enrollments
WHERE organization = %(organization)s
  AND account = %(account)s
  AND state = 'stopped'
  AND stopped_by = %(by)s
  AND reason IN ('reached_out', 'won_back')
"""

REFUSE = """
INSERT INTO refusals (organization, email, reason, answer, at)
VALUES (%(organization)s, lower(%(email)s), %(reason)s, %(answer)s, %(at)s)
ON CONFLICT DO NOTHING
"""

FORGET_ANSWERS = "DELETE FROM answers WHERE at < %s"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Somebody whom a recovery stops. at: when the order that answers was accepted."""

    person: Person
    was: str
    reason: StopReason
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """step: the last letter that left; 0: none."""

    at: datetime
    step: int


def take_back(connection: db.Connection, organization: str, sequence: str) -> None:
    """As it was before the launch."""
    key = {"organization": organization, "sequence": sequence}
    cancel(connection, organization, sequence, why="taken back")
    connection.execute(TAKE_BACK, key)


def keep_answers(
    connection: db.Connection, organization: str, said: Sequence[SignalRecovered]
) -> None:
    """What recovered, for 30 days. Of unknown organizations nothing."""
    connection.execute(INSERT_ANSWERS, _said(organization, said))


def answered(
    connection: db.Connection, organization: str, said: Sequence[SignalRecovered]
) -> list[Answered]:
    """Whom these recoveries stop, each once."""
    found: dict[Person, Answered] = {}
    for sequence, account, contact, state, reason, at in connection.execute(
        ANSWERED, _said(organization, said)
    ):
        person = Person(
            organization=organization, sequence=sequence, account=account, contact=contact
        )
        if state != "enrolled" or reason == "reordered":
            found.setdefault(person, Answered(person=person, was=state, reason=reason, at=at))
    return list(found.values())


def open_people(
    connection: db.Connection,
    organization: str,
    *,
    sequence: str | None = None,
    account: str | None = None,
    contact: str | None = None,
    signal: str | None = None,
    email: str | None = None,
) -> list[Person]:
    """Who is open, of those that are meant. email: an address, or @domain."""
    asked = {
        "organization": organization,
        "sequence": sequence,
        "account": account,
        "contact": contact,
        "signal": signal,
        "email": email,
    }
    return [
        Person(organization=organization, sequence=found, account=of, contact=who)
        for found, of, who in connection.execute(OPEN_OF, asked)
    ]


def lock_people(connection: db.Connection, people: Sequence[Person]) -> None:
    """Of one organization; waits for letters whose dot is being written."""
    if people:
        asked = {
            "organization": people[0].organization,
            "sequences": [one.sequence for one in people],
            "accounts": [one.account for one in people],
            "contacts": [one.contact for one in people],
        }
        connection.execute(LOCK_ROWS, asked)


def stop(
    connection: db.Connection, person: Person, reason: StopReason, *, by: str | None = None
) -> Stopped | None:
    """What is queued for them is cancelled with it. None: they were stopped already."""
    row = connection.execute(STOP, person.key | {"reason": reason, "by": by}).fetchone()
    if row is None:
        return None
    connection.execute(CANCEL_MAILS, person.key | {"why": reason})
    connection.execute(DROP_TASKS, person.key)
    return Stopped(at=row[0], step=row[1])


def cancel(connection: db.Connection, organization: str, sequence: str, *, why: str) -> None:
    """What is queued for anybody in it; and what was asked about them."""
    key = {"organization": organization, "sequence": sequence, "account": None, "contact": None}
    connection.execute(CANCEL_MAILS, key | {"why": why})
    if why == "taken back":
        connection.execute(DROP_TASKS, key)


def stopped_by(
    connection: db.Connection, organization: str, account: str, outcome: str
) -> list[Person]:
    """Whom an outcome alone had stopped."""
    asked = {"organization": organization, "account": account, "by": outcome}
    return [
        Person(organization=organization, sequence=sequence, account=of, contact=contact)
        for sequence, of, contact in connection.execute(STOPPED_BY, asked)
    ]


def refuse(
    connection: db.Connection,
    organization: str,
    email: str,
    *,
    reason: str,
    answer: str,
    at: datetime,
) -> None:
    """Nothing more goes to this address."""
    values = {"organization": organization, "email": email, "reason": reason}
    connection.execute(REFUSE, values | {"answer": answer[:500], "at": at})


def forget_answers(connection: db.Connection, *, before: datetime) -> None:
    """Signals that recovered before that."""
    connection.execute(FORGET_ANSWERS, (before,))


def _said(organization: str, said: Sequence[SignalRecovered]) -> dict[str, Any]:
    return {
        "organization": organization,
        "accounts": [one.account for one in said],
        "signals": [one.signal for one in said],
        "episodes": [one.episode for one in said],
        "types": [one.signal_type for one in said],
        "resolutions": [one.resolution for one in said],
        "orders": [one.order for one in said],
        "at": [one.at for one in said],
    }
