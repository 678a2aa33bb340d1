"""Several detectors: they come and go, freeze past their session and wake, and two
claim one instance id.
"""

import contextlib
import json
import re
import signal
import time
from collections.abc import Iterator

from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from shared import kafka_access
from shared.kafka import end_offset
from shared.settings import settings
from shared.topics import SIGNALS
from winback.chaos import log
from winback.chaos.machine import Further, freeze, wake
from winback.chaos.scenarios import Scenario
from winback.chaos.world import World

GROUP = "winback-detector"
FENCED = 70
SESSION_SECONDS = 10.0
EVERY_SECONDS = 15.0
CHECKPOINT_WITHIN_SECONDS = 20.0
WOKEN_SECONDS = 60.0
MOST_ZOMBIES = 3
ZOMBIE_TELLERS = 8  # of four partitions two are the zombie's: some of the organizations are in them
REFUSED_CHECKPOINT = re.compile(
    r'"why": "checkpoint: \w*(ProducerFenced|InvalidProducerEpoch|InvalidProducerIdMapping)'
)


def scale(world: World) -> None:
    """12: one, three, one; ended by SIGTERM or kill -9."""
    rounds = 0
    with world.telling(), repeated(world):
        until = time.monotonic() + world.seconds
        while rounds == 0 or time.monotonic() < until:
            more = [further(world, f"{rounds}-{number}") for number in range(2)]
            changed_at = time.monotonic()
            joined(world, 1 + len(more))
            world.recovered(since=changed_at)
            time.sleep(
                max(0.0, min(EVERY_SECONDS, world.seconds / 4) - (time.monotonic() - changed_at))
            )
            for one in more:
                changed_at = time.monotonic()
                if world.chance.random() < 0.5:
                    code = world.machine.end(one)
                    if code != 0:
                        world.findings.differing.append(
                            f"R: a detector that was asked to end ended with {code}"
                        )
                else:
                    world.machine.end(one, signal.SIGKILL)
            world.recovered(since=changed_at)
            rounds += 1
    world.figures["rounds 1-3-1"] = str(rounds)
    world.figures["longest pause, s"] = f"{max(world.recoveries):.1f}"


def zombies(world: World) -> None:
    """12: SIGSTOP in the middle of a checkpoint, records of it in the changelog and its transaction
    open, and past the session: its partitions go to another, who has seen nothing of it. Woken it
    goes on with that checkpoint, is fenced, and leaves with 70.
    """
    codes: list[int | None] = []
    inside, refused = 0, 0
    with world.telling(ZOMBIE_TELLERS), repeated(world):
        until = time.monotonic() + world.seconds
        while not codes or time.monotonic() < until or (not inside and len(codes) < MOST_ZOMBIES):
            one = further(world, f"zombie-{len(codes)}")
            joined(world, 2)
            owning(world, one)
            world.caught_up()
            hit = frozen_inside_a_checkpoint(one)
            frozen_at = time.monotonic()
            world.recovered(since=frozen_at)  # the others have its partitions
            time.sleep(max(0.0, SESSION_SECONDS + 3 - (time.monotonic() - frozen_at)))
            wake(one.pid)
            code = one.wait_end(WOKEN_SECONDS)
            codes.append(code)
            inside += hit
            refused += REFUSED_CHECKPOINT.search(one.log.read_text()) is not None
            if hit and code != FENCED:
                world.findings.differing.append(
                    f"R: woken inside a checkpoint it was not fenced: it left with {code}"
                )
            if code is None:
                # frozen between two checkpoints: it sees that its partitions are gone,
                # joins anew, and goes on
                world.machine.end(one)
            else:
                world.machine.further.remove(one)
    if not inside:
        world.findings.differing.append(
            "R: no detector was frozen inside a checkpoint: the scenario proved less than it says"
        )
    world.figures["woken"] = str(len(codes))
    world.figures["inside a checkpoint"] = str(inside)
    world.figures["fenced, left with 70"] = (
        f"{codes.count(FENCED)}, the changelog refused {refused}"
    )


