"""Whose broker answers: another installation's, at our address, is not ours.

Kafka gives a cluster an id when its storage is made. `winback topics` notes it in PostgreSQL; the
detector, which reaches no PostgreSQL, keeps it in its folder. Every process holds what answers
against that, again and again: nothing is read from a stranger's broker, and /readyz says so.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shared import broker_store, db, kafka, kafka_access
from shared.errors import Misconfigured, Retryable, said
from shared.settings import settings

log = structlog.get_logger()

ASK_SECONDS = 5.0
LOOK_SECONDS = 2.0
ADOPT = "`winback topics --adopt`, then start every process again"
FILE = "kafka-cluster"  # in the detector's folder


class Stranger(Retryable):
    """The broker at our address is of another cluster than ours."""


def cluster_id(*, timeout_seconds: float = ASK_SECONDS) -> str:
    """Of the broker that answers now. Raises Retryable where none does."""
    admin = AdminClient({**kafka_access.client(), "log_level": 2})
    return _cluster_of(admin, timeout_seconds)


def _cluster_of(admin: AdminClient, timeout_seconds: float) -> str:
    try:
        return str(admin.list_topics(timeout=timeout_seconds).cluster_id)
    except KafkaException as error:
        raise Retryable(
            f"Kafka cannot be reached at {settings().kafka}: {error.args[0].str()}"
        ) from None


def note(*, adopt: bool = False) -> bool:
    """Note the cluster that answers as ours, where none is noted yet, as the database's owner.
    Returns whether that changed something; before the migration that makes the table, nothing does.

    `adopt`: also in the place of another one, since it was made anew or restored elsewhere. Raises
    Misconfigured where another one is noted, Retryable.
    """
    answers = cluster_id()
    with db.connect_as_owner() as connection:
        if not broker_store.has_table(connection):
            return False
        ours = broker_store.noted(connection)
        if ours not in (None, answers) and not adopt:
            raise Misconfigured(f"WINBACK_KAFKA: {stranger(answers, ours)}")
        return broker_store.note(connection, answers)


def require_own() -> None:
    """For verbs, before they send or read. Raises Stranger; Retryable."""
    by_database().look()


def stranger(answers: str, ours: str | None, on_purpose: str = ADOPT) -> str:
    """For people; `on_purpose`: what to do where the cluster was made anew on purpose."""
    return (
        f"the broker at {settings().kafka} is of another installation (its cluster is {answers}, "
        f"ours is {ours}); where Kafka was made anew or restored on purpose, {on_purpose}"
    )


class Watch:
    """Holds the broker that answers against ours, `ours` as said by PostgreSQL or by a folder;
    thread-safe. A broker that is away is nobody's: others say that.
    """

    def __init__(self, ours: Callable[[], str | None], on_purpose: str = ADOPT) -> None:
        self._ask_ours, self._ours, self._on_purpose = ours, "", on_purpose
        self._admin: AdminClient | None = None
        self._why = self._not_known = ""

    def why(self) -> str:
        """What is wrong, as of the latest look; empty where nothing is."""
        return self._why

    def look(self, *, timeout_seconds: float = ASK_SECONDS) -> None:
        """Raises Stranger; Retryable where one of the two cannot be asked."""
        if not self._ours:
            try:
                self._ours = self._ask_ours() or ""
            except psycopg.Error as error:
                raise Retryable(f"PostgreSQL: {said(error)}") from None
        if self._admin is None:
            self._admin = AdminClient({**kafka_access.client(), "log_level": 2})
        answers = _cluster_of(self._admin, timeout_seconds)
        before, self._why = self._why, ""
        if self._ours and answers != self._ours:
            self._why = stranger(answers, self._ours, self._on_purpose)
            if not before:
                log.error("a stranger's broker", why=self._why)
            raise Stranger(self._why)
        if before:
            log.info("our own broker is back", cluster=answers)

    def wait_for_own(self, stop: threading.Event, on_ready: Callable[[bool, str], None]) -> None:
        """Until what answers is ours, or nothing can be said about it, or `stop`."""
        while not stop.is_set():
            try:
                kafka.require_reachable(timeout_seconds=ASK_SECONDS)
                self.look()
            except Stranger as error:
                on_ready(False, str(error))
                stop.wait(LOOK_SECONDS)
                continue
            except Retryable as error:  # who needs it waits for it
                log.warning("whose broker answers is not known", reason=said(error))
            return

    def require_own(self) -> None:
        """Raises RuntimeError where a stranger's broker answers: the process ends, and its next
        start waits for our own.
        """
        self.look_quietly()
        if self._why:
            raise RuntimeError(self._why)

    def start(self, stop: threading.Event) -> None:
        """Look again and again, in a thread of its own."""

        def run() -> None:
            while not stop.is_set():
                self.look_quietly()
                stop.wait(LOOK_SECONDS)

        threading.Thread(target=run, name="whose-broker", daemon=True).start()

    def look_quietly(self) -> None:
        """`why` is the answer."""
        reason = ""
        try:
            self.look()
        except Stranger:
            """`why` says it."""
        except Retryable as error:  # who needs it waits for it
            reason = said(error)
        if reason and reason != self._not_known:
            log.warning("whose broker answers is not known", reason=reason)
        self._not_known = reason


def by_database(role: db.Role = "winback_worker") -> Watch:
    """For who reaches PostgreSQL, and may take on `role`."""

    def ours() -> str | None:
        with db.connect(role) as connection:
            return broker_store.noted(connection)

    return Watch(ours)


def by_folder(folder: Path) -> Watch:
    """For the detector: the first cluster that it works with is noted in its folder."""
    file = folder / FILE

    def ours() -> str | None:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.write_text(cluster_id() + "\n")
            new.replace(file)
        return file.read_text().strip()

    return Watch(ours, f"remove {file}")
