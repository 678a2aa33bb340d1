"""Files that people take: read page by page, given back before anybody waits, one a person; and
nothing in them that a spreadsheet runs.
"""

import csv
import io
import socket
import threading
from urllib.parse import urlsplit

import httpx
import pytest

from services.signals.console.http import csv_export
from services.signals.console.http.access import Refused
from services.signals.console.http.csv_export import Exports, cell, chunks
from services.signals.store import organizations
from shared import db
from tests.console.conftest import COOKIE, Browser, MakeBrowser
from tests.eventually import eventually
from tests.signals.builders import rows
from tests.signals.conftest import make_tenant

MANY_ROWS = 60_000
INSERT_MANY = """
INSERT INTO audit_log (organization, at, actor, action, subject, detail)
SELECT %s, now() - n * interval '1 second', 'ana@example.com', 'changed', 'account A-' || n,
    jsonb_build_object('number', n, 'text', repeat('x', 100))
FROM generate_series(1, %s) AS n
"""


@pytest.fixture(scope="module")
def long_log(stack: object) -> str:
    """An organization with an audit log of several megabytes."""
    with db.connect() as connection:
        tenant = make_tenant(connection)
        connection.execute(INSERT_MANY, (tenant, MANY_ROWS))
    return tenant


def half_taken(browser: Browser, path: str) -> socket.socket:
    """An export that is asked for and not read further than its head."""
    place = urlsplit(str(browser.client.base_url))
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    wire.settimeout(30)
    wire.connect((place.hostname, place.port))
    cookie = f"{COOKIE}={browser.client.cookies[COOKIE]}"
    wire.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
    assert wire.recv(15).startswith(b"HTTP/1.1 200")
    return wire


def test_people_who_take_their_files_slowly_hold_no_connection(
    browser: MakeBrowser, connection: db.Connection, long_log: str
) -> None:
    path = f"/o/{long_log}/settings/audit.csv"
    before = rows(connection, "SELECT count(*) FROM audit_log WHERE organization = %s", long_log)
    assert before[0][0] >= MANY_ROWS
    slow = [half_taken(browser(long_log), path) for _ in range(csv_export.MOST_OF_ONE)]
    try:
        # the pool of this console has 4 connections: all of them were held until the last byte
        other = make_tenant(connection)
        ana = browser(other)
        for _ in range(3):
            assert ana.get(f"/o/{other}/accounts", timeout=10).status_code == 200
        assert ana.get("/readyz").status_code == 200
        late = browser(long_log).get(path)
        assert late.status_code == 429 and "several exports" in late.text
        assert ana.get(f"/o/{other}/settings/audit.csv").status_code == 200
    finally:
        for wire in slow:
            wire.close()
    eventually(
        lambda: browser(long_log).get(path).status_code == 200,
        what="places of exports that nobody takes any more",
    )


def test_a_person_has_one_export_at_a_time(browser: MakeBrowser, long_log: str) -> None:
    ana, path = browser(long_log), f"/o/{long_log}/settings/audit.csv"
    wire = half_taken(ana, path)
    try:
        again = ana.get(f"/o/{long_log}/accounts.csv")
        assert again.status_code == 429 and "an export of yours is under way" in again.text
    finally:
        wire.close()
    eventually(lambda: ana.get(path).status_code == 200, what="an end of the export before")


def test_an_export_is_whole_however_many_pages_it_has(
    browser: MakeBrowser, long_log: str, connection: db.Connection
) -> None:
    answer = browser(long_log).get(f"/o/{long_log}/settings/audit.csv?action=changed")
    found = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["subject"] for row in found] == [f"account A-{n}" for n in range(1, MANY_ROWS + 1)]


def test_who_is_removed_while_a_file_is_read_gets_no_further_page(
    browser: MakeBrowser, connection: db.Connection, long_log: str
) -> None:
    ana = browser(long_log)
    with (
        pytest.raises(httpx.RemoteProtocolError),
        ana.client.stream("GET", f"/o/{long_log}/settings/audit.csv") as answer,
    ):
        organizations.remove_member(connection, long_log, ana.email)
        answer.read()


def test_exports_are_counted_by_person_by_organization_and_over_all() -> None:
    exports = Exports()
    for number in range(csv_export.MOST_OF_ONE):
        exports.begin(f"p{number}", "one")
    for person, organization in (("p0", "two"), ("q", "one")):
        with pytest.raises(Refused):
            exports.begin(person, organization)
    for number in range(csv_export.MOST_EXPORTS - csv_export.MOST_OF_ONE):
        exports.begin(f"r{number}", f"organization-{number}")
    with pytest.raises(Refused, match="several"):
        exports.begin("s", "another")
    exports.end("p0", "one")
    exports.begin("s", "another")


def test_only_some_exports_read_at_a_time() -> None:
    exports, inside, most = Exports(), 0, 0
    counted = threading.Lock()
    all_in = threading.Barrier(csv_export.READING_AT_ONCE)

    def read() -> None:
        nonlocal inside, most
        with exports.reading:
            with counted:
                inside += 1
                most = max(most, inside)
            all_in.wait(10)
            with counted:
                inside -= 1

    threads = [threading.Thread(target=read) for _ in range(3 * csv_export.READING_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == csv_export.READING_AT_ONCE


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1", "a;'=1"),
        ("a\t-1", "a\t'-1"),
        (-1, -1),
        ("a=1", "a=1"),
        ("a; b-c", "a; b-c"),
        (None, ""),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_led_by_an_apostrophe(
    value: object, written: object
) -> None:
    assert cell(value) == written


def test_every_cell_is_in_quotes() -> None:
    text = "".join(chunks(("a", "b"), [(1, None), ('x,"y"', "z")]))
    assert text == '\ufeff"a","b"\r\n"1",""\r\n"x,""y""","z"\r\n'
