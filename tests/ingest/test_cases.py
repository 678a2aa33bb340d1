"""Files as people really send them: the inputs of public bug reports (`cases/`), each with what its
user expects of an import.
"""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from services.ingest.acceptance import Terms, accept_contact, accept_order
from services.ingest.bodies import Number
from services.ingest.files import open_file
from services.ingest.mapping import PLAIN, Mapping, read_mapping
from shared.errors import Rejected
from shared.events import Order
from tests.ingest.reader import Read, read

CASES = Path(__file__).parent / "cases"
TERMS = Terms(
    organization="acme",
    currency="USD",
    timezone="America/Chicago",
    accepted_at=datetime(2026, 8, 20, 12, tzinfo=UTC),
)


def case(name: str, *, mapping: Mapping | None = None, rejects: Path | None = None) -> Read:
    """The orders of a case's file, by its own mapping where it has one."""
    own = CASES / f"{name.rpartition('-')[0]}-map.json"
    found = mapping or (read_mapping(own) if own.exists() else PLAIN)
    return read([CASES / name], mapping=found, rejects=rejects, terms=TERMS)


def days(found: Read) -> dict[str, date]:
    return {one.order: one.ordered_on for one in orders(found)}


def orders(found: Read) -> list[Order]:
    return list(found.stored.values())


def said(found: Read) -> list[str]:
    return [f"{note.order} {note.column}: {note.reason}" for note in found.report.notes()]


def test_continuation_rows_without_a_word_of_it_refuse_their_order_whole() -> None:
    found = case("odoo-continuation-rows-orders.csv")
    assert found.cents == {"S00042": 900_000}


def test_continuation_rows_are_filled_down_where_the_mapping_says_so() -> None:
    own = read_mapping(CASES / "odoo-continuation-rows-map.json")
    filled = Mapping(fill_down=True).over(own)
    found = case("odoo-continuation-rows-orders.csv", mapping=filled)
    assert found.cents == {"S00041": 475_000, "S00042": 900_000}
    assert len(found.lines["S00041"]) == 3


def test_a_note_with_line_breaks_is_one_cell_and_no_order() -> None:
    found = case("quoted-newline-and-trailing-columns-orders.csv")
    assert found.cents == {"1": 10_000, "2": 10_000, "3": 10_000}
    assert case("quoted-newline-and-trailing-columns-short_row.csv").cents == {"1": 10_000}


def test_repaired_rejects_are_the_whole_order(tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    found = case("rejects-repaired-and-imported-orders.csv", rejects=rejects)
    assert found.cents == {}
    text = rejects.read_text(encoding="utf-8").replace('"2,000"', "2000").replace('"1,5"', "1.5")
    rejects.write_text(text, encoding="utf-8")
    again = read([rejects], terms=TERMS)
    assert again.cents == {"R-1": 600_000, "R-2": 150}
    assert again.lines["R-2"][0].product == "+Coupling"


def test_of_two_columns_of_one_name_the_mapping_chooses_by_number() -> None:
    with pytest.raises(Rejected) as caught:
        case("two-columns-of-one-name-orders.csv")
    errors = {error.field: error.reason for error in caught.value.errors}
    assert sorted(errors) == ["account", "revenue"]
    assert "3 (Name) and 7 (Name)" in errors["account"]
    assert '{"3": "account", "7": null}' in errors["account"]
    columns = {"Number": "order", "Date": "ordered_on", "3": "account", "Item": "product"}
    chosen = Mapping(columns={**columns, "6": "revenue"})
    found = case("two-columns-of-one-name-orders.csv", mapping=chosen)
    assert found.cents == {"D-1": 9_250}
    assert orders(found)[0].account == "A-1"


def test_a_line_number_that_comes_twice_is_warned_of() -> None:
    found = case("line-number-twice-orders.csv")
    assert found.cents == {"L-1": 400_000}
    assert said(found) == ["L-1 line: an earlier row of the order is its line 1 too: both count"]


def test_a_time_in_utc_is_the_organizations_day() -> None:
    found = case("utc-suffix-with-Z-directive-orders.csv")
    assert days(found) == {"U-1": date(2026, 7, 31), "U-2": date(2026, 7, 31)}
    plain = case("utc-suffix-with-Z-directive-orders.csv", mapping=Mapping())
    assert days(plain) == days(found)


def test_a_column_of_serial_days_days_and_times_is_read_by_a_list_of_forms() -> None:
    own = case("excel-serial-days-and-mixed-days-orders.csv")
    assert days(own) == {
        "T-2": date(2025, 12, 31),
        "T-3": date(2025, 12, 31),
        "T-5": date(2025, 12, 30),
    }
    assert any("midnight UTC is read as 2025-12-30" in one for one in said(own))
    assert [note.order for note in own.report.notes() if note.wrong] == ["T-1", "T-4"]
    listed = Mapping(date_format=("%m/%d/%Y", "%m/%d/%y", "excel"))
    found = case("excel-serial-days-and-mixed-days-orders.csv", mapping=listed)
    assert days(found) == {
        "T-1": date(2025, 11, 30),
        "T-2": date(2025, 12, 31),
        "T-3": date(2025, 12, 31),
        "T-4": date(2025, 12, 31),
        "T-5": date(2025, 12, 30),
    }


def test_a_parquet_column_of_midnights_in_utc_is_days() -> None:
    found = case("days-as-midnight-utc-orders.parquet")
    assert days(found) == {"1": date(2026, 8, 1), "2": date(2026, 8, 1)}
    assert any("midnight in UTC in every row: read as days" in one for one in said(found))


def test_a_midnight_in_utc_by_http_is_warned_of() -> None:
    line = {"product": "P", "revenue": "1"}
    item = {"order": "H-1", "account": "A-1", "ordered_on": "2026-08-01T00:00:00Z", "lines": [line]}
    accepted = accept_order(item, TERMS)
    assert [warning.field for warning in accepted.warnings] == ["ordered_on"]


def test_credits_and_currencies_as_programs_write_them() -> None:
    found = case("how-erps-write-negative-and-money-orders.csv")
    assert found.cents == {
        "M-1": -12_345,
        "M-2": -12_345,
        "M-3": 12_345,
        "M-4": -123_456,
        "M-5": -12_345,
        "M-6": 12_345,
        "M-7": 123_456,
        "M-8": -12_345,
    }


def test_the_tail_of_a_float_is_rounded_with_a_warning() -> None:
    found = case("binary-float-tails-orders.csv")
    assert found.cents == {"F-1": 12_345, "F-2": 12_345}
    assert [note.order for note in found.report.notes()] == ["F-1"]


def test_ids_that_a_spreadsheet_has_cut_are_no_order() -> None:
    found = case("ids-in-scientific-notation-orders.csv")
    assert found.cents == {"000123": 700}
    assert all("a spreadsheet has cut this number" in one for one in said(found))


def test_words_for_nothing_are_no_account_no_order_and_no_grade() -> None:
    found = case("words-for-nothing-orders.csv")
    assert found.cents == {"N-8": 10_000}
    assert orders(found)[0].lines[0].quantity is None


def test_text_that_was_forced_for_excel_is_one_account() -> None:
    found = case("text-forced-for-excel-orders.csv")
    assert {one.account for one in orders(found)} == {"001001"}
    assert sorted(found.cents) == ["0004711", "0004712", "0004713", "0004714"]


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("cp1250", "Železárny Třinec"),
        ("cp1251", "Трубная компания"),
        ("cp850", "Müller Röhren"),
        ("gb18030", "上海钢管"),
        ("cp932", "東京鋼管"),
    ],
)
def test_names_arrive_as_they_were_where_the_mapping_says_the_encoding(
    codec: str, name: str
) -> None:
    file = f"code-pages-{codec}.csv"
    assert orders(case(file, mapping=Mapping(encoding=codec)))[0].account_name == name
    guessed = case(file)
    assert guessed.cents == {"1": 1_000}, "no order is lost for a letter"
    assert any("encoding in a mapping says another one" in one for one in said(guessed))


