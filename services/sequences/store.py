"""The SQL of sequences: what drafts are made from, read through the views published for
it, and the enrollments.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from shared import db
from shared.domain.drafts import Addressee, Lapsed, Purchase, Skipped
from shared.domain.enrollment import Enrollment
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DEFAULTS, DetectionSettings
from shared.errors import FieldError, Rejected
from shared.events import SequencesDue, SignalType

LINES_AT_ONCE = 5_000  # bounds the memory of reading histories

OCCASION = """
SELECT
    o.name,
    o.timezone,
    r.as_of,
    r.completed_at,
    r.settings,
    EXISTS (
        SELECT
        FROM enrollments e
        WHERE e.organization = o.organization
          AND e.digest = %(digest)s
    ) AS drafted
FROM published_organizations o
LEFT JOIN published_runs r
    ON r.organization = o.organization
    AND r.number = %(run)s
    AND r.completed_at IS NOT NULL
WHERE o.organization = %(organization)s
"""

# Per type and account what the digest's run saw and is still active: as the digest itself reads it.
# busy: accounts and addresses in a sequence that is launched or paused, and unfinished for them.
CANDIDATES = """
WITH seen AS (
    SELECT
        type,
        account,
        jsonb_agg(jsonb_build_object('od', od, 'grade', grade, 'figures', figures)) AS signals
    FROM published_signals
    WHERE organization = %(organization)s
      AND recovered_at IS NULL
      AND run >= %(run)s
      AND opened_on <= %(as_of)s
      AND lost_at IS NULL
      AND (paused_until IS NULL OR paused_until <= %(at)s)
    GROUP BY type, account
),
busy AS MATERIALIZED (
    SELECT
        e.account,
        lower(c.email) AS email
    FROM enrollments e
    JOIN published_sequences s USING (organization, sequence)
    LEFT JOIN published_contacts c USING (organization, contact)
    WHERE e.organization = %(organization)s
      AND e.state IN ('enrolled', 'active')
      AND s.state IN ('launched', 'paused')
)
SELECT
    seen.type,
    seen.account,
    seen.signals,
    a.name,
    a.owner,
    a.enrollment,
    a.paused_until,
    a.lost_at,
    c.contact,
    c.email,
    c.name AS contact_name,
    coalesce(
        (
            SELECT s.reason
            FROM published_suppressions s
            WHERE s.organization = %(organization)s
              AND lower(s.email) = lower(c.email)
            LIMIT 1
        ),
        (
            SELECT m.state
            FROM sequence_mails m
            WHERE m.organization = %(organization)s
              AND lower(m.email) = lower(c.email)
              AND m.state = 'bounced'
            LIMIT 1
        )
    ) AS suppressed,
    seen.account IN (SELECT account FROM busy) AS account_in_sequence,
    EXISTS (SELECT FROM busy WHERE busy.email = lower(c.email)) AS contact_in_sequence
FROM seen
JOIN published_accounts a ON a.organization = %(organization)s AND a.account = seen.account
LEFT JOIN published_contacts c
    ON c.organization = %(organization)s
    AND c.account = seen.account
    AND c.is_primary
ORDER BY seen.account, seen.type
"""

PURCHASES = """
SELECT
    o.account,
    o.order_id,
    o.counts_on,
    line.product,
    line.od,
    line.grade,
    line.quantity,
    line.revenue_cents
FROM published_orders o
CROSS JOIN LATERAL unnest(o.products, o.ods, o.grades, o.quantities, o.revenues_cents)
    AS line (product, od, grade, quantity, revenue_cents)
WHERE o.organization = %(organization)s
  AND o.account = ANY(%(accounts)s)
  AND o.counts_on <= %(as_of)s
  AND NOT o.cancelled
  AND line.revenue_cents > 0
ORDER BY o.account
"""

INSERT_ENROLLMENT = """
INSERT INTO enrollments (
    organization, sequence, account, contact, state, reason, variables, enrolled_at, digest,
    signal_type, seen_at
) VALUES (
    %(organization)s, %(sequence)s, %(account)s, %(contact)s, %(state)s, %(reason)s, %(variables)s,
    %(enrolled_at)s, %(digest)s, %(signal_type)s, %(seen_at)s
)
ON CONFLICT DO NOTHING
"""

# What happened before the run that the enrollment follows was known when it was made.
STOP = """
UPDATE enrollments
SET state = 'stopped',
    reason = %(reason)s,
    next_at = NULL
WHERE organization = %(organization)s
  AND account = %(account)s
  AND signal_type = %(signal_type)s
  AND state IN ('enrolled', 'active')
  AND seen_at < %(at)s
