"""Parquet -> the same frames of raw cells as text (`lines.py`), so
that one reading serves all files.

Typed columns become the text that they stand for: a Decimal exactly, a float rounded to six places
(no tail of binary digits becomes money), a Date its day, a Datetime its calendar day (an aware one
in the organization's zone). NaN is no value.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from services.ingest.dialects import LINE, TEXT, TROUBLE
from shared.errors import FieldError, Rejected
from shared.settings import settings

BATCH_ROWS = 200_000
FLOAT_PLACES = 6
# A panic of Polars' reader is no Exception: a damaged file must not end the process with its trace.
BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


def header(path: Path) -> tuple[str, ...]:
    """Raises Rejected."""
    return tuple(_scan(path).collect_schema().names())


def frames(
    path: Path, places: dict[str, int], timezone: str, *, are_read: bool = True
) -> Iterator[pl.DataFrame]:
    """Cells of the columns at `places` (ours -> place), named by place, as text,
    "" for none; `#line` counts rows from 1. `are_read` False: for a person to look
    at, of whatever type they are.
    """
    scan = _scan(path)
    schema = scan.collect_schema()
    names = list(schema.names())
    most = settings().import_max_rows
    if _read(path, scan.select(pl.len())).item() > most:
        raise Rejected(FieldError(field=str(path), reason=f"has more than {most} rows"))
    columns = [
        _text(names[place], schema[names[place]], timezone, are_read=are_read)
        .fill_null("")
        .alias(str(place))
        for place in places.values()
    ]
    start = 0
    while True:
        frame = _read(path, scan.slice(start, BATCH_ROWS).select(columns))
        if frame.is_empty():
            return
        yield frame.with_columns(
            pl.int_range(start + 1, start + 1 + frame.height).alias(LINE),
            pl.lit(None, dtype=pl.String).alias(TROUBLE),
            pl.lit(None, dtype=pl.String).alias(TEXT),
        )
        start += frame.height


def _read(path: Path, wanted: pl.LazyFrame) -> pl.DataFrame:
    """Raises Rejected."""
    try:
        return wanted.collect()
    except BROKEN as error:
        raise Rejected(
            FieldError(field=str(path), reason=f"is damaged: {str(error)[:200]}")
        ) from None


def _scan(path: Path) -> pl.LazyFrame:
    try:
        scan = pl.scan_parquet(path, glob=False)
        scan.collect_schema()
    except BROKEN as error:
        raise Rejected(
            FieldError(field=str(path), reason=f"is no Parquet file: {str(error)[:200]}")
        ) from None
    return scan


def _text(name: str, dtype: pl.DataType, timezone: str, *, are_read: bool) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        local = column.dt.convert_time_zone(timezone) if dtype.time_zone else column
        return local.dt.date().cast(pl.String)
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
