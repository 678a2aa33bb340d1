"""No order is stored in part, and none that is not there: rows without an order, quotes,
several files, repaired rejects.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from services.ingest.mapping import Mapping, read_mapping
from services.ingest.rejected import as_it_was, harmless
from shared.errors import Rejected
from tests.ingest.reader import read

Write = Callable[..., Path]
HEADER = "order,account,ordered_on,product,revenue\n"
DAY = "2026-03-01"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str, name: str = "orders.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode())
        return path

    return write


CONTINUED = HEADER + f"1,A,{DAY},P,10\n,,,Q,20\n,,,R,30\n2,B,{DAY},S,40\n"


def test_a_row_without_an_order_refuses_the_order_before_it(write: Write) -> None:
    found = read([write(CONTINUED)])
    assert (found.cents, found.report.rejected) == ({"2": 4000}, 3)
    assert [(note.line, note.order, note.reason) for note in found.report.notes()] == [
        (2, "1", "line 3 names no order and may be one of its lines"),
        (3, None, "is missing"),
        (4, None, "is missing"),
    ]


def test_a_row_without_an_order_at_the_beginning_of_a_file_may_be_of_the_file_before(
    write: Write,
) -> None:
    files = [
        write(HEADER + f"1,A,{DAY},P,10\n", "a.csv"),
        write(HEADER + f",,,Q,20\n2,B,{DAY},S,40\n", "b.csv"),
    ]
    assert read(files).cents == {"2": 4000}
    assert read(files, mapping=Mapping(fill_down=True)).cents == {"2": 4000}, (
        "nothing is filled from another file"
    )


@pytest.mark.parametrize("fill_down", [True, ["order", "account", "ordered_on"]])
def test_cells_are_filled_down_where_the_mapping_says_so(fill_down: object, write: Write) -> None:
    mapping = read_mapping(write(json.dumps({"fill_down": fill_down}), "map.json"))
    assert read([write(CONTINUED)], mapping=mapping).cents == {"1": 6000, "2": 4000}


def test_fill_down_of_what_lines_do_not_share_is_refused(write: Write) -> None:
    with pytest.raises(Rejected, match="fill_down"):
        read_mapping(write('{"fill_down": ["revenue"]}', "map.json"))


NOT_FILLED = [
    (f"1,A,{DAY},P,10\n\n,,,Q,20\n", {}),
    (f"1,A,{DAY},P,10\n,,,Total,10\n,,,Q,20\n", {}),
    (f"1,A,{DAY},P,10\n,,,,10\n", {}),
    (f"1,A,{DAY},P,10\n2,,{DAY},Q,20\n", {"1": 1000}),
    (f"1,A,{DAY},P,10\n,B,,Q,20\n", {}),
    (f"1,A,{DAY},P,10\n2,B,{DAY},Q,20\n1,,,R,30\n", {"2": 2000}),
]


@pytest.mark.parametrize(("rows", "cents"), NOT_FILLED)
def test_nothing_is_filled_over_a_gap_or_a_total_or_from_another_order(
    rows: str, cents: dict[str, int], write: Write
) -> None:
    assert read([write(HEADER + rows)], mapping=Mapping(fill_down=True)).cents == cents


def test_a_revision_on_the_first_row_alone_refuses_the_order(write: Write) -> None:
    content = (
        "order,account,ordered_on,revision,revenue\n"
        f"1,A,{DAY},5,10\n1,A,{DAY},,20\n2,A,{DAY},x,1\n2,A,{DAY},3,1\n"
    )
    assert read([write(content)]).stored == {}
    assert read([write(content)], mapping=Mapping(fill_down=True)).cents == {"1": 3000}


NOTES = "order,account,ordered_on,product,revenue,note,\n"
Q77 = f"Q-77,A-1,{DAY},CAS,950000,,\n"
QUOTES = [
    (
        NOTES + f'1,A,{DAY},P,10,"again:\n{Q77}thanks",\n2,B,{DAY},P,20,ok,\n',
        {"1": 1000, "2": 2000},
    ),
    (HEADER[:-1] + f',note\n1,A,{DAY},"P\nsecond",10\n', {"1": 1000}),
    (NOTES + f'1,A,{DAY},P,10,"5 1/2" casing:\n{Q77}thanks",\n2,B,{DAY},P,20,ok,\n', {"2": 2000}),
    (
        NOTES + f'1,A,{DAY},P,10,"again\n5 1/2" casing:\n{Q77}thanks",\n2,B,{DAY},P,20,ok,\n',
        {"2": 2000},
    ),
    (
        HEADER + f'1,A,{DAY},"P,10\n2,A,{DAY},Q,20\n3,A,{DAY},5",30\n4,A,{DAY},5 1/2",40\n',
        {"4": 4000},
    ),
    (HEADER + f'1,A,{DAY},"P,10\n2,A,{DAY},Q,20\n', {"2": 2000}),
    (HEADER + f'1,A,{DAY},"P,10\n2,A,{DAY},"Q",20\n', {"2": 2000}),
    (HEADER + f'1,A,{DAY},"5 1/2" casing",10\n2,A,{DAY},5 1/2",20\n', {"1": 1000, "2": 2000}),
    (HEADER + f"1,A,{DAY},P,10\n2,A,{DAY},P,Q,10\n3,A,{DAY},P,10\n", {"1": 1000, "3": 1000}),
    (HEADER + f"1,A,{DAY},P,102,A,{DAY},P,20\n2,A,{DAY},P,30\n3,A,{DAY},P,10\n", {"3": 1000}),
]


@pytest.mark.parametrize(("content", "cents"), QUOTES)
def test_text_that_may_stand_inside_a_quoted_cell_is_no_order(
    content: str, cents: dict[str, int], write: Write
) -> None:
    assert read([write(content)]).cents == cents


FILES: list[tuple[str, str, dict[str, int], int]] = [
    (
        f"1,A,{DAY},P,10\n2,A,{DAY},P,20\n",
        f"2,A,{DAY},Q,5\n3,A,{DAY},P,30\n",
        {"1": 1000, "2": 2500, "3": 3000},
        0,
    ),
    (
        f"1,A,{DAY},P,10\n2,A,{DAY},P,20\n",
        f"1,A,{DAY},P,10\n3,A,{DAY},P,30\n",
        {"1": 1000, "2": 2000, "3": 3000},
        1,
    ),
    (
        f"1,A,{DAY},P,10\n2,A,{DAY},P,20\n",
        f"3,A,{DAY},P,10\n2,A,{DAY},Q,5\n",
        {"1": 1000, "3": 1000},
        0,
    ),
    (
        f"1,A,{DAY},P,10\n2,A,{DAY},P,20\n",
        f"2,A,{DAY},P,20\n3,A,{DAY},P,30\n",
        {"1": 1000, "3": 3000},
        0,
    ),
    (
        f"1,A,{DAY},P,10\n2,A,{DAY},P,20\n",
        f"1,A,{DAY},P,10\n2,A,{DAY},P,20\n",
        {"1": 1000, "2": 2000},
        2,
    ),
]


@pytest.mark.parametrize(("first", "second", "cents", "duplicates"), FILES)
def test_an_order_in_two_files_is_whole_once_or_refused(
    first: str, second: str, cents: dict[str, int], duplicates: int, write: Write, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.csv"
    found = read([write(HEADER + first, "a.csv"), write(HEADER + second, "b.csv")], rejects=rejects)
    assert (found.cents, found.report.duplicates) == (cents, duplicates)
    assert all("a.csv and b.csv" in note.reason for note in found.report.notes())
    assert read([rejects]).stored == {}, "they contradict each other in the rejects too"


def test_repaired_rejects_give_the_whole_order_as_it_was(write: Write, tmp_path: Path) -> None:
    rows = [
        "R-1;A;01.03.2026;TUB;1000",
        'R-1;A;01.03.2026;"\'=x";2.000',
        "R-1;A;01.03.2026;=cmd();3000",
        "R-2;A;01.03.2026;+Coupling;x",
    ]
    mapping = Mapping(columns={"Nr": "order"}, delimiter=";", decimal=",", date_format="%d.%m.%Y")
    path = write("Nr;account;ordered_on;product;revenue\n" + "\n".join(rows) + "\n")
    first, second = tmp_path / "rejects.csv", tmp_path / "again.csv"
    assert read([path], mapping=mapping, rejects=first).stored == {}
    assert read([first], mapping=mapping, rejects=second).stored == {}
    with first.open(newline="") as one, second.open(newline="") as other:
        assert [row[4:] for row in csv.reader(one, delimiter=";")] == [
            row[4:] for row in csv.reader(other, delimiter=";")
        ]
    second.write_text(second.read_text().replace("2.000", "2000").replace(";x\n", ";15\n"))
    found = read([second], mapping=mapping)
    assert found.cents == {"R-1": 600_000, "R-2": 1500}
    assert [line.product for line in found.lines["R-1"]] == ["TUB", "'=x", "=cmd()"]
    assert found.lines["R-2"][0].product == "+Coupling"


def test_a_row_that_cannot_be_read_stands_in_the_rejects_as_its_text(
    write: Write, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.csv"
    read([write(HEADER + f'1,A,{DAY},P,10\n1,A,{DAY},"Q,20\n1,A,{DAY},R,30\n')], rejects=rejects)
    assert read([rejects]).stored == {}
    rejects.write_text(rejects.read_text().replace('""Q', "Q"))
    assert read([rejects]).cents == {"1": 6000}


def test_rejects_of_a_parquet_file_hold_the_whole_order(tmp_path: Path) -> None:
    path, rejects = tmp_path / "orders.parquet", tmp_path / "rejects.csv"
    columns = {
        "order": ["1", "1"],
        "account": ["A", None],
        "ordered_on": [DAY] * 2,
        "revenue": [1.5, 2.5],
        "note": [[1], [2]],
    }
    pl.DataFrame(columns).write_parquet(path)
    assert read([path], rejects=rejects).stored == {}
    rejects.write_text(rejects.read_text().replace("1,,2026", "1,A,2026"))
    assert read([rejects]).cents == {"1": 400}


def test_a_line_number_that_comes_twice_in_an_order_is_warned_of(write: Write) -> None:
    found = read(
        [
            write(
                f"order,line,account,ordered_on,revenue\n1,1,A,{DAY},1\n1,2,A,{DAY},2\n1,1,A,{DAY},1\n2,1,A,{DAY},1\n"
            )
        ]
    )
    assert found.cents == {"1": 400, "2": 100}
    assert [(note.line, note.column, note.wrong) for note in found.report.notes()] == [
        (4, "line", False)
    ]


@pytest.mark.parametrize(
    "cell", ["=1", "'=1", "''=1", "+5", "'+5", "-5.00", "'A", "@x", "A", "", "'", "\tx"]
)
def test_what_a_spreadsheet_would_run_comes_back_as_it_was(cell: str) -> None:
    assert as_it_was(harmless(cell)) == cell


def test_an_order_whose_rows_sum_beyond_what_an_order_may_is_refused_alone(write: Write) -> None:
    row = f"{{}},A,{DAY},P,100000000000.00\n"
    found = read([write(HEADER + row.format(1) * 101 + row.format(2) * 100)])
    assert found.cents == {"2": 10**15}
    assert [(note.order, note.reason) for note in found.report.notes()] == [
        ("1", "its lines have a sum beyond 1000000000000000 minor units"),
    ]
