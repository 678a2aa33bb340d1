"""What was accepted, as records of Kafka.

A block is the orders of one partition, of whichever organizations live there, as one record of the
topic orders; accounts and contacts are records of their own.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec

from services.ingest.acceptance import Accepted
from shared import ids, kafka
from shared.event_headers import headers_of
from shared.events import OrdersAccepted

MOST_ORDERS = 500
MOST_BYTES = 512_000
IDENTIFYING_BYTES = 4_096  # of a block: its time, and the content hash of an order at least

_encode = msgspec.json.Encoder().encode
_ANY_BLOCK = OrdersAccepted(accepted_at=datetime(1970, 1, 1, tzinfo=UTC), orders=())


class _Block(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="OrdersAccepted"):
    """`events.OrdersAccepted` on the wire, of orders that are encoded already:
    a test holds the two together.
    """

    accepted_at: datetime
    orders: list[msgspec.Raw]
    version: Literal[1] = 1


def block(orders: Iterable[bytes], accepted_at: datetime) -> bytes:
    """One record of orders that are encoded already."""
    return _encode(_Block(accepted_at=accepted_at, orders=[msgspec.Raw(order) for order in orders]))


def headers(value: bytes, requests: Iterable[str] | None = None) -> kafka.Headers:
    """The CloudEvents attributes of a block. Its id derives from its time,
    its size and its first orders. requests: that it comes of, else what is current.
    """
    id_ = hashlib.blake2b(
        b"%d %s" % (len(value), value[:IDENTIFYING_BYTES]), digest_size=16
    ).hexdigest()
    return headers_of(_ANY_BLOCK, source="ingest", event_id=id_, requests=requests)


def fits(orders: int, size_bytes: int, next_bytes: int) -> bool:
    """True where one more order of `next_bytes` goes into a block that has so
    many; an empty block takes any.
    """
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


def record_of(one: Accepted) -> tuple[bytes, bytes, kafka.Headers]:
    """(key, value, headers) of an account's or a contact's record; its id
    derives from the version that it is.
    """
    event = one.event
    key = ids.record_key(event.organization, one.id)
    version = ids.derived(type(event).__name__, event.organization, one.id, str(event.revision))
    return key, one.encoded, headers_of(event, source="ingest", event_id=version)
