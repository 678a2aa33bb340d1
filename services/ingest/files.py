"""One file of an import, whatever it is made of: its header, and frames of its cells."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from services.ingest import lines, parquet
from services.ingest.dialects import Dialect
from services.ingest.mapping import Mapping, needed, resolve
from services.ingest.sources import Source, survey


@dataclass(frozen=True, kw_only=True)
class File:
    """A file whose header has been understood. `places`: our column -> place of its cells."""

    source: Source
    header: tuple[str, ...]
    places: dict[str, int]
    dialect: Dialect | None

    @property
    def name(self) -> str:
        return self.source.path.name

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
        if self.dialect is None:
            return parquet.frames(self.source.path, places, timezone, are_read=are_read)
        return lines.frames(self.source, self.dialect)


def open_file(path: Path, kind: str, mapping: Mapping) -> File:
    """Look through the file once and understand its header. Raises Rejected."""
    source = survey(path)
    dialect = None if source.encoding is None else lines.sniff(source, kind, mapping)
    header = parquet.header(path) if dialect is None else dialect.header
    places = resolve(header, kind, mapping)
    if dialect is not None and kind == "orders":
        dialect = replace(dialect, needed=tuple(places[name] for name in needed(places, mapping)))
    return File(source=source, header=header, places=places, dialect=dialect)
