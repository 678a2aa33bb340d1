"""Versions of an organization's detection settings."""

from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from shared import db
from shared.domain.thresholds import DetectionSettings
from shared.errors import NotFound

LATEST_SETTINGS = """
SELECT
    version,
    settings
FROM settings_versions
WHERE organization = %s
ORDER BY version DESC
LIMIT 1
"""

NEWEST_VERSIONS = """
SELECT
    version,
    settings,
    saved_at,
    saved_by
FROM settings_versions
WHERE organization = %s
ORDER BY version DESC
LIMIT %s
"""

INSERT_SETTINGS = """
INSERT INTO settings_versions (organization, version, settings, saved_at, saved_by)
VALUES (%(organization)s, %(version)s, %(settings)s, %(saved_at)s, %(saved_by)s)
"""

HAS_SCHEDULES = """
SELECT EXISTS (
    SELECT 1
    FROM schedules
    WHERE organization = %s
)
"""


def latest(connection: db.Connection, organization: str) -> tuple[int, DetectionSettings]:
    """(version, settings) that the next run takes. Raises NotFound."""
    row = connection.execute(LATEST_SETTINGS, (organization,)).fetchone()
    if row is None:
        raise NotFound(f"there is no organization {organization}")
    return int(row[0]), msgspec.convert(row[1], DetectionSettings)


def newest_versions(
    connection: db.Connection, organization: str, *, limit: int
) -> list[tuple[int, DetectionSettings, datetime, str]]:
    """(version, settings, saved_at, saved_by), the newest first."""
    return [
        (int(version), msgspec.convert(settings, DetectionSettings), saved_at, str(saved_by))
        for version, settings, saved_at, saved_by in connection.execute(
            NEWEST_VERSIONS, (organization, limit)
        )
    ]


def save(
    connection: db.Connection,
    organization: str,
    version: int,
    settings: DetectionSettings,
    *,
    saved_at: datetime,
    saved_by: str,
) -> None:
    """Add a version; the caller holds the organization's lock."""
    connection.execute(
        INSERT_SETTINGS,
        {
            "organization": organization,
            "version": version,
            "settings": Jsonb(msgspec.to_builtins(settings)),
            "saved_at": saved_at,
            "saved_by": saved_by,
        },
    )


def has_schedules(connection: db.Connection, organization: str) -> bool:
    """Without schedules nothing runs by itself."""
    row = connection.execute(HAS_SCHEDULES, (organization,)).fetchone()
    return bool(row and row[0])
