"""Runs as the log tells of them: requested, then completed by the detector. A pending run is a row
without completed_at.
"""

from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from shared import db
from shared.errors import NotFound
from shared.events import RunCompleted, RunRequested

# The consumer reads two topics: a completion can come before its own request. The request's record
# then still says why and when.
MERGE_REQUESTED = """
INSERT INTO runs (
    organization, number, as_of, settings_version, reason, requested_at, published_at, source_offset
)
VALUES (
    %(organization)s, %(number)s, %(as_of)s, %(settings_version)s, %(reason)s, %(requested_at)s,
    %(published_at)s, %(source_offset)s
)
ON CONFLICT (organization, number) DO UPDATE SET
    as_of = excluded.as_of,
    settings_version = excluded.settings_version,
    reason = excluded.reason,
    requested_at = excluded.requested_at,
    published_at = excluded.published_at,
    source_offset = excluded.source_offset
WHERE runs.source_offset IS NULL
   OR runs.source_offset = excluded.source_offset
"""

# The detector answers a number that it has already run with a completion that knows no figures: it
# completes what is pending and changes nothing else.
MERGE_COMPLETED = """
INSERT INTO runs (
    organization, number, as_of, settings_version, reason, requested_at, published_at, completed_at,
    source_offset, accounts, evaluated, opened, seen, recovered, median_share, duration_ms
)
VALUES (
    %(organization)s, %(number)s, %(as_of)s, %(settings_version)s, 'manual', %(at)s, %(at)s, %(at)s,
    %(source_offset)s, %(accounts)s, %(evaluated)s, %(opened)s, %(seen)s, %(recovered)s,
    %(median_share)s, %(duration_ms)s
)
ON CONFLICT (organization, number) DO UPDATE SET
    as_of = excluded.as_of,
    settings_version = excluded.settings_version,
    published_at = coalesce(runs.published_at, excluded.published_at),
    completed_at = excluded.completed_at,
    source_offset = coalesce(runs.source_offset, excluded.source_offset),
    accounts = excluded.accounts,
    evaluated = excluded.evaluated,
    opened = excluded.opened,
    seen = excluded.seen,
    recovered = excluded.recovered,
    median_share = excluded.median_share,
    duration_ms = excluded.duration_ms
WHERE runs.completed_at IS NULL
"""

# What the run left to be called about, as the accounts table and the digest count it.
NOTE_TOTALS = """
UPDATE runs r
SET call_accounts = t.accounts,
    recoverable_cents = t.cents
FROM (
    SELECT
        count(*) AS accounts,
        saturated(coalesce(sum(at_stake_cents), 0))::bigint AS cents
    FROM accounts
    WHERE organization = %(organization)s
      AND dormant + lapse + cherry_picking > 0
      AND enrollment <> 'no'
      AND lost_at IS NULL
      AND (paused_until IS NULL OR paused_until <= %(at)s)
) t
WHERE r.organization = %(organization)s
  AND r.number = %(number)s
  AND r.recoverable_cents IS NULL
"""

NEWEST_NUMBER = """
SELECT coalesce(max(number), 0)
FROM organizations
LEFT JOIN runs USING (organization)
WHERE organization = %s
GROUP BY organization
"""

IS_PENDING = """
SELECT EXISTS (
    SELECT 1
    FROM runs
    WHERE organization = %s
      AND number <= %s
      AND completed_at IS NULL
)
"""

FIND_RUN = """
SELECT
    number,
    as_of,
    settings_version,
    completed_at,
    source_offset,
    accounts,
    evaluated,
    opened,
    seen,
    recovered,
    duration_ms
FROM runs
WHERE organization = %s
  AND number = %s
"""

NEWEST_NIGHTLY = """
SELECT
    organization,
    max(number)
FROM runs
WHERE reason = 'nightly'
  AND completed_at IS NOT NULL
GROUP BY organization
ORDER BY organization
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it stands; the counts are None until it is complete."""

    number: int
    as_of: date
    settings_version: int
    completed_at: datetime | None
    source_offset: int | None
    accounts: int | None
    evaluated: int | None
    opened: int | None
    seen: int | None
    recovered: int | None
    duration_ms: int | None


def save_requested(
    connection: db.Connection, event: RunRequested, *, offset: int, at: datetime
) -> None:
    """The run is in the log. The first record of a number counts: the detector evaluates that one.
    It may come after its answer.
    """
    connection.execute(
        MERGE_REQUESTED,
        {
            "organization": event.organization,
            "number": event.number,
            "as_of": event.as_of,
            "settings_version": event.settings_version,
            "reason": event.reason,
            "requested_at": event.requested_at,
            "published_at": at,
            "source_offset": offset,
        },
    )


def save_completed(connection: db.Connection, event: RunCompleted) -> None:
    """The run is complete, and all its events are before this one."""
    connection.execute(
        MERGE_COMPLETED,
        {
            "organization": event.organization,
            "number": event.number,
            "as_of": event.as_of,
            "settings_version": event.settings_version,
            "at": event.at,
            "source_offset": event.source_offset,
            "accounts": event.accounts,
            "evaluated": event.evaluated,
            "opened": event.opened,
            "seen": event.seen,
            "recovered": event.recovered,
            "median_share": event.median_specialty_share,
            "duration_ms": event.duration_ms,
        },
    )
    key = {"organization": event.organization, "number": event.number, "at": event.at}
    connection.execute(NOTE_TOTALS, key)


def newest_number(connection: db.Connection, organization: str) -> int:
    """The number of the run asked for last; 0 without any. Raises NotFound."""
    row = connection.execute(NEWEST_NUMBER, (organization,)).fetchone()
    if row is None:
        raise NotFound(f"there is no organization {organization}")
    return int(row[0])


def is_pending(connection: db.Connection, organization: str, *, up_to: int) -> bool:
    """True while a run up to that number is not complete."""
    row = connection.execute(IS_PENDING, (organization, up_to)).fetchone()
    return bool(row and row[0])


def find(connection: db.Connection, organization: str, number: int) -> Run | None:
    """One run."""
    with connection.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(FIND_RUN, (organization, number)).fetchone()


def newest_nightly(connection: db.Connection) -> list[tuple[str, int]]:
    """(organization, number) of each organization's newest complete nightly run, if it has one."""
    return [(str(row[0]), int(row[1])) for row in connection.execute(NEWEST_NIGHTLY)]
