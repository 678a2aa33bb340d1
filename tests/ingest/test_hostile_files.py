"""Hostile files: a wrong row is refused by its line and column and costs its order alone;
what no reader reads is told so.
"""

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from services.ingest import accounts_and_contacts, sources
from services.ingest.files import open_file
from services.ingest.grouping import _without_surplus
from services.ingest.headers import not_there
from services.ingest.mapping import PLAIN, Mapping, read_mapping
from services.ingest.progress import Progress
from services.ingest.rejects import write_rejects
from services.ingest.report import Report
from shared.errors import Rejected
from shared.settings import settings
from tests.ingest import fuzz
from tests.ingest.hostile import IN_AN_ID, NO_DAY, NO_MONEY
from tests.ingest.test_files import TERMS, orders_of
from tests.stack_fixtures import Stack

Write = Callable[[str | bytes], Path]
ROW = {"order": "2", "account": "A", "ordered_on": "2026-03-01", "revenue": "10"}
FUZZ_ROUNDS = 600


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def storable(text: str) -> bool:
    """What a UTF-8 file can hold in a cell of its own, and what a reader would not trim."""
    return (
        bool(text.strip())
        and text == text.strip()
        and len(text) < 10_000
        and not any("\ud800" <= one <= "\udfff" for one in text)
    )


CELLS: list[tuple[str, str]] = [
    *(("order", text) for text in IN_AN_ID if storable(text)),
    *(("account", text) for text in IN_AN_ID if storable(text)),
    *(("ordered_on", text) for text in NO_DAY if storable(text)),
    *(("revenue", text) for text in NO_MONEY if storable(text)),
    *(("revision", text) for text in ("-1", "9007199254740993", "1.5", "x", "1e3", "٣")),
    *(("status", text) for text in ("shipped", "0")),
    *(("currency", text) for text in ("EUR", "US")),
]


@pytest.mark.parametrize(("column", "text"), CELLS)
def test_a_hostile_cell_refuses_its_order_by_line_and_column_and_no_other(
    column: str, text: str, tmp_path: Path, write: Write
) -> None:
    path = write("")
    names = list(dict.fromkeys([*ROW, column]))
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        writer.writerow(names)
        for row in (ROW | {"order": "1"}, ROW | {column: text}, ROW | {"order": "3"}):
            writer.writerow([row.get(name, "") for name in names])
    orders, notes = orders_of(open_file(path, "orders", PLAIN))
    assert [(note.line, note.column) for note in notes if note.wrong] == [(3, column)]
    assert [order.id for order in orders if order.order is not None] == ["1", "3"]
    write_rejects(
        tmp_path / "rejects.csv",
        [open_file(path, "orders", PLAIN)],
        lambda place, cells: {3: notes[0]},
        "UTC",
    )
    with (tmp_path / "rejects.csv").open(newline="", encoding="utf-8") as rejects:
        head, (file, line, its, _, *cells) = csv.reader(rejects)
    assert (file, line, its) == ("file.csv", "3", column)
    assert cells[head.index(column) - 4].removeprefix("'") == text.replace("\r\n", "\n")


PEOPLE = [
    ("accounts", "account", "a\u202eb"),
    ("accounts", "revision", "-1"),
    ("contacts", "contact", "a\x00b"),
    ("contacts", "account", ""),
    ("contacts", "primary", "perhaps"),
]


@pytest.mark.parametrize(("kind", "column", "text"), PEOPLE)
def test_a_hostile_account_or_contact_is_refused_by_its_column_and_the_others_go_in(
    kind: str, column: str, text: str, write: Write
) -> None:
    good = {"accounts": {"account": "A"}, "contacts": {"contact": "C", "account": "A"}}[kind]
    names = list(dict.fromkeys([*good, column]))
    lines = [
        names,
        *([row.get(name, "") for name in names] for row in (good, good | {column: text}, good)),
    ]
    path = write("\n".join(",".join(f'"{cell}"' for cell in row) for row in lines))
    report = Report(kind=kind)
    with Progress(0) as progress:
        taken = list(
            accounts_and_contacts.read(
                kind, 0, open_file(path, kind, PLAIN), TERMS, PLAIN, report, progress
            )
        )
    assert (len(taken), report.rejected) == (2, 1)
    assert [(note.line, note.column) for note in report.notes()] == [(3, column)]


