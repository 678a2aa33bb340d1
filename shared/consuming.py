"""Reading Kafka: the one consume loop. Records go to their handler in one PostgreSQL transaction
with the partition's next offset.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
import psycopg_pool
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from psycopg_pool import ConnectionPool

from shared import broker as brokers
from shared import clock, db, kafka_access, metrics, request_ids, same_log, skips, tracing
from shared.applying import Route, apply, follow_topics
from shared.errors import NoTopic, OtherLog, Retryable, said
from shared.kafka import Publisher, topic_ids
from shared.other_log import OTHER_LOG_SECONDS, wait_for_the_log
from shared.outage import ASSIGNMENT, Outage, Place
from shared.records import Record, record_of, unreadable_record
from shared.standing import Standing
from shared.under_way import UnderWay

log = structlog.get_logger()

POISON_LIMIT = 200  # so many unreadable records in a row mean that the deploy is bad, not the data
ASSIGNED_WITHIN_SECONDS = 240.0  # Kafka takes a consumer that does not poll for 300 for dead
MOST_RECORDS = 500  # of one turn of the loop
WAIT_SECONDS = 0.5  # for the first of them, which ends it at once
LOOK_SECONDS = 2.0  # between two looks at what waits
HOLD_SECONDS = 0.5  # a partition that fails waits so long, twice as long each time, up to
HOLD_AT_LATEST_SECONDS = 60.0
UNREADABLE = {
    KafkaError._BAD_COMPRESSION,
    KafkaError._BAD_MSG,
    KafkaError.INVALID_MSG,
}  # a batch that no retry mends
TOPIC_AWAY = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
}


class Watches(Protocol):
    """What a loop says of its partitions to who must know it."""

    def at_rest(self, places: Sequence[Place]) -> None:
        """Nothing of these is under way: all that was read is in PostgreSQL,
        or they go to another process.
        """


class Nobody:
    """For handlers that keep nothing of their own."""

    def at_rest(self, places: Sequence[Place]) -> None:
        """Nobody asks."""


def consume(
    *,
    consumer: str,
    routes: Sequence[Route],
    pool: ConnectionPool[db.Connection],
    publisher: Publisher,
    stop: threading.Event,
    on_ready: Callable[[bool, str], None] = lambda ready, reason: None,
    standing: Standing | None = None,
    watches: Watches | None = None,
    broker: brokers.Watch | None = None,
    group: str = "",
    ends_without_topic: bool = False,
    most: int = MOST_RECORDS,
) -> None:
    """Run until `stop`: each partition's batch and its next offset in one transaction; on
    assignment seek to PostgreSQL's offset.

    A record that cannot be decoded, or that its handler rejects, goes to the dead letters
    (confirmed) and is passed by. A partition whose batch fails (Retryable) is held and tried again,
    ever more rarely, while all others go on; `standing` is told. While PostgreSQL is away or cannot
    write (its disk is full), batches are read and tried again, ever more rarely, and `on_ready` is
    told why not. While another installation's broker answers, nothing is read, and `on_ready` is
    told so; neither where Kafka has another log than the one that positions are of, or one that
    ends before them. POISON_LIMIT poison records in a row, or any other error, ends the process:
    loudly, with nothing lost. `most`: records of one turn. `ends_without_topic`: raises Retryable
    where Kafka has a topic no more, for a caller that looks for it again.
    """
    metrics.LOG_DIFFERS.labels(consumer).set(0)
    broker, standing = broker or brokers.by_database(), standing or Standing()
    while not stop.is_set():
        broker.wait_for_own(stop, on_ready)
        loop = Loop(
            consumer=consumer,
            routes=routes,
            pool=pool,
            publisher=publisher,
            stop=stop,
            away=Outage(on_ready),
            standing=standing,
            watches=watches or Nobody(),
            broker=broker,
            ends_without_topic=ends_without_topic,
            most=most,
        )
        try:
            loop.run(group or f"winback-{consumer}")
        except OtherLog as error:
            wait_for_the_log(consumer, routes, pool, stop, on_ready, standing, error)


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A partition tried again at `again_at` (time.monotonic()), from the offset `begin` on."""

    begin: int
    again_at: float


