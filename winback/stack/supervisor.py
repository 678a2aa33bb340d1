"""One process that starts the parts, asks whether they are ready, starts again what dies, and ends
them all.

    python -m winback.stack.supervisor [--without-services] [--without SERVICE] [--any-ports]
        [--no-fsync]

What must hold:
- The end of a part never ends the supervisor; it is said in the log and in state.json, and the part
  is started again: at once after it worked for a while, with growing pauses when it does not.
- A stranger's server on a part's port is not taken for the part, and the part is not started while
  it is there: before it was ready once, that ends everything (exit code 2).
- The end of the supervisor ends every part, also by kill -9 (`die_with_parent`), and what a part
  leaves behind is adopted and ended. What an older supervisor left behind is recognised by pid and
  start time, and ended before the start.
- state.json is true: it is written at every change, before anything else is done about it.
One thread, one loop: no part can hold up another.
"""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from shared.errors import Misconfigured
from shared.settings import told
from winback.stack import parts, ports, processes
from winback.stack.home import Home, find
from winback.stack.parts import Part, Plan

# between starts of a part that does not become ready, or ends soon after; the last one stays
PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 5.0  # who was ready for so long worked
STARTING_SECONDS = 0.05  # between two questions until it is ready
READY_SECONDS = 1.0  # and then
LEAVING_SECONDS = 2.0  # what was killed may hold its port for a moment
ALL_READY = "all ready"
LARGEST_LOG_BYTES = 20_000_000

Say = Callable[[str], None]


@dataclass
class Child:
    """A part and the process that is it now."""

    part: Part
    process: subprocess.Popen[bytes] | None = None
    start: int | None = None
    ready: bool = False
    problem: str = "waits for what it needs"
    restarts: int = 0
    ready_since: float | None = None  # of this process
    was_ready: bool = False  # this one, or an earlier one
    failures: int = 0  # starts in a row that did not stay ready
    last_end: str = ""  # how it ended, while it fails
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def as_state(self) -> dict[str, Any]:
        return {
            "name": self.part.name,
            "pid": self.process.pid if self.process else None,
            "started": self.start,
            "ready": self.ready,
            "url": self.part.url,
            "problem": self.problem,
            "restarts": self.restarts,
            "failures": self.failures,
        }


