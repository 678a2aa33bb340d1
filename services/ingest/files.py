"""One file of an import, whatever it is made of: its header, and frames of its cells."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from services.ingest import lines, parquet, workbooks
from services.ingest.dialects import Dialect
from services.ingest.headers import CannotBegin, needed, resolve
from services.ingest.mapping import Mapping
from services.ingest.sources import Source, survey
from shared.errors import Rejected


@dataclass(frozen=True, kw_only=True)
class File:
    """A file whose header has been understood. `places`: our column -> place of its cells.
    `dialect`: of a text; `table`: of a workbook; `days`: columns of Parquet whose moments are days.
    `notes`: what its reader assumed.
    """

    source: Source
    header: tuple[str, ...]
    places: dict[str, int]
    dialect: Dialect | None = None
    table: workbooks.Table | None = None
    days: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.source.path.name

    @property
    def header_line(self) -> int:
        """Where its columns are named, from 1; 0 where they have names without a line."""
        if self.table is not None:
            return self.table.first_row - 1
        return 0 if self.dialect is None else self.dialect.header_line

    def frames(self, timezone: str) -> Iterator[pl.DataFrame]:
        """Frames of raw cells, as `lines.py` describes them, of the columns that mean something."""
        yield from self._frames(self.places, timezone, are_read=True)

    def all_frames(self, timezone: str) -> Iterator[pl.DataFrame]:
        """The same with every column, by its place in the header."""
        yield from self._frames(
            {name: place for place, name in enumerate(self.header)}, timezone, are_read=False
        )

    def _frames(
        self, places: dict[str, int], timezone: str, *, are_read: bool
    ) -> Iterator[pl.DataFrame]:
        if self.dialect is not None:
            return lines.frames(self.source, self.dialect)
        if self.table is not None:
            return workbooks.frames(self.source, self.table, self.places)
        return parquet.frames(
            self.source.path, places, timezone, are_read=are_read, whole_days=self.days
        )


def open_file(path: Path, kind: str, mapping: Mapping) -> File:
    """Look through the file once and understand its header. Raises Rejected; CannotBegin for a
    table whose columns cannot be told.
    """
    source = survey(path, mapping.encoding)
    notes = [] if source.note is None else [source.note]
    if source.kind == "text":
        dialect = lines.sniff(source, kind, mapping)
        with _beginning(path):
            places = resolve(dialect.header, kind, mapping)
        if kind == "orders":
            dialect = replace(
                dialect, needed=tuple(places[name] for name in needed(places, mapping))
            )
        if dialect.title_lines:
            notes.append(_below(path, "line", dialect.header_line))
        return File(
            source=source,
            header=dialect.header,
            places=places,
            dialect=dialect,
            notes=tuple(notes),
        )
    if source.kind == "parquet":
        header = parquet.header(path)
        with _beginning(path):
            places = resolve(header, kind, mapping)
        named = header[places["ordered_on"]] if "ordered_on" in places else None
        days = frozenset[str]() if named is None else parquet.days(path, {named})
        if days:
            notes.append(f"{path.name}: {named} is midnight in UTC in every row: read as days")
        return File(source=source, header=header, places=places, days=days, notes=tuple(notes))
    with _beginning(path):
        table = workbooks.table(source, kind, mapping)
        places = resolve(table.header, kind, mapping)
    if table.note is not None:
        notes.append(table.note)
    if mapping.header_line is None and table.first_row - 1 > table.sheet.head[0][0]:
        notes.append(_below(path, "row", table.first_row - 1))
    return File(source=source, header=table.header, places=places, table=table, notes=tuple(notes))


@contextmanager
def _beginning(path: Path) -> Iterator[None]:
    """Raises CannotBegin where Rejected is raised."""
    try:
        yield
    except Rejected as error:
        raise CannotBegin(*error.errors, path=path) from None


def _below(path: Path, what: str, line: int) -> str:
    return f"{path.name}: {what} {line} names the columns; what stands above it is passed by"
