"""`winback import inspect`: what it says of a file, and that its mapping imports the file as it
is."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.ingest.cli import app
from services.ingest.files import open_file
from services.ingest.headers import CannotBegin
from services.ingest.inspecting import inspect, plain_terms, starting_mapping, tried
from services.ingest.mapping import PLAIN, Mapping
from tests.ingest.reader import Read, read
from tests.ingest.workbook_files import Page, xlsx

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def imported(path: Path) -> Read:
    """By the mapping that inspect prints, as it would stand in a file."""
    written = json.loads(json.dumps(inspect(path).mapping.as_written()))
    return read([path], mapping=Mapping.model_validate(written))


GERMAN = (
    "Auftragsübersicht 2026;;;;;\n;;;;;\n"
    "Auftrags-Nr.;Kunden-Nr.;Kundenname;Auftragsdatum;Artikel;Nettobetrag\n"
    "4711;D100;Müller Röhren;31.03.2026;Rohr;1.234,50\n4712;D101;Å;01.02.2026;Rohr;12,00\n"
)


def test_a_german_report_is_understood_with_its_title_letters_days_and_marks(
    write: Write,
) -> None:
    path = write(GERMAN.encode("cp1252"))
    found = inspect(path)
    assert found.mapping.as_written() == {
        "columns": {
            "Auftrags-Nr.": "order",
            "Kunden-Nr.": "account",
            "Kundenname": "account_name",
            "Auftragsdatum": "ordered_on",
            "Artikel": "product",
            "Nettobetrag": "revenue",
        },
        "header_line": 3,
        "encoding": "cp1252",
        "decimal": ",",
        "thousands": ".",
        "date_format": "%d.%m.%Y",
    }
    stored = imported(path)
    assert stored.cents == {"4711": 123_450, "4712": 1_200}
    order = stored.stored["4711", None]
    assert (order.ordered_on, order.account_name) == (date(2026, 3, 31), "Müller Röhren")


def test_what_it_says_of_a_file(write: Write) -> None:
    path = write("order|account|ordered_on|revenue|note\n1|A|2026-03-01|5|x\n2|A|2026-03-02|6|\n")
    said = inspect(path).as_json()
    assert {name: said[name] for name in ("file", "kind", "packing", "encoding", "delimiter")} == {
        "file": "file.csv",
        "kind": "csv",
        "packing": "plain",
        "encoding": "utf-8",
        "delimiter": "|",
    }
    assert said["header_line"] == 1
    assert said["columns"][0] == {
        "number": 1,
        "name": "order",
        "means": "order",
        "examples": ["1", "2"],
    }
    assert said["columns"][4]["means"] is None
    assert said["mapping"] == {}


OPEN = [
    ("03/04/2026", "1.00", "days such as 03/04/2026 are read as %m/%d/%Y: date_format %d/%m/%Y"),
    ("2026-03-04", "1,234", "amounts such as 1,234 are read as 1234"),
]


@pytest.mark.parametrize(("day", "amount", "question"), OPEN)
def test_what_can_be_read_in_two_ways_is_asked(
    day: str, amount: str, question: str, write: Write
) -> None:
    path = write(f"order;account;ordered_on;revenue\n1;A;{day};{amount}\n")
    assert question in " ".join(inspect(path).guessed.questions)
    assert len(imported(path).stored) == 1


def test_the_words_of_a_status_and_continuation_rows_are_seen(write: Write) -> None:
    header = "Order No,Customer,Date,State,Item,Amount\n"
    path = write(header + "1,A,2026-03-01,Voided,TUB,5\n,,,,CPL,6\n2,B,2026-03-02,Billed,TUB,7\n")
    mapping = inspect(path).mapping
    assert mapping.status == {"voided": "cancelled", "billed": "open"}
    assert mapping.fill_down is True
    stored = imported(path)
    assert stored.cents == {"1": 1_100, "2": 700}
    assert stored.stored["1", None].cancelled


def test_two_columns_of_one_name_are_asked_by_number(write: Write) -> None:
    path = write("Order No,Customer,Date,Amount,Amount\n1,A,2026-03-01,5,6\n")
    found = inspect(path)
    assert found.guessed.missing == ("revenue",)
    assert found.guessed.questions == (
        "the columns 4 and 5 are all called Amount: name the one that is revenue by its number",
    )
    assert found.mapping.columns["4"] is None, "to be filled in"


def test_a_name_of_the_mapping_that_two_columns_have_is_asked_too(write: Write) -> None:
    path = write("Number,Customer,Date,Amount,Amount\n1,A,2026-03-01,5,6\n")
    start = starting_mapping(path, "orders", Mapping(columns={"Amount": "revenue"}))
    assert start is not None
    assert start["columns"] == {
        "Number": "order",
        "Customer": "account",
        "Date": "ordered_on",
        "4": None,
        "5": None,
    }


def test_letters_that_are_no_utf8_are_shown_in_the_encodings_that_can_read_them(
    write: Write,
) -> None:
    text = "order,account,account_name,ordered_on,revenue\n1,A,Třinec,2026-03-01,5\n"
    questions = inspect(write(text.encode("cp1250"))).guessed.questions
    assert "Tøinec (cp1252" in questions[0]
    assert "Třinec (cp1250" in questions[0]


def test_a_workbook_of_several_sheets_is_shown_sheet_by_sheet(tmp_path: Path) -> None:
    rows = [["Order No", "Customer", "Date", "Amount"], ["1", "A", date(2026, 3, 1), 5]]
    path = xlsx(tmp_path / "b.xlsx", Page("Read me", [["hello"]]), Page("Sales", rows))
    said = inspect(path, mapping=Mapping(sheet="Sales")).as_json()
    assert [one["name"] for one in said["sheets"]] == ["Read me", "Sales"]
    assert said["sheet"] == "Sales"
    mapping = Mapping.model_validate(said["mapping"])
    assert read([path], mapping=mapping).cents == {"1": 500}


def test_rows_are_shown_as_they_would_be_read_and_refusals_are_counted_by_reason(
    write: Write,
) -> None:
    rows = [f"{number},A,2026-03-01,{number}" for number in range(1, 60)]
    rows[3], rows[9], rows[10] = "x,A,never,1", "y,A,2026-03-01,", "z,A,2026-03-01,"
    path = write("order,account,ordered_on,revenue\n" + "\n".join(rows))
    found = tried(path, PLAIN, plain_terms(), rows=20)
    assert (found.read, found.wrong_rows, len(found.rows)) == (59, 3, 20)
    assert found.refused["revenue: is missing"] == 2
    assert found.rows[0] == {
        "line": 2,
        "refused": False,
        "order": "1",
        "account": "A",
        "ordered_on": "2026-03-01",
        "revenue": 100,
        "said": [],
    }
    assert found.rows[3]["refused"]
    assert json.dumps(found.as_json())


def test_no_more_of_a_large_file_is_kept_than_a_few_rows(write: Write) -> None:
    row = "1,A,2026-03-01,5," + "x" * 200 + "\n"
    path = write("order,account,ordered_on,revenue,note\n" + row * 20_000)
    assert len(inspect(path).head.rows) == 300


# -- the command -----------------------------------------------------------------------------------


def test_the_command_prints_a_mapping_that_is_a_mapping_file(write: Write) -> None:
    path = write(GERMAN)
    result = CliRunner().invoke(app, ["inspect", str(path), "--json"])
    assert result.exit_code == 0
    said: dict[str, Any] = json.loads(result.stdout)
    assert said["preview"]["read"] == 2
    assert Mapping.model_validate(said["mapping"]).decimal == ","
    shown = CliRunner().invoke(app, ["inspect", str(path)])
    assert "columns named in line 3" in shown.stdout
    assert json.loads(shown.stdout[shown.stdout.index("\n{") :]) == said["mapping"]


def test_the_command_ends_with_1_where_a_column_is_missing_and_shows_no_control(
    write: Write,
) -> None:
    result = CliRunner().invoke(app, ["inspect", str(write("a\x1b[31m,b\n1,2\n"))])
    assert result.exit_code == 1
    assert "not found: order" in result.stdout
    assert "\x1b" not in result.stdout


def test_an_import_that_cannot_begin_has_a_mapping_to_start_from(write: Write) -> None:
    path = write("Order No,Cust,When,Amount\n1,A,2026-03-01,5\n")
    with pytest.raises(CannotBegin) as caught:
        open_file(path, "orders", PLAIN)
    assert caught.value.path == path
    assert starting_mapping(path, "orders", PLAIN) == {
        "columns": {
            "Order No": "order",
            "Cust": "account",
            "When": "ordered_on",
            "Amount": "revenue",
        }
    }
