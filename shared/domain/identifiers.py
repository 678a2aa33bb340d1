"""What an id, a name or another text from outside may be (trust.md, *Hostile inputs*).

Ids become Kafka keys, file names, links and mail headers, so they hold nothing that is invisible or
that turns the reading direction. Names are for eyes: emoji and every script are fine, with the
joiners that they need. Texts (product, OD, grade) are kept as they were sent.
"""

import re

LONGEST_ID = 100  # characters
LONGEST_ID_BYTES = 200  # in UTF-8
LONGEST_NAME = 200
LONGEST_TEXT = 200

# Controls, line and paragraph separators, lone surrogates, and every format character (category Cf)
# up to U+FFFF and beyond: soft hyphen, Arabic marks, zero-width, bidi, invisible operators,
# byte-order mark, annotations, tags.
_CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
_BIDI = "\u202a-\u202e\u2066-\u2069"
_JOINERS_AND_MARKS = "\u200c-\u200f\u061c"  # emoji and several scripts cannot do without them
_OTHER_INVISIBLE = (
    "\xad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
# for a class of a regular expression: what no text for eyes needs
INVISIBLE = _BIDI + _OTHER_INVISIBLE
_FORMAT_BEYOND = "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
# Letters and marks that show nothing: the grapheme joiner, Hangul and Khmer
# fillers, variation selectors.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0080-\U000e0fff"
_WRONG_IN_ID = re.compile(
    f"[{_CONTROLS}{_BIDI}{_JOINERS_AND_MARKS}{_OTHER_INVISIBLE}{_FORMAT_BEYOND}{_BLANK}]"
)
_WRONG_IN_NAME = re.compile(f"[{_CONTROLS}{INVISIBLE}]")
# How an encoded word of RFC 2047 begins. Its end is looked for once, behind the first beginning: a
# pattern with both would look for it behind each, and a text may be nothing but beginnings.
_ENCODED_WORD = re.compile(r"=\?[^?]*\?[bq]\?", re.IGNORECASE)
_WRONG_IN_TEXT = re.compile("[\x00\ud800-\udfff]")  # what neither UTF-8 nor PostgreSQL can hold


# What exports write where there is nothing. Beside these, any of them in another case, but in a
# text for eyes: Null and Nan are names of people.
_NOTHING = frozenset(
    (
        *("null", "(null)", "<null>", "\\n", "#null!", "none", "nan", "nat", "<na>"),
        *("n/a", "#n/a", "-", "--", "\u2013", "\u2014"),
    )
)
_NAMES_OF_PEOPLE = frozenset(("Null", "Nan", "Nat"))
LONGEST_NOTHING = 6
_FORCED = re.compile(r'=\s*"([^"]*)"')
# 1.23457E+11, as spreadsheets and Java write a large number: digits of it are lost
_CUT = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]+|[+-]?[0-9]+[.,][0-9]+[eE]-?[0-9]+")


def is_nothing(text: str, *, in_an_id: bool = False) -> bool:
    """True for a word that stands where there is nothing: NULL, N/A, nan, - and their like."""
    return (
        len(text) <= LONGEST_NOTHING
        and text.lower() in _NOTHING
        and (in_an_id or text not in _NAMES_OF_PEOPLE)
    )


def is_cut(text: str) -> bool:
    """True for an id that a spreadsheet made a number in scientific notation: several ids become
    one.
    """
    return _CUT.fullmatch(text) is not None


def unforced(text: str) -> str:
    """An id without what makes a spreadsheet keep its zeros: `="001"` and `'001` are `001`."""
    formula = _FORCED.fullmatch(text)
    if formula is not None:
        return formula[1].strip()
    if text.startswith("'") and len(text) > 1 and not text.endswith("'"):
        return text[1:].strip()
    return text


def wrong_id(text: str) -> str | None:
    """Why `text` cannot be an id, in words; None when it can."""
    if not text:
        return "must not be empty"
    if len(text) > LONGEST_ID:
        return f"is longer than {LONGEST_ID} characters"
    found = _WRONG_IN_ID.search(text)
    if found is not None:
        return f"holds the character U+{ord(found[0]):04X}, which no id may"
    if not text.isascii() and len(text.encode()) > LONGEST_ID_BYTES:
        return f"is longer than {LONGEST_ID_BYTES} bytes in UTF-8"
    return None


def wrong_name(text: str) -> str | None:
    """Why `text` cannot be a name of an account or a person, in words; None when it can."""
    if not text:
        return "must not be empty"
    wrong = _wrong(text, LONGEST_NAME, _WRONG_IN_NAME, "name")
    if wrong is None and has_encoded_word(text):
        return "holds an encoded word (=?…?=), which no name may"
    return wrong


def has_encoded_word(text: str) -> bool:
    """True where mail programs would show another text (RFC 2047)."""
    begins = _ENCODED_WORD.search(text)
    return begins is not None and text.find("?=", begins.end()) >= 0


def wrong_text(text: str) -> str | None:
    """Why `text` cannot be kept as a product, an OD or a grade, in words; None
    when it can (empty too).
    """
    return _wrong(text, LONGEST_TEXT, _WRONG_IN_TEXT, "text")


def _wrong(text: str, longest: int, wrong: re.Pattern[str], what: str) -> str | None:
    if len(text) > longest:
        return f"is longer than {longest} characters"
    found = wrong.search(text)
    return (
        None if found is None else f"holds the character U+{ord(found[0]):04X}, which no {what} may"
    )
