"""Kafka as the doctor sees it: there, new enough, replicated; the topics as shared/topics.py has
them; its time; the detector.
"""

import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # says its reference
    AdminClient,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from shared import clock, db, kafka, kafka_access
from shared.errors import Retryable
from shared.settings import settings
from shared.topics import DETECTOR_APP, ORDERS
from winback.doctor import catalogue_store as catalogue
from winback.doctor import logs, whose_broker
from winback.doctor.findings import Finding, away, good, judged, note, wrong

ASK_SECONDS = 10.0
SKEW_NOTED_SECONDS, SKEW_WRONG_SECONDS = 2.0, 30.0
PROBE = "winback-doctor"  # a topic that lives as long as the question
SAFE_REPLICAS = 3
WAITED_SECONDS = 60.0  # a record that waits longer waits for a reason
MOVES_WITHIN_SECONDS = 3.0

# metadata.version (KIP-584) -> the release that brought it; KRaft is meant for production since 3.3
LEAST_LEVEL = 7
RELEASES = (
    (26, "4.1"),
    (22, "4.0"),
    (21, "3.9"),
    (20, "3.8"),
    (15, "3.7"),
    (12, "3.6"),
    (10, "3.5"),
    (8, "3.4"),
    (7, "3.3"),
)
NEWEST_LEVEL = 27

COMPARED = ("cleanup.policy", "min.insync.replicas", "max.message.bytes", "message.timestamp.type")
FOREVER = -1


def look() -> Iterator[Finding]:
    admin = AdminClient(
        {
            **kafka_access.client(),
            "log_level": 0,
            "socket.timeout.ms": int(ASK_SECONDS * 1000),
        }
    )
    try:
        kafka.require_reachable(timeout_seconds=ASK_SECONDS)
        cluster: Any = admin.list_topics(timeout=ASK_SECONDS)
    except (KafkaException, Retryable) as error:
        said = (
            f"{settings().kafka}: {error.args[0].str()}"
            if isinstance(error, KafkaException)
            else str(error)
        )
        yield away("kafka", said, "Start it, or set WINBACK_KAFKA to where it listens for clients.")
        return
    yield good(
        "kafka",
        f"{len(cluster.brokers)} broker{'s' if len(cluster.brokers) != 1 else ''} at "
        f"{settings().kafka}",
    )
    yield from whose_broker.look(str(cluster.cluster_id))
    yield _version(next(iter(cluster.brokers.values())))
    yield from _replicas(cluster)
    yield from _topics(admin, cluster)
    yield from _brokers(admin, cluster)
    yield from _written(admin)
    yield from _detector(admin, cluster)
    yield _standing(cluster)
    yield logs.finding()


def _version(broker: Any) -> Finding:
    try:
        level = metadata_level(broker.host, broker.port)
    except (OSError, ValueError, struct.error) as error:
        return note(
            "kafka version",
            f"not known: {error}",
            f"See that it is 3.3 or newer: {broker.host} was asked directly.",
        )
    newest = "newer than 4.1" if level > NEWEST_LEVEL else ""
    release = newest or next((name for least, name in RELEASES if level >= least), "older than 3.3")
    return judged(
        "kafka version",
        level >= LEAST_LEVEL,
        f"{release} (metadata level {level})",
        "Upgrade to 3.3 or newer (KRaft).",
    )


