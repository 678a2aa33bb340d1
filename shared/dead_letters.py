"""Dead letters: reading what a consumer could not read, and putting it back; for the
operator's command line and the console.

A dead letter is named TOPIC/PARTITION/OFFSET, its own place in the dead-letter topic
(`orders-dead/0/12`). It holds the original bytes, key and headers; `put_back` puts exactly those
back where they came from, the original partition of the original topic, and remembers it in
PostgreSQL, so that asking twice does it once. A replay after a crash in the middle may publish a
second time: every consumer knows a repeat when it sees one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shared import clock, cutting, kafka_access
from shared.db import Connection
from shared.errors import FieldError, NotFound, Rejected, Retryable, TooLarge
from shared.kafka import Headers, Publisher, require_reachable, with_dead_letters
from shared.records import Record, record_of
from shared.settings import settings
from shared.topics import dead_letters_of

PLACE = (
    "dead_topic",
    "dead_partition",
    "dead_offset",
    "dead_reason",
    "dead_consumer",
    "dead_organization",
    "dead_at",
    "dead_ends",
    "dead_size",
    "dead_sha256",
    "dead_record_sha256",
    "dead_cut",
)
# As large as what is put back may be (one request of Kafka has 100 MB), and as small on the wire as
# it came.
PUTS_BACK = {"message.max.bytes": 95_000_000, "compression.type": "zstd"}
NUMBERS = re.compile(
    r"[0-9]{1,9}/[0-9]{1,18}"
)  # of a partition and an offset: more digits than these none has
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

FORGET = """
DELETE FROM dead_letter_replays
WHERE topic = %(topic)s
  AND partition = %(partition)s
  AND dead_offset = %(offset)s
"""

FORGET_BEYOND = """
DELETE FROM dead_letter_replays
WHERE topic = %(topic)s
  AND partition = %(partition)s
  AND dead_offset >= %(end)s
