"""PostgreSQL: a pool whose connections take on a role, transactions, migrations, positions.

Each process connects as its own login (WINBACK_DATABASE_URL, shared/logins.py) and takes on
`winback_app` (HTTP: one organization per transaction, by row-level security) or `winback_worker`
(consumers: all organizations). The operator's command line connects as the owner and takes on the
worker; only `winback migrate` and `winback topics` stay the owner.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Literal, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from shared.errors import Retryable
from shared.settings import settings

Connection = psycopg.Connection[TupleRow]
RV = TypeVar("RV")
WAKE_SECONDS = 0.1  # as psycopg has it: so often a wait looks whether it was interrupted
Role = Literal["winback_app", "winback_worker"]

MIGRATIONS_LOCK = 7_305_512_201  # any number that is ours: two migrating processes take turns

_application = ["winback"]

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
SET next_offset = %(next)s,
    last_offset = coalesce(%(last_offset)s, last_offset),
    last_record = coalesce(%(last_record)s, last_record)
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


FOLLOWED_TOPIC = """
SELECT next_offset
FROM positions
WHERE consumer = %(consumer)s
  AND topic = %(topic)s
  AND partition = -1
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
SET next_offset = 0,
    last_offset = NULL,
    last_record = NULL
WHERE consumer = %(consumer)s
  AND topic = %(topic)s
  AND partition >= 0
"""


# of a server, or a network, that says nothing any more: TCP's own limits are minutes and hours
REACH: dict[str, str | int] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
ANSWER_SECONDS = 60.0  # for one statement of a service
VERB_SECONDS = 3600.0  # for one of a verb: an audit or a dry run of everything takes its time
CHECK_SECONDS = 3.0  # for a connection of a pool to say that it lives


class Bounded(psycopg.Connection[TupleRow]):
    """A connection whose every wait has a deadline: a server that is frozen keeps its sockets open
    and says nothing. What did not answer in time is closed, since nobody knows what became of it.
    """

    answer_seconds = ANSWER_SECONDS

    def wait(
        self,
        gen: PQGen[RV],
        interval: float = WAKE_SECONDS,
        timeout: float | None = None,
    ) -> RV:
        """Raises OperationalError where the answer does not come."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer for {self.answer_seconds:g} s") from None


def name_connections(process: str) -> None:
    """As pg_stat_activity calls them from now on: "winback console"; those of a verb are called
    "winback".
    """
    _application[0] = f"winback {process}"


def pool(
    role: Role,
    *,
    least: int = 1,
    most: int = 4,
    answer_seconds: float = ANSWER_SECONDS,
    url: str = "",
) -> ConnectionPool[Connection]:
    """An open pool whose connections act as `role`. A context manager: close it at the end. `url`:
    another than this process's.
    """

    def configure(connection: Connection) -> None:
        assert isinstance(connection, Bounded)
        connection.answer_seconds = answer_seconds
        connection.execute(f"SET ROLE {role}")  # one of two literals
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()

    def check(connection: Connection) -> None:
        assert isinstance(connection, Bounded)
        connection.answer_seconds = min(CHECK_SECONDS, answer_seconds)
        ConnectionPool.check_connection(connection)
        connection.answer_seconds = answer_seconds

    return ConnectionPool(
        url or settings().database_url,
        connection_class=Bounded,
        min_size=least,
        max_size=most,
        open=True,
        configure=configure,
        check=check,
        kwargs={"application_name": _application[0], **REACH},
        timeout=10,
    )


def connected(*, answer_seconds: float = VERB_SECONDS, autocommit: bool = True) -> Connection:
    """A connection as whoever WINBACK_DATABASE_URL names. Raises psycopg.OperationalError."""
    connection = Bounded.connect(
        settings().database_url,
        application_name=_application[0],
        autocommit=autocommit,
        **REACH,  # type: ignore[arg-type]  # what libpq takes
    )
    connection.answer_seconds = answer_seconds
    return connection


@contextmanager
def connect(
    role: Role = "winback_worker", *, answer_seconds: float = VERB_SECONDS
) -> Iterator[Connection]:
    """One connection acting as `role`, for command-line verbs; commits at the end,
    rolls back on an error.

    Raises Retryable where PostgreSQL cannot be reached.
    """
    with _reach(answer_seconds=answer_seconds) as connection:
        connection.execute(f"SET ROLE {role}")
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()
        yield connection


@contextmanager
def connect_as_owner(*, autocommit: bool = False) -> Iterator[Connection]:
    """One connection as who WINBACK_DATABASE_URL names, taking on nothing: for `winback migrate`
    and `winback topics`, which the owner runs. Raises Retryable.
    """
    with _reach(autocommit=autocommit) as connection:
        yield connection


def _reach(*, autocommit: bool = False, answer_seconds: float = VERB_SECONDS) -> Connection:
    """Raises Retryable."""
    try:
        return connected(autocommit=autocommit, answer_seconds=answer_seconds)
    except psycopg.OperationalError as error:
        raise Retryable(f"PostgreSQL cannot be reached: {str(error).strip()}") from None


@contextmanager
def organization_transaction(
    app_pool: ConnectionPool[Connection], organization: str, *, wait: float | None = None
) -> Iterator[Connection]:
    """A transaction of the app role that sees `organization` alone. `wait`: seconds for a
    connection, where not as long as the pool says.
    """
    with app_pool.connection(wait) as connection, connection.transaction():
        connection.execute("SELECT set_config('app.org', %s, true)", (organization,))
        yield connection


def see_hash(connection: Connection, hashed: bytes) -> None:
    """Until the end of the transaction the app role sees the session, link or token of this hash:
    it is found before it is known whose it is.
    """
    connection.execute("SELECT set_config('app.hash', %s, true)", (hashed.hex(),))


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
    last: tuple[int, bytes] | None = None,
) -> bool:
    """Compare-and-set in the caller's transaction. False: another process was faster;
    roll back and seek again. last: offset and hash of the record that was read last.
    """
    last_offset, last_record = last or (None, None)
    done = connection.execute(
        MOVE_POSITION,
        {
            "consumer": consumer,
            "topic": topic,
            "partition": partition,
            "expected": expected,
            "next": next_offset,
            "last_offset": last_offset,
            "last_record": last_record,
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
    names = {"consumer": consumer, "topic": topic}
    if connection.execute(FOLLOWED_TOPIC, names).fetchone() == (topic_id,):
        return True
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
