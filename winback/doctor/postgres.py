"""PostgreSQL as the doctor sees it: version, migrations, roles, row-level
security, encryption, time.
"""

from collections.abc import Iterator
from typing import get_args

import psycopg

from shared import clock, db
from shared.settings import settings
from winback.doctor import catalogue_store as catalogue
from winback.doctor import logins
from winback.doctor.findings import Finding, away, good, judged, note, wrong
from winback.doctor.kafka import skew

LOGINS_SINCE = "0027_found_by_hash.sql"  # before it, what is missing is the migration
LEAST_VERSION = 150_000
CONNECT_SECONDS = 5
CONNECTIONS = 40  # what one process of each kind holds at most, and some to look with


def look() -> Iterator[Finding]:
    try:
        connection = psycopg.connect(
            settings().database_url, connect_timeout=CONNECT_SECONDS, autocommit=True
        )
    except psycopg.OperationalError as error:
        yield away(
            "postgresql",
            str(error).strip().splitlines()[-1],
            "Start it, or set WINBACK_DATABASE_URL (user, password, host, database).",
        )
        return
    with connection:
        server = catalogue.server(connection)
        now = clock.now()
        yield judged(
            "postgresql",
            server.number >= LEAST_VERSION,
            f"version {server.version}",
            "Upgrade to 15 or newer.",
        )
        yield _migrations(connection)
        yield from _roles(connection, server)
        if catalogue.applied(connection)[-1:] >= [LOGINS_SINCE]:
            yield from logins.look(connection)
        unprotected = catalogue.unprotected(connection)
        yield judged(
            "row-level security",
            not unprotected,
            f"not forced on {', '.join(unprotected)}"
            if unprotected
            else "forced on every table of a tenant",
            "Somebody changed it: ALTER TABLE … ENABLE and FORCE ROW LEVEL "
            "SECURITY, and see who did.",
        )
        yield _collations(connection)
        yield judged(
            "postgresql encoding",
            server.encoding == "UTF8",
            server.encoding,
            "Make the database anew with ENCODING UTF8.",
        )
        if server.max_connections < CONNECTIONS:
            yield note(
                "postgresql connections",
                f"at most {server.max_connections}",
                f"Set max_connections to {CONNECTIONS} or more; each process holds up to ten.",
            )
        if not (server.encrypted or server.local):
            yield wrong(
                "postgresql encryption",
                "the connection crosses a network in the clear",
                "Add ?sslmode=verify-full to WINBACK_DATABASE_URL.",
            )
        yield skew("postgresql clock", abs((now - server.now).total_seconds()))


def _migrations(connection: db.Connection) -> Finding:
    ours, applied = db.migrations(), catalogue.applied(connection)
    missing = [name for name in ours if name not in applied]
    newer = [name for name in applied if name not in ours]
    if missing:
        return wrong(
            "migrations",
            f"{len(missing)} are not applied: {missing[0]} …",
            "`winback migrate` applies them.",
        )
    if newer:
        return note(
            "migrations",
            f"{newer[-1]} is of a newer version than this",
            "Upgrade this process soon.",
        )
    return good("migrations", f"all {len(ours)} are applied")


def _collations(connection: db.Connection) -> Finding:
    outdated = catalogue.outdated_collations(connection)
    return judged(
        "postgresql collations",
        not outdated,
        f"ICU was upgraded: {', '.join(outdated)} may sort otherwise"
        if outdated
        else "sorted as when their indexes were made",
        "REINDEX TABLE accounts; then "
        + " ".join(f'ALTER COLLATION "{name}" REFRESH VERSION;' for name in outdated),
    )


def _roles(connection: db.Connection, server: catalogue.Server) -> Iterator[Finding]:
    names = list(get_args(db.Role))
    found = catalogue.roles(connection, names)
    for name in names:
        role = found.get(name)
        if role is None:
            yield wrong(
                f"role {name}",
                "is not there",
                "`winback migrate` creates it; the user needs CREATEROLE for that once.",
            )
        elif role.powers or role.owns:
            yield wrong(
                f"role {name}",
                "owns tables"
                if role.owns
                else "may do more than read and write: rows are not isolated",
                f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB; "
                "tables belong to another role.",
            )
        elif not role.ours:
            yield wrong(
                f"role {name}",
                f"{server.user} may not take it on",
                f"GRANT {name} TO {server.user}.",
            )
        else:
            yield good(f"role {name}", "can be taken on, and nothing more")
