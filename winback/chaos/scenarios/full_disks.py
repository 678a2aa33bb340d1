"""15: the disk under Kafka is full, then the one under PostgreSQL, while organizations are told
their stories.

Each lies on a small file system of its own; a ballast file takes what is left, and is
deleted again. What died is started again by the supervisor until it finds room; what writes
to PostgreSQL waits. Ingest says 503 meanwhile: that it never says 2xx for what is not
written is what H finds out.
"""

import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

from winback.chaos import disks, oracles
from winback.chaos.disks import CannotMount
from winback.chaos.erp import Teller
from winback.chaos.scenarios import Scenario
from winback.chaos.scenarios.broker import SLOWEST_ANSWER_SECONDS, say_when_to_come_back
from winback.chaos.scenarios.loads import small
from winback.chaos.stories import Batch
from winback.chaos.world import World

MEGABYTES = {"kafka": 192, "postgres": 384}
# what writes to PostgreSQL waits for space in one piece
WAITING = ("signals", "digest", "sequences", "clock", "console")
FULL_SECONDS = 15.0  # from the first 503 on, at least
SAYS_SO = "No space left on device"


def fill_disks(world: World) -> None:
    """One after the other; each time everything comes back by itself."""
    places = json.loads(world.machine.env["WINBACK_WATCHED_DISKS"])
    for name in MEGABYTES:
        if not Path(places[name]).is_mount():
            raise CannotMount(f"{name} lies outside of its small file system, in {places[name]}")
    with world.telling(3) as tellers, knocking(world) as client:
        tellers = [*tellers, client]
        for name in MEGABYTES:
            world.pause(2.0, 4.0)
            said, restarts, refused = (
                words(world, name),
                world.machine.restarts(name),
                world.answers["503"],
            )
            others = [world.machine.restarts(one) for one in WAITING]
            with disks.full(Path(places[name])):
                full_at = time.monotonic()
                world.wait_until(lambda before=refused: world.answers["503"] > before)  # type: ignore[misc]  # bound now
                time.sleep(max(FULL_SECONDS, world.seconds / 4))
            world.recovered(since=time.monotonic())
            world.figures[f"full under {name}, s"] = (
                f"{time.monotonic() - full_at - world.recoveries[-1]:.0f}"
            )
            world.figures[f"503, {name}"] = str(world.answers["503"] - refused)
            world.figures[f"{name} started again"] = str(world.machine.restarts(name) - restarts)
            ended = [
                one
                for one, before in zip(WAITING, others, strict=True)
                if world.machine.restarts(one) > before
            ]
            if ended and name == "postgres":
                world.findings.differing.append(
                    f"H: {', '.join(ended)} ended instead of waiting for space"
                )
            if words(world, name) == said:
                world.findings.differing.append(
                    f"H: {name} never said that there is no space: the scenario proved less"
                )
        slowest = max(one.slowest for one in tellers)
    if slowest > SLOWEST_ANSWER_SECONDS:
        world.findings.differing.append(
            f"H: ingest took {slowest:.1f} s to say that it cannot take more"
        )
    world.figures["slowest answer, s"] = f"{slowest:.1f}"
    say_when_to_come_back(world)


@contextlib.contextmanager
def knocking(world: World) -> Iterator[Teller]:
    """Somebody who sends one order after the other and waits for nothing else; held
    against R and H like all.
    """
    client = world.teller(pause=0.05)
    orders = (Batch(orders=(small(f"knocked-{number}"),)) for number in itertools.count())
    client.begin(orders)
    try:
        yield client
    finally:
        client.stop.set()
    client.end()
    oracles.settle(client.history)
    world.findings.add(oracles.settled(client.history))


def words(world: World, name: str) -> int:
    """How often it said that its disk is full."""
    return (world.machine.home.logs / f"{name}.log").read_text(errors="replace").count(SAYS_SO)


SCENARIOS = (
    Scenario(
        name="full-disks",
        number=15,
        does="no space under Kafka, then under PostgreSQL, under load",
        run=fill_disks,
        own_machine=True,
        small_disks=MEGABYTES,
    ),
)
