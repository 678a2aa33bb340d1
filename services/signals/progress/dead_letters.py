"""What of one organization could not be read, asked of Kafka with a time limit.

A dead letter is shown to an organization only where it came with a token of that organization, or,
of our own topics, where the record itself can be read and names that organization alone. (What a
raw record says of itself anyone could have written.) The rest belongs to nobody: the operator has
`winback dead-letters`.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from shared import kafka_access
from shared.dead_letters import DeadLetter, letter_of, read_one
from shared.errors import NotFound, Retryable
from shared.ids import read_record_key
from shared.kafka import raw_topics, with_dead_letters
from shared.records import record_of
from shared.topics import dead_letters_of

LOOK_SECONDS = 4.0  # for all dead letters: a page waits for it
MOST_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class Found:
    """letters: the newest first. complete: all of them were looked at before the time was up.
    ended: those that name the organization and were put aside since they ended processes; without
    them what is known of it is not whole.
    """

    letters: tuple[DeadLetter, ...]
    total: int
    complete: bool
    ended: tuple[DeadLetter, ...] = ()


def newest(organization: str) -> Found:
    """The organization's own. Raises Retryable while Kafka is away."""
    until = time.monotonic() + LOOK_SECONDS
    letters: list[DeadLetter] = []
    ended: list[DeadLetter] = []
    complete = True
    for record in _dead_records(until):
        if record is None:
            complete = False
            continue
        letter = letter_of(record)
        if owner_of(letter) == organization:
            letters.append(letter)
        if letter.ends and organization in organizations_of(letter.key, letter.value):
            ended.append(letter)
    newest = sorted(letters, key=lambda letter: letter.at, reverse=True)
    return Found(
        letters=tuple(newest[:MOST_SHOWN]),
        total=len(newest),
        complete=complete,
        ended=tuple(ended),
    )


def of_organization(organization: str, id_: str) -> DeadLetter:
    """One of the organization's own. Raises NotFound for everybody else's, Rejected for what is no
    id, Retryable.
    """
    letter = read_one(id_)
    if owner_of(letter) != organization:
        raise NotFound(f"no dead letter {id_}")
    return letter


def owner_of(letter: DeadLetter) -> str | None:
    """Whose it is, if somebody's."""
    if letter.organization or letter.place[0] in map(dead_letters_of, raw_topics()):
        return letter.organization or None
    named = organizations_of(letter.key, letter.value)
    return named.pop() if len(named) == 1 else None


def organizations_of(key: bytes | None, value: bytes | None) -> set[str]:
    """Whom a record names; nobody where it cannot be read."""
    if value is None:
        try:
            return {read_record_key(key)[0]}
        except ValueError:
            return set()
    try:
        read: Any = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return set()
    if not isinstance(read, dict):
        return set()
    orders = read.get("orders")
    named = (
        [one.get("organization") if isinstance(one, dict) else None for one in orders]
        if isinstance(orders, list)
        else []
    )
    names = {read["organization"], *named} if "organization" in read else set(named)
    return {str(name) for name in names}


def _dead_records(until: float) -> Iterator[Any]:
    """Every dead letter that is kept; None where the time was up before the end."""
    consumer = Consumer(
        {
            **kafka_access.client(),
            "group.id": "winback-console",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
            "log_level": 2,
        }
    )
    try:
        for name in map(dead_letters_of, with_dead_letters()):
            for partition in sorted(
                consumer.list_topics(name, timeout=LOOK_SECONDS).topics[name].partitions
            ):
                first, end = consumer.get_watermark_offsets(
                    TopicPartition(name, partition), timeout=LOOK_SECONDS
                )
                if first < end:
                    consumer.assign([TopicPartition(name, partition, first)])
                    yield from _read(consumer, end, until)
    except KafkaException as error:
        raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _read(consumer: Consumer, end: int, until: float) -> Iterator[Any]:
    while True:
        left = until - time.monotonic()
        message = consumer.poll(left) if left > 0 else None
        if message is None:
            yield None
            return
        if message.error() is None:
            yield record_of(message)
            if (message.offset() or 0) + 1 >= end:
                return
