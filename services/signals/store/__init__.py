"""The only SQL of the signals service, a module per thing: orders, signals, people, runs, slots,
organizations, …

What comes in bulk goes into a temporary table by binary COPY and from there, by guarded statements,
into the tables: rows know the version or the source offset that made them and ignore what is not
newer, so that any batch can come again.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import sql

from shared import db

KNOWN = """
SELECT organization
FROM organizations
WHERE organization = ANY(%s)
FOR KEY SHARE
"""


def known(connection: db.Connection, organizations: Iterable[str]) -> set[str]:
    """Which of `organizations` exist; they stay until the end of the transaction."""
    return {str(row[0]) for row in connection.execute(KNOWN, (sorted(set(organizations)),))}


class Staging:
    """A temporary table of one connection, emptied at each commit. `columns` are (name, type) as
    PostgreSQL says them.
    """

    def __init__(self, table: str, columns: Sequence[tuple[str, str]]) -> None:
        self.types = [type_ for _, type_ in columns]
        definitions = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in columns
        )
        name = sql.Identifier(table)
        self._create = sql.SQL(
            "CREATE TEMPORARY TABLE IF NOT EXISTS {} ({}) ON COMMIT DELETE ROWS"
        ).format(name, definitions)
        self._clear = sql.SQL("DELETE FROM {}").format(name)
        self._copy = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(name)

    def fill(self, connection: db.Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Make `rows` the table's only rows."""
        connection.execute("SET LOCAL client_min_messages = warning")  # that it exists is no news
        connection.execute(self._create)
        connection.execute(self._clear)
        with connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.set_types(self.types)
            for row in rows:
                copy.write_row(row)
