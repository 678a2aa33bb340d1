"""Runs: asked for by people and by the clock, published by the clock alone, told complete by the
detector.

A pending run is a row without completed_at. Numbers count up per organization under a lock on the
organization's row; imports lock the same row for their lease. (`FOR NO KEY UPDATE`: rows that refer
to the organization can still be written.)
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import class_row

from shared import db
from shared.errors import NotFound
from shared.events import RunCompleted, RunReason, RunRequested

CLOCK_CHANNEL = "winback_clock"

LOCK_ORGANIZATION = """
SELECT timezone
FROM organizations
WHERE organization = %s
FOR NO KEY UPDATE
"""

LATEST_DAY = """
SELECT max(as_of)
FROM runs
WHERE organization = %s
"""

INSERT_RUN = """
INSERT INTO runs (organization, number, as_of, settings_version, reason, requested_at)
SELECT
    %(organization)s,
    coalesce((SELECT max(number) FROM runs WHERE organization = %(organization)s), 0) + 1,
    %(as_of)s,
    (SELECT max(version) FROM settings_versions WHERE organization = %(organization)s),
    %(reason)s,
    %(requested_at)s
RETURNING number
"""

# The consumer reads two topics: a completion can come before its own request. The request's record
# then still says why and when.
MERGE_REQUESTED = """
INSERT INTO runs (organization, number, as_of, settings_version, reason, requested_at, published_at, source_offset)
VALUES (
    %(organization)s, %(number)s, %(as_of)s, %(settings_version)s, %(reason)s, %(requested_at)s, %(published_at)s, %(source_offset)s
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
    organization, number, as_of, settings_version, reason, requested_at, published_at, completed_at, source_offset,
    accounts, evaluated, opened, seen, recovered, median_share, duration_ms
)
VALUES (
    %(organization)s, %(number)s, %(as_of)s, %(settings_version)s, 'manual', %(at)s, %(at)s, %(at)s, %(source_offset)s,
    %(accounts)s, %(evaluated)s, %(opened)s, %(seen)s, %(recovered)s, %(median_share)s, %(duration_ms)s
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

TO_PUBLISH = """
SELECT organization
FROM (
    SELECT DISTINCT ON (organization)
        organization,
        published_at
    FROM runs
    WHERE completed_at IS NULL
    ORDER BY organization, number
) AS next_run
WHERE published_at IS NULL
ORDER BY organization
"""

PENDING_RUN = """
SELECT
    r.number,
    r.as_of,
    r.reason,
    r.requested_at,
    r.published_at,
    r.held_back,
    v.version,
    v.settings
FROM runs r
JOIN LATERAL (
    SELECT version, settings
    FROM settings_versions
    WHERE organization = r.organization
    ORDER BY version DESC
    LIMIT 1
) v ON true
WHERE r.organization = %s
  AND r.completed_at IS NULL
ORDER BY r.number
LIMIT 1
"""

HOLDING_IMPORT = """
SELECT import_id
FROM imports
WHERE organization = %s
  AND finished_at IS NULL
  AND lease_until > now()
LIMIT 1
"""

HOLD_BACK = """
UPDATE runs
SET held_back = %(why)s
WHERE organization = %(organization)s
  AND number = %(number)s
  AND held_back IS DISTINCT FROM %(why)s
"""

MARK_PUBLISHED = """
UPDATE runs
SET published_at = %(published_at)s,
    settings_version = %(settings_version)s
WHERE organization = %(organization)s
  AND number = %(number)s
  AND source_offset IS NULL
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
class PendingRun:
    """The next run of an organization, with the settings that count now."""

    number: int
    as_of: date
    reason: RunReason
    requested_at: datetime
    published_at: datetime | None
    held_back: str | None
    settings_version: int
    settings: Any


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


def lock_organization(connection: db.Connection, organization: str) -> str:
    """Take the organization's row until the end of the transaction. Returns its zone. Raises
    NotFound.
    """
    row = connection.execute(LOCK_ORGANIZATION, (organization,)).fetchone()
    if row is None:
        raise NotFound(f"there is no organization {organization}")
    return str(row[0])


def latest_day(connection: db.Connection, organization: str) -> date | None:
    """The day of the latest run, pending or not."""
    row = connection.execute(LATEST_DAY, (organization,)).fetchone()
    return row[0] if row else None


def day_for(connection: db.Connection, organization: str, today: date) -> date:
    """The day for a run that nobody named one for: today, but never before the latest run's."""
    latest = latest_day(connection, organization)
    return today if latest is None else max(today, latest)


def request(
    connection: db.Connection,
    organization: str,
    *,
    as_of: date,
    reason: RunReason,
    requested_at: datetime,
) -> int:
    """Ask for a run; the caller holds the organization's lock. Returns its number. The clock is
    told at commit.
    """
    row = connection.execute(
        INSERT_RUN,
        {
            "organization": organization,
            "as_of": as_of,
            "reason": reason,
            "requested_at": requested_at,
        },
    ).fetchone()
    assert row is not None
    tell_clock(connection)
    return int(row[0])


def tell_clock(connection: db.Connection) -> None:
    """At commit, the clock looks at once."""
    connection.execute("SELECT pg_notify(%s, '')", (CLOCK_CHANNEL,))


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


def to_publish(connection: db.Connection) -> list[str]:
    """The organizations whose next run is not in the log."""
    return [str(row[0]) for row in connection.execute(TO_PUBLISH)]


def next_pending(connection: db.Connection, organization: str) -> PendingRun | None:
    """The run that is next, whether published or not."""
    row = connection.execute(PENDING_RUN, (organization,)).fetchone()
    if row is None:
        return None
    number, as_of, reason, requested_at, published_at, held_back, version, settings = row
    return PendingRun(
        number=number,
        as_of=as_of,
        reason=reason,
        requested_at=requested_at,
        published_at=published_at,
        held_back=held_back,
        settings_version=version,
        settings=settings,
    )


def holding_import(connection: db.Connection, organization: str) -> str | None:
    """An import whose lease holds back runs now, by the database's clock: the one that all imports
    share.
    """
    row = connection.execute(HOLDING_IMPORT, (organization,)).fetchone()
    return str(row[0]) if row else None


def hold_back(connection: db.Connection, organization: str, number: int, why: str) -> bool:
    """Note why a run waits, or started all the same. False: that is known already."""
    return (
        connection.execute(
            HOLD_BACK, {"organization": organization, "number": number, "why": why}
        ).rowcount
        == 1
    )


def mark_published(
    connection: db.Connection,
    organization: str,
    number: int,
    *,
    published_at: datetime,
    settings_version: int,
) -> None:
    """The run's record is in Kafka, with this version of the settings."""
    connection.execute(
        MARK_PUBLISHED,
        {
            "organization": organization,
            "number": number,
            "published_at": published_at,
            "settings_version": settings_version,
        },
    )


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
    """(organization, number) of the newest complete nightly run of each organization that has one."""
    return [(str(row[0]), int(row[1])) for row in connection.execute(NEWEST_NIGHTLY)]
