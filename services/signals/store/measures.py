"""What the leading clock watches of PostgreSQL, of all organizations at once."""

from dataclasses import dataclass
from datetime import datetime

from shared import db

PENDING = """
SELECT
    count(*),
    min(requested_at)
FROM runs
WHERE completed_at IS NULL
"""

IMPORTS = """
SELECT count(*)
FROM imports
WHERE finished_at IS NULL
  AND lease_until > now()
"""

ORGANIZATIONS = """
SELECT
    organization,
    last_accepted_at
FROM organizations
LEFT JOIN feeds USING (organization)
"""

POSITIONS = """
SELECT
    consumer,
    topic,
    partition,
    next_offset
FROM positions
"""

NOW = "SELECT clock_timestamp()"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """organizations: each with the time of its newest order, None before the first. positions:
    (consumer, topic, partition) -> next offset. now: PostgreSQL's.
    """

    runs_pending: int
    oldest_requested_at: datetime | None
    imports: int
    organizations: dict[str, datetime | None]
    positions: dict[tuple[str, str, int], int]
    now: datetime


def look(connection: db.Connection) -> Seen:
    """A few short reads."""
    pending = connection.execute(PENDING).fetchone()
    imports = connection.execute(IMPORTS).fetchone()
    now = connection.execute(NOW).fetchone()
    assert pending is not None and imports is not None and now is not None
    return Seen(
        runs_pending=pending[0],
        oldest_requested_at=pending[1],
        imports=imports[0],
        organizations=dict(connection.execute(ORGANIZATIONS).fetchall()),
        positions={
            (str(row[0]), str(row[1]), int(row[2])): int(row[3])
            for row in connection.execute(POSITIONS)
        },
        now=now[0],
    )
