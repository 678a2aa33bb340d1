"""Delimited text in any dialect -> frames of raw cells with the physical lines they come from.

A line without a quote character is split by Polars; one with it goes through Python's csv module, which knows that an inch mark
inside an unquoted cell (`5 1/2"`) opens nothing. A quoted cell may span lines; a quote that never ends costs its own line
only. So one stray character cannot swallow the rows behind it, and each row knows its line.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from services.ingest.mapping import Mapping, known_columns
from services.ingest.sources import Source
from shared.errors import FieldError, Rejected

CANDIDATES = (",", ";", "\t", "|")
HEAD_CHARACTERS = 200_000
LONGEST_LINE = 10_000_000  # characters
LONGEST_CELL_LINES = 100  # a quoted cell of more lines is a quote that never ends
MORE_CELLS = "the row has more cells than the header"
OPEN_QUOTE = "a quote that does not end"
LINE, TROUBLE = "#line", "#trouble"  # columns beside the cells, which are named by their place: "0", "1", …

csv.field_size_limit(1_000_000)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file's lines are made. `first_line`: the physical line of the first row."""

    header: tuple[str, ...]
    delimiter: str
    quote: str
    escape: str | None
    newline: str
    first_line: int

    @cached_property
    def width(self) -> int:
        return len(self.header)


def sniff(source: Source, kind: str, mapping: Mapping) -> Dialect:
    """The dialect from the beginning of the file. Raises Rejected for an empty file."""
    head = ""
    for text in source.texts():
        head += text
        if len(head) > HEAD_CHARACTERS:
            head = head[:HEAD_CHARACTERS]
            break
    newline = "\r" if re.match(r"[^\r\n]*\r(?!\n)", head) else "\n"  # by the first line: a quoted cell may hold other ones
    lines = [line.removesuffix("\r") for line in head.split(newline)]
    at = next((number for number, line in enumerate(lines) if line.strip()), None)
    if at is None:
        raise Rejected(FieldError(field=str(source.path), reason="is empty"))
    delimiter = mapping.delimiter
    told = re.fullmatch(r"sep=([^\w\s\"']|\t)", lines[at].strip(" \r"))
    if told is not None and at + 1 < len(lines):
        delimiter, at = delimiter or told[1], at + 1
    quote = "'" if '"' not in head and re.match(r"\s*'[^']*'", lines[at]) else '"'
    escape = "\\" if quote * 2 not in head and re.search(rf"\\{quote}(?![,;\t|\n\r]|$)", head) else None

    def parsed(candidate: str) -> tuple[list[str], int]:
        reader = csv.reader((line + "\n" for line in lines[at:]), delimiter=candidate, quotechar=quote, escapechar=escape)
        try:
            return next(reader), reader.line_num
        except (csv.Error, StopIteration):
            return [], 0

    best = delimiter or max(CANDIDATES, key=lambda one: (known_columns(parsed(one)[0], kind, mapping), len(parsed(one)[0])))
    header, used = parsed(best)
    if not used:
        raise Rejected(FieldError(field=str(source.path), reason=f"its header in line {at + 1} cannot be read"))
    while header and not header[-1].strip():
        header.pop()
    return Dialect(header=tuple(header), delimiter=best, quote=quote, escape=escape, newline=newline, first_line=at + used + 1)


def frames(source: Source, dialect: Dialect) -> Iterator[pl.DataFrame]:
    """Frames of the file's rows in order: cells by place as text, `#line`, `#trouble` (why the row cannot be read, or null)."""
    left: list[str] = []
    number = 1  # the physical line of left[0]
    for lines, last in _line_lists(source, dialect.newline):
        lines = left + lines
        skipped = max(0, dialect.first_line - number)
        lines, number = lines[skipped:], number + min(skipped, len(lines))
        frame, left = _frame(lines, number, dialect, last=last)
        number += len(lines) - len(left)
        if frame.height:
            yield frame


def _line_lists(source: Source, newline: str) -> Iterator[tuple[list[str], bool]]:
    """(physical lines without their ends, whether these are the last), a piece at a time."""
    tail = ""
    for text in source.texts():
        *lines, tail = (tail + text).split(newline)
        if len(tail) > LONGEST_LINE:
            raise Rejected(FieldError(field=str(source.path), reason=f"has a line of more than {LONGEST_LINE} characters"))
        if lines:
            yield lines, False
    yield ([tail] if tail else []), True


