"""Reading Kafka: the one consume loop, decoding, dead letters.

consume       records -> handler, in one PostgreSQL transaction with the partition's next offset
decode_with   JSON -> event; what does not fit is Rejected
dead_letter   the original bytes with topic, partition, offset and reason
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import psycopg
import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from psycopg_pool import ConnectionPool

from shared import clock, db, metrics, tracing
from shared.away import ASSIGNMENT, Away, Place
from shared.errors import FieldError, Rejected, said
from shared.events import OrdersRecord, RunRequested
from shared.kafka import Headers, Publisher, partition_of, topic_ids
from shared.settings import settings
from shared.topics import MEGABYTE, dead_letters_of

log = structlog.get_logger()

POISON_LIMIT = 200  # so many unreadable records in a row mean that the deploy is bad, not the data
TRANSACTION_BYTES = 4 * MEGABYTE  # of records at most in one transaction: bounds memory, whatever the blocks hold
ASSIGNED_WITHIN_SECONDS = 240.0  # Kafka takes a consumer that does not poll for 300 for dead


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One record as a handler gets it: `event` is decoded, `at` is the record's time (UTC)."""

    topic: str
    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: Headers
    event: Any


Decode = Callable[[Record], Any]
Handle = Callable[[db.Connection, list[Record]], None]


@dataclass(frozen=True, kw_only=True)
class Route:
    """How one topic's records are decoded and handled. Both raise Rejected for what can never be right.

    is_trusted: our own services write it, so a row of unreadable records means a bad deploy, and the process stops.
    starts_over: its handler takes a topic that was deleted and made anew from the beginning, since its rows do not hang on
        offsets; where they do, the process stops and a person decides.
    is_first_reader: puts aside what cannot be decoded; another reader of the topic passes it by, so that it is put aside once.
    """

    topic: str
    decode: Decode
    handle: Handle
    is_trusted: bool = True
    is_first_reader: bool = True
    starts_over: bool = True


def decode_with(decoder: msgspec.json.Decoder[Any], *, tombstones: bool = False) -> Decode:
    """Decode a record's JSON; what does not fit the model is Rejected with the decoder's own words.

    Only compacted topics have `tombstones`, decoded as None; elsewhere a record without a value can never be right.
    """

    def decode(record: Record) -> Any:
        if record.value is None:
            if tombstones:
                return None
            raise Rejected(FieldError(field="value", reason=f"a record of {record.topic} must have one"))
        try:
            return decoder.decode(record.value)
        except msgspec.MsgspecError as error:
            raise Rejected(FieldError(field="value", reason=str(error))) from None

    return decode


def decode_orders() -> Decode:
    """What both readers of `orders` hold a record against: its model, and that every organization in it belongs to its partition.

    Raises Rejected for the whole record, so that the detector and the read model never differ in what they take.
    """
    decode = decode_with(msgspec.json.Decoder(OrdersRecord))
    known: dict[str, int] = {}

    def placed(record: Record) -> Any:
        event = decode(record)
        names = [event.organization] if isinstance(event, RunRequested) else {order.organization for order in event.orders}
        for name in names:
            if name not in known:
                known[name] = partition_of(name)
            if known[name] != record.partition:
                raise Rejected(FieldError(field="organization", reason=f"{name} belongs to partition {known[name]}"))
        return event

    return placed


