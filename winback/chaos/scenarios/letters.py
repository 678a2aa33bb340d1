"""Letters: their sender killed and frozen at the final dot. A letter leaves once or never; where
that is not known, a person is asked.
"""

import json
import time
from collections import Counter
from functools import partial

from shared import db
from winback.chaos import oracles, store
from winback.chaos.erp import insist
from winback.chaos.scenarios import Scenario
from winback.chaos.scenarios.mails import HELD_SECONDS, answer, count
from winback.chaos.world import World

LETTERS = 24
KILLS = 10
FROZEN_SECONDS = 3.0  # longer than PostgreSQL lets the guard be held
SENDING = {
    "replies": "by_hand", "postal_address": "1 Road", "every_day": True, "from_hour": 0,
    "to_hour": 24, "gap_least_seconds": 0, "gap_most_seconds": 0, "sender_daily": 1_000,
    "sender_hourly": 1_000, "organization_daily": 1_000, "domain_daily": 1_000,
    "new_sender_daily": 1_000,
}  # fmt: skip


def kill_sender(world: World) -> None:
    """16: the server keeps a letter and holds its answer; then the process is frozen, or killed.
    Leases of the dead run out two minutes later: their rows are told that they passed.
    """
    url = world.machine.url("smtp")
    name = world.organization()[0].organization
    for number in range(1, LETTERS + 1):
        answer(url, address(name, number), f"hold {HELD_SECONDS}", times=1)

    def launch() -> None:
        with db.connect() as connection:
            store.launch_letters(
                connection,
                name,
                sender=f"rep@{name}.example",
                settings=json.dumps(SENDING),
                count=LETTERS,
            )

    insist(launch)
    until, kills = time.monotonic() + world.seconds, 0
    while kills < KILLS and time.monotonic() < until:
        known = count(url, [name])
        world.wait_until(partial(went_on, url, name, known))
        if done(name):
            break
        with world.machine.frozen("sequences"):
            time.sleep(FROZEN_SECONDS)
        pid = world.machine.kill("sequences")
        killed_at, kills = time.monotonic(), kills + 1
        world.machine.wait_gone(pid)
        insist(partial(run_out, name))
        kept = count(url, [name])
        world.recovered_when(partial(went_on, url, name, kept), since=killed_at)
    for number in range(1, LETTERS + 1):
        answer(url, address(name, number), "")
    held_until = time.monotonic() + 90
    while not done(name) and time.monotonic() < held_until:
        time.sleep(0.5)
    check(world, name, url)


def check(world: World, name: str, url: str) -> None:
    """No letter is at the sink twice; who has none, or may have, is shown as unsure."""
    with db.connect() as connection:
        rows = store.letters(connection, name)
    doubles, unsure = 0, 0
    for email, state, reason, _, _ in rows:
        there = len(oracles.at_the_sink(url, email))
        unsure += reason == "unsure"
        if there > 1:
            doubles += 1
            world.findings.doubled.append(f"M {name}: {email} has the letter {there} times")
        if there == 0 and reason != "unsure":
            world.findings.lost.append(f"M {name}: {email} has no letter and is {state}, {reason}")
    states = Counter(state for _, state, _, _, _ in rows)
    world.figures["letters"] = ", ".join(f"{number} {state}" for state, number in states.items())
    world.figures["doubled"] = str(doubles)
    world.figures["unsure"] = str(unsure)


def address(organization: str, number: int) -> str:
    """Of the n-th contact."""
    return f"l{number}@{organization}.example"


def done(name: str) -> bool:
    """Every letter has its end, or waits for a person."""
    with db.connect() as connection:
        return all(is_drawn for *_, is_drawn in store.letters(connection, name))


def went_on(url: str, name: str, known: int) -> bool:
    """More letters are at the sink than were, or none is to come."""
    return count(url, [name]) > known or done(name)


def run_out(name: str) -> None:
    """The leases of a dead sender."""
    with db.connect() as connection:
        store.letters_leases_run_out(connection, name)


SCENARIOS = (
    Scenario(
        name="letter-kills",
        number=16,
        does="the sender of letters frozen, then killed after the final dot, before the row",
        run=kill_sender,
    ),
)
