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


def full(orders: int, size_bytes: int) -> bool:
    """True where nothing more goes into a block of so many orders and bytes."""
    return orders >= MOST_ORDERS or size_bytes >= MOST_BYTES


def in_blocks(orders: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The orders, in their order, in blocks of at most MOST_ORDERS and MOST_BYTES (one that is larger goes alone)."""
    gathered: list[bytes] = []
    size = 0
    for order in orders:
        if gathered and (len(gathered) >= MOST_ORDERS or size + len(order) > MOST_BYTES):
            yield gathered
            gathered, size = [], 0
        gathered.append(order)
        size += len(order)
    if gathered:
        yield gathered
