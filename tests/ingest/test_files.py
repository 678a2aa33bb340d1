"""Files in any dialect: which rows there are, on which lines, and what one stray
character costs (its own row).
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pytest
import zstandard

from services.ingest import sources
from services.ingest.acceptance import Terms
from services.ingest.amounts import plain_number
from services.ingest.columns import Note
from services.ingest.files import File, open_file
from services.ingest.grouping import Gathered
from services.ingest.headers import resolve
from services.ingest.mapping import PLAIN, Mapping, read_mapping
from services.ingest.reading import Reading
from services.ingest.rejected import harmless
from services.ingest.rejects import write_rejects
from shared.domain.money import NotMoney
from shared.errors import Rejected
from shared.events import Line, Order
from shared.settings import settings

TERMS = Terms(
    organization="acme",
    currency="USD",
    timezone="Europe/Berlin",
    accepted_at=datetime(2026, 3, 31, 12, tzinfo=UTC),
)
HEADER = "order,account,ordered_on,product,od,revenue\n"


def cells_of(file: File) -> list[tuple[Any, ...]]:
    """(line, trouble, cells in the order of the header) of each row."""
    return [
        (row["#line"], row["#trouble"], *(row[str(place)] for place in range(len(file.header))))
        for frame in file.all_frames("UTC")
        for row in frame.iter_rows(named=True)
    ]


class FileOrder(NamedTuple):
    """An order of a file, decoded again; None where it was refused."""

    id: str
    order: Order | None
    encoded: bytes
    notes: tuple[Note, ...]


def orders_of(
    *files: File, mapping: Mapping = PLAIN, terms: Terms = TERMS, shift: int = 0
) -> tuple[list[FileOrder], list[Note]]:
    """The orders of files, and all there is to say about them."""
    reading, notes = Reading(files, terms, mapping, shift_days=shift), list[Note]()
    with Gathered([file.name for file in files]) as gathered:
        for place, file in enumerate(files):
            for frame in file.frames(terms.timezone):
                rows, said = reading.typed(place, frame)
                gathered.add(rows, place)
                notes += said
        orders = [
            FileOrder(
                one.id,
                msgspec.json.decode(one.encoded, type=Order) if one.encoded else None,
                one.encoded,
                one.notes,
            )
            for one in gathered.orders(terms, reading.doubts)
        ]
    return orders, notes + [note for order in orders for note in order.notes]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "file.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


Write = Callable[[str | bytes], Path]

AB = [(2, None, "A", "1"), (3, None, "B", "2")]
DIALECTS: list[tuple[str | bytes, list[tuple[Any, ...]]]] = [
    ("account,name\nA,1\nB,2\n", AB),
    ("account,name\nA,1\nB,2", AB),
    ("account;name\r\nA;1\r\nB;2\r\n", AB),
    ("account\tname\nA\t1\nB\t2\n", AB),
    ("account|name\nA|1\nB|2\n", AB),
    ("account,name\rA,1\rB,2\r", AB),
    ("account,name,,\nA,1,,\nB,2,,\n", AB),
    ("sep=;\naccount;name\nA;1\n", [(3, None, "A", "1")]),
    ("\n\naccount,name\n\nA,1\n", [(5, None, "A", "1")]),
    ("'account','name'\n'A','1,2'\n", [(2, None, "A", "1,2")]),
    ('"account","name"\n"A","x\\"y"\n', [(2, None, "A", 'x"y')]),
    ('account,name\nA,"x ""y"", z"\n', [(2, None, "A", 'x "y", z')]),
    ('account,name\nA,5 1/2"\nB,2" x\n', [(2, None, "A", '5 1/2"'), (3, None, "B", '2" x')]),
    ('account,name\nA,"two\nlines"\nB,2\n', [(2, None, "A", "two\nlines"), (4, None, "B", "2")]),
    (
        'account,name\nA,"open\nB,2\n',
        [(2, "a quote that does not end", 'A,"open', None), (3, None, "B", "2")],
    ),
    (
        'account,name\nA,"open\nB,2\nC,"3"\n',
        [
            (2, "a quote that does not end", 'A,"open', None),
            (3, None, "B", "2"),
            (4, None, "C", "3"),
        ],
    ),
    (
        "account,name\nA,1,2\nB,2\n",
        [(2, "the row has more cells than the header", "A", "1"), (3, None, "B", "2")],
    ),
    ("account,name\nA\nB,2,,\n", [(2, None, "A", None), (3, None, "B", "2")]),
    ("\ufeffaccount,name\nA,1\nB,2\n", AB),
    ("account,name\nA,1\nB,2\n".encode("utf-16"), AB),
    ("account,name\nÄ,1\n".encode("cp1252"), [(2, None, "Ä", "1")]),
    (b"account,name\n\x81\xc4,1\n", [(2, None, "\x81Ä", "1")]),
    (gzip.compress(b"account,name\nA,1\nB,2\n", mtime=0), AB),
    (zstandard.compress(b"account,name\nA,1\n") + zstandard.compress(b"B,2\n"), AB),
]


@pytest.mark.parametrize("piece", [8_000_000, 5])
@pytest.mark.parametrize(("content", "rows"), DIALECTS)
def test_a_file_in_any_dialect(
    content: str | bytes,
    rows: list[tuple[Any, ...]],
    piece: int,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write(content)
    monkeypatch.setattr(
        sources, "PIECE_BYTES", max(piece, 400) if path.read_bytes()[:1] in b"\xff\xef" else piece
    )
    file = open_file(path, "accounts", PLAIN)
    assert cells_of(file) == rows


def test_a_file_that_is_not_utf8_is_read_and_told(write: Write) -> None:
    assert "cp1252" in (
        open_file(write("account\nÄ\n".encode("cp1252")), "accounts", PLAIN).source.note or ""
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        gzip.compress(b"account,name\nA,1\n" * 99, mtime=0)[:-20],
        b"PAR1 but no Parquet",
    ],
)
def test_a_file_that_cannot_be_read_is_wrong_use(content: bytes, write: Write) -> None:
    with pytest.raises(Rejected):
        open_file(write(content), "accounts", PLAIN)


def test_a_missing_column_is_named(write: Write) -> None:
    with pytest.raises(Rejected) as caught:
        open_file(write("order,customer,ordered_on,revenue\n"), "orders", PLAIN)
    assert [error.field for error in caught.value.errors] == ["account"]


def test_columns_are_found_by_the_mapping_first_and_by_our_names_in_any_case() -> None:
    mapping = Mapping(columns={"Invoice No": "order", "Cust": "account", "Order": None})
    assert resolve(
        ["Order", " invoice  no ", "CUST", "Ordered_On", "revenue", "x"], "orders", mapping
    ) == {
        "order": 1,
        "account": 2,
        "ordered_on": 3,
        "revenue": 4,
    }
    with pytest.raises(Rejected):
        resolve(["a", "b"], "accounts", Mapping(columns={"a": "account", "b": "account"}))
    with pytest.raises(Rejected):
        resolve(["a"], "accounts", Mapping(columns={"a": "revenue"}))


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("[]", "--map"),
        ("{", "--map"),
        ('{"colums": {}}', "colums"),
        ('{"decimal": "x"}', "decimal"),
        ('{"delimiter": 1}', "delimiter"),
    ],
)
def test_a_wrong_mapping_is_told_by_its_key(content: str, field: str, write: Write) -> None:
    with pytest.raises(Rejected) as caught:
        read_mapping(write(content))
    assert field in caught.value.errors[0].field


NOTHING = ["NULL", "n/a", "#N/A", "nan", "None", "-", "\\N", "(null)", "<NA>", "\u2014"]
WIDE = "order,account,account_name,owner,ordered_on,od,grade,quantity,revenue\n"


@pytest.mark.parametrize("word", NOTHING)
def test_a_word_for_nothing_is_no_id_and_elsewhere_an_empty_cell(word: str, write: Write) -> None:
    """Two rows of the order NULL were one order of unrelated lines."""
    row = f"N-1,A-1,{word},{word},2026-03-01,{word},{word},{word},100\n"
    rows = f"N-2,{word},x,y,2026-03-01,7,L80,1,100\n" + f"{word},A-3,x,y,2026-03-01,7,L80,1,1\n" * 2
    orders, notes = orders_of(open_file(write(WIDE + row + rows), "orders", PLAIN))
    assert [one.id for one in orders if one.order is not None] == ["N-1"]
    order = orders[0].order
    assert order is not None
    assert (order.account_name, order.owner) == (None, None)
    assert order.lines == (Line(revenue_cents=10000),)
    assert [(note.line, note.column, note.reason) for note in notes] == [
        *[(line, "order", "is missing") for line in (4, 5)],
        (3, "account", "is missing"),
    ]


def test_a_mapping_names_other_words_for_nothing(write: Write) -> None:
    mapping = Mapping(null=("unknown", "0000"))
    rows = "N-1,A-1,unknown,x,2026-03-01,7,unknown,1,1\n0000,A-1,x,x,2026-03-01,7,L80,1,1\n"
    orders, notes = orders_of(open_file(write(WIDE + rows), "orders", mapping), mapping=mapping)
    assert [(one.id, one.order and one.order.account_name) for one in orders] == [("N-1", None)]
    assert orders[0].order is not None and orders[0].order.lines[0].grade is None
    assert [(note.line, note.column) for note in notes] == [(3, "order")]


def test_a_word_for_nothing_is_filled_down_where_the_mapping_says_so(write: Write) -> None:
    mapping = Mapping(fill_down=True)
    rows = "O-1,A,2026-03-01,P,5,1\nNULL,NULL,NULL,Q,5,2\n"
    orders, notes = orders_of(open_file(write(HEADER + rows), "orders", mapping), mapping=mapping)
    assert [(one.id, one.order and len(one.order.lines)) for one in orders] == [("O-1", 2)]
    assert notes == []


def test_ids_that_a_spreadsheet_has_cut_are_no_order(write: Write) -> None:
    rows = "1.23457E+11,A,2026-03-01,P,5,1\n" * 3 + "000123,A,2026-03-01,P,5,7\n"
    orders, notes = orders_of(open_file(write(HEADER + rows), "orders", PLAIN))
    assert [(one.id, one.order is not None) for one in orders] == [("000123", True)]
    assert {(note.column, note.reason) for note in notes} == {
        ("order", "a spreadsheet has cut this number: export the column as text")
    }


def test_ids_written_for_a_spreadsheet_are_one_account_and_one_order(write: Write) -> None:
    """A row as its text and one with an apostrophe are lines of one order."""
    rows = (
        '="0004711",="001001",2026-03-01,P,5,1\n'
        '"=""0004711""","=""001001""",2026-03-01,P,5,1\n'
        "'0004711,'001001,2026-03-01,P,5,1\n"
        "0004711,001001,2026-03-01,P,5,1\n"
    )
    orders, notes = orders_of(open_file(write(HEADER + rows), "orders", PLAIN))
    (one,) = orders
    assert one.order is not None
    assert (one.id, one.order.order, one.order.account, len(one.order.lines)) == (
        *("0004711", "0004711", "001001"),
        4,
    )
    assert [(note.line, note.column, note.wrong) for note in notes] == [
        (line, column, False) for column in ("order", "account") for line in (2, 3, 4)
    ]