class Supervisor:
    """Runs once: `await run()` returns when all has ended."""

    def __init__(self, home: Home, plan: Plan, *, say: Say) -> None:
        self.home, self.plan, self.say = home, plan, say
        self.infrastructure = [Child(part) for part in plan.infrastructure]
        self.schema = Child(plan.schema)
        self.services = [Child(part) for part in plan.services]
        self.stopping = asyncio.Event()
        self.started_at = time.monotonic()
        self.all_ready = False
        self.exit_code, self.gave_up = 0, ""

    @property
    def children(self) -> list[Child]:
        return [*self.infrastructure, *self.services]

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        processes.adopt_orphans()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.stopping.set)
        loop.add_signal_handler(signal.SIGCHLD, self.reap)
        self.home.write_env(self.plan.env | self.plan.owner)
        self.write_state()
        for line in self.plan.moves:
            self.say(line)
        keepers = [asyncio.create_task(self.keep(child)) for child in self.infrastructure]
        keepers.append(asyncio.create_task(self.then_services(keepers)))
        await self.stopping.wait()
        self.say("stopping")
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await self.end([self.schema, *self.services])
        await self.end(self.infrastructure)
        self.end_orphans()
        self.write_state(running=False)
        self.say("stopped")

    async def then_services(self, keepers: list["asyncio.Task[None]"]) -> None:
        """Once Kafka and PostgreSQL serve: migrations and topics, then the services."""
        while not all(child.ready for child in self.infrastructure):
            await asyncio.sleep(STARTING_SECONDS)
        while True:
            self.begin(self.schema)
            await self.schema.ended.wait()
            assert self.schema.process is not None
            if self.schema.process.returncode == 0:
                break
            words = self.last_words(self.schema)
            if words != self.schema.last_end:
                self.say(f"schema: {words}")
            self.schema.last_end = self.schema.problem = words
            self.schema.failures += 1
            for child in self.services:
                child.problem = f"waits for migrations and topics: {words}"
            self.write_state()
            await asyncio.sleep(PAUSES[min(self.schema.failures, len(PAUSES)) - 1])
        self.schema.process, self.schema.ready = None, True
        self.say_when_all_ready()
        self.write_state()
        keepers += [asyncio.create_task(self.keep(child)) for child in self.services]

    async def keep(self, child: Child) -> None:
        """Start, watch until it ends, start again: until cancelled."""
        while True:
            try:
                await self.wait_for_ports(child)
                self.begin(child)
                watch = asyncio.create_task(self.watch(child))
                try:
                    await child.ended.wait()
                finally:
                    watch.cancel()
                self.after_the_end(child)
            except Exception as error:
                # whatever it is, the others go on, and this one is tried again
                child.problem, child.ready = f"cannot be started: {error}", False
                self.say(f"{child.part.name}: {child.problem}")
                self.write_state()
            if child.ready_since is not None:
                worked = time.monotonic() - child.ready_since >= STEADY_SECONDS
                child.failures, child.ready_since = 0 if worked else child.failures, None
            await asyncio.sleep(PAUSES[min(child.failures, len(PAUSES) - 1)])
            child.failures += 1
            child.restarts += 1

    async def wait_for_ports(self, child: Child) -> None:
        """Returns once nobody listens where the part is to. Raises CancelledError when that ends
        everything: before the part was ready once.
        """
        until = time.monotonic() + LEAVING_SECONDS
        while words := ports.taken(child.part.ports):
            if time.monotonic() < until:
                await asyncio.sleep(STARTING_SECONDS)
                continue
            if child.problem != words:
                child.problem = child.last_end = words
                self.say(f"{child.part.name}: {words}")
                self.write_state()
            if not child.was_ready:
                self.exit_code, self.gave_up = 2, f"{child.part.name}: {words}"
                self.stopping.set()
                raise asyncio.CancelledError
            await asyncio.sleep(PAUSES[-2])

    def begin(self, child: Child) -> None:
        child.ended.clear()
        child.ready, child.problem = False, child.last_end or "starting"
        with self.log_of(child).open("ab") as log:
            child.process = subprocess.Popen(
                child.part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=told(self.inherited(), self.plan.env | child.part.env),
                start_new_session=True,
                preexec_fn=processes.die_with_parent,
            )
        child.start = processes.started(child.process.pid)
        self.write_state()

    def inherited(self) -> dict[str, str]:
        """What this process was told, but for what the owner of the database alone is told."""
        plain = {name.removesuffix("_FILE") for name in self.plan.owner}
        return {
            name: value
            for name, value in os.environ.items()
            if name.removesuffix("_FILE") not in plain
        }

    async def watch(self, child: Child) -> None:
        """Ask again and again; say what changes."""
        while True:
            problem = await child.part.probe()
            if problem is None and not child.ready and child.process is not None:
                problem = ports.answered_by_others(child.part.ports, child.process.pid) or None
            if problem is not None and child.last_end:
                problem = child.last_end  # says more than that nobody listens
            if (problem is None) != child.ready or problem != (child.problem or None):
                was_ready, child.ready, child.problem = child.ready, problem is None, problem or ""
                if child.ready:
                    child.ready_since, child.was_ready = time.monotonic(), True
                    child.last_end = ""
                if child.ready != was_ready:
                    self.say(
                        f"{child.part.name}: {'ready' if child.ready else f'not ready: {problem}'}"
                    )
                self.write_state()
                self.say_when_all_ready()
            if child.ready and self.log_of(child).stat().st_size > LARGEST_LOG_BYTES:
                turn_over(self.log_of(child))
            await asyncio.sleep(
                READY_SECONDS if child.ready else STARTING_SECONDS * (1 + child.failures)
            )

    def after_the_end(self, child: Child) -> None:
        """Say how it ended, and end what it left behind."""
        assert child.process is not None
        code = child.process.returncode
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        words, said = self.last_words(child), child.last_end
        child.last_end = f"{how}: {words}" if code > 0 and words else how
        child.ready, child.problem = False, child.last_end
        processes.kill_group(child.process.pid)
        self.end_orphans()
        child.process = child.start = None
        self.all_ready = False
        self.write_state()
        if child.last_end != said:
            self.say(f"{child.part.name}: {child.last_end}; starting it again")

    async def end(self, children: list[Child]) -> None:
        """All at once: ask, wait as long as each may take, kill."""

        async def end_one(child: Child) -> None:
            if child.process is None or child.process.poll() is not None:
                return
            processes.kill_group(child.process.pid, signal.Signals[child.part.stop_signal])
            try:
                async with asyncio.timeout(child.part.drain_seconds):
                    await child.ended.wait()
            except TimeoutError:
                self.say(
                    f"{child.part.name}: did not end within "
                    f"{child.part.drain_seconds:.0f} s: killed"
                )
                processes.kill_group(child.process.pid)
                child.process.wait()
            child.process, child.start, child.ready, child.problem = None, None, False, "stopped"

        await asyncio.gather(*(end_one(child) for child in children))

    def reap(self) -> None:
        """A child ended: ours, whose keeper is told, or an orphan that was adopted."""
        ours = {
            child.process.pid: child
            for child in [*self.children, self.schema]
            if child.process is not None
        }
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            child = ours.get(found.si_pid)
            if child is None:
                os.waitpid(found.si_pid, 0)
            elif child.process is not None and child.process.poll() is not None:
                child.ended.set()

    def end_orphans(self) -> None:
        """An adopted process has lost the part that it belonged to: it has nothing left to do."""
        ours = {
            child.process.pid
            for child in [*self.children, self.schema]
            if child.process is not None
        }
        for pid in processes.children():
            if pid not in ours:
                processes.kill_group(pid)

    def write_state(self, *, running: bool = True) -> None:
        state: dict[str, Any] = {
            "supervisor": {"pid": os.getpid(), "started": processes.started(os.getpid())}
            if running
            else None,
            "boot": processes.boot(),
            "ports": self.plan.ports,
            "postgres_folder": str(self.plan.postgres_folder),
            "ready": running and self.is_ready(),
            "schema": self.schema.as_state(),
            "services": [child.as_state() for child in self.children],
        }
        try:
            self.home.write_state(state)
        except OSError as error:  # a full disk must not end what runs
            self.say(f"state.json cannot be written: {error}")

    def is_ready(self) -> bool:
        return all(child.ready for child in [*self.children, self.schema])

    def say_when_all_ready(self) -> None:
        ready = self.is_ready()
        if ready and not self.all_ready:
            self.say(f"{ALL_READY}, {time.monotonic() - self.started_at:.1f} s after the start")
        self.all_ready = ready

    def log_of(self, child: Child) -> Path:
        return self.home.logs / f"{child.part.name}.log"

    def last_words(self, child: Child) -> str:
        """The last line that it logged."""
        with self.log_of(child).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]


