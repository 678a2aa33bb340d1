"""A sequence that was launched: its people, what became of each step, what happened."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from shared import db

PEOPLE = """
SELECT
    e.account,
    a.name AS account_name,
    a.owner,
    e.contact,
    c.name AS contact_name,
    coalesce(e.email, c.email) AS email,
    e.state,
    e.reason,
    e.next_step,
    e.next_at,
    e.waits,
    e.sender,
    e.stopped_at,
    m.state AS mail,
    m.answer AS mail_answer,
    l.sent,
    l.last_sent_at,
    d.of_type,
    d.named_signals,
    (
        SELECT w.erp_order
        FROM published_answers w
        WHERE w.organization = e.organization
          AND w.signal = ANY(e.signals)
          AND w.erp_order IS NOT NULL
        ORDER BY w.at DESC
        LIMIT 1
    ) AS erp_order
FROM published_enrollments e
JOIN published_addressees d USING (organization, sequence, account, contact)
LEFT JOIN accounts a ON a.organization = e.organization AND a.account = e.account
LEFT JOIN contacts c ON c.organization = e.organization AND c.contact = e.contact
LEFT JOIN published_letters m
    ON (m.organization, m.sequence, m.account, m.contact, m.step)
     = (e.organization, e.sequence, e.account, e.contact, e.next_step)
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE state = 'sent') AS sent,
        max(sent_at) AS last_sent_at
    FROM published_letters
    WHERE (organization, sequence, account, contact)
        = (e.organization, e.sequence, e.account, e.contact)
) l
WHERE e.organization = %(organization)s
  AND e.sequence = %(sequence)s
  AND e.state <> 'skipped'
  AND (%(account)s::text IS NULL OR (e.account, e.contact) = (%(account)s, %(contact)s))
ORDER BY
    array_position(ARRAY['task', 'active', 'held', 'enrolled', 'stopped', 'finished'], e.state),
    e.next_at NULLS LAST,
    e.stopped_at DESC NULLS LAST,
    lower(coalesce(a.name, e.account)),
    e.account
LIMIT %(most)s
OFFSET %(first)s
"""

REPLIES = """
SELECT
    r.account,
    a.name AS account_name,
    r.contact,
    r.step,
    r.received_at,
    r.sender,
    r.said
FROM published_received_mails r
LEFT JOIN accounts a USING (organization, account)
WHERE r.organization = %(organization)s
  AND r.sequence = %(sequence)s
  AND r.kind = 'reply'
ORDER BY r.received_at DESC, r.id
LIMIT %(most)s
"""

# An answer counts for the last letter that had left before it; an order within 30 days of it.
FUNNEL = """
WITH people AS (
    SELECT
        e.*,
        (
            SELECT max(m.step)
            FROM published_letters m
            WHERE (m.organization, m.sequence, m.account, m.contact)
                = (e.organization, e.sequence, e.account, e.contact)
              AND m.state = 'sent'
        ) AS last_step
    FROM published_enrollments e
    WHERE e.organization = %(organization)s
      AND e.sequence = %(sequence)s
      AND e.started_at IS NOT NULL
      AND e.state <> 'skipped'
)
SELECT
    s.position AS step,
    count(p.account) FILTER (
        WHERE m.state IS NOT NULL AND m.state <> 'cancelled'
           OR p.state IN ('active', 'task') AND p.next_step = s.position
              AND (p.next_at IS NULL OR p.next_at <= now() OR p.waits IS NOT NULL)
    ) AS due,
    count(*) FILTER (WHERE m.state = 'sent') AS sent,
    count(*) FILTER (WHERE p.last_step = s.position AND p.reason = 'replied') AS replied,
    count(*) FILTER (
        WHERE p.last_step = s.position
          AND p.reason = 'reordered'
          AND p.stopped_at <= m.sent_at + interval '30 days'
    ) AS ordered,
    count(*) FILTER (
        WHERE m.state = 'bounced' OR p.last_step = s.position AND p.reason = 'bounced'
    ) AS undeliverable,  -- refused in the dialogue, or reported behind it
    count(*) FILTER (WHERE p.last_step = s.position AND p.reason = 'opted_out') AS opted_out,
    percentile_cont(0.5) WITHIN GROUP (
        ORDER BY extract(epoch FROM p.stopped_at - m.sent_at) / 86400
    ) FILTER (
        WHERE p.last_step = s.position AND p.reason IN ('replied', 'reordered', 'opted_out')
    ) AS median_days
FROM sequence_steps s
LEFT JOIN people p ON true
LEFT JOIN published_letters m
    ON (m.organization, m.sequence, m.account, m.contact, m.step)
     = (p.organization, p.sequence, p.account, p.contact, s.position)
