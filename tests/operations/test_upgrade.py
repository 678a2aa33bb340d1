"""A rolling upgrade, `make upgrade FROM=…`: each process of a former version and of this one
together, under orders, nothing lost.

Migrations come first, as in docs/operations.md: what runs is the former code on the new tables.
Then, process by process, this version is started beside the former, both work, and the former ends.
"""

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared import clock, db
from tests.eventually import eventually
from tests.operations.rules import ROOT
from tests.operations.world import World
from tests.stack_fixtures import Stack, pointed_to, start_stack, stop_stack
from winback.serve import Service
from winback.stack import processes
from winback.stack.parts import HOST
from winback.stack.ports import OTHERS, is_free

pytestmark = [pytest.mark.system, pytest.mark.upgrade]

FROM = os.environ.get("UPGRADE_FROM", "HEAD~1")
# who reads before who writes
ORDER_OF_UPGRADE = (
    "signals",
    "detector",
    "digest",
    "sequences",
    "mail",
    "clock",
    "console",
    "ingest",
)
TOGETHER_SECONDS = 3.0


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The former version's files; it runs in this environment."""
    tree = tmp_path_factory.mktemp("before")
    archive = subprocess.run(
        ["git", "archive", FROM], cwd=ROOT, check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", tree], input=archive, check=True)
    return tree


@pytest.fixture(scope="module")
def infrastructure() -> Iterator[Stack]:
    started = start_stack("--without-services")
    with pointed_to(started):
        yield started
    stop_stack(started.home, started.supervisor)


class Fleet:
    """Processes of two versions on one infrastructure."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.running: dict[tuple[str, Path], tuple[subprocess.Popen[bytes], int]] = {}

    def start(self, name: str, tree: Path) -> None:
        """Beside whatever runs, on a port and with a folder of its own."""
        number = len(self.running)
        port = next(port for port in iter(lambda: secrets.choice(OTHERS), None) if is_free(port))
        folder = self.stack.home.path / f"upgrade-{number}"
        env = {
            name: value for name, value in os.environ.items() if not name.startswith("WINBACK_")
        } | self.stack.env
        env |= {
            "PYTHONPATH": str(tree),
            f"WINBACK_{name.upper()}_PORT": str(port),
            "WINBACK_DETECTOR_ID": f"upgrade-{number}",
            "WINBACK_STATE_DIR": str(folder),
        }
        command = [sys.executable, "-P", "-m", "winback", "serve", name]
        with (self.stack.home.logs / f"upgrade-{number}-{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=tree,
                env=env,
                stdout=log,
                stderr=log,
                preexec_fn=processes.die_with_parent,
            )
        self.running[name, tree] = (process, port)
        said = self.stack.home.logs / f"upgrade-{number}-{name}.log"
        eventually(
            lambda: is_ready(port), running=process, what=f"{name} of {tree}, ready ({said})"
        )

    def end(self, name: str, tree: Path) -> None:
        process, _ = self.running.pop((name, tree))
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0

    def ports_of(self, name: str) -> list[int]:
        return [port for (running, _), (_, port) in list(self.running.items()) if running == name]

    def end_all(self) -> None:
        for process, _ in self.running.values():
            process.kill()
            process.wait(30)


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


class Feed:
    """An ERP: sends orders one after the other, each until some ingest has said 202."""

    def __init__(self, world: World, fleet: Fleet) -> None:
        self.world, self.fleet = world, fleet
        self.accepted: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self._thread.start()

    def _send_all(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            order = uuid.uuid4().hex
            days_ago = 200 if number % 3 else 5
            while not self._sent(
                order, f"A-{number % 40}", days_ago, number
            ) and not self._stop.wait(0.2):
                """An ERP comes again."""
            self._stop.wait(0.02)

    def _sent(self, order: str, account: str, days_ago: int, number: int) -> bool:
        day = (
            (clock.now() - timedelta(days=days_ago if int(account[2:]) % 2 else 200))
            .date()
            .isoformat()
        )
        lines = [{"product": "P", "od": "5 1/2", "grade": "J55", "revenue": "25000.00"}]
        body = json.dumps(
            {"order": order, "account": account, "ordered_on": day, "lines": lines}
        ).encode()
        ports = self.fleet.ports_of("ingest")
        if not ports:
            return False
        headers = {
            "Authorization": f"Bearer {self.world.token}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(
            f"http://{HOST}:{ports[number % len(ports)]}/v1/orders", data=body, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                assert answer.status == 202
        except (urllib.error.URLError, OSError):
            return False
        self.accepted.append(order)
        return True

    def end(self) -> None:
        self._stop.set()
        self._thread.join(60)


def test_nothing_is_lost_while_each_process_is_replaced(
    infrastructure: Stack, before: Path
) -> None:
    stack, fleet = infrastructure, Fleet(infrastructure)
    world = World(stack)
    everything = '{"lapse":{"enabled":true},"cherry_picking":{"enabled":true}}'
    (stack.home.path / "settings.json").write_text(everything)
    stack.winback(
        "settings",
        "set",
        "--organization",
        world.organization,
        str(stack.home.path / "settings.json"),
    )
    try:
        for service in Service:
            fleet.start(service.value, before)
        feed = Feed(world, fleet)
        time.sleep(TOGETHER_SECONDS)
        stack.winback("run", "--organization", world.organization, "--wait")
        for name in ORDER_OF_UPGRADE:
            fleet.start(name, ROOT)
            together = len(feed.accepted)
            world.mail(f"{name}-{world.organization}@example.com")
            time.sleep(TOGETHER_SECONDS)
            fleet.end(name, before)
            stack.winback("run", "--organization", world.organization, "--wait")
            assert len(feed.accepted) > together, f"orders come while {name} is there twice"
        feed.end()
        stack.winback("run", "--organization", world.organization, "--wait")
        stack.winback("wait", "--organization", world.organization)

        assert (
            "0 differences" in stack.winback("audit", "--organization", world.organization).stdout
        )
        with db.connect() as connection:
            rows = connection.execute(
                "SELECT order_id FROM orders WHERE organization = %s", (world.organization,)
            ).fetchall()
        assert {row[0] for row in rows} == set(feed.accepted) and len(feed.accepted) > 100
        assert (
            '"account"'
            in stack.winback(
                "signals", "--organization", world.organization, "--active", "--json"
            ).stdout
        )
        assert stack.winback("dead-letters", "list", "--json").stdout.strip() in ("", "[]")
        for name in ORDER_OF_UPGRADE:
            assert len(stack.mailbox.mails(to=f"{name}-{world.organization}@example.com")) == 1, (
                name
            )
        print(f"{len(feed.accepted)} orders accepted from {FROM} to this version, none lost")
    finally:
        fleet.end_all()
