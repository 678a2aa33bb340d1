"""Blocks: the orders of one partition, of whichever organizations live there, as one record of the topic orders."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec

from shared import kafka
from shared.events import OrdersAccepted

MOST_ORDERS = 500
MOST_BYTES = 512_000

_encode = msgspec.json.Encoder().encode
_ANY_BLOCK = OrdersAccepted(accepted_at=datetime(1970, 1, 1, tzinfo=UTC), orders=())


class _Block(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="OrdersAccepted"):
    """`events.OrdersAccepted` on the wire, of orders that are encoded already: a test holds the two together."""

    accepted_at: datetime
    orders: list[msgspec.Raw]
    version: Literal[1] = 1


def block(orders: Iterable[bytes], accepted_at: datetime) -> bytes:
    """One record of orders that are encoded already."""
    return _encode(_Block(accepted_at=accepted_at, orders=[msgspec.Raw(order) for order in orders]))


def headers(value: bytes) -> kafka.Headers:
    """The CloudEvents attributes of a block; its id derives from its bytes."""
    return kafka.headers_of(_ANY_BLOCK, source="ingest", event_id=hashlib.blake2b(value, digest_size=16).hexdigest())


def fits(orders: int, size_bytes: int, next_bytes: int) -> bool:
    """True where one more order of `next_bytes` goes into a block that has so many; an empty block takes any."""
    return orders == 0 or (orders < MOST_ORDERS and size_bytes + next_bytes <= MOST_BYTES)


def in_blocks(orders: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The orders, in their order, in blocks as large as they may be."""
    gathered: list[bytes] = []
    size = 0
    for order in orders:
        if not fits(len(gathered), size, len(order)):
            yield gathered
            gathered, size = [], 0
        gathered.append(order)
        size += len(order)
    if gathered:
        yield gathered
