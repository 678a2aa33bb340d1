"""Kafka: partitions, topics, publishing. (Reading is shared/consuming.py.)

partition_of      the partition of an organization: murmur2, as Java's and
                  aiokafka's default partitioner
create_topics     every topic of topics.py (and its dead letters); can be repeated
Publisher         an idempotent producer whose confirmations can be awaited; waits are bounded
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, says its reference
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from shared import clock, kafka_access
from shared.errors import Misconfigured, NoTopic, OtherLog, Retryable, TooLarge
from shared.event_headers import Headers as Headers
from shared.partitions import partition_of as partition_of
from shared.settings import settings
from shared.topics import (
    ERP_ORDERS,
    HOUR_MS,
    LARGEST_DEAD_LETTER_BYTES,
    LARGEST_RECORD_BYTES,
    SKIPS,
    STATE_CHANGELOG,
    TOPICS,
    WRITE_PROBE,
    Topic,
    dead_letters_of,
)

log = structlog.get_logger()

SECOND_MS = 1000
CONFIRM_SECONDS = 10.0  # longer than this and the sender is told to try again
POLL_SECONDS = 0.5  # a confirmation ends it at once: so long it sleeps where nothing is sent
UNKNOWN_SECONDS = 4.0  # so long a topic that nobody knows may still be on its way to all brokers
LARGEST = "max.message.bytes"
DEAD_LETTERS_KEPT_MS = 30 * 24 * 3600 * SECOND_MS
NO_TOPIC = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
}
TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}

# -- topics ----------------------------------------------------------------------------------------


def create_topics(*, timeout_seconds: float = 30.0) -> list[str]:
    """Create what is missing, check the partition count of what is there. Returns the
    names that were created.

    A raw topic of the user's own (WINBACK_ERP_TOKENS) that is there stays as it is, whatever its
    count. Dead-letter topics of an older version are let take what they must take now.
    Raises Misconfigured where a topic has another partition count: that can never be changed, only
    replayed into a new topic.
    """
    admin = AdminClient(kafka_access.client())
    try:
        existing = admin.list_topics(timeout=timeout_seconds).topics
    except KafkaException as error:
        raise Retryable(
            f"Kafka cannot be reached at {settings().kafka}: {error.args[0].str()}"
        ) from None
    wanted = wanted_topics()
    for topic in wanted:
        found = existing.get(topic.topic)
        if found is None or topic.topic in own_raw_topics():
            continue
        if len(found.partitions) != topic.num_partitions:
            raise Misconfigured(
                f"WINBACK_PARTITIONS: topic {topic.topic} has {len(found.partitions)} partitions, "
                f"not {topic.num_partitions}; the count never changes: "
                "growing is a new cluster name and a replay"
            )
    created = _create(
        admin, [topic for topic in wanted if topic.topic not in existing], timeout_seconds
    )
    _raise_limits(
        admin,
        [name for name in map(dead_letters_of, with_dead_letters()) if name in existing],
        timeout_seconds,
    )
    return created


def create_dead_letters(topic: str, *, timeout_seconds: float = 10.0) -> None:
    """The topic that takes what `topic`'s readers cannot read, where it is not there. Raises
    Retryable.
    """
    admin = AdminClient({**kafka_access.client(), "log_level": 2})
    try:
        if dead_letters_of(topic) not in admin.list_topics(timeout=timeout_seconds).topics:
            created = _create(admin, [_new_dead_letters(topic)], timeout_seconds)
            log.warning("a topic for dead letters was missing", created=created)
    except KafkaException as error:
        raise Retryable(
            f"{dead_letters_of(topic)} cannot be created: {error.args[0].str()}"
        ) from None


def _create(admin: AdminClient, missing: list[NewTopic], timeout_seconds: float) -> list[str]:
    created = []
    for name, future in (
        admin.create_topics(missing, operation_timeout=timeout_seconds) if missing else {}
    ).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return sorted(created)


def _raise_limits(admin: AdminClient, names: list[str], timeout_seconds: float) -> None:
    """Of topics that take less than a dead letter may have; more is the operator's."""
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    found: Any = admin.describe_configs(asked, request_timeout=timeout_seconds) if asked else {}
    low = [
        resource.name
        for resource, future in found.items()
        if int(future.result()[LARGEST].value) < LARGEST_DEAD_LETTER_BYTES
    ]
    entry = ConfigEntry(
        LARGEST, str(LARGEST_DEAD_LETTER_BYTES), incremental_operation=AlterConfigOpType.SET
    )
    changes = [
        ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry]) for name in low
    ]
    answers: Any = (
        admin.incremental_alter_configs(changes, request_timeout=timeout_seconds) if changes else {}
    )
    for future in answers.values():
        future.result()
    if low:
        log.info("topics take larger records now", topics=low, bytes=LARGEST_DEAD_LETTER_BYTES)