def end_leftovers(state: dict[str, Any], say: Say) -> None:
    """End what an earlier supervisor started and did not end: it was killed. Raises nothing; a
    reused pid is left alone.
    """
    if state.get("boot") != processes.boot():
        return
    for service in state.get("services", []):
        if service["pid"] is not None and processes.end_leftover(
            service["pid"], service["started"]
        ):
            say(
                f"{service['name']}: pid {service['pid']} was left behind by an "
                "earlier supervisor: ended"
            )


def turn_over(log: Path) -> None:
    """Keep the old lines in NAME.log.1. Writers append, so the file can be emptied under them."""
    shutil.copyfile(log, log.with_suffix(".log.1"))
    os.truncate(log, 0)


def log_line(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m winback.stack.supervisor")
    parser.add_argument(
        "--without-services",
        action="store_true",
        help="only Kafka, PostgreSQL and the mail sink, with their schema",
    )
    parser.add_argument(
        "--any-ports", action="store_true", help="free ports instead of the usual ones"
    )
    parser.add_argument(
        "--move-ports",
        action="store_true",
        help="other ports where those of last time, or of the settings, are taken",
    )
    parser.add_argument(
        "--no-fsync",
        action="store_true",
        help="PostgreSQL may lose its data with the machine: for tests",
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=parts.SERVICES,
        help="not this service; may be repeated",
    )
    asked = parser.parse_args()
    wanted = partial(
        parts.plan,
        with_services=not asked.without_services,
        any_ports=asked.any_ports,
        move_ports=asked.move_ports,
        fsync=not asked.no_fsync,
        without=asked.without,
    )
    return supervise(find(), wanted)


def supervise(home: Home, make_plan: Callable[[Home], Plan], *, say: Say = log_line) -> int:
    """Until SIGTERM. 1 when another supervisor lives in this home; 2 when a port that was named is
    taken, or data that were there are gone.
    """
    os.umask(0o077)  # orders, mails and secrets: nobody else's
    home.make()
    lock = home.lock()
    if lock is None:
        print(f"winback: a supervisor is already running in {home.path}", file=sys.stderr)
        return 1
    with lock:
        end_leftovers(home.state(), say)
        try:
            plan = make_plan(home)
        except Misconfigured as error:
            print(f"winback: {error}", file=sys.stderr)
            return 2
        supervisor = Supervisor(home, plan, say=say)
        asyncio.run(supervisor.run())
    if supervisor.gave_up:
        print(f"winback: {supervisor.gave_up}", file=sys.stderr)
    return supervisor.exit_code


if __name__ == "__main__":
    sys.exit(main())
