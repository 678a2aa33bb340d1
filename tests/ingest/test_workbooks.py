"""Workbooks as they come: cells by their type, sheets by their name, what a hostile one costs."""

import re
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest

from services.ingest.files import open_file
from services.ingest.mapping import PLAIN, Mapping
from services.ingest.sheet_reader import text_of
from shared.errors import Rejected
from tests.ingest.reader import Read, read
from tests.ingest.workbook_files import Formula, Page, ods, xlsx, zipped

FILES = Path(__file__).parent / "files"
HEADER = ["order", "account", "ordered_on", "revenue"]
DAY = date(2026, 3, 1)


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 3, 1, hour, minute)  # noqa: DTZ001  # a workbook knows no zones


def facts(found: Read) -> list[tuple[str, str, date, int]]:
    """(order, account, day, cents of each line) of what would be stored."""
    return [
        (one.order, one.account, one.ordered_on, line.revenue_cents)
        for one in found.stored.values()
        for line in one.lines
    ]


def said(found: Read) -> list[str]:
    return [f"{note.line} {note.column}: {note.reason}" for note in found.report.notes()]


def test_a_cell_is_the_text_that_its_value_stands_for(tmp_path: Path) -> None:
    rows = [
        HEADER,
        [4711.0, "A-1", DAY, 0.1 + 0.2],
        [None],
        ["S-2", 123456789012, at(23, 30), Formula("1+1", 2.0)],
        ["S-3", "A-3", "2026-03-02", "12.50"],
        ["S-4", True, DAY, 1.42e-14],
    ]
    found = read([xlsx(tmp_path / "book.xlsx", Page("Orders", rows))])
    assert facts(found) == [
        ("4711", "A-1", DAY, 30),
        ("S-2", "123456789012", DAY, 200),
        ("S-3", "A-3", date(2026, 3, 2), 1250),
        ("S-4", "true", DAY, 0),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.0, "1234"),
        (-0.5, "-0.5"),
        (123.45000000000002, "123.45"),
        (0.30000000000000004, "0.3"),
        (1e-7, "0.0000001"),
        (999999999999999.0, "999999999999999"),
        (1234567890123456789.0, "1.23456789012346E+18"),
        (7, "7"),
        (at(0, 0), "2026-03-01"),
        (None, ""),
    ],
)
def test_a_number_is_its_exact_decimal_to_the_digits_that_a_spreadsheet_keeps(
    value: object, text: str
) -> None:
    assert text_of(value) == text


def test_an_id_with_more_digits_than_a_spreadsheet_keeps_is_refused(tmp_path: Path) -> None:
    rows = [HEADER, [12345678901234567890.0, "A-1", DAY, 1], ["2", "A-2", DAY, 1]]
    found = read([xlsx(tmp_path / "book.xlsx", Page("Orders", rows))])
    assert [one[0] for one in facts(found)] == ["2"]
    assert "a spreadsheet has cut this number" in said(found)[0]


def test_days_count_from_1904_where_the_workbook_says_so(tmp_path: Path) -> None:
    rows = [HEADER, ["1", "A", DAY, 1]]
    assert facts(read([xlsx(tmp_path / "book.xlsx", Page("O", rows), is_1904=True)])) == [
        ("1", "A", DAY, 100)
    ]


@pytest.mark.parametrize("name", ["orders.xls", "orders_1904.xls"])
def test_a_workbook_of_before_2007_is_read(name: str) -> None:
    found = Mapping(columns={"order": "order"})
    assert read([FILES / name], mapping=found).stored == {}, "its days are later than the terms'"
    shown = [
        row
        for frame in open_file(FILES / name, "orders", PLAIN).frames("UTC")
        for row in frame.select("0", "1", "2", "3").iter_rows()
    ]
    assert shown == [
        ("4711", "A-1", "2026-08-01", "1234.5"),
        ("4712", "A-2", "2026-08-01", "0.3"),
    ]


def test_an_open_document_is_read(tmp_path: Path) -> None:
    rows = [HEADER, ["1", "A", DAY, 123.45], ["2", "A", at(9, 5), 0.1 + 0.2]]
    assert facts(read([ods(tmp_path / "book.ods", rows)])) == [
        ("1", "A", DAY, 12345),
        ("2", "A", DAY, 30),
    ]


def test_what_is_merged_over_rows_stands_in_each_but_never_an_amount(tmp_path: Path) -> None:
    rows = [
        [*HEADER, "note"],
        ["M-1", "A", DAY, 10],
        [None, None, None, 20],
        ["M-2", "B", DAY, 30, "30 for both"],
        [None, None, None, None, "as above"],
    ]
    page = Page("Orders", rows, merged=["A2:A3", "B2:B3", "C2:C3", "D4:D5", "A4:A5", "B4:B5"])
    found = read([xlsx(tmp_path / "book.xlsx", page)])
    assert facts(found) == [("M-1", "A", DAY, 1000), ("M-1", "A", DAY, 2000)]
    assert [note.order for note in found.report.notes() if note.wrong] == ["M-2"]


