"""How numbers that people type are read: amounts of money, whole numbers, inches,
shares (product.md 1, *Money*).

The law, for every field, verb and message where somebody types a number:

- The organization's locale decides. What is written in its style, no finer than the field takes,
  is what it says: `100.000` is a hundred thousand in Germany, `1.234` is a dinar and 234 fils in
  Kuwait.
- What the field cannot take so, and could take in another usual style, is refused, and both
  readings are named: `9.625` inches in Germany are 9,625, or 9.625 that no pipe has.
- Else every usual style is tried: a dot or a comma before the decimals; dots, commas, blanks or
  apostrophes between groups. One reading is taken, and whoever takes it shows it: `100.000,00` is
  a hundred thousand everywhere.
- What has two readings is refused, and both are named: `100.000` in dollars is 100 or 100,000. So
  is a lone mark that the locale groups with and that groups nothing: `12,5` in the United States
  is 12.5, or 125 with a slip.
- What a field would have to round is refused: nothing is taken away from a number in silence.
- The organization's currency may stand before or after, by its sign or its code; another one is
  refused. No other letters, no exponents, no fractions, no digits but 0 to 9, nothing below zero.

`shown` writes a number so that the same style reads it back.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.currencies import CURRENCIES
from shared.domain.money import LONGEST

INCH_PLACES = 3
LARGEST_INCHES = Decimal("999.999")
PERCENT_PLACES = 3
LARGEST_PERCENT = Decimal(100)
INCH_SIGNS = frozenset({'"', "″", "in"})
PERCENT_SIGNS = frozenset({"%"})

_BLANKS = " \u00a0\u2007\u2009\u202f"
_FOLDED = str.maketrans(dict.fromkeys(_BLANKS, " ") | {"’": "'"})
_DECIMALS = (".", ",")
_GROUPS = (".", ",", " ", "'")
_LETTERS = re.compile(r"[A-Za-z]{3}")
_MOST_DIGITS = 24  # beyond anything that a field takes, within what Decimal keeps


class NotANumber(ValueError):
    """The text is no number that a field takes; the message says so, for whoever typed it."""


class Unclear(NotANumber):
    """A number, but not for certain, or not exactly; the message says what to write instead."""


@dataclass(frozen=True, kw_only=True)
class NumberMarks:
    """How a locale writes numbers: what stands before the decimals, what between groups of digits.

    `nearest` and `further` are the sizes of the group before the decimals and of those before
    it: 3 and 3, in India 3 and 2.
    """

    decimal: str
    group: str
    nearest: int = 3
    further: int = 3


@dataclass(frozen=True, kw_only=True)
class NumberStyle:
    """How an organization writes numbers and money. `places` are its currency's; `signs` are
    what may stand beside an amount.
    """

    locale: str
    currency: str
    places: int
    numbers: NumberMarks
    amounts: NumberMarks
    signs: frozenset[str]


def read_amount(text: str, style: NumberStyle) -> int:
    """Minor units of the organization's currency, zero or more. Raises NotANumber."""
    plain = _without(text, style.signs)
    if _names_money(plain):
        raise Unclear(f"must be in {style.currency}, or without a currency")
    example = round(Decimal("1234.5"), style.places)
    return int(_read(plain, style.amounts, style.places, such_as=example).scaleb(style.places))


def read_whole(text: str, style: NumberStyle, *, most: int) -> int:
    """A whole number, zero or more: days, months. Raises NotANumber.

    most: what the field takes; of two readings it can take one alone. A number that is larger in
    every reading is returned: whoever checks the field says its range.
    """
    plain = _without(text, frozenset())
    return int(_read(plain, style.numbers, 0, such_as=Decimal(90), most=Decimal(most)))


def read_inches(text: str, style: NumberStyle) -> str:
    """Decimal inches as the settings keep them: "6", "5.5". Raises NotANumber."""
    plain, example = _without(text, INCH_SIGNS), Decimal("5.5")
    found = _read(plain, style.numbers, INCH_PLACES, such_as=example, most=LARGEST_INCHES)
    return format(found, "f")


def read_percent(text: str, style: NumberStyle) -> str:
    """A percentage as the settings keep it: "80", "33.3". Raises NotANumber."""
    plain, example = _without(text, PERCENT_SIGNS), Decimal(80)
    found = _read(plain, style.numbers, PERCENT_PLACES, such_as=example, most=LARGEST_PERCENT)
    return format(found, "f")


def shown(number: Decimal, marks: NumberMarks) -> str:
    """As it is typed in that locale: 1234.5 is 1,234.5 or 1.234,5 or 1 234,5."""
    whole, _, fraction = f"{abs(number):f}".partition(".")
    head, tail = whole[: -marks.nearest], whole[-marks.nearest :]
    groups = [tail]
    while head:
        groups.insert(0, head[-marks.further :])
        head = head[: -marks.further]
    return (
        ("−" if number < 0 else "")
        + marks.group.join(groups)
        + (marks.decimal + fraction if fraction else "")
    )


def shown_amount(cents: int, style: NumberStyle) -> str:
    """Minor units as they are typed: the decimals all, or none where they are zero."""
    amount = Decimal(cents).scaleb(-style.places)
    return shown(Decimal(int(amount)) if amount == int(amount) else amount, style.amounts)


