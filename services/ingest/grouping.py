"""Rows -> orders. Rows of one order need not be adjacent, so a file is gathered whole before its first order leaves: in memory
while it is small, else in buckets on disk (by a hash of the order), of which one at a time is in memory.

One wrong row refuses its order whole; the others go in. The sequence of orders is the same each time a file is read by the
same version: a resumed import counts on it.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import polars as pl

from services.ingest.acceptance import LARGEST_RECORD, TOO_LARGE, Terms
from services.ingest.columns import Note
from services.ingest.encoding import CELLS, encoded
from shared.settings import settings

BUCKETS = 64
KEY = ["order", "revision"]
AGREED = ["account", "ordered_on", "status"]  # what all rows of an order must say alike


class FileOrder(NamedTuple):
    """An order of a file: fit for Kafka, or refused (then `encoded` is empty, and the notes say why). `line`: of its first row.
    `revision` None: it brought none, and has the time of acceptance."""

    id: str
    line: int
    revision: int | None
    content: str
    lines: int
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
        *(pl.col(name) for name in CELLS),
    )
    if rows.select(*KEY, *AGREED).n_unique() > groups.height:  # seldom, and to find which costs as much as all the rest
        agreed = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).first()) for name in AGREED).all()
        groups = groups.with_columns(rows.group_by(KEY, maintain_order=True).agg(agreed.alias("agreed"))["agreed"])
    else:
        groups = groups.with_columns(pl.lit(True).alias("agreed"))
    disagreeing = _disagreements(rows, groups)
    facts = groups.select(*KEY, "line", "size", "bad", "agreed").iter_rows()
    for (order, revision, line, size, bad, agreed), (content, value) in zip(facts, encoded(groups, terms), strict=True):
        if not bad and agreed and size <= terms.most_lines and len(value) <= LARGEST_RECORD:
            yield FileOrder(order, line, revision, content, size, value)
            continue
        notes: list[Note] = []
        if not bad and not agreed:
            notes = disagreeing[order, revision]
        elif not bad:  # else its rows have said why
            reason = f"has more than {terms.most_lines} lines" if size > terms.most_lines else TOO_LARGE
            notes = [Note(line=line, order=order, column="order", reason=reason, wrong=True)]
        yield FileOrder(order, line, revision, "", size, b"", tuple(notes))


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
