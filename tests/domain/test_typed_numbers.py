"""Numbers as people type them, in several locales: what each text is read as, or with what words it
is refused.
"""

from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.typed_numbers import (
    NotANumber,
    NumberStyle,
    Unclear,
    read_amount,
    read_inches,
    read_percent,
    read_whole,
    shown,
    shown_amount,
)
from shared.wording import exact_money, known_locale, number_style

STYLES = {
    "US": ("USD", "en_US"),
    "UK": ("GBP", "en_GB"),
    "Germany": ("EUR", "de_DE"),
    "Switzerland": ("CHF", "de_CH"),
    "Romandy": ("CHF", "fr_CH"),
    "France": ("EUR", "fr_FR"),
    "Sweden": ("SEK", "sv_SE"),
    "India": ("INR", "en_IN"),
    "Brazil": ("BRL", "pt_BR"),
    "Japan": ("JPY", "ja_JP"),
    "Kuwait": ("KWD", "ar_KW"),
    "Kuwait, in English": ("KWD", "en"),
    "Canada": ("CAD", "en_CA"),
    "Chile, in units": ("CLF", "es_CL"),
}
TWO = "{} can be read as {} or as {}: write {}"


def style(where: str) -> NumberStyle:
    return number_style(*STYLES[where])


@pytest.mark.parametrize(
    ("where", "text", "cents"),
    [
        ("US", "100,000", 10_000_000),
        ("US", "100,000.00", 10_000_000),
        ("US", "100000", 10_000_000),
        ("US", "12.5", 1_250),
        ("US", "0.05", 5),
        ("US", ".5", 50),
        ("US", "1.0000", 100),  # four decimals are no group, and nothing is lost
        ("US", "100.000,00", 10_000_000),  # as in Germany, and in no other way
        ("US", "1.234.567", 123_456_700),
        ("US", "1 234,56", 123_456),
        ("US", "1’234.50", 123_450),
        ("US", "1'234.50", 123_450),
        ("US", "$1,234.50", 123_450),
        ("US", " + $ 1,234.50 ", 123_450),
        ("US", "usd 1,234.50", 123_450),
        ("US", "$1,234.50 USD", 123_450),
        ("US", "1,234.50\u00a0$", 123_450),
        ("UK", "£1,234", 123_400),
        ("UK", "1.234,56", 123_456),
        ("Germany", "100.000,00", 10_000_000),
        ("Germany", "100.000", 10_000_000),
        ("Germany", "100.000 €", 10_000_000),
        ("Germany", "EUR 12,5", 1_250),
        ("Germany", "12,50", 1_250),
        ("Germany", "0.5", 50),  # nothing is grouped by a zero
        ("Germany", "0,05", 5),
        ("Germany", "1,234.56", 123_456),
        ("Germany", "1,234,567", 123_456_700),
        ("Germany", "1 234,56", 123_456),
        ("Switzerland", "1’234’567.50", 123_456_750),
        ("Switzerland", "1'234.50", 123_450),
        ("Switzerland", "CHF 12,5", 1_250),
        ("Romandy", "1 234.50", 123_450),
        ("Romandy", "1 234,50", 123_450),
        ("France", "100\u202f000,00", 10_000_000),
        ("France", "100\u00a0000", 10_000_000),
        ("France", "100 000 €", 10_000_000),
        ("France", "12.5", 1_250),  # a dot groups nothing in France
        ("France", "100.000,00", 10_000_000),
        ("Sweden", "1\u00a0234,50 kr", 123_450),
        ("Sweden", "SEK 1 234", 123_400),
        ("India", "1,00,000", 10_000_000),
        ("India", "₹12,34,567.89", 123_456_789),
        ("India", "100,000", 10_000_000),
        ("India", "1,234,567", 123_456_700),
        ("Brazil", "R$ 1.234,56", 123_456),
        ("Brazil", "100.000", 10_000_000),
        ("Japan", "￥120,000", 120_000),
        ("Japan", "¥120000", 120_000),
        ("Japan", "120,000.00", 120_000),
        ("Kuwait", "1.234", 1_234),
        ("Kuwait", "120.500", 120_500),
        ("Kuwait", "1,234.5", 1_234_500),
        ("Kuwait, in English", "KWD 1.234", 1_234),
        ("Kuwait, in English", "1,234", 1_234_000),
        ("Canada", "$5", 500),
        ("Canada", "CA$5", 500),
        ("Chile, in units", "1,2345", 12_345),
    ],
)
def test_an_amount_is_what_it_says_in_its_locale(where: str, text: str, cents: int) -> None:
    assert read_amount(text, style(where)) == cents


