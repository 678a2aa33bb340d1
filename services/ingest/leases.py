"""An import's row: its time of acceptance, how much Kafka has confirmed, and the lease that holds back the organization's runs.

Taking the lease locks the organization's row, as asking for a run does: one of the two comes first. A killed import holds
nothing for longer than LEASE_SECONDS.
"""

import json
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import psycopg
import structlog

from services.ingest.store import Organization, find_organization
from shared import db
from shared.errors import NotFound, Retryable

log = structlog.get_logger()

LEASE_SECONDS = 60
RENEW_EVERY_SECONDS = 15.0
NOTE_EVERY_SECONDS = 2.0  # how much a resumed import sends again, at most

LOCK_ORGANIZATION = """
SELECT 1
FROM organizations
WHERE organization = %s
FOR UPDATE
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

RENEW = """
UPDATE imports
SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
    confirmed = %(confirmed)s
WHERE organization = %(organization)s
  AND import_id = %(import_id)s
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
"""

FIND_VERSIONS = """
SELECT order_id, revision, content
FROM ingest_orders
WHERE organization = %s
  AND order_id = ANY(%s)
"""


class Lease:
    """Held from `take` until the end of the `with` block, renewed by a thread."""

    def __init__(self, *, organization: str, import_id: str) -> None:
        self._key = {"organization": organization, "import_id": import_id}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self.accepted_ms = 0
        self.confirmed = 0
        self.summary: dict[str, Any] | None = None

    def take(self, *, kind: str, files: Sequence[str], accepted_ms: int, resume: bool) -> None:
        """Raises Retryable, NotFound. `accepted_ms` and `confirmed` are then those of the import that is resumed, if it is."""
        with db.connect() as connection:
            if connection.execute(LOCK_ORGANIZATION, (self._key["organization"],)).fetchone() is None:
                raise NotFound(f"there is no organization {self._key['organization']}")
            row = connection.execute(
                TAKE,
                self._key
                | {"kind": kind, "files": list(files), "accepted_ms": accepted_ms, "lease": LEASE_SECONDS, "resume": resume},
            ).fetchone()
        assert row is not None
        self.accepted_ms, self.confirmed = int(row[0]), int(row[1])
        self._thread.start()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._thread.is_alive():
            return
        self._stop.set()
        self._thread.join(LEASE_SECONDS)
        summary = None if self.summary is None else json.dumps(self.summary)
        try:
            with db.connect() as connection:
                connection.execute(END, self._key | {"confirmed": self.confirmed, "summary": summary})
        except (Retryable, psycopg.Error) as failed:
            log.warning("the import's end was not noted; its lease runs out", reason=str(failed))

    def _renew(self) -> None:
        renewed, noted = time.monotonic(), self.confirmed
        while not self._stop.wait(0.2):
            age = time.monotonic() - renewed
            if age < (RENEW_EVERY_SECONDS if self.confirmed == noted else NOTE_EVERY_SECONDS):
                continue
            try:
                confirmed = self.confirmed
                with db.connect() as connection:
                    connection.execute(RENEW, self._key | {"lease": LEASE_SECONDS, "confirmed": confirmed})
                renewed, noted = time.monotonic(), confirmed
            except (Retryable, psycopg.Error) as error:
                log.warning("the lease was not renewed", reason=str(error))
                self._stop.wait(NOTE_EVERY_SECONDS)


def organization_of(organization: str) -> Organization:
    """Raises NotFound, Retryable."""
    with db.connect() as connection:
        found = find_organization(connection, organization)
    if found is None:
        raise NotFound(f"there is no organization {organization}")
    return found


def counting_versions(connection: db.Connection, organization: str, orders: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Order -> (revision, content in hex) that counts now, as far as PostgreSQL has heard."""
    rows = connection.execute(FIND_VERSIONS, (organization, list(orders)))
    return {row[0]: (row[1], bytes(row[2]).hex()) for row in rows}
