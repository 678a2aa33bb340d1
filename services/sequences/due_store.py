"""The SQL of what is due: which letter may leave, who is asked, who is through."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.sequences.flow_store import Person, taken_from
from shared import db
from shared.domain.pacing import Left

ORGANIZATIONS_DUE = """
SELECT DISTINCT e.organization
FROM enrollments e
JOIN published_sequences s USING (organization, sequence)
WHERE e.state = 'active'
  AND e.next_at <= %(now)s
  AND s.state = 'launched'
"""

# Follow-ups first, then what is most at stake.
DUE = """
SELECT
    e.organization,
    e.sequence,
    e.account,
    e.contact,
    e.email,
    e.sender,
    e.next_step,
    e.due_at,
    e.variables,
    d.owner,
    d.zone,
    d.country,
    o.name AS organization_name,
    o.timezone,
    EXISTS (
        SELECT
        FROM tasks t
        WHERE (t.organization, t.sequence, t.account, t.contact, t.step)
            = (e.organization, e.sequence, e.account, e.contact, e.next_step)
          AND t.result = 'no_answer'
    ) AS was_asked
FROM enrollments e
JOIN published_sequences s USING (organization, sequence)
JOIN published_organizations o USING (organization)
JOIN published_addressees d USING (organization, sequence, account, contact)
WHERE e.organization = %(organization)s
  AND e.state = 'active'
  AND e.next_at <= %(now)s
  AND s.state = 'launched'
  AND NOT EXISTS (
      SELECT
      FROM sequence_mails m
      WHERE (m.organization, m.sequence, m.account, m.contact, m.step)
          = (e.organization, e.sequence, e.account, e.contact, e.next_step)
        AND (m.state IN ('queued', 'sending', 'retry') OR NOT m.settled AND m.state <> 'cancelled')
  )
ORDER BY e.next_step DESC, e.value_cents DESC, e.account
LIMIT %(most)s
FOR UPDATE OF e SKIP LOCKED
"""

LATELY = """
SELECT
    coalesce(sent_at, queued_at),
    sender,
    lower(split_part(email, '@', 2))
FROM sequence_mails
WHERE organization = %(organization)s
  AND (
      (state = 'sent' AND sent_at > %(since)s)
      OR (state IN ('queued', 'sending', 'retry', 'unknown') AND queued_at > %(since)s)
  )
"""

SENDING_DAYS = """
SELECT
    sender,
    count(*)
FROM sender_days
WHERE organization = %(organization)s
  AND sent_on < %(today)s
GROUP BY sender
"""

PAUSES = """
SELECT
    sender,
    why
FROM sending_pauses
WHERE organization = %s
"""

WAIT = """
UPDATE enrollments
SET next_at = %(until)s,
    waits = %(waits)s
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
"""

ASK = """
INSERT INTO tasks (organization, sequence, account, contact, step, kind, due_at)
VALUES (%(organization)s, %(sequence)s, %(account)s, %(contact)s, %(step)s, 'answer', %(at)s)
ON CONFLICT (organization, sequence, account, contact, step) DO UPDATE SET
    due_at = excluded.due_at,
    done_at = NULL,
    done_by = NULL,
    result = NULL
"""

TO_TASK = """
UPDATE enrollments
SET state = 'task',
    next_at = NULL,
    waits = NULL
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state = 'active'
"""

OLD_TASKS = """
SELECT
    t.organization,
    t.sequence,
    t.account,
    t.contact,
    t.due_at,
    o.timezone
FROM tasks t
JOIN published_organizations o USING (organization)
WHERE t.done_at IS NULL
  AND t.due_at < %(before)s
ORDER BY t.due_at
LIMIT %(most)s
"""

# A letter that was taken back before its dot is written anew; one that left never is.
INSERT_LETTER = """
INSERT INTO sequence_mails (
    organization, sequence, account, contact, step, email, sender, envelope, token, subject,
    message_id, message, state, queued_at, next_attempt_at
) VALUES (
    %(organization)s, %(sequence)s, %(account)s, %(contact)s, %(step)s, %(email)s, %(sender)s,
    %(envelope)s, %(token)s, %(subject)s, %(message_id)s, %(message)s, 'queued', %(at)s, %(at)s
)
ON CONFLICT (organization, sequence, account, contact, step) DO UPDATE SET
    email = excluded.email,
    sender = excluded.sender,
    envelope = excluded.envelope,
    subject = excluded.subject,
    message = excluded.message,
    state = 'queued',
    settled = false,
    attempts = 0,
    ambiguous = 0,
    answer = NULL,
    queued_at = excluded.queued_at,
    next_attempt_at = excluded.next_attempt_at