@pytest.mark.parametrize(
    ("where", "text", "says"),
    [
        ("US", "100.000", TWO.format("100.000", "100", "100,000", "100 or 100,000")),
        ("US", "12,5", TWO.format("12,5", "12.5", "125", "12.5 or 125")),
        ("US", "1,50", TWO.format("1,50", "1.5", "150", "1.5 or 150")),
        ("US", "1.234", TWO.format("1.234", "1.234", "1,234", "1,234, or at most 2 decimals")),
        ("US", "$100.000", TWO.format("100.000", "100", "100,000", "100 or 100,000")),
        ("UK", "100.000", TWO.format("100.000", "100", "100,000", "100 or 100,000")),
        ("Germany", "1,234", TWO.format("1,234", "1,234", "1.234", "1.234, or at most 2 decimals")),
        ("Germany", "100,000", TWO.format("100,000", "100", "100.000", "100 or 100.000")),
        ("Germany", "1.5", TWO.format("1.5", "1,5", "15", "1,5 or 15")),
        ("Switzerland", "100.000", TWO.format("100.000", "100", "100’000", "100 or 100’000")),
        ("Switzerland", "100,000", TWO.format("100,000", "100", "100’000", "100 or 100’000")),
        ("France", "100.000", TWO.format("100.000", "100", "100\u202f000", "100 or 100\u202f000")),
        ("Sweden", "1,500", TWO.format("1,500", "1,5", "1\u00a0500", "1,5 or 1\u00a0500")),
        ("India", "100.000", TWO.format("100.000", "100", "1,00,000", "100 or 1,00,000")),
        ("Brazil", "12.5", TWO.format("12.5", "12,5", "125", "12,5 or 125")),
        ("Japan", "12,5", TWO.format("12,5", "12.5", "125", "125, or no decimals")),
        ("Japan", "1.234", TWO.format("1.234", "1.234", "1,234", "1,234, or no decimals")),
        ("Kuwait", "12,5", TWO.format("12,5", "12.5", "125", "12.5 or 125")),
    ],
)
def test_an_amount_with_two_readings_is_refused_and_both_are_named(
    where: str, text: str, says: str
) -> None:
    with pytest.raises(Unclear) as refused:
        read_amount(text, style(where))
    assert str(refused.value) == says


@pytest.mark.parametrize(
    ("where", "text", "says"),
    [
        ("US", "0.001", "must have at most 2 decimals"),
        ("US", "1 234.567", "must have at most 2 decimals"),
        ("Germany", "1,2345", "must have at most 2 decimals"),
        ("Japan", "12.5", "must have no decimals"),
        ("Kuwait", "1.2345", "must have at most 3 decimals"),
        ("US", "€5", "must be in USD, or without a currency"),
        ("US", "5 EUR", "must be in USD, or without a currency"),
        ("Germany", "$100.000", "must be in EUR, or without a currency"),
        ("Japan", "$5", "must be in JPY, or without a currency"),
    ],
)
def test_what_would_be_rounded_or_is_in_another_currency_is_refused(
    where: str, text: str, says: str
) -> None:
    with pytest.raises(Unclear) as refused:
        read_amount(text, style(where))
    assert str(refused.value) == says


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "-5",
            "−5",
            "(5)",
            "5-",
            "1e5",
            "½",
            "1½",
            "５",
            "٥",
            "0x10",
            "NaN",
            "Infinity",
            "1_000",
            "1__0",
            "a lot",
            "$",
        ),
        *(
            "1,00,000",
            "1,2,3",
            "1.2.3",
            "1.234.5",
            "1,234,5",
            "1.234,567.89",
            "12 5",
            "1 2345",
            "1 234.567,89",
            "1,234 567",
            "5.",
        ),
        *(
            ",",
            ".",
            "1..2",
            "1,.2",
            "+-5",
            "++5",
            "0,123,456",
            "\u202e5",
            "1\u200b000",
            "5\n6",
            "5\x00",
        ),
        *("9" * 25, "9" * 33, "9" * 5_000),
    ],
)
def test_what_is_no_amount_is_refused_plainly(text: str) -> None:
    with pytest.raises(NotANumber) as refused:
        read_amount(text, style("US"))
    assert not isinstance(refused.value, Unclear)


def test_the_example_of_a_refusal_is_in_the_locale_of_who_reads_it() -> None:
    for where, example in {
        "US": "1,234.50",
        "Germany": "1.234,50",
        "Japan": "1,234",
        "Switzerland": "1’234.50",
    }.items():
        with pytest.raises(NotANumber, match=f"must be a number such as {example}$"):
            read_amount("a lot", style(where))


@pytest.mark.parametrize(
    ("where", "text", "days"),
    [
        ("US", "90", 90),
        ("US", "3,650", 3_650),
        ("Germany", "3.650", 3_650),
        ("US", "90.0", 90),
        ("France", "3 650", 3_650),
    ],
)
def test_a_whole_number_is_read_in_its_locale(where: str, text: str, days: int) -> None:
    assert read_whole(text, style(where), most=3_650) == days