class Loop:
    """The one consume loop. `assign`, `revoke` and `take` are what happens to partitions."""

    def __init__(
        self,
        *,
        consumer: str,
        routes: Sequence[Route],
        pool: ConnectionPool[db.Connection],
        publisher: Publisher,
        stop: threading.Event,
        away: Outage,
        standing: Standing,
        watches: Watches,
        broker: brokers.Watch,
        ends_without_topic: bool,
        most: int,
    ) -> None:
        self._consumer, self._routes, self._pool, self._publisher, self._stop = (
            consumer,
            routes,
            pool,
            publisher,
            stop,
        )
        self._away, self._standing, self._watches = away, standing, watches
        self._broker = broker
        self._ends_without_topic, self._most = ends_without_topic, most
        self._by_topic = {route.topic: route for route in routes}
        self._holds: dict[Place, Hold] = {}
        self._pauses: dict[Place, float] = {}
        self._assigned: dict[Place, int] = {}  # where each partition was taken up
        self._under_way = UnderWay(consumer, pool)
        self._poison = 0
        self._looked_at = 0.0
        self._client = same_log.admin()
        self._skipped: skips.Places = frozenset()
        self._over = threading.Event()  # this loop ends: so does who watches its log
        self._other: OtherLog | None = None

    def run(self, group: str) -> None:
        """Until `stop`."""
        for topic in self._by_topic:
            metrics.RECORDS.labels(self._consumer, topic)
            metrics.DEAD_LETTERS.labels(topic, self._consumer)
            metrics.QUARANTINED.labels(topic, self._consumer)
        self._kafka = Consumer(_options(group))
        self._kafka.subscribe(
            list(self._by_topic), on_assign=self.assign, on_revoke=self.revoke, on_lost=self.revoke
        )
        watch = threading.Thread(
            target=self._watch_log, name=f"log-of-{self._consumer}", daemon=True
        )
        watch.start()
        try:
            while not self._stop.is_set():
                if self._other is not None:
                    raise self._other
                batches = self._read()
                for place, whole in batches.items():
                    self._take_or_hold(place, whole)
                self._away.wait(self._stop)
                self._release()
                self._look(idle=not batches)
            self._under_way.rest_all()
        except BaseException:
            self._under_way.keep()  # the next start counts it
            raise
        finally:
            self._over.set()
            self._kafka.close()

    def _follow_topics(self, connection: db.Connection, *, is_reading: bool) -> None:
        follow_topics(self._client, connection, self._consumer, self._routes, is_reading=is_reading)

    def _look_at_skips(self) -> None:
        """While Kafka does not answer: what is known."""
        with suppress(Retryable):
            self._skipped = skips.read(topic_ids(*self._by_topic))

    def _watch_log(self) -> None:
        """Beside the loop: a broker can come back older while it runs."""
        while not self._over.wait(OTHER_LOG_SECONDS):
            try:
                with self._pool.connection() as connection:
                    self._follow_topics(connection, is_reading=True)
            except OtherLog as error:
                self._other = error
                self._away.other_log(said(error))  # giving up the partitions may take its time
                return
            except (Retryable, psycopg.OperationalError, psycopg_pool.PoolClosed):
                """Said by who needs them."""

    # -- partitions --------------------------------------------------------------------------------

    def assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """Go to PostgreSQL's offsets; while it is away, wait for it."""
        until = time.monotonic() + ASSIGNED_WITHIN_SECONDS
        while True:
            try:
                with self._pool.connection() as connection:
                    self._broker.require_own()
                    self._follow_topics(connection, is_reading=False)
                    same_log.require_last_read(
                        connection,
                        self._consumer,
                        list(self._by_topic),
                        [(p.topic, p.partition) for p in partitions],
                    )
                    for p in partitions:
                        p.offset = db.position(
                            connection,
                            consumer=self._consumer,
                            topic=p.topic,
                            partition=p.partition,
                        )
                        self._under_way.meet(connection, (p.topic, p.partition), p.offset)
                break
            except (OtherLog, NoTopic):
                raise
            except Retryable:
                if time.monotonic() > until or self._stop.wait(HOLD_SECONDS):
                    raise
            except psycopg.OperationalError as error:
                if time.monotonic() > until:
                    raise
                self._away.hold(ASSIGNMENT, 0, error)
                self._away.wait(self._stop)
                if self._stop.is_set():
                    return
        self._look_at_skips()
        client.incremental_assign(partitions)
        for p in partitions:
            self._assigned[p.topic, p.partition] = p.offset
            metrics.PARTITION_FAILING.labels(self._consumer, p.topic, str(p.partition)).set(0)
        self._away.is_back(ASSIGNMENT)
        places = [f"{p.topic}/{p.partition}@{p.offset}" for p in partitions]
        log.info("partitions assigned", consumer=self._consumer, partitions=places)

    def revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """Who has them now measures them; what stood here last would never fall again."""
        client.incremental_unassign(partitions)
        places = [(p.topic, p.partition) for p in partitions]
        for place in places:
            self._away.is_back(place)
            self._holds.pop(place, None)
            self._moves(place)
            self._under_way.let_go(place)
            for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS, metrics.PARTITION_FAILING):
                with suppress(KeyError):
                    gauge.remove(self._consumer, place[0], str(place[1]))
        self._watches.at_rest(places)

    def take(self, route: Route, whole: list[Record]) -> None:
        """One partition's records, in transactions of bounded size. Raises
        Retryable, psycopg.OperationalError.
        """
        topic, partition = whole[0].topic, whole[0].partition
        for batch in self._under_way.cut(whole):
            self._away.begins[topic, partition] = batch[0].offset
            self._standing.waits((topic, partition), batch[0].offset)
            ended = self._under_way.begin(batch)
            with tracing.taking(self._consumer, batch):
                moved, rejected = apply(
                    route,
                    self._consumer,
                    partition,
                    batch,
                    self._pool,
                    self._publisher,
                    ended=ended,
                    skipped=self._skipped,
                )
            if not moved:
                with self._pool.connection() as connection:
                    # another topic may be at a lower offset
                    self._follow_topics(connection, is_reading=True)
                _seek_back(self._kafka, self._consumer, topic, partition, self._pool)
                break
            self._moves((topic, partition))
            request_ids.taken(self._consumer, batch)
            if batch[-1].unreadable:
                _seek(self._kafka, (topic, partition), batch[-1].offset + 1)
            self._poison = self._poison + rejected if rejected == len(batch) else 0
            if self._poison >= POISON_LIMIT and route.is_trusted:
                raise RuntimeError(
                    f"{self._poison} records in a row of {topic} cannot be read: is this the right "
                    "version?"
                )
        metrics.RECORDS.labels(self._consumer, topic).inc(len(whole))
        seconds = max(0.0, (clock.now() - whole[-1].at).total_seconds())
        metrics.LAG_SECONDS.labels(self._consumer, topic, str(partition)).set(seconds)

    # -- a turn ------------------------------------------------------------------------------------

    def _read(self) -> dict[Place, list[Record]]:
        """What is there, by partition; waits for a first record."""
        first = self._kafka.poll(
            WAIT_SECONDS
        )  # `consume` would wait for a full batch; this takes what is there
        batches: dict[Place, list[Record]] = {}
        for message in [] if first is None else [first, *self._kafka.consume(self._most - 1, 0.0)]:
            error = message.error()
            if error is None:
                record = record_of(message)
                batches.setdefault((record.topic, record.partition), []).append(record)
            elif error.fatal():
                raise KafkaException(error)
            elif error.code() in UNREADABLE and message.topic() in self._by_topic:
                self._add_unreadable(batches, message, error)
            elif self._ends_without_topic and error.code() in TOPIC_AWAY:
                raise Retryable(f"{message.topic() or ', '.join(self._by_topic)}: {error.str()}")
            else:
                log.warning("kafka", error=error.str())
        return batches

    def _add_unreadable(
        self, batches: dict[Place, list[Record]], message: Message, error: KafkaError
    ) -> None:
        """A batch that the client cannot unpack (packed smaller than any limit, unpacked larger):
        it says so at each fetch, and stays where it is. Each of its records is put aside by its
        place. While PostgreSQL is away it is met again.
        """
        place = (str(message.topic()), int(message.partition() or 0))
        batch = batches.setdefault(place, [])
        if batch and batch[-1].unreadable:
            return
        try:
            with self._pool.connection() as connection:
                position = db.position(
                    connection, consumer=self._consumer, topic=place[0], partition=place[1]
                )
        except psycopg.OperationalError as away:
            log.warning("kafka", error=error.str(), position=said(away))
            position = 0
        offset = max(
            int(message.offset() or 0), position
        )  # the client names the first of the batch
        batch.append(
            unreadable_record(message, offset=offset, reason=f"cannot be unpacked: {error.str()}")
        )

    def _take_or_hold(self, place: Place, whole: list[Record]) -> None:
        if place in self._holds:
            return  # read before it was held: it is read again
        begin = self._away.begins.setdefault(place, whole[0].offset)
        if self._away.error is not None or (
            begin < whole[0].offset and _is_there(self._kafka, place, begin)
        ):
            _seek(
                self._kafka, place, begin
            )  # one is enough to know, the rest waits with it; or this was read before a seek
            return
        try:
            self.take(self._by_topic[place[0]], whole)
        except psycopg.OperationalError as error:
            self._under_way.rest(place)
            begin = self._away.begins[place]
            self._away.hold(place, begin, error)
            self._standing.fails(place, begin, f"PostgreSQL: {said(error)}")
            _seek(self._kafka, place, begin)
        except OtherLog:
            self._under_way.rest(place)
            raise
        except Retryable as error:
            self._under_way.rest(place)
            begin = self._away.begins[place]
            self._away.is_back(place)
            self._hold(place, begin, error)
        else:
            self._away.is_back(place)

    def _hold(self, place: Place, begin: int, error: Retryable) -> None:
        """This partition alone waits, twice as long each time."""
        pause = self._pauses[place] = min(
            HOLD_AT_LATEST_SECONDS, 2 * self._pauses.get(place, HOLD_SECONDS / 2)
        )
        self._holds[place] = Hold(begin=begin, again_at=time.monotonic() + pause)
        self._kafka.pause([TopicPartition(*place)])
        self._standing.fails(place, begin, said(error))
        metrics.PARTITION_FAILING.labels(self._consumer, place[0], str(place[1])).set(1)
        log.warning(
            "partition held",
            topic=place[0],
            partition=place[1],
            offset=begin,
            seconds=pause,
            reason=said(error),
        )

    def _release(self) -> None:
        """What has waited long enough is read again."""
        now = time.monotonic()
        over = [place for place, hold in self._holds.items() if hold.again_at <= now]
        if over:
            self._look_at_skips()
        for place in over:
            hold = self._holds.pop(place)
            _seek(self._kafka, place, hold.begin)
            self._kafka.resume([TopicPartition(*place)])

    def _moves(self, place: Place) -> None:
        """Its position went on, or is another's."""
        self._standing.moves(place)
        if self._pauses.pop(place, None) is not None:
            metrics.PARTITION_FAILING.labels(self._consumer, place[0], str(place[1])).set(0)

    def _next(self, place: Place, position: int, low: int) -> int:
        """The next record of a partition. The client says none (below 0) until it has given one:
        then it is where the partition was taken up, or the first that is kept.
        """
        if place in self._holds:
            return self._holds[place].begin
        return position if position >= 0 else max(low, self._assigned.get(place, 0))

    def _look(self, *, idle: bool) -> None:
        """Every LOOK_SECONDS: how much waits in each partition, and where nothing is under way."""
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        at_rest = []
        try:
            for p in self._kafka.position(self._kafka.assignment()):
                place = (p.topic, p.partition)
                low, high = self._kafka.get_watermark_offsets(p, cached=True)
                at = self._next(place, p.offset, low)
                lag = max(0, high - at) if high >= 0 else 0
                metrics.LAG_RECORDS.labels(self._consumer, p.topic, str(p.partition)).set(lag)
                if lag:
                    self._standing.waits(place, at)
                elif idle and place not in self._away.begins:
                    metrics.LAG_SECONDS.labels(self._consumer, p.topic, str(p.partition)).set(0)
                    self._moves(place)
                    at_rest.append(place)
        except KafkaException as error:
            log.warning("lag not known", error=str(error))
        self._watches.at_rest(at_rest)


def _options(group: str) -> dict[str, Any]:
    return {
        **kafka_access.client(),
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 10_000,
        # of an empty topic: the broker answers at once when a record comes
        "fetch.wait.max.ms": 200,
        "queued.max.messages.kbytes": 65_536,
    }


def _seek(kafka: Consumer, place: Place, offset: int) -> None:
    """Read from there on, unless the partition was taken away meanwhile."""
    if any((p.topic, p.partition) == place for p in kafka.assignment()):
        kafka.seek(TopicPartition(*place, offset))


def _is_there(kafka: Consumer, place: Place, offset: int) -> bool:
    """The topic still keeps what is at that offset."""
    return bool(kafka.get_watermark_offsets(TopicPartition(*place), timeout=5)[0] <= offset)


def _seek_back(
    kafka: Consumer, consumer: str, topic: str, partition: int, pool: ConnectionPool[db.Connection]
) -> None:
    with pool.connection() as connection:
        offset = db.position(connection, consumer=consumer, topic=topic, partition=partition)
    log.warning(
        "another process was faster: seeking", topic=topic, partition=partition, offset=offset
    )
    kafka.seek(TopicPartition(topic, partition, offset))
