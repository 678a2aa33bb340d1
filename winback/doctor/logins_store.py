"""What the doctor reads of PostgreSQL's catalogue about who may log in, and may what."""

from typing import NamedTuple

import psycopg

from shared import db

ROLES = """
SELECT
    r.rolname::text,
    r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication,
    EXISTS (
        SELECT
        FROM pg_class c
        WHERE c.relowner = r.oid
    ),
    r.rolinherit,
    coalesce((
        SELECT bool_or(m.admin_option)
        FROM pg_auth_members m
        WHERE m.member = r.oid
    ), false),
    ARRAY(
        SELECT g.rolname::text
        FROM pg_auth_members m
        JOIN pg_roles g ON g.oid = m.roleid
        WHERE m.member = r.oid
        ORDER BY g.rolname
    )
FROM pg_roles r
WHERE r.rolname = ANY(%s)
"""

VERIFIER = "SELECT coalesce(rolpassword, '') FROM pg_authid WHERE rolname = %s"

LOGGED_IN = """
SELECT DISTINCT
    substr(application_name, 9),
    usename::text
FROM pg_stat_activity
WHERE datname = current_database()
  AND application_name LIKE 'winback %'
"""

RIGHTS_OF_EVERYBODY = """
SELECT what
FROM (
    VALUES
        ('see names in the schema', has_schema_privilege('public', 'public', 'USAGE')),
        ('make tables', has_schema_privilege('public', 'public', 'CREATE')),
        ('connect', has_database_privilege('public', current_database(), 'CONNECT')),
        ('make temporary tables',
         has_database_privilege('public', current_database(), 'TEMPORARY')),
        ('run our functions', EXISTS (
            SELECT
            FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
              AND has_function_privilege('public', oid, 'EXECUTE')
        ))
) AS rights (what, has)
WHERE has
"""

# Only the worker sees all rows; the keyed tables are looked at too.
OPEN_POLICIES = """
SELECT tablename || ' ' || policyname
FROM pg_policies
WHERE schemaname = 'public'
  AND (
      'public' = ANY(roles)
      OR ('winback_app' = ANY(roles) AND (qual = 'true' OR with_check = 'true'))
  )
UNION ALL
SELECT c.relname
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace
  AND c.relname IN ('sessions', 'sign_in_links', 'identities', 'tokens')
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
ORDER BY 1
"""

CHANGEABLE = """
SELECT DISTINCT t.name || ' by ' || r.name
FROM unnest(ARRAY['audit_log', 'settings_versions', 'outcomes']) AS t (name)
CROSS JOIN unnest(%s::text[]) AS r (name)
WHERE has_table_privilege(r.name, 'public.' || t.name, 'UPDATE, DELETE, TRUNCATE')
   OR has_any_column_privilege(r.name, 'public.' || t.name, 'UPDATE')
ORDER BY 1
"""


class Role(NamedTuple):
    """powers: it may do what would undo the isolation. owns: tables. grants: may let others take
    what it takes.
    """

    name: str
    powers: bool
    owns: bool
    inherits: bool
    grants: bool
    takes: list[str]


def roles(connection: db.Connection, names: list[str]) -> dict[str, Role]:
    return {row[0]: Role(*row) for row in connection.execute(ROLES, (names,))}


def verifier(connection: db.Connection, name: str) -> str | None:
    """Of its password; empty where it has none; None where only a superuser may see that."""
    try:
        with connection.transaction():
            row = connection.execute(VERIFIER, (name,)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return "" if row is None else str(row[0])


def logged_in(connection: db.Connection) -> list[tuple[str, str]]:
    """(process, login) of all that are connected now."""
    return [(str(row[0]), str(row[1])) for row in connection.execute(LOGGED_IN)]


def rights_of_everybody(connection: db.Connection) -> list[str]:
    """What PUBLIC may."""
    return [str(row[0]) for row in connection.execute(RIGHTS_OF_EVERYBODY)]


def open_policies(connection: db.Connection) -> list[str]:
    """Of tables whose rows the app role, or everybody, sees whatever they say."""
    return [str(row[0]) for row in connection.execute(OPEN_POLICIES)]


def changeable(connection: db.Connection, names: list[str]) -> list[str]:
    """What only grows, and a role may change all the same."""
    return [str(row[0]) for row in connection.execute(CHANGEABLE, (names,))]
