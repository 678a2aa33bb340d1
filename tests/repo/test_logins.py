"""Each process logs in to PostgreSQL as somebody who can do its work and nothing else: every login
is tried, and tries to get out.
"""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import psycopg
import pytest
from psycopg import sql

from services.signals.store import organizations, sign_in
from shared import clock, db, logins
from shared.logins import LOGINS, Login
from shared.settings import settings
from tests.eventually import eventually
from tests.logins import login_of, url_of
from tests.repo.test_isolation import every_tenant_table
from tests.stack_fixtures import Stack
from winback.chaos.machine import free_port
from winback.doctor import logins as doctor
from winback.stack import processes

pytestmark = pytest.mark.usefixtures("stack")

NAMES = [login.name for login in LOGINS]
ALONE: list[tuple[Login, db.Role | None]] = [(login, None) for login in LOGINS]
TAKING: list[tuple[Login, db.Role]] = [(login, role) for login in LOGINS for role in login.takes]
IDS = [f"{login.name}-{role}" for login, role in TAKING]

# What undoes the isolation, or reaches the machine; tried as the login alone, and in each role that
# it takes on.
WAYS_OUT = [
    "SET ROLE winback",
    "SET SESSION AUTHORIZATION winback",
    "SET SESSION AUTHORIZATION winback_worker",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "COPY (SELECT 1) TO '/tmp/winback-was-here'",
    "CREATE TEMPORARY TABLE IF NOT EXISTS got (line text); COPY got FROM PROGRAM 'id'",
    "SELECT rolpassword FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "CREATE TABLE public.mine (x int)",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE EXTENSION file_fdw SCHEMA public",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql RETURN 1",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE SESSION_USER BYPASSRLS",
    "ALTER ROLE winback PASSWORD 'x'",
    "GRANT winback TO winback_console",
    "GRANT winback_worker TO winback_console",
    "ALTER TABLE public.orders DISABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON public.orders USING (true)",
    "ALTER TABLE public.orders OWNER TO CURRENT_USER",
    "TRUNCATE public.orders",
    "UPDATE public.audit_log SET actor = 'x'",
    "DELETE FROM public.settings_versions",
    "UPDATE public.outcomes SET actor = 'x'",
    "UPDATE public.broker SET cluster_id = 'x'",
    "DELETE FROM public.migrations",
    "ALTER SYSTEM SET archive_command = 'id'",
    "SELECT pg_reload_conf()",
    "SET session_preload_libraries = 'x'",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'winback'",
]


@contextmanager
def logged_in(login: Login, role: db.Role | None = None) -> Iterator[db.Connection]:
    """A transaction to be rolled back."""
    with psycopg.connect(url_of(login)) as connection:
        if role is not None:
            connection.execute(f"SET ROLE {role}")
            connection.commit()
        with connection.transaction(force_rollback=True):
            yield connection


@pytest.mark.parametrize(("login", "role"), [*ALONE, *TAKING], ids=[*NAMES, *IDS])
def test_no_login_gets_out(login: Login, role: db.Role | None) -> None:
    got = {}
    with (
        psycopg.connect(settings().database_url),  # there is an owner to be ended
        psycopg.connect(url_of(login), autocommit=True) as connection,
    ):
        if role is not None:
            connection.execute(f"SET ROLE {role}")
        for way_out in WAYS_OUT:
            try:
                connection.execute(way_out.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue  # refused for this and for nothing else
            except psycopg.Error as error:
                got[way_out] = f"{error.sqlstate} {error}"
            else:
                got[way_out] = "done"
    assert got == {}


@pytest.mark.parametrize("login", LOGINS, ids=NAMES)
def test_a_login_takes_on_the_role_of_its_work_and_no_other(login: Login) -> None:
    everybody = {*get_args(db.Role), *NAMES, "winback"} - {login.name}
    for role in sorted(everybody - set(login.takes)):
        with logged_in(login) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    for role in login.takes:
        with logged_in(login, role) as connection:
            connection.execute("RESET ROLE")
            row = connection.execute(
                "SELECT current_user::text, current_setting('is_superuser')"
            ).fetchone()
            assert row == (login.name, "off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT 1 FROM public.orders")


@pytest.mark.parametrize("table", every_tenant_table())
def test_without_its_role_a_login_sees_no_row_of_anybody(table: str) -> None:
    for login in LOGINS:
        with logged_in(login) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL("SELECT 1 FROM public.{}").format(sql.Identifier(table)))


@pytest.mark.parametrize("process", ["console", "ingest"])
def test_in_the_app_role_a_login_sees_no_organization_until_it_names_one(
    organization: str, process: str
) -> None:
    with logged_in(login_of(process), "winback_app") as connection:
        count = "SELECT count(*) FROM organizations"
        assert connection.execute(count).fetchone() == (0,)
        connection.execute("SELECT set_config('app.org', %s, true)", (organization,))
        assert connection.execute(count).fetchone() == (1,)


