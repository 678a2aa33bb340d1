"""Waiting until the pipeline has caught up with everything accepted so far."""

import time
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from services.signals.progress.run import patiently, poll
from services.signals.store import positions, runs
from shared import db, kafka_access
from shared.errors import Retryable
from shared.partitions import partition_of
from shared.topics import ACCOUNTS, CONTACTS, DETECTOR_APP, ORDERS, SIGNALS

ASK_SECONDS = 10.0


def wait_until_caught_up(organization: str, *, timeout_seconds: float) -> None:
    """Until what was accepted before the call is detected and persisted, and every run asked for
    before it is complete.

    In this order: the runs; the detector has committed the partition's end of `orders`; what it
    said about that, up to the end of `signals`, is in PostgreSQL. Raises NotFound, and Retryable
    when it takes longer.
    """
    until = time.monotonic() + timeout_seconds
    patiently(lambda: _wait(organization, until), until)


def _wait(organization: str, until: float) -> None:
    partition = partition_of(organization)
    with db.connect() as connection, Offsets() as offsets:
        connection.autocommit = True
        newest = runs.newest_number(connection, organization)
        poll(
            lambda: not runs.is_pending(connection, organization, up_to=newest),
            until,
            "runs are pending",
        )
        ends = {
            topic.name: offsets.end(topic.name, partition) for topic in (ORDERS, ACCOUNTS, CONTACTS)
        }
        poll(
            lambda: offsets.committed(ORDERS.name, partition) >= ends[ORDERS.name],
            until,
            "the detector is behind",
        )
        ends[SIGNALS.name] = offsets.end(SIGNALS.name, partition)
        poll(
            lambda: all(
                positions.of(connection, positions.CONSUMER, topic, partition) >= end
                for topic, end in ends.items()
            ),
            until,
            "the signals service is behind",
        )


class Offsets:
    """Looks at partitions and at the detector's group, without joining it. Raises Retryable while
    Kafka is away.
    """

    def __init__(self) -> None:
        self._consumer = Consumer(
            {
                **kafka_access.client(),
                "group.id": DETECTOR_APP,
                "enable.auto.commit": False,
                "log_level": 2,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def end(self, topic: str, partition: int) -> int:
        """The offset behind the last record."""
        try:
            return int(
                self._consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=ASK_SECONDS
                )[1]
            )
        except KafkaException as error:
            raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None

    def committed(self, topic: str, partition: int) -> int:
        """The next offset that the detector has not finished; 0 where it never finished any."""
        try:
            found = self._consumer.committed(
                [TopicPartition(topic, partition)], timeout=ASK_SECONDS
            )[0]
        except KafkaException as error:
            raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None
        return max(0, int(found.offset))
