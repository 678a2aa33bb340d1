"""Rows -> orders. Rows of one order need not be adjacent, nor in one file, so the files of an
import are gathered whole before the first order leaves: in memory while they are small, else in
buckets on disk (by a hash of the order), of which one at a time is in memory.

One wrong row refuses its order whole; the others go in. The sequence of orders is the same each
time the files are read by the same version: a resumed import counts on it.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import polars as pl

from services.ingest.acceptance import LARGEST_RECORD, TOO_LARGE, Terms
from services.ingest.columns import Note
from services.ingest.encoding import CELLS, encoded
from services.ingest.overlaps import KEY, Key, Parts, together
from shared.domain.money import LARGEST_ORDER_CENTS, wrong_order_total
from shared.settings import settings

BUCKETS = 64
AGREED = ["account", "ordered_on", "status"]  # what all rows of an order must say alike


class FileOrder(NamedTuple):
    """An order of the files: fit for Kafka, or refused (then `encoded` is empty, and the notes say
    why, but for what its rows have said). `place`, `line`: of its first row. `revision` None: it
    brought none, and has the time of acceptance. `files`: places of the files that have it whole;
    it counts once. `contradicts`: why nobody can tell which of its rows count.
    """

    id: str
    place: int
    line: int
    revision: int | None
    content: str
    lines: int
    encoded: bytes
    notes: tuple[Note, ...] = ()
    files: tuple[int, ...] = ()
    contradicts: str = ""


class Gathered:
    """The typed rows of all files. Use as a context manager: what lies on disk goes at the end."""

    def __init__(
        self, names: Sequence[str] = ("",), *, same: Mapping[int, int] | None = None
    ) -> None:
        """`names` of the files; `same`: place of a file -> of the first one with the same bytes."""
        self._parts = Parts(names=names, same=same or {})
        self._frames: list[pl.DataFrame] = []
        self._rows = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._spills = 0

    def __enter__(self) -> "Gathered":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, rows: pl.DataFrame, place: int = 0) -> None:
        """Rows in the order of the file at `place`; those without an
        order have been told of already.
        """
        if len(self._parts.names) > 1:
            self._parts.add(place, rows["order"])
        rows = rows.rename({"revenue_cents": "cents", "revenue": "cents"}, strict=False)
        self._frames.append(
            rows.filter(pl.col("order").is_not_null()).with_columns(
                pl.lit(place, dtype=pl.Int32).alias("place")
            )
        )
        self._rows += rows.height
        if self._rows > settings().import_memory_rows:
            self._spill()

    def orders(self, terms: Terms, doubts: Mapping[str, str] | None = None) -> Iterator[FileOrder]:
        """Every order, each once. `doubts`: order -> why it is refused, whatever its rows say."""
        if self._folder is not None:
            self._spill()
        if len(self._parts.names) > 1:
            for rows in self._buckets(["order", "place"]):
                for place, orders in (
                    rows.group_by("place").agg(pl.col("order").n_unique()).iter_rows()
                ):
                    self._parts.orders[place] = self._parts.orders.get(place, 0) + orders
        for rows in self._buckets():
            yield from orders_of(rows, terms, doubts or {}, self._parts)

    def _buckets(self, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
        """All rows, those of one order together: in the order of the files."""
        if self._folder is None:
            if self._frames:
                rows = pl.concat(self._frames)
                yield rows if columns is None else rows.select(columns)
            return
        for bucket in range(BUCKETS):
            files = sorted(Path(self._folder.name).glob(f"{bucket:03}-*.ipc"))
            if files:
                yield pl.concat([pl.read_ipc(file, columns=columns) for file in files])

    def _spill(self) -> None:
        """Move what is in memory into the buckets."""
        if not self._frames:
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="winback-import-")
        rows = _without_surplus(pl.concat(self._frames))
        self._frames, self._rows = [], 0
        parts = rows.with_columns(
            (pl.col("order").hash(seed=0) % BUCKETS).alias("bucket")
        ).partition_by("bucket", as_dict=True, include_key=False)
        for (bucket,), part in parts.items():
            part.write_ipc(
                Path(self._folder.name) / f"{bucket:03}-{self._spills:06}.ipc", compression="lz4"
            )
        self._spills += 1


def _without_surplus(rows: pl.DataFrame) -> pl.DataFrame:
    """One row more of a file than an order may have is enough to refuse it: a file of
    one order costs no more memory.
    """
    most, key = settings().ingest_max_lines + 1, [*KEY, "place"]
    longest = rows.group_by(key).len()["len"].max()
    if longest <= most:  # type: ignore[operator]  # of rows that there are, a number
        return rows
    return rows.filter(pl.int_range(pl.len()).over(key) < most)


def orders_of(
    rows: pl.DataFrame, terms: Terms, doubts: Mapping[str, str], parts: Parts
) -> Iterator[FileOrder]:
    """The orders of typed rows (`columns.Columns`), by their first row."""
    rows = rows.with_columns(pl.col("status").fill_null(False))
    found = together(rows, parts)
    rows = found.rows
    groups = rows.group_by(KEY, maintain_order=True).agg(
        pl.col("place").first(),
        pl.col("line").first(),
        pl.len().alias("size"),
        pl.col("cents").sum().alias("total"),
        pl.col("bad").any(),
        *(pl.col(name).first() for name in AGREED),
        *(pl.col(name).drop_nulls().first() for name in ("account_name", "owner")),
        *(pl.col(name) for name in CELLS),
    )
    if (
        rows.select(*KEY, *AGREED).n_unique() > groups.height
    ):  # seldom, and to find which costs as much as all the rest
        agreed = pl.all_horizontal(
            pl.col(name).eq_missing(pl.col(name).first()) for name in AGREED
        ).all()
        groups = groups.with_columns(
            rows.group_by(KEY, maintain_order=True).agg(agreed.alias("agreed"))["agreed"]
        )
    else:
        groups = groups.with_columns(pl.lit(True).alias("agreed"))
    disagreeing = _disagreements(rows, groups)
    half_revised = _half_revised(groups)
    doubled = _doubled_labels(rows)
    is_sound = (
        ~pl.col("bad")
        & pl.col("agreed")
        & (pl.col("size") <= terms.most_lines)
        & (pl.col("total").abs() <= LARGEST_ORDER_CENTS)
    )
    facts = groups.select(
        *KEY, "place", "line", "size", is_sound.alias("is sound"), "total", "bad", "agreed"
    ).iter_rows()
    # nearly all orders of nearly all files are sound, and nothing is known of any of them
    is_plain = not (found.refused or doubts or half_revised or found.repeated or doubled)
    for (order, revision, place, line, size, sound, total, bad, agreed), (content, value) in zip(
        facts, encoded(groups, terms), strict=True
    ):
        if is_plain and sound and len(value) <= LARGEST_RECORD:
            yield FileOrder(order, place, line, revision, content, size, value)
            continue
        key = order, revision
        reason = found.refused.get(key) or doubts.get(order) or half_revised.get(order)
        files = tuple(found.repeated.get(key, ()))
        too_much = wrong_order_total(total)
        if sound and reason is None and len(value) <= LARGEST_RECORD:
            yield FileOrder(
                order,
                place,
                line,
                revision,
                content,
                size,
                value,
                tuple(doubled.get(key, ())),
                files,
            )
            continue
        notes: list[Note] = []
        if not bad and reason is None and not agreed:
            notes = disagreeing[key]
        elif not bad or key in found.refused:  # else its rows have said why
            if reason is None and size > terms.most_lines:
                reason = f"has more than {terms.most_lines} lines"
            elif reason is None:
                reason = TOO_LARGE if too_much is None else f"its lines {too_much}"
            notes = [Note(line=line, order=order, column="order", reason=reason, wrong=True)]
        yield FileOrder(
            order,
            place,
            line,
            revision,
            "",
            size,
            b"",
            tuple(notes),
            files,
            found.refused.get(key, ""),
        )


def _half_revised(groups: pl.DataFrame) -> dict[str, str]:
    """Orders of which some rows have a revision and others have none: they would be two
    versions, each of a part of the lines.
    """
    without = groups["revision"].is_null()
    if without.all() or not without.any():
        return {}
    both = groups.group_by("order").agg(
        pl.col("revision").is_null().any() & pl.col("revision").is_not_null().any()
    )
    return dict.fromkeys(
        both.filter("revision")["order"].to_list(),
        "some of its rows have a revision and others have none",
    )


def _doubled_labels(rows: pl.DataFrame) -> dict[Key, list[Note]]:
    """A warning for each row whose number (column `line`) an earlier row of
    its order has. All of them count.
    """
    if rows["label"].null_count() == rows.height:
        return {}
    names = [*KEY, "label"]
    labelled = rows.select("line", *names).filter(pl.col("label").is_not_null())
    again = labelled.filter(~pl.struct(names).is_first_distinct())
    found: dict[Key, list[Note]] = {}
    for line, order, revision, label in again.iter_rows():
        reason = f"an earlier row of the order is its line {label} too: both count"
        found.setdefault((order, revision), []).append(
            Note(line=line, order=order, column="line", reason=reason, wrong=False)
        )
    return found


def _disagreements(
    rows: pl.DataFrame, groups: pl.DataFrame
) -> dict[tuple[str, int | None], list[Note]]:
    """For each order whose rows contradict each other, the rows that differ from its first."""
    contradicting = groups.filter(~pl.col("agreed") & ~pl.col("bad"))
    found: dict[tuple[str, int | None], list[Note]] = {}
    if contradicting.is_empty():
        return found
    first = contradicting.select(*KEY, *(pl.col(name).alias(f"first {name}") for name in AGREED))
    for row in rows.join(first, on=KEY, nulls_equal=True, maintain_order="left").iter_rows(
        named=True
    ):
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