def _replicas(cluster: Any) -> Iterator[Finding]:
    wanted, brokers = settings().replication_factor, len(cluster.brokers)
    if wanted > brokers:
        yield wrong(
            "kafka replicas",
            f"{wanted} are wanted, {brokers} brokers are there",
            "Add brokers, or lower WINBACK_REPLICATION_FACTOR.",
        )
    elif wanted < SAFE_REPLICAS:
        yield note(
            "kafka replicas",
            f"WINBACK_REPLICATION_FACTOR is {wanted}: "
            "an accepted order survives kills, not the loss of a disk",
            "Three brokers and a factor of 3 make it survive one; "
            "existing topics: kafka-reassign-partitions.",
        )
    else:
        yield good("kafka replicas", f"{wanted} of each partition")
    lacking = [
        f"{name}/{partition.id}"
        for name in (topic.topic for topic in kafka.wanted_topics())
        if name in cluster.topics
        for partition in cluster.topics[name].partitions.values()
        if len(partition.isrs) < len(partition.replicas)
        or len(partition.replicas) < wanted
        or partition.leader < 0
    ]
    yield judged(
        "kafka in sync",
        not lacking,
        "every replica" if not lacking else f"too few replicas: {_some(lacking)}",
        "Start the broker that is missing; "
        "raise the factor of older topics with kafka-reassign-partitions.",
    )


def _topics(admin: AdminClient, cluster: Any) -> Iterator[Finding]:
    wanted = {topic.topic: topic for topic in kafka.wanted_topics()}
    missing = sorted(wanted.keys() - cluster.topics.keys())
    if missing:
        yield wrong("topics", f"missing: {_some(missing)}", "`winback topics` creates them.")
    here = sorted(wanted.keys() & cluster.topics.keys())
    counts = [
        f"{name} has {len(cluster.topics[name].partitions)} partitions, "
        f"not {wanted[name].num_partitions}"
        for name in here
        if len(cluster.topics[name].partitions) != wanted[name].num_partitions
        and name not in kafka.own_raw_topics()
    ]
    yield judged(
        "topic partitions",
        not counts,
        _some(counts)
        if counts
        else f"as WINBACK_PARTITIONS={settings().partitions} and shared/topics.py have them",
        "Set WINBACK_PARTITIONS to what is there: "
        "the count never changes, growing is a new cluster and a replay.",
    )
    ours = [name for name in here if name not in kafka.own_raw_topics()]
    differing = [
        fault
        for name in ours
        for fault in _differences(wanted[name], _configs(admin, ResourceType.TOPIC, name))
    ]
    yield judged(
        "topic settings",
        not differing,
        _some(differing)
        if differing
        else "retention, compaction, sizes and min.insync.replicas as they were created",
        "kafka-configs --alter --topic TOPIC --add-config …; "
        "a shorter retention loses what state is rebuilt from.",
    )


def _differences(wanted: NewTopic, found: dict[str, str]) -> Iterator[str]:
    """A longer retention than ours is the operator's; a shorter one loses records."""
    config: dict[str, str] = dict(wanted.config or {})
    for key in COMPARED:
        if key == kafka.LARGEST and int(found.get(key, 0)) >= int(config[key]):
            continue  # larger is the operator's
        if key in config and found.get(key) != config[key]:
            yield f"{wanted.topic}: {key} is {found.get(key)}, not {config[key]}"
    ours, theirs = int(config["retention.ms"]), int(found.get("retention.ms", FOREVER))
    if (
        theirs != FOREVER
        and (ours == FOREVER or theirs < ours)
        and "compact" not in found.get("cleanup.policy", "")
    ):
        yield f"{wanted.topic}: retention.ms is {theirs}, not {ours}"


def _brokers(admin: AdminClient, cluster: Any) -> Iterator[Finding]:
    for number in sorted(cluster.brokers):
        found = _configs(admin, ResourceType.BROKER, str(number))
        name = f"broker {number}"
        if found.get("unclean.leader.election.enable") == "true":
            yield wrong(
                name,
                "unclean leaders may be elected: accepted orders can be lost",
                "Set unclean.leader.election.enable=false.",
            )
        elif found.get("auto.create.topics.enable") == "true":
            yield note(
                name,
                "topics come into being by themselves",
                "Set auto.create.topics.enable=false: a misspelled topic is an error.",
            )
        else:
            yield good(name, "no unclean leaders, no topics by themselves")


