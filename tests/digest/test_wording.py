"""How figures are said."""

from datetime import date, datetime, timedelta

import pytest

from shared import wording
from shared.domain.sizes import read_od
from shared.events import Combo


@pytest.mark.parametrize(
    ("cents", "currency", "short", "exact"),
    [
        (0, "USD", "$0", "$0"),
        (49, "USD", "$0", "$0"),
        (50, "USD", "$1", "$1"),
        (941_249, "USD", "$9,412", "$9,412"),
        (999_949, "USD", "$9,999", "$9,999"),
        (999_950, "USD", "$10k", "$10,000"),
        (98_649_999, "USD", "$986k", "$986,500"),
        (99_949_999, "USD", "$999k", "$999,500"),
        (99_950_000, "USD", "$1.00M", "$999,500"),
        (184_236_000, "USD", "$1.84M", "$1,842,360"),
        (318_000_000, "EUR", "€3.18M", "€3,180,000"),
        (99_999_499_999, "USD", "$999.99M", "$999,995,000"),
        (99_999_500_000, "USD", "$1.00B", "$999,995,000"),
        (-184_236_000, "USD", "−$1.84M", "−$1,842,360"),
        (1_842_360, "JPY", "¥1.84M", "¥1,842,360"),
        (1_842_360, "KWD", "KWD\u00a01,842", "KWD\u00a01,842"),
        (184_236_000, "PLN", "PLN\u00a01.84M", "PLN\u00a01,842,360"),
    ],
)
def test_money_is_short_in_columns_and_exact_in_sums(
    cents: int, currency: str, short: str, exact: str
) -> None:
    assert wording.short_money(cents, currency) == short
    assert wording.money(cents, currency) == exact


@pytest.mark.parametrize(
    ("locale", "currency", "short", "exact"),
    [
        ("en_US", "USD", "$1.84M", "$1,842,360.50"),
        ("en_GB", "GBP", "£1.84M", "£1,842,360.50"),
        ("de_DE", "EUR", "1,84M\u00a0€", "1.842.360,50\u00a0€"),
        ("de_CH", "CHF", "CHF\u00a01.84M", "CHF\u00a01’842’360.50"),
        ("fr_FR", "EUR", "1,84M\u00a0€", "1\u202f842\u202f360,50\u00a0€"),
        ("sv_SE", "SEK", "1,84M\u00a0kr", "1\u00a0842\u00a0360,50\u00a0kr"),
        ("en_IN", "INR", "₹1.84M", "₹18,42,360.50"),
        ("pt_BR", "BRL", "R$\u00a01,84M", "R$\u00a01.842.360,50"),
    ],
)
def test_money_is_said_as_in_the_locale(locale: str, currency: str, short: str, exact: str) -> None:
    assert wording.short_money(184_236_050, currency, locale) == short
    assert wording.exact_money(184_236_050, wording.number_style(currency, locale)) == exact
    assert wording.exact_money(-50, wording.number_style(currency, locale)).startswith("−")


@pytest.mark.parametrize(
    ("od", "said"),
    [
        ("5.5", "5 1/2"),
        ("7", "7"),
        ("13.375", "13 3/8"),
        ("2.063", "2 1/16"),
        ("5.563", "5 9/16"),
        ("0.75", "3/4"),
        ("0.405", "0.405"),
        ("1.66", "1.66"),
        ("2.0625", "2.0625"),
        (None, "no size"),
    ],
)
def test_a_size_is_said_as_it_is_painted_on_the_pipe(od: str | None, said: str) -> None:
    assert wording.size(od) == said


def test_every_sixteenth_that_is_said_reads_back_as_the_same_size() -> None:
    for thousandths in range(1, 24_000):
        od = f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".")
        assert read_od(f"{wording.size(od)} in", {}).value == od


def test_what_a_combo_lacks_is_said() -> None:
    assert wording.combo_words(Combo(od="5.5", grade="J55")) == "5 1/2 J55"
    assert wording.combo_words(Combo(od="5.5", grade=None)) == "5 1/2, no grade"
    assert wording.combo_words(Combo(od=None, grade="J55")) == "no size, J55"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=-5), "less than a minute"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=59, seconds=59), "59 minutes"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(hours=47, minutes=59), "47 hours"),
        (timedelta(hours=48), "2 days"),
        (timedelta(days=1204), "1,204 days"),
    ],
)
def test_an_age_is_said_in_whole_units(length: timedelta, said: str) -> None:
    assert wording.age(length) == said


def test_days_are_said_without_arithmetic_left_to_the_reader() -> None:
    day = date(2026, 7, 19)
    assert wording.long_day(day) == "Sunday 19 July 2026"
    assert wording.short_day(day, seen_from=date(2026, 11, 23)) == "19 Jul"
    assert wording.short_day(day, seen_from=date(2027, 1, 4)) == "19 Jul 2026"
    assert (
        wording.clock_time(datetime.fromisoformat("2026-11-23T14:00:00Z"), "America/Chicago")
        == "08:00"
    )
    at = datetime.fromisoformat("2026-11-23T13:58:03Z")
    assert wording.exact_time(at, "America/Chicago") == "23 Nov 2026, 07:58:03 CST"


def test_shares_have_a_decimal_only_where_there_is_one() -> None:
    assert [wording.percent(bps) for bps in (8400, 8004, 8040, 10_000)] == [
        "84\u00a0%",
        "80\u00a0%",
        "80.4\u00a0%",
        "100\u00a0%",
    ]
    assert wording.share("31/50") == "62\u00a0%"


@pytest.mark.parametrize(
    ("hostile", "safe"),
    [
        ("x\r\nBcc: evil@example.com", "x Bcc: evil@example.com"),
        ("\u202egnirts\u202c", "gnirts"),
        ("a\u2028b\x00c\ue000d", "a b c d"),
        ("  many   blanks ", "many blanks"),
        ("👩🏽\u200d🔧", "👩🏽\u200d🔧"),
        ("A" * 201, "A" * 199 + "…"),
    ],
)
def test_a_name_is_one_line_and_turns_nothing_around(hostile: str, safe: str) -> None:
    assert wording.plain_name(hostile) == safe


def test_only_names_with_right_to_left_letters_are_isolated() -> None:
    assert wording.isolated("Acme") == "Acme"
    assert wording.isolated("شركة") == "\u2068شركة\u2069"