def test_what_is_only_for_show_never_costs_an_order(write: Write) -> None:
    names = ['"Acme Pipe\nAttn: Yard 2"', "Acme\u200bPipe", "Acme\u202bPipe", "Acme\tPipe"]
    rows = [f"{at},A-{at},{name},x,2026-03-01,5,J55,1,100\n" for at, name in enumerate(names)]
    rows += [f'8,A-8,Acme,x,2026-03-01,5,{"J" * 201},"1,200 FT",100\n']
    rows += ["9,A-9,Acme,x,2026-03-01,5,J55,12 FT,100\n"]
    orders, notes = orders_of(open_file(write(WIDE + "".join(rows)), "orders", PLAIN))
    found = [one.order for one in orders if one.order is not None]
    assert [order.account_name for order in found] == [
        *("Acme Pipe Attn: Yard 2", "AcmePipe", "AcmePipe", "Acme Pipe", "Acme", "Acme")
    ]
    assert [order.lines[0].quantity for order in found] == ["1", "1", "1", "1", None, "12"]
    assert [(note.column, note.wrong) for note in notes] == [
        *[("account_name", False)] * 4,
        ("grade", False),
        *[("quantity", False)] * 2,
    ]


def test_a_quantity_with_its_unit_is_read_by_the_marks_of_the_file(write: Write) -> None:
    mapping = Mapping(thousands=",")
    rows = '1,A,B,x,2026-03-01,5,J55,"1,200 FT",100\n'
    ((one,), notes) = orders_of(open_file(write(WIDE + rows), "orders", mapping), mapping=mapping)
    assert one.order is not None and one.order.lines[0].quantity == "1200"
    assert [(note.column, note.reason) for note in notes] == [("quantity", "is read as 1200")]


