"""Which rows of a file are lines of orders: reports repeat the names of their columns on every
page, have headings and totals between, and some have a second table below the first.

A row that names the same columns again is passed by. Behind a row that names other columns stands
another table: its rows are refused, or passed by where the mapping says with `header_line` which
table is meant. A row without an order, a day and a product (where the file has products) is no
line: without an amount it is a heading, as a `Total` it is a total, and both are passed by.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from services.ingest.dialects import LINE, TROUBLE
from services.ingest.headers import known_names, looks_like_one
from services.ingest.mapping import Mapping
from services.ingest.placing import A_TOTAL

HEADING = "names no order and no amount, and was passed by as a heading"
A_TOTAL_ROW = "names no order and looks like a total, and was passed by"
OF_A_LINE = ("product", "od", "grade")
AMOUNTS = ("revenue", "revenue_cents", "quantity", "unit_price")
AGAIN = "names the columns again, and was passed by"
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, kw_only=True)
class Apart:
    """`cells` of the table that is meant, and the others: lines with why, of such as are passed by
    and such as are refused.
    """

    cells: pl.DataFrame
    passed: tuple[tuple[int, str], ...] = ()
    refused: tuple[tuple[int, str], ...] = ()


class Tables:
    """Takes the frames of a file of orders in their order."""

    def __init__(self, header: Sequence[str], places: dict[str, int], mapping: Mapping) -> None:
        self._header = [name.strip().lower() for name in header]
        self._names = known_names("orders", mapping) | {name for name in self._header if name}
        self._places = sorted(set(places.values()))
        self._day = str(places["ordered_on"])
        self._order = str(places["order"])
        self._is_told = any(name in places for name in OF_A_LINE)
        self._empty = [
            str(places[name]) for name in ("order", "ordered_on", *OF_A_LINE) if name in places
        ]
        self._amounts = [str(places[name]) for name in AMOUNTS if name in places]
        self._last = str(max(self._places))
        self._is_chosen = mapping.header_line is not None
        self._other: int | None = None  # the line that names the columns of another table

    def apart(self, cells: pl.DataFrame) -> Apart:
        """The rows of the table that is meant, apart from the others."""
        between = self._between(cells)
        if between:
            cells = self._without(cells, [line for line, _ in between])
        apart = self._of_the_table(cells)
        return replace(apart, passed=(*between, *apart.passed)) if between else apart

    def _between(self, cells: pl.DataFrame) -> list[tuple[int, str]]:
        """Lines of headings and totals."""
        orders = cells[self._order]
        if not self._is_told or not (orders.null_count() or (orders == "").any()):
            return []
        texts = [name for name in cells.columns if name.isdecimal()]
        found = cells.filter(
            pl.all_horizontal(_is_empty(name) for name in self._empty),
            pl.col(TROUBLE).is_null(),
            pl.col(self._last).is_not_null(),
            ~pl.all_horizontal(_is_empty(name) for name in texts),
        ).select(
            LINE,
            pl.all_horizontal(_is_empty(name) for name in self._amounts).alias("heading"),
            pl.any_horizontal(
                pl.col(name).fill_null("").str.contains(A_TOTAL) for name in texts
            ).alias("total"),
        )
        return [
            (line, HEADING if heading else A_TOTAL_ROW)
            for line, heading, total in found.iter_rows()
            if heading or total
        ]

    def _of_the_table(self, cells: pl.DataFrame) -> Apart:
        if self._other is not None:
            return self._behind(cells, 0, ())
        # the name of a column is no day: it has no digit
        odd = [one for one in cells[self._day].unique().to_list() if one and not _DIGIT.search(one)]
        if not odd:
            return Apart(cells=cells)
        again: list[int] = []
        named = cells.with_row_index("#at").filter(pl.col(self._day).is_in(odd))
        for row in named.iter_rows(named=True):
            texts = [text or "" for name, text in row.items() if name.isdecimal()]
            if self._is_again(row):
                again.append(row[LINE])
            elif looks_like_one(texts, self._names):
                self._other = row[LINE]
                return self._behind(cells, row["#at"], again)
        return Apart(cells=self._without(cells, again), passed=tuple((one, AGAIN) for one in again))

    def _is_again(self, row: dict[str, str | None]) -> bool:
        return all(
            (row[str(place)] or "").strip().lower() == self._header[place]
            for place in self._places
            if place < len(self._header)
        )

    def _behind(self, cells: pl.DataFrame, at: int, again: Sequence[int]) -> Apart:
        passed = [(line, AGAIN) for line in again]
        others = cells[LINE][at:].to_list()
        kept = self._without(cells.head(at), again)
        if self._is_chosen:
            first = [(others[0], "another table begins here, and was passed by")]
            is_first = others[:1] == [self._other]
            return Apart(cells=kept, passed=tuple(passed + (first if is_first else [])))
        reason = (
            f"is of another table, whose columns line {self._other} names: header_line in a "
            "mapping says which table is meant"
        )
        return Apart(
            cells=kept, passed=tuple(passed), refused=tuple((line, reason) for line in others)
        )

    def _without(self, cells: pl.DataFrame, lines: Sequence[int]) -> pl.DataFrame:
        return cells.filter(~pl.col(LINE).is_in(lines)) if lines else cells


def _is_empty(name: str) -> pl.Expr:
    return pl.col(name).fill_null("").str.strip_chars() == ""