# -- sessions, links and tokens, before it is known who asks ---------------------------------------


@pytest.fixture
def people(organization: str) -> tuple[str, str]:
    """Two people, each with a session, a link, a token of the first one's organization, and what
    the provider says of them.
    """
    made = (f"ana-{secrets.token_hex(4)}@example.com", f"bob-{secrets.token_hex(4)}@example.com")
    now = clock.now()
    with db.connect() as connection:
        for email in made:
            organizations.set_member(connection, organization, email, "member")
            sign_in.insert_session(
                connection, f"session {email}", email=email, now=now, signed_in_from="",
                expires_at=now.replace(year=now.year + 1),
            )  # fmt: skip
            sign_in.insert_link(
                connection, email=email, link_hash=sign_in.hashed(f"link {email}"),
                expires_at=now.replace(year=now.year + 1),
            )  # fmt: skip
            sign_in.pinned(connection, email, issuer="https://x", subject=email, now=now)
            organizations.insert_token(
                connection, organization, name=email, scopes=["orders:write"],
                token_hash=sign_in.hashed(f"token {email}"),
            )  # fmt: skip
    return made


KEYED = {"sessions": "session", "sign_in_links": "link", "tokens": "token", "identities": None}


@pytest.mark.parametrize("table", KEYED)
def test_what_is_found_by_hash_is_seen_by_who_knows_the_hash_or_acts_for_the_address(
    people: tuple[str, str], organization: str, table: str
) -> None:
    ana, bob = people
    whose = "name" if table == "tokens" else "email"
    everything = sql.SQL("SELECT {} FROM {} WHERE {} = ANY(%s) ORDER BY 1").format(
        sql.Identifier(whose), sql.Identifier(table), sql.Identifier(whose)
    )
    for login in (login_of("console"), login_of("ingest")):
        with logged_in(login, "winback_app") as connection:

            def seen(connection: db.Connection = connection) -> list[str]:
                return [row[0] for row in connection.execute(everything, ([ana, bob],))]

            assert seen() == []
            secret = KEYED[table]
            if secret is not None:
                db.see_hash(connection, sign_in.hashed(f"{secret} {ana}"))
                assert seen() == [ana]
                db.see_hash(connection, sign_in.hashed(f"{secret} nobody"))
                assert seen() == []
            if table == "tokens":
                connection.execute("SELECT set_config('app.org', %s, true)", (organization,))
                assert seen() == sorted(people)
            else:
                connection.execute("SELECT set_config('app.email', %s, true)", (bob,))
                assert seen() == [bob]


@pytest.mark.parametrize("table", ["sessions", "identities"])
def test_nobody_ends_what_is_another_address_s(people: tuple[str, str], table: str) -> None:
    ana, bob = people
    delete = sql.SQL("DELETE FROM {} WHERE email = %s").format(sql.Identifier(table))
    with logged_in(login_of("console"), "winback_app") as connection:
        connection.execute("SELECT set_config('app.email', %s, true)", (ana,))
        assert connection.execute(delete, (bob,)).rowcount == 0
        assert connection.execute(delete, (ana,)).rowcount == 1


def test_nobody_makes_a_session_of_an_address_that_they_do_not_act_for(
    people: tuple[str, str],
) -> None:
    with (
        logged_in(login_of("console"), "winback_app") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"),
    ):
        connection.execute(
            "INSERT INTO sessions (session_hash, email, created_at, expires_at)"
            " VALUES ('x', %s, now(), now() + interval '1 day')",
            (people[0],),
        )


# -- passwords, and the doctor ---------------------------------------------------------------------


