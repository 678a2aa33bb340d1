"""The SQL of letters: what the guard asks at the dot, and what came of them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.sequences.flow_store import Person, taken_from
from shared import db
from shared.domain.last_word import Facts

# -- the last word ---------------------------------------------------------------------------------

# First the row, so that what is read behind the wait for it is as of then.
HOLD_PERSON = """
SELECT
    state,
    email
FROM enrollments
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
FOR SHARE
"""

FACTS = """
SELECT
    s.state AS sequence_state,
    d.email AS email_now,
    d.suppressed,
    d.enrollment,
    d.lost_at,
    greatest(d.paused_until, d.signal_paused_until) AS paused_until,
    d.open_signals,
    d.named_signals
FROM published_addressees d
JOIN published_sequences s USING (organization, sequence)
WHERE d.organization = %(organization)s
  AND d.sequence = %(sequence)s
  AND d.account = %(account)s
  AND d.contact = %(contact)s
"""

IS_STOPPED = """
SELECT EXISTS (
    SELECT
    FROM enrollments
    WHERE organization = %(organization)s
      AND sequence = %(sequence)s
      AND account = %(account)s
      AND contact = %(contact)s
      AND state NOT IN ('active', 'held', 'task')
)
"""

# -- what came of letters --------------------------------------------------------------------------

UNSETTLED = """
SELECT
    m.organization,
    m.sequence,
    m.account,
    m.contact,
    m.step,
    m.email,
    m.sender,
    m.state,
    m.answer,
    m.sent_at,
    e.state AS enrollment_state,
    d.zone,
    d.country,
    o.timezone
FROM sequence_mails m
JOIN enrollments e USING (organization, sequence, account, contact)
JOIN published_addressees d USING (organization, sequence, account, contact)
JOIN published_organizations o USING (organization)
WHERE NOT m.settled
  AND m.state IN ('sent', 'bounced', 'unknown', 'suppressed')
ORDER BY m.organization, m.sequence, m.account, m.contact
LIMIT %(most)s
FOR UPDATE OF m SKIP LOCKED
"""

SETTLED = """
UPDATE sequence_mails
SET settled = true
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND step = %(step)s
"""

# Also of who was stopped meanwhile: which letter left last is known then too.
NEXT_STEP = """
UPDATE enrollments
SET next_step = %(step)s + 1,
    waits = NULL,
    due_at = CASE WHEN state = 'active' THEN %(next_at)s END,
    next_at = CASE WHEN state = 'active' THEN %(next_at)s END
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND next_step = %(step)s
"""

INSERT_SENDER_DAY = """
INSERT INTO sender_days (organization, sender, sent_on)
VALUES (%(organization)s, %(sender)s, %(on)s)
ON CONFLICT DO NOTHING
"""

HOLD = """
UPDATE enrollments
SET state = 'held',
    next_at = %(until)s,
    waits = %(waits)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state IN ('active', 'held')
"""

RELEASE_HELD = """
UPDATE enrollments
SET state = 'active',
    due_at = %(now)s,
    next_at = %(now)s,
    waits = NULL
WHERE state = 'held'
  AND next_at <= %(now)s
"""

# -- what guards look at ---------------------------------------------------------------------------

SOFT_LATELY = """
SELECT count(*)
FROM sequence_mails
WHERE organization = %(organization)s
  AND lower(email) = lower(%(email)s)
  AND answer LIKE 'soft: %%'
  AND queued_at > %(since)s
"""

OURS_LATELY = """
SELECT count(*)
FROM sequence_mails
WHERE organization = %(organization)s
  AND sender = %(sender)s
  AND state IN ('sent', 'bounced')
  AND answer LIKE 'ours: %%'
  AND queued_at > %(since)s
"""

UNDELIVERABLE_LATELY = """
SELECT
    count(*) FILTER (WHERE answer LIKE 'undeliverable: %%'),
    count(*)
FROM sequence_mails
WHERE organization = %(organization)s
  AND state IN ('sent', 'bounced')
  AND queued_at > %(since)s
"""

MARK_ANSWER = """
UPDATE sequence_mails
SET answer = %(answer)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND step = %(step)s
"""

COMPLAINTS_LATELY = """
SELECT count(*)
FROM received_mails
WHERE organization = %(organization)s
  AND kind = 'complaint'
  AND received_at > %(since)s
"""

PAUSE_SENDING = """
INSERT INTO sending_pauses (organization, sender, why, at)
VALUES (%(organization)s, %(sender)s, %(why)s, %(at)s)
ON CONFLICT DO NOTHING
"""

COUNT_PAUSES = "SELECT why, count(*) FROM sending_pauses GROUP BY why"

FORGET_MESSAGES = """
UPDATE sequence_mails
SET message = ''
WHERE queued_at < %(before)s
  AND message <> ''
  AND state NOT IN ('queued', 'sending', 'retry')