"""


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """A tick with what is known about its organization and run. drafted: this digest's drafts are
    there already.
    """

    due: SequencesDue
    organization_name: str
    timezone: str
    as_of: date
    seen_at: datetime
    settings: DetectionSettings
    drafted: bool

    @property
    def drafted_on(self) -> date:
        """The organization's day."""
        return self.due.drafted_at.astimezone(ZoneInfo(self.timezone)).date()


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An account with active signals of one type, and whom a letter would go to."""

    signal_type: SignalType
    account: str
    name: str | None
    owner: str | None
    enrollment: Enrollment
    paused_until: datetime | None
    lost_at: datetime | None
    contact_name: str | None
    addressee: Addressee
    lapsed: tuple[Lapsed, ...]
    specialty_share_bps: int


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """A row to write: an account in a draft; `skipped` says why it is only listed."""

    sequence: str
    candidate: Candidate
    skipped: Skipped | None
    variables: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """From `at` on, nothing more of `signal_type` is sent to the account."""

    organization: str
    account: str
    signal_type: SignalType
    at: datetime
    reason: Literal["reordered"]


def occasion(connection: db.Connection, due: SequencesDue) -> Occasion | None:
    """None where the organization does not exist (any more). Raises Rejected where
    the run is not complete.
    """
    asked = {"organization": due.organization, "digest": due.digest, "run": due.run}
    row = connection.cursor(row_factory=dict_row).execute(OCCASION, asked).fetchone()
    if row is None:
        return None
    if row["as_of"] is None:
        raise Rejected(
            FieldError(field="run", reason=f"run {due.run} of {due.organization} is not complete")
        )
    return Occasion(
        due=due,
        organization_name=row["name"],
        timezone=row["timezone"],
        as_of=row["as_of"],
        seen_at=row["completed_at"],
        settings=DEFAULTS
        if row["settings"] is None
        else msgspec.convert(row["settings"], DetectionSettings),
        drafted=row["drafted"],
    )


def candidates(connection: db.Connection, occasion: Occasion) -> list[Candidate]:
    """By account, then type; an account with several types comes several times."""
    due = occasion.due
    asked = {
        "organization": due.organization,
        "run": due.run,
        "as_of": occasion.as_of,
        "at": due.drafted_at,
    }
    rows = connection.cursor(row_factory=dict_row).execute(CANDIDATES, asked)
    return [_candidate(row) for row in rows]


def _candidate(row: dict[str, Any]) -> Candidate:
    signals = row["signals"]
    return Candidate(
        signal_type=row["type"],
        account=row["account"],
        name=row["name"],
        owner=row["owner"],
        enrollment=row["enrollment"],
        paused_until=row["paused_until"],
        lost_at=row["lost_at"],
        contact_name=row["contact_name"],
        addressee=Addressee(
            contact=row["contact"],
            email=row["email"],
            suppressed=row["suppressed"],
            account_in_sequence=row["account_in_sequence"],
            contact_in_sequence=row["contact_in_sequence"],
        ),
        lapsed=tuple(
            Lapsed(
                od=s["od"],
                grade=s["grade"],
                lapsed_revenue_cents=s["figures"]["lapsed_revenue_cents"],
            )
            for s in signals
            if row["type"] == "lapse"
        ),
        specialty_share_bps=signals[0]["figures"].get("specialty_share_bps", 0),
    )


def purchases(
    connection: db.Connection, occasion: Occasion, accounts: Iterable[str]
) -> Iterator[tuple[str, list[Purchase]]]:
    """(account, its lines of positive revenue up to the run's day), read under the run's
    size table and aliases.

    One account in memory at a time; an account without any is left out.
    """
    sizes, grades = (
        TaughtSizes(occasion.settings.sizes),
        TaughtGrades(occasion.settings.grade_aliases),
    )
    read: dict[tuple[str | None, str | None], tuple[str | None, str | None]] = {}

    def purchase(row: tuple[Any, ...]) -> Purchase:
        _, order, ordered_on, product, od, grade, quantity, revenue_cents = row
        if (od, grade) not in read:
            read[od, grade] = (read_od(od, sizes).value, read_grade(grade, grades))
        od, grade = read[od, grade]
        return Purchase(
            order=order,
            ordered_on=ordered_on,
            product=product,
            od=od,
            grade=grade,
            quantity=quantity,
            revenue_cents=revenue_cents,
        )

    asked = {
        "organization": occasion.due.organization,
        "as_of": occasion.as_of,
        "accounts": sorted(set(accounts)),
    }
    with connection.cursor(name="purchases") as rows:
        rows.itersize = LINES_AT_ONCE
        rows.execute(PURCHASES, asked)
        for account, lines in groupby(rows, key=lambda row: str(row[0])):
            yield account, [purchase(line) for line in lines]


def save(connection: db.Connection, occasion: Occasion, enrollments: Sequence[Enrolled]) -> None:
    """Who is in the drafts of this occasion, and who is skipped."""
    with connection.cursor() as cursor:
        cursor.executemany(
            INSERT_ENROLLMENT,
            [
                {
                    "organization": occasion.due.organization,
                    "sequence": enrolled.sequence,
                    "account": enrolled.candidate.account,
                    "contact": enrolled.candidate.addressee.contact or "",
                    "state": "skipped" if enrolled.skipped else "enrolled",
                    "reason": enrolled.skipped and enrolled.skipped.reason,
                    "variables": Jsonb(enrolled.variables),
                    "enrolled_at": occasion.due.drafted_at,
                    "digest": occasion.due.digest,
                    "signal_type": enrolled.candidate.signal_type,
                    "seen_at": occasion.seen_at,
                }
                for enrolled in enrollments
            ],
        )


def stop(connection: db.Connection, stops: Sequence[Stop]) -> None:
    """Stop what is enrolled or under way, and not newer than what stops it. Unknown
    accounts stop nothing.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            STOP,
            [
                {
                    "organization": each.organization,
                    "account": each.account,
                    "signal_type": each.signal_type,
                    "at": each.at,
                    "reason": each.reason,
                }
                for each in stops
            ],
        )
