"""Is the log that Kafka has the one that positions are of, and does it still hold what was
accepted?

A broker's disk that was restored from an older copy has the same ids and ends earlier; a topic that
was made anew has another id (and so has a cluster, which `shared.broker` looks at). Either way
offsets mean something else, and who went on would pass records by in silence. So PostgreSQL keeps
beside the positions what each log is known by (table `logs`: the topic's id, how far each partition
was seen to reach), and of each position a hash of the record that was read last.

look      what Kafka has now
require   raises OtherLog, with one plain sentence for /readyz, logs and doctor
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, says its reference
    AdminClient,
    OffsetSpec,
)

from shared import db, kafka_access, same_log_store
from shared.errors import OtherLog, Retryable
from shared.kafka import not_there, number_of
from shared.records import Record, record_of
from shared.same_log_store import Known, Log, Logs, Place

ASK_SECONDS = 5.0
AGAIN_SECONDS = 1.0
READ_SECONDS = 10.0  # for the records before the positions, at assignment
HASH_BYTES = 16
READ_MODEL = "signals"  # the consumer whose positions are of what ingest writes
WHAT_TO_DO = "docs/operations.md#logdiffers says what to do"


def admin() -> AdminClient:
    """To look with, again and again."""
    return AdminClient(
        {
            **kafka_access.client(),
            "log_level": 2,
            "socket.timeout.ms": int(ASK_SECONDS * 1000),
            "reconnect.backoff.max.ms": 1000,
        }
    )


def look(client: AdminClient, topics: Iterable[str]) -> Logs:
    """Ids and ends of those of `topics` that are there. Raises Retryable while Kafka is away."""
    wanted = sorted(set(topics))
    try:
        cluster = client.list_topics(timeout=ASK_SECONDS)
        here = [name for name in wanted if name in cluster.topics]
        described: Any = (
            client.describe_topics(TopicCollection(here), request_timeout=ASK_SECONDS)
            if here
            else {}
        )
        ids = {
            name: number_of(future.result(2 * ASK_SECONDS)) for name, future in described.items()
        }
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library has no types for it
        asked: Any = {
            TopicPartition(name, number): latest
            for name in here
            for number in cluster.topics[name].partitions
        }
        answers: Any = client.list_offsets(asked, request_timeout=ASK_SECONDS) if asked else {}
        ends: dict[str, dict[int, int]] = {name: {} for name in here}
        for place, answer in answers.items():
            ends[place.topic][place.partition] = int(answer.result(2 * ASK_SECONDS).offset)
    except KafkaException as error:
        raise not_there(error, *wanted) from None
    except TimeoutError:
        raise Retryable("Kafka does not answer in time") from None
    return Logs(
        topics={name: Log(topic_id=ids[name], ends=ends[name]) for name in here},
    )


def difference(there: Logs, known: Iterable[Known]) -> str:
    """Why the logs that are there are not those that are known, in a sentence; empty where they
    are. A topic that is not there, and never was, is not told here.
    """
    for one in sorted(known, key=lambda one: (one.topic, one.partition)):
        log = there.topics.get(one.topic)
        if log is None:
            if one.is_noted and one.next_offset > 0:
                return (
                    f"{one.topic} is not there, but {one.whose} {one.next_offset} in partition "
                    f"{one.partition}; {WHAT_TO_DO}"
                )
            continue
        if one.topic_id and one.topic_id != log.topic_id:
            return another_topic(one.topic, "positions that are kept")
        end = log.ends.get(one.partition)
        if end is not None and 0 <= end < one.next_offset:
            return (
                f"{one.topic}/{one.partition} ends at {end}, but {one.whose} {one.next_offset}: "
                f"Kafka came back older, and records that were accepted are missing; {WHAT_TO_DO}"
            )
    return ""


def lasting_difference(
    client: AdminClient,
    there: Logs,
    known: Sequence[Known],
    on_suspicion: Callable[[], None] = lambda: None,
) -> str:
    """As `difference` says it of `there`, and again after a moment: a partition whose leader has
    just changed may say less than it has. Raises Retryable.
    """
    reason = difference(there, known)
    if reason:
        on_suspicion()
        time.sleep(AGAIN_SECONDS)
        reason = difference(look(client, there.topics), known)
    return reason


def another_topic(topic: str, whose: str) -> str:
    """For people: why a process does not go on."""
    return f"{topic} was deleted and made anew: the {whose} are of another topic; {WHAT_TO_DO}"


def require(
    client: AdminClient,
    connection: db.Connection,
    topics: Sequence[str],
    *,
    consumers: Sequence[str] = (),
) -> Logs:
    """Hold what is there against what is remembered, and note how far it reaches. Raises OtherLog,
    with its sentence; Retryable while Kafka is away. Returns what is there.
    """
    remembered = same_log_store.known(connection, topics, consumers=consumers)
    connection.commit()
    there = look(client, topics)  # after that: it grows meanwhile
    if reason := lasting_difference(client, there, remembered):
        raise OtherLog(reason)
    same_log_store.note(connection, there, remembered)
    return there


# -- the record before a position ------------------------------------------------------------------


def hash_of(record: Record) -> bytes:
    """What a record is known by: its time, key and value."""
    found = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in (str(round(record.at.timestamp() * 1000)).encode(), record.key, record.value):
        found.update(b"-" if part is None else b"%d:" % len(part) + part)
    return found.digest()


def require_last_read(
    connection: db.Connection, consumer: str, topics: Sequence[str], partitions: Iterable[Place]
) -> None:
    """Raises OtherLog where another record lies before a position than the one that was read: the
    log was replaced, and has grown since. Where that record is kept no more: nothing.
    """
    wanted = set(partitions)
    last = {
        place: one
        for place, one in same_log_store.last_read(connection, consumer, topics).items()
        if place in wanted
    }
    connection.commit()
    for (topic, partition), record in read_at({place: one[0] for place, one in last.items()}):
        if record is not None and hash_of(record) != last[topic, partition][1]:
            raise OtherLog(replaced(topic, partition, record.offset, "PostgreSQL"))


def replaced(topic: str, partition: int, offset: int, whose: str) -> str:
    """For people: the log was replaced, and has grown since."""
    return (
        f"{topic}/{partition} has another record at {offset} than the one that {whose} has read: "
        f"Kafka came back older, and was written to since; {WHAT_TO_DO}"
    )


def read_at(offsets: Mapping[Place, int]) -> list[tuple[Place, Record | None]]:
    """The record at each offset; None where it is kept no more. Raises Retryable."""
    if not offsets:
        return []
    consumer = Consumer(
        {
            **kafka_access.client(),
            "group.id": "winback-look",
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",
            "fetch.wait.max.ms": 10,
            "fetch.message.max.bytes": 1_000_000,
            "queued.max.messages.kbytes": 4096,
            "log_level": 2,
        }
    )
    found: dict[Place, Record | None] = {}
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in offsets.items()])
        until = time.monotonic() + READ_SECONDS
        while len(found) < len(offsets):
            if time.monotonic() > until:
                raise Retryable("Kafka does not answer in time")
            message = consumer.poll(0.5)
            if message is None:
                continue
            place = (str(message.topic()), int(message.partition() or 0))
            error = message.error()
            if error is None:
                record = record_of(message)
                is_it = record.offset == offsets[place]
                found.setdefault(place, record if is_it else None)
            elif error.code() == KafkaError._PARTITION_EOF:
                found.setdefault(place, None)
            else:
                continue
            consumer.pause([TopicPartition(*place)])
    finally:
        consumer.close()
    return list(found.items())
