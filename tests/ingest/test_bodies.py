"""Bytes from outside: what is JSON, and what costs no more than its bound."""

import gzip
import json
import zlib
from datetime import UTC, datetime

import msgspec
import pytest

from services.ingest import blocks
from services.ingest.bodies import Gunzip, NotJson, Number, TooLarge, items_of, read_json
from shared.events import Order, OrdersAccepted
from tests.ingest.test_acceptance import ORDER, accepted


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b'{"a": 1} x',
        b"\xff\xfe{\x00}\x00",
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32"),
        b'{"a": "\xe9"}',
        b'{"a": "\n"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_is_told_as_such(body: bytes) -> None:
    with pytest.raises(NotJson):
        read_json(body)


def test_numbers_stay_as_they_were_written() -> None:
    value = read_json(b"\xef\xbb\xbf[1, 1.10, 1e400, NaN, -Infinity, %s]" % (b"9" * 5000))
    assert [number.text for number in value] == [
        "1",
        "1.10",
        "1e400",
        "NaN",
        "-Infinity",
        "9" * 5000,
    ]
    assert value[0] == Number("1")


def test_a_gzip_bomb_costs_no_more_than_the_bound() -> None:
    packed = zlib.compress(bytes(200_000_000), 9, wbits=31)
    gunzip = Gunzip(1_000_000)
    with pytest.raises(TooLarge):
        gunzip.feed(packed)


def test_gzip_is_read_in_pieces_and_in_several_members() -> None:
    packed = gzip.compress(b"abc") + gzip.compress(b"def")
    gunzip = Gunzip(len(packed))
    assert b"".join(gunzip.feed(packed[i : i + 1]) for i in range(len(packed))) == b"abcdef"
    gunzip.end()


def test_gzip_that_is_cut_or_none_is_told() -> None:
    cut = Gunzip(100)
    cut.feed(gzip.compress(b"abc")[:-3])
    with pytest.raises(NotJson):
        cut.end()
    with pytest.raises(NotJson):
        Gunzip(100).feed(b"abc")


def test_a_batch_is_a_list_or_an_object_with_one() -> None:
    assert items_of([1, 2], "orders") == ([1, 2], True)
    assert items_of({"orders": [1]}, "orders") == ([1], True)
    assert items_of({"order": 1}, "orders") == ([{"order": 1}], False)
    assert items_of({"orders": [1], "x": 1}, "orders") == ([{"orders": [1], "x": 1}], False)


def test_a_block_is_the_event_that_consumers_know() -> None:
    orders = [accepted(ORDER | {"order": name}) for name in ("1", "2")]
    at = datetime(2026, 3, 31, tzinfo=UTC)
    block = msgspec.json.decode(
        blocks.block([order.encoded for order in orders], at), type=OrdersAccepted
    )
    expected = [order.event for order in orders if isinstance(order.event, Order)]
    assert block == OrdersAccepted(accepted_at=at, orders=tuple(expected))
    assert json.loads(blocks.block([], at))["type"] == "OrdersAccepted"


def test_blocks_are_bounded_in_orders_and_bytes() -> None:
    assert [len(block) for block in blocks.in_blocks([b"x"] * 1201)] == [500, 500, 201]
    sizes = [300_000, 300_000, 100, 900_000, 1]
    assert [
        [len(order) for order in block]
        for block in blocks.in_blocks([b"x" * size for size in sizes])
    ] == [
        [300_000],
        [300_000, 100],
        [900_000],
        [1],
    ]


def test_empty_members_of_gzip_are_bound_by_what_comes() -> None:
    empty = gzip.compress(b"")
    with pytest.raises(TooLarge):
        Gunzip(1_000).feed(empty * 51)
    with pytest.raises(NotJson, match="more than 1000 gzip members"):
        Gunzip(1_000_000).feed(empty * 1_001)
    fine = Gunzip(1_000_000)
    assert fine.feed(empty * 999 + gzip.compress(b"a")) == b"a"
    fine.end()
