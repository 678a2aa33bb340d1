"""Many orders -> their bytes at once: what `acceptance.order_of` makes of one,
written by Polars, column by column.

A file has a million orders; a Python object for each line of each costs more than all the rest of
an import. A test holds the two together, byte by byte.
"""

import hashlib
from collections.abc import Iterator

import msgspec
import polars as pl

from services.ingest.acceptance import Terms

CELLS = ["product", "od", "grade", "quantity", "cents"]  # in the order of orders.ContentLine
ORDERS_AT_ONCE = 8_192
TO_ESCAPE = r'["\\\x00-\x1f\x7f]'

_encode = msgspec.json.Encoder().encode
_NULL, _COMMA, _END = pl.lit("null"), pl.lit(","), pl.lit("}")


def encoded(orders: pl.DataFrame, terms: Terms) -> Iterator[tuple[str, bytes]]:
    """(content hash, bytes for Kafka) of each row. Columns: `order`, `account`, `ordered_on`,
    `revision` (null: none given), `status` (true: cancelled), `account_name`, `owner`, and CELLS as
    lists of one length: the lines.

    What stands in a row that is refused anyway (a cell that is null and must
    not be) comes out as anything.
    """
    for part in orders.iter_slices(ORDERS_AT_ONCE):
        yield from _encoded(part, terms)


def _encoded(part: pl.DataFrame, terms: Terms) -> Iterator[tuple[str, bytes]]:
    numbered = part.select(pl.int_range(pl.len()).alias("at"), *CELLS).explode(CELLS)
    lines = numbered.select(
        "at",
        pl.col("cents").cast(pl.String).alias("cents"),
        *(_quoted(numbered[name]) for name in CELLS[:-1]),
    )
    texts = [pl.col(name) for name in CELLS[:-1]]
    content = pl.concat_str(
        pl.lit("["),
        *(piece for text in texts for piece in (text.fill_null(_NULL), _COMMA)),
        "cents",
        pl.lit("]"),
    )
    line = pl.concat_str(
        pl.lit('{"revenue_cents":'),
        "cents",
        *(pl.concat_str(pl.lit(f',"{name}":'), name).fill_null("") for name in CELLS[:-1]),
        _END,
    )
    # Sorted as bytes within each order, as `content_hash` does; joined in Python, since a group
    # costs Polars more than a slice
    contents = (
        lines.select("at", content.alias("content"))
        .sort("at", "content")["content"]
        .fill_null("")
        .to_list()
    )
    written_lines = lines.select(line.alias("line"))["line"].fill_null("").to_list()
    heads = part.select(
        *(_quoted(part[name]) for name in ("order", "account", "account_name", "owner")),
        pl.col("ordered_on").cast(pl.String),
        pl.min_horizontal("ordered_on", pl.lit(terms.today)).cast(pl.String).alias("counts_on"),
        pl.col("revision").fill_null(terms.accepted_ms).cast(pl.String).alias("revision"),
        pl.col("revision").is_null().alias("is_timed"),
        pl.col("status").alias("is_cancelled"),
        pl.col("cents").list.len().alias("size"),
    )
    cancelled = pl.col("is_cancelled")
    written = heads.select(
        pl.concat_str(
            pl.lit("["), "order", _COMMA, "account", pl.lit(',"'), "ordered_on", pl.lit('",'),
            pl.when(cancelled).then(pl.lit("true")).otherwise(pl.lit("false")), pl.lit("]\n"),
        ).alias("content"),
        pl.concat_str(
            pl.lit(f'{{"organization":{_encode(terms.organization).decode()},"order":'), "order",
            pl.lit(',"account":'), "account", pl.lit(',"ordered_on":"'), "ordered_on",
            pl.lit('","counts_on":"'), "counts_on", pl.lit('","revision":'), "revision",
            pl.lit(',"content":"'),
        ).alias("before"),
        pl.concat_str(
            pl.lit("]"),
            pl.when("is_timed").then(pl.lit(',"revision_given":false')).otherwise(pl.lit("")),
            pl.when(cancelled).then(pl.lit(',"cancelled":true')).otherwise(pl.lit("")),
            *(
                pl.concat_str(pl.lit(f',"{name}":'), name).fill_null("")
                for name in ("account_name", "owner")
            ), _END,
        ).alias("after"),
    )  # fmt: skip
    end = 0
    for size, head, before, after in zip(
        heads["size"], *(column.fill_null("").to_list() for column in written), strict=True
    ):
        start, end = end, end + size
        hashed = hashlib.sha256((head + "\n".join(contents[start:end])).encode()).hexdigest()
        yield (
            hashed,
            f'{before}{hashed}","lines":[{",".join(written_lines[start:end])}{after}'.encode(),
        )


def _quoted(texts: pl.Series) -> pl.Series:
    """Each text as JSON; null stays null."""
    special = texts.unique().drop_nulls()
    special = special.filter(special.str.contains(TO_ESCAPE))
    if len(special):
        texts = texts.replace(
            special, pl.Series([_encode(text).decode()[1:-1] for text in special], dtype=pl.String)
        )
    return ('"' + texts + '"').alias(texts.name)