# -- headers ---------------------------------------------------------------------------------------

HEADERS = [
    ("order,account,ordered_on,revenue,order\n", "order"),
    ("order,account,ordered_on,revenue,ORDER \n", "order"),
    ("order,,ordered_on,revenue\n", "account"),
    ("order,account,ordered_on,\n", "revenue"),
    ("1,A,2026-03-01,10\n", "order"),
    (",,,\n1,A,2026-03-01,10\n", "order"),
    ("\x00\x00\x00\n", "order"),
]


@pytest.mark.parametrize(("content", "column"), HEADERS)
def test_a_header_that_lacks_or_doubles_a_column_is_told_by_its_name(
    content: str, column: str, write: Write
) -> None:
    with pytest.raises(Rejected) as caught:
        open_file(write(content), "orders", PLAIN)
    assert column in [error.field for error in caught.value.errors]


def test_columns_without_a_name_or_with_the_name_of_another_are_kept_for_the_rejects(
    write: Write, tmp_path: Path
) -> None:
    file = open_file(
        write("order,,note,account,ordered_on,revenue,note\n1,a,b,A,2026-03-01,x,c\n"),
        "orders",
        PLAIN,
    )
    orders, notes = orders_of(file)
    assert ([order.order for order in orders], notes[0].column) == ([None], "revenue")
    write_rejects(tmp_path / "rejects.csv", [file], lambda place, cells: {2: notes[0]}, "UTC")
    assert (tmp_path / "rejects.csv").read_text().splitlines() == [
        "file,line,column,reason,order,,note,account,ordered_on,revenue,note",
        "file.csv,2,revenue,must be a decimal number such as 1234.50,1,a,b,A,2026-03-01,x,c",
    ]


def test_lines_are_those_of_the_file_behind_quoted_newlines(write: Write, tmp_path: Path) -> None:
    rows = ['1,A,2026-03-01,"two\r\nlines",1', '2,A,x,"th\nr\nee",1', "3,A,2026-03-01,P,y"]
    content = "order,account,ordered_on,product,revenue\r\n" + "\r\n".join(rows)
    file = open_file(write(content), "orders", PLAIN)
    orders, notes = orders_of(file)
    assert [(note.line, note.column) for note in notes if note.wrong] == [
        (4, "ordered_on"),
        (7, "revenue"),
    ]
    assert [(note.line, note.column) for note in notes if not note.wrong] == [
        (2, "product"),
        (4, "product"),
    ]
    assert [order.id for order in orders if order.order is not None] == ["1"]
    write_rejects(
        tmp_path / "rejects.csv",
        [file],
        lambda place, cells: {note.line: note for note in notes if note.wrong},
        "UTC",
    )
    with (tmp_path / "rejects.csv").open(newline="", encoding="utf-8") as rejects:
        _, *found = csv.reader(rejects)
    assert [(row[1], row[4], row[7]) for row in found] == [("4", "2", "th\nr\nee"), ("7", "3", "P")]


