"""The SQL of who is written to: started at a launch, resumed, asked about.

Who becomes open does so under `lock`, so that no two flows take the same account or address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from services.sequences.accounts_store import Candidate, Named, candidate_of
from shared import db
from shared.events import Step

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('letters of ' || %s, 0))"

ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('release of letters', 0))"

# -- what a sequence is ----------------------------------------------------------------------------

RUNNING = """
SELECT
    s.state,
    s.signal_type,
    s.sender,
    s.launched_at,
    s.confirmed,
    o.name AS organization_name,
    o.timezone,
    r.as_of,
    r.settings
FROM published_sequences s
JOIN published_organizations o USING (organization)
LEFT JOIN LATERAL (
    SELECT
        as_of,
        settings
    FROM published_runs
    WHERE organization = s.organization
      AND completed_at IS NOT NULL
    ORDER BY number DESC
    LIMIT 1
) r ON true
WHERE s.organization = %(organization)s
  AND s.sequence = %(sequence)s
"""

STEPS = """
SELECT
    wait_days,
    subject,
    body AS text
FROM published_sequence_steps
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
ORDER BY position
"""

# Owners as the ERP writes them, of whom an admin said who they are.
OWNERS = """
SELECT
    owner,
    lower(email)
FROM published_owners
WHERE organization = %(organization)s
  AND email IS NOT NULL
"""

USABLE_SENDERS = """
SELECT lower(email)
FROM published_senders
WHERE organization = %(organization)s
  AND proven_at IS NOT NULL
  AND is_allowed
"""

# -- starting --------------------------------------------------------------------------------------

STARTING = """
SELECT
    e.signal_type AS type,
    d.account,
    d.account_name AS name,
    d.owner,
    d.enrollment,
    d.paused_until,
    d.lost_at,
    nullif(d.contact, '') AS contact,
    d.email,
    d.contact_name,
    d.zone,
    d.country,
    d.suppressed,
    d.account_in_sequence,
    d.contact_in_sequence,
    (
        SELECT jsonb_agg(
            jsonb_build_object(
                'signal', s.signal,
                'episode', s.episode,
                'od', s.od,
                'grade', s.grade,
                'figures', s.figures
            )
            ORDER BY s.signal
        )
        FROM published_signals s
        WHERE s.organization = e.organization
          AND s.account = e.account
          AND s.type = e.signal_type
          AND s.recovered_at IS NULL
          AND s.lost_at IS NULL
          AND (s.paused_until IS NULL OR s.paused_until <= %(at)s)
          AND NOT EXISTS (
              SELECT
              FROM answers w
              WHERE w.organization = e.organization
                AND w.signal = s.signal
                AND w.episode = s.episode
          )
    ) AS signals
FROM enrollments e
JOIN published_addressees d USING (organization, sequence, account, contact)
WHERE e.organization = %(organization)s
  AND e.sequence = %(sequence)s
  AND e.state = ANY(%(states)s)
  AND (%(account)s::text IS NULL OR (e.account, e.contact) = (%(account)s, %(contact)s))
ORDER BY e.account, e.contact
"""

# The indexes say the same; asked first, the others of a launch do not fail with the one.
START = """
UPDATE enrollments e
SET state = 'active',
    reason = NULL,
    email = %(email)s,
    sender = %(sender)s,
    signals = %(signals)s,
    episodes = %(episodes)s,
    value_cents = %(value_cents)s,
    variables = %(variables)s,
    started_at = coalesce(e.started_at, %(at)s),
    due_at = %(next_at)s,
    next_at = %(next_at)s,
    waits = NULL,
    stopped_at = NULL,
    stopped_by = NULL
WHERE e.organization = %(organization)s
  AND e.sequence = %(sequence)s
  AND e.account = %(account)s
  AND e.contact = %(contact)s
  AND e.state = ANY(%(states)s)
  AND NOT EXISTS (
      SELECT
      FROM enrollments b
      WHERE b.organization = e.organization
        AND b.state IN ('active', 'held', 'task')
        AND (b.account = e.account OR lower(b.email) = lower(%(email)s))
  )
"""

SKIP = """
UPDATE enrollments
SET state = 'skipped',
    reason = %(reason)s,
    started_at = %(at)s,
    next_at = NULL
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state = 'enrolled'
"""


PLAN_ANEW = """
UPDATE enrollments
SET next_at = greatest(next_at, %(at)s),
    due_at = greatest(due_at, %(at)s),
    waits = NULL
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND state = 'active'
"""

# -- going on --------------------------------------------------------------------------------------

STATE_OF = """
SELECT
    state,
    reason,
    next_step
FROM enrollments
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
FOR UPDATE
"""

SEND_AGAIN = """
UPDATE sequence_mails
SET state = 'queued',
    ambiguous = 0,
    settled = false,
    queued_at = %(at)s,
    next_attempt_at = %(at)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state = 'unknown'
"""

GO_ON = """
UPDATE enrollments
SET next_step = next_step + 1
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
"""

FINISH_TASK = """
UPDATE tasks
SET done_at = %(at)s,
    done_by = %(by)s,
    result = %(result)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND step = %(step)s
  AND done_at IS NULL
"""

ASKED_AND_DONE = """
UPDATE enrollments
SET state = 'active',
    next_at = %(at)s,
    due_at = %(at)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state = 'task'
"""

END_PAUSE = """
DELETE FROM sending_pauses
WHERE organization = %(organization)s
  AND sender = %(sender)s
