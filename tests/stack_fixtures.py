"""The stack that tests run on: real Kafka, PostgreSQL and SMTP on free ports, in a folder of their
own, one for a session.

stack           the infrastructure, migrated, topics created; WINBACK_… settings of
                this process point to it
organization    a fresh tenant (its id); every test has its own, since all share one
                Kafka and one database
organizations   makes further ones: organizations(currency="EUR", timezone="Europe/Berlin") -> id
mailbox         mails that the sink kept, and what it answers
services        another stack, with every service running under the supervisor; settings
                point to it for the test
collector       where those services send their traces
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from shared import db
from shared.settings import settings
from tests.collector import Collector, collecting
from tests.eventually import eventually
from winback.dev import SCHEMA_TRIES, current
from winback.stack import processes
from winback.stack.home import Home

START_SECONDS = 180.0  # a bound, not a wait: machines are shared

INSERT_ORGANIZATION = """
INSERT INTO organizations (organization, name, currency, timezone)
VALUES (%s, %s, %s, %s)
"""


class Unmarked(Exception):
    """A stack was started for a test that is said to need none."""


@dataclass
class _Now:
    """The test that runs."""

    item: pytest.Item | None = None


_now = _Now()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _now.item = item


@dataclass(frozen=True)
class Mailbox:
    """What the mail sink kept."""

    url: str

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        """Newest first: id, sender, recipients, subject, message_id, received_at,
        bytes, headers, text, html.
        """
        listed = self._call("GET", f"/api/messages{f'?to={to}' if to else ''}")["messages"]
        return [self._call("GET", f"/api/messages/{mail['id']}") for mail in listed]

    def source(self, mail: str) -> bytes:
        """The bytes, with the envelope's Return-Path and Delivered-To in front."""
        with urllib.request.urlopen(f"{self.url}/messages/{mail}/source", timeout=10) as answer:
            content: bytes = answer.read()
        return content

    def answer(self, recipient: str, answer: str, times: int | None = None) -> None:
        """From now on (so many times) `recipient` gets "450 4.2.1 busy", "550 …", "421 …", "drop"
        or "stall 5"; "" ends it.
        """
        self._call(
            "PUT", "/api/answers", {"recipient": recipient, "answer": answer, "times": times}
        )

    def clear(self) -> None:
        self._call("DELETE", "/api/messages")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@dataclass(frozen=True)
