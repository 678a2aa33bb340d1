"""`winback import` against real Kafka and PostgreSQL: what lands, what is
told, what a kill leaves behind.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from shared import db, ids, kafka
from shared.events import AccountChanged, ContactChanged, Line
from shared.topics import ACCOUNTS, CONTACTS, ORDERS
from tests.children import child, stopped
from tests.eventually import eventually
from tests.ingest.door import landed, records
from tests.stack_fixtures import Stack

HEADER = "order,account,ordered_on,product,od,revenue\n"
WAIT_SECONDS = 60.0
FINISHED = (
    "SELECT confirmed, lease_until IS NULL, finished_at IS NOT NULL FROM imports WHERE "
    "organization = %s"
)
IN_FLIGHT = (
    "SELECT confirmed, lease_until > clock_timestamp() FROM imports WHERE organization = "
    "%s AND finished_at IS NULL"
)

INSERT_ORDER = """
INSERT INTO orders (
    organization, order_id, account, ordered_on, counts_on, revision, content, cancelled,
    products, ods, grades, quantities, revenues_cents, accepted_at, source_offset
) VALUES (
    %s, %s, 'A', '2026-03-01', '2026-03-01', %s, decode(%s, 'hex'), false,
    '{}', '{}', '{}', '{}', '{}', now(), 0
)
"""


def end_of_orders(organization: str) -> int:
    """The offset behind the last record of the organization's partition."""
    return kafka.end_offset(ORDERS.name, kafka.partition_of(organization))


