"""The numbers of files: amounts as programs write credits and currencies, and the marks between
their digits (interfaces.md, *Order lines as a file*).
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from shared.domain.cleaning import clean_quantity
from shared.domain.money import NotMoney, plain_decimal

BLANKS = "\u00a0\u2007\u2009\u202f"  # what stands between groups for a blank
APOSTROPHES = "\u2019\u02bc"
MINUS, BRACKETS, TRAILING = "minus", "brackets", "trailing"
FORMS = (MINUS, BRACKETS, TRAILING)  # of a credit, where the mapping does not say which

_SAME = str.maketrans(dict.fromkeys(BLANKS, " ") | dict.fromkeys(APOSTROPHES, "'"))
# the ones that no other currency of ISO 4217 is written with, and the dollar of the United States
_SIGNS = {"USD": ("US$", "$"), "EUR": ("\u20ac",), "INR": ("\u20b9",), "KRW": ("\u20a9",)}
_BRACKETS = re.compile(r"\(([^()-]+)\)")
_TRAILING = re.compile(r"([^()-]+)-")
_BARE = re.compile(rf"-?[0-9.][0-9., '_{BLANKS}{APOSTROPHES}]*")


def bare_amount(text: str, currency: str, forms: Sequence[str] = FORMS) -> str:
    """The amount with a minus before it or none, and without its currency: as programs write
    credits (`(12.50)`, `12.50-`, and the texts among `forms`: `12.50 CR`) and prices (`$12.50`,
    `12.50 USD`). What says two things at once (`(-5)`) stays what it is, and is no number.
    """
    plain = text.replace("\u2212", "-")
    found, inner = _credit(plain, forms)
    for sign in (currency, *_SIGNS.get(currency, ())):
        for sided in (inner.removeprefix(sign), inner.removesuffix(sign)):
            if sided != inner and _BARE.fullmatch(sided.strip()):
                bare = sided.strip()
                if found:
                    return plain if bare.startswith("-") else f"-{bare}"
                return bare
        if inner.startswith(f"-{sign}") and _BARE.fullmatch(inner[len(sign) + 1 :].strip()):
            bare = inner[len(sign) + 1 :].strip()
            return plain if found or bare.startswith("-") else f"-{bare}"
    if found and _BARE.fullmatch(inner) and not inner.startswith(("-", "+")):
        return f"-{inner}"
    return plain


def _credit(plain: str, forms: Sequence[str]) -> tuple[bool, str]:
    """(whether it is written as a credit in another way than by a minus before it, what is left
    without that).
    """
    for form, pattern in ((BRACKETS, _BRACKETS), (TRAILING, _TRAILING)):
        found = pattern.fullmatch(plain) if form in forms else None
        if found is not None:
            return True, found[1].strip()
    for mark in forms:
        if mark not in FORMS:
            size, folded = len(mark), plain.casefold()
            if folded.endswith(mark.casefold()):
                return True, plain[:-size].strip()
            if folded.startswith(mark.casefold()):
                return True, plain[size:].strip()
    return False, plain


def plain_number(text: str, *, decimal: str, thousands: str | None) -> str:
    """The number as decimal text, by the file's marks. Groups must be of three digits (or as in
    India, 12,34,567), so that `1,5` is never 15. Where the file does not say what stands between
    groups, only that is read which can be nothing else: `1,234.56`, never `1,234`.
    """
    text = text.translate(_SAME) if not text.isascii() else text
    mark = thousands.translate(_SAME) if thousands is not None else _group_mark(text, decimal)
    if mark is not None and mark in text:
        if not _grouped(mark, decimal).fullmatch(text):
            raise NotMoney("must be a number with its thousands in groups of three")
        text = text.replace(mark, "")
    if decimal == ".":
        return text
    if "." in text:
        raise NotMoney(f"must be a number with the decimal mark {decimal}")
    return text.replace(decimal, ".")


def _group_mark(text: str, decimal: str) -> str | None:
    """What can stand between the groups of this number alone."""
    for mark in ",. '_":
        if mark != decimal and mark in text:
            is_certain = decimal in text or text.count(mark) > 1 or mark in " '_"
            return mark if is_certain and _grouped(mark, decimal).fullmatch(text) else None
    return None


@lru_cache(maxsize=32)
def _grouped(mark: str, decimal: str) -> re.Pattern[str]:
    group, point = re.escape(mark), re.escape(decimal)
    threes = rf"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+"
    indian = rf"|[0-9]{{1,2}}(?:{group}[0-9]{{2}})+{group}[0-9]{{3}}" if mark == "," else ""
    return re.compile(rf"[+-]?(?:{threes}{indian})(?:{point}[0-9]*)?")


def file_quantity(
    text: str, numbers: Callable[[str], str]
) -> tuple[str | None, str | None, str | None]:
    """(a quantity by the file's marks, with a unit or none behind it; what is wrong, and what is
    worth a warning).
    """
    number = _UNIT.sub("", text).rstrip()
    try:
        quantity = plain_decimal(numbers(number))
    except NotMoney:
        quantity = None
    if quantity is None:
        cleaned = clean_quantity(text)
        return cleaned.text, None, cleaned.changed
    return quantity, None, None if number == text else f"is read as {quantity}"


_UNIT = re.compile(r"[^\W\d_]{1,12}\.?$")
