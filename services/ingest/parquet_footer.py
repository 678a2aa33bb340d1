"""What Polars does not say of a Parquet file: which of its naive times are moments in UTC.

Older tools (Hive, Impala, Spark before 3, parquet-mr before 1.11) write a moment as INT96, or with
a converted type alone; both stand for UTC (parquet-format, *LogicalTypes.md*, *TIMESTAMP*), and
Polars reads both as times of no zone. The footer is read in Thrift's compact protocol, no more of
it than the schema.
"""

import struct
from pathlib import Path
from typing import NamedTuple

INT96 = 3
TIMESTAMP_MILLIS, TIMESTAMP_MICROS = 9, 10
LARGEST_FOOTER = 16_000_000  # bytes: more columns than anybody has
DEEPEST = 30

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = (
    *(0, 1, 2, 3, 7, 8, 9, 10, 11),
    12,
)
_SCHEMA = 2  # of FileMetaData
_TYPE, _NAME, _CHILDREN, _CONVERTED, _LOGICAL = 1, 4, 5, 6, 10  # of SchemaElement


class Element(NamedTuple):
    """A node of the schema: the numbers of parquet.thrift."""

    name: str
    type: int | None
    children: int
    converted: int | None
    has_logical: bool


def moments(path: Path) -> frozenset[str]:
    """The top-level columns whose naive times are moments in UTC; none where the footer is of
    another kind: whether the file is sound is for its reader to say.
    """
    try:
        with path.open("rb") as file:
            file.seek(-8, 2)
            length, magic = struct.unpack("<I4s", file.read(8))
            if magic != b"PAR1" or length > LARGEST_FOOTER:
                return frozenset()
            file.seek(-8 - length, 2)
            elements = _Reader(file.read(length)).schema()
    except (OSError, ValueError, IndexError, struct.error):
        return frozenset()
    return frozenset(
        one.name
        for one in _top_level(elements)
        if one.type == INT96
        or (one.converted in (TIMESTAMP_MILLIS, TIMESTAMP_MICROS) and not one.has_logical)
    )


def _top_level(elements: list[Element]) -> list[Element]:
    """The children of the root: the list is the tree, depth first."""
    found, left = [], list[int]()
    for element in elements[1:]:
        if not left:
            found.append(element)
        else:
            left[-1] -= 1
        if element.children:
            left.append(element.children)
        while left and left[-1] == 0:
            left.pop()
    return found


class _Reader:
    """Thrift's compact protocol. Raises ValueError, IndexError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def schema(self) -> list[Element]:
        last = 0
        while (kind := self._byte()) != _STOP:
            last = self._field(kind, last)
            if last == _SCHEMA and kind & 15 == _LIST:
                return [self._element() for _ in range(self._size())]
            self._skip(kind & 15)
        return []

    def _element(self) -> Element:
        name, type_, children, converted, has_logical, last = "", None, 0, None, False, 0
        while (kind := self._byte()) != _STOP:
            last = self._field(kind, last)
            if last == _NAME:
                name = self._bytes().decode()
            elif last == _TYPE:
                type_ = self._number()
            elif last == _CHILDREN:
                children = self._number()
            elif last == _CONVERTED:
                converted = self._number()
            else:
                has_logical = has_logical or last == _LOGICAL
                self._skip(kind & 15)
        return Element(name, type_, children, converted, has_logical)

    def _field(self, kind: int, last: int) -> int:
        return last + (kind >> 4) if kind >> 4 else self._number()

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("no number")
        return value | byte << shift

    def _number(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _bytes(self) -> bytes:
        length = self._varint()
        self._at += length
        if self._at > len(self._data):
            raise ValueError("cut")
        return self._data[self._at - length : self._at]

    def _size(self) -> int:
        kind = self._byte()
        return kind >> 4 if kind >> 4 < 15 else self._varint()

    def _skip(self, kind: int, depth: int = 0) -> None:
        if depth > DEEPEST:
            raise ValueError("too deep")
        if kind in (_TRUE, _FALSE):
            return
        if kind == _BYTE:
            self._at += 1
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            self._bytes()
        elif kind in (_LIST, _SET):
            header = self._byte()
            size = header >> 4 if header >> 4 < 15 else self._varint()
            for _ in range(size):
                self._skip(_BYTE if header & 15 in (_TRUE, _FALSE) else header & 15, depth + 1)
        elif kind == _MAP:
            size = self._varint()
            kinds = self._byte() if size else 0
            for _ in range(size):
                self._skip(kinds >> 4, depth + 1)
                self._skip(kinds & 15, depth + 1)
        elif kind == _STRUCT:
            while (inner := self._byte()) != _STOP:
                if not inner >> 4:
                    self._number()
                self._skip(inner & 15, depth + 1)
        else:
            self._number()