def wait_for_a_block(organization: str, process: "subprocess.Popen[bytes]", before: int) -> None:
    """Until the import has put something behind `before`, or has ended."""
    eventually(
        lambda: process.poll() is not None or end_of_orders(organization) > before,
        what="a block of it",
        pause=0,
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(content: str, name: str = "orders.csv") -> Path:
        path = tmp_path / name
        path.write_text(content)
        return path

    return write


Write = Callable[..., Path]


def imported(stack: Stack, *words: object, code: int = 0, kind: str = "orders") -> Any:
    """The JSON that `winback import KIND WORDS --json` prints, after
    holding its exit code to `code`.
    """
    done = stack.winback("import", kind, *map(str, words), "--json", check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code in (0, 1) else done.stderr


def imports_of(organization: str, query: str = FINISHED) -> list[Any]:
    with db.connect() as connection:
        return connection.execute(query, (organization,)).fetchall()


def test_a_file_lands_and_is_counted(stack: Stack, organization: str, write: Write) -> None:
    path = write(
        HEADER + "1,A,2026-03-01,P,5.5,10\n2,B,2026-03-02,P,,-1.005\n1,A,2026-03-01,Q,DN150,2.5\n"
    )
    assert imported(stack, path, "--organization", organization) == {
        "orders": 2,
        "lines": 3,
        "duplicates": 0,
        "rejected": 0,
        "warnings": [
            {
                "line": 3,
                "order": "2",
                "column": "revenue",
                "reason": "was rounded to the minor unit of the currency",
            },
            {
                "line": 4,
                "order": "1",
                "column": "od",
                "reason": "cannot be read for certain as a size in inches or millimetres",
            },
        ],
    }
    first, second = landed(organization)
    assert (first.order, first.account, first.ordered_on) == ("1", "A", date(2026, 3, 1))
    assert first.lines == (
        Line(product="P", od="5.5", revenue_cents=1000),
        Line(product="Q", od="DN150", revenue_cents=250),
    )
    assert (second.lines[0].revenue_cents, second.revision) == (-101, first.revision)
    assert imports_of(organization) == [(2, True, True)]


def test_wrong_rows_are_listed_and_put_aside_and_the_others_land(
    stack: Stack, organization: str, write: Write, tmp_path: Path
) -> None:
    path = write(
        HEADER
        + "1,A,2026-03-01,P,,10\n2,,2026-03-01,P,,10\n2,B,2026-03-01,P,,10\n"
        + ",A,2026-03-01,P,,1\n3,A,x,P,,1\n"
    )
    rejects = tmp_path / "rejects.csv"
    answer = imported(stack, path, "-o", organization, "--rejects", rejects, code=1)
    assert (answer["orders"], answer["lines"], answer["rejected"]) == (1, 1, 3)
    assert [(one["line"], one["order"], one["column"]) for one in answer["warnings"]] == [
        (3, "2", "account"),
        (5, None, "order"),
        (6, "3", "ordered_on"),
    ]
    assert [line.split(",")[:3] for line in rejects.read_text().splitlines()] == [
        ["file", "line", "column"],
        ["orders.csv", "3", "account"],
        ["orders.csv", "4", ""],
        ["orders.csv", "5", "order"],
        ["orders.csv", "6", "ordered_on"],
    ]
    assert [order.order for order in landed(organization)] == ["1"]


def test_a_dry_run_says_the_same_and_sends_nothing(
    stack: Stack, organization: str, write: Write
) -> None:
    path = write(HEADER + "1,A,2026-03-01,P,,10\n2,,2026-03-01,P,,10\n")
    dry = imported(stack, path, "-o", organization, "--dry-run", code=1)
    assert landed(organization) == []
    assert imports_of(organization) == []
    assert imported(stack, path, "-o", organization, code=1) == dry


def test_wrong_use_and_what_is_not_there(
    stack: Stack, organization: str, write: Write, tmp_path: Path
) -> None:
    path = write(HEADER + "1,A,2026-03-01,P,,10\n")
    assert "nobody" in imported(stack, path, "-o", "nobody", code=2)
    assert "missing.csv" in imported(stack, tmp_path / "missing.csv", "-o", organization, code=2)
    assert "ordered_on" in imported(
        stack, write("order,account,revenue\n", "other.csv"), "-o", organization, code=2
    )
    foreign = write('{"currency": "EUR"}', "map.json")
    assert "currency" in imported(stack, path, "-o", organization, "--map", foreign, code=2)
    away = Stack(
        stack.home,
        stack.env | {"WINBACK_DATABASE_URL": "postgresql://winback@127.0.0.1:1/winback"},
        stack.supervisor,
    )
    assert "PostgreSQL" in imported(away, path, "-o", organization, code=3)
    assert landed(organization) == []


def test_versions_that_count_already_and_repeats_of_a_file_are_duplicates(
    stack: Stack, organization: str, write: Write
) -> None:
    path = write(
        "order,account,ordered_on,revenue,revision\n1,A,2026-03-01,10,\n2,A,2026-03-01,10,7\n3,A,2026-03-01,10,7\n"
    )
    assert imported(stack, path, "-o", organization)["duplicates"] == 0
    with db.connect() as connection:
        for order in landed(organization):
            revision = order.revision + 1 if order.order == "3" else order.revision
            connection.execute(INSERT_ORDER, (organization, order.order, revision, order.content))
    answer = imported(
        stack,
        path,
        write(path.read_text().replace("3,A", "3,B"), "more.csv"),
        "-o",
        organization,
        code=1,
    )
    assert (answer["orders"], answer["duplicates"], answer["rejected"]) == (4, 4, 1)
    assert [(one["line"], one["order"], one["column"]) for one in answer["warnings"]] == [
        (2, "1", "order"),
        (3, "2", "order"),
        (4, "3", "order"),
    ]


def test_a_gzipped_file_by_a_mapping_with_shifted_days(
    stack: Stack, organization: str, write: Write
) -> None:
    path = write("Nr;Kunde;Datum;Betrag\n1;A;01.03.2026;1.234,50\n")
    subprocess.run(["gzip", path], check=True)
    columns = {"Nr": "order", "Kunde": "account", "Datum": "ordered_on", "Betrag": "revenue"}
    mapping = write(
        json.dumps(
            {"columns": columns, "date_format": "%d.%m.%Y", "decimal": ",", "thousands": "."}
        ),
        "map.json",
    )
    imported(stack, f"{path}.gz", "-o", organization, "--map", mapping, "--shift-days", 7)
    (order,) = landed(organization)
    assert (order.ordered_on, order.lines[0].revenue_cents) == (date(2026, 3, 8), 123450)


def test_parquet_lands_too(stack: Stack, organization: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet"
    pl.DataFrame(
        {"order": [1], "account": ["A"], "ordered_on": [date(2026, 3, 1)], "revenue": [0.1 + 0.2]}
    ).write_parquet(path)
    imported(stack, path, "-o", organization)
    assert [order.lines for order in landed(organization)] == [(Line(revenue_cents=30),)]


def test_accounts_and_contacts_land(stack: Stack, organization: str, write: Write) -> None:
    accounts = write("account,name,owner\nA,Ölwerk,Kim\nB,,\n,x,\n", "accounts.csv")
    answer = imported(stack, accounts, "-o", organization, kind="accounts", code=1)
    assert (answer["accounts"], answer["rejected"]) == (2, 1)
    contacts = write(
        "contact,account,email,primary,phone,country\n"
        "C,A,kim@example.com,yes,+1 432 555 0142,us\nD,A,nope,no,,\n",
        "contacts.csv",
    )
    answer = imported(stack, contacts, "-o", organization, kind="contacts")
    assert (answer["contacts"], [one["column"] for one in answer["warnings"]]) == (2, ["email"])
    partition = kafka.partition_of(organization)
    found = {one.key: one.value for one in records(ACCOUNTS.name, partition)}
    account = msgspec.json.decode(
        found[ids.record_key(organization, "A")] or b"", type=AccountChanged
    )
    assert (account.name, account.owner) == ("Ölwerk", "Kim")
    people = {one.key: one.value for one in records(CONTACTS.name, partition)}
    contact = msgspec.json.decode(
        people[ids.record_key(organization, "C")] or b"", type=ContactChanged
    )
    assert (contact.email, contact.primary) == ("kim@example.com", True)
    assert (contact.phone, contact.country) == ("+1 432 555 0142", "US")


def test_a_killed_import_is_resumed_without_a_double_effect(
    stack: Stack, organization: str, write: Write
) -> None:
    """Killed again and again, each time with blocks in flight; what is
    sent twice is the same version.
    """
    count = 60_000
    rows = [f"O-{number},A-{number % 97},2026-03-01,P,5.5,{number}.25\n" for number in range(count)]
    path = write(HEADER + "".join(rows))
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
        "--resume",
    ]
    kills = 0
    for _ in range(3):
        before = end_of_orders(organization)
        with child(command, env=os.environ | stack.env) as process:
            wait_for_a_block(organization, process, before)
            if process.poll() is None:
                with stopped(process.pid):  # it ends no sooner than it was looked at
                    for _, held in imports_of(organization, IN_FLIGHT):
                        assert held, "an import in flight holds back runs"
                        kills += 1
                    process.kill()
    assert kills > 0
    answer = imported(stack, path, "-o", organization, "--resume")
    assert (answer["orders"], answer["lines"], answer["rejected"]) == (count, count, 0)
    versions = {(order.order, order.revision, order.content) for order in landed(organization)}
    assert len(versions) == count
    assert imports_of(organization) == [(count, True, True)]
    sent = len(landed(organization))
    assert imported(stack, path, "-o", organization, "--resume")["orders"] == count
    assert len(landed(organization)) == sent, "all of it was confirmed: nothing is sent again"


def test_the_same_file_twice_at_once_is_refused_while_the_first_lives_and_its_lease_stands(
    stack: Stack, organization: str, write: Write
) -> None:
    """They would share the lease: the end of one would let runs in while the other still sends."""
    path = write(
        HEADER
        + "".join(
            f"O-{number},A-{number % 97},2026-03-01,P,5.5,{number}.25\n" for number in range(30_000)
        )
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
    ]
    before = end_of_orders(organization)
    with child(command, env=os.environ | stack.env) as first:
        wait_for_a_block(organization, first, before)
        assert first.poll() is None
        with stopped(first.pid):
            second = subprocess.run(
                [*command, "--resume"],
                env=os.environ | stack.env,
                capture_output=True,
                text=True,
                timeout=WAIT_SECONDS,
            )
            said = "another process imports the same files" in second.stderr
            assert (second.returncode, said) == (3, True), second.stderr
            assert [held for _, held in imports_of(organization, IN_FLIGHT)] == [True]
        assert first.wait(WAIT_SECONDS) == 0
    assert imports_of(organization) == [(30_000, True, True)]
    assert len(landed(organization)) == 30_000


def test_an_import_that_begins_anew_takes_a_new_time(
    stack: Stack, organization: str, write: Write
) -> None:
    path = write(HEADER + "1,A,2026-03-01,P,,10\n")
    imported(stack, path, "-o", organization)
    imported(stack, path, "-o", organization)
    first, second = landed(organization)
    assert first.revision < second.revision
    assert first.content == second.content
