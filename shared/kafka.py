"""Kafka: partitions, topics, publishing, the one consume loop, dead letters.

partition_of      the partition of an organization: murmur2, as Java's and aiokafka's default partitioner
create_topics     every topic of topics.py (and its dead letters); can be repeated
Publisher         an idempotent producer whose confirmations can be awaited; waits are bounded
consume           records -> handler, in one PostgreSQL transaction with the partition's next offset
dead_letter       the original bytes with topic, partition, offset and reason
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import psycopg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from psycopg_pool import ConnectionPool

from shared import clock, db, metrics
from shared.errors import FieldError, Misconfigured, Rejected, Retryable
from shared.events import OrdersRecord, RunRequested
from shared.settings import settings
from shared.topics import ERP_ORDERS, MEGABYTE, STATE_CHANGELOG, TOPICS, Topic, dead_letters_of

log = structlog.get_logger()

SECOND_MS = 1000
CONFIRM_SECONDS = 10.0  # longer than this and the sender is told to try again
POISON_LIMIT = 200  # so many unreadable records in a row mean that the deploy is bad, not the data
TRANSACTION_BYTES = 4 * MEGABYTE  # of records at most in one transaction: bounds memory, whatever the blocks hold

Headers = list[tuple[str, bytes]]

LOCK_POSITION = """
SELECT next_offset
FROM positions
WHERE consumer = %s
  AND topic = %s
  AND partition = %s
FOR UPDATE
"""


# -- partitions and topics -------------------------------------------------------------------------------------------------


def partition_of(organization: str, partitions: int | None = None) -> int:
    """The partition of `organization` in orders, signals and every topic that has their partition count."""
    return (murmur2(organization.encode()) & 0x7FFFFFFF) % (partitions or settings().partitions)


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 (org.apache.kafka.common.utils.Utils.murmur2), as an unsigned 32-bit number."""
    length = len(data)
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    whole = length - length % 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = (k * m) & mask
        k ^= k >> 24
        k = (k * m) & mask
        h = ((h * m) & mask) ^ k
    rest = data[whole:]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)


def create_topics(*, timeout_seconds: float = 30.0) -> list[str]:
    """Create what is missing, check the partition count of what is there. Returns the names that were created.

    Raises Misconfigured where a topic has another partition count: that can never be changed, only replayed into a new topic.
    """
    admin = AdminClient({"bootstrap.servers": settings().kafka})
    try:
        existing = admin.list_topics(timeout=timeout_seconds).topics
    except KafkaException as error:
        raise Retryable(f"Kafka cannot be reached at {settings().kafka}: {error.args[0].str()}") from None
    wanted = [new_topic(topic) for topic in TOPICS]
    wanted += [
        NewTopic(
            dead_letters_of(topic.name),
            1,
            settings().replication_factor,
            config=common_config(retention_ms=30 * 24 * 3600 * SECOND_MS),
        )
        for topic in TOPICS
        if topic.dead_letters
    ]
    changelog_config = common_config(retention_ms=-1) | {"cleanup.policy": "compact", "segment.ms": "3600000"}
    wanted.append(NewTopic(STATE_CHANGELOG, settings().partitions, settings().replication_factor, config=changelog_config))
    for topic in wanted:
        found = existing.get(topic.topic)
        if found is not None and len(found.partitions) != topic.num_partitions:
            raise Misconfigured(
                f"WINBACK_PARTITIONS: topic {topic.topic} has {len(found.partitions)} partitions, not {topic.num_partitions}; "
                "the count never changes: growing is a new cluster name and a replay"
            )
    missing = [topic for topic in wanted if topic.topic not in existing]
    created = []
    for name, future in (admin.create_topics(missing, operation_timeout=timeout_seconds) if missing else {}).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return sorted(created)


def new_topic(topic: Topic) -> NewTopic:
    """As confluent-kafka wants it."""
    config = common_config(retention_ms=topic.retention_ms)
    if topic is ERP_ORDERS:
        config |= {"message.timestamp.type": "LogAppendTime"}  # its time is a revision: no connector's clock decides it
    if topic.compacted:
        config |= {"cleanup.policy": "compact", "retention.ms": "-1"}
    return NewTopic(topic.name, topic.partitions or settings().partitions, settings().replication_factor, config=config)


def common_config(*, retention_ms: int) -> dict[str, str]:
    replicas = settings().replication_factor
    return {
        "retention.ms": str(retention_ms),
        "min.insync.replicas": "2" if replicas >= 3 else "1",
        "max.message.bytes": str(4 * MEGABYTE),
        "message.timestamp.after.max.ms": str(2**63 - 1),  # a producer whose clock is ahead (a test's too) must not be stopped
    }


