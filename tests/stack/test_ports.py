"""Who listens where, and which ports a stack takes."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.errors import Misconfigured
from winback.stack import kept, parts, ports
from winback.stack.home import Home


@contextmanager
def listening() -> Iterator[int]:
    """A port that this process has."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_who_listens_is_told_by_its_pid_and_command() -> None:
    with listening() as port:
        assert ports.pids_at(port) == {os.getpid()}
        assert ports.taken([port]).startswith(f"port {port} is taken by pid {os.getpid()} (")
        assert ports.answered_by_others([port], os.getsid(0)) == ""
        assert f"port {port}" in ports.answered_by_others([port], 999_999_999)
    assert ports.taken([port]) == ""
    assert ports.pids_at(port) == set()


def test_a_named_port_that_is_taken_is_an_error_and_a_usual_one_is_moved_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ports.PORTS:
        monkeypatch.delenv(ports.setting_of(name), raising=False)
    with listening() as port:
        last_time = {name: port for name in ("console",)}
        with pytest.raises(Misconfigured) as error:
            ports.choose(last_time)
        assert f"console's port {port} (WINBACK_CONSOLE_PORT) is taken by pid" in str(error.value)
        moved = ports.choose(last_time, move=True)
        assert moved["console"] in ports.OTHERS
        monkeypatch.setenv("WINBACK_INGEST_PORT", str(port))
        with pytest.raises(Misconfigured, match="ingest's port"):
            ports.choose({})
        monkeypatch.delenv("WINBACK_INGEST_PORT")
        monkeypatch.setitem(ports.PORTS, "digest", port)
        chosen = ports.choose({})
        told = [line for line in ports.moves(chosen, {}) if line.startswith("digest")]
    assert chosen["digest"] in ports.OTHERS
    assert told[0].startswith(f"digest: port {port} is taken by pid {os.getpid()} (")
    assert told[0].endswith(f": it is at {chosen['digest']}")


def test_a_service_whose_port_is_taken_says_by_whom_and_ends_with_code_2() -> None:
    with listening() as port:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "winback", "serve", "digest"],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"WINBACK_DIGEST_PORT": str(port)},
        )
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"winback: WINBACK_DIGEST_PORT: port {port} is taken by pid {os.getpid()} ("
    )


@pytest.mark.parametrize("lost", ["kafka/data", "postgres/data", "secret", "database-password"])
def test_data_that_are_gone_are_told_and_not_made_anew(tmp_path: Path, lost: str) -> None:
    home = Home(tmp_path / "home")
    home.make()
    for name in ("kafka", "postgres"):
        (home.path / name / "data").mkdir(parents=True)
        kept.note(home.path / name / "data", home.made(name))
    for name in ("secret", "database-password"):
        home.secret(name)
    parts.plan(home, any_ports=True)
    (home.path / lost).rename(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured, match=f"{lost} is gone"):
        parts.plan(home, any_ports=True)
    assert not (home.path / lost).exists()


def test_a_project_that_was_moved_finds_its_data_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    (home.path / "postgres" / "data").mkdir(parents=True)
    kept.note(home.path / "postgres" / "data", home.made("postgres"))
    moved = Home(tmp_path / "moved")
    home.path.rename(moved.path)
    assert parts.postgres_folder(moved, None) == moved.path / "postgres"