"""


@dataclass(frozen=True, kw_only=True)
class Unsettled:
    """A letter whose end is not drawn into the enrollment yet."""

    person: Person
    step: int
    email: str
    sender: str
    state: str
    answer: str
    sent_at: datetime | None
    enrollment_state: str
    zone: str | None
    country: str | None
    timezone: str


def hold_person(connection: db.Connection, person: Person) -> tuple[str, str | None] | None:
    """(state, email), which nobody changes until this transaction ends."""
    return connection.execute(HOLD_PERSON, person.key).fetchone()


def facts(connection: db.Connection, person: Person, *, state: Any, email: str) -> Facts | None:
    """What is asked before a letter leaves; None: the sequence is gone."""
    row = connection.cursor(row_factory=dict_row).execute(FACTS, person.key).fetchone()
    if row is None:
        return None
    return Facts(state=state, email=email, **row | {"enrollment": row["enrollment"] or "auto"})


def is_stopped(connection: db.Connection, person: Person) -> bool:
    """Whether nobody may write to them now."""
    row = connection.execute(IS_STOPPED, person.key).fetchone()
    return row is not None and bool(row[0])


def unsettled(connection: db.Connection, *, most: int) -> list[Unsettled]:
    """Some of them, locked."""
    return [
        Unsettled(person=taken_from(row), **row)
        for row in connection.cursor(row_factory=dict_row).execute(UNSETTLED, {"most": most})
    ]


def settled(connection: db.Connection, person: Person, step: int) -> None:
    """Its end is drawn."""
    connection.execute(SETTLED, person.key | {"step": step})


def next_step(connection: db.Connection, person: Person, step: int, *, next_at: datetime) -> None:
    """This letter left; the next thing is at `next_at`, if they are still written to."""
    connection.execute(NEXT_STEP, person.key | {"step": step, "next_at": next_at})


def sent_on(connection: db.Connection, organization: str, sender: str, on: date) -> None:
    """A day on which the sender sent."""
    values = {"organization": organization, "sender": sender, "on": on}
    connection.execute(INSERT_SENDER_DAY, values)


def hold(
    connection: db.Connection, person: Person, *, until: datetime, waits: dict[str, Any]
) -> None:
    """Nothing goes to them before `until`."""
    connection.execute(HOLD, person.key | {"until": until, "waits": Jsonb(waits)})


def release_held(connection: db.Connection, *, now: datetime) -> None:
    """Whose hold is over."""
    connection.execute(RELEASE_HELD, {"now": now})


def mark(connection: db.Connection, person: Person, step: int, kind: str, answer: str) -> None:
    """What the refusal was about, before what the server said."""
    values = person.key | {"step": step, "answer": f"{kind}: {answer}"[:600]}
    connection.execute(MARK_ANSWER, values)


def ours_lately(
    connection: db.Connection, organization: str, sender: str, *, since: datetime
) -> int:
    """Refusals that are about us."""
    asked = {"organization": organization, "sender": sender, "since": since}
    row = connection.execute(OURS_LATELY, asked).fetchone()
    return int(row[0]) if row else 0


def soft_lately(
    connection: db.Connection, organization: str, email: str, *, since: datetime
) -> int:
    """Letters to this address that failed and blamed nobody: in the dialogue, or reported later."""
    asked = {"organization": organization, "email": email, "since": since}
    row = connection.execute(SOFT_LATELY, asked).fetchone()
    return int(row[0]) if row else 0


def undeliverable_lately(
    connection: db.Connection, organization: str, *, since: datetime
) -> tuple[int, int]:
    """(undeliverable, of how many)."""
    asked = {"organization": organization, "since": since}
    row = connection.execute(UNDELIVERABLE_LATELY, asked).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def complaints_lately(connection: db.Connection, organization: str, *, since: datetime) -> int:
    """How many people pressed *spam*."""
    asked = {"organization": organization, "since": since}
    row = connection.execute(COMPLAINTS_LATELY, asked).fetchone()
    return int(row[0]) if row else 0


def pause_sending(
    connection: db.Connection, organization: str, sender: str, why: str, *, at: datetime
) -> bool:
    """False: it is paused already."""
    values = {"organization": organization, "sender": sender, "why": why, "at": at}
    return connection.execute(PAUSE_SENDING, values).rowcount == 1


def count_pauses(connection: db.Connection) -> dict[str, int]:
    """How many, by why."""
    return dict(connection.execute(COUNT_PAUSES).fetchall())


def forget_messages(connection: db.Connection, *, before: datetime) -> None:
    """The text of letters that are older; that they went out is kept."""
    connection.execute(FORGET_MESSAGES, {"before": before})
