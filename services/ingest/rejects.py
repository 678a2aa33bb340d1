"""The rejects file: all rows of what was refused, as they were, with file, line, column and reason,
so that they can be repaired and imported (`rejected.py` reads them).
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from services.ingest.columns import Note
from services.ingest.dialects import LINE, TEXT, TROUBLE, Dialect
from services.ingest.files import File
from services.ingest.quotes import parsed
from services.ingest.rejected import SIGNATURE, WHOLE_TEXTS, harmless
from shared.errors import FieldError, Rejected

Why = Callable[
    [int, pl.DataFrame], Mapping[int, Note]
]  # place of the file, a frame of its cells -> line -> why it is put aside


def write_rejects(
    path: Path, files: Sequence[File], why: Why, timezone: str, *, gaps: bool = False
) -> None:
    """Every row that `why` tells a note of. `gaps`: an empty line where rows between were left out,
    so that nothing is filled down over them. Raises Rejected where `path` cannot be written.
    """
    named = [_numbered(file) for file in files]
    headers = list(dict.fromkeys(key for names in named for key in names))
    titles = {
        key: name
        for names, file in zip(named, files, strict=True)
        for key, name in zip(names, file.header, strict=True)
    }
    dialects = [file.dialect for file in files if file.dialect is not None]
    try:
        with path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, delimiter=dialects[0].delimiter if dialects else ",")
            writer.writerow([*SIGNATURE, *(harmless(titles[key].strip()) for key in headers)])
            for place, file in enumerate(files):
                at, behind = [headers.index(key) for key in named[place]], 0
                for frame in file.all_frames(timezone):
                    notes = why(place, frame)
                    chosen = frame.with_row_index("#row").filter(pl.col(LINE).is_in(list(notes)))
                    for row in chosen.iter_rows(named=True):
                        cells = _cells(row, at, len(headers), file.dialect)
                        if cells is None:
                            continue
                        if gaps and (row["#row"] == 0 or row[LINE] != behind + 1):
                            writer.writerow([])
                        behind = row[LINE]
                        note = notes[row[LINE]]
                        writer.writerow(
                            [
                                harmless(file.name),
                                note.line,
                                note.column,
                                harmless(note.reason),
                                *map(harmless, cells),
                            ]
                        )
    except OSError as error:
        raise Rejected(
            FieldError(field="--rejects", reason=f"{path} cannot be written: {error.strerror}")
        ) from None


def _cells(
    row: Mapping[str, Any], at: Sequence[int], width: int, dialect: Dialect | None
) -> list[str] | None:
    """The row under the common header; None for one whose text was told with a row before it."""
    text = row[TEXT]
    if row[TROUBLE] is not None and row[TROUBLE].startswith(WHOLE_TEXTS):
        return [text] + [""] * (width - 1) if text else None
    cells = [""] * width
    for number, header_place in enumerate(at):
        cells[header_place] = row[str(number)] or ""
    there = [header_place for number, header_place in enumerate(at) if row[str(number)] is not None]
    if len(there) < len(at):  # it ends before its last cell, and so it does here
        cells = cells[: max(there, default=0) + 1]
    if text and dialect is not None:
        lines = text.split("\n")
        cells += (parsed(lines, 0, len(lines), dialect, strict=False) or [])[len(at) :]
    return cells


def _numbered(file: File) -> list[tuple[str, int]]:
    """What each column is: one of ours, else its name with how often it came before. A
    file may have several columns of one name, or of none; the files of an import may
    call one thing by several names.
    """
    ours = {place: name for name, place in file.places.items()}
    seen: dict[str, int] = {}
    found = []
    for place, name in enumerate(file.header):
        if place in ours:
            found.append((ours[place], -1))
            continue
        plain = name.strip()
        found.append((plain, seen.get(plain, 0)))
        seen[plain] = seen.get(plain, 0) + 1
    return found