def _written(admin: AdminClient) -> Iterator[Finding]:
    """A record with acks=all to a topic made for it: Kafka takes writes, and stamps
    them with its own time.
    """
    topic = NewTopic(
        PROBE,
        1,
        settings().replication_factor,
        config={"message.timestamp.type": "LogAppendTime", "retention.ms": "60000"},
    )
    stamps: list[tuple[float, str]] = []
    try:
        try:
            admin.create_topics([topic], operation_timeout=ASK_SECONDS)[PROBE].result()
        except KafkaException as error:
            if "already exists" not in error.args[0].str():
                raise
        producer = Producer(
            {
                **kafka_access.client(),
                "acks": "all",
                "log_level": 0,
                "message.timeout.ms": int(ASK_SECONDS * 1000),
            }
        )
        began = clock.now().timestamp()
        producer.produce(
            PROBE,
            b"",
            on_delivery=lambda error, m: stamps.append(
                (m.timestamp()[1] / 1000, error.str() if error else "")
            ),
        )
        producer.flush(ASK_SECONDS + 1)
        ended = clock.now().timestamp()
        admin.delete_topics([PROBE])[PROBE].result()
    except KafkaException as error:
        yield wrong(
            "kafka writes",
            error.args[0].str(),
            "Give this user the right to create, write and delete a topic, or free the disk.",
        )
        return
    if not stamps or stamps[0][1]:
        yield wrong(
            "kafka writes",
            stamps[0][1] if stamps else "not confirmed in time",
            "Look at the replicas, and at the brokers' disks.",
        )
        return
    yield good(
        "kafka writes", f"a record was confirmed in {(ended - began) * 1000:.0f} ms, topic and all"
    )
    yield skew("kafka clock", max(stamps[0][0] - ended, began - stamps[0][0], 0.0))


def skew(name: str, seconds: float) -> Finding:
    """How far another clock is from ours, at least."""
    if seconds >= SKEW_WRONG_SECONDS:
        return wrong(
            name,
            f"{seconds:.0f} s from this machine's",
            "Mend NTP on the machine that is wrong: days and leases are decided by it.",
        )
    if seconds >= SKEW_NOTED_SECONDS:
        return note(
            name, f"{seconds:.1f} s from this machine's", "Mend NTP on the machine that is wrong."
        )
    return good(name, "agrees with this machine's")


def _detector(admin: AdminClient, cluster: Any) -> Iterator[Finding]:
    if ORDERS.name not in cluster.topics:
        return
    try:
        group: Any = admin.describe_consumer_groups([DETECTOR_APP], request_timeout=ASK_SECONDS)[
            DETECTOR_APP
        ].result()
        places = [
            TopicPartition(ORDERS.name, number) for number in cluster.topics[ORDERS.name].partitions
        ]
        asked = ConsumerGroupTopicPartitions(DETECTOR_APP, places)
        committed: Any = admin.list_consumer_group_offsets([asked], request_timeout=ASK_SECONDS)[
            DETECTOR_APP
        ].result()
    except KafkaException as error:
        yield note(
            "detector",
            f"its group is not known: {error.args[0].str()}",
            "`winback serve detector`; it forms the group.",
        )
        return
    behind = sum(
        max(0, kafka.end_offset(ORDERS.name, p.partition) - max(0, p.offset))
        for p in committed.topic_partitions
    )
    if not group.members:
        yield wrong(
            "detector",
            f"nobody detects; {behind} records wait",
            "`winback serve detector`; its log says why it ended.",
        )
    else:
        yield good(
            "detector",
            f"{len(group.members)} at work, {group.state.name.lower()}, {behind} records behind",
        )


