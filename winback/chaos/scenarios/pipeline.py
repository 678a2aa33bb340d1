"""Kills along the pipeline: ingest in the middle of a batch, the detector with its disk kept and
wiped, the signals service.
"""

import contextlib
import os
import shutil
import time
import uuid
from pathlib import Path

from services.signals.store.positions import CONSUMER
from shared import db
from shared.topics import ORDERS, SIGNALS
from winback.chaos import store
from winback.chaos.scenarios import Scenario
from winback.chaos.world import World, percentile

INGEST_KILLS = 20
DETECTOR_KILLS = 20
SIGNALS_KILLS = 20
WIPED_EVERY = 7
REWOUND_AT_MOST = 40  # records


def kill_ingest(world: World) -> None:
    """1: the client retries with its key. Recovered: the first acknowledgement after the kill."""
    with world.telling(pause=0.0) as tellers:
        until, kills = time.monotonic() + world.seconds, 0
        while kills < INGEST_KILLS and time.monotonic() < until:
            world.pause(0.05, 1.0)
            world.machine.kill("ingest")
            killed_at, kills = time.monotonic(), kills + 1
            world.acknowledged_again(tellers, since=killed_at)
    world.figures["answers lost, told again"] = str(world.answers["lost"])


def kill_detector(world: World) -> None:
    """2: at random, also while it restores; now and then its disk is gone too. Recovered: lag 0."""
    with world.telling():
        until, kills, wiped = time.monotonic() + world.seconds, 0, 0
        world.pause(1.0, 3.0)
        while kills < DETECTOR_KILLS and time.monotonic() < until:
            kills += 1
            killed_at = time.monotonic()
            if kills % WIPED_EVERY == 2:
                wipe(world)
                wiped += 1
            else:
                world.machine.kill("detector")
            if world.chance.random() < 0.3:  # again before it is back
                world.pause(0.3, 4.0)
                world.machine.kill("detector")
            world.recovered(since=killed_at)
            world.pause(0.0, 1.5)
    world.figures["disk wiped"] = str(wiped)
    world.figures["seconds to lag 0, p50"] = f"{percentile(world.recoveries, 0.5):.1f}"


def wipe(world: World) -> None:
    """kill -9, and its disk is gone before it is back."""
    disk = Path(world.machine.env["WINBACK_STATE_DIR"])
    gone = disk.with_name(f"wiped-{uuid.uuid4().hex}")
    world.machine.kill("detector")
    with contextlib.suppress(FileNotFoundError):  # killed before it had one
        disk.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def kill_signals(world: World) -> None:
    """3: between its commit and the offset's: the positions in PostgreSQL go back with each kill,
    so that records come again. What was detected keeps its `detected_at`.
    """
    replayed, moved = 0, 0
    seen: dict[str, object] = {}
    with world.telling() as tellers:
        until, kills = time.monotonic() + world.seconds, 0
        while kills < SIGNALS_KILLS and time.monotonic() < until:
            world.pause(0.1, 1.0)
            with db.connect() as connection:
                for teller in tellers:
                    seen |= store.detected(connection, teller.organization)
            pid = world.machine.kill("signals")
            killed_at, kills = time.monotonic(), kills + 1
            world.machine.wait_gone(pid)
            with db.connect() as connection:
                for topic in (ORDERS.name, SIGNALS.name):
                    for partition, at in store.positions(connection, CONSUMER, topic).items():
                        back = min(at, world.chance.randint(0, REWOUND_AT_MOST))
                        store.rewind(connection, CONSUMER, topic, partition, back)
                        replayed += back
            world.recovered(since=killed_at)
    with db.connect() as connection:
        for teller in tellers:
            now = store.detected(connection, teller.organization)
            changed = [signal for signal, at in now.items() if seen.get(signal, at) != at]
            moved += len(changed)
            world.findings.differing += [
                f"R {teller.organization}: detected_at of {signal} moved" for signal in changed
            ]
    world.figures["replays absorbed"] = str(replayed)
    world.figures["detected_at moved"] = str(moved)


def terminate(world: World) -> None:
    """2: SIGTERM under load: every service drains, ends with 0, and the next one
    goes on where it stopped.
    """
    slowest, names = (
        0.0,
        ("detector", "signals", "ingest", "clock", "digest", "sequences", "console"),
    )
    with world.telling():
        until, rounds = time.monotonic() + world.seconds, 0
        while rounds < 12 and time.monotonic() < until:
            world.pause(0.5, 2.0)
            name = names[rounds % len(names)] if rounds % 2 else "detector"
            began = time.monotonic()
            pid = world.machine.living(name)
            os.kill(pid, 15)
            world.machine.wait_gone(pid)
            slowest = max(slowest, time.monotonic() - began)
            world.recovered(since=began)
            rounds += 1
    said = (world.machine.home.logs / "supervisor.log").read_text()
    world.figures["drains"] = str(rounds)
    world.figures["slowest drain, s"] = f"{slowest:.1f}"
    world.figures["killed because slow"] = str(said.count("did not end within"))


SCENARIOS = (
    Scenario(
        name="ingest-kills",
        number=1,
        does="kill -9 of ingest mid-batch, the client retries with its key",
        run=kill_ingest,
    ),
    Scenario(
        name="detector-kills",
        number=2,
        does="kill -9 of the detector at random, some with its disk wiped",
        run=kill_detector,
    ),
    Scenario(name="drains", number=2, does="SIGTERM under load", run=terminate),
    Scenario(
        name="signals-kills",
        number=3,
        does="kill -9 of the signals service, its positions set back",
        run=kill_signals,
    ),
)
