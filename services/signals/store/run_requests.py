"""Runs from being asked for, by people and by the clock, to being published, by the clock alone.

Numbers count up per organization under a lock on the organization's row (store/organizations.lock).
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from shared import db
from shared.events import RunReason

CLOCK_CHANNEL = "winback_clock"
CLOCK_LOCK = 7_305_512_202  # who holds it leads; any number that is ours (shared.db has one, too)

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