"""

Place = tuple[str, int, int]


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One record of a dead-letter topic: where it lies, where it came from,
    why it is here, and what it was.

    `organization`: whose it is as the token says that it came with; empty where none did. `ends`:
    how often it ended a process, of one that was put aside for that. `cut`: what of the record is
    not here whole (value, key, headers; empty as a rule), since it fitted nowhere; then `size` is
    the value's, in bytes, and the hashes (hex) are those of the value and of the whole record
    (`shared.cutting`).
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
    cut: str = ""
    ends: int = 0
    size: int = 0
    sha256: str = ""
    record_sha256: str = ""

    @property
    def id(self) -> str:
        """As the operator names it."""
        return "/".join(map(str, self.place))


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """What became of a replay: `to` is where the record lies now, `why` why it lies nowhere."""

    status: Literal["replayed", "was replayed before", "cannot be replayed"]
    to: str = ""
    why: str = ""


# -- reading ---------------------------------------------------------------------------------------


def read_all(topic: str | None) -> Iterator[DeadLetter]:
    """The dead letters of `topic` (its own name or its dead-letter
    topic's), or of all, in their order.
    """
    known = with_dead_letters()
    wanted = known if topic is None else [topic if topic in known else topic.removesuffix("-dead")]
    if wanted[0] not in known:
        raise NotFound(f"{topic} has no dead letters; these have: {', '.join(known)}")
    consumer = _consumer()
    try:
        for name in wanted:
            for partition in _partitions(consumer, dead_letters_of(name)):
                yield from _read(consumer, dead_letters_of(name), partition, first=0)
    finally:
        consumer.close()


def read_one(id_: str) -> DeadLetter:
    """The dead letter of that id. Raises Rejected for what is no id, NotFound
    where none lies there (any more).
    """
    topic, partition, offset = _place(id_)
    consumer = _consumer()
    try:
        found = partition in _partitions(consumer, topic) and next(
            _read(consumer, topic, partition, first=offset), None
        )
    finally:
        consumer.close()
    if not found or found.place != (topic, partition, offset):
        raise NotFound(f"no dead letter {id_}: see `winback dead-letters list`")
    return found


def _place(id_: str) -> Place:
    parts = id_.rsplit("/", 2)
    known = set(map(dead_letters_of, with_dead_letters()))
    if len(parts) != 3 or not NUMBERS.fullmatch("/".join(parts[1:])) or parts[0] not in known:
        raise Rejected(
            FieldError(
                field="ID", reason=f"{id_} is no TOPIC/PARTITION/OFFSET of a dead-letter topic"
            )
        )
    return parts[0], int(parts[1]), int(parts[2])


def _consumer() -> Consumer:
    return Consumer(
        {
            **kafka_access.client(),
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
        return sorted(
            consumer.list_topics(topic, timeout=READ_SECONDS).topics[topic].partitions
        )  # none where it is not there
    except KafkaException as error:
        raise Retryable(
            f"Kafka cannot be reached at {settings().kafka}: {error.args[0].str()}"
        ) from None


def _read(consumer: Consumer, topic: str, partition: int, *, first: int) -> Iterator[DeadLetter]:
    return (letter_of(record) for record in _records(consumer, topic, partition, first=first))


def _records(consumer: Consumer, topic: str, partition: int, *, first: int) -> Iterator[Record]:
    """From offset `first` (or the first that is kept) to the end."""
    consumer.assign([TopicPartition(topic, partition, first)])
    while True:
        message = consumer.poll(READ_SECONDS)
        error = None if message is None else message.error()
        if message is None:
            raise Retryable(f"Kafka does not answer about {topic}")
        if error is None:
            yield record_of(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            return
        elif not error.retriable():
            raise Retryable(f"Kafka does not answer about {topic}: {error.str()}")


def letter_of(record: Record) -> DeadLetter:
    """Take the headers apart: the first of each dead_… says where it came from,
    the rest are the record's own.
    """
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
        cut=origin.get("dead_cut", ""),
        ends=int(origin.get("dead_ends") or 0),
        size=int(origin.get("dead_size") or len(record.value or b"")),
        sha256=origin.get("dead_sha256", ""),
        record_sha256=origin.get("dead_record_sha256", ""),
    )


# -- putting back ----------------------------------------------------------------------------------


def whole(letter: DeadLetter) -> DeadLetter:
    """The letter with all of its record, read from where that came from where something was cut.

    Raises NotFound where it is kept there no more, or another record lies there now (the
    topic was made anew); Retryable.
    """
    if not letter.cut:
        return letter
    place = f"{letter.topic}/{letter.partition}@{letter.offset}"
    if not letter.record_sha256:
        raise NotFound(
            f"the record at {place} could not be unpacked: its sender has to send it again, smaller"
        )
    consumer = _consumer()
    try:
        kept = letter.partition in _partitions(consumer, letter.topic)
        record = (
            next(_records(consumer, letter.topic, letter.partition, first=letter.offset), None)
            if kept
            else None
        )
    finally:
        consumer.close()
    if record is None or record.offset != letter.offset:
        raise NotFound(f"{letter.cut} were cut, and the whole record is kept at {place} no more")
    if cutting.record_sha256(record.key, record.value, record.headers) != letter.record_sha256:
        raise NotFound(
            f"{letter.cut} were cut, and another record lies at {place} now: its SHA-256 differs"
        )
    return replace(letter, key=record.key, value=record.value, headers=record.headers, cut="")


def replays(connection: Connection) -> dict[Place, datetime]:
    """What was replayed, and when last."""
    rows = connection.execute(REPLAYED).fetchall()
    return {(topic, partition, offset): at.astimezone(UTC) for topic, partition, offset, at in rows}


def forget_replays(connection: Connection, topic: str, ends: Mapping[int, int]) -> None:
    """Of a dead-letter topic that came back older: what is put aside from now on was never
    replayed.
    """
    for partition, end in ends.items():
        values = {"topic": topic, "partition": partition, "end": end}
        connection.execute(FORGET_BEYOND, values)


def put_back(
    connection: Connection, publisher: Publisher, letter: DeadLetter, *, again: bool = False
) -> PutBack:
    """Publish the original record, confirmed, in the transaction that remembers it. A
    repeat is a value, not an error.

    Of what was cut the whole is read from where it came from; where it is kept there no more, that
    is a value, too. Raises Retryable.
    """
    topic, partition, offset = letter.place
    try:
        letter = whole(letter)
    except NotFound as error:
        return PutBack(status="cannot be replayed", why=str(error))
    with connection.transaction():
        values = {
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "at": clock.now(),
            "again": again,
        }
        if connection.execute(REMEMBER, values).rowcount == 0:
            return PutBack(status="was replayed before")
        try:
            to = publisher.publish(
                letter.topic,
                letter.value,
                key=letter.key,
                partition=letter.partition if letter.partition >= 0 else None,
                headers=letter.headers,
            )
        except TooLarge as error:
            connection.execute(FORGET, values)
            return PutBack(
                status="cannot be replayed",
                why=f"{letter.topic} takes no record of this size now: {error}",
            )
    return PutBack(status="replayed", to=f"{letter.topic}/{letter.partition}@{to}")