def end_offset(topic: str, partition: int, *, timeout_seconds: float = 10.0) -> int:
    """The offset behind the last record."""
    consumer = Consumer({"bootstrap.servers": settings().kafka, "group.id": "winback-look", "enable.auto.commit": False})
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_seconds)[1])
    except KafkaException as error:
        raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None
    finally:
        consumer.close()


# -- publishing -----------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Sent:
    """One record on its way. `offset` is set once every in-sync replica has it; `error` when it was given up."""

    offset: int | None = None
    error: str | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Publisher:
    """An idempotent producer (acks=all). Thread-safe. A record is either confirmed or reported as failed, never forgotten."""

    def __init__(self, *, linger_ms: int = 0, extra: dict[str, Any] | None = None) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": settings().kafka,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": linger_ms,
                "compression.type": "lz4",
                "message.max.bytes": 4 * MEGABYTE,
                "delivery.timeout.ms": int(CONFIRM_SECONDS * 1000),
                "socket.keepalive.enable": True,
                "reconnect.backoff.max.ms": 1000,
            }
            | (extra or {})
        )
        self._open = True
        self._poller = threading.Thread(target=self._poll, name="kafka-publisher", daemon=True)
        self._poller.start()

    def _poll(self) -> None:
        while self._open:
            self._producer.poll(0.05)

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Headers | None = None,
        on_done: Callable[[Sent], None] | None = None,
    ) -> Sent:
        """Hand over one record. Raises Retryable when the local queue is full."""
        sent = Sent()

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                sent.error = error.str()
            else:
                sent.offset = message.offset()
            sent.done.set()
            if on_done is not None:
                on_done(sent)

        try:
            self._producer.produce(
                topic,
                value,
                key,
                headers=list(headers or []),
                on_delivery=delivered,
                timestamp=clock.now_ms(),
                partition=-1 if partition is None else partition,
            )
        except BufferError:
            raise Retryable("Kafka does not take records fast enough") from None
        return sent

    def confirm(self, sends: Sequence[Sent], *, timeout_seconds: float = CONFIRM_SECONDS + 2) -> None:
        """Wait until all of `sends` are on every in-sync replica. Raises Retryable when one is not."""
        until = time.monotonic() + timeout_seconds
        for sent in sends:
            if not sent.done.wait(max(0.0, until - time.monotonic())):
                raise Retryable("Kafka did not confirm in time")
            if sent.error is not None:
                raise Retryable(f"Kafka did not take the record: {sent.error}")

    def publish(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Headers | None = None,
    ) -> int:
        """One record, confirmed. Returns its offset. Raises Retryable."""
        sent = self.send(topic, value, key=key, partition=partition, headers=headers)
        self.confirm([sent])
        assert sent.offset is not None
        return sent.offset

    def close(self) -> None:
        """Wait for what is under way, then end."""
        self._producer.flush(CONFIRM_SECONDS)
        self._open = False
        self._poller.join(1)


def headers_of(event: msgspec.Struct, *, source: str, event_id: str | None = None) -> Headers:
    """CloudEvents attributes for an event (binary mode of the Kafka protocol binding)."""
    kind = type(event).__name__
    return [
        ("ce_id", (event_id or str(getattr(event, "id", "")) or kind).encode()),
        ("ce_type", f"winback.{kind}.v1".encode()),
        ("ce_source", f"/winback/{source}".encode()),
        ("ce_time", clock.now().isoformat().encode()),
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
    ]