def consume(
    *,
    consumer: str,
    routes: Sequence[Route],
    pool: ConnectionPool[db.Connection],
    publisher: Publisher,
    stop: threading.Event,
    on_ready: Callable[[bool, str], None] = lambda ready, reason: None,
    most: int = 500,
    wait_seconds: float = 0.1,
) -> None:
    """Run until `stop`: each partition's batch and its next offset in one transaction; on assignment seek to PostgreSQL's offset.

    A record that cannot be decoded, or that its handler rejects, goes to the dead letters (confirmed) and is passed by.
    While PostgreSQL is away or cannot write (its disk is full), batches are read and tried again, ever more rarely, and `on_ready`
    is told why not. POISON_LIMIT poison records in a row, or any other error, ends the process: loudly, with nothing lost.
    """
    by_topic = {route.topic: route for route in routes}
    kafka = Consumer(
        {
            "bootstrap.servers": settings().kafka,
            "group.id": f"winback-{consumer}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 10_000,
            "fetch.wait.max.ms": 200,  # of an empty topic: the broker answers at once when a record comes
            "queued.max.messages.kbytes": 65_536,
        }
    )
    poison = 0
    away = Away(on_ready)

    def on_assign(client: Consumer, partitions: list[TopicPartition]) -> None:
        until = time.monotonic() + ASSIGNED_WITHIN_SECONDS
        while True:
            try:
                with pool.connection() as connection:
                    _follow_topics(connection, consumer, routes)
                    for p in partitions:
                        p.offset = db.position(connection, consumer=consumer, topic=p.topic, partition=p.partition)
                break
            except psycopg.OperationalError as error:
                if time.monotonic() > until:
                    raise
                away.hold(ASSIGNMENT, 0, error)
                away.wait(stop)
                if stop.is_set():
                    return
        client.incremental_assign(partitions)
        away.is_back(ASSIGNMENT)
        log.info("partitions assigned", consumer=consumer, partitions=[f"{p.topic}/{p.partition}@{p.offset}" for p in partitions])

    def on_revoke(client: Consumer, partitions: list[TopicPartition]) -> None:
        client.incremental_unassign(partitions)
        for p in partitions:  # who has them now measures them; what stood here last would never fall again
            away.is_back((p.topic, p.partition))
            for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS):
                with suppress(KeyError):
                    gauge.remove(consumer, p.topic, str(p.partition))

    def take(route: Route, whole: list[Record], poison: int) -> int:
        """One partition's records. Returns how many poison records the last batch ended with, added to those before it."""
        topic, partition = whole[0].topic, whole[0].partition
        for batch in _bounded(whole):
            with tracing.taking(consumer, batch):
                moved, rejected = _apply(route, consumer, partition, batch, pool, publisher)
            if not moved:
                with pool.connection() as connection:
                    _follow_topics(connection, consumer, routes)  # it may be another topic that is at a lower offset
                _seek_back(kafka, consumer, topic, partition, pool)
                break
            poison = poison + rejected if rejected == len(batch) else 0
            if poison >= POISON_LIMIT and route.is_trusted:
                raise RuntimeError(f"{poison} records in a row of {topic} cannot be read: is this the right version?")
        metrics.RECORDS.labels(consumer, topic).inc(len(whole))
        metrics.LAG_SECONDS.labels(consumer, topic, str(partition)).set(max(0.0, (clock.now() - whole[-1].at).total_seconds()))
        return poison

    for topic in by_topic:
        metrics.RECORDS.labels(consumer, topic)
        metrics.DEAD_LETTERS.labels(topic, consumer)
    kafka.subscribe(list(by_topic), on_assign=on_assign, on_revoke=on_revoke, on_lost=on_revoke)
    last_lag = 0.0
    try:
        while not stop.is_set():
            first = kafka.poll(wait_seconds)  # `consume` would wait for a full batch; this takes what is there
            messages = [] if first is None else [first, *kafka.consume(most - 1, 0.0)]
            batches: dict[Place, list[Record]] = {}
            for message in messages:
                error = message.error()
                if error is not None:
                    if error.fatal():
                        raise KafkaException(error)
                    log.warning("kafka", error=error.str())
                    continue
                record = record_of(message)
                batches.setdefault((record.topic, record.partition), []).append(record)
            for place, whole in batches.items():
                begin = away.begins.setdefault(place, whole[0].offset)
                if away.error is not None or (begin < whole[0].offset and _is_there(kafka, place, begin)):
                    _seek(kafka, place, begin)  # one is enough to know, the rest waits with it; or this was read before a seek
                    continue
                try:
                    poison = take(by_topic[place[0]], whole, poison)
                except psycopg.OperationalError as error:
                    away.hold(place, begin, error)
                    _seek(kafka, place, begin)
                else:
                    away.is_back(place)
            away.wait(stop)
            if time.monotonic() - last_lag > 2:
                last_lag = time.monotonic()
                _measure_lag(kafka, consumer, idle=not messages)
    finally:
        kafka.close()


def _seek(kafka: Consumer, place: Place, offset: int) -> None:
    """Read from there on, unless the partition was taken away meanwhile."""
    if any((p.topic, p.partition) == place for p in kafka.assignment()):
        kafka.seek(TopicPartition(*place, offset))


def _is_there(kafka: Consumer, place: Place, offset: int) -> bool:
    """The topic still keeps what is at that offset."""
    return bool(kafka.get_watermark_offsets(TopicPartition(*place), timeout=5)[0] <= offset)


def _bounded(batch: list[Record]) -> Iterator[list[Record]]:
    """The batch in parts of TRANSACTION_BYTES, or of one record that is larger."""
    part: list[Record] = []
    size = 0
    for record in batch:
        if part and size + len(record.value or b"") > TRANSACTION_BYTES:
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record.value or b"")
    yield part


