"""How figures are said to people, in mails and pages: money, sizes, days, ages, counts, names.

All of it is text; who shows it does no arithmetic. Currency symbols, marks of numbers and
the names of days are Babel's.
"""

import re
import unicodedata
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import NumberPattern, get_currency_symbol

from shared.domain.money import minor_places
from shared.domain.outcomes import Kind as OutcomeKind
from shared.domain.typed_numbers import NumberMarks, NumberStyle, shown, shown_amount
from shared.events import Combo, SignalType

LOCALE = "en_US"
NO_BREAK = "\u00a0"
SIXTEENTHS = 16
USUAL_DECIMALS = (".", ",")
USUAL_GROUPS = (".", ",", "’", NO_BREAK, "\u202f")
TYPE_LETTERS: dict[SignalType, str] = {"dormant": "A", "lapse": "B", "cherry_picking": "C"}
TYPE_NAMES: dict[SignalType, str] = {
    "dormant": "Dormant",
    "lapse": "Product lapse",
    "cherry_picking": "Cherry-picking",
}
TYPE_TITLES = TYPE_NAMES | {"dormant": "Fully dormant"}  # where a mail or a draft is named for it
OUTCOME_NAMES: dict[OutcomeKind, str] = {
    "reached_out": "Reached out",
    "won_back": "Won back",
    "lost": "Lost",
}

_BIDI = "\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_BIDI}\ud800-\udfff\ue000-\uf8ff\ufeff]+")


# -- locales ---------------------------------------------------------------------------------------


def known_locale(text: str) -> str | None:
    """The locale's one name (`de_DE`, `zh_Hans_CN`), None where there is none, or none whose
    numbers can be typed with 0 to 9.
    """
    try:
        locale = str(Locale.parse(text.replace("-", "_")))
        number_style("USD", locale)
    except (ValueError, UnknownLocaleError):
        return None
    return locale


@lru_cache(maxsize=256)
def number_style(currency: str, locale: str = LOCALE) -> NumberStyle:
    """How an organization types numbers and amounts. Raises ValueError for
    marks that no usual keyboard has.
    """
    found = Locale.parse(locale)
    marks = found.number_symbols["latn"]
    decimal, group = marks["decimal"], marks["group"]
    symbols = {
        get_currency_symbol(currency, locale=found),
        get_currency_symbol(currency, locale=LOCALE),
    }
    symbols |= {symbol.strip("\u200e\u200f") for symbol in symbols}
    narrow = {
        symbol[-1] for symbol in symbols if unicodedata.category(symbol[-1]) == "Sc"
    }  # CA$ is $ at home
    return NumberStyle(
        locale=locale,
        currency=currency,
        places=minor_places(currency),
        numbers=_marks(decimal, group, found.decimal_formats[None]),
        amounts=_marks(
            marks.get("currencyDecimal", decimal),
            marks.get("currencyGroup", group),
            found.currency_formats["standard"],
        ),
        signs=frozenset({currency} | symbols | narrow),
    )


def _marks(decimal: str, group: str, pattern: NumberPattern) -> NumberMarks:
    nearest, further = pattern.grouping
    if (
        decimal not in USUAL_DECIMALS
        or group not in USUAL_GROUPS
        or nearest != 3
        or further not in (2, 3)
    ):
        raise ValueError(f"numbers with {decimal} and {group} between groups of {nearest}")
    return NumberMarks(decimal=decimal, group=group, nearest=nearest, further=further)


# -- money -----------------------------------------------------------------------------------------


def money(cents: int, currency: str, locale: str = LOCALE) -> str:
    """To the whole unit: $1,842,360."""
    return money_units(whole_units(cents, currency), currency, locale)


def whole_money(cents: int, style: NumberStyle) -> str:
    """To the whole unit, as the organization writes it."""
    return money(cents, style.currency, style.locale)


def exact_money(cents: int, style: NumberStyle) -> str:
    """To the minor unit, where there are any: $1,842,360 and $1,200.50."""
    return _signed(cents, style.currency, style.locale, shown_amount(abs(cents), style))


def money_units(units: int, currency: str, locale: str = LOCALE) -> str:
    """Whole units of the currency, as they are said."""
    return _signed(
        units, currency, locale, shown(Decimal(abs(units)), number_style(currency, locale).amounts)
    )


