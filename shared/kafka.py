"""Kafka: partitions, topics, publishing. (Reading is shared/consuming.py.)

partition_of      the partition of an organization: murmur2, as Java's and aiokafka's default partitioner
create_topics     every topic of topics.py (and its dead letters); can be repeated
Publisher         an idempotent producer whose confirmations can be awaited; waits are bounded
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared import clock, tracing
from shared.errors import Misconfigured, Retryable
from shared.partitions import partition_of as partition_of
from shared.settings import settings
from shared.topics import ERP_ORDERS, MEGABYTE, STATE_CHANGELOG, TOPICS, Topic, dead_letters_of

log = structlog.get_logger()

SECOND_MS = 1000
CONFIRM_SECONDS = 10.0  # longer than this and the sender is told to try again

Headers = list[tuple[str, bytes]]


# -- topics -------------------------------------------------------------------------------------------------------------


def create_topics(*, timeout_seconds: float = 30.0) -> list[str]:
    """Create what is missing, check the partition count of what is there. Returns the names that were created.

    Raises Misconfigured where a topic has another partition count: that can never be changed, only replayed into a new topic.
    """
    admin = AdminClient({"bootstrap.servers": settings().kafka})
    try:
        existing = admin.list_topics(timeout=timeout_seconds).topics
    except KafkaException as error:
        raise Retryable(f"Kafka cannot be reached at {settings().kafka}: {error.args[0].str()}") from None
    wanted = wanted_topics()
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


def wanted_topics() -> list[NewTopic]:
    """Every topic of topics.py, their dead letters, and the detector's changelog, as they are created."""
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
    return wanted


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


def require_reachable(*, timeout_seconds: float = 10.0) -> None:
    """Raises Retryable at once where no bootstrap server takes a connection: librdkafka asks again and again for all its time."""
    reason: OSError | None = None
    for server in settings().kafka.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout_seconds).close()
            return
        except OSError as error:
            reason = error
    raise Retryable(f"Kafka cannot be reached at {settings().kafka}: {reason}")


def end_offset(topic: str, partition: int, *, timeout_seconds: float = 10.0) -> int:
    """The offset behind the last record."""
    return _bounds(topic, partition, timeout_seconds)[1]


def first_offset(topic: str, partition: int, *, timeout_seconds: float = 10.0) -> int:
    """The offset of the first record that is kept."""
    return _bounds(topic, partition, timeout_seconds)[0]


def _bounds(topic: str, partition: int, timeout_seconds: float) -> tuple[int, int]:
    consumer = Consumer({"bootstrap.servers": settings().kafka, "group.id": "winback-look", "enable.auto.commit": False})
    try:
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_seconds)
        return int(first), int(end)
    except KafkaException as error:
        raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None
    finally:
        consumer.close()


def topic_ids(*topics: str, timeout_seconds: float = 10.0) -> dict[str, int]:
    """The id that Kafka gave each topic when it was made, as 63 bits, never 0: a topic that was deleted and made anew has another.

    Offsets mean something in one topic only. Raises Retryable where a topic, or Kafka, is not there.
    """
    admin = AdminClient({"bootstrap.servers": settings().kafka, "log_level": 2})
    try:
        found = admin.describe_topics(TopicCollection(list(topics)), request_timeout=timeout_seconds)
        ids = {name: future.result().topic_id for name, future in found.items()}
    except KafkaException as error:
        raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None
    mask = (1 << 63) - 1
    return {name: (id_.get_most_significant_bits() ^ id_.get_least_significant_bits()) & mask or 1 for name, id_ in ids.items()}


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
    """CloudEvents attributes for an event (binary mode of the Kafka protocol binding), and where it comes from (tracing)."""
    kind = type(event).__name__
    return [
        ("ce_id", (event_id or str(getattr(event, "id", "")) or kind).encode()),
        ("ce_type", f"winback.{kind}.v1".encode()),
        ("ce_source", f"/winback/{source}".encode()),
        ("ce_time", clock.now().isoformat().encode()),
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
        *tracing.record_headers(),
    ]
