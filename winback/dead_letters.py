"""`winback dead-letters`: what a consumer could not read, with the reason, and the way back.

A dead letter is named TOPIC/PARTITION/OFFSET, its own place in the dead-letter topic (`orders-dead/0/12`). It holds the
original bytes, key and headers; `replay` puts exactly those back where they came from, the original partition of the original
topic, and remembers it in PostgreSQL, so that asking twice does it once. A replay after a crash in the middle may publish a
second time: every consumer knows a repeat when it sees one.
"""

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import FieldError, NotFound, Rejected, Retryable
from shared.topics import TOPICS, dead_letters_of

if TYPE_CHECKING:
    from confluent_kafka import Consumer

    from shared.db import Connection
    from shared.kafka import Headers, Publisher

PLACE = ("dead_topic", "dead_partition", "dead_offset", "dead_reason", "dead_consumer", "dead_at")
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

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What could not be read: list, show, replay.")

Topic = Annotated[str | None, typer.Option(metavar="TOPIC", help="Only those of this topic (orders, signals, …).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Place = tuple[str, int, int]


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One record of a dead-letter topic: where it lies, where it came from, why it is here, and what it was."""

    place: Place
    topic: str
    partition: int
    offset: int
    at: str
    consumer: str
    reason: str
    key: bytes | None
    value: bytes | None
    headers: "Headers"

    @property
    def id(self) -> str:
        """As the operator names it."""
        return "/".join(map(str, self.place))

    def as_json(self) -> dict[str, Any]:
        """Without the bytes: what `list` prints."""
        return {
            "id": self.id,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "at": self.at,
            "consumer": self.consumer,
            "reason": self.reason,
        }


# -- the three verbs ----------------------------------------------------------------------------------------------------------


@app.command("list")
def list_(topic: Topic = None, as_json: AsJson = False) -> None:
    """Every dead letter that is kept (30 days): its id, where it came from, when, why, and whether it was replayed.

    Example: winback dead-letters list --topic orders
    """
    from shared import db

    with db.connect() as connection:
        replayed = replays(connection)
    rows = [letter.as_json() | {"replayed_at": replayed.get(letter.place)} for letter in read_all(topic)]
    if as_json:
        print(json.dumps(rows, indent=1, sort_keys=True))
        return
    for row in rows:
        again = f"  replayed {row['replayed_at']}" if row["replayed_at"] else ""
        print(f"{row['id']}  {row['at']}  {row['topic']}/{row['partition']}@{row['offset']}{again}\n    {visible(row['reason'])}")
    print(f"{len(rows)} dead letters" if rows else "no dead letters")


@app.command("show")
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="TOPIC/PARTITION/OFFSET, as `list` prints it.")],
    as_json: AsJson = False,
    raw: Annotated[bool, typer.Option("--raw", help="Write the original bytes alone, as they came.")] = False,
) -> None:
    """One dead letter: the reason, its headers, the original bytes (what is no text is escaped; --json has it in base64).

    Example: winback dead-letters show orders-dead/0/12
    """
    letter = read_one(id_)
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
        return
    if as_json:
        encoded = {"key_base64": _base64(letter.key), "value_base64": _base64(letter.value)}
        headers = [[name, value.decode(errors="backslashreplace")] for name, value in letter.headers]
        print(json.dumps(letter.as_json() | encoded | {"headers": headers}, indent=1, sort_keys=True))
        return
    print(f"{letter.id}  from {letter.topic}/{letter.partition}@{letter.offset}")
    print(f"{letter.at}  {letter.consumer}: {visible(letter.reason)}")
    for name, value in letter.headers:
        print(f"{visible(name)}: {visible(value.decode(errors='backslashreplace'))}")
    if letter.key is not None:
        print(f"key: {visible(letter.key.decode(errors='backslashreplace'))}")
    print()
    print("(no value: a tombstone)" if letter.value is None else visible(letter.value.decode(errors="backslashreplace")))


@app.command("replay")
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="TOPIC/PARTITION/OFFSET, as `list` prints it.")] = None,
    topic: Topic = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters of all topics.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also those that were replayed before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put the original records back where they came from: same topic, partition, key, headers and bytes; once each.

    Example: winback dead-letters replay orders-dead/0/12
    """
    from shared import db
    from shared.kafka import Publisher

    if sum((bool(ids), topic is not None, every)) != 1:
        raise Rejected(FieldError(field="replay", reason="say which: ids, --topic TOPIC, or --all"))
    letters = [read_one(id_) for id_ in ids] if ids else list(read_all(topic))
    publisher = Publisher()
    try:
        with db.connect() as connection:
            results = [put_back(connection, publisher, letter, again=again) for letter in letters]
    finally:
        publisher.close()
    if as_json:
        print(json.dumps(results, indent=1, sort_keys=True))
        return
    for result in results:
        print(f"{result['id']}  {result['status']}" + (f" {result['to']}" if "to" in result else "; --again does it once more"))
    if not results:
        print("no dead letters")


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
    if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()) or parts[0] not in known:
        raise Rejected(FieldError(field="ID", reason=f"{id_} is no TOPIC/PARTITION/OFFSET of a dead-letter topic"))
    return parts[0], int(parts[1]), int(parts[2])


def _consumer() -> "Consumer":
    from confluent_kafka import Consumer

    from shared.settings import settings

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


def _partitions(consumer: "Consumer", topic: str) -> list[int]:
    from confluent_kafka import KafkaException

    from shared.settings import settings

    try:
        return sorted(consumer.list_topics(topic, timeout=READ_SECONDS).topics[topic].partitions)
    except KafkaException as error:
        raise Retryable(f"Kafka cannot be reached at {settings().kafka}: {error.args[0].str()}") from None


def _read(consumer: "Consumer", topic: str, partition: int, *, first: int) -> Iterator[DeadLetter]:
    """From offset `first` (or the first that is kept) to the end."""
    from confluent_kafka import KafkaError, TopicPartition

    consumer.assign([TopicPartition(topic, partition, first)])
    while True:
        message = consumer.poll(READ_SECONDS)
        error = None if message is None else message.error()
        if message is None:
            raise Retryable(f"Kafka does not answer about {topic}")
        if error is None:
            yield _letter(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            return
        elif not error.retriable():
            raise Retryable(f"Kafka does not answer about {topic}: {error.str()}")


def _letter(message: Any) -> DeadLetter:
    """Take the headers apart: the first of each dead_… says where it came from, the rest are the record's own."""
    from shared.consuming import record_of

    record = record_of(message)
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
        key=record.key,
        value=record.value,
        headers=own,
    )


# -- putting back -------------------------------------------------------------------------------------------------------------


def replays(connection: "Connection") -> dict[Place, str]:
    """What was replayed, and when last."""
    rows = connection.execute(REPLAYED).fetchall()
    return {(topic, partition, offset): at.astimezone(UTC).isoformat() for topic, partition, offset, at in rows}


def put_back(connection: "Connection", publisher: "Publisher", letter: DeadLetter, *, again: bool) -> dict[str, Any]:
    """Publish the original record, confirmed, in the transaction that remembers it. A repeat is a value, not an error."""
    from shared import clock

    topic, partition, offset = letter.place
    at: datetime = clock.now()
    with connection.transaction():
        remembered = connection.execute(
            REMEMBER, {"topic": topic, "partition": partition, "offset": offset, "at": at, "again": again}
        )
        if remembered.rowcount == 0:
            return {"id": letter.id, "status": "was replayed before"}
        to = publisher.publish(
            letter.topic,
            letter.value,
            key=letter.key,
            partition=letter.partition if letter.partition >= 0 else None,
            headers=letter.headers,
        )
    return {"id": letter.id, "status": "replayed", "to": f"{letter.topic}/{letter.partition}@{to}"}


def visible(text: str) -> str:
    """`text` with control characters escaped: bytes from outside must not steer the operator's terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
