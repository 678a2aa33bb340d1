"""How an outside diameter is read: any of the ways people write it, to canonical decimal inches
(product.md 1, *OD*).

`5 1/2`, `5-1/2"`, `5½ in`, `5.500` and `139.7 mm` are all "5.5". Typographic marks are made plain
before anything is looked at. What cannot be read for certain is no OD and a warning; it never costs
the order. The organization's size table is read first, so any text can be taught.

Listed sizes: API Specification 5CT (casing, tubing) and ASME B36.10M (pipe). Millimetres are how
those sizes are printed, rounded to 0.1 mm, or to whole millimetres from 400 mm on, so a printed
figure is read as the size that it stands for. Without a unit such a figure may be either, and is no
size; no listed size in inches is one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from shared.domain.money import plain_decimal
from shared.domain.typography import plain_marks

LONGEST = 64  # characters; nothing that names a size is longer
MILLIMETRES_SUSPECTED_ABOVE = 100  # inches: a bare number above this is more often millimetres
REFUSED_FROM = 1000  # inches
WHOLE_MILLIMETRES_FROM = 400

NPS_INCHES: dict[str, str] = (
    {  # ASME B36.10M: nominal pipe size -> outside diameter; from 14 on they are the same
        "1/8": "0.405",
        "1/4": "0.54",
        "3/8": "0.675",
        "1/2": "0.84",
        "3/4": "1.05",
        "1": "1.315",
        "5/4": "1.66",
        "3/2": "1.9",
        "2": "2.375",
        "5/2": "2.875",
        "3": "3.5",
        "7/2": "4",
        "4": "4.5",
        "5": "5.563",
        "6": "6.625",
        "8": "8.625",
        "10": "10.75",
        "12": "12.75",
    }
    | {str(size): str(size) for size in (*range(14, 50, 2), *range(52, 84, 4))}
)

API_5CT_INCHES = (
    *("1.05", "1.315", "1.66", "1.9", "2.063", "2.375", "2.875", "3.5", "4", "4.5"),  # tubing
    *(
        "5",
        "5.5",
        "6.625",
        "7",
        "7.625",
        "7.75",
        "8.625",
        "9.625",
        "9.875",
        "10.75",
        "11.75",
        "13.375",
        "16",
        "18.625",
        "20",
    ),
)

_VULGAR = {
    **{
        "½": "1/2",
        "⅓": "1/3",
        "⅔": "2/3",
        "¼": "1/4",
        "¾": "3/4",
        "⅕": "1/5",
        "⅖": "2/5",
        "⅗": "3/5",
        "⅘": "4/5",
        "⅙": "1/6",
    },
    **{
        "⅚": "5/6",
        "⅐": "1/7",
        "⅛": "1/8",
        "⅜": "3/8",
        "⅝": "5/8",
        "⅞": "7/8",
        "⅑": "1/9",
        "⅒": "1/10",
    },
}
_VULGAR_CHARACTER = re.compile(f"(?:(?<=[0-9])-)?([{''.join(_VULGAR)}])")
_NUMBER = (
    r"(?P<decimal>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"|(?:(?P<whole>[0-9]+)(?: ?- ?| ))?(?P<over>[0-9]+) ?/ ?(?P<under>[0-9]+)"
)
_SIZE = re.compile(
    rf"(?P<nps>nps ?)?(?:{_NUMBER})"
    r"(?: ?(?:(?P<inches>\"|''|inches|inch|in\.?)|(?P<millimetres>mm\.?|millimet(?:re|er)s?)))?"
    r"(?P<nps_behind> ?nps)?"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """`value` is canonical decimal inches without trailing zeros ("5.5", "2.063", "6"), None when
    it cannot be read for certain.

    `warning` says why, or what was assumed.
    """

    value: str | None
    warning: str | None = None


class TaughtSizes(dict[str, str]):
    """An organization's size table with its keys as they are looked up. Build it once where many
    texts are read.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        super().__init__((_key(plain_marks(text)), table[text]) for text in sorted(table))


NOTHING = Reading(None)


def read_od(text: str | None, table: Mapping[str, str]) -> Reading:
    """Read one OD under an organization's size table (raw text -> decimal inches,
    or `TaughtSizes` of it).
    """
    plain = "" if text is None else plain_marks(text)
    if not plain.strip():
        return NOTHING
    if table:
        taught = (table if isinstance(table, TaughtSizes) else TaughtSizes(table)).get(_key(plain))
        if taught is not None:
            return _taught(taught)
    return _read(plain)


