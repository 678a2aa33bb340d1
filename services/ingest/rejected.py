"""A rejects file of ours, read again: our own columns come off, and each cell is what it
was in the file that was refused.

What a spreadsheet would run stands behind an apostrophe; so does a text that could be taken for
such a one, so that one apostrophe is always one too many. A row that could not be read stands as
its text in one cell, and is read as that text. Where it was refused since files contradict each
other, its file still counts (`PART`).
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import polars as pl

from services.ingest.dialects import LINE, TEXT, TROUBLE, Dialect
from services.ingest.quotes import IN_DOUBT, MORE_CELLS, OPEN_QUOTE

SIGNATURE = ("file", "line", "column", "reason")
PART = (
    "#part"  # the file that a row of a rejects file came from, where that still counts; else null
)
CONTRADICTION = "nobody can tell which rows count"  # in the reason of every row of such an order
WHOLE_TEXTS = (OPEN_QUOTE, IN_DOUBT)  # reasons of rows that stand as their text
BEGINNING = re.compile(r"file(.)line\1column\1reason(?:\1|$)", re.IGNORECASE)

_RUNS = r"[=+\-@\t\r]"
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*")
_TO_QUOTE = re.compile(rf"'*{_RUNS}")
_QUOTED = rf"\A'('*{_RUNS})"


def harmless(cell: str) -> str:
    """A cell that a spreadsheet would run is quoted; numbers stay numbers."""
    return f"'{cell}" if _TO_QUOTE.match(cell) and not _NUMBER.fullmatch(cell) else cell


def as_it_was(cell: str) -> str:
    """What `harmless` was given."""
    return re.sub(_QUOTED, r"\1", cell)


def is_ours(header: Sequence[str]) -> bool:
    return tuple(name.strip().lower() for name in header[: len(SIGNATURE)]) == SIGNATURE


def dialect(found: Dialect) -> Dialect:
    """The dialect of the rows without our columns."""
    header = tuple(map(as_it_was, found.header[len(SIGNATURE) :]))
    return replace(found, header=header, quote='"', escape=None, is_rejects=True)


def unwrapped(
    frame: pl.DataFrame, dialect: Dialect, read: Callable[[str, int], pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """A frame with our columns -> frames as of any file, and PART. `read`: the rows
    of a text that begins at a line.
    """
    ours, cells = len(SIGNATURE), [str(place) for place in range(dialect.width)]
    reason = pl.col("3").fill_null("")
    frame = frame.with_columns(
        pl.when(reason.str.contains(CONTRADICTION, literal=True)).then(pl.col("0")).alias(PART),
        (
            pl.any_horizontal(reason.str.starts_with(one) for one in WHOLE_TEXTS)
            & pl.col(TROUBLE).is_null()
            & pl.all_horizontal(
                pl.col(str(place)).fill_null("") == ""
                for place in range(ours + 1, ours + dialect.width)
            )
        ).alias("is whole text"),
        pl.when(pl.col(TROUBLE).is_null()).then(None).otherwise(pl.col("0")).alias("raw"),
    ).select(
        *(
            pl.col(str(place + ours)).str.replace(_QUOTED, "$1").alias(str(place))
            for place in range(dialect.width)
        ),
        *(TROUBLE, LINE, TEXT, PART, "is whole text", "raw"),
    )
    rows = frame.filter(~pl.col("is whole text")).drop("is whole text")
    parts = [_without_ours(rows, dialect).drop("raw")]
    for text, line in frame.filter("is whole text").select("0", LINE).iter_rows():
        if text:
            found = read(text, line).with_columns(pl.lit(None, dtype=pl.String).alias(PART))
            parts.append(found.select(*cells, TROUBLE, LINE, TEXT, PART))
    yield pl.concat(parts).sort(LINE) if len(parts) > 1 else parts[0]


def _without_ours(rows: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    """Rows of the rejects file itself that cannot be read: their text begins behind our columns."""
    if rows[TROUBLE].null_count() == rows.height:
        return rows
    texts, firsts = rows[TEXT].to_list(), rows["0"].to_list()
    for at, (trouble, text, raw) in enumerate(rows.select(TROUBLE, TEXT, "raw").iter_rows()):
        if trouble == MORE_CELLS:
            texts[at] = _surplus_text(text, dialect)
        elif trouble is not None:
            texts[at] = "\n".join(
                _behind_ours(line, dialect.delimiter) for line in text.split("\n")
            )
            firsts[at] = _behind_ours(raw, dialect.delimiter)
    return rows.with_columns(
        pl.Series(TEXT, texts, dtype=pl.String), pl.Series("0", firsts, dtype=pl.String)
    )


def _surplus_text(text: str, dialect: Dialect) -> str:
    cells = next(csv.reader(io.StringIO(text), delimiter=dialect.delimiter))
    out = io.StringIO()
    csv.writer(out, delimiter=dialect.delimiter, lineterminator="").writerow(
        map(as_it_was, cells[len(SIGNATURE) :])
    )
    return out.getvalue()


def _behind_ours(line: str, delimiter: str) -> str:
    mark = re.escape(delimiter)
    return re.sub(rf'\A(?:(?:"(?:[^"]|"")*"|[^"{mark}]*){mark}){{{len(SIGNATURE)}}}', "", line)
