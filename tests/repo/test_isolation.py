"""Nothing crosses organizations: read out of PostgreSQL's own catalogue, so that a new
table cannot be forgotten.

Every table with an `organization` is a tenant table, and every one is tried: two organizations, a
row each, and the role that serves HTTP reads, changes, deletes and inserts across.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import sql

from services.signals.store import organizations
from shared import db
from shared.settings import settings
from tests.logins import login_of, url_of
from tests.stack_fixtures import Stack

pytestmark = pytest.mark.usefixtures("stack")

FOUND_BY_HASH = {
    "tokens"
}  # before it is known who asks: has an organization, but is no tenant table
ROLES = ("winback_app", "winback_worker")
LOGIN_WITH = {"winback_app": "console", "winback_worker": "digest"}

TABLES = """
SELECT
    c.relname,
    c.relkind,
    c.relrowsecurity,
    c.relforcerowsecurity,
    coalesce(c.reloptions, '{}'),
    pg_get_userbyid(c.relowner),
    EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname = 'organization' AND NOT a.attisdropped
    )
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY c.relname
"""

POLICIES = """
SELECT
    policyname,
    permissive,
    roles::text[],
    cmd,
    qual,
    with_check
FROM pg_policies
WHERE schemaname = 'public'
  AND tablename = %s
ORDER BY policyname
"""

KEY_COLUMNS = """
SELECT array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = %s::regclass
  AND i.indisprimary
"""

COLUMNS = """
SELECT
    a.attname,
    format_type(a.atttypid, NULL)
FROM pg_attribute a
WHERE a.attrelid = %s::regclass
  AND a.attnum > 0
  AND NOT a.attisdropped
  AND a.attnotnull
  AND NOT a.atthasdef
