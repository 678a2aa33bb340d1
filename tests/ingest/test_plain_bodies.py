"""Orders by the short way are what they are by the long one: the same answer, byte by
byte, and the same bytes for Kafka.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.acceptance import accept_order
from services.ingest.bodies import NotJson, items_of, read_json
from services.ingest.intake import KINDS, read_items, take_in
from services.ingest.plain_bodies import accept_plain, read
from services.ingest.problems import respond
from shared.domain.sizes import TaughtSizes
from tests.ingest import hostile
from tests.ingest.test_acceptance import LINE, ORDER, TERMS

SHORT = KINDS["orders"]
LONG = replace(SHORT, accept=accept_order)
TAUGHT = replace(
    TERMS, currency="KWD", most_lines=3, sizes=TaughtSizes({"6 SCH 40": "6.625", "200": "7"})
)

TEXTS = [
    "x",
    " P ",
    "Ölrohr",
    'a"b',
    "a\\b",
    "a\\",
    ":",
    "\x7f",
    "a\u00a0",
    "\u2003",
    "é" * 150,
    "x" * 201,
    "=?a?q?b?=",
]
IDS = ["O-1", "O-2", "ß", "a b", " a", "a\t", "x" * 101, "ü" * 101, *TEXTS, *hostile.IN_AN_ID]
MONEY = [
    "10.00",
    "0",
    "-3.5",
    "+1",
    ".5",
    "1.005",
    "0.0000001",
    "100000000000.00",
    "100000000000.01",
    "10000000000000.00",
    "9" * 33,
    "",
    " 1",
    "1e3",
    "١",
    10,
    1.5,
    True,
]
SIZES = ["5.5", "5 1/2", '5 1/2"', " 7 ", "", "6 SCH 40", "200", "nonsense", 5.5, 7, *TEXTS]
DAYS = [
    "2026-03-30",
    "2026-03-31",
    "2026-04-01",
    "2026-04-02",
    "2026-03-30T23:30:00Z",
    "2026-W13-1",
    "20260330",
    *hostile.NO_DAY,
]
REVISIONS = [0, 1, 7, 2**53, 2**53 + 1, 10**21, -1, 1.0, "1", True]
UNUSUAL: list[Any] = [None, [], {}, 0]

EMPTY_LINE: dict[str, Any] = {**LINE, "od": None, "grade": " ", "quantity": None}

HOW_RARE = 12  # of so many values one is of another kind: an order mostly has one fault, or none


def mostly(good: list[Any], others: list[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, HOW_RARE).flatmap(
        lambda n: st.sampled_from([*others, *UNUSUAL] if n == 0 else good)
    )


LINES = st.fixed_dictionaries(
    {"product": mostly(["P", "Q-7"], TEXTS), "revenue": mostly(MONEY[:3], MONEY)},
    optional={
        "od": mostly(SIZES[:4], SIZES),
        "grade": mostly(["J-55", "L80"], TEXTS),
        "quantity": mostly(["2", "0012.50"], MONEY),
    },
)
ORDERS = st.fixed_dictionaries(
    {
        "order": mostly(IDS[:4], IDS),
        "account": mostly(["A-1", "Büro"], IDS),
        "ordered_on": mostly(DAYS[:2], DAYS),
        "lines": st.lists(LINES, min_size=1, max_size=2) | mostly([[LINE]], [[], [LINE] * 4]),
    },
    optional={
        "account_name": mostly(["Acme", "Ölwerk 👩\u200d🏭"], [*TEXTS, *hostile.IN_A_NAME]),
        "revision": mostly(REVISIONS[:3], REVISIONS),
        "status": mostly(["open", "cancelled"], ["Canceled", " OPEN", "closed"]),
        "currency": mostly(["USD"], ["usd", "KWD", "EUR", ""]),
        "total": mostly(["10.00", "20.00"], ["9.99", "10.01", "10.02", "9.985", *MONEY]),
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """JSON, in all the ways it is written, with a field too many, twice or gone now and then."""
    orders = draw(st.lists(ORDERS, min_size=1, max_size=3))
    value: Any = draw(st.sampled_from([orders, {"orders": orders}, orders[0]]))
    ascii_only = draw(st.booleans()) or "\\ud" in json.dumps(
        value
    )  # a lone surrogate can only be written as an escape
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]))
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
    name = draw(
        st.sampled_from(["order", "lines", "od", "revision", "total", "revenue", "product"])
    )
    match draw(st.integers(0, 20)):
        case 0:
            text = text.replace("{", f'{{"{name}": null,', draw(st.integers(1, 3)))
        case 1:
            text = text.replace(
                f'"{name}"',
                draw(st.sampled_from(['"other"', '"\\u006fd"', '"account"', '"quantity"'])),
                1,
            )
        case 2:
            text = draw(st.sampled_from(["\ufeff", " \n", "\x0c"])) + text
        case 3:
            cut = draw(st.integers(0, len(text)))
            text = (
                text[:cut]
                + draw(
                    st.sampled_from(["", '"', "\\", "}", "]", ",", "\x01", "\\u0000", "\\/", "1"])
                )
                + text[cut:]
            )
        case 4:
            text = text[: draw(st.integers(0, len(text)))]
    return text.encode()


def answered(body: bytes, *, short: bool, terms: Any) -> tuple[int, bytes, list[bytes]] | str:
    """(status, body of the answer, bytes for Kafka), or why nothing of it can be read."""
    try:
        items, batch = (
            read_items(SHORT, body, most_levels=500)
            if short
            else items_of(read_json(body), "orders")
        )
    except NotJson as error:
        return str(error)
    intake = take_in(SHORT if short else LONG, items, terms, source="http")
    answer = respond(intake, batch=batch, duplicate=False)
    return answer.status_code, bytes(answer.body), [one.encoded for one in intake.accepted]


@given(bodies(), st.sampled_from([TERMS, TAUGHT]))
def test_both_ways_give_one_answer_and_one_record(body: bytes, terms: Any) -> None:
    assert answered(body, short=True, terms=terms) == answered(body, short=False, terms=terms)


@given(st.binary(max_size=50) | st.text('{}[]":,\\ordelins01 ', max_size=30).map(str.encode))
def test_both_ways_say_the_same_of_what_is_no_order(body: bytes) -> None:
    assert answered(body, short=True, terms=TERMS) == answered(body, short=False, terms=TERMS)


@pytest.mark.parametrize(
    "order",
    [
        ORDER,
        hostile.ORDER,
        ORDER
        | {
            "account_name": "Ölwerk",
            "revision": 7,
            "status": "cancelled",
            "currency": "USD",
            "total": "10.00",
        },
        {**ORDER, "account_name": None, "revision": None, "status": None, "lines": [EMPTY_LINE]},
    ],
)
def test_what_the_documents_show_goes_the_short_way(order: dict[str, Any]) -> None:
    for value, is_batch in ((order, False), ([order, order], True), ({"orders": [order]}, True)):
        found = read(json.dumps(value).encode())
        assert found is not None
        orders, batch = found
        assert batch is is_batch
        assert all(accept_plain(one, TERMS) for one in orders)


@pytest.mark.parametrize("twice", ['{"order": "O-1",', '{"account": "A-2", "account": "A-2",'])
def test_a_key_that_comes_twice_goes_the_long_way(twice: str) -> None:
    assert read(json.dumps(ORDER).replace("{", twice, 1).encode()) is None


def test_a_sum_that_is_too_large_goes_the_long_way_and_is_refused_there() -> None:
    dearest = LINE | {"revenue": "100000000000.00"}
    body = json.dumps(ORDER | {"lines": [dearest] * 101}).encode()
    found = read(body)
    assert found is not None
    assert accept_plain(found[0][0], TERMS) is None
    assert answered(body, short=True, terms=TERMS) == answered(body, short=False, terms=TERMS)
