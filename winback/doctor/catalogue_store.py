"""What the doctor reads of PostgreSQL's own catalogue."""

from datetime import datetime
from typing import NamedTuple

from shared import db

SERVER = """
SELECT
    current_setting('server_version_num')::int,
    current_setting('server_version'),
    current_setting('server_encoding'),
    current_setting('max_connections')::int,
    current_user::text,
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
    inet_client_addr() IS NULL
        OR inet_client_addr() <<= '127.0.0.0/8'
        OR host(inet_client_addr()) = '::1',
    clock_timestamp()
"""

APPLIED = "SELECT name FROM migrations ORDER BY name"
HAS_MIGRATIONS = "SELECT to_regclass('public.migrations') IS NOT NULL"

ROLES = """
SELECT
    rolname,
    rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb,
    pg_has_role(current_user, oid, 'MEMBER'),
    EXISTS (
        SELECT
        FROM pg_class c
        WHERE c.relowner = r.oid
          AND c.relnamespace = 'public'::regnamespace
    )
FROM pg_roles r
WHERE rolname = ANY(%s)
"""

# `tokens` are found by their hash before it is known who asks.
UNPROTECTED = """
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace
  AND c.relkind IN ('r', 'p')
  AND c.relname <> 'tokens'
  AND EXISTS (
      SELECT
      FROM pg_attribute a
      WHERE a.attrelid = c.oid
        AND a.attname = 'organization'
        AND NOT a.attisdropped
  )
  AND NOT (
      c.relrowsecurity
      AND c.relforcerowsecurity
      AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
  )
ORDER BY c.relname
"""


# Collations of our columns whose library was upgraded since: their indexes may be in another order.
OUTDATED_COLLATIONS = """
SELECT DISTINCT co.collname
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_collation co ON co.oid = a.attcollation
WHERE c.relnamespace = 'public'::regnamespace
  AND co.collprovider = 'i'
  AND co.collversion IS DISTINCT FROM pg_collation_actual_version(co.oid)
ORDER BY co.collname
"""

POSITIONS = """
SELECT consumer, topic, partition, next_offset
FROM positions
WHERE partition >= 0
"""


class Server(NamedTuple):
    """As it answers one who has just connected."""

    number: int
    version: str
    encoding: str
    max_connections: int
    user: str
    encrypted: bool
    local: bool
    now: datetime


class Role(NamedTuple):
    """powers: it may do what would undo the isolation. ours: who connects may
    take it on. owns: tables.
    """

    name: str
    powers: bool
    ours: bool
    owns: bool


def server(connection: db.Connection) -> Server:
    row = connection.execute(SERVER).fetchone()
    assert row is not None
    return Server(*row)


def applied(connection: db.Connection) -> list[str]:
    """Names of the migrations that were applied; none where the table is not there."""
    row = connection.execute(HAS_MIGRATIONS).fetchone()
    return (
        [str(row[0]) for row in connection.execute(APPLIED)] if row is not None and row[0] else []
    )


def roles(connection: db.Connection, names: list[str]) -> dict[str, Role]:
    return {row[0]: Role(*row) for row in connection.execute(ROLES, (names,))}


def unprotected(connection: db.Connection) -> list[str]:
    """Tenant tables whose rows are not protected."""
    return [str(row[0]) for row in connection.execute(UNPROTECTED)]


def outdated_collations(connection: db.Connection) -> list[str]:
    """Of our columns, those that ICU sorts otherwise than when their indexes were made."""
    return [str(row[0]) for row in connection.execute(OUTDATED_COLLATIONS)]


def positions(connection: db.Connection) -> dict[tuple[str, str, int], int]:
    """(consumer, topic, partition) -> the next offset that is not in PostgreSQL."""
    return {
        (consumer, topic, partition): at
        for consumer, topic, partition, at in connection.execute(POSITIONS)
    }