def read_number(text: str) -> Decimal | None:
    """The one syntax of decimals in settings: ASCII digits, at most one point, at most one sign.
    None for all else that Python reads (`5_0`, `5E0`, blanks), so that no two readers disagree.
    """
    plain = plain_decimal(text)
    return None if plain is None else Decimal(plain)


def _taught(inches: str) -> Reading:
    """An entry of a size table. One that is no number came before entries were read strictly."""
    number = read_number(inches)
    if number is None:
        return Reading(None, "no size: its entry in the size table is no number")
    return _in_inches(Fraction(number))


def _read(text: str) -> Reading:
    if len(text) > LONGEST:
        return Reading(None, f"no size: longer than {LONGEST} characters")
    if not text.isascii():
        text = _VULGAR_CHARACTER.sub(lambda found: f" {_VULGAR[found[1]]}", text)
    found = _SIZE.fullmatch(" ".join(text.lower().split()))
    number = None if found is None else _number(found)
    if found is None or number is None:
        return Reading(None, "cannot be read for certain as a size in inches or millimetres")
    if found["nps"] or found["nps_behind"]:
        if found["millimetres"] or (found["nps"] and found["nps_behind"]):
            return Reading(None, "an NPS size is one number, in inches")
        return _nominal(number)
    if found["millimetres"]:
        return (
            _in_millimetres(number)
            if found["decimal"]
            else Reading(None, "millimetres are written as decimals")
        )
    reading = _in_inches(number)
    if found["inches"] or reading.value is None:
        return reading
    if found["decimal"] and _in_millimetres(number).value in _LISTED:
        return Reading(None, "no size: millimetres? write the unit, or teach it in the size table")
    if number > MILLIMETRES_SUSPECTED_ABOVE:
        return Reading(reading.value, "read as inches: millimetres?")
    return reading


def _key(text: str) -> str:
    """Case and blanks are ignored."""
    return "".join(text.split()).casefold()


def _number(found: re.Match[str]) -> Fraction | None:
    """The number that was matched; None for a fraction that is not a proper one
    (`11/2` may be 5.5 or 1 1/2).
    """
    if found["decimal"]:
        return Fraction(found["decimal"].rstrip(".") or "0")
    over, under = int(found["over"]), int(found["under"])
    if not 0 < over < under:
        return None
    return int(found["whole"] or 0) + Fraction(over, under)


def _nominal(number: Fraction) -> Reading:
    inches = NPS_INCHES.get(str(number))
    return Reading(inches) if inches else Reading(None, "is not an NPS size of ASME B36.10")


def _in_millimetres(number: Fraction) -> Reading:
    listed = _LISTED_BY_TENTHS.get(number * 10)
    if listed is None and number >= WHOLE_MILLIMETRES_FROM:
        listed = _LISTED_BY_WHOLE.get(number)
    return Reading(listed) if listed else _in_inches(number * 10 / 254)


def _in_inches(number: Fraction) -> Reading:
    """Rounded half up to three places."""
    thousandths = (number.numerator * 2000 + number.denominator) // (2 * number.denominator)
    if thousandths <= 0:
        return Reading(None, "no size: nothing is left of it in thousandths of an inch")
    if thousandths >= REFUSED_FROM * 1000:
        return Reading(None, f"no size: {REFUSED_FROM} inches or more")
    whole, rest = divmod(thousandths, 1000)
    return Reading(f"{whole}.{rest:03}".rstrip("0").rstrip("."))


def _listed(unit_millimetres: Fraction) -> dict[Fraction, str]:
    """Listed sizes by their millimetres in whole units. One that lies on a tie is printed both ways
    (273.05: 273.0 and 273.1).
    """
    found: dict[Fraction, str] = {}
    for inches in _LISTED:
        exact = Fraction(inches) * Fraction(254, 10) / unit_millimetres
        down = exact.numerator // exact.denominator
        for unit in (down, down + 1):
            if abs(unit - exact) <= Fraction(1, 2):
                found[Fraction(unit)] = inches
    return found


_LISTED = frozenset((*NPS_INCHES.values(), *API_5CT_INCHES))
_LISTED_BY_TENTHS = _listed(Fraction(1, 10))
_LISTED_BY_WHOLE = _listed(Fraction(1))