ORDER BY a.attnum
"""

CHECKS = (
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE conrelid = %s::regclass AND contype = 'c'"
)
NEEDS = (
    "SELECT confrelid::regclass::text FROM pg_constraint "
    "WHERE conrelid = %s::regclass AND contype = 'f'"
)

OWN = "(organization = NULLIF(current_setting('app.org'::text, true), ''::text))"
VALUES: dict[str, Any] = {
    "text": "x", "text[]": ["x"], "integer": 1, "bigint": 1, "bigint[]": [1], "boolean": False,
    "bytea": b"x", "jsonb": "{}", "date": "2026-11-23",
    "timestamp with time zone": "2026-11-23T00:00:00Z",
    "uuid": "5d3f7f3e-7d3c-5f0e-9a54-6b1f3f1a9b10",
    "smallint": 1, "double precision": 1.0, "numeric": 1,
}  # fmt: skip


class Relation(NamedTuple):
    name: str
    kind: str
    secured: bool
    forced: bool
    options: list[str]
    owner: str
    has_organization: bool


@contextmanager
def connected(role: str | None = None, organization: str | None = None) -> Iterator[db.Connection]:
    """A transaction to be rolled back, as the database's owner, or as a login that has taken on
    `role`, in one organization.
    """
    address = settings().database_url if role is None else url_of(login_of(LOGIN_WITH[role]))
    with (
        psycopg.connect(address) as connection,
        connection.transaction(force_rollback=True),
    ):
        if role is not None:
            connection.execute(f"SET LOCAL ROLE {role}".encode())
        if organization is not None:
            connection.execute("SELECT set_config('app.org', %s, true)", (organization,))
        yield connection


def relations(kinds: str) -> list[Relation]:
    with connected() as connection:
        return [
            relation
            for relation in map(Relation._make, connection.execute(TABLES))
            if relation.kind in kinds
        ]


def tenant_tables() -> list[Relation]:
    return [
        table
        for table in relations("rp")
        if table.has_organization and table.name not in FOUND_BY_HASH
    ]


# -- what the catalogue must say -------------------------------------------------------------------


def test_there_are_tenant_tables_and_the_migrations_made_them() -> None:
    assert {"orders", "signals", "digests", "enrollments", "imports", "organizations"} <= {
        table.name for table in tenant_tables()
    }


def test_every_tenant_table_forces_row_level_security_also_on_its_owner() -> None:
    assert [table.name for table in tenant_tables() if not (table.secured and table.forced)] == []


def test_every_tenant_table_has_both_policies() -> None:
    wrong = {}
    with connected() as connection:
        for table in tenant_tables():
            policies = {row[0]: row[1:] for row in connection.execute(POLICIES, (table.name,))}
            both = (
                policies.get("own_organization")
                == ("PERMISSIVE", ["winback_app"], "ALL", OWN, OWN),
                policies.get("all_organizations")
                == ("PERMISSIVE", ["winback_worker"], "ALL", "true", "true"),
            )
            if both != (True, True):
                wrong[table.name] = policies
    assert wrong == {}


def test_the_app_role_has_no_other_policy_but_by_its_address_or_by_a_hash() -> None:
    with connected() as connection:
        others = [
            (table.name, row[0], row[3])
            for table in relations("rp")
            for row in connection.execute(POLICIES, (table.name,))
            if "winback_worker" not in row[2] and row[0] != "own_organization"
        ]
    assert others == [
        ("identities", "own_address", "ALL"),
        ("identities", "version_before", "ALL"),
        ("members", "own_memberships", "SELECT"),
        ("organizations", "own_memberships", "SELECT"),
        ("sessions", "found_by_hash", "ALL"),
        ("sessions", "own_address", "ALL"),
        ("sessions", "version_before", "ALL"),
        ("sign_in_links", "found_by_hash", "ALL"),
        ("sign_in_links", "own_address", "ALL"),
        ("sign_in_links", "version_before", "ALL"),
        ("tokens", "found_by_hash", "SELECT"),
        ("tokens", "version_before", "SELECT"),
    ]


def test_every_key_of_a_tenant_table_starts_with_the_organization() -> None:
    with connected() as connection:
        keys = {
            t.name: (connection.execute(KEY_COLUMNS, (t.name,)).fetchone() or [None])[0]
            for t in tenant_tables()
        }
    assert {name: key for name, key in keys.items() if not key or key[0] != "organization"} == {}


def test_every_view_sees_what_the_asking_role_sees() -> None:
    assert [
        view.name for view in relations("v") if "security_invoker=true" not in view.options
    ] == []


def test_nothing_bypasses_the_policies() -> None:
    """No materialized views, no functions that run as their owner, no roles that
    own, bypass or truncate.
    """
    assert relations("mf") == []
    with connected() as connection:
        definers = connection.execute(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        ).fetchall()
        roles = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND (rolsuper OR rolbypassrls "
            "OR rolcreaterole OR rolcreatedb)",
            (list(ROLES),),
        ).fetchall()
        truncate = connection.execute(
            "SELECT grantee, table_name FROM information_schema.role_table_grants"
            " WHERE grantee = ANY(%s) AND privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')",
            (list(ROLES),),
        ).fetchall()
    assert (definers, roles, truncate) == ([], [], [])
    assert [table.name for table in relations("rpv") if table.owner in ROLES] == []


# -- trying it -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(stack: Stack) -> tuple[str, str]:
    """Two organizations with a row in every tenant table."""
    names = ("isolation-a", "isolation-b")
    with db.connect() as connection:
        for organization in names:
            for table in in_order(connection):
                insert(connection, table, organization)
    return names


def in_order(connection: db.Connection) -> list[str]:
    """Tenant tables, each behind those that it refers to. All texts are "x", so every reference
    finds its row.
    """
    names = {table.name for table in tenant_tables()}
    needs = {
        name: {row[0] for row in connection.execute(NEEDS, (name,))} & names - {name}
        for name in names
    }
    ordered: list[str] = []
    while len(ordered) < len(needs):
        ordered += sorted(
            name for name in needs if name not in ordered and needs[name] <= set(ordered)
        )
    return ordered


def insert(connection: db.Connection, table: str, organization: str) -> None:
    """A row with what must be there, each value the first that its CHECK names."""
    columns = connection.execute(COLUMNS, (table,)).fetchall()
    checks = [row[0] for row in connection.execute(CHECKS, (table,))]
    row = {column: value(column, type_, checks) for column, type_ in columns} | {
        "organization": organization
    }
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    connection.execute(statement, row)


def value(column: str, type_: str, checks: list[str]) -> Any:
    lists = (
        re.match(rf"CHECK \(\({column} = (?:ANY \(ARRAY\[)?'([^']*)'::text", check)
        for check in checks
    )
    allowed = [found[1] for found in lists if found is not None]
    special = {"currency": "USD", "timezone": "UTC"}
    return allowed[0] if allowed else special.get(column, VALUES[type_])


def every_tenant_table() -> list[str]:
    """Their names as the migrations give them: parameters are made before the database is there."""
    from tests.repo.test_tables import tables_with_organization

    return sorted(tables_with_organization() - FOUND_BY_HASH)


@pytest.mark.parametrize("table", every_tenant_table())
def test_the_app_role_reads_and_writes_one_organization_alone(
    two: tuple[str, str], table: str
) -> None:
    mine, theirs = two
    name = sql.Identifier(table)
    with connected("winback_worker") as worker:
        rows = worker.execute(
            sql.SQL("SELECT organization FROM {} WHERE organization = ANY(%s)").format(name),
            (list(two),),
        ).fetchall()
    assert {row[0] for row in rows} == {mine, theirs}, "there is something to cross into"
    assert tried(
        sql.SQL("SELECT organization FROM {} WHERE organization = %s").format(name), mine
    ) in ("refused", [(mine,)])

    attempts = (
        sql.SQL("SELECT organization FROM {} WHERE organization <> %s").format(name),
        sql.SQL("DELETE FROM {} WHERE organization <> %s RETURNING organization").format(name),
        sql.SQL(
            "UPDATE {} SET organization = organization "
            "WHERE organization <> %s RETURNING organization"
        ).format(name),
    )
    for attempt in attempts:
        assert tried(attempt, mine) in ("refused", []), attempt
    assert tried_insert(table, into=theirs, as_of=mine) == "refused"
    assert tried(sql.SQL("UPDATE {} SET organization = %s").format(name), mine, theirs) in (
        "refused",
        [],
    )


@pytest.mark.parametrize("table", every_tenant_table())
def test_without_an_organization_the_app_role_sees_nothing(
    two: tuple[str, str], table: str
) -> None:
    everything = sql.SQL("SELECT organization FROM {} WHERE %s::text IS NOT NULL").format(
        sql.Identifier(table)
    )
    for unset in (None, ""):
        assert tried(everything, unset, "x") in ("refused", [])


def test_no_view_shows_another_organization(two: tuple[str, str]) -> None:
    mine, _ = two
    distinct = sql.SQL("SELECT DISTINCT organization FROM {} WHERE %s::text IS NOT NULL")
    seen = {
        view.name: tried(distinct.format(sql.Identifier(view.name)), mine)
        for view in relations("v")
    }
    assert {
        view: rows for view, rows in seen.items() if rows not in ("refused", [], [(mine,)])
    } == {}
    assert [(mine,)] in seen.values(), "the views show something at all"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE audit_log SET actor = 'somebody else' WHERE organization = %s",
        "DELETE FROM audit_log WHERE organization = %s",
        "TRUNCATE audit_log",
        "SELECT 1 FROM audit_log WHERE organization = %s FOR UPDATE",
        "INSERT INTO audit_log (organization, id, actor, action, subject)"
        " SELECT organization, id, 'x', 'x', 'x' FROM audit_log WHERE organization = %s"
        " ON CONFLICT (organization, id) DO UPDATE SET actor = excluded.actor",
        "MERGE INTO audit_log a USING (SELECT %s AS organization) o"
        " ON a.organization = o.organization WHEN MATCHED THEN DELETE",
        "ALTER TABLE audit_log DISABLE ROW LEVEL SECURITY",
        "DROP TABLE audit_log",
    ],
)
def test_no_role_changes_or_deletes_a_row_of_the_audit_log(
    two: tuple[str, str], role: str, attempt: str
) -> None:
    mine, _ = two
    with (
        connected(role, mine) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(attempt.encode(), (mine,) if "%s" in attempt else None)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_adds_rows_to_the_audit_log_and_reads_them(
    two: tuple[str, str], role: str
) -> None:
    mine, _ = two
    with connected(role, mine) as connection:
        added = connection.execute(
            "INSERT INTO audit_log (organization, actor, action, subject)"
            " VALUES (%s, 'ana@example.com', 'changed', 'settings') RETURNING id",
            (mine,),
        ).fetchone()
        read = connection.execute("SELECT id FROM audit_log WHERE organization = %s", (mine,))
        assert added in read.fetchall()


def test_with_their_organization_rows_of_the_audit_log_go(two: tuple[str, str]) -> None:
    _, theirs = two
    with connected("winback_worker") as worker:
        worker.execute(organizations.DELETE_ORGANIZATION, (theirs,))
        assert (
            worker.execute("SELECT 1 FROM audit_log WHERE organization = %s", (theirs,)).fetchall()
            == []
        )


def tried(statement: sql.Composed, organization: str | None, argument: str | None = None) -> Any:
    """What the app role gets: "refused", or the rows that it reached."""
    with connected("winback_app", organization) as app:
        try:
            done = app.execute(statement, (argument or organization,))
            return done.fetchall() if done.description else []
        except psycopg.errors.InsufficientPrivilege:
            return "refused"


def tried_insert(table: str, *, into: str, as_of: str) -> str:
    with connected("winback_app", as_of) as app:
        try:
            insert(app, table, f"{into}-new" if table == "organizations" else into)
        except psycopg.errors.InsufficientPrivilege:
            return "refused"
    return "done"