class Stack:
    """A running stack: where it keeps its state, and the settings that reach it."""

    home: Home
    env: dict[str, str]
    supervisor: "subprocess.Popen[bytes]"

    def status(self) -> dict[str, Any]:
        """As `winback dev status`, with `problem` and `restarts` of each service."""
        return current(self.home)

    def service(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            service for service in self.status()["services"] if service["name"] == name
        )
        return found

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox(self.service("smtp")["url"])

    def kill(self, name: str) -> int:
        """kill -9, as a machine would. Returns the pid that is no more."""
        pid: int = self.service(name)["pid"]
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_ready(
        self, name: str, *, other_than: int | None = None, seconds: float = 120.0
    ) -> int:
        """Until the service is ready (under another pid). Returns its pid."""

        def ready() -> bool:
            seen.update(self.service(name))
            return bool(seen["ready"] and seen["pid"] != other_than)

        seen: dict[str, Any] = {}
        eventually(ready, seconds=seconds, what=f"a ready {name}")
        pid: int = seen["pid"]
        return pid

    def log(self) -> str:
        """What the supervisor said."""
        return (self.home.logs / "supervisor.log").read_text()

    def winback(
        self, *words: str, check: bool = True, stdin: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run `winback WORDS` against this stack."""
        command = [sys.executable, "-P", "-m", "winback", *words]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=os.environ | self.env,
            timeout=300,
            input=stdin,
        )
        assert not check or done.returncode == 0, (
            f"winback {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done


def start_stack(
    *options: str, seconds: float = START_SECONDS, env: Mapping[str, str] | None = None
) -> Stack:
    """A supervisor that ends with this process, in a folder that PostgreSQL's user can get to. env:
    for all that it starts. Raises Unmarked for a test without the marker `system`.
    """
    if _now.item is not None and _now.item.get_closest_marker("system") is None:
        raise Unmarked(f"{_now.item.nodeid} is not marked `system`, and starts a stack")
    folder = Path(tempfile.mkdtemp(prefix="winback-test-"))
    folder.chmod(0o755)
    home = Home(folder / "home")
    home.make()
    with (home.logs / "supervisor.log").open("ab") as log:
        supervisor = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "winback.stack.supervisor",
                "--any-ports",
                "--no-fsync",
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={
                name: value for name, value in os.environ.items() if not name.startswith("WINBACK_")
            }
            | {"WINBACK_HOME": str(home.path), **(env or {})},
            preexec_fn=processes.die_with_parent,
        )

    def ready() -> bool:
        state = current(home)
        assert state["schema"]["failures"] < SCHEMA_TRIES, state["schema"]
        return bool(state["ready"])

    try:
        eventually(ready, seconds=seconds, running=supervisor, what="a stack that is ready")
    except BaseException as error:
        said = (home.logs / "supervisor.log").read_text()
        stop_stack(home, supervisor)
        raise RuntimeError(f"the stack did not become ready:\n{said}") from error
    return Stack(home, plainly(home.env()), supervisor)


def plainly(env: Mapping[str, str]) -> dict[str, str]:
    """With what files hold in place of their names: a process that has read its settings has it so
    too, and both forms beside each other are refused.
    """
    return {
        name.removesuffix("_FILE"): Path(value).read_text().strip()
        if name.endswith("_FILE")
        else value
        for name, value in env.items()
    }


def stop_stack(home: Home, supervisor: "subprocess.Popen[bytes]") -> None:
    """End all of it, and forget what it kept."""
    supervisor.terminate()
    supervisor.wait(90)
    outside = home.state().get("postgres_folder")
    shutil.rmtree(home.path.parent, ignore_errors=True)
    if outside:
        shutil.rmtree(outside, ignore_errors=True)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Kafka, PostgreSQL and the mail sink. This process's settings point to them; set others with
    `monkeypatch.setenv` and `settings.cache_clear()`.
    """
    started = start_stack("--without-services")
    try:
        with pointed_to(started):
            yield started
    finally:
        stop_stack(started.home, started.supervisor)


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """It keeps the traces of `services`."""
    with collecting() as running:
        yield running


@pytest.fixture(scope="session")
def stack_with_services(collector: Collector) -> Iterator[Stack]:
    """A second stack, in which the services run: their consumers would take the
    records of other tests.
    """
    started = start_stack(
        env={"WINBACK_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    )
    try:
        yield started
    finally:
        stop_stack(started.home, started.supervisor)


@pytest.fixture
def services(stack_with_services: Stack) -> Iterator[Stack]:
    """The stack with every service as a real process; settings point to it for this test."""
    with pointed_to(stack_with_services):
        yield stack_with_services


class Organizations(Protocol):
    """Makes a tenant, returns its id."""

    def __call__(self, *, currency: str = "USD", timezone: str = "America/Chicago") -> str: ...


@pytest.fixture
def organizations(request: pytest.FixtureRequest) -> Organizations:
    """Rows in the database of the stack that the test uses; without schedules
    nothing runs by itself.
    """
    request.getfixturevalue("services" if "services" in request.fixturenames else "stack")

    def make(*, currency: str = "USD", timezone: str = "America/Chicago") -> str:
        name = f"org-{uuid.uuid4().hex[:12]}"
        with db.connect() as connection:
            connection.execute(INSERT_ORGANIZATION, (name, name.title(), currency, timezone))
        return name

    return make


@pytest.fixture
def organization(organizations: Organizations) -> str:
    """A fresh tenant: US dollars, Chicago."""
    return organizations()


@pytest.fixture
def mailbox(request: pytest.FixtureRequest) -> Mailbox:
    """The mail sink of the stack that the test uses. Use recipients of your own: it is shared."""
    used: Stack = request.getfixturevalue(
        "services" if "services" in request.fixturenames else "stack"
    )
    return used.mailbox


@contextmanager
def pointed_to(stack: Stack) -> Iterator[None]:
    """This process's settings are those of `stack`, then what they were."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WINBACK_")]:
            patch.delenv(name)
        for name, value in stack.env.items():
            patch.setenv(name, value)
        settings.cache_clear()
        yield
    settings.cache_clear()