def _frame(lines: list[str], number: int, dialect: Dialect, *, last: bool) -> tuple[pl.DataFrame, list[str]]:
    """(the rows of `lines`, of which the first is the physical line `number`; the lines of a row that goes on behind them)."""
    texts = pl.Series(LINE, lines, dtype=pl.String)
    if dialect.newline == "\n":
        texts = texts.str.strip_suffix("\r")
    special = texts.str.contains(dialect.quote, literal=True)
    if dialect.escape is not None:
        special |= texts.str.contains(dialect.escape, literal=True)
    quoted = _quoted_rows(texts, special.arg_true().to_list(), dialect, last=last)
    plain = pl.DataFrame({"text": texts, LINE: pl.int_range(number, number + len(texts), eager=True)}).head(quoted.end)
    plain = plain.filter(~special.head(quoted.end) & (plain["text"].str.strip_chars() != ""))
    if quoted.swallowed:
        plain = plain.filter(~pl.col(LINE).is_in([number + line for line in quoted.swallowed]))
    parts = [_split(plain, dialect)]
    if quoted.rows:
        parts.append(_aligned(quoted, number, dialect))
    rows = pl.concat(parts).sort(LINE) if len(parts) > 1 else parts[0]
    return rows, texts[quoted.end :].to_list()


def _split(plain: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    """Rows without a quote: the delimiter is all there is to know."""
    width = dialect.width
    names = [*map(str, range(width)), TROUBLE]
    cells = plain["text"].str.splitn(dialect.delimiter, width + 1).struct.rename_fields(names).struct.unnest()
    surplus = pl.col(TROUBLE).str.strip_chars(dialect.delimiter + " \t") != ""
    return cells.with_columns(plain[LINE], pl.when(surplus).then(pl.lit(MORE_CELLS)).alias(TROUBLE))


@dataclass(kw_only=True)
class _Quoted:
    """Rows with a quote. `lines` and `swallowed` count from the frame's first line, `end` is where a row goes on behind it."""

    rows: list[list[str]]
    lines: list[int]
    troubles: list[str | None]
    swallowed: list[int]
    end: int


def _quoted_rows(texts: pl.Series, special: Sequence[int], dialect: Dialect, *, last: bool) -> _Quoted:
    found = _Quoted(rows=[], lines=[], troubles=[], swallowed=[], end=len(texts))
    behind = 0
    for start in special:
        if start < behind:
            continue
        row, used = _row(texts, start, dialect, strict=False)
        trouble = None
        if used != 1:
            longer, used = _row(texts, start, dialect, strict=True)
            if longer is not None and len(longer) == dialect.width:
                row = longer
                found.swallowed += range(start + 1, start + used)
            elif not last and longer is None and start + LONGEST_CELL_LINES > len(texts):
                found.end = start
                break
            else:
                row, trouble, used = [texts[start]], OPEN_QUOTE, 1
        assert row is not None
        if any(cell.strip() for cell in row[dialect.width :]):
            trouble = MORE_CELLS
        behind = start + used
        found.rows.append(row)
        found.lines.append(start)
        found.troubles.append(trouble)
    return found


def _row(texts: pl.Series, start: int, dialect: Dialect, *, strict: bool) -> tuple[list[str] | None, int]:
    """(the row that starts here, how many lines it takes); (None, 0) where it does not end or is not well-formed."""
    taken = 0

    def lines() -> Iterator[str]:
        nonlocal taken
        most = LONGEST_CELL_LINES if strict else 1
        for taken in range(1, min(most, len(texts) - start) + 1):
            yield texts[start + taken - 1] + "\n"
        taken = 0

    reader = csv.reader(lines(), delimiter=dialect.delimiter, quotechar=dialect.quote, escapechar=dialect.escape, strict=strict)
    try:
        row = next(reader)
    except (csv.Error, StopIteration):
        return None, 0
    return (row, taken) if taken else (None, 0)


def _aligned(quoted: _Quoted, number: int, dialect: Dialect) -> pl.DataFrame:
    """The same columns as `_split` makes."""
    width = dialect.width
    rows = [(row + [None] * (width - len(row)))[:width] for row in quoted.rows]
    cells = {str(place): [row[place] for row in rows] for place in range(width)}
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(cells, pl.String)
    return pl.DataFrame(cells, schema=schema).with_columns(
        pl.Series(TROUBLE, quoted.troubles, dtype=pl.String),
        pl.Series(LINE, [number + line for line in quoted.lines], dtype=pl.Int64),
    ).select(*cells, TROUBLE, LINE)  # fmt: skip
