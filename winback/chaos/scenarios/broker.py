"""Kafka: killed and started again under load, and frozen. Ingest says 503 and when to come back;
nothing acknowledged is lost.
"""

import time

from shared.partitions import partition_of
from winback.chaos import log
from winback.chaos.scenarios import Scenario
from winback.chaos.world import World, percentile

BROKER_KILLS = 8
LEAST_BROKER_KILLS = 3
CHECKPOINT_WITHIN_SECONDS = 20.0
FROZEN_SECONDS = 60.0
SLOWEST_ANSWER_SECONDS = 12.0  # ingest promises 8; the machine is busy
FAILED_CHECKPOINT = '"why": "checkpoint'


def kill_broker(world: World) -> None:
    """5: at random and, in turn, inside a checkpoint: the moment a transaction on the changelog is
    open. The detector then goes on with it once the broker is back, or leaves and begins at what
    was committed; either way nothing is missing or there twice.
    """
    said = world.machine.home.logs / "detector.log"
    before = said.read_text().count(FAILED_CHECKPOINT)
    inside = 0
    with (
        world.telling() as tellers,
        log.changelog_watched(partition_of(tellers[0].organization)) as is_open,
    ):
        until, kills = time.monotonic() + world.seconds, 0
        while kills < BROKER_KILLS and (time.monotonic() < until or kills < LEAST_BROKER_KILLS):
            world.pause(0.5, 3.0)
            if kills % 2 == 0:
                looked_until = time.monotonic() + CHECKPOINT_WITHIN_SECONDS
                while not (hit := is_open()) and time.monotonic() < looked_until:
                    """A checkpoint every second; each takes some milliseconds."""
                inside += hit
            world.machine.kill("kafka")
            killed_at, kills = time.monotonic(), kills + 1
            world.acknowledged_again(tellers, since=killed_at)
            world.recovered(since=killed_at)
    outages, whole = world.recoveries[::2], world.recoveries[1::2]
    world.recoveries = whole
    if not inside:
        world.findings.differing.append(
            "R: no checkpoint was under way at any kill: the scenario proved less than it says"
        )
    world.figures["until the next 2xx, p50 s"] = f"{percentile(outages, 0.5):.1f}"
    world.figures["503"] = str(world.answers["503"])
    world.figures["inside a checkpoint"] = str(inside)
    world.figures["the detector left"] = str(said.read_text().count(FAILED_CHECKPOINT) - before)
    say_when_to_come_back(world)


def freeze_broker(world: World) -> None:
    """5: SIGSTOP; connections stay open and nothing answers."""
    frozen = min(FROZEN_SECONDS, max(15.0, world.seconds * 0.7))
    with world.telling() as tellers:
        world.pause(2.0, 3.0)
        with world.machine.frozen("kafka"):
            frozen_at = time.monotonic()
            time.sleep(frozen)
            acknowledged = [
                at for one in tellers for at in one.acknowledged_at if at > frozen_at + 1
            ]
        world.recovered(since=time.monotonic())
        slowest = max(one.slowest for one in tellers)
    if acknowledged:
        world.findings.doubled.append(
            f"H: {len(acknowledged)} requests were acknowledged while Kafka was frozen"
        )
    if slowest > SLOWEST_ANSWER_SECONDS:
        world.findings.differing.append(f"H: ingest took {slowest:.1f} s to say that Kafka is away")
    world.figures["frozen, s"] = f"{frozen:.0f}"
    world.figures["503"] = str(world.answers["503"])
    world.figures["slowest answer, s"] = f"{slowest:.1f}"
    say_when_to_come_back(world)


def say_when_to_come_back(world: World) -> None:
    """Every 429 and 503 has a Retry-After."""
    without = sum(history.without_retry_after for history in world.histories)
    if without:
        world.findings.differing.append(f"H: {without} answers 429 or 503 without Retry-After")


SCENARIOS = (
    Scenario(
        name="broker-kills",
        number=5,
        does="kill -9 of Kafka under load, also inside checkpoints",
        run=kill_broker,
    ),
    Scenario(
        name="broker-frozen",
        number=5,
        does="Kafka frozen for a minute under load",
        run=freeze_broker,
    ),
)
