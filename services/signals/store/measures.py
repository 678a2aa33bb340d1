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

# settings that are tried on all of history, dead letters that were put back, a restore
HISTORY = """
SELECT
    EXISTS (SELECT FROM runs WHERE completed_at IS NULL AND reason = 'settings'),
    greatest(
        (SELECT max(replayed_at) FROM dead_letter_replays),
        (SELECT max(finished_at) FROM backups WHERE what = 'restore')
    )
"""

# before the first backup: when the installation was made
BACKUPS = """
SELECT
    store,
    coalesce(
        max(finished_at) FILTER (WHERE what = 'backup'),
        (SELECT min(applied_at) FROM migrations)
    )
FROM unnest(ARRAY['postgres', 'kafka']) AS stores (store)
LEFT JOIN backups USING (store)
GROUP BY store
"""

# how far the log is beyond the last segment that was archived; NULL where nothing is to be archived
UNARCHIVED = """
SELECT
    last_archived_wal,
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') - (
        ('x' || substr(last_archived_wal, 9, 8))::bit(32)::bigint * 4294967296
            + (('x' || substr(last_archived_wal, 17, 8))::bit(32)::bigint + 1)
                * pg_size_bytes(current_setting('wal_segment_size'))
    )
FROM pg_stat_archiver
WHERE current_setting('archive_mode') <> 'off'
  AND NOT pg_is_in_recovery()
"""


ALL = 2**63 - 1  # bytes, where no segment was archived yet


@dataclass(frozen=True, kw_only=True)
class Unarchived:
    """last: the newest WAL segment in the archive, None before the first. bytes: of the log beyond
    it; all of it before the first.
    """

    last: str | None
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Seen:
    """organizations: each with the time of its newest order, None before the first. positions:
    (consumer, topic, partition) -> next offset. now: PostgreSQL's. last_history_at: when old
    records were last handled on purpose. backups: store -> when its newest was finished.
    unarchived: None where nothing is archived.
    """

    runs_pending: int
    oldest_requested_at: datetime | None
    imports: int
    organizations: dict[str, datetime | None]
    positions: dict[tuple[str, str, int], int]
    now: datetime
    last_history_at: datetime | None
    backups: dict[str, datetime]
    unarchived: Unarchived | None


def look(connection: db.Connection) -> Seen:
    """A few short reads."""
    pending = connection.execute(PENDING).fetchone()
    imports = connection.execute(IMPORTS).fetchone()
    now = connection.execute(NOW).fetchone()
    history = connection.execute(HISTORY).fetchone()
    wal = connection.execute(UNARCHIVED).fetchone()
    assert pending and imports and now and history
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
        last_history_at=now[0] if imports[0] or history[0] else history[1],
        backups=dict(connection.execute(BACKUPS).fetchall()),
        unarchived=Unarchived(last=wal[0], bytes=ALL if wal[1] is None else int(wal[1]))
        if wal
        else None,
    )