def test_a_column_that_is_empty_for_a_whole_piece_is_still_what_it_is(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PIECE_BYTES", 200)
    rows = [f"{number},A,2026-03-01,10,{number if number > 50 else ''}\n" for number in range(100)]
    orders, notes = orders_of(
        open_file(
            write("order,account,ordered_on,revenue,revision\n" + "".join(rows)), "orders", PLAIN
        )
    )
    assert notes == []
    assert [order.order.revision for order in orders[51:] if order.order is not None] == list(
        range(51, 100)
    )


OLD_MAC = (
    'order,account,ordered_on,product,revenue\r1,A,2026-03-01,"two\nlines",1\r2,A,2026-03-01,P,1\r'
)


def test_lines_that_end_as_on_old_machines_may_hold_newlines_in_quotes(write: Write) -> None:
    orders, notes = orders_of(open_file(write(OLD_MAC), "orders", PLAIN))
    assert [(note.line, note.column, note.wrong) for note in notes] == [(2, "product", False)]
    assert [order.order.lines[0].product for order in orders if order.order is not None] == [
        "two lines",
        "P",
    ]


# -- what no reader reads --------------------------------------------------------------------------

UNREADABLE: list[bytes] = [
    b"\xef\xbb\xbforder,account\n\xff\xfe",
    b"\xff\xfeo\x00r\x00d\x00\x00\xd8\n\x00",
    "order,account".encode("utf-16")[:-1],
    b'order,"acc\rount\n',
    b"\x1f\x8b\x08\x00garbage",
    gzip.compress(b"order,account\n" * 1000, mtime=0)[:-30],
    b"\x28\xb5\x2f\xfdgarbage",
    zstandard.compress(b"order,account\n" * 1000)[:-5],
    b"PAR1" + b"\x00" * 100,
    b"",
    b"\n \r\n",
]


@pytest.mark.parametrize("content", UNREADABLE)
def test_a_file_that_cannot_be_read_is_told_and_nothing_is_raised_but_that(
    content: bytes, write: Write
) -> None:
    with pytest.raises(Rejected) as caught:
        open_file(write(content), "orders", PLAIN)
    assert all(error.field and error.reason for error in caught.value.errors)


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> Any:
    def bound(**values: int) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"WINBACK_{name.upper()}", str(value))
        settings.cache_clear()

    yield bound
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_bomb_costs_no_more_than_its_bound(
    pack: Callable[[bytes], bytes], write: Write, bounds: Any
) -> None:
    with pytest.raises(Rejected, match="has a line of more than"):
        open_file(write(pack(b"0" * 200_000_000)), "orders", PLAIN)
    bounds(import_max_bytes=1_000_000)
    with pytest.raises(Rejected, match="larger than 1000000 bytes"):
        open_file(write(pack(b"order,account,ordered_on,revenue\n" * 1_000_000)), "orders", PLAIN)


def test_a_parquet_file_of_too_many_rows_is_refused(tmp_path: Path, bounds: Any) -> None:
    path = tmp_path / "orders.parquet"
    pl.DataFrame({"account": ["A"]}).select(
        pl.col("account").repeat_by(2_000_000).explode()
    ).write_parquet(path)
    assert path.stat().st_size < 10_000, "it is a bomb"
    bounds(import_max_rows=1_000_000)
    with pytest.raises(Rejected, match="more than 1000000 rows"):
        next(open_file(path, "accounts", PLAIN).frames("UTC"))


# -- Parquet ---------------------------------------------------------------------------------------

READ: list[tuple[str, pl.Series, str]] = [
    ("revenue", pl.Series([Decimal("12.345")], dtype=pl.Decimal(12, 3)), ""),
    ("revenue", pl.Series([12], dtype=pl.UInt8), ""),
    ("revenue", pl.Series([float("nan")]), "revenue"),
    ("revenue", pl.Series([float("inf")]), "revenue"),
    ("revenue", pl.Series([1e300]), "revenue"),
    ("revenue", pl.Series([None], dtype=pl.Null), "revenue"),
    ("revenue", pl.Series([True]), "revenue"),
    ("ordered_on", pl.Series([date(2026, 3, 1)]), ""),
    ("ordered_on", pl.Series([datetime(2026, 3, 1, 23)]), ""),  # noqa: DTZ001  # naive, as in files
    ("ordered_on", pl.Series(["2026-03-01"], dtype=pl.Categorical), ""),
    ("ordered_on", pl.Series([20513], dtype=pl.Int32), "ordered_on"),
    ("ordered_on", pl.Series([1774915200]), "ordered_on"),
    ("ordered_on", pl.Series([date(1, 1, 1)]), "ordered_on"),
    ("ordered_on", pl.Series([date(9999, 12, 31)]), "ordered_on"),
    ("ordered_on", pl.Series([None], dtype=pl.Date), "ordered_on"),
    ("account", pl.Series(["A"], dtype=pl.Enum(["A", "B"])), ""),
    ("account", pl.Series(["a\x00b"]), "account"),
    ("revision", pl.Series([3.0]), ""),
    ("revision", pl.Series([2**60]), "revision"),
]


@pytest.mark.parametrize(("column", "values", "wrong"), READ)
def test_a_parquet_column_of_any_type_is_read_or_refused_by_its_name(
    column: str, values: pl.Series, wrong: str, tmp_path: Path
) -> None:
    path = tmp_path / "orders.parquet"
    row = {"order": ["1"], "account": ["A"], "ordered_on": ["2026-03-01"], "revenue": ["10"]}
    pl.DataFrame(row).with_columns(values.alias(column)).write_parquet(path)
    orders, notes = orders_of(open_file(path, "orders", PLAIN))
    assert [note.column for note in notes if note.wrong] == ([wrong] if wrong else [])
    assert [order.order is not None for order in orders] == [not wrong]


