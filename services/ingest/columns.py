"""Raw cells -> typed columns, with all that is wrong and all worth a warning. Plain texts are read
a column at a time (`plain.py`), of the others each distinct one once.

Reads by `fields.py`, as HTTP does. What a file alone can have: its own days (`days.py`), its
decimal mark and thousands (`amounts.py`), a price in place of the revenue.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import polars as pl

from services.ingest import plain
from services.ingest.acceptance import ROUNDED, Terms, kept_grade, kept_od, money
from services.ingest.amounts import bare_amount, file_quantity, plain_number
from services.ingest.days import file_day
from services.ingest.dialects import LINE, TEXT, TROUBLE
from services.ingest.fields import (
    Wrong,
    changed,
    midnight_utc,
    read_cancelled,
    read_id,
    read_revision,
    stamp,
)
from services.ingest.headers import needed
from services.ingest.mapping import ANY_WORD, PLAIN, Mapping
from services.ingest.placing import Placing
from services.ingest.plain import Plain
from services.ingest.rejected import PART
from services.ingest.tables import Apart, Tables
from shared.domain.cleaning import Cleaned, clean, clean_name
from shared.domain.identifiers import is_nothing, unforced
from shared.domain.money import MOST_PLACES, NotMoney, plain_decimal, read_cents

IDS = ("order", "account")
LONGEST_WORD = 40  # of a status that is repeated to its sender
MOST_REMEMBERED = 200_000  # distinct texts of a column

_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]+.*")

FACTORS = "\x1f"  # between quantity, price and discount, where they are the revenue

Read = tuple[Any, str | None, str | None]  # value, what is wrong, what is worth a warning


@dataclass(frozen=True, kw_only=True)
class Column:
    """How one of our columns is read. `missing`: why an empty cell is wrong; None where it may be
    empty. `plain` reads what it can of a whole column, `read` every distinct text that it leaves.
    """

    name: str
    dtype: type[pl.DataType]
    read: Callable[[str], Read]
    missing: str | None = None
    plain: Plain | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """One thing about one row: why it is refused, or what its sender should
    know. `line` as the file counts.
    """

    line: int
    order: str | None
    column: str
    reason: str
    wrong: bool


class Columns:
    """Reads the frames of one file. `places`: our column -> place of its cells. `placing` knows the
    files before it, too; `delimiter` and `name` are for it.
    """

    def __init__(
        self,
        places: dict[str, int],
        terms: Terms,
        mapping: Mapping,
        *,
        shift_days: int = 0,
        placing: Placing | None = None,
        header: Sequence[str] = (),
        delimiter: str = ",",
        name: str = "",
    ) -> None:
        self._places = places
        self._tables = Tables(header, places, mapping) if header else None
        self._prices = "unit_price" in places and not {"revenue", "revenue_cents"} & set(places)
        self._names = {*places, "revenue"} if self._prices else set(places)
        self.placing = placing or Placing(filled=mapping.filled)
        self.placing.begin(
            places, max(places[name] for name in needed(places, PLAIN)), delimiter, name
        )
        self._columns = _order_columns(places, terms, mapping, shift_days)
        self._nothing, self._filled = frozenset(mapping.null), frozenset(mapping.filled)
        self._read: dict[str, dict[str, Read]] = {column.name: {} for column in self._columns}

    def typed(self, cells: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
        """(`line`, ours by name and of their type, null where absent, `bad`: the row is refused,
        and `part`: `rejected.PART`; what there is to say).
        """
        apart = Apart(cells=cells) if self._tables is None else self._tables.apart(cells)
        cells = apart.cells
        texts = cells.select(
            pl.col(LINE).alias("line"),
            pl.col(TROUBLE),
            pl.col(TEXT),
            *self.placing.beside(cells),
            (pl.col(PART) if PART in cells.columns else pl.lit(None, dtype=pl.String)).alias(
                "part"
            ),
            *(
                pl.col(str(place)).str.strip_chars().alias(name)
                for name, place in self._places.items()
            ),
        ).with_columns(
            pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in self._places
        )
        texts = texts.filter(
            ~pl.all_horizontal(pl.col(name).is_null() for name in self._places)
            | pl.col(TROUBLE).is_not_null()
        )
        if self._prices:
            texts = _with_totals(texts)
        texts, notes = self._unforced(self._emptied(texts))
        texts = self.placing.placed(texts)
        bad = texts[TROUBLE].is_not_null()
        notes += _notes(texts, texts[TROUBLE], column="", wrong=True)
        found = [texts["line"]]
        for column in self._columns:
            if column.name not in self._names:
                found.append(
                    pl.Series(column.name, [None], dtype=column.dtype).new_from_index(
                        0, texts.height
                    )
                )
                continue
            values, wrong, warnings = self._mapped(column, texts[column.name])
            found.append(values.alias(column.name))
            if wrong is not None:
                bad |= wrong.is_not_null()
                if column.name == "revision":  # nobody knows of which version such a row is
                    self.placing.doubt_each(texts.filter(wrong.is_not_null()))
                notes += _notes(texts, wrong, column=column.name, wrong=True)
            if warnings is not None:
                notes += _notes(texts, warnings, column=column.name, wrong=False)
        rows = pl.DataFrame([*found, bad.alias("bad"), texts["part"]])
        for others_of, is_wrong in ((apart.passed, False), (apart.refused, True)):
            notes += [
                Note(line=line, order=None, column="", reason=reason, wrong=is_wrong)
                for line, reason in others_of
            ]
        if apart.refused:
            lines = [line for line, _ in apart.refused]
            others = pl.DataFrame({"line": lines}, schema={"line": rows.schema["line"]})
            rows = pl.concat([rows, others.with_columns(bad=True)], how="diagonal")
        return rows, notes

    def _emptied(self, texts: pl.DataFrame) -> pl.DataFrame:
        """Words for nothing as empty cells, in the columns that are filled down."""
        return texts.with_columns(
            _without(texts[name], [one for one in _distinct(texts[name]) if self._is_nothing(one)])
            for name in self._places
            if name in self._filled
        )

    def _unforced(self, texts: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
        """The order's ids as they were before a spreadsheet: rows of one order find each other by
        them.
        """
        orders = texts["order"]
        forced = orders.str.starts_with("'") | orders.str.starts_with("=")
        if not forced.any():
            return texts, []
        read = {one: unforced(one) for one in _distinct(orders.filter(forced))}
        reasons = {one: changed(one, id_) for one, id_ in read.items() if id_ != one}
        said = orders.replace_strict(reasons, default=None, return_dtype=pl.String)
        notes = _notes(texts, said, column="order", wrong=False)
        return texts.with_columns(orders.replace(read).alias("order")), notes

    def _is_nothing(self, text: str, *, in_an_id: bool = False) -> bool:
        return text in self._nothing or is_nothing(text, in_an_id=in_an_id)

    def _mapped(
        self, column: Column, texts: pl.Series
    ) -> tuple[pl.Series, pl.Series | None, pl.Series | None]:
        """(values, what is wrong, what is worth a warning) of the cells; None
        for a whole column without any.
        """
        read = None if column.plain is None else column.plain(texts)
        if read is not None and self._nothing:
            read = pl.select(pl.when(~texts.is_in(list(self._nothing))).then(read)).to_series()
        if read is None:
            found = self._told(column, texts)
        elif read.null_count() == texts.null_count():
            found = pl.DataFrame({"text": texts, "value": read})
        else:
            found = self._told(column, texts.set(read.is_not_null(), None))
            found = found.with_columns(
                texts.alias("text"), pl.coalesce(read, found["value"]).alias("value")
            )
        if column.missing is not None and texts.null_count():
            wrong = pl.col("wrong") if "wrong" in found.columns else pl.lit(None, dtype=pl.String)
            missing = (
                pl.when(pl.col("text").is_null()).then(pl.lit(column.missing)).otherwise(wrong)
            )
            found = found.with_columns(missing.alias("wrong"))
        return (
            found["value"],
            found.get_column("wrong", default=None),
            found.get_column("warning", default=None),
        )

    def _told(self, column: Column, texts: pl.Series) -> pl.DataFrame:
        """`text`, `value`, and where there is any, what is `wrong` and what is worth a warning."""
        known = self._read[column.name]
        if len(known) > MOST_REMEMBERED:
            known.clear()
        distinct = _distinct(texts)
        for text in distinct:
            if text not in known:
                nothing = self._is_nothing(text, in_an_id=column.name in IDS)
                known[text] = (None, column.missing, None) if nothing else column.read(text)
        read = [known[text] for text in distinct]
        values = [one[0] for one in read]
        anything = any(wrong or warning for _, wrong, warning in read)
        if column.dtype is pl.String and values == distinct and not anything:
            return pl.DataFrame({"text": texts, "value": texts})
        told = {
            "text": pl.Series(distinct, dtype=pl.String),
            "value": pl.Series(values, dtype=column.dtype),
        }
        if anything:
            told |= {
                "wrong": pl.Series([one[1] for one in read], dtype=pl.String),
                "warning": pl.Series([one[2] for one in read], dtype=pl.String),
            }
        return pl.DataFrame({"text": texts}).join(
            pl.DataFrame(told), on="text", how="left", maintain_order="left"
        )


def _with_totals(texts: pl.DataFrame) -> pl.DataFrame:
    """`revenue` as what `_order_columns` makes of quantity, price and discount."""
    discount = pl.col("discount") if "discount" in texts.columns else pl.lit("")
    parts = (pl.col("quantity"), pl.col("unit_price"), discount.fill_null(""))
    return texts.with_columns(pl.concat_str(parts, separator=FACTORS).alias("revenue"))


def _distinct(texts: pl.Series) -> list[str]:
    return texts.unique().drop_nulls().to_list()


def _without(texts: pl.Series, these: list[str]) -> pl.Series:
    """The texts, null in place of `these`."""
    if not these:
        return texts
    return pl.select(pl.when(~texts.is_in(these)).then(texts)).to_series().alias(texts.name)


def _notes(texts: pl.DataFrame, reasons: pl.Series, *, column: str, wrong: bool) -> list[Note]:
    """A note for each row that has a reason."""
    if reasons.null_count() == len(reasons):
        return []
    rows = (
        texts.select("line", "order", reasons.alias(TROUBLE))
        .filter(pl.col(TROUBLE).is_not_null())
        .iter_rows()
    )
    return [
        Note(line=line, order=order, column=column, reason=reason, wrong=wrong)
        for line, order, reason in rows
    ]


def _order_columns(
    places: dict[str, int], terms: Terms, mapping: Mapping, shift_days: int
) -> list[Column]:
    numbers = partial(plain_number, decimal=mapping.decimal, thousands=mapping.thousands)
    bare = partial(bare_amount, currency=terms.currency, forms=mapping.credits)

    def day(text: str) -> date:
        ordered_on = file_day(text, terms.zone, mapping.formats)
        try:
            ordered_on += timedelta(days=shift_days)
        except OverflowError:
            raise Wrong("is no day of the calendar") from None
        stamp(ordered_on, terms.today)
        return ordered_on

    def ordered_on(text: str) -> Read:
        try:
            read = day(text)
        except Wrong as error:
            return None, str(error), None
        sent_on = read - timedelta(days=shift_days)
        return read, None, midnight_utc(text, sent_on, terms.zone)

    def revenue(text: str) -> Read:
        try:
            amount = money(numbers(bare(text)), terms.places)
        except NotMoney as error:
            return None, str(error), None
        return amount.cents, None, ROUNDED if amount.lost else None

    def total(text: str) -> Read:
        try:
            count, price, less = text.split(FACTORS)
            sold = Decimal(file_quantity(count, numbers)[0] or "")
            one, off = (plain_decimal(numbers(bare(part or "0"))) for part in (price, less))
            exact = sold * Decimal(one or "") - Decimal(off or "")
            amount = money(f"{exact:.{MOST_PLACES}f}", terms.places)
        except (NotMoney, ArithmeticError):
            shown = clean(text.replace(FACTORS, " ")[:LONGEST_WORD]).text
            return None, f"quantity, unit_price and discount are no numbers: {shown}", None
        return amount.cents, None, ROUNDED if amount.lost else None

    def od(text: str) -> Read:
        plain = (
            text.replace(",", ".")
            if mapping.decimal == "," and _DECIMAL_COMMA.fullmatch(text)
            else text
        )
        kept, warning = kept_od(plain, terms.sizes)
        return kept, None, warning

    def currency(text: str) -> str:
        if text.upper() != terms.currency:
            raise Wrong(f"must be {terms.currency}, the organization's")
        return text

    def id_(text: str) -> Read:
        try:
            read, said = read_id(text)
        except Wrong as error:
            return None, str(error), None
        return read, None, said

    def status(text: str) -> bool:
        word = text.lower()
        if word in mapping.status:
            return mapping.status[word] == "cancelled"
        try:
            return read_cancelled(text)
        except Wrong:
            if ANY_WORD in mapping.status:
                return mapping.status[ANY_WORD] == "cancelled"
            shown = clean(text[:LONGEST_WORD]).text
            raise Wrong(
                f"{shown} is neither open nor cancelled: the key status of the mapping can say "
                "which of them it means"
            ) from None

    def shown(cleaner: Callable[[str], Cleaned]) -> Callable[[str], Read]:
        def read(text: str) -> Read:
            cleaned = cleaner(text)
            return cleaned.text, None, cleaned.changed

        return read

    def grade(text: str) -> Read:
        kept, warning = kept_grade(text)
        return kept, None, warning

    def quantity(text: str) -> Read:
        return file_quantity(text, numbers)

    def tried(reader: Callable[[str], Any]) -> Callable[[str], Read]:
        def read(text: str) -> Read:
            try:
                return reader(text), None, None
            except (Wrong, NotMoney) as error:
                return None, str(error), None

        return read

    cents = "revenue_cents" if "revenue_cents" in places else "revenue"
    is_plain = mapping.decimal == "."
    priced = "revenue" not in places and cents == "revenue"
    return [
        Column(
            name="order",
            dtype=pl.String,
            read=id_,
            missing="is missing",
            plain=plain.ids,
        ),
        Column(
            name="account",
            dtype=pl.String,
            read=id_,
            missing="is missing",
            plain=plain.ids,
        ),
        Column(name="ordered_on", dtype=pl.Date, read=ordered_on, missing="is missing"),
        Column(name="revision", dtype=pl.Int64, read=tried(read_revision)),
        Column(name="status", dtype=pl.Boolean, read=tried(status)),
        Column(name="account_name", dtype=pl.String, read=shown(clean_name)),
        Column(name="owner", dtype=pl.String, read=shown(clean_name)),
        Column(name="product", dtype=pl.String, read=shown(clean), plain=plain.ascii_texts),
        Column(name="od", dtype=pl.String, read=od),
        Column(name="grade", dtype=pl.String, read=grade, plain=plain.ascii_texts),
        Column(name="quantity", dtype=pl.String, read=quantity),
        Column(
            name=cents,
            dtype=pl.Int64,
            read=total
            if priced
            else revenue
            if cents == "revenue"
            else tried(lambda text: read_cents(numbers(bare(text)))),
            missing="is missing",
            plain=plain.amounts(terms.places if cents == "revenue" else 0)
            if is_plain and not priced
            else None,
        ),
        Column(name="currency", dtype=pl.String, read=tried(currency)),
        Column(name="label", dtype=pl.String, read=lambda text: (text, None, None)),
    ]
