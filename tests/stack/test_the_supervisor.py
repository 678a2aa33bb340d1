"""The supervisor, over small scripts (scripted_plan.py): what it does about every way to die."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.children import stopped
from tests.eventually import eventually
from winback.dev import current, supervisor_of
from winback.stack import processes
from winback.stack.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A running supervisor over the plan, all of it started (`bad` once at least)."""
    home = Home(tmp_path / "home")
    process = start(home)
    eventually(
        lambda: [service(home, name)["ready"] for name in ("good", "parent", "slow")] == [True] * 3
    )
    eventually(lambda: "lacks" in service(home, "bad")["problem"])
    yield home
    if process.poll() is None:
        process.terminate()
    process.wait(20)


def test_a_killed_part_is_started_again_and_the_others_keep_running(home: Home) -> None:
    before = {name: service(home, name)["pid"] for name in ("good", "parent", "slow")}
    os.kill(before["good"], signal.SIGKILL)
    eventually(
        lambda: service(home, "good")["ready"] and service(home, "good")["pid"] != before["good"]
    )
    after = {name: service(home, name)["pid"] for name in ("parent", "slow")}
    assert after == {"parent": before["parent"], "slow": before["slow"]}
    assert "good: killed by SIGKILL; starting it again" in log(home)
    assert service(home, "good")["restarts"] == 1


def test_a_part_that_cannot_start_is_reported_with_its_last_words_and_tried_again(
    home: Home,
) -> None:
    assert service(home, "bad")["problem"] == "ended with 1: it lacks a thing"
    eventually(lambda: service(home, "bad")["restarts"] >= 2)
    assert not current(home)["ready"]
    assert log(home).count("it lacks a thing") == 1  # said once, not at every try


def test_what_a_killed_part_leaves_behind_is_ended(home: Home) -> None:
    parent = service(home, "parent")["pid"]
    (orphan,) = descendants_of(parent)
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: processes.started(orphan) is None)


def test_a_frozen_part_is_not_ready_and_is_ready_again_when_it_wakes(home: Home) -> None:
    pid = service(home, "good")["pid"]
    with stopped(pid):
        eventually(lambda: not service(home, "good")["ready"])
        assert service(home, "good")["problem"] == "does not answer"
    eventually(lambda: service(home, "good")["ready"])
    assert service(home, "good")["pid"] == pid


def test_the_end_is_bounded_also_for_a_part_that_does_not_drain_and_leaves_nothing(
    home: Home,
) -> None:
    supervisor = supervisor_of(home)
    assert supervisor is not None
    all_of_it = descendants_of(supervisor["pid"])
    assert len(all_of_it) >= 4
    os.kill(supervisor["pid"], signal.SIGTERM)
    eventually(lambda: supervisor_of(home) is None)
    assert [pid for pid in all_of_it if processes.started(pid)] == []
    assert "slow: did not end within 1 s: killed" in log(home)


def test_a_killed_supervisor_takes_its_parts_with_it(home: Home) -> None:
    supervisor = supervisor_of(home)
    assert supervisor is not None
    parts = [service(home, name)["pid"] for name in ("good", "parent", "slow")]
    os.kill(supervisor["pid"], signal.SIGKILL)
    eventually(lambda: [pid for pid in parts if processes.started(pid)] == [])
    assert current(home)["ready"] is False
    assert [service["pid"] for service in current(home)["services"]] == [None] * 4


def test_a_second_supervisor_of_the_same_home_refuses(home: Home) -> None:
    second = start(home, stderr=subprocess.PIPE)
    said = second.communicate(timeout=20)[1]
    assert (second.returncode, said) == (
        1,
        f"winback: a supervisor is already running in {home.path}\n",
    )