def _apply(
    route: Route, consumer: str, partition: int, batch: list[Record], pool: ConnectionPool[db.Connection], publisher: Publisher
) -> tuple[bool, int]:
    """(False where another process was faster, how many records could not be read or were rejected)."""
    records: list[Record] = []
    rejected: list[tuple[Record, str]] = []
    passed_by = 0
    for record in batch:
        try:
            records.append(replace(record, event=route.decode(record)))
        except Rejected as error:
            if route.is_first_reader:
                rejected.append((record, str(error)))
            else:
                passed_by += 1

    def bisect(part: list[Record], connection: db.Connection) -> None:
        """Handle `part` in a savepoint, halving it until the record that is rejected stands alone."""
        if not part:
            return
        try:
            with connection.transaction():
                route.handle(connection, part)
        except (Rejected, psycopg.DataError, psycopg.IntegrityError) as error:
            if len(part) == 1:
                rejected.append((part[0], said(error)))
                return
            half = len(part) // 2
            bisect(part[:half], connection)
            bisect(part[half:], connection)

    try:
        with pool.connection() as connection, connection.transaction():
            expected = _expected(connection, consumer, batch[0])
            bisect(records, connection)
            for record, reason in sorted(rejected, key=lambda pair: pair[0].offset):
                dead_letter(publisher, record, reason=reason, consumer=consumer)
            if not db.move_position(
                connection,
                consumer=consumer,
                topic=route.topic,
                partition=partition,
                expected=expected,
                next_offset=batch[-1].offset + 1,
            ):
                raise _Overtaken
    except _Overtaken:
        return False, 0
    return True, len(rejected) + passed_by


def _follow_topics(connection: db.Connection, consumer: str, routes: Sequence[Route]) -> None:
    """Raises RuntimeError where positions are of a topic that is there no more, and the rows hang on its offsets."""
    for route in routes:
        topic_id = topic_ids(route.topic)[route.topic]
        if db.follow_topic(connection, consumer=consumer, topic=route.topic, topic_id=topic_id, start_over=route.starts_over):
            continue
        if not route.starts_over:
            raise RuntimeError(another_topic(route.topic, f"positions of {consumer}"))
        log.warning("the topic was made anew: starting over", topic=route.topic, consumer=consumer)


def another_topic(topic: str, whose: str) -> str:
    """For people: why a process does not go on."""
    return f"{topic} was deleted and made anew: the {whose} are of another topic (docs/operations.md says what to do)"


class _Overtaken(Exception):
    """Another process has already put these records into PostgreSQL."""


def _expected(connection: db.Connection, consumer: str, first: Record) -> int:
    """The stored position, locked until the end of the transaction, where this batch continues it; else raises _Overtaken.

    Between the stored position and the first record there can be nothing but transaction markers: the loop reads in order.
    """
    stored = db.lock_position(connection, consumer=consumer, topic=first.topic, partition=first.partition)
    if stored is None or stored > first.offset:
        raise _Overtaken
    return stored


def _seek_back(kafka: Consumer, consumer: str, topic: str, partition: int, pool: ConnectionPool[db.Connection]) -> None:
    with pool.connection() as connection:
        offset = db.position(connection, consumer=consumer, topic=topic, partition=partition)
    log.warning("another process was faster: seeking", topic=topic, partition=partition, offset=offset)
    kafka.seek(TopicPartition(topic, partition, offset))


def _measure_lag(kafka: Consumer, consumer: str, *, idle: bool) -> None:
    try:
        for p in kafka.position(kafka.assignment()):
            low, high = kafka.get_watermark_offsets(p, cached=True)
            at = p.offset if p.offset >= 0 else low
            lag = max(0, high - at) if high >= 0 else 0
            metrics.LAG_RECORDS.labels(consumer, p.topic, str(p.partition)).set(lag)
            if idle and lag == 0:
                metrics.LAG_SECONDS.labels(consumer, p.topic, str(p.partition)).set(0)
    except KafkaException as error:
        log.warning("lag not known", error=str(error))


def record_of(message: Message) -> Record:
    """A message of librdkafka as the project passes it on, not decoded yet."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None
    headers: Headers = [
        (str(name), bytes(value or b"")) for name, value in cast("list[tuple[str, bytes]]", message.headers() or [])
    ]
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        at=datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
        key=message.key(),
        value=message.value(),
        headers=headers,
        event=None,
    )


# -- dead letters -----------------------------------------------------------------------------------------------------------


def dead_letter(publisher: Publisher, record: Record, *, reason: str, consumer: str, organization: str = "") -> int:
    """Put the original bytes aside, confirmed, with where they came from and why. Raises Retryable.

    `organization`: whose it is, where more than the record itself says so (its token); else empty. Headers dead_topic,
    dead_partition, dead_offset, dead_reason, dead_consumer, dead_organization, dead_at come first, then the record's own: all of
    them always, so that a sender's header of such a name says nothing. Returns its offset there.
    """
    place: Headers = [
        ("dead_topic", record.topic.encode()),
        ("dead_partition", str(record.partition).encode()),
        ("dead_offset", str(record.offset).encode()),
        ("dead_reason", reason[:2000].encode()),
        ("dead_consumer", consumer.encode()),
        ("dead_organization", organization.encode()),
        ("dead_at", clock.now().isoformat().encode()),
    ]
    at = publisher.publish(dead_letters_of(record.topic), record.value, key=record.key, headers=place + record.headers)
    metrics.DEAD_LETTERS.labels(record.topic, consumer).inc()
    log.warning("dead letter", topic=record.topic, partition=record.partition, offset=record.offset, reason=reason[:500])
    return at
