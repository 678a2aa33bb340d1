"""An import's row: its time of acceptance, how much Kafka has confirmed, and the lease that
holds back the organization's runs.

Taking the lease locks the organization's row, as asking for a run does: one of the two comes first.
A killed import holds nothing for longer than LEASE_SECONDS.

The same files twice at once would share the row: the first to end would end the other's lease, and
a run could see half of a history. So a session lock of PostgreSQL goes with it, which ends with the
process: the second one is refused while the first lives.
"""

import contextlib
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
from shared.errors import NotFound, Retryable, said

log = structlog.get_logger()

LEASE_SECONDS = 60
RENEW_EVERY_SECONDS = 15.0
ALONE_WITHIN_SECONDS = 2.0  # PostgreSQL may hear a moment later that a process was killed
NOTE_EVERY_SECONDS = 2.0  # how much a resumed import sends again, at most


class Lease:
    """Held from `take` until the end of the `with` block, renewed by a thread."""

    def __init__(self, *, organization: str, import_id: str) -> None:
        self._key = imports_store.Key(organization=organization, import_id=import_id)
        self._stop = threading.Event()
        self._alone = contextlib.ExitStack()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self.accepted_ms = 0
        self.confirmed = 0
        self.summary: dict[str, Any] | None = None

    def take(self, *, kind: str, files: Sequence[str], accepted_ms: int, resume: bool) -> None:
        """Raises Retryable, NotFound. `accepted_ms` and `confirmed` are then those of the
        import that is resumed, if it is.

        Retryable too where another process imports the same files,
        read the same way, at this moment.
        """
        self._be_alone()
        with db.connect() as connection:
            taken = imports_store.take(
                connection,
                self._key,
                kind=kind,
                files=files,
                accepted_ms=accepted_ms,
                lease_seconds=LEASE_SECONDS,
                resume=resume,
            )
        if taken is None:
            raise NotFound(f"there is no organization {self._key.organization}")
        self.accepted_ms, self.confirmed = taken
        self._thread.start()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._end()
        finally:
            with contextlib.suppress(
                psycopg.Error
            ):  # PostgreSQL restarted meanwhile: the lock is gone with the connection
                self._alone.close()

    def _be_alone(self) -> None:
        connection = self._alone.enter_context(db.connect())
        connection.autocommit = True
        until = time.monotonic() + ALONE_WITHIN_SECONDS
        while not imports_store.lock(connection, self._key):
            if time.monotonic() > until:
                self._alone.close()
                raise Retryable(
                    "another process imports the same files at this moment; wait for it, or end it "
                    "and use --resume"
                )
            time.sleep(0.1)

    def _end(self) -> None:
        if not self._thread.is_alive():
            return
        self._stop.set()
        self._thread.join(LEASE_SECONDS)
        try:
            with db.connect() as connection:
                imports_store.end(
                    connection,
                    self._key,
                    accepted_ms=self.accepted_ms,
                    confirmed=self.confirmed,
                    summary=self.summary,
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
                log.warning("the lease was not renewed", reason=said(error))
                self._stop.wait(NOTE_EVERY_SECONDS)


def organization_of(organization: str) -> Organization:
    """Raises NotFound, Retryable."""
    with db.connect() as connection:
        found = find_organization(connection, organization)
    if found is None:
        raise NotFound(f"there is no organization {organization}")
    return found
