"""PostgreSQL: a pool whose connections take on a role, transactions, migrations, positions.

Processes connect with WINBACK_DATABASE_URL and take on `winback_app` (HTTP: one organization per
transaction, by row-level security) or `winback_worker` (consumers and the operator's command line:
all organizations).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Literal

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from shared.errors import Retryable
from shared.settings import settings

Connection = psycopg.Connection[TupleRow]
Role = Literal["winback_app", "winback_worker"]

MIGRATIONS_LOCK = 7_305_512_201  # any number that is ours: two migrating processes take turns

PROBE_SECONDS = 2.0
ANSWER_LASTS_SECONDS = 1.0

CREATE_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS migrations (
    name        text PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
)
"""

LOCK_POSITION = """
SELECT next_offset
FROM positions
WHERE consumer = %(consumer)s
  AND topic = %(topic)s
  AND partition = %(partition)s
FOR UPDATE
"""

MOVE_POSITION = """
UPDATE positions
SET next_offset = %(next)s
WHERE consumer = %(consumer)s
  AND topic = %(topic)s
  AND partition = %(partition)s
  AND next_offset = %(expected)s
"""

INSERT_POSITION = """
INSERT INTO positions (consumer, topic, partition, next_offset)
VALUES (%(consumer)s, %(topic)s, %(partition)s, 0)
ON CONFLICT DO NOTHING
"""


# A row of its own, at partition -1, says which topic the positions are of: the id that Kafka gave
# it. 0: not known yet.
LOCK_TOPIC = """
INSERT INTO positions (consumer, topic, partition, next_offset)
VALUES (%(consumer)s, %(topic)s, -1, 0)
ON CONFLICT (consumer, topic, partition) DO UPDATE SET
    next_offset = positions.next_offset
RETURNING next_offset
"""

SET_TOPIC = """
UPDATE positions
SET next_offset = %(id)s
WHERE consumer = %(consumer)s
  AND topic = %(topic)s
  AND partition = -1
"""

START_OVER = """
UPDATE positions
SET next_offset = 0
WHERE consumer = %(consumer)s
  AND topic = %(topic)s
  AND partition >= 0
"""


def pool(role: Role, *, least: int = 1, most: int = 4) -> ConnectionPool[Connection]:
    """An open pool whose connections act as `role`. A context manager: close it at the end."""

    def configure(connection: Connection) -> None:
        connection.execute(f"SET ROLE {role}")  # one of two literals
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()

    return ConnectionPool(
        settings().database_url,
        min_size=least,
        max_size=most,
        open=True,
        configure=configure,
        check=ConnectionPool.check_connection,
        kwargs={"application_name": "winback"},
        timeout=10,
    )


@contextmanager
def connect(role: Role = "winback_worker") -> Iterator[Connection]:
    """One connection acting as `role`, for command-line verbs; commits at the end,
    rolls back on an error.

    Raises Retryable where PostgreSQL cannot be reached.
    """
    with _reach() as connection:
        connection.execute(f"SET ROLE {role}")
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()
        yield connection


class Probe:
    """Whether PostgreSQL answers, by a connection of its own: a pool whose connections are all
    taken is no outage, and who asks often takes nothing from anybody.
    """

    def __init__(self, role: Role) -> None:
        self._role: Role = role
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._said, self._said_at = "", -ANSWER_LASTS_SECONDS

    def why_not(self) -> str:
        """In words; empty where it answers. An answer holds for a second."""
        if not self._lock.acquire(timeout=PROBE_SECONDS):
            return "it does not answer"
        try:
            if time.monotonic() - self._said_at >= ANSWER_LASTS_SECONDS:
                self._said, self._said_at = self._ask(), time.monotonic()
            return self._said
        finally:
            self._lock.release()

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()

    def _ask(self) -> str:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    settings().database_url,
                    application_name="winback-probe",
                    connect_timeout=int(PROBE_SECONDS),
                    autocommit=True,
                )
                self._connection.execute(f"SET ROLE {self._role}")  # one of two literals
            self._connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            self.close()
            return str(error).strip()
        return ""