def whole_units(cents: int, currency: str) -> int:
    """Rounded half away from zero."""
    return int(_units(cents, currency).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def short_money(cents: int, currency: str, locale: str = LOCALE) -> str:
    """What fits a column: $9,412, $986k, $1.84M, $3.20B."""
    units = abs(_units(cents, currency))
    for least, divisor, places, suffix in (
        (Decimal(999_995_000), 10**9, 2, "B"),
        (Decimal(999_500), 10**6, 2, "M"),
        (Decimal("9999.5"), 10**3, 0, "k"),
    ):
        if units >= least:
            number = (units / divisor).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
            return _signed(
                cents,
                currency,
                locale,
                shown(number, number_style(currency, locale).amounts) + suffix,
            )
    return money(cents, currency, locale)


def _units(cents: int, currency: str) -> Decimal:
    return Decimal(cents).scaleb(-minor_places(currency))


def _signed(amount: int, currency: str, locale: str, digits: str) -> str:
    symbol, is_first, gap = _placed(currency, locale)
    placed = f"{symbol}{gap}{digits}" if is_first else f"{digits}{gap}{symbol}"
    return f"{'−' if amount < 0 else ''}{placed}"


@lru_cache(maxsize=256)
def _placed(currency: str, locale: str) -> tuple[str, bool, str]:
    """(the currency's symbol, whether it stands before the digits, what is between)."""
    found = Locale.parse(locale)
    symbol = get_currency_symbol(currency, locale=found)
    pattern = found.currency_formats["standard"].pattern.partition(";")[0]
    is_first = pattern.index("¤") < pattern.index("0")
    is_apart = any(blank in pattern for blank in (NO_BREAK, "\u202f"))
    return (
        symbol,
        is_first,
        NO_BREAK if is_apart or (symbol[-1:] if is_first else symbol[:1]).isalpha() else "",
    )


# -- sizes and shares ------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def size(od: str | None) -> str:
    """Inches as they are painted on the pipe: 5.5 is 5 1/2, 2.063 (2 1/16, rounded to three
    places) is 2 1/16, else decimals.
    """
    if od is None:
        return "no size"
    inches = Decimal(od)
    whole = int(inches)
    for over in range(SIXTEENTHS):
        exact = whole + Decimal(over) / SIXTEENTHS
        if exact.quantize(Decimal("0.001"), rounding=ROUND_HALF_UP) == inches:
            part = Fraction(over, SIXTEENTHS)
            return " ".join(str(piece) for piece in (whole, part) if piece) or "0"
    return format(inches, "f")


def combo_words(combo: Combo) -> str:
    """A size and a grade: 5 1/2 J55; what is missing is said."""
    if combo.od is not None and combo.grade is not None:
        return f"{size(combo.od)} {combo.grade}"
    return f"{size(combo.od)}, {combo.grade or 'no grade'}"


def percent(bps: int) -> str:
    """Basis points as a percentage, a decimal only where there is one: 84 %, 80.4 %."""
    return f"{Decimal(bps) / 100:.1f}".removesuffix(".0") + f"{NO_BREAK}%"


def share(text: str) -> str:
    """A share as `numerator/denominator` in percent: 62 %."""
    return percent(round(Fraction(text) * 10_000))


# -- days and ages ---------------------------------------------------------------------------------


def long_day(day: date) -> str:
    """Monday 23 November 2026."""
    return format_date(day, "EEEE d MMMM y", locale=LOCALE)


def near_day(day: date) -> str:
    """Monday 30 November, where the year goes without saying."""
    return format_date(day, "EEEE d MMMM", locale=LOCALE)


def short_day(day: date, *, seen_from: date) -> str:
    """19 Jul, with its year when that is another than `seen_from`'s."""
    return format_date(day, "d MMM" if day.year == seen_from.year else "d MMM y", locale=LOCALE)


def exact_day(day: date) -> str:
    """23 Nov 2026."""
    return format_date(day, "d MMM y", locale=LOCALE)


def exact_time(at: datetime, timezone: str) -> str:
    """23 Nov 2026, 07:58:03 CST: in the organization's zone, to the second."""
    local = at.astimezone(ZoneInfo(timezone))
    return f"{exact_day(local.date())}, {local:%H:%M:%S %Z}"


def clock_time(at: datetime, timezone: str) -> str:
    """08:00, in the organization's zone."""
    return at.astimezone(ZoneInfo(timezone)).strftime("%H:%M")


def age(length: timedelta) -> str:
    """The largest unit that fits: 2 minutes, 5 hours, 3 days; whole ones."""
    minutes = int(max(length, timedelta()) / timedelta(minutes=1))
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return counted(minutes, "minute")
    if minutes < 48 * 60:
        return counted(minutes // 60, "hour")
    return counted(minutes // (24 * 60), "day")


def city(timezone: str) -> str:
    """The zone as people say it: America/Chicago is Chicago."""
    return timezone.rsplit("/", 1)[-1].replace("_", " ")


# -- counts and names ------------------------------------------------------------------------------


def count(number: int) -> str:
    """1,204."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """1 account, 23 accounts."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def plain_name(text: str, *, longest: int = 200) -> str:
    """A name from outside on one line: no controls, no bidi marks of its own, no
    private-use characters; cut at `longest`.
    """
    name = " ".join(_UNSAFE.sub(" ", text).split())
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def isolated(name: str) -> str:
    """For plain text: a name with right-to-left letters, kept from turning the rest of
    the line around (U+2068, U+2069).
    """
    turns = any(unicodedata.bidirectional(character) in ("R", "AL") for character in name)
    return f"\u2068{name}\u2069" if turns else name