STATUSES = "order,account,ordered_on,status,revenue\n"
WORDS = ["sale", "cancel", "Cancelled", "Closed", "wc-cancelled", "VOID", "Open "]


def test_a_mapping_says_which_words_mean_cancelled(write: Write) -> None:
    theirs = {"sale": "open", "closed": "open", "Cancel": "cancelled", "void": "cancelled"}
    mapping = Mapping(status={**theirs, "wc-cancelled": "cancelled"})
    rows = "".join(f"{at},A,2026-03-01,{word},1\n" for at, word in enumerate(WORDS))
    orders, notes = orders_of(open_file(write(STATUSES + rows), "orders", mapping), mapping=mapping)
    assert notes == []
    found = [one.order for one in orders if one.order is not None]
    assert [order.cancelled for order in found] == [False, True, True, False, True, True, False]


def test_an_unknown_status_is_refused_by_its_word_and_the_key_that_explains_it(
    write: Write,
) -> None:
    rows = "1,A,2026-03-01,VOID,1\n2,A,2026-03-01,open,1\n"
    orders, notes = orders_of(open_file(write(STATUSES + rows), "orders", PLAIN))
    assert [one.id for one in orders if one.order is not None] == ["2"]
    ((line, column, reason),) = [(note.line, note.column, note.reason) for note in notes]
    assert (line, column) == (2, "status")
    assert "VOID" in reason and "status" in reason