@pytest.mark.parametrize(
    ("where", "text", "says"),
    [
        ("US", "3.650", TWO.format("3.650", "3.65", "3,650", "3,650, or no decimals")),
        ("Germany", "3,650", TWO.format("3,650", "3,65", "3.650", "3.650, or no decimals")),
        ("US", "9,0", TWO.format("9,0", "9", "90", "9 or 90")),
        ("US", "1.5", "must have no decimals"),
        ("US", "9,000", TWO.format("9,000", "9", "9,000", "9")),
        ("Germany", "9.000", TWO.format("9.000", "9", "9.000", "9")),
    ],
)
def test_a_whole_number_that_may_be_two_is_refused(where: str, text: str, says: str) -> None:
    with pytest.raises(Unclear) as refused:
        read_whole(text, style(where), most=3_650)
    assert str(refused.value) == says


def test_inches_and_shares_are_read_in_their_locale() -> None:
    for text in ("6.625", '6.625"', "6.625 in", " 6.625 "):
        assert read_inches(text, style("US")) == "6.625"
    assert (read_inches("6,625", style("Germany")), read_inches("5.5", style("France"))) == (
        "6.625",
        "5.5",
    )
    assert (read_percent("80 %", style("US")), read_percent("33,3%", style("Germany"))) == (
        "80",
        "33.3",
    )
    for text, says in {
        "5,5": TWO.format("5,5", "5.5", "55", "5.5 or 55"),
        "6.6255": "must have at most 3 decimals",
        "5 1/2": "must be a number such as 5.5",
    }.items():
        with pytest.raises(NotANumber) as refused:
            read_inches(text, style("US"))
        assert str(refused.value) == says
    with pytest.raises(Unclear, match="12,5 or as 125"):
        read_percent("12.5", style("Germany"))


@pytest.mark.parametrize(
    ("where", "text", "inches"),
    [
        ("Germany", "9.625", ("9,625", "9.625", "9,625")),
        ("Germany", '9.625"', ("9,625", "9.625", "9,625")),
        ("US", "9,625", ("9.625", "9,625", "9.625")),
        ("US", "13,375", ("13.375", "13,375", "13.375")),
    ],
)
def test_a_size_that_no_pipe_has_is_refused_with_the_one_that_may_be_meant(
    where: str, text: str, inches: tuple[str, str, str]
) -> None:
    with pytest.raises(Unclear) as refused:
        read_inches(text, style(where))
    assert str(refused.value) == TWO.format(text.removesuffix('"'), *inches)


def test_a_share_above_all_is_refused_with_the_one_that_may_be_meant() -> None:
    with pytest.raises(Unclear) as refused:
        read_percent("33.333 %", style("Germany"))
    assert str(refused.value) == TWO.format("33.333", "33,333", "33.333", "33,333")


def test_what_is_too_large_however_it_is_read_is_for_the_field_to_refuse() -> None:
    assert read_inches("1.234.567", style("Germany")) == "1234567"
    assert read_whole("4.000.000", style("Germany"), most=90) == 4_000_000
    assert read_percent("101", style("US")) == "101"


@given(st.sampled_from(sorted(STYLES)), st.integers(min_value=0, max_value=10**16))
def test_what_is_shown_is_read_as_the_same(where: str, cents: int) -> None:
    there = style(where)
    for text in (shown_amount(cents, there), exact_money(cents, there)):
        assert read_amount(text, there) == cents, text
    whole = partial(read_whole, most=10**9)
    for places, most, read in (
        (0, 10**9, whole),
        (3, 999_999, read_inches),
        (3, 10**5, read_percent),
    ):
        number = Decimal(cents % (most + 1)).scaleb(-places)
        assert Decimal(read(shown(number, there.numbers), there)) == number


def test_what_is_shown_is_read_as_the_same_in_every_locale_that_can_be_chosen() -> None:
    from babel.localedata import locale_identifiers

    chosen = {
        known
        for name in locale_identifiers()
        if name != "root" and (known := known_locale(name)) is not None
    }
    assert len(chosen) > 1_000
    for locale in chosen:
        for currency in ("USD", "EUR", "JPY", "KWD"):
            there = number_style(currency, locale)
            for cents in (0, 1, 50, 100, 1_234, 123_456, 1_000_000, 123_456_789, 10**15):
                for text in (shown_amount(cents, there), exact_money(cents, there)):
                    assert read_amount(text, there) == cents, (locale, text)


@given(st.text(alphabet="0123456789.,' ’\u00a0", max_size=12), st.sampled_from(sorted(STYLES)))
def test_no_text_is_read_as_a_number_with_other_digits(text: str, where: str) -> None:
    """What is taken has the digits that were typed, in their order: marks move no digit and drop
    none.
    """
    there = style(where)
    try:
        cents = read_amount(text, there)
    except NotANumber:
        return
    typed = "".join(character for character in text if character.isdigit())
    assert str(cents).rstrip("0").lstrip("0") == typed.strip("0")


def test_a_locale_has_one_name_and_numbers_that_a_keyboard_types() -> None:
    assert {known_locale(text) for text in ("de_DE", "de-DE", "de_DE.UTF-8")} == {"de_DE"}
    for text in (
        "",
        "xx_XX",
        "../de",
        "de_DE\x00",
        "English",
        "tok",
        "nqo",
        "en_KW",
        "de DE",
        "d" * 5_000,
    ):
        assert known_locale(text) is None, text
