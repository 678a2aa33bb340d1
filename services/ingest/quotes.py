"""Rows whose lines have quotes: which lines are one row, which quote is a stray
one, and what nobody can tell.

A line that is well-formed by itself (RFC 4180) is a row; so are lines that are well-formed
together, unless each of them could be a row by itself. An inch mark inside a cell opens nothing (`5
1/2"`, `"5 1/2" casing"`). A quote that no later quote can end costs its own line only. Where a
later one may end it, every line from the first to the last is in doubt: text that may stand inside
a quoted cell is never an order.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from services.ingest.dialects import Dialect

LONGEST_CELL_LINES = 1_000  # a quote that no other ends within so many lines is a stray one
MORE_CELLS = "the row has more cells than the header"
OPEN_QUOTE = "a quote that does not end"
IN_DOUBT = "may stand inside the quote that opens in line"  # and which

csv.field_size_limit(1_000_000)


@dataclass(kw_only=True)
class QuotedRows:
    """`lines` and `swallowed` count from the frame's first line; `end` is where a row goes on
    behind the frame. `texts`: of rows with a trouble, as in `lines.frames`.
    """

    rows: list[list[str]]
    lines: list[int]
    troubles: list[str | None]
    texts: list[str | None]
    swallowed: list[int]
    end: int

    def add(
        self, line: int, row: list[str], trouble: str | None = None, text: str | None = None
    ) -> None:
        self.rows.append(row)
        self.lines.append(line)
        self.troubles.append(trouble)
        self.texts.append(text)


def quoted_rows(
    texts: pl.Series, special: Sequence[int], number: int, dialect: Dialect, *, last: bool
) -> QuotedRows:
    """The rows that begin at the `special` lines: those with a quote. `number`: the
    physical line of the first of `texts`.
    """
    found = QuotedRows(rows=[], lines=[], troubles=[], texts=[], swallowed=[], end=len(texts))
    behind = 0
    for nth, start in enumerate(special):
        if start < behind:
            continue
        row, used = parsed(texts, start, 1, dialect, strict=True), 1
        if row is None:
            row = parsed(texts, start, 1, dialect, strict=False)
            if row is None or ends_inside(texts[start], dialect):
                end = _end(texts, special[nth + 1 :], start, dialect)
                if end is None and not last and start + LONGEST_CELL_LINES > len(texts):
                    found.end = start
                    break
                if end is not None:
                    used = end - start
                    row = parsed(texts, start, used, dialect, strict=True)
                    found.swallowed += range(start, end)
                    if row is None or not _is_one_row(row, texts[start:end].to_list(), dialect):
                        _doubt(found, start, texts[start:end].to_list(), number)
                        behind = end
                        continue
            if (
                row is not None
                and used == 1
                and any(dialect.quote in cell for cell in _needed(row, dialect))
            ):
                row = None  # a quote that is part of no id, day or amount
        behind = start + used
        if row is None:
            found.add(start, [texts[start]], OPEN_QUOTE, texts[start])
        elif _has_more(row, dialect):
            found.add(start, row, MORE_CELLS, "\n".join(texts[start:behind]))
        else:
            found.add(start, row)
    return found


def parsed(
    texts: Sequence[str] | pl.Series, start: int, count: int, dialect: Dialect, *, strict: bool
) -> list[str] | None:
    """The row that so many lines are; None where they are not exactly one,
    or (`strict`) not well-formed.
    """
    taken = 0

    def lines() -> Iterator[str]:
        nonlocal taken
        for taken in range(1, count + 1):
            yield texts[start + taken - 1] + "\n"
        taken = 0

    reader = csv.reader(
        lines(),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        strict=strict,
    )
    try:
        row = next(reader)
    except (csv.Error, StopIteration):
        return None
    return row if taken == count else None


def ends_inside(line: str, dialect: Dialect, *, inside: bool = False) -> bool | None:
    """True where the line ends inside a quoted cell, when such a cell ends only at a
    quote before a delimiter. None where the cell that is open at its beginning (`inside`)
    cannot be one: another opens in it.
    """
    quote, delimiter = dialect.quote, dialect.delimiter
    at, began_inside = 0, inside
    while at < len(line):
        if not inside:
            if line[at] == quote:
                inside, at = True, at + 1
            else:
                cell_end = line.find(delimiter, at)
                at = len(line) if cell_end < 0 else cell_end + 1
            continue
        mark = line.find(quote, at)
        if mark < 0:
            return True
        behind = line[mark + 1 : mark + 2]
        if dialect.escape is not None and _is_escaped(line, at, mark, dialect.escape):
            at = mark + 1
        elif behind == quote:
            at = mark + 2
        elif behind in ("", delimiter):
            inside, at, began_inside = False, mark + 2, False
        elif line[mark - 1 : mark] in (
            "",
            delimiter,
        ):  # another cell opens: the one before was none, or it ended before
            if began_inside:
                return None
            at = mark + 1
        else:
            at = mark + 1
    return inside


def _is_escaped(line: str, start: int, mark: int, escape: str) -> bool:
    before = line[start:mark]
    return (len(before) - len(before.rstrip(escape))) % 2 == 1


def _end(texts: pl.Series, special: Sequence[int], start: int, dialect: Dialect) -> int | None:
    """The line behind the row whose quote is open at the end of line
    `start`; None where nothing ends it.
    """
    for line in special:
        if line >= start + LONGEST_CELL_LINES:
            return None
        inside = ends_inside(texts[line], dialect, inside=True)
        if inside is None:
            return None
        if not inside:
            return line + 1
    return None


def _needed(row: list[str], dialect: Dialect) -> list[str]:
    return [row[place] for place in dialect.needed if place < len(row)]


def _has_more(row: list[str], dialect: Dialect) -> bool:
    return any(cell.strip() for cell in row[dialect.width :])


def _is_one_row(row: list[str], lines: list[str], dialect: Dialect) -> bool:
    """True where lines that are well-formed together can be nothing else."""
    if len(row) < dialect.least:
        return False
    return not all(_could_be_a_row(line.split(dialect.delimiter), dialect) for line in lines)


def _could_be_a_row(cells: list[str], dialect: Dialect) -> bool:
    return (
        len(cells) >= dialect.least
        and bool(dialect.needed)
        and all(cells[place].strip() for place in dialect.needed)
    )


def _doubt(found: QuotedRows, start: int, lines: list[str], number: int) -> None:
    """Each line as a row that cannot be read."""
    text: str | None = "\n".join(lines)
    for at, line in enumerate(lines, start):
        if line.strip():
            found.add(at, [line], f"{IN_DOUBT} {number + start}", text)
            text = ""
