"""Cases of product.md 1, *Money*."""

import pytest

from shared.domain.money import (
    Amount,
    NotMoney,
    minor_places,
    plain_decimal,
    read_cents,
    read_money,
    saturated,
)

CASES = [
    ("0", 2, 0, False),
    ("12", 2, 1200, False),
    ("12.5", 2, 1250, False),
    ("12.50", 2, 1250, False),
    ("+12.5", 2, 1250, False),
    (".5", 2, 50, False),
    ("5.", 2, 500, False),
    ("-3.999", 2, -400, True),
    ("0.004999", 2, 0, True),
    ("0.005", 2, 1, True),
    ("-0.005", 2, -1, True),
    ("-0.0049", 2, 0, True),
    ("1.005", 2, 101, True),
    ("1.0050000000", 2, 101, True),
    ("1.123456", 2, 112, True),
    ("1.1000000000", 2, 110, False),
    ("12.5", 0, 13, True),
    ("12.499999", 0, 12, True),
    ("-12.5", 0, -13, True),
    ("1.2345", 3, 1235, True),
    ("1.234", 3, 1234, False),
    ("100000000000.00", 2, 10**13, False),
    ("-100000000000", 2, -(10**13), False),
    ("0000000000000000000000012.50", 2, 1250, False),
]

REFUSED = [
    *(
        "",
        " ",
        ".",
        "-",
        "+",
        "1.1234567",
        "NaN",
        "Infinity",
        "-inf",
        "1e3",
        "1E400",
        "1,000",
        "1 000",
        "1_000",
        "٣",
        "３",
    ),
    *(
        "0x10",
        "--1",
        "1.2.3",
        "$5",
        "5 USD",
        "12\n",
        "100000000000.01",
        "-100000000000.01",
        "1" * 40,
        "0." + "0" * 40,
    ),
]


@pytest.mark.parametrize(("text", "places", "cents", "lost"), CASES)
def test_money_is_rounded_half_up_away_from_zero(
    text: str, places: int, cents: int, lost: bool
) -> None:
    assert read_money(text, places) == Amount(cents, lost)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(NotMoney):
        read_money(text, 2)


@pytest.mark.parametrize(
    ("currency", "places"), [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("CLF", 4)]
)
def test_the_minor_unit_is_that_of_iso_4217(currency: str, places: int) -> None:
    assert minor_places(currency) == places


def test_cents_are_whole() -> None:
    assert read_cents("-1250") == -1250
    assert read_cents("1250.00") == 1250
    for text in ("1.5", "1.0001", "x", ""):
        with pytest.raises(NotMoney):
            read_cents(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("12.0", "12"),
        ("012", "12"),
        ("-0.50", "-0.5"),
        ("+3", "3"),
        (".5", "0.5"),
        ("-0", "0"),
        ("x", None),
        ("1e3", None),
    ],
)
def test_equal_numbers_are_equal_texts(text: str, plain: str | None) -> None:
    assert plain_decimal(text) == plain


def test_a_sum_over_orders_stays_at_the_largest_that_is_kept() -> None:
    largest = 2**62 - 1
    for cents in (0, 1, -1, largest, -largest):
        assert saturated(cents) == cents
    for beyond in (1, 10**30):
        assert saturated(largest + beyond) == largest
        assert saturated(-largest - beyond) == -largest
