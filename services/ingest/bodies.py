"""Bytes from outside -> JSON values, strictly and within bounds (trust.md, *Hostile inputs*).

Numbers stay as they were written. A key that comes twice is kept under a name that no model has, so that it is refused with
the field's name and its neighbours go in. What is no JSON at all raises `NotJson`: one problem for the whole body.
"""

import json
import zlib
from dataclasses import dataclass
from typing import Any, NoReturn

REPEATED = "\x00repeated"


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


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=Number)


def read_json(body: bytes) -> Any:
    """The value of a UTF-8 JSON document. Raises NotJson."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotJson("the body is not UTF-8") from None
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise NotJson("the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"the body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None


class Gunzip:
    """Decompresses piece by piece and stops at the bound, so that a bomb costs no more than the bound."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._stream = zlib.decompressobj(wbits=31)

    def feed(self, piece: bytes) -> bytes:
        """Raises TooLarge, NotJson."""
        plain = b""
        while piece:
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
