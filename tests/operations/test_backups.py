"""The scripts of ops/ that back up and bring back both stores, as an operator runs them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared import db, kafka
from shared.settings import settings
from shared.topics import ERP_ORDERS
from tests.eventually import eventually
from tests.operations.rules import ROOT
from tests.stack_fixtures import Stack, pointed_to, start_stack, stop_stack
from winback.dev import current
from winback.stack import kept, processes
from winback.stack.ports import OTHERS, is_free

pytestmark = pytest.mark.system

ORGANIZATION = """
INSERT INTO organizations (organization, name, currency, timezone) VALUES (%s, %s, 'USD', 'UTC')
"""
MEMBER = "INSERT INTO members (organization, email, role) VALUES (%s, %s, 'owner')"
POLICIES = """
SELECT tablename, policyname, roles::text, qual
FROM pg_policies
ORDER BY tablename, policyname
"""


@pytest.fixture
def own() -> Iterator[Stack]:
    """A stack that may be stopped and changed."""
    started = start_stack("--without-services")
    with pointed_to(started):
        yield started
    stop_stack(started.home, started.supervisor)


def test_both_stores_come_back_as_they_were_at_a_moment(own: Stack, tmp_path: Path) -> None:
    data = kept.noted(own.home.made("postgres"))
    assert data is not None
    wal = data.parent / "archive"
    wal.mkdir(mode=0o777)
    wal.chmod(0o777)
    archive_into(own, wal)
    with owner() as connection:
        for name in ("acme", "borealis"):
            connection.execute(ORGANIZATION, (name, name))
            connection.execute(MEMBER, (name, f"ana@{name}.example.com"))
        policies = connection.execute(POLICIES).fetchall()
    publish(b"1", b"2")

    base = run("backup-postgres.sh", "base", tmp_path)
    dump = run("backup-postgres.sh", "dump", tmp_path)
    broker = own.service("kafka")["pid"]
    log = run(
        "backup-kafka.sh", own.home.path / "kafka" / "data", tmp_path,
        STOP=f"kill -STOP {broker}", START=f"kill -CONT {broker}",
    )  # fmt: skip

    with owner() as connection:
        connection.execute(ORGANIZATION, ("later", "later"))
        connection.commit()
        (moment,) = connection.execute("SELECT clock_timestamp()::text").fetchone() or ()
        connection.execute("DELETE FROM organizations WHERE organization = 'acme'")
        connection.commit()
        (segment,) = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone() or ()
    eventually(lambda: (wal / segment).exists(), what="the segment in the archive")
    publish(b"3")

    own.supervisor.terminate()
    own.supervisor.wait(90)
    run("restore-postgres.sh", "base", base, data, wal, moment)
    run("restore-kafka.sh", log, own.home.path / "kafka" / "data")
    with started_again(own):
        run("restored.sh", "postgres")
        run("restored.sh", "kafka")
        with owner() as connection:
            assert organizations(connection) == ["acme", "borealis", "later"]
            assert connection.execute(POLICIES).fetchall() == policies
            kinds = connection.execute("SELECT store, what FROM backups ORDER BY 1, 2").fetchall()
        assert ("postgres", "restore") in kinds and ("kafka", "restore") in kinds
        assert members_seen_by("acme") == ["ana@acme.example.com"]
        assert kafka.end_offset(ERP_ORDERS.name, 0) == 2
        publish(b"3 again")

    with empty_server(tmp_path):
        run("restore-postgres.sh", "dump", dump)
        assert db.migrate() == []
        with owner() as connection:
            assert organizations(connection) == ["acme", "borealis"]
            assert connection.execute(POLICIES).fetchall() == policies
        assert members_seen_by("borealis") == ["ana@borealis.example.com"]
        again = run("restore-postgres.sh", "dump", dump, code=2)
        assert "a dump goes into an empty one" in again


def test_a_backup_that_cannot_be_made_leaves_nothing_and_is_not_noted(
    stack: Stack, tmp_path: Path
) -> None:
    with owner() as connection:
        before = connection.execute("SELECT count(*) FROM backups").fetchone()
    broken = "postgresql://winback@127.0.0.1:1/winback"
    for kind in ("base", "dump"):
        run("backup-postgres.sh", kind, tmp_path, code=1, WINBACK_DATABASE_URL=broken)
    assert list(tmp_path.iterdir()) == []
    with owner() as connection:
        assert connection.execute("SELECT count(*) FROM backups").fetchone() == before


def test_what_is_no_whole_backup_is_not_restored(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "half.tar.gz").write_bytes(b"half")
    for script, *words in (
        ("restore-postgres.sh", "base", tmp_path / "half.tar.gz", data),
        ("restore-postgres.sh", "dump", tmp_path),
        ("restore-kafka.sh", tmp_path / "half.tar.gz", data),
    ):
        run(script, *words, code=2)
    assert list(data.iterdir()) == [] and len(list(tmp_path.iterdir())) == 2


def run(script: str, *words: object, code: int = 0, **env: str) -> str:
    """A script of ops/. What it prints last: of a backup, where it is; of a failure, why."""
    done = subprocess.run(
        [ROOT / "ops" / script, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | {"WINBACK_DATABASE_URL": settings().database_url} | env,
    )
    assert done.returncode == code, done.stdout + done.stderr
    said = (done.stdout if code == 0 else done.stderr).strip().splitlines()
    return said[-1] if said else ""


def owner() -> "psycopg.Connection[tuple[Any, ...]]":
    return psycopg.connect(settings().database_url)


def answers() -> bool:
    with owner() as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def organizations(connection: "psycopg.Connection[tuple[Any, ...]]") -> list[str]:
    return [
        row[0] for row in connection.execute("SELECT organization FROM organizations ORDER BY 1")
    ]


def members_seen_by(organization: str) -> list[str]:
    """As a page sees them: by the role that policies bind."""
    with db.connect("winback_app") as connection, connection.transaction():
        connection.execute("SELECT set_config('app.org', %s, true)", (organization,))
        return [row[0] for row in connection.execute("SELECT email FROM members ORDER BY 1")]


def publish(*values: bytes) -> None:
    publisher = kafka.Publisher()
    for value in values:
        publisher.publish(ERP_ORDERS.name, value, partition=0)
    publisher.close()


def archive_into(stack: Stack, wal: Path) -> None:
    """From the next start on."""
    with psycopg.connect(settings().database_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET archive_mode = 'on'")
        connection.execute("ALTER SYSTEM SET archive_timeout = '60s'")
        connection.execute(f"ALTER SYSTEM SET archive_command = 'cp %p {wal}/%f'".encode())
    pid = stack.service("postgres")["pid"]
    os.kill(pid, 2)
    stack.wait_ready("postgres", other_than=pid)


@contextmanager
def started_again(stack: Stack) -> Iterator[None]:
    """A supervisor in the home of one that has ended."""
    command = [sys.executable, "-P", "-m", "winback.stack.supervisor", "--without-services"]
    with (stack.home.logs / "supervisor.log").open("ab") as log:
        supervisor = subprocess.Popen(
            command, stdout=log, stderr=log, preexec_fn=processes.die_with_parent,
            env=os.environ | {"WINBACK_HOME": str(stack.home.path)},
        )  # fmt: skip
    try:
        eventually(lambda: current(stack.home)["ready"], seconds=180, running=supervisor)
        yield
    finally:
        supervisor.terminate()
        supervisor.wait(90)


@contextmanager
def empty_server(folder: Path) -> Iterator[None]:
    """PostgreSQL with an empty database; settings point to it."""
    folder.chmod(0o755)
    for above in folder.parents:
        if above.is_relative_to(tempfile.gettempdir()) and str(above) != tempfile.gettempdir():
            above.chmod(0o755)  # the server's user has to pass; with workers it is a folder deeper
    home, password = folder / "server", folder / "password"
    home.mkdir(mode=0o755)
    password.write_text("secret")
    port = next(port for port in OTHERS if is_free(port))
    command = [
        sys.executable, "-P", "-m", "winback.stack.postgres", str(home), str(folder / "made"),
        str(password), str(port), "fsync=off",
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        address = f"postgresql://winback:secret@127.0.0.1:{port}/winback"
        patch.setenv("WINBACK_DATABASE_URL", address)
        settings.cache_clear()
        server = subprocess.Popen(command, preexec_fn=processes.die_with_parent)
        try:
            eventually(answers, ignoring=psycopg.OperationalError, running=server)
            yield
        finally:
            server.send_signal(2)
            server.wait(60)
    settings.cache_clear()