@pytest.mark.parametrize(
    "status", ['{"void": "closed"}', '{"a": "open", "A": "cancelled"}', '["void"]', '{"a": null}']
)
def test_a_status_of_a_mapping_is_open_or_cancelled(status: str, write: Write) -> None:
    with pytest.raises(Rejected) as caught:
        read_mapping(write(f'{{"status": {status}}}'))
    assert "status" in caught.value.errors[0].field


CREDITS = ["(123.45)", "123.45-", "\u2212123.45", "($123.45)", "-$123.45", "123.45 USD-"]


@pytest.mark.parametrize("text", [*CREDITS, "-123.45"])
def test_a_credit_is_read_as_programs_write_it(text: str, write: Write) -> None:
    rows = f"1,A,2026-03-01,P,5,{text}\n"
    ((one,), notes) = orders_of(open_file(write(HEADER + rows), "orders", PLAIN))
    assert one.order is not None and notes == []
    assert one.order.lines[0].revenue_cents == -12345


@pytest.mark.parametrize("text", ["$1,234.56", "1,234.56 USD", "USD 1,234.56"])
def test_an_amount_may_name_the_organizations_currency(text: str, write: Write) -> None:
    mapping, rows = Mapping(thousands=","), f'1,A,2026-03-01,P,5,"{text}"\n'
    ((one,), _) = orders_of(open_file(write(HEADER + rows), "orders", mapping), mapping=mapping)
    assert one.order is not None and one.order.lines[0].revenue_cents == 123456


@pytest.mark.parametrize("text", ["(-5)", "-5-", "5 CAD", "\u20ac5", "-(5)", "()", "$", "$$5"])
def test_an_amount_with_two_readings_or_another_currency_is_refused(
    text: str, write: Write
) -> None:
    rows = f"1,A,2026-03-01,P,5,{text}\n"
    orders, notes = orders_of(open_file(write(HEADER + rows), "orders", PLAIN))
    assert [one.order for one in orders] == [None]
    assert [(note.column, note.wrong) for note in notes] == [("revenue", True)]


def test_the_tail_of_a_binary_float_is_rounded_with_a_warning(write: Write) -> None:
    rows = "1,A,2026-03-01,P,5,123.45000000000002\n2,A,2026-03-01,P,5,9.9999999999\n"
    orders, notes = orders_of(open_file(write(HEADER + rows), "orders", PLAIN))
    assert [one.order and one.order.lines[0].revenue_cents for one in orders] == [12345, 1000]
    assert [(note.line, note.column, note.wrong) for note in notes] == [
        (2, "revenue", False),
        (3, "revenue", False),
    ]