def raw_topics() -> list[str]:
    """Every topic that raw orders are read from: the one that is always there, and those of
    WINBACK_ERP_TOKENS and WINBACK_ERP_MAPPINGS.
    """
    named = (ERP_ORDERS.name, *settings().erp_tokens, *settings().erp_mappings)
    return list(dict.fromkeys(named))


def own_raw_topics() -> list[str]:
    """Those of them that are the user's own."""
    return raw_topics()[1:]


def with_dead_letters() -> list[str]:
    """Every topic that a topic of dead letters stands beside."""
    return [*(topic.name for topic in TOPICS if topic.dead_letters), *own_raw_topics()]


def wanted_topics() -> list[NewTopic]:
    """Every topic of topics.py, raw topics of the user's own, their dead letters, the detector's
    changelog, and the one that the clock tries, as created.
    """
    wanted = [new_topic(topic) for topic in TOPICS]
    wanted += [new_topic(replace(ERP_ORDERS, name=name)) for name in own_raw_topics()]
    wanted += [_new_dead_letters(name) for name in with_dead_letters()]
    skips_config = common_config(retention_ms=-1) | {"cleanup.policy": "compact"}
    wanted.append(NewTopic(SKIPS, 1, settings().replication_factor, config=skips_config))
    changelog_config = common_config(retention_ms=-1) | {
        "cleanup.policy": "compact",
        "segment.ms": "3600000",
    }
    wanted.append(
        NewTopic(
            STATE_CHANGELOG,
            settings().partitions,
            settings().replication_factor,
            config=changelog_config,
        )
    )
    wanted.append(
        NewTopic(
            WRITE_PROBE,
            1,
            settings().replication_factor,
            config=common_config(retention_ms=HOUR_MS),
        )
    )
    return wanted


def _new_dead_letters(topic: str) -> NewTopic:
    config = common_config(retention_ms=DEAD_LETTERS_KEPT_MS) | {
        LARGEST: str(LARGEST_DEAD_LETTER_BYTES)
    }
    return NewTopic(dead_letters_of(topic), 1, settings().replication_factor, config=config)


def new_topic(topic: Topic) -> NewTopic:
    """As confluent-kafka wants it."""
    config = common_config(retention_ms=topic.retention_ms)
    if topic.name in raw_topics():
        config |= {
            "message.timestamp.type": "LogAppendTime"
        }  # its time is a revision: no connector's clock decides it
    if topic.compacted:
        config |= {"cleanup.policy": "compact", "retention.ms": "-1"}
    return NewTopic(
        topic.name,
        topic.partitions or settings().partitions,
        settings().replication_factor,
        config=config,
    )


def common_config(*, retention_ms: int) -> dict[str, str]:
    replicas = settings().replication_factor
    return {
        "retention.ms": str(retention_ms),
        "min.insync.replicas": "2" if replicas >= 3 else "1",
        LARGEST: str(LARGEST_RECORD_BYTES),
        "message.timestamp.after.max.ms": str(
            2**63 - 1
        ),  # a producer whose clock is ahead (a test's too) must not be stopped
    }


def require_reachable(*, timeout_seconds: float = 10.0) -> None:
    """Raises Retryable at once where no bootstrap server takes a connection: librdkafka asks again
    and again for all its time.
    """
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
    consumer = Consumer(
        {
            **kafka_access.client(),
            "group.id": "winback-look",
            "enable.auto.commit": False,
        }
    )
    try:
        first, end = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=timeout_seconds
        )
        return int(first), int(end)
    except KafkaException as error:
        raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None
    finally:
        consumer.close()


def topic_ids(*topics: str, timeout_seconds: float = 10.0) -> dict[str, int]:
    """The id that Kafka gave each topic when it was made, as 63 bits, never 0: a topic that was
    deleted and made anew has another.

    Offsets mean something in one topic only. Raises NoTopic where a topic is not there (or not to
    be seen), Retryable while Kafka is not.
    """
    admin = AdminClient({**kafka_access.client(), "log_level": 2})
    try:
        found = admin.describe_topics(
            TopicCollection(list(topics)), request_timeout=timeout_seconds
        )
        return {name: number_of(future.result()) for name, future in found.items()}
    except KafkaException as error:
        raise not_there(error, *topics) from None


