"""Rows -> orders. Rows of one order need not be adjacent, so a file is gathered whole before its first order leaves: in memory
while it is small, else in buckets on disk (by a hash of the order), of which one at a time is in memory.

One wrong row refuses its order whole; the others go in. The sequence of orders is the same each time a file is read by the
same version: a resumed import counts on it.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from services.ingest.acceptance import Terms, order_of
from services.ingest.columns import Note
from services.ingest.fields import stamp
from shared.domain.orders import ContentLine
from shared.errors import Rejected
from shared.events import Order
from shared.settings import settings

BUCKETS = 64
KEY = ["order", "revision"]
CELLS = ["product", "od", "grade", "quantity", "cents"]  # in the order of orders.ContentLine
ORDERS_AT_ONCE = 4_096  # as Python objects; the rest stays with Polars
AGREED = ["account", "ordered_on", "status"]  # what all rows of an order must say alike


@dataclass(frozen=True, kw_only=True, slots=True)
class FileOrder:
    """An order of a file: fit for Kafka, or refused (the notes say why). `line`: of its first row."""

    id: str
    line: int
    order: Order | None
    encoded: bytes
    notes: tuple[Note, ...] = ()


class Gathered:
    """The typed rows of one file. Use as a context manager: what lies on disk goes at the end."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []
        self._rows = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._spills = 0

    def __enter__(self) -> "Gathered":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, rows: pl.DataFrame) -> None:
        """Rows in the order of the file; those without an order have been told of already."""
        self._frames.append(rows.filter(pl.col("order").is_not_null()))
        self._rows += rows.height
        if self._rows > settings().import_memory_rows:
            self._spill()

    def orders(self, terms: Terms) -> Iterator[FileOrder]:
        """Every order, each once."""
        if self._folder is None:
            if self._frames:
                yield from orders_of(pl.concat(self._frames), terms)
            return
        self._spill()
        for bucket in range(BUCKETS):
            files = sorted(Path(self._folder.name).glob(f"{bucket:03}-*.ipc"))
            if files:
                yield from orders_of(pl.concat([pl.read_ipc(file) for file in files]).sort("line"), terms)

    def _spill(self) -> None:
        """Move what is in memory into the buckets."""
        if not self._frames:
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="winback-import-")
        rows = _without_surplus(pl.concat(self._frames))
        self._frames, self._rows = [], 0
        parts = rows.with_columns((pl.col("order").hash(seed=0) % BUCKETS).alias("bucket")).partition_by(
            "bucket", as_dict=True, include_key=False
        )
        for (bucket,), part in parts.items():
            part.write_ipc(Path(self._folder.name) / f"{bucket:03}-{self._spills:06}.ipc", compression="lz4")
        self._spills += 1


def _without_surplus(rows: pl.DataFrame) -> pl.DataFrame:
    """One row more than an order may have is enough to refuse it: a file of one order costs no more memory than another."""
    most = settings().ingest_max_lines + 1
    if rows.group_by(KEY).len()["len"].max() <= most:  # type: ignore[operator]  # of rows that there are, a number
        return rows
    return rows.filter(pl.int_range(pl.len()).over(KEY) < most)


def orders_of(rows: pl.DataFrame, terms: Terms) -> Iterator[FileOrder]:
    """The orders of typed rows (`columns.Columns`), by their first row."""
    cents = "revenue_cents" if "revenue_cents" in rows.columns else "revenue"
    rows = rows.with_columns(pl.col("status").fill_null(False), pl.col(cents).alias("cents"))
    groups = rows.group_by(KEY, maintain_order=True).agg(
        pl.col("line").first(),
        pl.len().alias("size"),
        pl.col("bad").any(),
        *(pl.col(name).first() for name in AGREED),
        *(pl.col(name).drop_nulls().first() for name in ("account_name", "owner")),
        pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).first()) for name in AGREED).all().alias("agreed"),
        *(pl.col(name) for name in CELLS),
    )
    disagreeing = _disagreements(rows, groups)
    for part in groups.iter_slices(ORDERS_AT_ONCE):
        lines: list[ContentLine] = list(zip(*(cells.to_list() for cells in part.select(CELLS).explode(CELLS)), strict=True))
        end = 0
        for group in part.drop(CELLS).iter_rows(named=True):
            start, end = end, end + group["size"]
            yield _order(group, lines[start:end], disagreeing, terms)


def _order(
    group: dict[str, Any], lines: list[ContentLine], disagreeing: dict[tuple[str, int | None], list[Note]], terms: Terms
) -> FileOrder:
    """The order of one group of rows. Refused, its notes are those that no row has by itself."""
    order: str = group["order"]
    line: int = group["line"]

    def refused(*notes: Note) -> FileOrder:
        return FileOrder(id=order, line=line, order=None, encoded=b"", notes=notes)

    if group["bad"]:
        return refused()
    if not group["agreed"]:
        return refused(*disagreeing[order, group["revision"]])
    if group["size"] > terms.most_lines:
        return refused(Note(line=line, order=order, column="order", reason=f"has more than {terms.most_lines} lines", wrong=True))
    try:
        event, encoded = order_of(
            terms,
            order=order,
            account=group["account"],
            ordered_on=group["ordered_on"],
            counts_on=stamp(group["ordered_on"], terms.today),
            revision=group["revision"],
            cancelled=group["status"],
            lines=lines,
            account_name=group["account_name"],
            owner=group["owner"],
        )
    except Rejected as error:
        return refused(Note(line=line, order=order, column="order", reason=error.errors[0].reason, wrong=True))
    return FileOrder(id=order, line=line, order=event, encoded=encoded)


def _disagreements(rows: pl.DataFrame, groups: pl.DataFrame) -> dict[tuple[str, int | None], list[Note]]:
    """For each order whose rows contradict each other, the rows that differ from its first."""
    contradicting = groups.filter(~pl.col("agreed") & ~pl.col("bad"))
    found: dict[tuple[str, int | None], list[Note]] = {}
    if contradicting.is_empty():
        return found
    first = contradicting.select(*KEY, *(pl.col(name).alias(f"first {name}") for name in AGREED))
    for row in rows.join(first, on=KEY, nulls_equal=True, maintain_order="left").iter_rows(named=True):
        for name in AGREED:
            if row[name] != row[f"first {name}"]:
                note = Note(
                    line=row["line"],
                    order=row["order"],
                    column=name,
                    reason="differs from the first row of its order",
                    wrong=True,
                )
                found.setdefault((row["order"], row["revision"]), []).append(note)
                break
    return found
