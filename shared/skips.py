"""Records that a person told to pass by (`winback skip`): none of our readers takes them.

They stand in a small compacted topic, which every reader can reach, the detector too. Each is named
with the id of its topic: one that was made anew has other records there. A reader looks at its
start, after a failure, and while a partition fails.
"""

import time

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shared import kafka_access
from shared.errors import Retryable
from shared.kafka import Publisher
from shared.topics import SKIPS

READ_SECONDS = 10.0

Places = frozenset[tuple[str, int, int]]  # topic, partition, offset


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. dead_letter: where it was put aside. by, reason: for people."""

    topic: str
    topic_id: int
    partition: int
    offset: int
    dead_letter: str
    by: str
    reason: str


def note(publisher: Publisher, skip: Skip) -> None:
    """Confirmed when this returns. Raises Retryable."""
    key = f"{skip.topic}#{skip.topic_id}/{skip.partition}/{skip.offset}".encode()
    publisher.publish(SKIPS, msgspec.json.encode(skip), key=key, partition=0)


def read(topic_ids: dict[str, int]) -> Places:
    """Those of the topics with these ids. Raises Retryable while Kafka is away; none where an older
    version made no topic for them yet.
    """
    consumer = Consumer(
        {
            **kafka_access.client(),
            "group.id": "winback-skips",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "log_level": 2,
        }
    )
    decode, found = msgspec.json.Decoder(Skip).decode, set[tuple[str, int, int]]()
    try:
        if SKIPS not in consumer.list_topics(timeout=READ_SECONDS).topics:
            return frozenset()
        consumer.assign([TopicPartition(SKIPS, 0, 0)])
        until = time.monotonic() + READ_SECONDS
        while True:
            message = consumer.poll(READ_SECONDS)
            error = None if message is None else message.error()
            if message is None or time.monotonic() > until:
                raise Retryable("Kafka does not answer about what is to be skipped")
            if error is None:
                skip = decode(message.value() or b"")
                if topic_ids.get(skip.topic) == skip.topic_id:
                    found.add((skip.topic, skip.partition, skip.offset))
            elif error.code() == KafkaError._PARTITION_EOF:
                return frozenset(found)
            elif not error.retriable():
                raise Retryable(f"Kafka does not answer: {error.str()}")
    except KafkaException as error:
        raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None
    finally:
        consumer.close()
