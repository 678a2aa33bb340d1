"""Getting data in: files."""

import sys
from pathlib import Path

from bench.figure import Measured, Result, Side, Target
from bench.measured_process import Failed, run_to_end
from bench.rig import Rig, make_organization
from bench.workload import Workload
from shared.topics import ORDERS

ORGANIZATION = "bench-import"


def import_(rig: Rig) -> list[Result]:
    """`winback import orders` of one CSV file, against Polars reading it and librdkafka producing
    the same bytes.
    """
    workload = rig.workload(organizations=1)
    file = rig.folder / "orders.csv"
    workload.write_csv(file)
    rows = workload.lines
    rig.say(f"{rows:,} rows, {file.stat().st_size / 1e6:.0f} MB")
    make_organization(ORGANIZATION)
    blocks = rig.folder / "blocks.bin"
    return rig.rounds.compare(
        "import",
        title="Import: file to Kafka",
        unit="lines/s",
        ours=Side(name="winback import", run=lambda: ours(rig, workload, file)),
        references=[
            Side(
                name="Polars + librdkafka",
                run=lambda: bare(rig, workload, file, blocks),
                target=Target(compares="rate", bound=0.4, moonshot=0.8),
            )
        ],
        note="whole processes, from start to end",
    )


def ours(rig: Rig, workload: Workload, file: Path) -> Measured:
    """The command as a user types it; what it must have sent is counted in the topic."""
    rig.broker.make(ORDERS.name, partitions=rig.partitions)
    command = [
        sys.executable,
        "-P",
        "-m",
        "winback",
        "import",
        "orders",
        str(file),
        "--organization",
        ORGANIZATION,
        "--json",
    ]
    measured = run_to_end(command, units=workload.lines, env=rig.env)
    sent = rig.broker.values(ORDERS.name)
    (rig.folder / "blocks.bin").write_bytes(
        b"".join(len(value).to_bytes(4, "little") + value for value in sent)
    )
    orders = sum(value.count(b'"counts_on":') for value in sent)
    if orders != len({(o.order, o.revision) for o in workload.orders}):
        raise Failed(f"{orders} orders were sent, of {len(workload.orders)}")
    return measured


def bare(rig: Rig, workload: Workload, file: Path, blocks: Path) -> Measured:
    """The reference, as a process of its own too."""
    if not blocks.exists():
        ours(rig, workload, file)
    rig.broker.make(ORDERS.name, partitions=rig.partitions)
    command = [
        sys.executable,
        "-P",
        "-m",
        "bench.peers.bare_import",
        str(file),
        str(blocks),
        ORDERS.name,
    ]
    return run_to_end(command, units=workload.lines, env=rig.env)
