"""Files that nobody would write on purpose, made from a seed: CSV in odd dialects and encodings,
packed and cut, under titles and with other tables below; Parquet of any types and workbooks, with
bytes turned; read by any mapping. What comes out of reading one is orders, or a reason; never
another error, and never a control character in what is said.

    python -m tests.ingest.fuzz --rounds 20000 [--seed 7]

as `make fuzz` does, until it is done or something is found.
"""

import argparse
import gzip
import random
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import zstandard

from services.ingest.files import open_file
from services.ingest.inspecting import inspect
from services.ingest.mapping import Mapping
from shared.errors import Rejected
from tests.ingest.test_files import orders_of
from tests.ingest.workbook_files import Formula, Page, xlsx

ATOMS = [
    b",",
    b";",
    b"\t",
    b"|",
    b'"',
    b"'",
    b"\\",
    b"\n",
    b"\r\n",
    b"\r",
    b"\x00",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\x1a",
]
ATOMS += [
    b"\x0b",
    b"\x85",
    b"\xe2\x80\xa8",
    b"order",
    b"revenue",
    b"A",
    b"2026-03-01",
    b'5 1/2"',
    b'""',
    b" ",
    b"sep=",
    b"=cmd()",
]
ATOMS += [b"1e400", b"NaN", b"x" * 300, b"0001-01-01", b"9" * 40]
ATOMS += [b"Total", b"46112", b"03/04/2026 10:30 PM", b"(1,234.56)", b"5 CR", b"2026-03-01 UTC"]
ATOMS += [
    b"order,account,ordered_on,revenue\n",
    b"account;order\n",
    b"<html><table>",
    b"PK\x03\x04",
]
TITLES = [b"", b"", b"", b"Sales of March\n\n", b'"a title\nof two lines"\n', b"order\n"]
KEYS: dict[str, list[Any]] = {
    "header_line": [0, 1, 2, 7],
    "sheet": ["Orders", 1, 2, "no such"],
    "encoding": ["utf-8", "utf-16", "cp932", "gb18030", "cp850", "utf-32"],
    "delimiter": [";", "tab", "|"],
    "quote": ["", "'", "|"],
    "decimal": [",", "."],
    "negative": ["CR", ["minus"], ["brackets", "trailing"]],
    "date_format": ["%m/%d/%Y", ["%d/%m/%Y", "%m/%d/%Y", "excel"], "%Y-%m-%d %H:%M:%S"],
    "null": [["x"]],
    "fill_down": [True, ["account"]],
    "status": [{"*": "open"}, {"x": "cancelled"}],
    "columns": [{"1": "order"}, {"od": None}, {"product": "order", "6": "revenue"}, {"9": "grade"}],
}
CELLS: list[Any] = [
    *(None, "", "1", "A", "NULL", 1.5, 0.1 + 0.2, 1e300, -5, 12345678901234567890.0, True),
    *(date(2026, 3, 1), "2026-03-01", "5 1/2", Formula("1+1", 2.0), "a\nb", "\x1b[31m"),
]
ENCODINGS = ("utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252")
COLUMNS = ("order", "account", "ordered_on", "revenue", "od", "quantity", "revision", "status")

Make = Callable[[random.Random, int], pl.Series]


def _of(values: list[Any], dtype: Any = None) -> Make:
    return lambda rng, rows: pl.Series([rng.choice(values) for _ in range(rows)], dtype=dtype)


TYPES: dict[str, Make] = {
    "int": lambda rng, rows: pl.Series(
        [rng.randint(-(2**62), 2**62) for _ in range(rows)], dtype=pl.Int64
    ),
    "int128": lambda rng, rows: pl.Series(
        [rng.randint(-(2**100), 2**100) for _ in range(rows)], dtype=pl.Int128
    ),
    "small": _of([0, 1, 255], pl.UInt8),
    "float": _of(
        [1.5, float("nan"), float("inf"), -float("inf"), 1e300, -0.0, 5e-324, None], pl.Float64
    ),
    "float32": _of([1.5, 0.1, 3e38], pl.Float32),
    "text": _of(["a", "", "NaN", "2026-03-01", "10", "\x00", "x" * 500, "=1+1", None], pl.String),
    "category": _of(["a", "2026-03-01", None], pl.Categorical),
    "enum": _of(["a", "b"], pl.Enum(["a", "b"])),
    "bytes": _of([b"\xff\x00"], pl.Binary),
    "truth": _of([True, False, None], pl.Boolean),
    "nothing": _of([None], pl.Null),
    "day": _of([date(2026, 3, 1), date(1, 1, 1), date(9999, 12, 31), None], pl.Date),
    "moment": _of(
        [
            one.replace(tzinfo=None)
            for one in (
                datetime(2026, 3, 1, 5, tzinfo=UTC),
                datetime(1, 1, 1, tzinfo=UTC),
                datetime(9999, 12, 31, 23, tzinfo=UTC),
            )
        ],
        pl.Datetime("us"),
    ),
    "aware": _of(
        [datetime(2026, 3, 1, 5, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)],
        pl.Datetime("us", "UTC"),
    ),
    "time": _of([time(3)], pl.Time),
    "length": _of([timedelta(3)], pl.Duration),
    "decimal": _of([Decimal("1.123456789"), Decimal("-0.005")], pl.Decimal(38, 9)),
    "list": _of([[1]], pl.List(pl.Int64)),
    "array": _of([[1, 2]], pl.Array(pl.Int64, 2)),
    "struct": _of([{"a": 1}], pl.Struct({"a": pl.Int64})),
}


