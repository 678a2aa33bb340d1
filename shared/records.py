"""A record of Kafka as handlers get it, and its decoding: what does not fit is Rejected."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from confluent_kafka import Message

from shared import clock
from shared.errors import FieldError, Rejected
from shared.events import OrdersAccepted, OrdersRecord
from shared.kafka import Headers, partition_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One record as a handler gets it: `event` is decoded, `at` is the record's time (UTC).

    `unreadable`: why the client could not even take it out of its batch; then it has
    neither key nor value nor headers.
    """

    topic: str
    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: Headers
    event: Any
    unreadable: str = ""


Decode = Callable[[Record], Any]


def decode_with(decoder: msgspec.json.Decoder[Any], *, tombstones: bool = False) -> Decode:
    """Decode a record's JSON; what does not fit the model is Rejected with the decoder's own words.

    Only compacted topics have `tombstones`, decoded as None; elsewhere a record
    without a value can never be right.
    """

    def decode(record: Record) -> Any:
        if record.value is None:
            if tombstones:
                return None
            raise Rejected(
                FieldError(field="value", reason=f"a record of {record.topic} must have one")
            )
        try:
            return decoder.decode(record.value)
        except msgspec.MsgspecError as error:
            raise Rejected(FieldError(field="value", reason=str(error))) from None

    return decode


def decode_orders() -> Decode:
    """What both readers of `orders` hold a record against: its model, and that every organization
    in it belongs to its partition.

    Raises Rejected for the whole record, so that the detector and the read model
    never differ in what they take.
    """
    decode = decode_with(msgspec.json.Decoder(OrdersRecord))
    known: dict[str, int] = {}

    def placed(record: Record) -> Any:
        event = decode(record)
        names = (
            {order.organization for order in event.orders}
            if isinstance(event, OrdersAccepted)
            else [event.organization]
        )
        for name in names:
            if name not in known:
                known[name] = partition_of(name)
            if known[name] != record.partition:
                raise Rejected(
                    FieldError(
                        field="organization", reason=f"{name} belongs to partition {known[name]}"
                    )
                )
        return event

    return placed


def record_of(message: Message) -> Record:
    """A message of librdkafka as the project passes it on, not decoded yet."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None
    headers: Headers = [
        (str(name), bytes(value or b""))
        for name, value in cast("list[tuple[str, bytes]]", message.headers() or [])
    ]
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        at=datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
        key=message.key(),
        value=message.value(),
        headers=headers,
        event=None,
    )


def unreadable_record(message: Message, *, offset: int, reason: str) -> Record:
    """What stands for a record that the client cannot take out of its
    batch: where it lies, and why not.
    """
    topic, partition = message.topic(), message.partition()
    assert topic is not None and partition is not None
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        at=clock.now(),
        key=None,
        value=None,
        headers=[],
        event=None,
        unreadable=reason,
    )
