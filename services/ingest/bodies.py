"""Bytes from outside -> JSON values, strictly and within bounds (trust.md, *Hostile inputs*).

Numbers stay as they were written. A key that comes twice is kept under a name that no model has, so
that it is refused with the field's name and its neighbours go in. What is no JSON at all raises
`NotJson`: one problem for the whole body.
"""

import json
import zlib
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn

REPEATED = "\x00repeated"
DEEPEST = 500  # levels, where nobody says otherwise
MOST_MEMBERS = 1_000  # of a gzip body: each copies what is behind it

# `curl --data` says application/x-www-form-urlencoded by itself.
JSON_TYPES = (
    "",
    "application/json",
    "text/json",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
)

_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: one level down, one up
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"\\'))


class NotJson(ValueError):
    """The body cannot be read; the message says why, for the sender."""


class TooLarge(ValueError):
    """The body is larger than the bound, as sent or after decompression."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a JSON document as it was written: `12.50`, `1e400`, `NaN`."""

    text: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, value in pairs:
            if name in seen:
                found[name + REPEATED] = value
            seen.add(name)
    return found


def _object_of_any_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Names with lone surrogates as their escapes: no field is called
    so, and the refusal can name it.
    """
    return _object(
        [(name.encode("utf-8", "backslashreplace").decode(), value) for name, value in pairs]
    )


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=Number
)
_careful = json.JSONDecoder(
    object_pairs_hook=_object_of_any_names,
    parse_float=Number,
    parse_int=Number,
    parse_constant=Number,
)


def wrong_media_type(header: str) -> str | None:
    """Why a body that says this of itself is not read; None where it is JSON, or says nothing."""
    media, _, parameters = header.partition(";")
    media = media.strip().lower()
    if media not in JSON_TYPES and not (
        media.startswith("application/") and media.endswith("+json")
    ):
        return "must be application/json"
    for parameter in parameters.lower().split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in (
            "utf-8",
            "utf8",
            "us-ascii",
        ):
            return "must have the charset utf-8"
    return None


def read_json(body: bytes, *, most_levels: int = DEEPEST) -> Any:
    """The value of a UTF-8 JSON document. Raises NotJson."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotJson("the body is not UTF-8") from None
    if deeper_than(body, most_levels):
        raise NotJson(f"the body is nested deeper than {most_levels} levels")
    try:
        return (_careful if "\\ud" in text or "\\uD" in text else _decoder).decode(text)
    except RecursionError:  # of a document that does not close what it opens
        raise NotJson(f"the body is nested deeper than {most_levels} levels") from None
    except json.JSONDecodeError as error:
        raise NotJson(
            f"the body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None


def deeper_than(body: bytes, levels: int) -> bool:
    """True for a document that nests deeper; of one that is no JSON it says nothing. One
    pass, without a parser's stack.
    """
    rest = (
        body.translate(None, _NO_BRACKETS)
        .replace(b"\\\\", b"")
        .replace(b'\\"', b"")
        .replace(b"\\", b"")
    )
    brackets = b"".join(rest.split(b'"')[::2])  # outside of texts
    return max(accumulate(memoryview(brackets.translate(_STEPS)).cast("b")), default=0) > levels


class Gunzip:
    """Decompresses piece by piece and stops at the bound, of what comes and of what it becomes, so
    that a bomb costs no more than the bound, and empty members are no way around it.
    """

    def __init__(self, most_bytes: int) -> None:
        self._left = self._packed_left = most_bytes
        self._members_left = MOST_MEMBERS
        self._stream = zlib.decompressobj(wbits=31)

    def feed(self, piece: bytes) -> bytes:
        """Raises TooLarge, NotJson."""
        plain = b""
        self._packed_left -= len(piece)
        if self._packed_left < 0:
            raise TooLarge
        while piece:
            if self._members_left == 0:
                raise NotJson(f"the body has more than {MOST_MEMBERS} gzip members")
            try:
                part = self._stream.decompress(piece, self._left + 1)
            except zlib.error:
                _not_gzip()
            plain += part
            self._left -= len(part)
            if self._left < 0:
                raise TooLarge
            if not self._stream.eof:
                break
            self._members_left -= 1
            piece = self._stream.unused_data  # a gzip file may have several members
            self._stream = zlib.decompressobj(wbits=31) if piece else self._stream
        return plain

    def end(self) -> None:
        """Raises NotJson where the stream was cut."""
        if not self._stream.eof:
            _not_gzip()


def _not_gzip() -> NoReturn:
    raise NotJson("the body is not gzip, though its Content-Encoding says so") from None


def items_of(value: Any, plural: str) -> tuple[list[Any], bool]:
    """(the items, whether it was a batch): one object, a list of them, or `{"orders": [...]}`."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get(plural), list):
        return value[plural], True
    if isinstance(value, list):
        return value, True
    return [value], False