WHERE sequence_mails.state IN ('cancelled', 'suppressed', 'bounced')
"""

EARLIER = """
SELECT
    message_id,
    subject
FROM sequence_mails
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND step < %(step)s
  AND state IN ('sent', 'unknown')
ORDER BY step
"""

TO_FINISHED = """
UPDATE enrollments
SET state = 'finished',
    due_at = NULL,
    next_at = NULL,
    waits = NULL
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state = 'active'
"""

# Launched ones whose launch was heard (nobody is only enrolled any more), with nobody open.
FINISHED = """
SELECT
    s.organization,
    s.sequence
FROM published_sequences s
WHERE s.state IN ('launched', 'paused')
  AND EXISTS (
      SELECT
      FROM enrollments e
      WHERE e.organization = s.organization
        AND e.sequence = s.sequence
        AND e.started_at >= s.launched_at
  )
  AND NOT EXISTS (
      SELECT
      FROM enrollments e
      WHERE e.organization = s.organization
        AND e.sequence = s.sequence
        AND e.state IN ('enrolled', 'active', 'held', 'task')
  )
  AND NOT EXISTS (
      SELECT
      FROM outreach_events o
      WHERE o.organization = s.organization
        AND o.kind = 'SequenceFinished'
  )
"""


@dataclass(frozen=True, kw_only=True)
class Due:
    """Somebody whose next letter, or end, is due."""

    person: Person
    email: str
    sender: str
    step: int
    due_at: datetime
    variables: dict[str, str]
    owner: str | None
    zone: str | None
    country: str | None
    organization_name: str
    timezone: str
    was_asked: bool


def organizations_due(connection: db.Connection, *, now: datetime) -> list[str]:
    """Where something is due."""
    return [str(row[0]) for row in connection.execute(ORGANIZATIONS_DUE, {"now": now})]


def due(connection: db.Connection, organization: str, *, now: datetime, most: int) -> list[Due]:
    """Who is next, locked; without those whose letter is on its way."""
    asked = {"organization": organization, "now": now, "most": most}
    return [
        Due(
            person=taken_from(row),
            step=row.pop("next_step"),
            sender=row.pop("sender") or "",
            due_at=row.pop("due_at") or now,
            **row,
        )
        for row in connection.cursor(row_factory=dict_row).execute(DUE, asked)
    ]


def lately(connection: db.Connection, organization: str, *, since: datetime) -> list[Left]:
    """What left, or is about to, since then."""
    asked = {"organization": organization, "since": since}
    return [
        Left(at=at, sender=sender, domain=domain)
        for at, sender, domain in connection.execute(LATELY, asked)
    ]


def sending_days(connection: db.Connection, organization: str, *, today: date) -> dict[str, int]:
    """On how many days before today each sender has sent."""
    asked = {"organization": organization, "today": today}
    return {str(sender): int(days) for sender, days in connection.execute(SENDING_DAYS, asked)}


def pauses(connection: db.Connection, organization: str) -> dict[str, str]:
    """sender -> why; "" is the whole organization."""
    return dict(connection.execute(PAUSES, (organization,)).fetchall())


def wait(
    connection: db.Connection, person: Person, *, until: datetime, waits: dict[str, Any]
) -> None:
    """Not yet, and why."""
    connection.execute(WAIT, person.key | {"until": until, "waits": Jsonb(waits)})


def ask(connection: db.Connection, person: Person, step: int, *, at: datetime) -> None:
    """Only a person knows whether an answer came."""
    connection.execute(ASK, person.key | {"step": step, "at": at})
    connection.execute(TO_TASK, person.key)


def old_tasks(
    connection: db.Connection, *, before: datetime, most: int
) -> list[tuple[Person, datetime, str]]:
    """(who, since when, zone) of what nobody said anything to."""
    rows = connection.cursor(row_factory=dict_row).execute(
        OLD_TASKS, {"before": before, "most": most}
    )
    return [(taken_from(row), row["due_at"], row["timezone"]) for row in rows]


def insert_letter(connection: db.Connection, letter: dict[str, Any]) -> bool:
    """Into the outbox. False: it is there and has left, or may have."""
    return connection.execute(INSERT_LETTER, letter).rowcount == 1


def earlier(connection: db.Connection, person: Person, step: int) -> list[tuple[str, str]]:
    """(Message-ID, subject) of the letters before this one."""
    return connection.execute(EARLIER, person.key | {"step": step}).fetchall()


def finish(connection: db.Connection, person: Person) -> None:
    """Through, without an answer."""
    connection.execute(TO_FINISHED, person.key)


def finished(connection: db.Connection) -> list[tuple[str, str]]:
    """(organization, sequence) in which nobody is open any more."""
    return connection.execute(FINISHED).fetchall()