# -- consuming ------------------------------------------------------------------------------------------------------------


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
    """

    topic: str
    decode: Decode
    handle: Handle
    is_trusted: bool = True


def decode_with(decoder: msgspec.json.Decoder[Any]) -> Decode:
    """Decode a record's JSON; what does not fit the model is Rejected with the decoder's own words."""

    def decode(record: Record) -> Any:
        if record.value is None:
            return None
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
        if event is None:
            raise Rejected(FieldError(field="value", reason="is empty"))
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
    on_ready: Callable[[bool], None] = lambda ready: None,
    most: int = 500,
    wait_seconds: float = 0.1,
) -> None:
    """Run until `stop`: each partition's batch and its next offset in one transaction; on assignment seek to PostgreSQL's offset.

    A record that cannot be decoded, or that its handler rejects, goes to the dead letters (confirmed) and is passed by.
    POISON_LIMIT of them in a row, or any other error, ends the process: loudly, with nothing lost.
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
            "fetch.wait.max.ms": 20,
            "queued.max.messages.kbytes": 65_536,
        }
    )
    poison = 0
    assigned = threading.Event()

    def on_assign(client: Consumer, partitions: list[TopicPartition]) -> None:
        with pool.connection() as connection:
            for p in partitions:
                p.offset = db.position(connection, consumer=consumer, topic=p.topic, partition=p.partition)
        client.incremental_assign(partitions)
        assigned.set()
        on_ready(True)
        log.info("partitions assigned", consumer=consumer, partitions=[f"{p.topic}/{p.partition}@{p.offset}" for p in partitions])

    kafka.subscribe(list(by_topic), on_assign=on_assign)
    last_lag = 0.0
    try:
        while not stop.is_set():
            first = kafka.poll(wait_seconds)  # `consume` would wait for a full batch; this takes what is there
            messages = [] if first is None else [first, *kafka.consume(most - 1, 0.0)]
            batches: dict[tuple[str, int], list[Record]] = {}
            for message in messages:
                error = message.error()
                if error is not None:
                    if error.fatal():
                        raise KafkaException(error)
                    log.warning("kafka", error=error.str())
                    continue
                record = record_of(message)
                batches.setdefault((record.topic, record.partition), []).append(record)
            for (topic, partition), whole in batches.items():
                for batch in _bounded(whole):
                    moved, rejected = _apply(by_topic[topic], consumer, partition, batch, pool, publisher)
                    if not moved:
                        _seek_back(kafka, consumer, topic, partition, pool)
                        break
                    poison = poison + rejected if rejected == len(batch) else 0
                    if poison >= POISON_LIMIT and by_topic[topic].is_trusted:
                        raise RuntimeError(f"{poison} records in a row of {topic} cannot be read: is this the right version?")
                metrics.RECORDS.labels(consumer, topic).inc(len(whole))
                metrics.LAG_SECONDS.labels(consumer, topic, str(partition)).set(
                    max(0.0, (clock.now() - whole[-1].at).total_seconds())
                )
            if time.monotonic() - last_lag > 2:
                last_lag = time.monotonic()
                _measure_lag(kafka, consumer, idle=not messages)
    finally:
        kafka.close()


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
    """(False where another process was faster, how many were rejected)."""
    records: list[Record] = []
    rejected: list[tuple[Record, str]] = []
    for record in batch:
        try:
            records.append(replace(record, event=route.decode(record)))
        except Rejected as error:
            rejected.append((record, str(error)))

    def bisect(part: list[Record], connection: db.Connection) -> None:
        """Handle `part` in a savepoint, halving it until the record that is rejected stands alone."""
        if not part:
            return
        try:
            with connection.transaction():
                route.handle(connection, part)
        except (Rejected, psycopg.DataError, psycopg.IntegrityError) as error:
            if len(part) == 1:
                rejected.append((part[0], str(error)))
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
    return True, len(rejected)


class _Overtaken(Exception):
    """Another process has already put these records into PostgreSQL."""


def _expected(connection: db.Connection, consumer: str, first: Record) -> int:
    """The stored position, locked until the end of the transaction, where this batch continues it; else raises _Overtaken.

    Between the stored position and the first record there can be nothing but transaction markers: the loop reads in order.
    """
    row = connection.execute(LOCK_POSITION, (consumer, first.topic, first.partition)).fetchone()
    if row is None or int(row[0]) > first.offset:
        raise _Overtaken
    return int(row[0])


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


def dead_letter(publisher: Publisher, record: Record, *, reason: str, consumer: str) -> None:
    """Put the original bytes aside, confirmed, with where they came from and why. Raises Retryable.

    Headers dead_topic, dead_partition, dead_offset, dead_reason, dead_consumer, dead_at come first, then the record's own.
    """
    place: Headers = [
        ("dead_topic", record.topic.encode()),
        ("dead_partition", str(record.partition).encode()),
        ("dead_offset", str(record.offset).encode()),
        ("dead_reason", reason[:2000].encode()),
        ("dead_consumer", consumer.encode()),
        ("dead_at", clock.now().isoformat().encode()),
    ]
    publisher.publish(dead_letters_of(record.topic), record.value, key=record.key, headers=place + record.headers)
    metrics.DEAD_LETTERS.labels(record.topic, consumer).inc()
    log.warning("dead letter", topic=record.topic, partition=record.partition, offset=record.offset, reason=reason[:500])
