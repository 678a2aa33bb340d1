"""What a figure stands on: a stack of its own in a folder of its own, the settings that reach it,
workloads made once.

Kafka, PostgreSQL and the mail sink are those of `winback dev`, on free ports; PostgreSQL does not
wait for the disk, on either side of a figure alike. The services are started by the figures, one at
a time, so that nothing else runs while they are measured.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from bench.broker import Broker, Record
from bench.figure import Rounds
from bench.measured_process import Failed, Watched
from bench.workload import Shape, Workload
from shared import db, kafka
from shared.events import RunRequested
from shared.settings import PREFIX, settings
from shared.topics import DETECTOR_APP, ORDERS, SIGNALS, STATE_CHANGELOG, TOPICS
from winback.dev import current
from winback.stack import processes
from winback.stack.home import Home

START_SECONDS = 180.0
LEAST_ORDERS, LEAST_ACCOUNTS = 1_500, 100  # fewer raise no signal of every type
ROOT = Path(__file__).parents[1]

encode = msgspec.json.Encoder().encode


@dataclass
class Rig:
    """`scale` shrinks every workload (1 is the full size)."""

    home: Home
    env: dict[str, str]
    rounds: Rounds
    folder: Path
    say: Callable[[str], None]
    scale: float = 1.0
    report: Path | None = None  # the page that is written; what a figure keeps goes beside it

    @cached_property
    def broker(self) -> Broker:
        return Broker()

    @property
    def partitions(self) -> int:
        return settings().partitions

    def workload(self, **shape: int | tuple[float, float] | None) -> Workload:
        """Orders and accounts are scaled; made once for each shape."""
        wanted = Shape(**shape)  # type: ignore[arg-type] # the names of Shape
        small = Shape(
            orders=max(LEAST_ORDERS, round(wanted.orders * self.scale)),
            accounts=max(LEAST_ACCOUNTS, round(wanted.accounts * self.scale)),
            organizations=wanted.organizations,
            partitions=self.partitions,
            hot=wanted.hot,
            seed=wanted.seed,
        )
        if small not in self._workloads:
            self._workloads[small] = Workload(small)
        return self._workloads[small]

    def forget_workloads(self) -> None:
        """All but the full one, which several figures share: orders are many small objects."""
        for shape in [shape for shape in self._workloads if shape.orders < Shape().orders]:
            del self._workloads[shape]

    @cached_property
    def _workloads(self) -> dict[Shape, Workload]:
        return {}

    # -- the log -----------------------------------------------------------------------------------

    def fill_orders(self, workload: Workload, *, runs: bool = True, anew: bool = True) -> None:
        """The topic `orders`: the blocks of the workload, then a run of each organization. `anew`:
        it holds nothing before.
        """
        if anew:
            self.broker.make(ORDERS.name, partitions=self.partitions)
        records: list[list[Record]] = [
            [(None, block) for block in some] for some in workload.blocks
        ]
        if runs:
            for run in workload.runs():
                records[kafka.partition_of(run.organization)].append(record_of(run))
        self.broker.fill(ORDERS.name, records)

    def forget_detector(self) -> None:
        """The detector has never run: no state, no changelog, no signals, no offsets."""
        self.broker.forget_group(DETECTOR_APP)
        self.broker.drop([SIGNALS.name, STATE_CHANGELOG])
        shutil.rmtree(self.folder / "detector", ignore_errors=True)
        kafka.create_topics()

    @contextmanager
    def of_partitions(self, count: int) -> Iterator[None]:
        """The same with another count of partitions, all topics made anew; the caller fills and
        forgets within.
        """
        before = self.env
        self.env = before | {"WINBACK_PARTITIONS": str(count)}
        try:
            with pointed_to(self.env):
                self._anew()
                yield
        finally:
            self.env = before
            self._anew()

    def _anew(self) -> None:
        """Every topic whose partitions are a setting."""
        self.broker.forget_group(DETECTOR_APP)
        self.broker.drop(
            [STATE_CHANGELOG, *(topic.name for topic in TOPICS if topic.partitions is None)]
        )
        kafka.create_topics()

    # -- processes ---------------------------------------------------------------------------------

    def winback(self, *words: str, env: dict[str, str] | None = None) -> Watched:
        """`winback WORDS` as a process."""
        return Watched(
            sys.executable, "-P", "-m", "winback", *words, env={**self.env, **(env or {})}
        )

    def detector(self, *, number: int = 0, env: dict[str, str] | None = None) -> Watched:
        """A detector with its state in the rig's folder."""
        own = {
            "WINBACK_STATE_DIR": str(self.folder / "detector" / str(number)),
            "WINBACK_DETECTOR_PORT": str(free_port()),
        }
        return self.winback("serve", "detector", env=own | (env or {}))

    def peer(self, module: str, *words: str, env: dict[str, str] | None = None) -> Watched:
        """A program of bench/peers."""
        return Watched(
            sys.executable,
            "-P",
            "-m",
            f"bench.peers.{module}",
            *words,
            env={**self.env, **(env or {})},
            cwd=ROOT,
        )


def record_of(run: RunRequested) -> Record:
    """As the clock publishes it."""
    return run.organization.encode(), encode(run)


def free_port() -> int:
    """Of this moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def rig(*, rounds: int, say: Callable[[str], None]) -> Iterator[Rig]:
    """A started stack, migrated, with its topics; forgotten at the end."""
    folder = Path(tempfile.mkdtemp(prefix="winback-bench-"))
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
                "--without-services",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={
                name: value for name, value in os.environ.items() if not name.startswith("WINBACK_")
            }
            | {"WINBACK_HOME": str(home.path)},
            preexec_fn=processes.die_with_parent,
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not current(home)["ready"]:
            if supervisor.poll() is not None or time.monotonic() > until:
                raise Failed(
                    f"the stack did not become ready:\n{(home.logs / 'supervisor.log').read_text()}"
                )
            time.sleep(0.05)
        with pointed_to(home.env()):
            settings()  # what files hold stands in the environment from here on: one form, not both
            env = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
            yield Rig(home=home, env=env, rounds=Rounds(rounds, say), folder=folder, say=say)
    finally:
        supervisor.terminate()
        supervisor.wait(90)
        outside = home.state().get("postgres_folder")
        shutil.rmtree(folder, ignore_errors=True)
        if outside:
            shutil.rmtree(outside, ignore_errors=True)


@contextmanager
def pointed_to(env: dict[str, str]) -> Iterator[None]:
    """This process's settings are the rig's, then what they were."""
    before = {name: value for name, value in os.environ.items() if name.startswith("WINBACK_")}
    for name in before:
        del os.environ[name]
    os.environ.update(env)
    settings.cache_clear()
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("WINBACK_")]:
            del os.environ[name]
        os.environ.update(before)
        settings.cache_clear()


def make_organization(name: str, *, currency: str = "USD", timezone: str = "UTC") -> None:
    """A tenant without schedules."""
    with db.connect() as connection:
        connection.execute(
            "INSERT INTO organizations (organization, name, currency, timezone) "
            "VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (name, name.title(), currency, timezone),
        )