def test_passwords_are_kept_as_scram_and_another_one_takes_the_place_of_the_former(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    login = login_of("sequences")
    former, secret = url_of(login), secrets.token_hex(16)
    monkeypatch.setenv("WINBACK_SEQUENCES_DATABASE_PASSWORD", secret)
    settings.cache_clear()
    try:
        assert logins.set_passwords() == [login.name]
        assert logins.set_passwords() == []  # it has it now
        psycopg.connect(url_of(login)).close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(former)
        with psycopg.connect(settings().database_url) as owner:
            kept = owner.execute(
                "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s)", (NAMES,)
            ).fetchall()
        assert len(kept) == len(LOGINS)
        assert all(verifier.startswith("SCRAM-SHA-256$") for _, verifier in kept)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
        logins.set_passwords()
    psycopg.connect(former).close()


@pytest.mark.parametrize(
    ("change", "finding", "said"),
    [
        ("ALTER ROLE winback_clock SUPERUSER", "login winback_clock", "may do more"),
        ("GRANT winback TO winback_clock", "login winback_clock", "takes on winback"),
        ("GRANT winback_persist TO winback_clock", "login winback_clock", "winback_persist"),
        ("GRANT winback_worker TO winback_console", "login winback_console", "winback_worker"),
        ("REVOKE winback_app FROM winback_console", "login winback_console", "nothing"),
        ("ALTER ROLE winback_console INHERIT", "login winback_console", "inherits"),
        ("ALTER ROLE winback_digest PASSWORD NULL", "login winback_digest", "no password"),
        ("ALTER ROLE winback_digest RENAME TO gone", "login winback_digest", "is not there"),
        ("GRANT USAGE ON SCHEMA public TO PUBLIC", "rights of everybody", "see names"),
        ("GRANT TEMPORARY ON DATABASE winback TO PUBLIC", "rights of everybody", "temporary"),
        ("GRANT EXECUTE ON FUNCTION saturated TO PUBLIC", "rights of everybody", "functions"),
        ("CREATE POLICY p ON orders TO winback_app USING (true)", "policies", "orders p"),
        ("ALTER TABLE sessions DISABLE ROW LEVEL SECURITY", "policies", "sessions"),
        ("GRANT DELETE ON audit_log TO winback_worker", "rows that only grow", "audit_log by"),
        ("GRANT UPDATE (actor) ON outcomes TO winback_app", "rows that only grow", "outcomes by"),
    ],
)
def test_the_doctor_sees_what_somebody_changed(change: str, finding: str, said: str) -> None:
    with (
        psycopg.connect(settings().database_url) as owner,
        owner.transaction(force_rollback=True),
    ):
        assert [one for one in doctor.look(owner) if one.state != "good"] == []
        owner.execute(change.encode())
        wrong = [one for one in doctor.look(owner) if one.state != "good"]
    found = {one.name: one.said for one in wrong}
    assert said in found[finding]
    assert len(found) == 1 or "SUPERUSER" in change  # who may also change what only grows


def test_the_doctor_names_a_process_that_came_as_the_owner() -> None:
    with (
        psycopg.connect(settings().database_url, autocommit=True) as owner,
        psycopg.connect(settings().database_url, application_name="winback digest"),
    ):
        found = next(one for one in doctor.look(owner) if one.name == "logins in use")
    assert (found.state, "digest as winback" in found.said) == ("wrong", True)


# -- who migrates ----------------------------------------------------------------------------------


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[str]:
    """A cluster of its own, whose database belongs to somebody with CREATEROLE and no more, as
    hosted ones give it. Its address.
    """
    folder, secret, port = tmp_path / "postgres", secrets.token_hex(16), free_port()
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == tmp_path.stat().st_uid and above != Path("/tmp"):
            above.chmod(above.stat().st_mode | 0o011)
    folder.mkdir(mode=0o711)
    (tmp_path / "password").write_text(secret)
    command = [
        sys.executable, "-P", "-m", "winback.stack.postgres",
        str(folder), str(tmp_path / "made"), str(tmp_path / "password"), str(port), "fsync=off",
    ]  # fmt: skip
    process = subprocess.Popen(command, preexec_fn=processes.die_with_parent)
    root = f"postgresql://winback:{secret}@127.0.0.1:{port}/winback"

    def answers() -> bool:
        try:
            psycopg.connect(root, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        eventually(answers, running=process, what="a PostgreSQL of its own")
        with psycopg.connect(root, autocommit=True) as superuser:
            superuser.execute(
                f"CREATE ROLE plain LOGIN CREATEROLE NOSUPERUSER PASSWORD '{secret}'".encode()
            )
            superuser.execute("CREATE DATABASE hosted OWNER plain")
        yield f"postgresql://plain:{secret}@127.0.0.1:{port}/hosted"
    finally:
        process.terminate()
        process.wait(30)


def test_an_owner_who_is_no_superuser_migrates_and_every_login_works(
    managed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINBACK_DATABASE_URL", managed)
    settings.cache_clear()
    try:
        assert db.migrate() == db.migrations()
        assert logins.set_passwords() == NAMES
        for login, role in TAKING:
            with logged_in(login, role) as connection:
                connection.execute("SELECT 1 FROM organizations")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("SET ROLE plain")
        with db.connect_as_owner(autocommit=True) as owner:
            assert [one for one in doctor.look(owner) if one.state != "good"] == []
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_the_processes_of_the_stack_came_as_their_own_and_the_detector_knows_no_database(
    services: Stack,
) -> None:
    with psycopg.connect(services.env["WINBACK_DATABASE_URL"]) as owner:
        came = owner.execute(
            "SELECT DISTINCT application_name, usename::text FROM pg_stat_activity"
            " WHERE application_name LIKE 'winback %' ORDER BY 1"
        ).fetchall()
    assert came == sorted((f"winback {login.process}", login.name) for login in LOGINS)
    for name in ("detector", "console"):
        told = Path(f"/proc/{services.service(name)['pid']}/environ").read_text().split("\0")
        assert not any(one.startswith("WINBACK_") and "DATABASE_PASSWORD" in one for one in told)
        urls = [one for one in told if one.startswith("WINBACK_DATABASE_URL")]
        assert ["winback_console:" in url for url in urls] == ([True] if name == "console" else [])