def _standing(cluster: Any) -> Finding:
    """Partitions whose oldest unread record has waited long, and whose position does not move while
    we look.
    """
    name, ours = (
        "consumers",
        {topic.topic for topic in kafka.wanted_topics()} & cluster.topics.keys(),
    )
    here = {(topic, number) for topic in ours for number in cluster.topics[topic].partitions}
    try:
        before = {
            place: at
            for place, at in _positions().items()
            if place[1:] in here and _has_waited(*place[1:], at)
        }
        time.sleep(MOVES_WITHIN_SECONDS if before else 0)
        after = _positions()
    except (psycopg.OperationalError, Retryable, KafkaException):
        return note(
            name,
            "whether they stand still is not known",
            "PostgreSQL and Kafka must both be there for that.",
        )
    still = [
        f"{who} at {topic}/{number}@{at}"
        for (who, topic, number), at in before.items()
        if after[who, topic, number] == at
    ]
    return judged(
        name,
        not still,
        f"stand still while records wait: {_some(still)}"
        if still
        else "none stands still while records wait",
        "Its /readyz and its log say why; docs/operations.md#partitionfailing.",
    )


def _positions() -> dict[tuple[str, str, int], int]:
    with db.connect() as connection:
        return catalogue.positions(connection)


def _has_waited(topic: str, partition: int, offset: int) -> bool:
    """The record at `offset`, or the first behind it, is older than a consumer that works lets one
    be.
    """
    consumer = Consumer(
        {
            **kafka_access.client(),
            "group.id": PROBE,
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        first, end = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=ASK_SECONDS
        )
        if end <= offset:
            return False
        consumer.assign([TopicPartition(topic, partition, max(first, offset))])
        message = consumer.poll(ASK_SECONDS)
        return (
            message is not None and clock.now_ms() - message.timestamp()[1] > WAITED_SECONDS * 1000
        )
    finally:
        consumer.close()


def _configs(admin: AdminClient, kind: ResourceType, name: str) -> dict[str, str]:
    resource = ConfigResource(kind, name)
    found: Any = admin.describe_configs([resource], request_timeout=ASK_SECONDS)[resource].result()
    return {key: str(entry.value) for key, entry in found.items()}


def _some(texts: list[str], most: int = 4) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


# -- ApiVersions, by hand: no client says which release a broker is --------------------------------


def metadata_level(host: str, port: int) -> int:
    """The cluster's finalized metadata.version, from ApiVersions v3. Raises
    OSError, ValueError, struct.error.
    """
    request = (
        struct.pack(">hhih", 18, 3, 1, len(PROBE))
        + PROBE.encode()
        + b"\0"
        + _compact("winback")
        + _compact("1")
        + b"\0"
    )
    until = time.monotonic() + ASK_SECONDS
    with socket.create_connection((host, port), timeout=ASK_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        size = struct.unpack(">i", _exactly(connection, 4, until))[0]
        answer = Reader(_exactly(connection, size, until))
    answer.skip(4)  # correlation
    if (error := answer.int16()) != 0:
        raise ValueError(f"ApiVersions is answered by error {error}")
    for _ in range(answer.varint() - 1):
        answer.skip(6)
        answer.tags()
    answer.skip(4)  # throttle
    finalized = Reader(answer.tags().get(2, b"\x01"))
    for _ in range(finalized.varint() - 1):
        name = finalized.text()
        highest = finalized.int16()
        finalized.skip(2)
        finalized.tags()
        if name == "metadata.version":
            return highest
    raise ValueError("no metadata.version: ZooKeeper, or an access rule hides it")


class Reader:
    """Kafka's flexible encoding."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def skip(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def int16(self) -> int:
        value: int = struct.unpack(">h", self.skip(2))[0]
        return value

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.skip(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self) -> str:
        return self.skip(self.varint() - 1).decode()

    def tags(self) -> dict[int, bytes]:
        found = {}
        for _ in range(self.varint()):
            tag = self.varint()
            found[tag] = self.skip(self.varint())
        return found


def _compact(text: str) -> bytes:
    return bytes([len(text) + 1]) + text.encode()


def _exactly(connection: socket.socket, count: int, until: float) -> bytes:
    data = b""
    while len(data) < count:
        if time.monotonic() > until or not (part := connection.recv(count - len(data))):
            raise OSError("the answer breaks off")
        data += part
    return data
