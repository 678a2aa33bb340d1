"""The SQL of drafting: what drafts are made from, read through the views published for it, and who
is enrolled in one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.sequences.accounts_store import Candidate, Grounds, candidate_of
from shared import db
from shared.domain.drafts import Skipped
from shared.domain.thresholds import DEFAULTS, DetectionSettings
from shared.errors import FieldError, Rejected
from shared.events import SequencesDue

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
# busy: accounts and addresses that letters go to.
CANDIDATES = """
WITH seen AS (
    SELECT
        type,
        account,
        jsonb_agg(
            jsonb_build_object(
                'signal', signal,
                'episode', episode,
                'od', od,
                'grade', grade,
                'figures', figures
            )
        ) AS signals
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
        account,
        lower(email) AS email
    FROM enrollments
    WHERE organization = %(organization)s
      AND state IN ('active', 'held', 'task')
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
              AND lower(s.email) IN (lower(c.email), '@' || lower(split_part(c.email, '@', 2)))
            ORDER BY s.at
            LIMIT 1
        ),
        (
            SELECT r.reason
            FROM refusals r
            WHERE r.organization = %(organization)s
              AND r.email = lower(c.email)
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

INSERT_ENROLLMENT = """
INSERT INTO enrollments (
    organization, sequence, account, contact, state, reason, variables, enrolled_at, digest,
    signal_type, seen_at, signals, episodes, value_cents
) VALUES (
    %(organization)s, %(sequence)s, %(account)s, %(contact)s, %(state)s, %(reason)s, %(variables)s,
    %(enrolled_at)s, %(digest)s, %(signal_type)s, %(seen_at)s, %(signals)s, %(episodes)s,
    %(value_cents)s
)
ON CONFLICT DO NOTHING
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

    @property
    def grounds(self) -> Grounds:
        """What drafts tell of each account."""
        return Grounds(
            organization=self.due.organization,
            organization_name=self.organization_name,
            on=self.drafted_on,
            as_of=self.as_of,
            settings=self.settings,
        )


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """A row to write: an account in a draft; `skipped` says why it is only listed."""

    sequence: str
    candidate: Candidate
    skipped: Skipped | None
    variables: dict[str, str]


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
    return [candidate_of(row) for row in rows]


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
                    "signals": [one.signal for one in enrolled.candidate.named],
                    "episodes": [one.episode for one in enrolled.candidate.named],
                    "value_cents": enrolled.candidate.value_cents,
                }
                for enrolled in enrollments
            ],
        )