def test_a_time_that_names_utc_is_the_day_in_the_organizations_zone(write: Write) -> None:
    """Python reads the name of a zone and forgets it: the day was the one in UTC."""
    mapping = Mapping(date_format="%Y-%m-%d %H:%M:%S %Z")
    rows = "1,A,2026-03-01 23:30:00 UTC,P,5,1\n2,A,2026-03-01 22:30:00 GMT,P,5,1\n"
    orders, notes = orders_of(open_file(write(HEADER + rows), "orders", mapping), mapping=mapping)
    found = [one.order for one in orders if one.order is not None]
    assert [order.ordered_on for order in found] == [date(2026, 3, 2), date(2026, 3, 1)]
    assert notes == []


def test_a_midnight_in_utc_that_is_another_day_is_warned_of_in_a_file_too(write: Write) -> None:
    terms = replace(TERMS, timezone="America/Chicago")
    rows = "1,A,2026-03-01T00:00:00Z,P,5,1\n"
    ((one,), notes) = orders_of(open_file(write(HEADER + rows), "orders", PLAIN), terms=terms)
    assert one.order is not None and one.order.ordered_on == date(2026, 2, 28)
    assert [(note.column, note.wrong) for note in notes] == [("ordered_on", False)]


NUMBERS = [
    ("1234.5", ".", None, "1234.5"),
    ("1,234.5", ".", ",", "1234.5"),
    ("1.234.567,5", ",", ".", "1234567.5"),
    ("-1 234,5", ",", " ", "-1234.5"),
    ("1\u202f234,5", ",", " ", "1234.5"),
    ("1'234.5", ".", "'", "1234.5"),
    ("12,5", ",", None, "12.5"),
]


@pytest.mark.parametrize(("text", "decimal", "thousands", "plain"), NUMBERS)
def test_numbers_are_read_by_the_files_marks(
    text: str, decimal: str, thousands: str | None, plain: str
) -> None:
    assert plain_number(text, decimal=decimal, thousands=thousands) == plain


@pytest.mark.parametrize(
    ("text", "decimal", "thousands"),
    [("1,5", ".", ","), ("12,34", ".", ","), ("1.5", ",", None), ("1.5", ",", ".")],
)
def test_a_mark_in_the_wrong_place_is_no_number(
    text: str, decimal: str, thousands: str | None
) -> None:
    with pytest.raises(NotMoney):
        plain_number(text, decimal=decimal, thousands=thousands)


def test_rows_of_one_order_need_not_be_adjacent_and_equal_lines_are_separate(write: Write) -> None:
    content = (
        HEADER
        + "1,A,2026-03-01,P,5.5,10\n2,A,2026-03-02,P,,-1.005\n"
        + "1,A,2026-03-01,P,5.5,10\n1,A,2026-03-01,,,0\n"
    )
    orders, notes = orders_of(open_file(write(content), "orders", PLAIN))
    first, second = (order.order for order in orders)
    assert first is not None and second is not None
    line = Line(product="P", od="5.5", revenue_cents=1000)
    assert (first.order, first.ordered_on, first.lines) == (
        "1",
        date(2026, 3, 1),
        (line, line, Line(revenue_cents=0)),
    )
    assert second.lines == (Line(product="P", revenue_cents=-101),)
    assert [(note.line, note.column, note.wrong) for note in notes] == [(3, "revenue", False)]


WRONG_ROWS = [
    ("2,,2026-03-01,P,,10", "account"),
    (",A,2026-03-01,P,,10", "order"),
    ("2,A,,P,,10", "ordered_on"),
    ("2,A,2026-04-02,P,,10", "ordered_on"),
    ("2,A,2026-03-01T10:00:00,P,,10", "ordered_on"),
    ("2,A,01.03.2026,P,,10", "ordered_on"),
    ("2,A,2026-03-01,P,,", "revenue"),
    ("2,A,2026-03-01,P,,1e5", "revenue"),
    ('2,A,2026-03-01,P,,"1,000"', "revenue"),
    ("2\u202e,A,2026-03-01,P,,10", "order"),
    ("2,A,2026-03-01,P,,10,surplus", ""),
]


