"""Workbooks (xlsx, xlsb, xls, ods) -> the same frames of raw cells as text (`lines.py`).

calamine reads them, in a child of bounded memory (`sheet_reader.py`). A cell is the text that its
value stands for: a date its day, a number its exact decimal, a formula its value. Rows are counted
as the workbook does. What is merged over several rows stands in each of them, of the columns that
the lines of an order share.
"""

import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from services.ingest.dialects import LINE, TEXT, TROUBLE
from services.ingest.headers import LOOKED_THROUGH, find_header, is_whole
from services.ingest.mapping import OF_AN_ORDER, Mapping
from services.ingest.sources import Source
from shared.errors import FieldError, Rejected, printable
from shared.settings import settings

BATCH_ROWS = 50_000
LONGEST_CELL = 32_767  # characters: what Excel allows

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A sheet of a workbook. `head`: its first rows as (number, cells)."""

    number: int  # from 1
    name: str
    is_hidden: bool
    rows: int
    head: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """The sheet that is read, and where in it. `note`: what was assumed."""

    sheet: Sheet
    header: tuple[str, ...]
    first_row: int
    note: str | None = None


def sheets(source: Source) -> list[Sheet]:
    """All sheets with their first rows. Raises Rejected for what is no workbook, or too large."""
    _must_be_small(source)
    found = []
    for number, about in enumerate(_child(source, "heads", str(LOOKED_THROUGH)), 1):
        head = tuple((row[0], tuple(row[1:])) for row in about["head"])
        found.append(
            Sheet(
                number=number,
                name=about["name"],
                is_hidden=about["hidden"],
                rows=about["rows"],
                head=head,
            )
        )
    return found


def table(
    source: Source,
    kind: str,
    mapping: Mapping,
    *,
    among: Sequence[Sheet] | None = None,
    first: bool = False,
) -> Table:
    """The sheet that the mapping names, else the only one that can be meant, or, to look at, the
    `first` that has anything. Raises Rejected, with the names of the sheets.
    """
    there = sheets(source) if among is None else among
    try:
        sheet, note = _chosen(there, kind, mapping, source.path)
    except Rejected:
        able = [one for one in there if one.head and not one.is_hidden]
        if not first or mapping.sheet is not None or not able:
            raise
        sheet, note = able[0], "sheet in a mapping says which sheet is meant"
    if mapping.header_line == 0:
        width = max((len(cells) for _, cells in sheet.head), default=0)
        header = tuple(str(number) for number in range(1, width + 1))
        return Table(sheet=sheet, header=header, first_row=1, note=note)
    if mapping.header_line is not None:
        cells = dict(sheet.head).get(mapping.header_line, ())
        if not any(cell.strip() for cell in cells):
            reason = f"row {mapping.header_line} of {printable(sheet.name)} names no columns"
            raise Rejected(FieldError(field="--map: header_line", reason=reason))
        return Table(
            sheet=sheet, header=_trimmed(cells), first_row=mapping.header_line + 1, note=note
        )
    place = find_header(len(sheet.head), lambda at: sheet.head[at][1], kind, mapping)
    row, cells = sheet.head[place]
    return Table(sheet=sheet, header=_trimmed(cells), first_row=row + 1, note=note)


def frames(source: Source, found: Table, places: dict[str, int]) -> Iterator[pl.DataFrame]:
    """Frames of the rows below the header. `places`: ours -> place. Raises Rejected."""
    width, most = len(found.header), settings().import_max_rows
    filled = ",".join(str(places[name]) for name in OF_AN_ORDER if name in places)
    rows = _child(source, "rows", str(found.sheet.number - 1), str(found.first_row), filled)
    names, day = [str(place) for place in range(width)], places.get("ordered_on")
    schema = {LINE: pl.Int64, **dict.fromkeys(names, pl.String)}
    read = 0
    while batch := list(islice(rows, BATCH_ROWS)):
        read += len(batch)
        if read > most:
            raise Rejected(FieldError(field=str(source.path), reason=f"has more than {most} rows"))
        frame = pl.DataFrame(
            [(row[: width + 1] + [""] * (width + 1 - len(row))) for row in batch],
            schema=schema,
            orient="row",
        )
        if day is not None:
            frame = frame.with_columns(
                pl.col(str(day)).str.replace(r"\A([0-9]{4}-[0-9]{2}-[0-9]{2}) [0-9:.]+\z", "$1")
            )
        yield frame.with_columns(
            pl.lit(None, dtype=pl.String).alias(TROUBLE), pl.lit(None, dtype=pl.String).alias(TEXT)
        )


def _chosen(
    there: Sequence[Sheet], kind: str, mapping: Mapping, path: Path
) -> tuple[Sheet, str | None]:
    names = ", ".join(f"{one.number} {printable(one.name)}" for one in there)
    wanted = mapping.sheet
    if wanted is not None:
        for one in there:
            if wanted in (one.number, one.name):
                return one, None
        plain = str(wanted).strip().lower()
        alike = [one for one in there if plain == one.name.strip().lower()] or [
            one for one in there if plain == str(one.number)
        ]
        if len(alike) == 1:
            return alike[0], None
        reason = f"{path.name} has no sheet {wanted}: there are {names}"
        raise Rejected(FieldError(field="--map: sheet", reason=reason))
    filled = [one for one in there if not one.is_hidden and one.head]
    if len(filled) == 1:
        return filled[0], None
    if not filled:
        hidden = f", but for hidden sheets, which sheet in a mapping can name: {names}"
        is_hidden = any(one.head for one in there)
        raise Rejected(FieldError(field=str(path), reason=f"is empty{hidden if is_hidden else ''}"))
    whole = [one for one in filled if any(is_whole(cells, kind, mapping) for _, cells in one.head)]
    if len(whole) == 1:
        others = ", ".join(printable(one.name) for one in filled if one is not whole[0])
        return whole[0], f"{path.name}: sheet {printable(whole[0].name)} is read, not {others}"
    raise Rejected(
        FieldError(
            field="sheet",
            reason=f"{path.name} has several sheets: sheet in a mapping says which is meant, of "
            f"{names}",
        )
    )


def _trimmed(cells: tuple[str, ...]) -> tuple[str, ...]:
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def _must_be_small(source: Source) -> None:
    """Raises Rejected for a bomb: what the archive says of itself; what it does not say is a matter
    of the child's bounds.
    """
    most = settings().import_max_bytes
    size = source.path.stat().st_size
    if source.kind != "xls":
        with zipfile.ZipFile(source.path) as archive:
            size = sum(one.file_size for one in archive.infolist())
    if size > most:
        reason = f"is larger than {most} bytes when it is unpacked"
        raise Rejected(FieldError(field=str(source.path), reason=reason))


def _child(source: Source, *what: str) -> Iterator[Any]:
    """What the child says, line by line. Raises Rejected where it cannot read the workbook."""
    command = [sys.executable, "-P", "-m", "services.ingest.sheet_reader", str(source.path), *what]
    with subprocess.Popen(  # noqa: S603  # this very program
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        try:
            for line in child.stdout:
                yield _decode(line)
            said = child.stderr.read(100_000).decode(errors="replace")
            child.wait()
        finally:
            child.kill()
    if child.returncode:
        raise Rejected(FieldError(field=str(source.path), reason=_why(child.returncode, said)))


def _why(code: int, said: str) -> str:
    last = printable(said.strip().splitlines()[-1][:200]) if said.strip() else f"exit {code}"
    if code < 0 or "MemoryError" in said or "memory allocation" in said:
        return "is damaged, or has a sheet that is larger than memory: save it as CSV"
    return f"is a workbook that is damaged: {last}"
