"""How a steel grade is read: `J-55`, `j 55` and `J55` are one grade (product.md 1, *Grade*)."""

import re
from collections.abc import Mapping

from shared.domain.typography import plain_marks

_BREAKS = re.compile(r"[\s\-_./]+")
_LETTERS_HYPHEN_DIGIT = re.compile(r"([A-Z]+)-(?=[0-9])")
_ASCII_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}


class TaughtGrades(dict[str, str]):
    """An organization's alias table, keys and values read as grades are. Build it once where many
    texts are read.
    """

    def __init__(self, aliases: Mapping[str, str]) -> None:
        super().__init__(
            (plain_grade(text), plain_grade(aliases[text])) for text in sorted(aliases)
        )


def read_grade(text: str | None, aliases: Mapping[str, str]) -> str | None:
    """Read one grade under an organization's aliases (text -> text, or `TaughtGrades` of them).
    None: there is no grade.
    """
    if text is None:
        return None
    plain = plain_grade(text)
    if not aliases:
        return plain or None
    taught = aliases if isinstance(aliases, TaughtGrades) else TaughtGrades(aliases)
    return taught.get(plain, plain) or None


def plain_grade(text: str) -> str:
    """Before aliases: plain marks, ASCII upper case, one hyphen for a run of blanks - _ . /, none
    between leading letters and a digit.
    """
    hyphened = _BREAKS.sub("-", plain_marks(text).translate(_ASCII_UPPER)).strip("-")
    letters = _LETTERS_HYPHEN_DIGIT.match(hyphened)
    return hyphened if letters is None else letters[1] + hyphened[letters.end() :]
