"""Is the log that Kafka has the one that a partition's state is of? (`shared.same_log` has the
idea.) The state keeps beside its rows the next offset of `orders`, the id of the topic that this
is an offset of, and a hash of the record that it took last.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from confluent_kafka.admin import AdminClient

from services.detector.leaving import leave
from shared import metrics, same_log
from shared.errors import Retryable
from shared.health import Readiness
from shared.records import Record
from shared.same_log_store import Known

log = structlog.get_logger()

# in table and changelog: the next source offset that the state has not seen
SOURCE_KEY = b"__faust\0source"
# in both too: the id of the topic that this offset is of
SOURCE_TOPIC_KEY = b"__faust\0source-topic"
# in both: the record that was folded last, as offset:hash
SOURCE_LAST_KEY = b"__faust\0source-last"
MENDED_SECONDS = 3.0  # between two looks at whether a log that differs is mended
WHOSE = "the detector has read up to"


def place_of(database: Any) -> tuple[int, int]:
    """(id of the source topic, next offset of it) that a database has; 0 where it has none."""
    return int(database.get(SOURCE_TOPIC_KEY) or 0), int(database.get(SOURCE_KEY) or 0)


def rows(source: int, source_topic: int, last: Record | None) -> list[tuple[bytes, bytes]]:
    """What a checkpoint writes of it. last: the record that was taken last, if one was."""
    place = [
        (SOURCE_KEY, str(source).encode()),
        (SOURCE_TOPIC_KEY, str(source_topic).encode()),
    ]
    if last is not None:
        place.append((SOURCE_LAST_KEY, f"{last.offset}:{same_log.hash_of(last).hex()}".encode()))
    return place


def is_mended(client: AdminClient, known: Known, changelog: tuple[str, int]) -> bool:
    """The log reaches as far as the state, or there is another changelog to begin with than the one
    of this name and id.
    """
    name, id_ = changelog
    there = same_log.look(client, [known.topic, name])
    if name not in there.topics or known.topic not in there.topics:
        return False
    return there.topics[name].topic_id != id_ or not same_log.difference(there, [known])


def is_last_read(database: Any, topic: str, partition: int) -> bool:
    """(blocking) False where another record lies before the state's offset than the one that it
    took.
    """
    found = database.get(SOURCE_LAST_KEY)
    if found is None:
        return True
    offset, _, hash_ = found.decode().partition(":")
    [(_, record)] = same_log.read_at({(topic, partition): int(offset)})
    return record is None or same_log.hash_of(record).hex() == hash_


def replaced(database: Any, topic: str, partition: int) -> str:
    """For people: why `is_last_read` says no."""
    offset = int(database.get(SOURCE_LAST_KEY).decode().partition(":")[0])
    return same_log.replaced(topic, partition, offset, "the detector")


def stand_still(readiness: Readiness, why: str, is_mended: Callable[[], bool]) -> None:
    """Nothing of this process goes on; it lives and says why. Once that is mended it leaves, for a
    fresh start.
    """
    log.error("another log: nothing is read", consumer="detector", reason=why)
    metrics.LOG_DIFFERS.labels("detector").set(1)
    readiness.set(False, why)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: os._exit(0))  # the loop that took it stands still, too
    while True:
        time.sleep(MENDED_SECONDS)
        with suppress(Retryable):
            if is_mended():
                leave("the log is the one that the state is of: beginning afresh")
