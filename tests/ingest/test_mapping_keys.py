"""What a mapping can say of a file, key by key, and files that say it themselves."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest

from services.ingest.days import file_day
from services.ingest.fields import Wrong
from services.ingest.files import open_file
from services.ingest.kinds import unmarked
from services.ingest.mapping import PLAIN, Mapping, checked, schema
from shared.errors import Rejected
from tests.ingest.reader import Read, read

FILES = Path(__file__).parent / "files"
CHICAGO, BERLIN = ZoneInfo("America/Chicago"), ZoneInfo("Europe/Berlin")
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def said(found: Read) -> list[str]:
    return [f"{note.line} {note.column}: {note.reason}" for note in found.report.notes()]


# -- columns ---------------------------------------------------------------------------------------


def test_columns_are_named_by_number_where_no_column_has_that_name(write: Write) -> None:
    path = write("Nr,Kunde,Tag,Betrag\n1,A,2026-03-01,5\n")
    columns: dict[str, str | None] = {"1": "order", "2": "account", "Tag": "ordered_on"}
    assert read([path], mapping=Mapping(columns={**columns, "4": "revenue"})).cents == {"1": 500}
    with pytest.raises(Rejected) as caught:
        open_file(path, "orders", Mapping(columns={**columns, "5": "revenue"}))
    assert caught.value.errors[0].field == "--map: columns.5"
    assert caught.value.errors[0].reason == "the file has 4 columns"


def test_a_file_without_names_goes_by_number(write: Write) -> None:
    columns: dict[str, str | None] = {"1": "order", "2": "account", "3": "ordered_on"}
    columns["4"] = "revenue"
    mapping = Mapping(columns=columns, header_line=0)
    found = read([write("1;A;2026-03-01;5\n2;B;2026-03-02;6\n")], mapping=mapping)
    assert found.cents == {"1": 500, "2": 600}


def test_a_price_and_a_quantity_are_a_revenue(write: Write) -> None:
    header = "order,account,ordered_on,product,quantity,unit_price,discount\n"
    rows = ["1,A,2026-03-01,P,3,10.10,0.30", "2,A,2026-03-01,P,2 EA,5,", "3,A,2026-03-01,P,,5,"]
    found = read([write(header + "\n".join([*rows, "4,A,2026-03-01,P,x,5,"]))])
    assert found.cents == {"1": 3000, "2": 1000}
    wrong = [f"{note.line} {note.reason}" for note in found.report.notes() if note.wrong]
    assert wrong == [
        "4 is missing",
        "5 quantity, unit_price and discount are no numbers: x 5",
    ]
    with pytest.raises(Rejected, match="without a quantity"):
        read([write("order,account,ordered_on,unit_price\n")])


# -- header_line -----------------------------------------------------------------------------------

REPORT = "Sales by Customer\nMarch 2026, all yards\n\norder,account,ordered_on,revenue\n"


def test_a_title_above_the_names_is_passed_by_and_told(write: Write) -> None:
    found = read([write(REPORT + "1,A,2026-03-01,5\n")])
    assert found.cents == {"1": 500}
    assert said(found) == [
        "1 : file.csv: line 4 names the columns; what stands above it is passed by"
    ]


def test_a_mapping_says_which_line_names_the_columns(write: Write) -> None:
    content = "order,account,ordered_on,revenue\n\norder,account,ordered_on,revenue\n"
    path = write(content + "1,A,2026-03-01,5\n")
    assert read([path], mapping=Mapping(header_line=3)).cents == {"1": 500}
    with pytest.raises(Rejected, match=r"line 2 of file\.csv names no columns"):
        open_file(path, "orders", Mapping(header_line=2))
    with pytest.raises(Rejected, match="line 99"):
        open_file(path, "orders", Mapping(header_line=99))


def test_names_that_come_again_on_each_page_are_passed_by(write: Write) -> None:
    header = "order,account,ordered_on,revenue\n"
    found = read([write(f"{header}1,A,2026-03-01,5\n{header}1,A,2026-03-01,6\n")])
    assert found.cents == {"1": 1100}
    assert said(found) == ["3 : names the columns again, and was passed by"]


def test_headings_and_totals_of_a_report_cost_no_order(write: Write) -> None:
    header = "order,account,ordered_on,product,quantity,revenue\n"
    rows = [",Acme,,,,", "1,A,2026-03-01,P,2,5", ",Total for Acme,,,2,5.00"]
    rows += ["2,B,2026-03-02,P,1,6", ",,,,3,11"]
    found = read([write(header + "\n".join(rows))])
    assert found.cents == {"1": 500}, "an amount without a name may be a line of the order above"
    assert said(found)[:2] == [
        "2 : names no order and no amount, and was passed by as a heading",
        "4 : names no order and looks like a total, and was passed by",
    ]
    plain = "order,account,ordered_on,revenue\n1,A,2026-03-01,5\n,Total,,5\n"
    assert read([write(plain)]).cents == {}, "without products nobody can tell a total from a line"


TWO_TABLES = (
    "order,account,ordered_on,revenue\n1,A,2026-03-01,5\n\n"
    "account,order,revenue,ordered_on\nA,9,7,2026-03-01\n"
)


def test_a_second_table_is_refused_row_by_row_until_the_mapping_chooses(
    write: Write, tmp_path: Path
) -> None:
    path, rejects = write(TWO_TABLES), tmp_path / "rejects.csv"
    found = read([path], rejects=rejects)
    assert found.cents == {"1": 500}
    assert found.report.rejected == 2
    assert all("line 4 names: header_line" in one for one in said(found))
    assert "A,9,7,2026-03-01" in rejects.read_text()
    first = read([path], mapping=Mapping(header_line=1))
    assert first.cents == {"1": 500}
    assert said(first) == ["4 : another table begins here, and was passed by"]
    assert read([path], mapping=Mapping(header_line=4)).cents == {"9": 700}


# -- quote, encoding -------------------------------------------------------------------------------


def test_a_quote_may_be_part_of_a_text(write: Write) -> None:
    path = write('order\taccount\tordered_on\tproduct\trevenue\n1\tA\t2026-03-01\t"5 1/2\t5\n')
    found = read([path], mapping=Mapping(quote=""))
    assert found.lines["1"][0].product == '"5 1/2'
    path = write("order,account,ordered_on,product,revenue\n1,A,2026-03-01,|a,b|,5\n")
    assert read([path], mapping=Mapping(quote="|")).lines["1"][0].product == "a,b"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_letters_without_a_mark_are_known(codec: str, write: Write) -> None:
    text = "order;account;account_name;ordered_on;revenue\n1;A;上海钢管;2026-03-01;5\n"
    assert unmarked(text.encode(codec)) == codec
    found = read([write(text.encode(codec))])
    assert found.cents == {"1": 500}
    assert said(found) == []


def test_an_encoding_that_does_not_fit_is_told_with_its_line(write: Write) -> None:
    path = write("order,account\n1,Ä\n".encode("cp1252"))
    with pytest.raises(Rejected, match="is no valid utf-8, as the mapping says"):
        open_file(path, "accounts", Mapping(encoding="utf-8"))


def test_a_mark_counts_more_than_the_mapping(write: Write) -> None:
    path = write(
        "order,account,account_name,ordered_on,revenue\n1,A,Ä,2026-03-01,5\n".encode("utf-8-sig")
    )
    found = read([path], mapping=Mapping(encoding="cp1252"))
    assert [one.account_name for one in found.stored.values()] == ["Ä"]
    assert said(found) == ["1 : file.csv begins with the mark of utf-8-sig, and is read as that"]


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "mapping", "cents"),
    [
        ("5.00 CR", Mapping(negative=("minus", "CR")), -500),
        ("cr5", Mapping(negative="CR"), -500),
        ("5-", Mapping(negative="trailing"), -500),
        ("(5)", Mapping(negative=("minus", "trailing")), None),
        ("1,234.56", PLAIN, 123456),
        ("1,234,567", PLAIN, 123456700),
        ("1'234.50", PLAIN, 123450),
        ("1 234", PLAIN, 123400),
        ("1,234", PLAIN, None),
        ("12,34,567.80", PLAIN, 123456780),
        ("12,34,567.80", Mapping(thousands=","), 123456780),
        ("1.234,56", PLAIN, None),
        ("1.234,56", Mapping(decimal=","), 123456),
        ("1\u2009234,56", Mapping(decimal=",", thousands=" "), 123456),
        ("1\u2019234.50", Mapping(thousands="'"), 123450),
    ],
)
def test_an_amount_is_read_where_it_has_one_reading(
    amount: str, mapping: Mapping, cents: int | None, write: Write
) -> None:
    path = write(f'order,account,ordered_on,revenue\n1,A,2026-03-01,"{amount}"\n')
    assert read([path], mapping=mapping).cents == ({} if cents is None else {"1": cents})


# -- days ------------------------------------------------------------------------------------------

MARCH = date(2026, 3, 31)
DAYS: list[tuple[str, tuple[str, ...], ZoneInfo, date | None]] = [
    ("2026-03-31 00:00:00.000", (), CHICAGO, MARCH),
    ("2026-03-31T00:00", (), CHICAGO, MARCH),
    ("2026-03-31 12:00:00", (), CHICAGO, None),
    ("2026-04-01 03:00:00 UTC", (), CHICAGO, MARCH),
    ("2026-04-01 03:00:00.123456+00", (), CHICAGO, MARCH),
    ("2026-03-31 23:59:59.997", ("%Y-%m-%d",), CHICAGO, MARCH),
    ("31-MAR-26 11.59.59.000000 PM", ("%d-%b-%y",), BERLIN, MARCH),
    ("Mar 31 2026 12:00AM", ("%b %d %Y",), BERLIN, MARCH),
    ("31.03.2026, 08:15", ("%d.%m.%Y",), BERLIN, MARCH),
    ("03/31/2026 8:15 p.m.", ("%m/%d/%Y",), BERLIN, MARCH),
    ("03/31/2026 11:15 PM +0000", ("%m/%d/%Y",), BERLIN, date(2026, 4, 1)),
    ("31.03.2026", ("%d.%m.%Y %H:%M",), BERLIN, MARCH),
    ("46112", ("excel",), BERLIN, MARCH),
    ("46112.75", ("excel",), BERLIN, MARCH),
    ("44650", ("excel-1904",), BERLIN, MARCH),
    ("46112", (), BERLIN, None),
    ("9999999", ("excel",), BERLIN, None),
    ("04/03/2026", ("%d/%m/%Y", "%m/%d/%Y"), BERLIN, None),
    ("31/03/2026", ("%d/%m/%Y", "%m/%d/%Y"), BERLIN, MARCH),
    ("31.03.2026 25:00", ("%d.%m.%Y",), BERLIN, None),
    ("31.03.2026 extra", ("%d.%m.%Y",), BERLIN, None),
]


@pytest.mark.parametrize(("text", "formats", "zone", "day"), DAYS)
def test_a_day_is_read_as_the_mapping_writes_it_with_a_time_or_without(
    text: str, formats: tuple[str, ...], zone: ZoneInfo, day: date | None
) -> None:
    if day is None:
        with pytest.raises(Wrong):
            file_day(text, zone, formats)
    else:
        assert file_day(text, zone, formats) == day


def test_a_day_that_two_forms_read_in_two_ways_names_both() -> None:
    with pytest.raises(Wrong, match="is 2026-03-04 or 2026-04-03: two forms of date_format"):
        file_day("04/03/2026", BERLIN, ("%d/%m/%Y", "%m/%d/%Y"))


def test_a_number_that_a_spreadsheet_counts_says_how_it_is_read() -> None:
    with pytest.raises(Wrong, match='counts 2026-03-31 so: "excel" in date_format reads it'):
        file_day("46112", BERLIN, ("%d.%m.%Y",))


# -- Parquet of older tools ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["moments_int96.parquet", "moments_converted.parquet"])
def test_moments_of_older_tools_are_the_organizations_days(name: str) -> None:
    frames = list(open_file(FILES / name, "orders", PLAIN).frames("Europe/Berlin"))
    assert frames[0]["3"].to_list() == ["2026-08-01", "2026-08-02"]


def test_int96_midnights_are_days() -> None:
    file = open_file(FILES / "days_int96.parquet", "orders", PLAIN)
    assert next(iter(file.frames("America/Chicago")))["3"].to_list() == ["2026-08-01", "2026-08-02"]
    assert "read as days" in file.notes[0]


def test_texts_that_older_tools_write_as_bytes_are_texts() -> None:
    frames = list(open_file(FILES / "texts_as_bytes.parquet", "orders", PLAIN).frames("UTC"))
    assert frames[0].select("0", "1", "2", "3").row(0) == ("1", "A", "10", "2026-08-01")


# -- kinds -----------------------------------------------------------------------------------------

KINDS: list[tuple[bytes, str]] = [
    (b"%PDF-1.7\n%\xe2\xe3", "is a PDF"),
    (b"PARE1234PARE", "is an encrypted Parquet file"),
    (b"BZh91AY&SY", "is packed with bzip2: unpack it"),
    (b"7z\xbc\xaf\x27\x1c\0\0", "is a 7-Zip archive"),
    (b"SQLite format 3\0", "is an SQLite database"),
    (b"\xef\xbb\xbf<!DOCTYPE html><html>", "is a web page (HTML)"),
    (b"<table><tr><td>order", "is a web page (HTML)"),
    (b'<?xml version="1.0"?><orders>', "is XML"),
    (
        b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
        "2003",
    ),
    (b'[{"order": "1"}]', "is JSON"),
    (bytes(range(256)) * 4, "is no text, no workbook and no Parquet file"),
    (b"\x89PNG\r\n\x1a\n", "is a picture"),
]


@pytest.mark.parametrize(("content", "reason"), KINDS)
def test_a_file_is_known_by_its_first_bytes_and_never_shown_raw(
    content: bytes, reason: str, write: Write
) -> None:
    with pytest.raises(Rejected, match=re.escape(reason)) as caught:
        open_file(write(content), "orders", PLAIN)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("header", ["[order],[account]\n", "<order>,account\n", "ORCA,account\n"])
def test_a_table_that_begins_as_another_kind_is_a_table(header: str, write: Write) -> None:
    assert open_file(
        write(header.replace("account", "account ")), "accounts", Mapping(columns={"2": "account"})
    )


def test_no_control_of_a_header_reaches_the_terminal(write: Write) -> None:
    with pytest.raises(Rejected) as caught:
        open_file(write("order\x1b[31m,\x07account\n1,2\n"), "orders", PLAIN)
    assert str(caught.value).isprintable()


# -- the schema ------------------------------------------------------------------------------------

EXAMPLES: list[dict[str, Any]] = [
    {},
    {"columns": {"Nr": "order", "3": "account", "Notiz": None}, "header_line": 4, "sheet": 2},
    {"encoding": "cp1250", "delimiter": "tab", "quote": "", "decimal": ",", "thousands": "."},
    {"negative": ["minus", "CR"], "date_format": ["%d.%m.%Y", "excel"], "fill_down": True},
    {"status": {"void": "cancelled", "*": "open"}, "null": ["unknown"], "currency": "USD"},
    {"negative": "CR", "date_format": "%d.%m.%Y", "fill_down": ["order"], "sheet": "Orders"},
]
WRONG: list[dict[str, Any]] = [
    {"colums": {}},
    {"columns": {"Nr": 1}},
    {"header_line": -1},
    {"decimal": ";"},
    {"status": {"void": "gone"}},
    {"fill_down": ["revenue"]},
    {"sheet": 0},
]


@pytest.mark.parametrize("value", EXAMPLES)
def test_the_schema_takes_what_the_reader_takes(value: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(value, schema())
    assert checked(json.loads(json.dumps(value)))


@pytest.mark.parametrize("value", WRONG)
def test_the_schema_refuses_what_the_reader_refuses_by_its_key(value: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema())
    with pytest.raises(Rejected) as caught:
        checked(value)
    assert caught.value.errors[0].field.startswith(f"--map: {next(iter(value))}")


def test_a_key_that_is_misspelt_is_named_with_the_one_that_is_meant() -> None:
    with pytest.raises(Rejected, match="is no key of a mapping: is date_format meant"):
        checked({"dateformat": "%d.%m.%Y"})


def test_one_mapping_over_another_keeps_what_it_does_not_say() -> None:
    one = Mapping(columns={"A": "order"}, decimal=",", fill_down=True)
    found = Mapping(columns={"B": "account"}, decimal=".").over(one)
    assert found.columns == {"A": "order", "B": "account"}
    assert (found.decimal, found.fill_down) == (".", True)
    assert found.as_written() == {"columns": {"A": "order", "B": "account"}, "fill_down": True}