def test_rows_are_told_as_the_workbook_counts_them(tmp_path: Path) -> None:
    rows = [["Sales of March"], [None], HEADER, ["1", "A", DAY, 1], [None], ["2", "", DAY, 1]]
    found = read([xlsx(tmp_path / "book.xlsx", Page("Orders", rows, first_row=4))])
    assert [one[0] for one in facts(found)] == ["1"]
    assert said(found) == [
        "1 : book.xlsx: row 6 names the columns; what stands above it is passed by",
        "9 account: is missing",
    ]


def test_of_several_sheets_the_mapping_says_which(tmp_path: Path) -> None:
    january, february = [HEADER, ["1", "A", DAY, 1]], [HEADER, ["2", "A", DAY, 2]]
    path = xlsx(
        tmp_path / "book.xlsx",
        Page("January", january),
        Page("Old", january, is_hidden=True),
        Page("February", february),
    )
    with pytest.raises(Rejected) as caught:
        open_file(path, "orders", PLAIN)
    assert caught.value.errors[0].field == "sheet"
    assert "1 January, 2 Old, 3 February" in caught.value.errors[0].reason
    for sheet in ("February", "february ", 3, "3"):
        assert facts(read([path], mapping=Mapping(sheet=sheet))) == [("2", "A", DAY, 200)]
    assert facts(read([path], mapping=Mapping(sheet="Old"))) == [("1", "A", DAY, 100)]
    with pytest.raises(Rejected, match="has no sheet March: there are 1 January"):
        open_file(path, "orders", Mapping(sheet="March"))


def test_the_only_sheet_with_the_columns_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    path = xlsx(
        tmp_path / "book.xlsx",
        Page("Notes", [["Please", "read"]]),
        Page("Orders", [HEADER, ["1", "A", DAY, 1]]),
        Page("Empty", []),
        Page("Old", [HEADER, ["9", "A", DAY, 9]], is_hidden=True),
    )
    found = read([path])
    assert facts(found) == [("1", "A", DAY, 100)]
    assert said(found) == ["1 : book.xlsx: sheet Orders is read, not Notes"]


def test_a_workbook_without_any_row_is_empty(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="is empty"):
        open_file(xlsx(tmp_path / "book.xlsx", Page("O", [])), "orders", PLAIN)


def test_rejects_of_a_workbook_are_repaired_and_imported(tmp_path: Path) -> None:
    rows = [HEADER, ["R", "A", at(9, 0), "x"], ["R", "A", DAY, 2]]
    rejects = tmp_path / "rejects.csv"
    read([xlsx(tmp_path / "book.xlsx", Page("Orders", rows))], rejects=rejects)
    rejects.write_text(rejects.read_text().replace(",x", ",1"))
    assert facts(read([rejects])) == [("R", "A", DAY, 100), ("R", "A", DAY, 200)]


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINBACK_IMPORT_MAX_BYTES", "1000000")
    from shared.settings import settings

    settings.cache_clear()
    try:
        path = zipped(
            tmp_path / "bomb.xlsx",
            {"xl/workbook.xml": "<workbook/>", "xl/worksheets/sheet1.xml": " " * 2_000_000},
        )
        assert path.stat().st_size < 10_000
        with pytest.raises(Rejected, match="is larger than 1000000 bytes when it is unpacked"):
            open_file(path, "orders", PLAIN)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_a_sheet_of_two_far_cells_ends_its_child_and_nothing_else(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "book.xlsx", Page("O", [HEADER, ["1", "A", DAY, 1]]))
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    _rewritten(path, "xl/worksheets/sheet1.xml", "</sheetData>", far)
    with pytest.raises(Rejected, match="larger than memory"):
        open_file(path, "orders", PLAIN)


@pytest.mark.parametrize("cut", [100, 400, 900])
def test_a_damaged_workbook_is_told_in_one_line(tmp_path: Path, cut: int) -> None:
    path = xlsx(tmp_path / "book.xlsx", Page("O", [HEADER, ["1", "A", DAY, 1]]))
    content = path.read_bytes()
    path.write_bytes(content[:cut] + b"\xff" * 40 + content[cut + 40 :])
    try:
        read([path])
    except Rejected as error:
        assert str(error).isprintable()


def test_a_workbook_under_a_password_and_an_archive_are_told(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    secret = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
    path.write_bytes(secret.ljust(1024, b"\0"))
    with pytest.raises(Rejected, match="under a password"):
        open_file(path, "orders", PLAIN)
    with pytest.raises(Rejected, match="is a ZIP archive: unpack it"):
        open_file(zipped(tmp_path / "a.zip", {"orders.csv": "order"}), "orders", PLAIN)


def test_the_child_needs_no_more_of_the_product_than_itself() -> None:
    code = "import sys, services.ingest.sheet_reader; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True)
    loaded = said.stdout.decode().split()
    assert not [name for name in loaded if re.match("polars|pydantic|confluent|psycopg", name)]


def _rewritten(path: Path, name: str, old: str, new: str) -> None:
    with zipfile.ZipFile(path) as archive:
        files = {one: archive.read(one).decode() for one in archive.namelist()}
    files[name] = files[name].replace(old, new)
    zipped(path, files)