@pytest.mark.parametrize("file", ["utf16_with_bom.csv", "utf16_without_bom.csv", "utf8_bom.csv"])
def test_unicode_with_a_mark_or_without_is_read(file: str) -> None:
    found = case(f"workbooks-and-utf16-{file}")
    assert found.cents == {"1": 1_000}
    assert said(found) == []


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("book.xlsx", "is an Excel workbook that is damaged: save it again"),
        ("old.xls", "begins as an Excel workbook (.xls), and holds none"),
        ("report.xls", "is a web page (HTML), whatever its name says"),
    ],
)
def test_what_is_no_table_is_told_by_its_kind_in_one_line(file: str, reason: str) -> None:
    with pytest.raises(Rejected, match=re.escape(reason)) as caught:
        open_file(CASES / f"workbooks-and-utf16-{file}", "orders", PLAIN)
    assert str(caught.value).isprintable()
    assert len(caught.value.errors) == 1


def test_a_name_a_product_or_a_quantity_never_costs_the_order() -> None:
    found = case("a-name-costs-the-order-orders.csv")
    assert sorted(found.cents) == [f"N-{number}" for number in range(1, 10)]
    assert orders(found)[0].account_name == "Acme Pipe Attn: Yard 2"
    by_id = {one.order: one for one in orders(found)}
    assert by_id["N-7"].lines[0].quantity is None, "1,200 is 1.2 or 1200"
    assert len(by_id["N-6"].lines[0].product or "") == 200


def test_the_words_of_a_status_are_explained_by_the_mapping() -> None:
    own = case("status-words-orders.csv")
    assert sorted(own.cents) == ["S-3", "S-7"]
    words = {"cancel": "cancelled", "VOID": "cancelled", "wc-cancelled": "cancelled", "*": "open"}
    found = case("status-words-orders.csv", mapping=Mapping(status=words))
    assert [one.order for one in orders(found) if one.cancelled] == ["S-2", "S-3", "S-5", "S-6"]
    assert len(orders(found)) == 7


def test_a_whole_json_number_is_an_id() -> None:
    line = {"product": "P", "revenue": "1"}
    item = {"order": Decimal(1), "account": "77", "ordered_on": "2026-08-01", "lines": [line]}
    with pytest.raises(Rejected):
        accept_order(item, TERMS)  # a decimal is no number of the strict reader
    accepted = accept_order({**item, "order": Number("1001"), "account": Number("77")}, TERMS)
    assert accepted.id == "1001"


def test_an_address_that_our_sender_refuses_is_warned_of_when_it_is_given() -> None:
    rows = (CASES / "addresses-taken-that-no-mail-reaches-contacts.csv").read_text("utf-8")
    found = {}
    for row in rows.splitlines()[1:]:
        contact, account, email, name, _ = row.split(",")
        item = {"contact": contact, "account": account, "email": email, "name": name}
        accepted = accept_contact(item, replace(TERMS))
        found[contact] = (getattr(accepted.event, "email", None), bool(accepted.warnings))
    assert found["P-2"] == found["P-3"] == found["P-4"] == (None, True)
    assert found["P-5"] == ("dana@a.example", False)
    assert found["P-6"] == ("Dana@A.Example", False)
