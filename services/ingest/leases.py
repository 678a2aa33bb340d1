"""An import's row: its time of acceptance, how much Kafka has confirmed, and the lease that holds back the organization's runs.

Taking the lease locks the organization's row, as asking for a run does: one of the two comes first. A killed import holds
nothing for longer than LEASE_SECONDS.
"""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import psycopg
import structlog

from services.ingest import imports_store
from services.ingest.store import Organization, find_organization
from shared import db
from shared.errors import NotFound, Retryable

log = structlog.get_logger()

LEASE_SECONDS = 60
RENEW_EVERY_SECONDS = 15.0
NOTE_EVERY_SECONDS = 2.0  # how much a resumed import sends again, at most


class Lease:
    """Held from `take` until the end of the `with` block, renewed by a thread."""

    def __init__(self, *, organization: str, import_id: str) -> None:
        self._key = imports_store.Key(organization=organization, import_id=import_id)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self.accepted_ms = 0
        self.confirmed = 0
        self.summary: dict[str, Any] | None = None

    def take(self, *, kind: str, files: Sequence[str], accepted_ms: int, resume: bool) -> None:
        """Raises Retryable, NotFound. `accepted_ms` and `confirmed` are then those of the import that is resumed, if it is."""
        with db.connect() as connection:
            taken = imports_store.take(
                connection, self._key, kind=kind, files=files, accepted_ms=accepted_ms, lease_seconds=LEASE_SECONDS, resume=resume
            )
        if taken is None:
            raise NotFound(f"there is no organization {self._key.organization}")
        self.accepted_ms, self.confirmed = taken
        self._thread.start()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._thread.is_alive():
            return
        self._stop.set()
        self._thread.join(LEASE_SECONDS)
        try:
            with db.connect() as connection:
                imports_store.end(
                    connection, self._key, accepted_ms=self.accepted_ms, confirmed=self.confirmed, summary=self.summary
                )
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
                    imports_store.renew(
                        connection,
                        self._key,
                        accepted_ms=self.accepted_ms,
                        confirmed=confirmed,
                        lease_seconds=LEASE_SECONDS,
                    )
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
