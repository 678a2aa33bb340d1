"""How state lies in bytes: keys by prefix, values with a version byte, no value above 64 KB.

    o<org>                     organization: latest run and its settings, how many raw combos
    c<org>\\0<page>             raw combos, 256 a page, in the order in which they turned up
    h<org>\\0<account>          head of an account: due day, share, open page of orders,
                                last page of episodes
    p<org>\\0<account>\\0<page>  sealed page of orders (32 orders or 32 KB)
    e<org>\\0<account>\\0<page>  full page of episodes (256)
    i<org>\\0<order id cut>     index page: order -> account and page, for the ids that differ in
                                the last two bytes only
    j<org>\\0<order id cut>     the same for the last byte, where an index page grew too
                                large and was split

Ids hold no control characters (ingest sees to that), so \\0 ends them.
"""

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

import msgspec

VERSION = b"\x01"
SEPARATOR = b"\0"

SEALED_ORDERS = 32
SEALED_BYTES = 32_000
COMBOS_PER_PAGE = 256
EPISODES_PER_PAGE = 256
SPLIT_INDEX_BYTES = 16_000

T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode


class Store(Protocol):
    """What a partition reads from: a RocksDB database, or a dict in tests. Writes
    go through `Partition.flush`.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All entries whose key starts with `prefix`, by key."""


def packed(value: Any) -> bytes:
    """A value as it is stored."""
    return VERSION + _encode(value)


def unpacked(data: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """A stored value. An unknown version means that a newer program wrote it:
    stop rather than guess.
    """
    if data[:1] != VERSION:
        raise RuntimeError(f"state of version {data[0]} is newer than this program")
    return decoder.decode(memoryview(data)[1:])


def organization_key(organization: str) -> bytes:
    return b"o" + organization.encode()


def combos_key(organization: str, page: int) -> bytes:
    return b"c" + organization.encode() + SEPARATOR + page.to_bytes(4, "big")


def head_key(organization: str, account: str) -> bytes:
    return b"h" + organization.encode() + SEPARATOR + account.encode()


def orders_key(organization: str, account: str, page: int) -> bytes:
    return (
        b"p"
        + organization.encode()
        + SEPARATOR
        + account.encode()
        + SEPARATOR
        + page.to_bytes(4, "big")
    )


def episodes_key(organization: str, account: str, page: int) -> bytes:
    return (
        b"e"
        + organization.encode()
        + SEPARATOR
        + account.encode()
        + SEPARATOR
        + page.to_bytes(4, "big")
    )


def index_key(organization: str, order: bytes) -> bytes:
    return b"i%b\0%b" % (organization.encode(), order[:-2])


def split_index_key(organization: str, order: bytes) -> bytes:
    return b"j%b\0%b" % (organization.encode(), order[:-1])