@pytest.mark.parametrize(("row", "column"), WRONG_ROWS)
def test_a_wrong_row_refuses_its_order_whole_and_no_other(
    row: str, column: str, write: Write
) -> None:
    content = (
        HEADER
        + f"1,A,2026-03-01,P,,10\n{row}\n2,A,2026-03-01,P,,10\n3,A,2026-03-01,P,6 SCH 40,10\n"
    )
    orders, notes = orders_of(open_file(write(content), "orders", PLAIN))
    its_neighbour = [(2, "order")] if row.startswith(",") else []
    assert [(note.line, note.column) for note in notes if note.wrong] == [
        (3, column),
        *its_neighbour,
    ]
    fit = [order.id for order in orders if order.order is not None]
    assert fit == (
        ["2", "3"] if its_neighbour else ["1", "2", "3"] if column == "order" else ["1", "3"]
    )
    assert [(note.line, note.column) for note in notes if not note.wrong] == [(5, "od")]


def test_rows_that_contradict_each_other_refuse_their_version(write: Write) -> None:
    content = "order,revision,account,ordered_on,status,revenue\n" + (
        "1,1,A,2026-03-01,,1\n1,1,B,2026-03-01,,1\n"
        "1,2,B,2026-03-01,,1\n"
        "2,,A,2026-03-01,,1\n2,,A,2026-03-02,,1\n"
        "3,,A,2026-03-01,open,1\n3,,A,2026-03-01,,1\n3,,A,2026-03-01,cancelled,1\n"
    )
    orders, notes = orders_of(open_file(write(content), "orders", PLAIN))
    assert [(order.id, order.order is not None) for order in orders] == [
        ("1", False),
        ("1", True),
        ("2", False),
        ("3", False),
    ]
    assert [(note.line, note.column) for note in notes] == [
        (3, "account"),
        (6, "ordered_on"),
        (9, "status"),
    ]


def test_an_order_of_too_many_lines_is_refused(write: Write) -> None:
    rows = "1,A,2026-03-01,P,,1\n" * 5001 + "2,A,2026-03-01,P,,1\n" * 5000
    orders, notes = orders_of(open_file(write(HEADER + rows), "orders", PLAIN))
    assert [(order.id, order.order is not None) for order in orders] == [("1", False), ("2", True)]
    assert [(note.line, note.column) for note in notes] == [(2, "order")]


def test_a_mapping_says_how_days_and_numbers_look(write: Write) -> None:
    content = (
        "Nr;Kunde;Datum;Maß;Betrag\n1;A;01.03.2026 10:15;139,7 "
        "mm;1.234,50\n2;A;2026-03-02;5,5;-0,005\n"
    )
    mapping = Mapping(
        columns={
            "Nr": "order",
            "Kunde": "account",
            "Datum": "ordered_on",
            "Maß": "od",
            "Betrag": "revenue",
        },
        date_format="%d.%m.%Y %H:%M",
        decimal=",",
        thousands=".",
    )
    orders, notes = orders_of(open_file(write(content), "orders", mapping), mapping=mapping)
    found = [order.order for order in orders if order.order is not None]
    assert [(order.ordered_on, order.lines) for order in found] == [
        (date(2026, 3, 1), (Line(od="139.7 mm", revenue_cents=123450),)),
        (date(2026, 3, 2), (Line(od="5.5", revenue_cents=-1),)),
    ]
    assert [note.column for note in notes] == ["revenue"]


def test_shifted_days_are_held_against_today(write: Write) -> None:
    content = HEADER + "1,A,2026-03-01,P,,10\n2,A,2026-03-03,P,,10\n"
    orders, _ = orders_of(open_file(write(content), "orders", PLAIN), shift=31)
    assert [
        None if order.order is None else (order.order.ordered_on, order.order.counts_on)
        for order in orders
    ] == [
        (date(2026, 4, 1), date(2026, 3, 31)),
        None,
    ]


def test_a_file_and_http_give_the_same_content(write: Write) -> None:
    from tests.ingest.test_acceptance import order_of

    content = (
        "order,account,ordered_on,product,od,grade,quantity,revenue,account_name,line\n"
        "O-1,A-1,2026-03-30,P,5.5,J55,2.0,10,N,1\n"
    )
    orders, _ = orders_of(open_file(write(content), "orders", PLAIN))
    line = {"product": "P", "od": "5.5", "grade": "J55", "quantity": "2", "revenue": "10.00"}
    posted = order_of(
        {"order": "O-1", "account": "A-1", "ordered_on": "2026-03-30", "lines": [line]}
    )
    assert orders[0].order is not None
    assert orders[0].order.content == posted.content
    assert orders[0].order.account_name == "N"