def test_what_an_earlier_supervisor_left_is_ended_and_a_pid_given_to_somebody_else_is_not(
    tmp_path: Path,
) -> None:
    left, stranger = (subprocess.Popen(["sleep", "1000"], start_new_session=True) for _ in range(2))
    home = Home(tmp_path / "home")
    home.make()
    services = [
        {"name": "left", "pid": left.pid, "started": processes.started(left.pid)},
        {
            "name": "stranger",
            "pid": stranger.pid,
            "started": (processes.started(stranger.pid) or 0) - 1,
        },
    ]
    home.write_state({"boot": processes.boot(), "supervisor": None, "services": services})
    supervisor = start(home)
    said = f"left: pid {left.pid} was left behind by an earlier supervisor: ended"
    eventually(lambda: said in log(home), running=supervisor, what="a word about what was left")
    assert left.wait(20) == -signal.SIGKILL
    assert stranger.poll() is None
    for process in (stranger, supervisor):
        process.terminate()
        process.wait(20)


def test_services_wait_for_a_schema_that_fails_and_say_so(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    supervisor = start(home, "broken-schema")
    eventually(lambda: current(home)["schema"]["failures"] >= 3)
    assert (
        service(home, "slow")["problem"]
        == "waits for migrations and topics: 0009_x.sql: syntax error"
    )
    assert service(home, "slow")["pid"] is None
    assert service(home, "good")["ready"]
    assert log(home).count("schema: 0009_x.sql: syntax error") == 1
    supervisor.terminate()
    assert supervisor.wait(20) == 0


def test_a_part_does_not_fight_a_stranger_for_its_port_and_is_back_when_the_stranger_is_gone(
    home: Home,
) -> None:
    port = int(service(home, "good")["url"].rpartition(":")[2])
    supervisor = supervisor_of(home)
    assert supervisor is not None
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with stopped(supervisor["pid"]):
            os.kill(service(home, "good")["pid"], signal.SIGKILL)
            eventually(lambda: bind(stranger, port), ignoring=OSError)
        words = f"port {port} is taken by pid {os.getpid()} ("
        eventually(lambda: service(home, "good")["problem"].startswith(words))
        assert service(home, "good")["restarts"] <= 1
        eventually(lambda: f"good: {words}" in log(home))
    eventually(lambda: service(home, "good")["ready"])
    assert service(home, "good")["restarts"] <= 2
    assert supervisor_of(home) is not None


def test_a_port_that_a_stranger_has_at_the_first_start_ends_it_all_with_code_2(
    tmp_path: Path,
) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        home = Home(tmp_path / "home")
        assert start(home, f"taken={port}").wait(60) == 2
    assert log(home).splitlines()[-1].startswith(f"winback: good: port {port} is taken by pid ")


def test_a_part_that_comes_up_and_ends_again_and_again_is_started_with_growing_pauses(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    supervisor = start(home, "brief")
    eventually(lambda: service(home, "brief").get("failures", 0) >= 3)
    assert log(home).count("brief: ready") >= 2  # it does come up in between
    supervisor.terminate()
    assert supervisor.wait(20) == 0


def bind(stranger: socket.socket, port: int) -> bool:
    """A server of somebody else, at that port now. Raises OSError where it cannot be yet."""
    stranger.bind(("127.0.0.1", port))
    stranger.listen()
    return True


def start(home: Home, *words: str, stderr: int | None = None) -> "subprocess.Popen[str]":
    home.make()
    with (home.logs / "supervisor.log").open("a") as out:
        command = [sys.executable, "-m", "tests.stack.scripted_plan", str(home.path), *words]
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=stderr or out,
            text=True,
            preexec_fn=processes.die_with_parent,
        )


def service(home: Home, name: str) -> dict[str, Any]:
    services: list[dict[str, Any]] = current(home)["services"]
    return next(
        (s for s in services if s["name"] == name),
        {"pid": None, "ready": False, "problem": "", "restarts": 0},
    )


def log(home: Home) -> str:
    return (home.logs / "supervisor.log").read_text()


def descendants_of(pid: int) -> list[int]:
    """Children and their children, by ppid."""
    below = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := processes.stat(int(entry.name))):
            below[int(entry.name)] = int(fields[1])
    found: list[int] = []
    for child in [one for one, parent in below.items() if parent == pid]:
        found += [child, *descendants_of(child)]
    return found
