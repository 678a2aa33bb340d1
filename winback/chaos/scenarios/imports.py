"""A million orders from a file by `winback import`: killed twice in the middle, gone on with, then
held against everything.
"""

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

from services.signals.progress.caught_up import wait_until_caught_up
from shared.kafka import end_offset
from shared.partitions import partition_of
from shared.topics import ORDERS
from winback.chaos import oracles
from winback.chaos.scenarios import Scenario
from winback.chaos.stories import RawOrder
from winback.chaos.world import World, last_on
from winback.stack import parts, processes

MILLION = 1_000_000
ACCOUNTS = 20_000
BLOCK_ORDERS = 500  # of an import, which fills them
KILLED_AT = (0.2, 0.55)  # of the file, as the topic shows it
MOST_RSS = 1_000_000_000
PATIENCE_SECONDS = 1_800.0
LOOK_SECONDS = 0.05
ODS = ("7", "5.5", "9.625")


def million_orders(world: World) -> None:
    """14: memory stays bounded, progress is said, and what a killed import had sent comes neither
    twice nor never.
    """
    history, _ = world.organization()
    organization, file = history.organization, world.machine.home.path / "million.csv"
    write(file)
    began, peak, said = time.monotonic(), 0, ""
    for share in (*KILLED_AT, None):
        run = importing(world, file, organization, resume=share != KILLED_AT[0])
        peak = max(peak, watched(run, organization, share))
        if share is not None:
            if run.poll() is not None:
                world.findings.differing.append(
                    "H: the import ended before it was killed: "
                    "the scenario proved less than it says"
                )
            world.machine.kills += 1
            run.send_signal(signal.SIGKILL)
        out, err = run.communicate()
        said += err
    if run.returncode != 0:
        world.findings.lost.append(
            f"H: the import that went on ended with {run.returncode}: {err[-500:]}"
        )
        return
    result = json.loads(out)
    sent_at = time.monotonic()
    all_of_them = orders()
    while some := tuple(islice(all_of_them, 10_000)):
        history.accepted(some)
    wait_until_caught_up(organization, timeout_seconds=PATIENCE_SECONDS)
    world.recoveries.append(time.monotonic() - sent_at)
    seconds = time.monotonic() - began
    oracles.settle(history)
    audited = world.machine.winback("audit", "--organization", organization, "--json")
    differences = json.loads(audited.stdout)["differences"]
    world.findings.differing += [f"R {organization}: audit: {one}" for one in differences]
    world.findings.add(oracles.settled(history))
    if peak > MOST_RSS:
        world.findings.differing.append(f"H: the import grew to {peak:,} bytes")
    if not (lines := said.count(" rows read")):
        world.findings.differing.append("H: the import said nothing of how far it was")
    world.figures["orders of the file"] = f"{MILLION:,}"
    world.figures["as it went on: orders, duplicates, rejected"] = ", ".join(
        f"{result[name]:,}" for name in ("orders", "duplicates", "rejected")
    )
    world.figures["lines of progress"] = str(lines)
    world.figures["peak RSS of the import, MB"] = f"{peak / 1e6:.0f}"
    world.figures["file to persisted with both kills, s"] = f"{seconds:.0f}"
    world.figures["differences by `winback audit`"] = str(len(differences))


def importing(
    world: World, file: Path, organization: str, *, resume: bool
) -> "subprocess.Popen[str]":
    """`winback import`, begun."""
    words = [
        "import",
        "orders",
        str(file),
        "--organization",
        organization,
        "--json",
        *(["--resume"] if resume else []),
    ]
    return subprocess.Popen(
        [*parts.PYTHON, "winback", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | world.machine.env,
        preexec_fn=processes.die_with_parent,
    )


def watched(run: "subprocess.Popen[str]", organization: str, share: float | None) -> int:
    """Until it ends, or the topic has so much of the file. Returns the most memory that it took."""
    partition, peak = partition_of(organization), 0
    while run.poll() is None:
        peak = max(peak, processes.resident_bytes(run.pid))
        if (
            share is not None
            and end_offset(ORDERS.name, partition) > share * MILLION / BLOCK_ORDERS
        ):
            break
        time.sleep(LOOK_SECONDS)
    return peak


def orders() -> Iterator[RawOrder]:
    """The same each time: neighbouring orders are of different accounts, and days go to and fro
    over two years.
    """
    days = [(last_on() - timedelta(days=back)).isoformat() for back in range(730)]
    for number in range(MILLION):
        line = {
            "product": "casing",
            "od": ODS[number % len(ODS)],
            "grade": f"G{number % 7}",
            "revenue": f"{number % 9973}.50",
        }
        yield {
            "order": f"M-{number:07}",
            "account": f"A-{number * 7919 % ACCOUNTS:05}",
            "ordered_on": days[number * 31 % len(days)],
            "revision": 1,
            "lines": [line],
        }


def write(file: Path) -> None:
    """As a CSV file, a row an order."""
    with file.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(
            ("order", "account", "ordered_on", "revision", "product", "od", "grade", "revenue")
        )
        for one in orders():
            (line,) = one["lines"]
            head = (one["order"], one["account"], one["ordered_on"], one["revision"])
            rows.writerow((*head, line["product"], line["od"], line["grade"], line["revenue"]))


SCENARIOS = (
    Scenario(
        name="million-orders",
        number=14,
        does="a million orders from a file, "
        "the import killed twice and gone on with (minutes: only when named)",
        run=million_orders,
        own_machine=True,
        only_when_named=True,
    ),
)
