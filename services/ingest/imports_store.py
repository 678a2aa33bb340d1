"""The SQL of imports: their row with its lease, and what is there already (by the view that
the signals service publishes).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shared.db import Connection

LOCK_ORGANIZATION = """
SELECT 1
FROM organizations
WHERE organization = %s
FOR UPDATE
"""

# Of a machine that vanished PostgreSQL hears within half a minute.
WATCH_CONNECTION = """
SELECT
    set_config('tcp_keepalives_idle', '15', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false)
"""

LOCK_IMPORT = """
SELECT pg_try_advisory_lock(hashtextextended(%(organization)s || '/' || %(import_id)s, 0))
"""

TAKE = """
INSERT INTO imports (organization, import_id, kind, files, accepted_ms, started_at, lease_until)
VALUES (
    %(organization)s,
    %(import_id)s,
    %(kind)s,
    %(files)s,
    %(accepted_ms)s,
    clock_timestamp(),
    clock_timestamp() + make_interval(secs => %(lease)s)
)
ON CONFLICT (organization, import_id) DO UPDATE
SET accepted_ms = CASE WHEN %(resume)s THEN imports.accepted_ms ELSE excluded.accepted_ms END,
    confirmed = CASE WHEN %(resume)s THEN imports.confirmed ELSE 0 END,
    started_at = excluded.started_at,
    lease_until = excluded.lease_until,
    finished_at = NULL,
    summary = NULL
RETURNING accepted_ms, confirmed
"""

# What an import counts is its own: one that began anew beside it has another time, and perhaps
# another sequence.
RENEW = """
UPDATE imports
SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
    confirmed = %(confirmed)s
WHERE organization = %(organization)s
  AND import_id = %(import_id)s
  AND accepted_ms = %(accepted_ms)s
  AND finished_at IS NULL
"""

END = """
UPDATE imports
SET lease_until = NULL,
    confirmed = %(confirmed)s,
    finished_at = clock_timestamp(),
    summary = %(summary)s
WHERE organization = %(organization)s
  AND import_id = %(import_id)s
  AND accepted_ms = %(accepted_ms)s
"""

FIND_VERSIONS = """
SELECT order_id, revision, content
FROM ingest_orders
WHERE organization = %s
  AND order_id = ANY(%s)
"""


@dataclass(frozen=True, kw_only=True)
class Key:
    """An import of an organization; the same files, read the same way, have the same."""

    organization: str
    import_id: str


def lock(connection: Connection, key: Key) -> bool:
    """For as long as the connection lives; False: another one has it."""
    connection.execute(WATCH_CONNECTION)
    row = connection.execute(LOCK_IMPORT, asdict(key)).fetchone()
    return row is not None and bool(row[0])


def take(
    connection: Connection,
    key: Key,
    *,
    kind: str,
    files: Sequence[str],
    accepted_ms: int,
    lease_seconds: int,
    resume: bool,
) -> tuple[int, int] | None:
    """(time of acceptance, how many are confirmed) of the import that now holds the
    lease; None: no such organization.
    """
    if connection.execute(LOCK_ORGANIZATION, (key.organization,)).fetchone() is None:
        return None
    values = {
        "kind": kind,
        "files": list(files),
        "accepted_ms": accepted_ms,
        "lease": lease_seconds,
        "resume": resume,
    }
    row = connection.execute(TAKE, asdict(key) | values).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def renew(
    connection: Connection, key: Key, *, accepted_ms: int, confirmed: int, lease_seconds: int
) -> None:
    """Hold the lease for longer, and note how far it got."""
    connection.execute(
        RENEW,
        asdict(key) | {"accepted_ms": accepted_ms, "lease": lease_seconds, "confirmed": confirmed},
    )


def end(
    connection: Connection,
    key: Key,
    *,
    accepted_ms: int,
    confirmed: int,
    summary: Mapping[str, Any] | None,
) -> None:
    """The import holds back nothing any more. `summary` None: it failed."""
    kept = None if summary is None else json.dumps(summary)
    connection.execute(
        END, asdict(key) | {"accepted_ms": accepted_ms, "confirmed": confirmed, "summary": kept}
    )


def counting_versions(
    connection: Connection, organization: str, orders: Sequence[str]
) -> dict[str, tuple[int, str]]:
    """Order -> (revision, content in hex) that counts now, as far as PostgreSQL has heard."""
    rows = connection.execute(FIND_VERSIONS, (organization, list(orders)))
    return {row[0]: (row[1], bytes(row[2]).hex()) for row in rows}
