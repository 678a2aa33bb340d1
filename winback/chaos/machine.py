"""The machine that faults are done to: a stack of its own under the supervisor, kills and freezes
by pid, further processes.

A `Machine` is a running stack as its home says it; `started` makes one and forgets it. What is
killed here is started again by the supervisor, as it would be anywhere; further processes (a second
detector, a clock with another time) are this module's own.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import Retryable
from shared.settings import PREFIX, settings
from winback.chaos import disks
from winback.dev import SCHEMA_TRIES, current
from winback.stack import parts, probes, processes
from winback.stack.home import Home
from winback.stack.ports import OTHERS, is_free

START_SECONDS = 180.0
READY_SECONDS = 120.0
POLL_SECONDS = 0.03


@dataclass
class Further:
    """A process that the supervisor does not know: it is not started again."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def code(self) -> int | None:
        """The exit code; None while it lives."""
        return self.process.poll()

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Raises Retryable when it ends, or is not ready in time."""
        until = time.monotonic() + seconds
        while asked(self.port) is not None:
            if self.code is not None or time.monotonic() > until:
                raise Retryable(f"{self.log.stem} is not ready: {self.log.read_text()[-500:]}")
            time.sleep(POLL_SECONDS)

    def wait_end(self, seconds: float) -> int | None:
        """The exit code; None when it still lives then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None


