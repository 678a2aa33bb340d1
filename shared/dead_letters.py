"""Dead letters: reading what a consumer could not read, and putting it back; for the operator's command line and the console.

A dead letter is named TOPIC/PARTITION/OFFSET, its own place in the dead-letter topic (`orders-dead/0/12`). It holds the
original bytes, key and headers; `put_back` puts exactly those back where they came from, the original partition of the original
topic, and remembers it in PostgreSQL, so that asking twice does it once. A replay after a crash in the middle may publish a
second time: every consumer knows a repeat when it sees one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shared import clock
from shared.consuming import Record, record_of
from shared.db import Connection
from shared.errors import FieldError, NotFound, Rejected, Retryable
from shared.kafka import Headers, Publisher, require_reachable
from shared.settings import settings
from shared.topics import TOPICS, dead_letters_of

PLACE = ("dead_topic", "dead_partition", "dead_offset", "dead_reason", "dead_consumer", "dead_organization", "dead_at")
NUMBERS = re.compile(r"[0-9]{1,9}/[0-9]{1,18}")  # of a partition and an offset: more digits than these none has
READ_SECONDS = 10.0  # a broker that says nothing for so long is not there

REPLAYED = """
SELECT topic, partition, dead_offset, replayed_at
FROM dead_letter_replays
"""

REMEMBER = """
INSERT INTO dead_letter_replays (topic, partition, dead_offset, replayed_at)
VALUES (%(topic)s, %(partition)s, %(offset)s, %(at)s)
ON CONFLICT (topic, partition, dead_offset) DO UPDATE
SET replayed_at = excluded.replayed_at,
    times = dead_letter_replays.times + 1
WHERE %(again)s
"""

Place = tuple[str, int, int]


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One record of a dead-letter topic: where it lies, where it came from, why it is here, and what it was.

    `organization`: whose it is as the token says that it came with; empty where none did.
    """

    place: Place
    topic: str
    partition: int
    offset: int
    at: str
    consumer: str
    reason: str
    organization: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def id(self) -> str:
        """As the operator names it."""
        return "/".join(map(str, self.place))


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """What became of a replay; `to` is where the record lies now."""

    status: Literal["replayed", "was replayed before"]
    to: str = ""


# -- reading ------------------------------------------------------------------------------------------------------------------


def read_all(topic: str | None) -> Iterator[DeadLetter]:
    """The dead letters of `topic` (its own name or its dead-letter topic's), or of all, in their order."""
    with_dead_letters = [t.name for t in TOPICS if t.dead_letters]
    wanted = with_dead_letters if topic is None else [topic.removesuffix("-dead")]
    if wanted[0] not in with_dead_letters:
        raise NotFound(f"{topic} has no dead letters; these have: {', '.join(with_dead_letters)}")
    consumer = _consumer()
    try:
        for name in wanted:
            for partition in _partitions(consumer, dead_letters_of(name)):
                yield from _read(consumer, dead_letters_of(name), partition, first=0)
    finally:
        consumer.close()


def read_one(id_: str) -> DeadLetter:
    """The dead letter of that id. Raises Rejected for what is no id, NotFound where none lies there (any more)."""
    topic, partition, offset = _place(id_)
    consumer = _consumer()
    try:
        found = partition in _partitions(consumer, topic) and next(_read(consumer, topic, partition, first=offset), None)
    finally:
        consumer.close()
    if not found or found.place != (topic, partition, offset):
        raise NotFound(f"no dead letter {id_}: see `winback dead-letters list`")
    return found


def _place(id_: str) -> Place:
    parts = id_.rsplit("/", 2)
    known = {dead_letters_of(t.name) for t in TOPICS if t.dead_letters}
    if len(parts) != 3 or not NUMBERS.fullmatch("/".join(parts[1:])) or parts[0] not in known:
        raise Rejected(FieldError(field="ID", reason=f"{id_} is no TOPIC/PARTITION/OFFSET of a dead-letter topic"))
    return parts[0], int(parts[1]), int(parts[2])


def _consumer() -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": settings().kafka,
            "group.id": "winback-dead-letters",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,  # the end of an empty topic is found at once
            "log_level": 2,  # what goes wrong is said once, by this command
        }
    )


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    require_reachable(timeout_seconds=READ_SECONDS)
    try:
        return sorted(consumer.list_topics(topic, timeout=READ_SECONDS).topics[topic].partitions)
    except KafkaException as error:
        raise Retryable(f"Kafka cannot be reached at {settings().kafka}: {error.args[0].str()}") from None


def _read(consumer: Consumer, topic: str, partition: int, *, first: int) -> Iterator[DeadLetter]:
    """From offset `first` (or the first that is kept) to the end."""
    consumer.assign([TopicPartition(topic, partition, first)])
    while True:
        message = consumer.poll(READ_SECONDS)
        error = None if message is None else message.error()
        if message is None:
            raise Retryable(f"Kafka does not answer about {topic}")
        if error is None:
            yield letter_of(record_of(message))
        elif error.code() == KafkaError._PARTITION_EOF:
            return
        elif not error.retriable():
            raise Retryable(f"Kafka does not answer about {topic}: {error.str()}")


def letter_of(record: Record) -> DeadLetter:
    """Take the headers apart: the first of each dead_… says where it came from, the rest are the record's own."""
    origin: dict[str, str] = {}
    own: Headers = []
    for name, value in record.headers:
        if name in PLACE and name not in origin:
            origin[name] = value.decode(errors="replace")
        else:
            own.append((name, value))
    return DeadLetter(
        place=(record.topic, record.partition, record.offset),
        topic=origin.get("dead_topic", record.topic.removesuffix("-dead")),
        partition=int(origin.get("dead_partition", -1)),
        offset=int(origin.get("dead_offset", -1)),
        at=origin.get("dead_at", record.at.isoformat()),
        consumer=origin.get("dead_consumer", ""),
        reason=origin.get("dead_reason", ""),
        organization=origin.get("dead_organization", ""),
        key=record.key,
        value=record.value,
        headers=own,
    )


# -- putting back -------------------------------------------------------------------------------------------------------------


def replays(connection: Connection) -> dict[Place, datetime]:
    """What was replayed, and when last."""
    rows = connection.execute(REPLAYED).fetchall()
    return {(topic, partition, offset): at.astimezone(UTC) for topic, partition, offset, at in rows}


def put_back(connection: Connection, publisher: Publisher, letter: DeadLetter, *, again: bool = False) -> PutBack:
    """Publish the original record, confirmed, in the transaction that remembers it. A repeat is a value, not an error."""
    topic, partition, offset = letter.place
    with connection.transaction():
        values = {"topic": topic, "partition": partition, "offset": offset, "at": clock.now(), "again": again}
        if connection.execute(REMEMBER, values).rowcount == 0:
            return PutBack(status="was replayed before")
        to = publisher.publish(
            letter.topic,
            letter.value,
            key=letter.key,
            partition=letter.partition if letter.partition >= 0 else None,
            headers=letter.headers,
        )
    return PutBack(status="replayed", to=f"{letter.topic}/{letter.partition}@{to}")
