"""Parquet -> the same frames of raw cells as text (`lines.py`), so
that one reading serves all files.

Typed columns become the text that they stand for: a Decimal exactly, a float rounded to six places
(no tail of binary digits becomes money), a Date its day, a Datetime its calendar day: a moment (one
with a zone, or one of an older tool, `parquet_footer.py`) in the organization's zone. Where every
moment of a column is midnight in UTC, the column holds days that a tool wrote as moments, and they
are those days. Bytes are the text that they are in UTF-8. NaN is no value.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import polars as pl

from services.ingest.dialects import LINE, TEXT, TROUBLE
from services.ingest.parquet_footer import moments
from shared.errors import FieldError, Rejected, printable
from shared.settings import settings

BATCH_ROWS = 200_000
FLOAT_PLACES = 6
# A panic of Polars' reader is no Exception: a damaged file must not end the process with its trace.
BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


def header(path: Path) -> tuple[str, ...]:
    """Raises Rejected."""
    return tuple(_scan(path).collect_schema().names())


def days(path: Path, names: Collection[str]) -> frozenset[str]:
    """The columns of these whose moments are all midnight in UTC: they hold days. Raises
    Rejected.
    """
    scan = _scan(path)
    found = [
        name
        for name, dtype in scan.collect_schema().items()
        if name in names and isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    ]
    if not found:
        return frozenset()
    whole = scan.select(_is_midnight(name).all(ignore_nulls=True) for name in found)
    there = scan.select(pl.col(name).is_not_null().any() for name in found)
    are_whole, are_there = _read(path, whole), _read(path, there)
    return frozenset(name for name in found if are_whole[name].item() and are_there[name].item())


def frames(
    path: Path,
    places: dict[str, int],
    timezone: str,
    *,
    are_read: bool = True,
    whole_days: Collection[str] = (),
    most: int | None = None,
) -> Iterator[pl.DataFrame]:
    """Cells of the columns at `places` (ours -> place), named by place, as text,
    "" for none; `#line` counts rows from 1. `are_read` False: for a person to look
    at, of whatever type they are. `whole_days`: as `days` found. `most`: no more rows than
    that, whatever the file has.
    """
    scan = _scan(path)
    schema = scan.collect_schema()
    names = list(schema.names())
    bound = settings().import_max_rows
    if most is None and _read(path, scan.select(pl.len())).item() > bound:
        raise Rejected(FieldError(field=str(path), reason=f"has more than {bound} rows"))
    scan = scan if most is None else scan.head(most)
    in_bytes = {
        str(place): names[place]
        for place in places.values()
        if schema[names[place]] == pl.Binary and are_read
    }
    columns = [
        pl.col(names[place]).alias(str(place))
        if str(place) in in_bytes
        else _text(
            names[place],
            schema[names[place]],
            "UTC" if names[place] in whole_days else timezone,
            are_read=are_read,
        )
        .fill_null("")
        .alias(str(place))
        for place in places.values()
    ]
    start = 0
    while True:
        frame = _read(path, scan.slice(start, BATCH_ROWS).select(columns))
        if frame.is_empty():
            return
        yield _as_texts(frame, in_bytes).with_columns(
            pl.int_range(start + 1, start + 1 + frame.height).alias(LINE),
            pl.lit(None, dtype=pl.String).alias(TROUBLE),
            pl.lit(None, dtype=pl.String).alias(TEXT),
        )
        start += frame.height


def _as_texts(frame: pl.DataFrame, names: Mapping[str, str]) -> pl.DataFrame:
    """Bytes as the texts that they are in UTF-8: older tools write a text as bytes alone. Raises
    Rejected. `names`: place -> name of such a column.
    """
    for place, name in names.items():
        try:
            texts = frame[place].cast(pl.String)
        except pl.exceptions.PolarsError:
            reason = "holds bytes that are no text in UTF-8"
            raise Rejected(FieldError(field=name, reason=reason)) from None
        frame = frame.with_columns(texts.fill_null("").alias(place))
    return frame


def _read(path: Path, wanted: pl.LazyFrame) -> pl.DataFrame:
    """Raises Rejected."""
    try:
        return wanted.collect()
    except BROKEN as error:
        raise Rejected(
            FieldError(field=str(path), reason=f"is damaged: {printable(str(error)[:200])}")
        ) from None


def _scan(path: Path) -> pl.LazyFrame:
    try:
        scan = pl.scan_parquet(path, glob=False)
        schema = scan.collect_schema()
    except BROKEN as error:
        raise Rejected(
            FieldError(field=str(path), reason=f"is no Parquet file: {printable(str(error)[:200])}")
        ) from None
    in_utc = [name for name in moments(path) if isinstance(schema.get(name), pl.Datetime)]
    return scan.with_columns(_utc(name) for name in in_utc) if in_utc else scan


def _is_midnight(name: str) -> pl.Expr:
    in_utc = pl.col(name).dt.convert_time_zone("UTC")
    return (in_utc.dt.truncate("1d") == in_utc).alias(name)


def _utc(name: str) -> pl.Expr:
    """Of a naive time."""
    return pl.col(name).dt.replace_time_zone("UTC")


def _text(name: str, dtype: pl.DataType, timezone: str, *, are_read: bool) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return column.dt.date().cast(pl.String)
        day = column.dt.convert_time_zone(timezone).dt.date()
        utc_day = column.dt.convert_time_zone("UTC").dt.date()
        # a midnight in UTC that is another day here stays a moment, so that its reader warns
        is_moved = _is_midnight(name) & (day != utc_day)
        moment = pl.concat_str(utc_day.cast(pl.String), pl.lit("T00:00:00Z"))
        text = pl.when(is_moved).then(moment).otherwise(day.cast(pl.String))
        return text if are_read else day.cast(pl.String)
    if dtype.is_float():
        rounded = column.fill_nan(None).cast(pl.Float64)
        return rounded.map_batches(lambda series: _plain_floats(series), return_dtype=pl.String)
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        if not are_read:
            return column.map_batches(_as_shown, return_dtype=pl.String)
        raise Rejected(FieldError(field=name, reason=f"a column of type {dtype} cannot be read"))
    return column.cast(pl.String)


def _plain_floats(series: pl.Series) -> pl.Series:
    """`17850.0` is "17850", `0.1 + 0.2` is "0.3", nothing has an exponent."""
    texts = [None if value is None else f"{value:.{FLOAT_PLACES}f}" for value in series.to_list()]
    return (
        pl.Series(series.name, texts, dtype=pl.String)
        .str.strip_chars_end("0")
        .str.strip_suffix(".")
    )


def _as_shown(series: pl.Series) -> pl.Series:
    return pl.Series(
        series.name,
        [None if value is None else str(value) for value in series.to_list()],
        dtype=pl.String,
    )
