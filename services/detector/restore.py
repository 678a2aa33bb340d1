"""Reading a partition of the changelog into a RocksDB database, in bulk: how a
detector comes to its state.

Whoever wants to know what the changelog holds (an audit of the state, a fault run) restores it into
an empty folder the same way.
"""

import time
from pathlib import Path
from typing import Any

import rocksdict
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from shared import kafka_access

log = structlog.get_logger()

RESTORE_RECORDS = 20_000
LOST = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
)
SILENT_SECONDS = 60.0  # so long the broker may be away, killed and started again, in the middle


def catch_up(database: Any, *, topic: str, partition: int, servers: str, offset_key: bytes) -> int:
    """(blocking) Read what the database lacks; returns the number of records.

    The offset persisted at `offset_key` becomes the end - 1, also where the last offsets are
    transaction markers or were compacted away, so that Faust's own recovery finds nothing left to
    read and cannot wait for a record that never comes. Raises KafkaException where the broker is
    away for long: a part of the changelog is never taken for all of it.
    """
    consumer = Consumer(
        {
            **kafka_access.client(),
            "bootstrap.servers": servers,
            "group.id": "winback-restore",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 10,
        }
    )
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        saved = database.get(offset_key)
        if saved and int(saved) >= high:
            log.warning(
                "the changelog ends before what this disk has: reading it anew",
                partition=partition,
                disk=int(saved),
                end=high,
            )
            forget(database)
            saved = None
        at, count = max(low, int(saved) + 1 if saved else low), 0
        consumer.assign([TopicPartition(topic, partition, at)])
        progress_at = time.monotonic()
        while at < high:
            batch, before = rocksdict.WriteBatch(raw_mode=True), at
            for message in consumer.consume(RESTORE_RECORDS, 0.2):
                error = message.error()
                if error is not None:
                    at = max(at, reached(message, error))
                    continue
                offset, key, value = message.offset(), message.key(), message.value()
                # rows are set, never deleted
                assert offset is not None and key is not None and value is not None
                count, at = count + 1, offset + 1
                batch.put(key, value)
            batch.put(offset_key, str(at - 1).encode())
            database.write(batch)
            if at > before:
                progress_at = time.monotonic()
            elif time.monotonic() - progress_at > SILENT_SECONDS:
                raise KafkaException(
                    KafkaError(
                        KafkaError._TIMED_OUT, f"{topic}/{partition} stops at {at} of {high}"
                    )
                )
        return count
    finally:
        consumer.close()


def forget(database: Any) -> None:
    """Empty it."""
    batch = rocksdict.WriteBatch(raw_mode=True)
    iterator = database.iter()
    iterator.seek_to_first()
    while iterator.valid():
        batch.delete(iterator.key())
        iterator.next()
    database.write(batch)


def reached(message: Message, error: KafkaError) -> int:
    """The offset that an event of librdkafka says is reached: at the end of the partition that end,
    what is missing up to it are markers. A broker that is away says nothing: it is asked again.
    Raises KafkaException for what only a person can mend.
    """
    if error.code() == KafkaError._PARTITION_EOF:
        return message.offset() or 0
    if error.fatal() or error.code() in LOST:
        raise KafkaException(error)
    return 0


def opened(folder: Path) -> Any:
    """A database of its own in an empty folder, as the detector's are."""
    return rocksdict.Rdict(str(folder), options=rocksdict.Options(raw_mode=True))