@contextmanager
def connect_as_owner(*, autocommit: bool = False) -> Iterator[Connection]:
    """One connection as who WINBACK_DATABASE_URL names, taking on nothing: for `winback migrate`
    and `winback topics`, which the owner runs. Raises Retryable.
    """
    with _reach(autocommit=autocommit) as connection:
        yield connection


def _reach(*, autocommit: bool = False) -> Connection:
    """Raises Retryable."""
    try:
        return psycopg.connect(
            settings().database_url,
            application_name="winback",
            autocommit=autocommit,
            connect_timeout=5,
        )
    except psycopg.OperationalError as error:
        raise Retryable(f"PostgreSQL cannot be reached: {str(error).strip()}") from None


@contextmanager
def organization_transaction(
    app_pool: ConnectionPool[Connection], organization: str
) -> Iterator[Connection]:
    """A transaction of the app role that sees `organization` alone."""
    with app_pool.connection() as connection, connection.transaction():
        connection.execute("SELECT set_config('app.org', %s, true)", (organization,))
        yield connection


def migrate() -> list[str]:
    """Apply what has not been applied, in the order of the names, each file in one transaction.
    Returns the names applied.

    Raises Retryable where PostgreSQL cannot be reached.
    """
    applied: list[str] = []
    with connect_as_owner(autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATIONS_LOCK,))
        connection.execute(CREATE_MIGRATIONS)
        known = {str(row[0]) for row in connection.execute("SELECT name FROM migrations")}
        for name in migrations():
            if name in known:
                continue
            with connection.transaction():
                connection.execute(
                    resources.files("shared.migrations")
                    .joinpath(name)
                    .read_text(encoding="utf-8")
                    .encode()
                )
                connection.execute("INSERT INTO migrations (name) VALUES (%s)", (name,))
            applied.append(name)
    return applied


def migrations() -> list[str]:
    """Their names, in the order in which they are applied."""
    return sorted(
        file.name
        for file in resources.files("shared.migrations").iterdir()
        if file.name.endswith(".sql")
    )


def position(connection: Connection, *, consumer: str, topic: str, partition: int) -> int:
    """The next offset that `consumer` has not yet put into PostgreSQL; 0 for
    a partition never seen.
    """
    connection.execute(
        INSERT_POSITION, {"consumer": consumer, "topic": topic, "partition": partition}
    )
    row = connection.execute(
        "SELECT next_offset FROM positions WHERE consumer = %s AND topic = %s AND partition = %s",
        (consumer, topic, partition),
    ).fetchone()
    assert row is not None
    return int(row[0])


def lock_position(
    connection: Connection, *, consumer: str, topic: str, partition: int
) -> int | None:
    """The stored position, locked until the end of the caller's transaction; None for
    a partition never seen.
    """
    row = connection.execute(
        LOCK_POSITION, {"consumer": consumer, "topic": topic, "partition": partition}
    ).fetchone()
    return None if row is None else int(row[0])


def move_position(
    connection: Connection,
    *,
    consumer: str,
    topic: str,
    partition: int,
    expected: int,
    next_offset: int,
) -> bool:
    """Compare-and-set in the caller's transaction. False: another process was faster;
    roll back and seek again.
    """
    done = connection.execute(
        MOVE_POSITION,
        {
            "consumer": consumer,
            "topic": topic,
            "partition": partition,
            "expected": expected,
            "next": next_offset,
        },
    )
    return done.rowcount == 1


def follow_topic(
    connection: Connection, *, consumer: str, topic: str, topic_id: int, start_over: bool
) -> bool:
    """Hold the topic that `consumer`'s positions are of against the one that is there, in a
    transaction of its own.

    True: the same, or the first that is seen. False: another; with `start_over` its positions begin
    at 0 and it is the one now.
    """
    with connection.transaction():
        row = connection.execute(LOCK_TOPIC, {"consumer": consumer, "topic": topic}).fetchone()
        assert row is not None
        if row[0] == topic_id:
            return True
        is_first = bool(row[0] == 0)
        if is_first or start_over:
            connection.execute(SET_TOPIC, {"consumer": consumer, "topic": topic, "id": topic_id})
        if not is_first and start_over:
            connection.execute(START_OVER, {"consumer": consumer, "topic": topic})
        return is_first