# -- reading ---------------------------------------------------------------------------------------


def _read(
    text: str, marks: NumberMarks, places: int, *, such_as: Decimal, most: Decimal | None = None
) -> Decimal:
    plain = text.translate(_FOLDED)
    if sum(map(str.isdigit, plain)) > _MOST_DIGITS:
        raise NotANumber(f"has more than {_MOST_DIGITS} digits")
    own = _own(plain, marks)
    readings = _readings(plain, marks)
    if own is not None and -_exponent(own) <= places:
        if most is None or own <= most:
            return own
        taken = [one for one in readings if one <= most and _fits(one, places)]
        if taken:
            raise Unclear(_two_readings(text, [*taken, own], marks, places, most))
        return own
    if not readings:
        raise NotANumber(f"must be a number such as {shown(such_as, marks)}")
    if len(readings) > 1:
        raise Unclear(_two_readings(text, readings, marks, places, most))
    if not _fits(readings[0], places):
        raise Unclear(f"must have {_places_words(places)}")
    return readings[0] if -_exponent(readings[0]) <= places else _trimmed(readings[0])


def _own(plain: str, marks: NumberMarks) -> Decimal | None:
    """As the locale writes it, blanks and apostrophes between groups too."""
    groups = {marks.group.translate(_FOLDED), " ", "'"} - {marks.decimal}
    return next(
        (
            found
            for group in groups
            if (found := _styled(plain, marks.decimal, group, marks)) is not None
        ),
        None,
    )


def _readings(plain: str, marks: NumberMarks) -> list[Decimal]:
    """Every number that the text can stand for, the smallest first."""
    found = {
        number
        for decimal, group in _styles()
        if (number := _styled(plain, decimal, group, marks)) is not None
    }
    group = marks.group.translate(_FOLDED)
    if (
        _own(plain, marks) is None
        and group in _DECIMALS
        and re.fullmatch(rf"[1-9][0-9]*{re.escape(group)}[0-9]+", plain)
    ):
        found.add(Decimal(plain.replace(group, "")))
    return sorted(found)


def _styles() -> Iterator[tuple[str, str]]:
    return ((decimal, group) for decimal in _DECIMALS for group in _GROUPS if group != decimal)


def _styled(plain: str, decimal: str, group: str, marks: NumberMarks) -> Decimal | None:
    """The number, if this is how it is written: no groups at all, groups of three, or
    groups of the locale's own sizes.
    """
    mark = re.escape(group)
    threes = rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+"
    further = rf"[1-9][0-9]{{0,{marks.further - 1}}}(?:{mark}[0-9]{{{marks.further}}})*"
    own = rf"{further}{mark}[0-9]{{{marks.nearest}}}"
    found = re.fullmatch(
        rf"({threes}|{own}|[0-9]+|(?={re.escape(decimal)}))(?:{re.escape(decimal)}([0-9]+))?", plain
    )
    if found is None:
        return None
    whole = found[1].replace(group, "") or "0"
    return Decimal(whole if found[2] is None else f"{whole}.{found[2]}")


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # no NaN, no Infinity
    return exponent


def _fits(number: Decimal, places: int) -> bool:
    """Whether nothing is lost at so many places."""
    return number == round(number, places)


def _two_readings(
    text: str, readings: list[Decimal], marks: NumberMarks, places: int, most: Decimal | None
) -> str:
    written = [shown(_trimmed(number), marks) for number in readings]
    taken = [
        word
        for word, number in zip(written, readings, strict=True)
        if _fits(number, places) and (most is None or number <= most)
    ]
    instead = (
        " or ".join(taken)
        if all(_fits(number, places) for number in readings)
        else ", ".join([*taken, f"or {_places_words(places)}"])
    )
    return f"{text} can be read as {' or as '.join(written)}: write {instead}"


def _places_words(places: int) -> str:
    return "no decimals" if places == 0 else f"at most {places} decimals"


def _trimmed(number: Decimal) -> Decimal:
    """Without zeros at the end of its decimals."""
    return number.quantize(Decimal(1)) if number == int(number) else number.normalize()


# -- what stands beside a number -------------------------------------------------------------------


def _without(text: str, signs: frozenset[str]) -> str:
    """The number alone: no blanks around it, no plus, and one of `signs`
    less before it, and one after.
    """
    plain = _bare(text)
    if len(plain) > LONGEST:
        raise NotANumber(f"is longer than {LONGEST} characters")
    longest_first = sorted(signs, key=len, reverse=True)
    plain = _bare(plain.removeprefix("+"))
    before = next(
        (sign for sign in longest_first if plain.casefold().startswith(sign.casefold())), ""
    )
    plain = _bare(plain[len(before) :])
    after = next((sign for sign in longest_first if plain.casefold().endswith(sign.casefold())), "")
    plain = _bare(plain[: len(plain) - len(after)])
    return plain.removeprefix("+") if before else plain


def _bare(text: str) -> str:
    return text.strip(_BLANKS + "\t\r\n")


def _names_money(plain: str) -> bool:
    """Another currency's sign or code beside digits."""
    if not any(character.isdigit() for character in plain):
        return False
    codes = (code.upper() in CURRENCIES for code in _LETTERS.findall(plain))
    return any(unicodedata.category(character) == "Sc" for character in plain) or any(codes)