WHERE s.organization = %(organization)s
  AND s.sequence = %(sequence)s
GROUP BY s.position
ORDER BY s.position
"""

HAPPENED = """
SELECT
    h.at,
    h.what,
    h.account,
    a.name AS account_name,
    h.step,
    h.reason
FROM (
    SELECT
        organization,
        sent_at AS at,
        'sent' AS what,
        account,
        step,
        NULL::text AS reason
    FROM published_letters
    WHERE organization = %(organization)s
      AND sequence = %(sequence)s
      AND state = 'sent'
    UNION ALL
    SELECT
        organization,
        stopped_at,
        'stopped',
        account,
        next_step - 1,
        reason
    FROM published_enrollments
    WHERE organization = %(organization)s
      AND sequence = %(sequence)s
      AND state = 'stopped'
      AND stopped_at IS NOT NULL
    UNION ALL
    SELECT
        organization,
        due_at,
        'asked',
        account,
        step,
        NULL
    FROM published_tasks
    WHERE organization = %(organization)s
      AND sequence = %(sequence)s
) h
LEFT JOIN accounts a USING (organization, account)
ORDER BY h.at DESC, h.account
LIMIT 200
"""


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """Somebody in a sequence that was launched. waits: why the next letter does not leave yet.
    mail: the state of the letter of `next_step`, if there is one. last_sent_at: of any letter.
    of_type: active signals of the sequence's type at the account.
    """

    account: str
    account_name: str | None
    owner: str | None
    contact: str
    contact_name: str | None
    email: str | None
    state: str
    reason: str | None
    next_step: int
    next_at: datetime | None
    waits: dict[str, Any] | None
    sender: str | None
    stopped_at: datetime | None
    mail: str | None
    mail_answer: str | None
    sent: int
    last_sent_at: datetime | None
    of_type: int
    named_signals: int
    erp_order: str | None


@dataclass(frozen=True, kw_only=True)
class FunnelRow:
    """One step. due: to whom it went or should have gone by now. median_days: from the letter to
    the answer that stopped the rest.
    """

    step: int
    due: int
    sent: int
    replied: int
    ordered: int
    undeliverable: int
    opted_out: int
    median_days: float | None


@dataclass(frozen=True, kw_only=True)
class HappenedRow:
    """What came of a person or a letter, as the page tells it. step: of a letter, 0 of none."""

    at: datetime
    what: str
    account: str
    account_name: str | None
    step: int
    reason: str | None


def person(
    connection: db.Connection, organization: str, sequence: str, account: str, contact: str
) -> PersonRow | None:
    """One of them; None: nobody."""
    asked = {"organization": organization, "sequence": sequence} | {
        "account": account, "contact": contact, "first": 0, "most": 1,
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(PersonRow)) as cursor:
        return cursor.execute(PEOPLE, asked).fetchone()


def people(
    connection: db.Connection, organization: str, sequence: str, *, first: int, most: int
) -> list[PersonRow]:
    """Who is in it, those first who wait for a person, then who is written to, then the others."""
    asked = {"organization": organization, "sequence": sequence} | {
        "account": None, "contact": None, "first": first, "most": most,
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(PersonRow)) as cursor:
        return cursor.execute(PEOPLE, asked).fetchall()


@dataclass(frozen=True, kw_only=True)
class ReplyRow:
    """An answer that came by the door. said: its first 500 characters, for 90 days."""

    account: str
    account_name: str | None
    contact: str
    step: int
    received_at: datetime
    sender: str
    said: str


def replies(
    connection: db.Connection, organization: str, sequence: str, *, most: int
) -> list[ReplyRow]:
    """The newest first."""
    asked = {"organization": organization, "sequence": sequence, "most": most}
    with connection.cursor(row_factory=class_row(ReplyRow)) as cursor:
        return cursor.execute(REPLIES, asked).fetchall()


def funnel(connection: db.Connection, organization: str, sequence: str) -> list[FunnelRow]:
    """A row a step."""
    with connection.cursor(row_factory=class_row(FunnelRow)) as cursor:
        return cursor.execute(
            FUNNEL, {"organization": organization, "sequence": sequence}
        ).fetchall()


def happened(connection: db.Connection, organization: str, sequence: str) -> list[HappenedRow]:
    """What came of people and letters, the newest first."""
    with connection.cursor(row_factory=class_row(HappenedRow)) as cursor:
        return cursor.execute(
            HAPPENED, {"organization": organization, "sequence": sequence}
        ).fetchall()
