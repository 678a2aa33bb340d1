"""Raw cells -> typed columns, with all that is wrong and all worth a warning. Plain texts are read
a column at a time (`plain.py`), of the others each distinct one once.

Reads by `fields.py`, as HTTP does. What a file alone can have is read here: its own days,
its decimal mark and thousands.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

import polars as pl

from services.ingest import plain
from services.ingest.acceptance import ROUNDED, Terms, kept_grade, kept_od, money
from services.ingest.dialects import LINE, TEXT, TROUBLE
from services.ingest.fields import (
    Wrong,
    changed,
    midnight_utc,
    read_cancelled,
    read_day,
    read_id,
    read_revision,
    stamp,
)
from services.ingest.mapping import PLAIN, Mapping, needed
from services.ingest.placing import Placing
from services.ingest.plain import Plain
from services.ingest.rejected import PART
from shared.domain.cleaning import Cleaned, clean, clean_name, clean_quantity
from shared.domain.identifiers import is_nothing, unforced
from shared.domain.money import NotMoney, plain_decimal, read_cents

IDS = ("order", "account")
LONGEST_WORD = 40  # of a status that is repeated to its sender
MOST_REMEMBERED = 200_000  # distinct texts of a column

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
        delimiter: str = ",",
        name: str = "",
    ) -> None:
        self._places = places
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
        texts, notes = self._unforced(self._emptied(texts))
        texts = self.placing.placed(texts)
        bad = texts[TROUBLE].is_not_null()
        notes += _notes(texts, texts[TROUBLE], column="", wrong=True)
        found = [texts["line"]]
        for column in self._columns:
            if column.name not in self._places:
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
        return pl.DataFrame([*found, bad.alias("bad"), texts["part"]]), notes

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

    def day(text: str) -> date:
        ordered_on = file_day(text, terms, mapping.date_format)
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
            amount = money(numbers(bare_amount(text, terms.currency)), terms.places)
        except NotMoney as error:
            return None, str(error), None
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
    is_plain = mapping.decimal == "." and mapping.thousands is None
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
            read=revenue
            if cents == "revenue"
            else tried(lambda text: read_cents(numbers(bare_amount(text, terms.currency)))),
            missing="is missing",
            plain=plain.amounts(terms.places if cents == "revenue" else 0) if is_plain else None,
        ),
        Column(name="currency", dtype=pl.String, read=tried(currency)),
        Column(name="label", dtype=pl.String, read=lambda text: (text, None, None)),
    ]


def _named_zone(text: str, date_format: str) -> tzinfo:
    """The zone behind `%Z`, which Python reads and forgets. Raises Wrong for another than UTC."""
    zone = time.strptime(text, date_format).tm_zone
    if zone is None or zone.upper() not in ("UTC", "GMT"):
        raise Wrong(
            f"names the zone {zone}: only UTC and GMT are known by name, %z reads an offset"
        )
    return UTC


def file_quantity(text: str, numbers: Callable[[str], str]) -> Read:
    """A quantity by the file's marks, with a unit or none behind it."""
    number = _UNIT.sub("", text).rstrip()
    try:
        quantity = plain_decimal(numbers(number))
    except NotMoney:
        quantity = None
    if quantity is None:
        cleaned = clean_quantity(text)
        return cleaned.text, None, cleaned.changed
    return quantity, None, None if number == text else f"is read as {quantity}"


_UNIT = re.compile(r"[^\W\d_]{1,12}\.?$")
_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]+.*")


def file_day(text: str, terms: Terms, date_format: str | None) -> date:
    """A day as the mapping writes it, else as everybody does. Raises Wrong."""
    if date_format is not None:
        try:
            at = datetime.strptime(text, date_format)  # noqa: DTZ007  # naive: of the organization
        except ValueError:
            pass
        else:
            try:
                if "%Z" in date_format:
                    at = at.replace(tzinfo=_named_zone(text, date_format))
                return at.astimezone(terms.zone).date() if at.tzinfo is not None else at.date()
            except OverflowError:
                raise Wrong("is no day of the calendar") from None
    try:
        return read_day(text, terms.zone)
    except Wrong:
        if date_format is None:
            raise
        raise Wrong(f"is neither {date_format} nor a day such as 2026-03-31") from None


def bare_amount(text: str, currency: str) -> str:
    """The amount with a minus before it or none, and without its currency: as programs write
    credits (`(12.50)`, `12.50-`) and prices (`$12.50`, `12.50 USD`). What says two things at once
    (`(-5)`) stays what it is, and is no number.
    """
    plain = text.replace("\u2212", "-")
    found = _CREDIT.fullmatch(plain)
    inner = "".join(filter(None, found.groups())).strip() if found is not None else plain
    for sign in (currency, *_SIGNS.get(currency, ())):
        for sided in (inner.removeprefix(sign), inner.removesuffix(sign)):
            if sided != inner and _BARE.fullmatch(sided.strip()):
                bare = sided.strip()
                return f"-{bare}" if found is not None else bare
        if inner.startswith(f"-{sign}") and _BARE.fullmatch(inner[len(sign) + 1 :].strip()):
            return plain if found is not None else f"-{inner[len(sign) + 1 :].strip()}"
    if found is not None and _BARE.fullmatch(inner) and not inner.startswith(("-", "+")):
        return f"-{inner}"
    return plain


# the ones that no other currency of ISO 4217 is written with, and the dollar of the United States
_SIGNS = {"USD": ("US$", "$"), "EUR": ("\u20ac",), "INR": ("\u20b9",), "KRW": ("\u20a9",)}
_CREDIT = re.compile(r"\(([^()-]+)\)|([^()-]+)-")
_BARE = re.compile(r"[0-9.][0-9., '_\u00a0\u202f\u2019]*|-[0-9.][0-9., '_\u00a0\u202f\u2019]*")


def plain_number(text: str, *, decimal: str, thousands: str | None) -> str:
    """The number as decimal text, by the file's marks. Groups must be of three
    digits, so that `1,5` is never 15.
    """
    if thousands is not None:
        blanks = text.replace("\u00a0", " ").replace("\u202f", " ") if thousands == " " else text
        if thousands in blanks:
            group, mark = re.escape(thousands), re.escape(decimal)
            if not re.fullmatch(
                rf"[+-]?[0-9]{{1,3}}(?:{group}[0-9]{{3}})+(?:{mark}[0-9]*)?", blanks
            ):
                raise NotMoney("must be a number with its thousands in groups of three")
            text = blanks.replace(thousands, "")
    if decimal == ".":
        return text
    if "." in text:
        raise NotMoney(f"must be a number with the decimal mark {decimal}")
    return text.replace(decimal, ".")
