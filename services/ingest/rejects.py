"""The rejects file: the wrong rows as they were, with file, line, column and reason, so that they can be repaired."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from services.ingest.columns import Note
from services.ingest.files import File
from services.ingest.lines import LINE
from shared.errors import FieldError, Rejected

_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*")


def write_rejects(path: Path, files: Sequence[File], wrong: Mapping[int, Mapping[int, Note]], timezone: str) -> None:
    """`wrong`: place of the file -> line -> what is wrong with it first. Raises Rejected where `path` cannot be written."""
    named = [_numbered(file.header) for file in files]
    headers = list(dict.fromkeys(name for names in named for name in names))
    try:
        with path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(["file", "line", "column", "reason", *(harmless(name) for name, _ in headers)])
            for place, file in enumerate(files):
                lines = wrong.get(place, {})
                if not lines:
                    continue
                at = [headers.index(name) for name in named[place]]
                for frame in file.all_frames(timezone):
                    for row in frame.filter(pl.col(LINE).is_in(list(lines))).iter_rows(named=True):
                        note = lines[row[LINE]]
                        cells = [""] * len(headers)
                        for number, header_place in enumerate(at):
                            cells[header_place] = harmless(row[str(number)] or "")
                        writer.writerow([file.name, note.line, note.column, harmless(note.reason), *cells])
    except OSError as error:
        raise Rejected(FieldError(field="--rejects", reason=f"{path} cannot be written: {error.strerror}")) from None


def _numbered(header: Sequence[str]) -> list[tuple[str, int]]:
    """Names with how often they came before: a file may have several columns of one name, or of none."""
    seen: dict[str, int] = {}
    found = []
    for name in header:
        plain = name.strip()
        found.append((plain, seen.get(plain, 0)))
        seen[plain] = seen.get(plain, 0) + 1
    return found


def harmless(cell: str) -> str:
    """A cell that a spreadsheet would run is quoted; numbers stay numbers."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _NUMBER.fullmatch(cell) else cell