def frozen_inside_a_checkpoint(one: Further) -> bool:
    """SIGSTOP while a transaction of it is open, and still is: True. False: it is frozen where it
    was when the time was up.
    """
    with log.changelog_watched(*owned(one)) as is_open:
        until = time.monotonic() + CHECKPOINT_WITHIN_SECONDS
        while time.monotonic() < until:
            if not is_open():
                continue
            freeze(one.pid)
            time.sleep(0.2)  # what it had sent before may still end the transaction
            if is_open():
                return True
            wake(one.pid)
    freeze(one.pid)
    return False


def one_identity(world: World) -> None:
    """12: a second process with the instance id of the first takes its place in the group, each
    time; the one that was put out joins again once it is gone. Both may be at work for a moment, on
    disks of their own: the fence of the changelog and ids that say what they name decide that
    nothing is lost, there twice, or different. `took over` counts those that owned partitions.
    """
    codes: list[int | None] = []
    took_over = 0
    before = world.machine.restarts("detector")
    with world.telling(), repeated(world):
        until = time.monotonic() + world.seconds
        while not codes or time.monotonic() < until:
            one = further(world, f"same-{len(codes)}", detector_id="dev")
            one.wait_end(world.chance.uniform(8.0, 14.0))
            codes.append(one.code)
            took_over += bool(owned(one))
            ended_at = time.monotonic()
            if one.code is None:
                world.machine.end(one, signal.SIGKILL)
            else:
                world.machine.further.remove(one)
            world.recovered(since=ended_at)
    if not took_over:
        world.findings.differing.append(
            "R: no second process ever owned a partition: the scenario proved less than it says"
        )
    world.figures["impostors"] = str(len(codes))
    world.figures["took over"] = str(took_over)
    world.figures["of these left by themselves"] = str(sum(code is not None for code in codes))
    world.figures["the first was started again"] = str(world.machine.restarts("detector") - before)


def further(world: World, label: str, **env: str) -> Further:
    """One more detector, with a disk of its own."""
    name = f"detector-{world.name}-{label}"
    disk = world.machine.home.path / name
    return world.machine.start(
        "detector", name, **({"detector_id": name, "state_dir": str(disk)} | env)
    )


def owning(world: World, one: Further) -> None:
    """Until it has partitions: before that nothing of it can be lost."""
    world.wait_until(lambda: one.code is not None or bool(owned(one)))


def owned(one: Further) -> set[int]:
    """The partitions that it has, or had."""
    lines = [
        json.loads(line) for line in one.log.read_text().splitlines() if '"partition owned"' in line
    ]
    return {int(line["partition"]) for line in lines}


def joined(world: World, members: int) -> None:
    """Until the group has so many, and each knows what is its own. That may be nothing: of four
    partitions Faust leaves two where they are, twice, and the third detector stands by.
    """
    admin = AdminClient(kafka_access.client())

    def is_whole() -> bool:
        try:
            group = admin.describe_consumer_groups([GROUP], request_timeout=5)[GROUP].result(10)
        except KafkaException:
            return False
        return bool(group.state == ConsumerGroupState.STABLE and len(group.members) >= members)

    world.wait_until(is_whole)


@contextlib.contextmanager
def repeated(world: World) -> Iterator[None]:
    """How many of the events that went out meanwhile said again what another had
    said, with the same id.
    """
    partitions = range(settings().partitions)
    before = {partition: end_offset(SIGNALS.name, partition) for partition in partitions}
    yield
    ids: list[str] = []
    for partition in partitions:
        for record in log.records(SIGNALS.name, partition, first=before[partition]):
            ids.append(dict(record.headers).get("ce_id", b"").decode())
    world.figures["events said again"] = f"{100 * (1 - len(set(ids)) / max(1, len(ids))):.2f} %"


SCENARIOS = (
    Scenario(
        name="rebalances",
        number=12,
        does="detectors 1, 3, 1, ended by SIGTERM and kill -9",
        run=scale,
    ),
    Scenario(
        name="zombies",
        number=12,
        does="a detector frozen inside a checkpoint past its session, woken: fenced",
        run=zombies,
    ),
    Scenario(
        name="one-identity", number=12, does="two detectors with one instance id", run=one_identity
    ),
)
