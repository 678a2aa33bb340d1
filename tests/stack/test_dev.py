"""`winback dev` as a person uses it, with real Kafka and PostgreSQL in a directory of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from winback.serve import Service
from winback.stack import processes

Winback = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.system

WITHOUT_SERVICES = ("dev", "up", "--detach", "--without-services", "--move-ports")


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """A project directory; PostgreSQL's user can get to it."""
    folder = Path(tempfile.mkdtemp(prefix="winback-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def winback(directory: Path) -> Iterator[Winback]:
    """The command in that directory, without a WINBACK_… setting; all ends with the tests."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("WINBACK_")}

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-P", "-m", "winback", *words]
        return subprocess.run(
            command, cwd=directory, env=env, capture_output=True, text=True, timeout=200
        )

    yield run
    run("dev", "reset", "--yes")


@pytest.fixture
def up(winback: Winback) -> None:
    """It is up there: nothing happens where it was."""
    assert winback(*WITHOUT_SERVICES).returncode == 0


def test_up_says_what_is_ready_and_verbs_need_no_settings(
    winback: Winback, up: None, directory: Path
) -> None:
    status = winback("dev", "status", "--json")
    found = json.loads(status.stdout)
    assert status.returncode == 0
    assert set(found) == {"ready", "services"}
    assert found["ready"] is True
    assert [set(service) for service in found["services"]] == [{"name", "pid", "ready", "url"}] * 3
    assert [service["name"] for service in found["services"]] == ["kafka", "postgres", "smtp"]
    assert winback("migrate").stdout == "nothing to apply\n"
    assert winback("topics").stdout == "nothing to create\n"

    again = winback(*WITHOUT_SERVICES)
    assert (again.returncode, again.stdout.splitlines()[0]) == (
        0,
        f"already up ({directory}/.winback): `winback dev down` ends it",
    )


def test_logs_are_by_service_and_an_unknown_one_is_wrong_use(winback: Winback, up: None) -> None:
    assert "Kafka Server started" in winback("dev", "logs", "kafka").stdout
    assert winback("dev", "logs", "nobody").returncode == 2


def test_down_leaves_no_process_and_the_next_up_with_what_it_is_told_knows_what_the_last_one_knew(
    winback: Winback, up: None, directory: Path
) -> None:
    home = directory / ".winback"
    private = [home / name for name in ("secret", "database-password", "env", "state.json")]
    assert [oct(file.stat().st_mode & 0o777) for file in private] == ["0o600"] * 4
    secret = (home / "secret").read_text()
    assert len(secret.strip()) >= 32
    pids = [
        service["pid"]
        for service in json.loads(winback("dev", "status", "--json").stdout)["services"]
    ]
    down = winback("dev", "down")
    assert (down.returncode, down.stdout) == (0, "down\n")
    assert [pid for pid in pids if processes.started(pid)] == []
    after = winback("dev", "status", "--json")
    assert (after.returncode, json.loads(after.stdout)["ready"]) == (1, False)
    assert winback("migrate").returncode == 3  # what it needs is not there
    assert winback("dev", "down").stdout == "it was not up\n"

    but_the_clock = [f"--without={name}" for name in Service if name != Service.CLOCK]
    assert winback("dev", "up", "--detach", "--move-ports", *but_the_clock).returncode == 0
    services = json.loads(winback("dev", "status", "--json").stdout)["services"]
    assert [service["name"] for service in services] == ["kafka", "postgres", "smtp", "clock"]
    assert winback("migrate").stdout == "nothing to apply\n"
    assert winback("topics").stdout == "nothing to create\n"
    assert (home / "secret").read_text() == secret


def test_a_stack_whose_data_are_gone_does_not_start_empty(
    winback: Winback, up: None, directory: Path
) -> None:
    made = Path((directory / ".winback" / "postgres.made").read_text().strip())
    assert winback("dev", "down").returncode == 0
    made.rename(made.with_name("aside"))
    for option in ("--detach", "--without-services"):
        again = winback("dev", "up", option)
        assert again.returncode == 2
        assert f"{made} is gone" in again.stderr
    assert not made.exists()
    made.with_name("aside").rename(made)
    assert winback(*WITHOUT_SERVICES).returncode == 0
    assert winback("migrate").stdout == "nothing to apply\n"


def test_reset_wants_to_be_sure_and_then_forgets_everything_but_what_is_not_its_own(
    winback: Winback, up: None, directory: Path
) -> None:
    home = directory / ".winback"
    unsure = winback("dev", "reset")
    assert unsure.returncode == 2
    assert "say --yes" in unsure.stderr
    assert winback("dev", "reset", "--yes").returncode == 0
    assert not home.exists()

    home.mkdir()
    (home / "thesis.txt").write_text("years of work")
    assert winback("dev", "reset", "--yes").returncode == 2
    assert (home / "thesis.txt").read_text() == "years of work"
    shutil.rmtree(home)