def number_of(described: Any) -> int:
    """The id of a topic that was described, as `topic_ids` has it."""
    id_, mask = described.topic_id, (1 << 63) - 1
    return (id_.get_most_significant_bits() ^ id_.get_least_significant_bits()) & mask or 1


def not_there(error: KafkaException, *topics: str) -> Retryable:
    """What to raise: NoTopic, or Retryable."""
    if error.args[0].code() in (*NO_TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED):
        return NoTopic(f"{', '.join(topics)}: {error.args[0].str()}")
    return Retryable(f"Kafka does not answer: {error.args[0].str()}")


# -- publishing ------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Sent:
    """One record on its way. `offset` is set once every in-sync replica has it;
    `error` when it was given up.
    """

    offset: int | None = None
    error: Retryable | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Publisher:
    """An idempotent producer (acks=all). Thread-safe. A record is either confirmed or reported as
    failed, never forgotten. `why_not`: why nothing may be sent now; empty where it may.
    """

    def __init__(
        self,
        *,
        linger_ms: int = 0,
        extra: dict[str, Any] | None = None,
        why_not: Callable[[], str] = lambda: "",
    ) -> None:
        self._why_not = why_not
        self._producer = Producer(
            {
                **kafka_access.client(),
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "linger.ms": linger_ms,
                "compression.type": "lz4",
                # a topic's own limit is its broker's to say
                "message.max.bytes": LARGEST_DEAD_LETTER_BYTES,
                "delivery.timeout.ms": int(CONFIRM_SECONDS * 1000),
                "topic.metadata.propagation.max.ms": int(UNKNOWN_SECONDS * 1000),
                "socket.keepalive.enable": True,
                "reconnect.backoff.max.ms": 1000,
            }
            | (extra or {})
        )
        self._open = True
        self._reached: dict[tuple[str, int], int] = {}
        self._poller = threading.Thread(target=self._poll, name="kafka-publisher", daemon=True)
        self._poller.start()

    def _poll(self) -> None:
        while self._open:
            self._producer.poll(POLL_SECONDS)

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
        """Hand over one record. Raises Retryable when the local queue is full or nothing may be
        sent, TooLarge, NoTopic where that is known here.
        """
        if why := self._why_not():
            raise Retryable(why)
        sent = Sent()
        least = 0 if partition is None else self._reached.get((topic, partition), 0)

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                sent.error = _not_taken(topic, error)
            else:
                sent.offset = message.offset()
                sent.error = self._went_back(topic, partition, sent.offset, least)
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
        except KafkaException as error:
            raise _not_taken(topic, error.args[0]) from None
        return sent

    def reaches(self, ends: Mapping[tuple[str, int], int]) -> None:
        """Partitions reach as far as this: what is confirmed before that lies in another log."""
        for place, end in ends.items():
            self._reached[place] = max(end, self._reached.get(place, 0))

    def _went_back(
        self, topic: str, partition: int | None, offset: int | None, least: int
    ) -> OtherLog | None:
        """A broker that came back older says yes at once; who looks at its logs comes later.
        least: how far the partition reached when the record was handed over.
        """
        if partition is None or offset is None or offset < 0:
            return None
        place = (topic, partition)
        self._reached[place] = max(self._reached.get(place, 0), offset + 1)
        if offset >= least:
            return None
        return OtherLog(
            f"{topic}/{partition} took a record at {offset}, but reached {least} before: "
            "Kafka came back older"
        )

    def confirm(
        self, sends: Sequence[Sent], *, timeout_seconds: float = CONFIRM_SECONDS + 2
    ) -> None:
        """Wait until all of `sends` are on every in-sync replica. Raises Retryable (TooLarge,
        NoTopic) when one is not.
        """
        until = time.monotonic() + timeout_seconds
        for sent in sends:
            if not sent.done.wait(max(0.0, until - time.monotonic())):
                raise Retryable("Kafka did not confirm in time")
            if sent.error is not None:
                raise sent.error

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


def _not_taken(topic: str, error: KafkaError) -> Retryable:
    kind = (
        TooLarge
        if error.code() in TOO_LARGE
        else NoTopic
        if error.code() in NO_TOPIC
        else Retryable
    )
    return kind(f"Kafka did not take the record: {topic}: {error.str()}")