@pytest.mark.parametrize("values", [pl.Series([[1]]), pl.Series([{"a": 1}]), pl.Series([b"\xff"])])
def test_a_parquet_column_that_holds_no_single_text_is_refused_by_its_name(
    values: pl.Series, tmp_path: Path
) -> None:
    path = tmp_path / "orders.parquet"
    row = {"order": ["1"], "ordered_on": ["2026-03-01"], "revenue": ["10"], "note": [[1]]}
    pl.DataFrame(row).with_columns(values.alias("account")).write_parquet(path)
    with pytest.raises(Rejected) as caught:
        orders_of(open_file(path, "orders", PLAIN))
    assert [error.field for error in caught.value.errors] == ["account"]


# -- mappings --------------------------------------------------------------------------------------

MAPPINGS = [
    ("", "--map"),
    ("[]", "--map"),
    ("nonsense", "--map"),
    ('{"columns": []}', "columns"),
    ('{"columns": {"Nr": 1}}', "columns.Nr"),
    ('{"columns": {"Nr": "order", "Nr": "account"}}', "columns"),
    ('{"decimal": ",", "decimal": "."}', "decimal"),
    ('{"decimal": ";"}', "decimal"),
    ('{"decimal": ",", "thousands": ","}', "thousands"),
    ('{"thousands": "."}', "thousands"),
    ('{"thousands": "x"}', "thousands"),
    ('{"thousands": "ab"}', "thousands"),
    ('{"delimiter": "\\""}', "delimiter"),
    ('{"delimiter": "\\n"}', "delimiter"),
    ('{"delimiter": "a"}', "delimiter"),
    ('{"delimiter": ",,"}', "delimiter"),
    ('{"delimiter": NaN}', "delimiter"),
    ('{"date_format": "%d.%m."}', "date_format"),
    ('{"date_format": "%Q"}', "date_format"),
    ('{"date_format": "dd.mm.yyyy"}', "date_format"),
    ('{"date_format": "\\u0000"}', "date_format"),
    ('{"currency": 1}', "currency"),
    ('{"sheet": 0}', "sheet"),
    ('{"sheet": true}', "sheet"),
    ('{"header_line": -1}', "header_line"),
    ('{"header_line": "2"}', "header_line"),
    ('{"header_line": 1.5}', "header_line"),
    ('{"encoding": "rot13"}', "encoding"),
    ('{"encoding": "no such"}', "encoding"),
    ('{"encoding": "a\\u0000b"}', "encoding"),
    ('{"quote": "ab"}', "quote"),
    ('{"quote": ";", "delimiter": ";"}', "quote"),
    ('{"negative": "-"}', "negative"),
    ('{"negative": []}', "negative"),
    ('{"date_format": []}', "date_format"),
    ('{"date_format": ["%d.%m.%Y", 1]}', "date_format"),
    ('{"date_format": ["%d.%m.%Y", "%d.%m."]}', "date_format"),
    ('{"dateformat": "%d.%m.%Y"}', "dateformat"),
]


@pytest.mark.parametrize(("content", "field"), MAPPINGS)
def test_a_mapping_that_cannot_be_is_told_by_its_key(
    content: str, field: str, write: Write
) -> None:
    with pytest.raises(Rejected) as caught:
        read_mapping(write(content))
    assert caught.value.errors[0].field.removeprefix("--map: ") == field
    assert "\x00" not in str(caught.value)


@pytest.mark.parametrize(
    "day",
    [
        "%d.%m.%Y",
        "%Y%m%d",
        "%m/%d/%y",
        "%d %b %Y %H:%M",
        "%Y-%j",
        "%Y-%m-%dT%H:%M:%S%z",
        "%d-%B-%Y",
    ],
)
def test_every_form_of_a_day_can_be_named(day: str, write: Write) -> None:
    assert read_mapping(write(json.dumps({"date_format": day}))).date_format == day


def test_a_column_that_the_mapping_names_and_the_file_lacks_is_worth_a_warning() -> None:
    mapping = Mapping(columns={"Nr": "order", "Güte": "grade", "Notiz": None})
    assert not_there(["nr", "Gute"], mapping) == ["Güte"]