def csv_file(rng: random.Random) -> bytes:
    """One that began as a CSV file."""
    newline, mark = rng.choice([b"\n", b"\r\n", b"\r"]), rng.choice([b",", b";", b"\t", b"|"])
    rows = [mark.join([b"order", b"account", b"ordered_on", b"product", b"od", b"revenue"])]
    for number in range(rng.randint(0, 6)):
        product, od = rng.choice([b"P", b'"a\nb"', b'"x""y"']), rng.choice([b'5 1/2"', b"5.5", b""])
        revenue = rng.choice([b"10", b"1e5", b'"1,000"', b""])
        rows.append(mark.join([str(number).encode(), b"A", b"2026-03-01", product, od, revenue]))
    if rng.random() < 0.15:
        rows += [
            b"",
            rows[0] if rng.random() < 0.5 else mark.join([b"account", b"order", b"x"]),
            rows[-1],
        ]
    content = turned(rng, rng.choice(TITLES) + newline.join(rows) + newline)
    if rng.random() < 0.15:
        content = content.decode("latin-1").encode(rng.choice(ENCODINGS), "replace")
    pack = rng.choice([None, None, None, gzip.compress, zstandard.compress])
    if pack is not None:
        content = pack(content)
        if rng.random() < 0.5:
            content = turned(rng, content)
    return content


def parquet_file(rng: random.Random, path: Path) -> None:
    """Of any types; some with bytes turned."""
    rows = rng.choice([0, 1, 3, 50])
    frame = pl.DataFrame(
        [TYPES[rng.choice(list(TYPES))](rng, rows).alias(name) for name in COLUMNS]
    )
    frame.write_parquet(path, compression=rng.choice(["zstd", "gzip", "snappy", "uncompressed"]))
    if rng.random() < 0.5:
        content = bytearray(path.read_bytes())
        for _ in range(rng.randint(1, 8)):
            content[rng.randrange(4, len(content))] = rng.randrange(256)
        path.write_bytes(
            content[: rng.randrange(4, len(content))] if rng.random() < 0.2 else content
        )


def workbook(rng: random.Random, path: Path) -> None:
    """Of any cells; some with bytes turned."""
    header = ["order", "account", "ordered_on", "product", "od", "revenue"]
    pages = []
    for name in ("Orders", "Notes")[: rng.choice([1, 1, 1, 2])]:
        rows = [[rng.choice(CELLS) for _ in header] for _ in range(rng.randint(0, 6))]
        merged = rng.choice([(), (), ("A2:A4",), ("A2:C3", "F2:F5")])
        pages.append(Page(name, [header, *rows], merged, rng.random() < 0.2, rng.randint(1, 3)))
    xlsx(path, *pages, is_1904=rng.random() < 0.2)
    if rng.random() < 0.3:
        path.write_bytes(turned(rng, path.read_bytes()))


def mapping(rng: random.Random) -> Mapping:
    """None, mostly; else of any keys."""
    if rng.random() < 0.6:
        return Mapping()
    keys = rng.sample(list(KEYS), rng.randint(1, 3))
    try:
        return Mapping.model_validate({key: rng.choice(KEYS[key]) for key in keys})
    except ValueError:
        return Mapping()


def turned(rng: random.Random, content: bytes) -> bytes:
    """With a few pieces put in, taken out or changed."""
    found = bytearray(content)
    for _ in range(rng.randint(0, 6)):
        at, what = rng.randrange(len(found) + 1), rng.random()
        if what < 0.5:
            found[at:at] = rng.choice(ATOMS)
        elif what < 0.75:
            del found[at : at + rng.randint(1, 8)]
        elif found:
            found[at % len(found)] = rng.randrange(256)
    return bytes(found)


def read_one(seed: int, path: Path) -> int:
    """Make the file of a seed and read it; how many orders it had. Raises
    nothing, or a fault was found.
    """
    rng = random.Random(seed)
    if seed % 50 == 0:  # each costs two processes
        workbook(rng, path)
    elif seed % 3:
        path.write_bytes(csv_file(rng))
    else:
        parquet_file(rng, path)
    by = mapping(rng)
    try:
        if seed % 10 == 1:
            Mapping.model_validate(inspect(path, mapping=by).mapping.as_written())
        orders, notes = orders_of(open_file(path, "orders", by), mapping=by)
    except Rejected as error:
        assert all(one.reason for one in error.errors)
        assert str(error).isprintable(), f"a control is shown: {error!r}"
        return 0
    refused = sum(order.order is None for order in orders)
    assert refused == 0 or any(note.wrong for note in notes), "refused without a reason"
    return len(orders) - refused


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=1_000)
    asked.add_argument("--seed", type=int, default=0)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        taken = 0
        for seed in range(options.seed, options.seed + options.rounds):
            try:
                taken += read_one(seed, Path(folder) / "file")
            except BaseException:
                print(f"seed {seed}:")
                raise
    print(f"{options.rounds} files read, {taken} orders taken, no fault")


if __name__ == "__main__":
    main()
