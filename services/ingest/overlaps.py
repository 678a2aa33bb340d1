"""Orders that stand in several files of one import: one order cut between two files, the same order
in two exports, or what nobody can tell.

    one file files of the same bytes are one, given twice: its orders count once
    cut      it is the last of a file and the first of the next, and no row of it stands
             in both: one order of all rows
    the same every file has the same rows, and no file can have been
    cut there: the order counts once
    else     refused: never one file's part of it, never its lines twice
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import polars as pl

from services.ingest.encoding import CELLS
from services.ingest.rejected import CONTRADICTION

KEY = ["order", "revision"]
Key = tuple[str, int | None]
OF_A_ROW = ["account", "ordered_on", "status", "account_name", "owner", *CELLS, "label"]


@dataclass(kw_only=True)
class Parts:
    """What is known of the files (by place) as they are read. `same`: place -> the
    first file with the same bytes.
    """

    names: Sequence[str]
    same: Mapping[int, int] = field(default_factory=dict)
    first: dict[int, str | None] = field(default_factory=dict)
    last: dict[int, str | None] = field(default_factory=dict)
    named: dict[int, str] = field(default_factory=dict)  # the last order that a row names
    runs: dict[int, int] = field(default_factory=dict)
    orders: dict[int, int] = field(default_factory=dict)

    def add(self, place: int, orders: pl.Series) -> None:
        """The orders of further rows of a file."""
        if orders.is_empty():
            return
        self.first.setdefault(place, orders[0])
        self.last[place] = orders[-1]
        named = orders.drop_nulls()
        if len(named):
            goes_on = self.named.get(place) == named[0]
            self.runs[place] = (
                self.runs.get(place, 0) + int(named.ne_missing(named.shift()).sum()) - goes_on
            )
            self.named[place] = named[-1]

    def is_grouped(self, place: int) -> bool:
        """True where each order's rows stand together, so that a cut of the file
        can cut no order but its last.
        """
        return self.runs.get(place, 0) == self.orders.get(place, 0)

    def are_cut(self, order: str, places: Sequence[int]) -> bool:
        """True where the order may go on from each of the files to the next."""
        return all(self._meet(order, one, other) for one, other in pairwise(places))

    def may_meet(self, order: str, places: Sequence[int]) -> bool:
        """True where the order may go on from one of the files to the next."""
        return any(self._meet(order, one, other) for one, other in pairwise(places))

    def _meet(self, order: str, one: int, other: int) -> bool:
        return other == one + 1 and self.last.get(one) == order and self.first.get(other) == order


@dataclass(frozen=True, kw_only=True)
class Together:
    """`rows` of each order as one; `repeated`: order -> the files that
    have it; `refused`: order -> why.
    """

    rows: pl.DataFrame
    repeated: dict[Key, list[int]]
    refused: dict[Key, str]


def together(rows: pl.DataFrame, parts: Parts) -> Together:
    """Rows of all files (`place`: of its file; `part`: of the file that a rejects file names)."""
    at = rows.select("place", "part").unique(maintain_order=True)
    if at.height < 2:
        return Together(rows=rows, repeated={}, refused={})
    doubled = (
        rows.group_by(KEY, maintain_order=True)
        .agg(pl.struct("place", "part").n_unique().alias("files"))
        .filter(pl.col("files") > 1)
    )
    if doubled.is_empty():
        return Together(rows=rows, repeated={}, refused={})
    found = rows.join(doubled.select(KEY), on=KEY, how="semi", nulls_equal=True)
    found = found.with_columns(found.select(OF_A_ROW).hash_rows(seed=0).alias("row"))
    of_parts = found.group_by(*KEY, "place", "part", maintain_order=True).agg(
        pl.col("row").sort(),
        pl.col("bad").any(),
        ((pl.col("label").null_count() == 0) & (pl.col("label").n_unique() == pl.len())).alias(
            "numbered"
        ),
    )
    repeated: dict[Key, list[int]] = {}
    refused: dict[Key, str] = {}
    for (order, revision), its in _by_key(of_parts).items():
        places = [one["place"] for one in its]
        contents = [one["row"] for one in its]
        is_same = all(content == contents[0] for content in contents) and not any(
            one["bad"] for one in its
        )
        is_same_file = (
            len({parts.same.get(place, place) for place in places}) == 1 and len(set(places)) > 1
        )
        is_named = any(one["part"] is not None for one in its)
        may_be_cut = parts.may_meet(order, places) or not all(map(parts.is_grouped, places))
        if is_same_file or (
            is_same and not is_named and (not may_be_cut or all(one["numbered"] for one in its))
        ):
            repeated[order, revision] = places
        elif is_named or not parts.are_cut(order, places) or _share_a_row(contents):
            names = " and ".join(
                dict.fromkeys(one["part"] or parts.names[one["place"]] for one in its)
            )
            how = (
                "the same rows, which may be the same lines or equal ones"
                if is_same
                else "different rows"
            )
            refused[order, revision] = f"stands in {names} with {how}: {CONTRADICTION}"
    if repeated:
        keys = pl.DataFrame(
            [(*key, places[0]) for key, places in repeated.items()],
            schema=_schema(rows),
            orient="row",
        )
        rows = rows.join(keys, on=KEY, how="left", nulls_equal=True, maintain_order="left")
        rows = rows.filter(pl.col("only").is_null() | (pl.col("only") == pl.col("place"))).drop(
            "only"
        )
    return Together(rows=rows, repeated=repeated, refused=refused)


def _schema(rows: pl.DataFrame) -> dict[str, pl.DataType]:
    return {**{name: rows.schema[name] for name in KEY}, "only": rows.schema["place"]}


def _by_key(of_parts: pl.DataFrame) -> dict[Key, list[dict[str, Any]]]:
    found: dict[Key, list[dict[str, Any]]] = {}
    for one in of_parts.iter_rows(named=True):
        found.setdefault((one["order"], one["revision"]), []).append(one)
    return found


def _share_a_row(contents: Sequence[Sequence[int]]) -> bool:
    each = [set(content) for content in contents]
    return len(set().union(*each)) < sum(map(len, each))
