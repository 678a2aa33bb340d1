"""Processes that are run with secrets, and everything that they said to anybody, to
be searched for these.
"""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from shared.logins import LOGINS
from shared.settings import PREFIX
from tests.eventually import eventually
from tests.logins import url_of
from winback.chaos.machine import free_port
from winback.serve import Service

WAIT_SECONDS = 90.0
NOWHERE = "127.0.0.1:1"  # nobody listens on that port


@dataclass
class Told:
    """Everything that was said to anybody, by where it was said. `secret` is what
    must be in none of it.
    """

    secret: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def new(self, name: str) -> str:
        self.secret[name] = secrets.token_hex(20)
        return self.secret[name]

    def leaks(self) -> list[str]:
        return [
            f"{name} in {where}"
            for name, one in self.secret.items()
            for where, text in self.texts.items()
            if one in text
        ]


@dataclass(frozen=True)
class Served:
    """A process of a service, where it listens."""

    process: "subprocess.Popen[bytes]"
    address: str


@contextmanager
def serving(
    told: Told,
    service: Service,
    folder: Path,
    env: dict[str, str],
    *,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[Served]:
    """A process of the service, until it ends by itself or is sent `end`. What
    it logged is told then.
    """
    port, log = free_port(), folder / f"{service}.log"
    own = {f"{PREFIX}{service.value.upper()}_PORT": str(port)} | {
        PREFIX + name.upper(): value for name, value in env.items()
    }
    login = next((one for one in LOGINS if one.process == service), None)
    if login is not None and "database_url" not in env:
        own["WINBACK_DATABASE_URL"] = url_of(login)
    command = [sys.executable, "-P", "-m", "winback", "serve", service]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, env=os.environ | own, stdout=out, stderr=out) as process,
    ):
        try:
            yield Served(process, f"http://127.0.0.1:{port}")
        finally:
            process.send_signal(end)
            process.wait(WAIT_SECONDS)
    told.texts[f"the log of {service}"] = log.read_text()


def look(told: Told, address: str, path: str, status: int) -> None:
    """Until the answer has this status; it is told."""

    def answer() -> httpx.Response | None:
        found = httpx.get(address + path, timeout=20)
        return found if found.status_code == status else None

    answered = eventually(
        answer,
        seconds=WAIT_SECONDS,
        ignoring=httpx.TransportError,
        what=f"the status {status} of {address}{path}",
    )
    assert answered is not None
    told.texts[address + path] = answered.text
