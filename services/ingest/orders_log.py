"""The topic `orders` as `once.py` looks through it."""

from collections.abc import Iterator

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from services.ingest import blocks
from services.ingest.once import HEADER, Ends, Key, Span, span_of
from shared import clock, kafka_access
from shared.errors import Retryable
from shared.events import Order, OrdersAccepted
from shared.kafka import Publisher
from shared.records import Record, record_of
from shared.settings import settings
from shared.topics import ORDERS

ANSWER_SECONDS = 10.0

_decode = msgspec.json.Decoder(OrdersAccepted).decode


def key_of(order: Order) -> Key:
    """What one version of an order is known by."""
    return order.organization, order.order, order.revision, order.content


class KafkaOrders:
    """`once.OrdersLog` on Kafka."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._consumer = Consumer(
            {
                **kafka_access.client(),
                "group.id": "winback-ingest-looks",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_uncommitted",  # nothing is written in transactions
                "fetch.wait.max.ms": 10,
                "log_level": 2,
            }
        )

    def ends(self) -> Ends:
        """Behind the last record of each partition."""
        try:
            return {
                partition: self._consumer.get_watermark_offsets(
                    TopicPartition(ORDERS.name, partition), timeout=ANSWER_SECONDS
                )[1]
                for partition in range(settings().partitions)
            }
        except KafkaException as error:
            raise Retryable(
                f"{ORDERS.name}: Kafka does not answer: {error.args[0].str()}"
            ) from None

    def fenced(self) -> Ends:
        """A block without orders goes into each partition: what a process that is
        no more had sent lies before it.
        """
        value = blocks.block([], clock.now())
        sent = [
            self._publisher.send(
                ORDERS.name, value, partition=partition, headers=blocks.headers(value)
            )
            for partition in range(settings().partitions)
        ]
        self._publisher.confirm(sent)
        return {
            partition: one.offset for partition, one in enumerate(sent) if one.offset is not None
        }

    def blocks(self, first: Ends, ends: Ends) -> Iterator[tuple[Span, list[Key]]]:
        """Every block of raw records between the two, and its orders."""
        for partition, end in ends.items():
            for record in self._records(partition, first.get(partition, 0), end):
                span = span_of(dict(record.headers).get(HEADER, b""))
                if span is not None:
                    yield span, [key_of(order) for order in _decode(record.value or b"").orders]

    def close(self) -> None:
        """The look is over."""
        self._consumer.close()

    def _records(self, partition: int, first: int, end: int) -> Iterator[Record]:
        """From `first` up to `end`, where the fence lies."""
        if first >= end:
            return
        self._consumer.assign([TopicPartition(ORDERS.name, partition, first)])
        while True:
            message = self._consumer.poll(ANSWER_SECONDS)
            if message is None:
                raise Retryable(f"{ORDERS.name}/{partition}: Kafka does not answer")
            if (error := message.error()) is not None:
                if error.retriable():
                    continue
                raise Retryable(f"{ORDERS.name}/{partition}: {error.str()}")
            record = record_of(message)
            if record.offset >= end:
                return
            yield record
