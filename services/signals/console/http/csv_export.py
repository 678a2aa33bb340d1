"""Tables as CSV files that a spreadsheet opens, and runs nothing of.

Rows are read a page at a time and the connection is given back before anybody waits for the client;
a person has one export at a time, an organization a few, and only some of all read at once. So who
takes their file slowly takes nothing from others.
"""

import csv
import io
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse

from services.signals.actions.actor import note
from services.signals.console.http.access import Refused, Visitor, app_pool
from services.signals.console.http.organization import organization_of
from shared import db, security

MOST_EXPORTS = 16  # of this process
MOST_OF_ONE = 4  # organization
READING_AT_ONCE = 2  # of them; the pool has more connections
ROWS_A_PAGE = 2_000

# What spreadsheets run, or read as something else, at the start of a cell, full-width ones too; and
# behind a semicolon or a tab, where a spreadsheet of another locale begins a cell of its own.
FORMULA = re.compile(r"^(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
WITHIN = re.compile(r"(?<=[;\t])(?=[^\S\t]*[=+\-@\uff1d\uff0b\uff0d\uff20])")
CHUNK_CHARACTERS = 64_000
BYTE_ORDER_MARK = "\ufeff"  # without it some spreadsheets take UTF-8 for something else

Place = TypeVar("Place")


@dataclass
class Exports:
    """Those that this process sends now."""

    persons: set[str] = field(default_factory=set)
    organizations: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    reading: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(READING_AT_ONCE)
    )

    def begin(self, person: str, organization: str) -> None:
        """Raises Refused."""
        with self.lock:
            if person in self.persons:
                raise Refused(429, "an export of yours is under way: wait for its end, or stop it")
            if self.organizations[organization] >= MOST_OF_ONE or len(self.persons) >= MOST_EXPORTS:
                raise Refused(429, "several exports are under way: try again in a minute")
            self.persons.add(person)
            self.organizations[organization] += 1

    def end(self, person: str, organization: str) -> None:
        """Sent, or nobody takes it any more."""
        with self.lock:
            self.persons.discard(person)
            self.organizations[organization] -= 1
            if not self.organizations[organization]:
                del self.organizations[organization]


class Download(StreamingResponse):
    """A file that somebody takes; `then` follows whatever becomes of it."""

    def __init__(self, content: Iterator[str], name: str, then: Callable[[], None]) -> None:
        super().__init__(
            content,
            media_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{name}.csv"',
                "Cache-Control": "private, no-store",
            },
        )
        self.then = then

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.then()


def download(
    request: Request,
    who: Visitor,
    organization: str,
    what: str,
    name: str,
    head: Sequence[str],
    read: Callable[[db.Connection, Place | None], tuple[list[Sequence[object]], Place | None]],
) -> Download:
    """`read` gives the rows of a page, and the place behind it; None after the last one. `what`:
    for the audit log. `name`: ASCII, without its ending. Raises Refused.
    """
    exports: Exports = request.app.state.exports
    exports.begin(who.email, organization)
    try:
        with db.organization_transaction(app_pool(request), organization) as connection:
            note(connection, organization, who.acting_in(organization), "exported", what, {})
            security.note(connection, "exported", email=who.email, about=organization, what=what)
    except BaseException:
        exports.end(who.email, organization)
        raise

    def rows() -> Iterator[Sequence[object]]:
        place: Place | None = None
        while True:
            with exports.reading, organization_of(request, organization) as (_, connection):
                page, place = read(connection, place)
            yield from page
            if place is None:
                return

    return Download(chunks(head, rows()), name, then=lambda: exports.end(who.email, organization))


def chunks(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The file in pieces (RFC 4180), every cell in quotes."""
    held = io.StringIO()
    held.write(BYTE_ORDER_MARK)
    writer = csv.writer(held, quoting=csv.QUOTE_ALL)
    writer.writerow(head)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        if held.tell() > CHUNK_CHARACTERS:
            yield held.getvalue()
            held.seek(0)
            held.truncate()
    yield held.getvalue()


def cell(value: object) -> object:
    """Numbers stay numbers; a text that would be a formula is led by an apostrophe."""
    if isinstance(value, str):
        return WITHIN.sub("'", FORMULA.sub("'", value))
    return "" if value is None else value
