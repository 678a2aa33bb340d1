"""The system as it looks from outside, measured by the clock that leads: a process that hangs
cannot say so itself.

Kafka: brokers, replicas, the ends of partitions and of dead-letter topics, and whether it takes a
record. PostgreSQL: positions, runs, feeds, its time, its WAL archive, the age of backups. Disks:
those of WINBACK_WATCHED_DISKS. What a former leader measured is taken back when it leads no more,
so that nothing old stands beside the new one's.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, says the reference
from prometheus_client import Gauge

from services.signals.store import measures
from shared import clock, db, kafka_access, metrics
from shared.errors import Retryable, said
from shared.health import measure_disk
from shared.kafka import Publisher, wanted_topics, with_dead_letters
from shared.settings import settings
from shared.topics import DETECTOR_APP, ORDERS, WRITE_PROBE, dead_letters_of

log = structlog.get_logger()

LOOK_SECONDS = 5.0
ASK_SECONDS = 5.0
WRITE_MS = 4_000
ANSWER_SECONDS = 10.0  # the library keeps its own time; this is for when it does not

LABELLED = (
    metrics.UNREAD_RECORDS,
    metrics.STUCK_SECONDS,
    metrics.LAST_ORDER_AT,
    metrics.AUDIT_DIFFERENCES,
    metrics.BACKUP_AT,
    metrics.KAFKA_PARTITIONS,
    metrics.DEAD_LETTER_OFFSET,
)
BARE = (
    metrics.RUNS_PENDING,
    metrics.RUN_OLDEST_SECONDS,
    metrics.IMPORTS_RUNNING,
    metrics.CLOCK_SKEW_SECONDS,
    metrics.KAFKA_BROKERS,
    metrics.WAL_UNARCHIVED_SECONDS,
)

CHANGED_BYTES = 8_192  # less is PostgreSQL's own notes: the first change of a page is all of it

Place = tuple[str, str, int]  # consumer, topic, partition


@dataclass(kw_only=True)
class Watcher:
    """Remembers since when each position stands still."""

    admin: AdminClient
    standing: dict[Place, tuple[int, float]] = field(default_factory=dict)
    archive: tuple[str | None, float] | None = None  # its newest segment, and since when it waits

    def look(self, connection: db.Connection) -> None:
        """Measure everything once. Raises Retryable while Kafka is away; what
        PostgreSQL says is set before.
        """
        seen = measures.look(connection)
        set_from_postgres(seen)
        metrics.WAL_UNARCHIVED_SECONDS.set(self._waits(seen.unarchived, time.monotonic()))
        for name, folder in settings().watched_disks.items():
            measure_disk(name, folder)
        try:
            cluster = self.admin.list_topics(timeout=ASK_SECONDS)
            set_from_cluster(cluster)
            positions = seen.positions | {
                (DETECTOR_APP.removeprefix("winback-"), ORDERS.name, number): offset
                for number, offset in self._committed(cluster).items()
            }
            here: set[tuple[str, int]] = {
                (name, number)
                for name, topic in cluster.topics.items()
                for number in topic.partitions
            }
            dead_letter_topics = set(map(dead_letters_of, with_dead_letters()))
            dead = {place for place in here if place[0] in dead_letter_topics}
            read = {(topic, number) for _, topic, number in positions} & here
            ends = self._ends(read | dead)
        except KafkaException as error:
            raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None
        except TimeoutError:
            raise Retryable("Kafka does not answer in time") from None
        for name in {name for name, _ in dead}:
            metrics.DEAD_LETTER_OFFSET.labels(name).set(
                sum(end for (topic, _), end in ends.items() if topic == name)
            )
        self._note(positions, ends, time.monotonic())
        metrics.WATCHED_AT.set(clock.now().timestamp())

    def _waits(self, found: measures.Unarchived | None, now: float) -> float:
        """Seconds for which changes have waited for the archive: since a segment went there last,
        or since there was a change after it.
        """
        if found is None or found.bytes < CHANGED_BYTES:
            self.archive = None
        elif self.archive is None or self.archive[0] != found.last:
            self.archive = (found.last, now)
        return now - self.archive[1] if self.archive is not None else 0.0

    def _note(
        self, positions: dict[Place, int], ends: dict[tuple[str, int], int], now: float
    ) -> None:
        for place, position in positions.items():
            consumer, topic, number = place
            if (topic, number) not in ends:
                continue
            unread = max(0, ends[topic, number] - position)
            before, since = self.standing.get(place, (position, now))
            if unread == 0 or before != position:
                since = now
            self.standing[place] = (position, since)
            metrics.UNREAD_RECORDS.labels(consumer, topic, str(number)).set(unread)
            metrics.STUCK_SECONDS.labels(consumer, topic, str(number)).set(now - since)

    def _committed(self, cluster: Any) -> dict[int, int]:
        """Partition of `orders` -> the next offset that the detector has not finished."""
        places = [
            TopicPartition(ORDERS.name, number) for number in cluster.topics[ORDERS.name].partitions
        ]
        asked = ConsumerGroupTopicPartitions(DETECTOR_APP, places)
        found: Any = self.admin.list_consumer_group_offsets([asked], request_timeout=ASK_SECONDS)[
            DETECTOR_APP
        ].result(ANSWER_SECONDS)
        return {place.partition: max(0, place.offset) for place in found.topic_partitions}

    def _ends(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library has no types for it
        asked: Any = {TopicPartition(topic, number): latest for topic, number in places}
        answers: Any = self.admin.list_offsets(asked, request_timeout=ASK_SECONDS) if asked else {}
        return {
            (place.topic, place.partition): answer.result(ANSWER_SECONDS).offset
            for place, answer in answers.items()
        }


def connected() -> AdminClient:
    return AdminClient({**kafka_access.client(), "log_level": 2})


def run(leading: threading.Event, stop: threading.Event) -> None:
    """Look every few seconds while `leading`, until `stop`."""
    watcher: Watcher | None = None
    publisher: Publisher | None = None
    metrics.FEED_STALE_AFTER_SECONDS.set(settings().stale_feed_hours * 3600)
    while not stop.wait(LOOK_SECONDS):
        if not leading.is_set():
            if watcher is not None:
                take_back()
            watcher = None
            continue
        if watcher is None:
            watcher = Watcher(admin=connected())
            metrics.KAFKA_WRITTEN_AT.set(clock.now().timestamp())  # from here on
        publisher = publisher or Publisher(extra={"delivery.timeout.ms": WRITE_MS})
        write(publisher)
        try:
            with db.connect() as connection:
                connection.autocommit = True
                watcher.look(connection)
        except (psycopg.OperationalError, Retryable) as error:
            watcher.admin = connected()  # what it knew of brokers may be why
            log.warning("not watched", reason=said(error))
    if publisher is not None:
        publisher.close()


def write(publisher: Publisher) -> None:
    """A record that nobody reads: does Kafka take it?"""
    try:
        publisher.publish(WRITE_PROBE, b"", partition=0)
        metrics.KAFKA_WRITTEN_AT.set(clock.now().timestamp())
    except Retryable as error:
        log.warning("Kafka takes no writes", reason=said(error))


def set_from_postgres(seen: measures.Seen) -> None:
    """Runs, imports, feeds and the time; organizations that were deleted leave no alert behind."""
    now = clock.now()
    metrics.RUNS_PENDING.set(seen.runs_pending)
    oldest = seen.oldest_requested_at or now
    metrics.RUN_OLDEST_SECONDS.set(max(0.0, (now - oldest).total_seconds()))
    metrics.IMPORTS_RUNNING.set(seen.imports)
    metrics.CLOCK_SKEW_SECONDS.set((now - seen.now).total_seconds())
    if seen.last_history_at is not None:
        metrics.HISTORY_AT.set(seen.last_history_at.timestamp())
    for store, at in seen.backups.items():
        metrics.BACKUP_AT.labels(store).set(at.timestamp())
    for gauge in (metrics.LAST_ORDER_AT, metrics.AUDIT_DIFFERENCES):
        for organization in label_values(gauge) - seen.organizations.keys():
            gauge.remove(organization)
    for organization, accepted_at in seen.organizations.items():
        if accepted_at is not None:
            metrics.LAST_ORDER_AT.labels(organization).set(accepted_at.timestamp())


def set_from_cluster(cluster: Any) -> None:
    """Brokers, and the partitions of our topics that lack something."""
    counts = {"under_replicated": 0, "below_min_isr": 0, "offline": 0}
    least = 2 if settings().replication_factor >= 3 else 1  # as kafka.create_topics sets it
    for name in {topic.topic for topic in wanted_topics()} & cluster.topics.keys():
        for partition in cluster.topics[name].partitions.values():
            counts["under_replicated"] += len(partition.isrs) < len(partition.replicas)
            counts["below_min_isr"] += len(partition.isrs) < least
            counts["offline"] += partition.leader < 0
    metrics.KAFKA_BROKERS.set(len(cluster.brokers))
    for state, count in counts.items():
        metrics.KAFKA_PARTITIONS.labels(state).set(count)


def take_back() -> None:
    """What this process measured while it led."""
    for gauge in LABELLED:
        gauge.clear()
    for gauge in BARE:
        gauge.set(0)


def label_values(gauge: Gauge) -> set[str]:
    """The values of a gauge's only label."""
    return {
        str(next(iter(sample.labels.values())))
        for family in gauge.collect()
        for sample in family.samples
    }
