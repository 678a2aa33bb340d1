"""What really lies in Kafka: every record of a partition of `orders`, and the detector's state as
its changelog gives it back.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from services.detector import inventory, restore
from services.detector.checkpoint import CheckpointStore, RocksPartition
from services.detector.inventory import Held
from shared import kafka_access
from shared.events import Order, OrdersAccepted, OrdersRecord
from shared.kafka import end_offset
from shared.partitions import partition_of
from shared.records import Record, record_of
from shared.settings import settings
from shared.topics import ORDERS, STATE_CHANGELOG

SILENT_SECONDS = 30.0

_decode = msgspec.json.Decoder(OrdersRecord).decode


def records(
    topic: str, partition: int, *, first: int = 0, count: int | None = None
) -> Iterator[Record]:
    """Every committed record from `first` to the end as it is now. Raises KafkaException when the
    broker is away.
    """
    consumer = Consumer(
        {
            **kafka_access.client(),
            "group.id": "winback-chaos",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 10,
        }
    )
    try:
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=SILENT_SECONDS
        )
        at = max(first, low)
        if at >= high:
            return
        consumer.assign([TopicPartition(topic, partition, at)])
        while at < high:
            message = consumer.poll(SILENT_SECONDS)
            if message is None:
                raise KafkaException(
                    KafkaError(
                        KafkaError._TIMED_OUT, f"{topic}/{partition} stops at {at} of {high}"
                    )
                )
            error = message.error()
            if error is None:
                record = record_of(message)
                at = record.offset + 1
                yield record
            elif error.code() == KafkaError._PARTITION_EOF:
                at = max(at, message.offset() or 0)
            else:
                raise KafkaException(error)
    finally:
        consumer.close()


def orders(organization: str) -> Iterator[Order]:
    """Every version of every order of the organization, as the log has them; what cannot be read
    there is no order.
    """
    for record in records(ORDERS.name, partition_of(organization)):
        try:
            event = _decode(record.value or b"")
        except msgspec.MsgspecError:
            continue
        if isinstance(event, OrdersAccepted):
            yield from (order for order in event.orders if order.organization == organization)


def ends() -> dict[int, int]:
    """partition -> the offset behind the last record of `orders`."""
    return {
        partition: end_offset(ORDERS.name, partition, timeout_seconds=SILENT_SECONDS)
        for partition in range(settings().partitions)
    }


@contextlib.contextmanager
def changelog_watched(*partitions: int) -> Iterator[Callable[[], bool]]:
    """A look: is a transaction on one of these partitions of the changelog open? Its end is then
    further than what is committed.
    """
    places = [TopicPartition(STATE_CHANGELOG, partition) for partition in partitions]
    both = [
        Consumer(
            {
                **kafka_access.client(),
                "group.id": "chaos-looks",
                "isolation.level": level,
            }
        )
        for level in ("read_uncommitted", "read_committed")
    ]

    def is_open(place: TopicPartition) -> bool:
        try:
            # the later one sees less
            (_, end), (_, committed) = (one.get_watermark_offsets(place, timeout=2) for one in both)
        except KafkaException:
            return False
        return bool(end > committed)

    try:
        yield lambda: any(is_open(place) for place in places)
    finally:
        for one in both:
            one.close()


def state(organization: str) -> list[Held]:
    """Every order of the organization in the state that a detector without a disk would come to."""
    folder = Path(tempfile.mkdtemp(prefix="winback-chaos-state-"))
    database = restore.opened(folder / "state")
    try:
        restore.catch_up(
            database,
            topic=STATE_CHANGELOG,
            partition=partition_of(organization),
            servers=settings().kafka,
            offset_key=CheckpointStore.offset_key,
        )
        return [
            one
            for one in inventory.held(RocksPartition(database))
            if one.organization == organization
        ]
    finally:
        database.close()
        shutil.rmtree(folder, ignore_errors=True)
