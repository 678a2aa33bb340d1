"""What a process cannot do without (Kafka, PostgreSQL), asked again and again by a thread each, so
that /readyz is true also while the process's own work waits for an answer that never comes.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
import structlog
from confluent_kafka import KafkaException

from shared import db, metrics, same_log, same_log_store
from shared.errors import OtherLog, Retryable, said
from shared.kafka import not_there
from shared.same_log_store import Place
from shared.topics import ORDERS

log = structlog.get_logger()

ASK_SECONDS = 2.0  # between an answer and the next question
FRESH_SECONDS = 2.0  # a look at logs that takes longer: what was known before may be true no more
SILENT_SECONDS = 4.0  # a question that has no answer for so long is one

Question = Callable[[], None]  # raises where it is away, in words


@dataclass
class _Asked:
    """since: of a question that is open. reason: what the last answer said; empty: all is well."""

    name: str
    since: float | None
    reason: str = "starting"
    lock: threading.Lock = field(default_factory=threading.Lock)


class Needs:
    """Thread-safe. `why` is for /readyz; `now` is for tests."""

    def __init__(self, stop: threading.Event, now: Callable[[], float] = time.monotonic) -> None:
        self._stop, self._now = stop, now
        self._asked: list[_Asked] = []

    def ask(self, name: str, question: Question) -> None:
        """From now on, until the process ends."""
        asked = _Asked(name, self._now())
        self._asked.append(asked)
        threading.Thread(
            target=self._ask, args=(asked, question), name=f"needs-{name}", daemon=True
        ).start()

    def why(self) -> str:
        """What is away, in words; empty where nothing is."""
        now = self._now()
        return "; ".join(reason for one in self._asked if (reason := _said(one, now)))

    def _ask(self, asked: _Asked, question: Question) -> None:
        while True:
            with asked.lock:
                asked.since = self._now()
            reason = ""
            try:
                question()
            except OtherLog as error:
                reason = said(error)
            except Exception as error:
                reason = f"{asked.name}: {said(error) or type(error).__name__}"
            with asked.lock:
                before, asked.reason, asked.since = asked.reason, reason, None
            if reason and reason != before:
                log.warning("not there", reason=reason)
            elif before not in ("", "starting") and not reason:
                log.info("there again", what=asked.name)
            if self._stop.wait(ASK_SECONDS):
                return


def _said(asked: _Asked, now: float) -> str:
    with asked.lock:
        silent = 0.0 if asked.since is None else now - asked.since
        if silent > SILENT_SECONDS and asked.reason in ("", "starting"):
            return f"{asked.name}: no answer for {silent:.0f} s"
        return asked.reason


def kafka() -> Question:
    """Its metadata, within a deadline."""
    client = same_log.admin()

    def ask() -> None:
        try:
            client.list_topics(topic=ORDERS.name, timeout=SILENT_SECONDS / 2)
        except KafkaException as error:
            raise not_there(error, ORDERS.name) from None

    return ask


class Postgres:
    """A connection of its own, kept: a pool that is busy is no outage."""

    def __init__(self) -> None:
        self._connection: db.Connection | None = None

    def __call__(self) -> None:
        """Raises Retryable."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = db.connected(answer_seconds=SILENT_SECONDS / 2)
            self._connection.execute("SELECT 1")
        except Exception as error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise Retryable(said(error)) from None


class SameLog:
    """Whether Kafka's logs are those that positions are of, and reach as far as was seen.

    why: why nothing may be taken; None: not known yet. ends: how far each partition reached.
    """

    def __init__(
        self,
        process: str,
        topics: Sequence[str],
        *,
        consumers: Sequence[str] = (),
        on_mended: Callable[[], None] = lambda: None,
    ) -> None:
        self._known: str | None = None
        self._asking_since: float | None = None
        self.ends: dict[Place, int] = {}
        self._process, self._topics, self._consumers = process, topics, consumers
        self._on_mended = on_mended
        self._client = same_log.admin()
        self._connection: db.Connection | None = None
        metrics.LOG_DIFFERS.labels(process).set(0)

    @property
    def why(self) -> str | None:
        """As of now: a broker that has not answered for a moment may come back with another log."""
        since = self._asking_since
        if self._known == "" and since is not None and time.monotonic() - since > FRESH_SECONDS:
            return None
        return self._known

    def _suspect(self) -> None:
        self._known = self._known or None

    def __call__(self) -> None:
        """Raises OtherLog, Retryable."""
        try:
            self._ask()
        finally:
            self._asking_since = None

    def _ask(self) -> None:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = db.connected(answer_seconds=SILENT_SECONDS, autocommit=False)
                self._connection.execute("SET ROLE winback_worker")
                self._connection.commit()
            remembered = same_log_store.known(
                self._connection, self._topics, consumers=self._consumers
            )
            self._connection.commit()
            self._asking_since = time.monotonic()
            there = same_log.look(self._client, self._topics)  # after that: it grows meanwhile
            if reason := same_log.lasting_difference(
                self._client, there, remembered, self._suspect
            ):
                raise OtherLog(reason)
            same_log_store.note(self._connection, there, remembered)
            self._connection.commit()
        except OtherLog as error:
            self._known = said(error)
            metrics.LOG_DIFFERS.labels(self._process).set(1)
            raise
        except Retryable:
            self._suspect()
            raise
        except psycopg.Error as error:
            if self._connection is not None:
                self._connection.close()
            raise Retryable(said(error)) from None
        was, self._known = self._known, ""
        metrics.LOG_DIFFERS.labels(self._process).set(0)
        self.ends = {
            (topic, partition): end
            for topic, log_there in there.topics.items()
            for partition, end in log_there.ends.items()
        }
        if was:
            self._on_mended()