"""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A launched sequence with what letters of its organization are made from."""

    state: str
    signal_type: str
    sender: str | None
    launched_at: datetime | None
    confirmed: str
    organization_name: str
    timezone: str
    as_of: Any
    settings: Any


@dataclass(frozen=True, kw_only=True)
class Person:
    """One enrollment, by its key."""

    organization: str
    sequence: str
    account: str
    contact: str

    @property
    def key(self) -> dict[str, Any]:
        """column -> value"""
        return {
            "organization": self.organization,
            "sequence": self.sequence,
            "account": self.account,
            "contact": self.contact,
        }


@dataclass(frozen=True, kw_only=True)
class Start:
    """Somebody who is written to from now on."""

    person: Person
    email: str
    sender: str
    named: Sequence[Named]
    value_cents: int
    variables: dict[str, str]
    next_at: datetime


def lock(connection: db.Connection, organization: str) -> None:
    """Until the end of the transaction nobody else starts anybody here."""
    connection.execute(LOCK, (organization,))


def alone(connection: db.Connection) -> bool:
    """Whether this transaction is the one that looks after time; at most one does."""
    row = connection.execute(ALONE).fetchone()
    return row is not None and bool(row[0])


def running(connection: db.Connection, organization: str, sequence: str) -> Running | None:
    """None: there is no such sequence here (any more)."""
    with connection.cursor(row_factory=class_row(Running)) as cursor:
        return cursor.execute(
            RUNNING, {"organization": organization, "sequence": sequence}
        ).fetchone()


def steps(connection: db.Connection, organization: str, sequence: str) -> list[Step]:
    """Its letters as they are now."""
    with connection.cursor(row_factory=class_row(Step)) as cursor:
        return cursor.execute(
            STEPS, {"organization": organization, "sequence": sequence}
        ).fetchall()


def usable_senders(connection: db.Connection, organization: str) -> set[str]:
    """Addresses that letters may bear, in small letters."""
    rows = connection.execute(USABLE_SENDERS, {"organization": organization})
    return {str(row[0]) for row in rows}


def owners(connection: db.Connection, organization: str) -> dict[str, str]:
    """owner as the ERP writes it -> a member's address, in small letters."""
    return dict(connection.execute(OWNERS, {"organization": organization}).fetchall())


def starting(
    connection: db.Connection,
    organization: str,
    sequence: str,
    *,
    states: Sequence[str],
    at: datetime,
    person: Person | None = None,
) -> list[Candidate]:
    """Who is in one of the states, with all that is asked before they are written to."""
    asked = {
        "organization": organization,
        "sequence": sequence,
        "states": list(states),
        "at": at,
        "account": person.account if person else None,
        "contact": person.contact if person else None,
    }
    rows = connection.cursor(row_factory=dict_row).execute(STARTING, asked)
    return [candidate_of(row) for row in rows]


def start(connection: db.Connection, one: Start, *, states: Sequence[str], at: datetime) -> bool:
    """False: they are in none of the states any more, or somebody else writes to them."""
    values = one.person.key | {
        "email": one.email,
        "sender": one.sender,
        "signals": [named.signal for named in one.named],
        "episodes": [named.episode for named in one.named],
        "value_cents": one.value_cents,
        "variables": Jsonb(one.variables),
        "next_at": one.next_at,
        "states": list(states),
        "at": at,
    }
    return connection.execute(START, values).rowcount == 1


def skip(connection: db.Connection, person: Person, reason: str, *, at: datetime) -> None:
    """At launch: only listed, and why."""
    connection.execute(SKIP, person.key | {"reason": reason, "at": at})


def plan_anew(connection: db.Connection, organization: str, sequence: str, *, at: datetime) -> None:
    """Who waits does so until `at` at least."""
    connection.execute(PLAN_ANEW, {"organization": organization, "sequence": sequence, "at": at})


def state_of(connection: db.Connection, person: Person) -> tuple[str, str | None, int] | None:
    """(state, reason, next step), locked; None: there is no such person."""
    return connection.execute(STATE_OF, person.key).fetchone()


def send_again(connection: db.Connection, person: Person, *, at: datetime) -> bool:
    """The letter whose answer was lost goes into the queue with the Message-ID that it has."""
    return connection.execute(SEND_AGAIN, person.key | {"at": at}).rowcount == 1


def go_on(connection: db.Connection, person: Person) -> None:
    """The letter whose answer was lost counts as sent."""
    connection.execute(GO_ON, person.key)


def finish_task(
    connection: db.Connection, person: Person, step: int, *, result: str, by: str, at: datetime
) -> bool:
    """False: nobody was asked, or it was answered already."""
    values = person.key | {"step": step, "result": result, "by": by, "at": at}
    return connection.execute(FINISH_TASK, values).rowcount == 1


def asked_and_done(connection: db.Connection, person: Person, *, at: datetime) -> None:
    """Nobody answered: the next letter may go."""
    connection.execute(ASKED_AND_DONE, person.key | {"at": at})


def end_pause(connection: db.Connection, organization: str, sender: str) -> None:
    """Of one sender, or ("") of the organization."""
    connection.execute(END_PAUSE, {"organization": organization, "sender": sender})


def taken_from(row: dict[str, Any]) -> Person:
    """Takes the key of an enrollment out of a row."""
    names = ("organization", "sequence", "account", "contact")
    return Person(**{name: row.pop(name) for name in names})