def test_parquet_columns_are_read_as_what_they_stand_for(tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    moment = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    pl.DataFrame(
        {
            "order": [536365, 536365, 536366],
            "account": [17850.0, 17850.0, float("nan")],
            "ordered_on": [moment] * 3,
            "od": [5.5, 139.7, float("nan")],
            "quantity": pl.Series([1, 2, 3], dtype=pl.Int16),
            "revenue": pl.Series(
                [Decimal("0.30"), Decimal("12.345"), Decimal("1")], dtype=pl.Decimal(12, 3)
            ),
        }
    ).write_parquet(path)
    orders, notes = orders_of(open_file(path, "orders", PLAIN))
    assert orders[0].order is not None
    assert (orders[0].order.order, orders[0].order.account, orders[0].order.ordered_on) == (
        "536365",
        "17850",
        date(2026, 3, 2),
    )
    assert orders[0].order.lines == (
        Line(od="5.5", quantity="1", revenue_cents=30),
        Line(od="139.7", quantity="2", revenue_cents=1235),
    )
    assert sorted((note.line, note.column, note.wrong) for note in notes) == [
        (2, "od", False),
        (2, "revenue", False),
        (3, "account", True),
    ]


@pytest.mark.parametrize(
    ("values", "cents"),
    [([0.1 + 0.2, -3.999, 1e-9], [30, -400, 0]), ([1e11, 2.675, 12.5], [10**13, 268, 1250])],
)
def test_floats_are_rounded_to_six_places_before_they_are_money(
    values: list[float], cents: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "orders.parquet"
    days = [date(2026, 3, 1)] * 3
    pl.DataFrame(
        {"order": ["1"] * 3, "account": ["A"] * 3, "ordered_on": days, "revenue": values}
    ).write_parquet(path)
    orders, _ = orders_of(open_file(path, "orders", PLAIN))
    assert orders[0].order is not None
    assert [line.revenue_cents for line in orders[0].order.lines] == cents


@pytest.mark.slow
def test_a_file_larger_than_memory_gives_the_same_orders(
    write: Write, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    rows = [f"{number % 301},A,2026-03-01,P{number},,{number}\n" for number in range(3000)]
    file = open_file(write(HEADER + "".join(rows)), "orders", PLAIN)
    expected, _ = orders_of(file)
    monkeypatch.setenv("WINBACK_IMPORT_MEMORY_ROWS", "100")
    settings.cache_clear()
    request.addfinalizer(settings.cache_clear)
    monkeypatch.setattr(sources, "PIECE_BYTES", 4000)
    spilled, _ = orders_of(file)
    again, _ = orders_of(file)
    assert spilled == again
    assert sorted(spilled, key=lambda order: int(order.id)) == sorted(
        expected, key=lambda order: int(order.id)
    )


def test_the_rejects_file_has_the_wrong_rows_as_they_were(write: Write, tmp_path: Path) -> None:
    file = open_file(write('order,account,note\n1,,"=cmd(), -5"\n2,A,\n3,,-5\n'), "accounts", PLAIN)
    wrong = {
        0: {
            line: Note(
                line=line, order=str(line - 1), column="account", reason="is missing", wrong=True
            )
            for line in (2, 4)
        }
    }
    out = tmp_path / "rejects.csv"
    write_rejects(out, [file], lambda place, cells: wrong[place], "UTC")
    assert out.read_text().splitlines() == [
        "file,line,column,reason,order,account,note",
        'file.csv,2,account,is missing,1,,"\'=cmd(), -5"',
        "file.csv,4,account,is missing,3,,-5",
    ]


@pytest.mark.parametrize(
    ("cell", "quoted"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-5.00", "-5.00"), ("-x", "'-x"), ("A", "A")],
)
def test_formulas_are_quoted_and_numbers_are_not(cell: str, quoted: str) -> None:
    assert harmless(cell) == quoted
    assert json.dumps(cell)
