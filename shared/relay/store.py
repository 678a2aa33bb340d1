"""The relay's SQL over a table (organization, number, id, kind, value) of the service that
tells.
"""

from dataclasses import dataclass
from functools import cache
from typing import LiteralString, Protocol

import msgspec
from psycopg import sql

from shared import db
from shared.topics import Topic

LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"

NOTE = """
INSERT INTO {table} (organization, id, kind, value)
VALUES (%(organization)s, %(id)s, %(kind)s, %(value)s)
"""

OLDEST = """
SELECT
    number,
    organization,
    id,
    kind,
    value
FROM {table}
ORDER BY number
LIMIT %s
"""

FORGET = "DELETE FROM {table} WHERE number = ANY(%s)"


class Telling(Protocol):
    """An event that says whose it is, and which."""

    @property
    def organization(self) -> str:
        """The tenant."""

    @property
    def id(self) -> str:
        """A repeat has the same."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """Where a service writes down what it tells. source: its name, in the events' headers."""

    table: LiteralString
    topic: Topic
    source: str


@dataclass(frozen=True, kw_only=True)
class Noted:
    """An event that is not published yet, as it goes out."""

    number: int
    organization: str
    id: str
    kind: str
    value: bytes


def note(connection: db.Connection, told: Told, event: Telling) -> None:
    """Write an event down, in the caller's transaction, behind the change that it tells: who
    changes the same row afterwards comes after it.
    """
    values = {
        "organization": event.organization,
        "id": event.id,
        "kind": type(event).__name__,
        "value": msgspec.json.encode(event),
    }
    connection.execute(_composed(told.table, NOTE), values)


def locked(connection: db.Connection, told: Told) -> bool:
    """Whether this transaction is the one that publishes; at most one is."""
    row = connection.execute(LOCK, (told.table,)).fetchone()
    return row is not None and bool(row[0])


def oldest(connection: db.Connection, told: Told, *, most: int) -> list[Noted]:
    """In the order in which they were written down."""
    return [
        Noted(number=number, organization=organization, id=id_, kind=kind, value=bytes(value))
        for number, organization, id_, kind, value in connection.execute(
            _composed(told.table, OLDEST), (most,)
        )
    ]


def forget(connection: db.Connection, told: Told, published: list[Noted]) -> None:
    """Kafka has them."""
    numbers = [one.number for one in published]
    connection.execute(_composed(told.table, FORGET), (numbers,))


@cache
def _composed(table: LiteralString, statement: LiteralString) -> bytes:
    return sql.SQL(statement).format(table=sql.Identifier(table)).as_bytes()