def test_days_in_two_forms_and_decimal_commas_are_read_by_one_mapping(write: Write) -> None:
    rows = [
        "1;A;01.03.2026;5,5;1.234,5",
        "2;A;2026-03-01;;12,5",
        "3;A;03/01/2026;;1",
        "4;A;1.3.26;;1,5e3",
    ]
    content = "order;account;ordered_on;od;revenue\n" + "\n".join(rows)
    mapping = Mapping(date_format="%d.%m.%Y", decimal=",", thousands=".")
    orders, notes = orders_of(open_file(write(content), "orders", mapping), mapping=mapping)
    assert [order.order.lines[0].revenue_cents for order in orders if order.order is not None] == [
        123450,
        1250,
    ]
    assert [(note.line, note.column) for note in notes if note.wrong] == [
        (4, "ordered_on"),
        (5, "ordered_on"),
        (5, "revenue"),
    ]


@pytest.mark.parametrize("day", ["0001-01-01T00:00:00+1400", "9999-12-31T23:59:59-1400"])
def test_a_moment_at_the_end_of_the_calendar_is_no_day(day: str, write: Write) -> None:
    mapping = Mapping(date_format="%Y-%m-%dT%H:%M:%S%z")
    _, notes = orders_of(
        open_file(write(f"order,account,ordered_on,revenue\n1,A,{day},1\n"), "orders", mapping),
        mapping=mapping,
    )
    assert [(note.line, note.column) for note in notes] == [(2, "ordered_on")]


# -- size ------------------------------------------------------------------------------------------


def test_a_file_of_one_order_costs_no_more_memory_than_another(write: Write, bounds: Any) -> None:
    bounds(import_memory_rows=1_000, ingest_max_lines=50)
    rows = [f"1,A,2026-03-01,{number}\n" for number in range(20_000)] + ["2,A,2026-03-01,1\n"]
    file = open_file(write("order,account,ordered_on,revenue\n" + "".join(rows)), "orders", PLAIN)
    orders, notes = orders_of(file, terms=replace(TERMS, most_lines=50))
    assert {order.id: order.order is not None for order in orders} == {"1": False, "2": True}
    assert [(note.line, note.column) for note in notes] == [(2, "order")]
    held = {"order": ["1"] * 500, "revision": [None] * 500, "place": [0] * 500}
    assert (
        _without_surplus(
            pl.DataFrame(held, schema={"order": pl.String, "revision": pl.Int64, "place": pl.Int32})
        ).height
        == 51
    )


SAY_PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}\\n")
sys.stdout.flush()
sys.stdout.buffer.write(done.stdout)
sys.exit(done.returncode)
"""


def test_the_memory_of_an_import_is_bounded_by_a_setting(
    stack: Stack, organization: str, tmp_path: Path
) -> None:
    """Peak memory of a dry run over 32 MB of nothing but different cells; files of 65 MB and
    132 MB came to the same 419 MB.

    A small process starts it and says its peak: by exec, a process inherits the peak of the one
    that started it, and that of the tests is large.
    """
    path, rows = tmp_path / "orders.csv", 600_000
    with path.open("w") as out:
        out.write("order,account,ordered_on,product,od,revenue\n")
        for number in range(rows):
            order = number // 3
            out.write(
                f"O-{order},A-{order % 997},2026-03-0{order % 9 + 1},PRODUCT-{number % 5003},5 "
                f"1/2,{number}.25\n"
            )
    command = [
        sys.executable,
        "-P",
        "-m",
        "winback",
        "import",
        "orders",
        str(path),
        "-o",
        organization,
        "--dry-run",
        "--json",
    ]
    environment = (
        os.environ | stack.env | {"WINBACK_IMPORT_MEMORY_ROWS": "50000", "POLARS_MAX_THREADS": "2"}
    )
    done = subprocess.run(
        [sys.executable, "-c", SAY_PEAK, *command],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    peak_kb, told = done.stdout.split(b"\n", 1)
    answer = json.loads(told)
    assert (answer["orders"], answer["rejected"]) == (rows // 3, 0)
    assert int(peak_kb) < 500_000, f"{peak_kb.decode()} KB"


# -- whatever comes --------------------------------------------------------------------------------


def test_no_file_ends_in_anything_but_orders_or_reasons(tmp_path: Path) -> None:
    taken = sum(fuzz.read_one(seed, tmp_path / "file") for seed in range(FUZZ_ROUNDS))
    assert taken > FUZZ_ROUNDS / 10, "it reads files, too"
