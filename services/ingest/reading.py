"""The files of one import, one after the other: what a row is of may be in the file before."""

from collections.abc import Mapping, Sequence

import polars as pl

from services.ingest.acceptance import Terms
from services.ingest.columns import Columns, Note
from services.ingest.files import File
from services.ingest.mapping import Mapping as FileMapping
from services.ingest.placing import Placing


class Reading:
    """Raw cells -> typed rows, of each file in its turn."""

    def __init__(
        self, files: Sequence[File], terms: Terms, mapping: FileMapping, *, shift_days: int = 0
    ) -> None:
        self._files, self._terms, self._mapping, self._shift_days = (
            files,
            terms,
            mapping,
            shift_days,
        )
        self._placing = Placing(filled=mapping.filled)
        self._columns: Columns | None = None
        self._place = -1

    @property
    def doubts(self) -> Mapping[str, str]:
        """Orders that are refused whatever their own rows say, and why;
        complete when all files are read.
        """
        return self._placing.doubts

    def typed(self, place: int, cells: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
        """As `Columns.typed`, of a frame of the file at `place`."""
        if self._columns is None or place != self._place:
            file = self._files[place]
            self._columns = Columns(
                file.places,
                self._terms,
                self._mapping,
                shift_days=self._shift_days,
                placing=self._placing,
                header=file.header,
                delimiter=file.dialect.delimiter if file.dialect is not None else ",",
                name=file.name if len(self._files) > 1 else "",
            )
            self._place = place
        return self._columns.typed(cells)
