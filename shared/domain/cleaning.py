"""Texts that are only for show (names, products) -> what can be kept of them: they never cost a
record (product.md 11).

C1 controls are letters of cp1252 that somebody read as Latin-1, and become those letters. Line
breaks and other controls become blanks; what nobody sees or what turns the reading direction goes.
"""

import re
from dataclasses import dataclass

from shared.domain.identifiers import (
    INVISIBLE,
    LONGEST_NAME,
    LONGEST_TEXT,
    has_encoded_word,
    is_nothing,
)
from shared.domain.money import plain_decimal

_C1 = re.compile("[\x80-\x9f]")
_BLANKS = re.compile("[\x01-\x1f\x7f\u2028\u2029]+")
_UNSEEN = re.compile(f"[\x00\ud800-\udfff{INVISIBLE}]")
_QUANTITY = re.compile(r"([+-]?[0-9][0-9.,]*)\s*(?:[^\W\d_]{1,12}\.?)?")
_IN_THREES = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`text` is None where nothing is left; `changed` says what was changed, None where nothing
    was.
    """

    text: str | None
    changed: str | None


def clean_name(text: str) -> Cleaned:
    """As `clean`, of a name: nothing in it that mail programs show as other text."""
    cleaned = clean(text)
    if cleaned.text is None or not has_encoded_word(cleaned.text):
        return cleaned
    plain = cleaned.text.replace("=?", "= ?").replace("?=", "? =")[:LONGEST_NAME]
    said = [one for one in (cleaned.changed, "held an encoded word (=?…?=), now broken") if one]
    return Cleaned(plain, "; ".join(said))


def clean(text: str) -> Cleaned:
    """A text for eyes of at most LONGEST_TEXT characters, without blanks at its ends."""
    plain, said = text.strip(), list[str]()
    if is_nothing(plain):
        return Cleaned(None, None)
    for pattern, put, what in (
        (_C1, _letter, "was cp1252 read as Latin-1"),
        (_BLANKS, " ", "held a line break, a tab or a control, now a blank"),
        (_UNSEEN, "", "held a character that nobody sees, now left out"),
    ):
        found = pattern.search(plain)
        if found is not None:
            said.append(f"{what} (U+{ord(found[0][0]):04X})")
            plain = pattern.sub(put, plain)
    plain = plain.strip()
    if len(plain) > LONGEST_TEXT:
        said.append(f"was cut to {LONGEST_TEXT} characters")
        plain = plain[:LONGEST_TEXT].rstrip()
    return Cleaned(plain or None, "; ".join(said) or None)


def clean_quantity(text: str) -> Cleaned:
    """A quantity in its one canonical form, with a unit or none behind it; no quantity where it
    cannot be read for certain: `1,200` may be 1.2.
    """
    plain = plain_decimal(text)
    if plain is not None:
        return Cleaned(plain, None)
    found = _QUANTITY.fullmatch(text.strip())
    number = found[1] if found is not None else ""
    if _IN_THREES.fullmatch(number):
        number = number.replace(",", "")
    plain = plain_decimal(number)
    if plain is None:
        return Cleaned(None, "is no decimal number such as 12 or 0.5, and was left out")
    return Cleaned(plain, f"is read as {plain}")


def _letter(found: re.Match[str]) -> str:
    return found[0].encode("latin-1").decode("cp1252", "ignore")
