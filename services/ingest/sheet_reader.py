"""The child that reads a workbook: calamine keeps a whole sheet in memory, and what a hostile file
makes of that is a matter of this process, whose memory has a bound.

    python -P -m services.ingest.sheet_reader PATH heads ROWS
    python -P -m services.ingest.sheet_reader PATH rows SHEET FIRST_ROW FILLED,COLUMNS

JSON lines on standard output: of `heads` a sheet each, of `rows` [row, cells…] for each row that is
not empty, rows from 1. What is wrong is one line on standard error, with exit code 1. Nothing but
the standard library and calamine is imported: a start costs little.
"""

import json
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import python_calamine as calamine

MEMORY_BYTES = 3_000_000_000
CPU_SECONDS = 900
EXACT_DIGITS = 15  # what a spreadsheet keeps of a number

Cells = list[str]


def main() -> None:
    path, what, *more = sys.argv[1:]
    bounded()
    out = sys.stdout
    try:
        with calamine.CalamineWorkbook.from_path(path) as book:
            if what == "heads":
                for sheet in heads(book, int(more[0])):
                    out.write(json.dumps(sheet) + "\n")
            else:
                filled = [int(place) for place in more[2].split(",") if place]
                for number, cells in rows(book, int(more[0]), int(more[1]), filled):
                    out.write(json.dumps([number, *cells]) + "\n")
        out.flush()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except (calamine.CalamineError, OSError, ValueError) as error:
        print(str(error)[:200], file=sys.stderr)
        sys.exit(1)


def bounded() -> None:
    """No more memory and time than a workbook needs."""
    for which, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_SECONDS)):
        _, hard = resource.getrlimit(which)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (allowed, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def heads(book: Any, most: int) -> Iterator[dict[str, Any]]:
    """Each sheet with its first rows; `rows` counts to the last that is used."""
    for number, about in enumerate(book.sheets_metadata):
        is_table = about.typ == calamine.SheetTypeEnum.WorkSheet
        sheet = book.get_sheet_by_index(number) if is_table else None
        first = [] if sheet is None else [list(row) for row in _head(sheet, most)]
        yield {
            "name": about.name,
            "hidden": about.visible != calamine.SheetVisibleEnum.Visible,
            "rows": 0 if sheet is None or sheet.end is None else sheet.end[0] + 1,
            "head": first,
        }


def _head(sheet: Any, most: int) -> Iterator[tuple[Any, ...]]:
    for number, cells in _numbered(sheet):
        if number > most:
            return
        yield number, *map(text_of, cells)


def rows(book: Any, sheet: int, first_row: int, filled: list[int]) -> Iterator[tuple[int, Cells]]:
    """(row, its cells) from `first_row` on. In `filled` columns a cell that is merged over several
    rows stands in each of them.
    """
    table = book.get_sheet_by_index(sheet)
    merged = [
        (top[0] + 1, bottom[0] + 1, place)
        for top, bottom in table.merged_cell_ranges or ()
        for place in filled
        if bottom[0] > top[0] and top[1] <= place <= bottom[1]
    ]
    starts: dict[int, list[tuple[int, int]]] = {}
    for top_row, bottom_row, place in merged:
        starts.setdefault(top_row, []).append((place, bottom_row))
    standing: dict[int, tuple[int, str]] = {}  # place -> the last row it stands in, its text
    for number, values in _numbered(table):
        if number < first_row:
            continue
        cells = [text_of(value) for value in values]
        for place, (last, text) in standing.items():
            if number <= last and place < len(cells) and not cells[place]:
                cells[place] = text
        for place, last in starts.get(number, ()):
            if place < len(cells):
                standing[place] = (last, cells[place])
        if any(cells):
            yield number, cells


def _numbered(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """(row from 1, its values): from column A on, wherever the used area begins."""
    if sheet.start is None:
        return
    yield from enumerate(sheet.iter_rows(), 1)


def text_of(value: Any) -> str:
    """The text that a cell stands for: of a number its exact decimal, to the digits that a
    spreadsheet keeps; one with more of them stays in scientific notation, since its last digits are
    lost.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        value = float(value)
    if isinstance(value, float):
        if abs(value) >= 10**EXACT_DIGITS:
            return f"{value:.{EXACT_DIGITS - 1}E}"
        if value.is_integer():
            return str(int(value))
        return format(Decimal(f"{value:.{EXACT_DIGITS}g}"), "f")
    if isinstance(value, datetime):
        return str(value.date() if value.time() == time() else value)
    if isinstance(value, date | time | timedelta):
        return str(value)
    return ""


if __name__ == "__main__":
    main()
