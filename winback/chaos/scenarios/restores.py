"""Kafka comes back older than PostgreSQL: the disk of the broker is copied, orders are accepted,
the copy is put back. Nothing that was accepted may be lost or missing in silence.
"""

import itertools
import json
import shutil
import time
from collections import Counter

from winback.chaos import oracles
from winback.chaos.erp import Teller, post
from winback.chaos.history import History
from winback.chaos.machine import asked
from winback.chaos.scenarios import Scenario
from winback.chaos.stories import Run
from winback.chaos.world import World
from winback.dev import current

STEPS, STEPS_AFTER_THE_COPY, STEPS_AT_LAST = 30, 25, 15
ACCEPTED = 202
STANDING = ("ingest", "detector", "signals", "digest", "sequences", "clock")
SAID = "Kafka came back older"
SAYING_SECONDS = 60.0
STARTING_SECONDS = 150.0  # of a broker on a busy machine


def older(world: World) -> None:
    """All stand still and say why, ingest takes nothing, no row changes; `winback rebuild-log`
    writes the log anew, and signals, episodes and what people did are as they were.
    """
    disk = world.machine.home.path / "kafka" / "data"
    copy = disk.with_name("data.copied")
    teller = world.teller()
    story = world.story(1).steps()
    teller.tell(itertools.islice(story, STEPS))
    oracles.settle(teller.history)
    # days of further runs would lie before that of the last one
    story = (step for step in story if not isinstance(step, Run))
    with world.machine.ended("kafka"):
        shutil.copytree(disk, copy)
    world.machine.wait_ready()
    teller.tell(itertools.islice(story, STEPS_AFTER_THE_COPY))
    oracles.settle(teller.history)
    vain = world.teller()  # a 503 promises nothing: what becomes of these orders is open
    before = signals_of(teller.history)
    rows = oracles.fingerprint(teller.history.organization)

    with world.machine.ended("kafka"):
        shutil.rmtree(disk)
        copy.rename(disk)
    accepted, waiting = send_in_vain(world, vain)
    world.findings.lost += [f"H: {name} did not say that {SAID}" for name in waiting]
    if accepted:
        world.findings.lost.append(
            f"H: {accepted} requests were accepted into a log that came back older"
        )
    doctor = world.machine.winback("doctor")
    if SAID not in doctor.stdout or doctor.returncode == 0:
        world.findings.differing.append("H: the doctor found nothing")
    if oracles.fingerprint(teller.history.organization) != rows:
        world.findings.differing.append("H: rows changed under a log that came back older")

    began = time.monotonic()
    rebuilt = world.machine.winback("rebuild-log", "--yes")
    if rebuilt.returncode:
        raise RuntimeError(f"rebuild-log: {rebuilt.stdout}\n{rebuilt.stderr}")
    world.figures["rebuilt, s"] = f"{time.monotonic() - began:.1f}"
    world.machine.wait_ready()
    world.recovered(since=began)
    teller.history.only_what_counts()
    oracles.settle(teller.history)
    world.findings.add(oracles.settled(teller.history))
    after = signals_of(teller.history)
    world.findings.differing += [
        f"R: only {when} the log was written anew: {line}"
        for when, these in (("before", before - after), ("after", after - before))
        for line in sorted(these.elements())
    ]
    teller.tell(itertools.islice(story, STEPS_AT_LAST))
    oracles.settle(teller.history)
    world.findings.add(oracles.settled(teller.history))
    world.figures["stood still and said why"] = f"{len(STANDING) - len(waiting)} of {len(STANDING)}"


def send_in_vain(world: World, teller: Teller) -> tuple[int, list[str]]:
    """Orders without a pause, from before the broker is back until all say what is wrong. Returns
    how many were accepted, and who did not say it within SAYING_SECONDS of the broker's return.
    """
    accepted, number, until, back_at = 0, 0, time.monotonic() + STARTING_SECONDS, 0.0
    while (waiting := not_saying(world)) and time.monotonic() < until:
        if not back_at and is_back(world):
            back_at = time.monotonic()
            until = back_at + SAYING_SECONDS
        order = {
            "order": f"VAIN-{number}",
            "account": "A-001",
            "ordered_on": "2020-01-02",
            "lines": [{"product": "P", "revenue": "1.00"}],
        }
        body = json.dumps(order).encode()
        answer = post(teller.ports[0], teller.token, "/v1/orders", body, key=None)
        accepted, number = accepted + (answer.status == ACCEPTED), number + 1
    world.recoveries.append(time.monotonic() - back_at)
    world.figures["accepted of those sent meanwhile"] = f"{accepted} of {number}"
    return accepted, waiting


def is_back(world: World) -> bool:
    services = current(world.machine.home)["services"]
    return any(one["name"] == "kafka" and one["ready"] for one in services)


def not_saying(world: World) -> list[str]:
    """Who is ready, or says something else at /readyz."""
    ports = {name: int(world.machine.url(name).rpartition(":")[2]) for name in STANDING}
    return [name for name, port in ports.items() if SAID not in (asked(port) or "")]


def signals_of(history: History) -> "Counter[str]":
    """As they stand, without when a run saw them last."""
    lines = oracles.fingerprint(history.organization).splitlines()
    return Counter(_essence(line) for line in lines if line.startswith("{"))


def _essence(line: str) -> str:
    signal = json.loads(line)
    for name in ("last_seen_at", "as_of", "settings_version"):
        signal.pop(name)
    return json.dumps(signal, sort_keys=True)


SCENARIOS = (
    Scenario(
        name="kafka-older",
        number=5,
        does="the broker's disk put back as it was, after more was accepted; the log written anew",
        run=older,
        own_machine=True,
    ),
)