@dataclass
class Machine:
    """A running stack, and what was done to it."""

    home: Home
    env: dict[str, str]
    kills: int = 0
    further: list[Further] = field(default_factory=list)

    # -- what the supervisor started ---------------------------------------------------------------

    def pid(self, name: str) -> int | None:
        """The process that the service is now; None between two."""
        found = next(
            service for service in current(self.home)["services"] if service["name"] == name
        )
        pid: int | None = found["pid"]
        return pid

    def restarts(self, name: str) -> int:
        """How often the supervisor started it again."""
        return int(
            next(service for service in current(self.home)["services"] if service["name"] == name)[
                "restarts"
            ]
        )

    def url(self, name: str) -> str:
        """Where it listens."""
        return str(
            next(service for service in current(self.home)["services"] if service["name"] == name)[
                "url"
            ]
        )

    def living(self, name: str, seconds: float = READY_SECONDS) -> int:
        """Its pid, as soon as it has one. Raises Retryable."""
        until = time.monotonic() + seconds
        while (pid := self.pid(name)) is None:
            if time.monotonic() > until:
                raise Retryable(f"{name} was not started again")
            time.sleep(POLL_SECONDS)
        return pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal the service's process, whatever it does just now. Returns the pid."""
        pid = self.living(name)
        self.kills += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def wait_gone(self, pid: int, seconds: float = 60.0) -> None:
        """Until the process has ended. Raises Retryable."""
        until = time.monotonic() + seconds
        while processes.started(pid) is not None:
            if time.monotonic() > until:
                raise Retryable(f"pid {pid} did not end within {seconds:.0f} s")
            time.sleep(POLL_SECONDS)

    def wait_ready(self, *names: str, seconds: float = READY_SECONDS) -> None:
        """Until these services (or all) are ready. Raises Retryable with what is not."""
        until = time.monotonic() + seconds
        while True:
            services = current(self.home)["services"]
            waiting = [
                f"{s['name']}: {s['problem']}"
                for s in services
                if not s["ready"] and (not names or s["name"] in names)
            ]
            if not waiting:
                return
            if time.monotonic() > until:
                raise Retryable(f"not ready after {seconds:.0f} s: {'; '.join(waiting)}")
            time.sleep(POLL_SECONDS)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[int]:
        """SIGSTOP, and SIGCONT at the end."""
        pid = self.living(name)
        freeze(pid)
        try:
            yield pid
        finally:
            wake(pid)

    @contextlib.contextmanager
    def ended(self, name: str) -> Iterator[None]:
        """It is ended in order, and not started again before the block is over: the supervisor
        stands still meanwhile.
        """
        supervisor = self.home.state()["supervisor"]["pid"]
        freeze(supervisor)
        try:
            self.wait_gone(self.kill(name, signal.SIGTERM))
            yield
        finally:
            wake(supervisor)

    # -- further processes -------------------------------------------------------------------------

    def start(self, service: str, label: str, **env: str) -> Further:
        """One more process of a service, on a port of its own. `env`:
        settings without their prefix.
        """
        port = free_port()
        log = self.home.logs / f"{label}.log"
        own = {f"{PREFIX}{service.upper()}_PORT": str(port)} | {
            PREFIX + name.upper(): value for name, value in env.items()
        }
        with log.open("ab") as opened:
            process = subprocess.Popen(
                [*parts.PYTHON, "winback", "serve", service],
                stdin=subprocess.DEVNULL,
                stdout=opened,
                stderr=opened,
                env=os.environ | self.env | own,
                start_new_session=True,
                preexec_fn=processes.die_with_parent,
            )
        one = Further(process, port, log)
        self.further.append(one)
        return one

    def end(
        self, one: Further, number: signal.Signals = signal.SIGTERM, seconds: float = 40.0
    ) -> int | None:
        """Signal it and wait. Returns its exit code; None when it had to be killed."""
        if number == signal.SIGKILL and one.code is None:
            self.kills += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, number)
        code = one.wait_end(seconds)
        if code is None:
            wake(one.pid)
            processes.kill_group(one.pid)
            one.process.wait()
        self.further.remove(one)
        return code

    def end_further(self) -> None:
        """End all of them, however."""
        for one in list(self.further):
            wake(one.pid)
            self.end(one, signal.SIGKILL)

    def winback(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """A verb of the command line against this stack."""
        own = {PREFIX + name.upper(): value for name, value in env.items()}
        return subprocess.run(
            [*parts.PYTHON, "winback", *words],
            capture_output=True,
            text=True,
            env=os.environ | self.env | own,
            timeout=900,
        )


def freeze(pid: int) -> None:
    """SIGSTOP: it runs no more, and its connections stay open."""
    os.kill(pid, signal.SIGSTOP)


def wake(pid: int) -> None:
    """SIGCONT, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def asked(port: int) -> str | None:
    """What /readyz says: None when ready."""

    async def ask() -> str | None:
        return await probes.http(port)()

    return asyncio.run(ask())


def free_port() -> int:
    """Nobody listens there."""
    while not is_free(port := secrets.choice(OTHERS)):
        pass
    return port


@contextlib.contextmanager
def started(
    *options: str,
    folder: Path | None = None,
    small_disks: Mapping[str, int] = disks.NONE,
    **env: str,
) -> Iterator[Machine]:
    """A stack in a temporary folder, or in `folder`, which stays; it ends with this process. This
    process's settings point to it.

    options: of the supervisor. small_disks: folders of the home that are file systems of
      their own, in megabytes. env: settings of all of its processes, without their prefix.
      Raises Retryable, disks.CannotMount.
    """
    own = Path(tempfile.mkdtemp(prefix="winback-chaos-")) if folder is None else folder
    own.chmod(0o755)
    home = Home(own / "home")
    home.make()
    try:
        mounted = disks.mount(home.path, small_disks)
    except disks.CannotMount:
        if folder is None:
            shutil.rmtree(own, ignore_errors=True)
        raise
    bare = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with (home.logs / "supervisor.log").open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-P", "-m", "winback.stack.supervisor", "--any-ports", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=bare
            | {"WINBACK_HOME": str(home.path)}
            | {PREFIX + name.upper(): value for name, value in env.items()},
            preexec_fn=processes.die_with_parent,
        )
    try:
        wait_until_up(home, supervisor)
        machine = Machine(home, home.env())
        try:
            with pointed_to(machine):
                yield machine
        finally:
            machine.end_further()
    finally:
        supervisor.terminate()
        supervisor.wait(90)
        disks.unmount(mounted)
        if folder is None:
            outside = home.state().get("postgres_folder")
            for path in (own, *([Path(outside)] if outside else [])):
                shutil.rmtree(path, ignore_errors=True)


def wait_until_up(home: Home, supervisor: "subprocess.Popen[bytes]") -> None:
    """Raises Retryable with what the supervisor said."""
    until = time.monotonic() + START_SECONDS
    while not (state := current(home))["ready"]:
        if (
            state["schema"]["failures"] >= SCHEMA_TRIES
            or supervisor.poll() is not None
            or time.monotonic() > until
        ):
            raise Retryable(
                "the stack did not become ready:\n"
                f"{(home.logs / 'supervisor.log').read_text()[-2000:]}"
            )
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def pointed_to(machine: Machine) -> Iterator[None]:
    """This process's settings are those of the machine, then what they were."""
    before = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    for name in before:
        del os.environ[name]
    os.environ.update(machine.env)
    settings.cache_clear()
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            del os.environ[name]
        os.environ.update(before)
        settings.cache_clear()
