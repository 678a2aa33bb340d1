"""A record that ends a process again and again is put aside, its partition goes on for everybody
else, and its replay after the mend brings back all that was lacking.

The fault is put into the running processes from outside (a module that Python imports at their
start): SIGKILL in the middle of a record, until a file says that it is mended.
"""

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared import clock, db, kafka
from tests.eventually import eventually
from tests.stack_fixtures import Stack, pointed_to, start_stack, stop_stack

pytestmark = pytest.mark.system

FAULT = """
import os, pathlib, sys

def fatal(name, orders):
    mended = pathlib.Path(__file__).with_name("mended").exists()
    if not mended and any(one.order.startswith(f"FATAL-{name}") for one in orders):
        os.kill(os.getpid(), 9)

if sys.orig_argv[-2:] == ["serve", "detector"]:
    from services.detector.partition import Partition
    apply = Partition.apply
    def dying(self, event, **where):
        fatal("detector", getattr(event, "orders", ()))
        return apply(self, event, **where)
    Partition.apply = dying
if sys.orig_argv[-2:] == ["serve", "signals"]:
    from services.signals.persist import handlers
    handle = handlers.handle_orders
    def dying(connection, records):
        for record in records:
            fatal("signals", getattr(record.event, "orders", ()))
        return handle(connection, records)
    handlers.handle_orders = dying
"""

ORDERS = 6
CSV = "order,account,ordered_on,revenue\n{}\n"


@pytest.fixture(scope="module")
def fault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fault")
    (folder / "sitecustomize.py").write_text(FAULT)
    return folder


@pytest.fixture(scope="module")
def faulty(fault: Path) -> Iterator[Stack]:
    started = start_stack(env={"PYTHONPATH": str(fault)})
    try:
        with pointed_to(started):
            yield started
    finally:
        stop_stack(started.home, started.supervisor)


def organization(stack: Stack, *, beside: str | None = None) -> str:
    """A new one; in the same partition as `beside`."""
    while True:
        name = f"q-{secrets.token_hex(4)}"
        if beside is None or kafka.partition_of(name) == kafka.partition_of(beside):
            stack.winback(
                "organization",
                "create",
                name,
                "--name",
                name,
                "--currency",
                "USD",
                "--timezone",
                "UTC",
                "--no-schedules",
            )
            return name


def bring(stack: Stack, name: str, folder: Path, prefix: str, account: str) -> None:
    """Monthly orders of one account in one record, the last 200 days ago: it is dormant."""
    last = clock.now().date() - timedelta(days=200)
    rows = [
        f"{prefix}-{number},{account},{last - timedelta(days=30 * number)},25000.00"
        for number in range(ORDERS)
    ]
    file = folder / f"{prefix}.csv"
    file.write_text(CSV.format("\n".join(rows)))
    stack.winback("import", "orders", str(file), "--organization", name)


def run_and_audit(stack: Stack, name: str) -> list[dict[str, object]]:
    """Differences between the detector and the second opinion, after a run."""
    stack.winback("wait", "--organization", name)
    stack.winback("run", "--organization", name, "--wait")
    done = stack.winback("audit", "--organization", name, "--json", check=False)
    differences: list[dict[str, object]] = json.loads(done.stdout)["differences"]
    return differences


def count(table: str, name: str) -> int:
    with db.connect() as connection:
        row = connection.execute(
            f"SELECT count(*) FROM {table} WHERE organization = %s".encode(), (name,)
        ).fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize("process", ["detector", "signals"])
def test_a_record_that_ends_a_process_is_put_aside_and_comes_back_with_its_replay(
    faulty: Stack, fault: Path, tmp_path: Path, process: str
) -> None:
    mended = fault / "mended"
    mended.unlink(missing_ok=True)
    ours = organization(faulty)
    neighbour = organization(faulty, beside=ours)
    bring(faulty, ours, tmp_path, "GOOD", "A-1")
    faulty.winback("wait", "--organization", ours)
    before = faulty.service(process)["restarts"]

    bring(faulty, ours, tmp_path, f"FATAL-{process}", "A-2")
    bring(faulty, neighbour, tmp_path, "THEIRS", "B-1")

    # the partition goes on, for the neighbour and for ours
    assert run_and_audit(faulty, neighbour) == []
    assert count("signals", neighbour) == 1
    assert faulty.service(process)["restarts"] - before == 3
    listed = json.loads(faulty.winback("dead-letters", "list", "--json").stdout)
    letters = [one for one in listed if one["consumer"] == process and one["ends"] == 3]
    assert len(letters) == 1
    assert letters[0]["topic"] == "orders"
    assert "ended this process 3 times" in letters[0]["reason"]
    if process == "detector":
        assert run_and_audit(faulty, ours) != []  # it lacks A-2
    else:
        assert count("orders", ours) == ORDERS

    # after the mend
    mended.touch()
    faulty.winback("dead-letters", "replay", letters[0]["id"])
    eventually(
        lambda: count("orders", ours) == 2 * ORDERS and run_and_audit(faulty, ours) == [],
        what="equality after the replay",
    )
    assert count("signals", ours) == 2
    assert run_and_audit(faulty, neighbour) == []
    assert faulty.service(process)["restarts"] - before == 3
