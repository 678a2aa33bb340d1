"""The detector's state: larger than its cache, uneven, shared by workers, gone,
or only taken up again.

Every drain is as in `detector.py`, answers checked.
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.answers import Answer
from bench.figure import Found, Measured, Plain, Result, Side, Target, timed
from bench.figures.detector import OURS, expected, gathered, ours
from bench.measured_process import Failed, Watched, together
from bench.rig import Rig
from bench.workload import Workload
from services.detector import restore
from services.detector.checkpoint import CheckpointStore
from shared.settings import settings
from shared.topics import DETECTOR_APP, ORDERS, STATE_CHANGELOG

ORDERS_OF_A_FIGURE, ACCOUNTS_OF_A_FIGURE = 150_000, 20_000
CACHED_SHARE = 20
JOIN_SECONDS, SETTLED_SECONDS = 90.0, 2.0


def cache(rig: Rig) -> list[Result]:
    """The same orders with a cache for a twentieth of the accounts."""
    workload = rig.workload(orders=ORDERS_OF_A_FIGURE, accounts=ACCOUNTS_OF_A_FIGURE)
    wanted = expected(rig, workload)
    rig.fill_orders(workload)
    cached = max(100, workload.shape.accounts // CACHED_SHARE)
    return rig.rounds.compare(
        "cache",
        title="State larger than the cache, drain",
        unit="orders/s",
        ours=Side(
            name=f"a cache of 1 in {CACHED_SHARE} accounts",
            run=partial(ours, rig, workload, wanted, WINBACK_DETECTOR_CACHE_ACCOUNTS=str(cached)),
        ),
        references=[
            Side(
                name="all in the cache",
                run=partial(ours, rig, workload, wanted),
                target=Target(compares="rate", bound=0.3, moonshot=0.6),
            )
        ],
        note=f"{workload.shape.accounts:,} accounts, a cache of {cached:,}",
    )


def skew(rig: Rig) -> list[Result]:
    """One account in a hundred has 30 % of the orders."""
    even = rig.workload(orders=ORDERS_OF_A_FIGURE, accounts=ACCOUNTS_OF_A_FIGURE)
    uneven = rig.workload(orders=ORDERS_OF_A_FIGURE, accounts=ACCOUNTS_OF_A_FIGURE, hot=(0.01, 0.3))
    wanted = {id(workload): expected(rig, workload) for workload in (even, uneven)}

    def run(workload: Workload) -> Measured:
        rig.fill_orders(workload)
        return ours(rig, workload, wanted[id(workload)])

    return rig.rounds.compare(
        "skew",
        title="Skew, drain",
        unit="orders/s",
        ours=Side(name="1 % of the accounts, 30 % of the orders", run=lambda: run(uneven)),
        references=[
            Side(
                name="even load",
                run=lambda: run(even),
                target=Target(compares="rate", bound=0.8, moonshot=1),
            )
        ],
    )


def workers(rig: Rig) -> list[Result]:
    """As many partitions as detectors, one to four, and four partitions of one detector; all have
    joined before an order comes.
    """
    kept_workloads: dict[int, tuple[Workload, set[Answer]]] = {}

    def run(count: int, partitions: int) -> Measured:
        with rig.of_partitions(partitions):
            if partitions not in kept_workloads:
                workload = rig.workload()
                kept_workloads[partitions] = workload, expected(rig, workload)
            return shared_by(rig, *kept_workloads[partitions], count)

    def side(count: int, partitions: int, target: Target | None = None) -> Side:
        name = f"{count} worker{'s' * (count > 1)}, {partitions} partition{'s' * (partitions > 1)}"
        return Side(name=name, run=partial(run, count, partitions), target=target)

    two, one, four, apart = side(2, 2), side(1, 1), side(4, 4), side(1, 4)
    kept = rig.rounds.run([two, one, four, apart])
    profile = rig.rounds.profiled(two)
    found = []
    for many, bound, moonshot, cores in (
        (two, 1.6, 1.9, 3),
        (four, 1.6, 1.9, 5),
        (apart, 0.9, None, 2),
    ):
        target = Target(compares="rate", bound=bound, moonshot=moonshot)
        result = rig.rounds.result(
            "workers", title=f"Drain by {many.name}", unit="orders/s", ours=many,
            reference=replace(one, target=target), kept=kept,
            note="8 organizations",
        )  # fmt: skip
        found.append(replace(result, needs_cores=cores, profile=profile if many is two else None))
    return found


def shared_by(rig: Rig, workload: Workload, wanted: set[Answer], count: int) -> Measured:
    """A drain by so many detectors, from the first block sent to the last one's group committed."""
    rig.forget_detector()
    with ExitStack() as opened:
        detectors = [opened.enter_context(rig.detector(number=number)) for number in range(count)]
        settled(rig, detectors)
        for detector in detectors:
            detector.mark()
        began = time.monotonic()
        rig.fill_orders(workload, anew=False)
        ends = rig.broker.ends(ORDERS.name)
        found = gathered(rig, len(workload.organizations), alive=detectors[0])
        rig.broker.wait_committed(DETECTOR_APP, ORDERS.name, ends)
        seconds = time.monotonic() - began
        measured = together([one.measured(1) for one in detectors], len(workload.orders), seconds)
        found.must_be(wanted, f"{count} workers")
        return measured


def settled(rig: Rig, detectors: Sequence[Watched]) -> None:
    """Until all have joined and the partitions have stayed where they are for a while: each one
    that joins moves them.
    """
    moves = r'"partition owned"|closing db|rebalanc'
    until = time.monotonic() + JOIN_SECONDS
    while True:
        joined = rig.broker.members(DETECTOR_APP) == len(detectors)
        if joined and all(one.quiet_seconds(moves) > SETTLED_SECONDS for one in detectors):
            return
        if time.monotonic() > until:
            raise Failed(f"{len(detectors)} workers did not join\n{detectors[0].said()}")
        time.sleep(0.1)


def restored(rig: Rig) -> list[Found]:
    """A wiped state read back from its changelog; how large that is; how soon a detector consumes
    that has nothing to restore.
    """
    workload = rig.workload(orders=ORDERS_OF_A_FIGURE, accounts=ACCOUNTS_OF_A_FIGURE)
    wanted = expected(rig, workload)
    rig.fill_orders(workload)
    ours(rig, workload, wanted)
    keys: set[bytes] = set()
    size = 0
    for key, value in rig.broker.records(STATE_CHANGELOG):
        assert key is not None
        keys.add(key)
        size += len(key) + len(value)
    json_bytes = sum(len(block) for some in workload.blocks for block in some) / len(
        workload.orders
    )
    logs = [
        rig.home.path / "kafka" / "data" / f"{ORDERS.name}-{number}"
        for number in range(rig.partitions)
    ]
    found: list[Found] = [
        Plain(
            figure="restore",
            title="Changelog, bytes an order",
            value=size / len(workload.orders),
            bound=json_bytes,
            unit="bytes",
            note="keys and values of one drain before compaction; "
            f"at most the order's own JSON, {json_bytes:.0f} bytes",
        ),
        Plain(
            figure="restore",
            title="Detector's disk, bytes an order",
            value=held_bytes([rig.folder / "detector"]) / len(workload.orders),
            bound=json_bytes,
            unit="bytes",
            note="RocksDB's files and its own log after one drain, compressed as it left them",
        ),
        Plain(
            figure="restore",
            title="Kafka's disk, bytes an order",
            value=held_bytes(logs, ".log") / len(workload.orders),
            bound=json_bytes,
            unit="bytes",
            note="the topic of orders, one replica, blocks packed with lz4",
        ),
    ]
    found += rig.rounds.compare(
        "restore",
        title="Restore of a wiped state",
        unit="records/s",
        ours=Side(name="restore into RocksDB", run=lambda: wiped(rig, keys)),
        references=[
            Side(
                name="a bare consumer of the changelog",
                run=lambda: timed(
                    lambda: sum(1 for _ in rig.broker.records(STATE_CHANGELOG, most=20_000))
                ),
                target=Target(compares="rate", bound=0.5, moonshot=0.8),
            )
        ],
        note=f"{len(keys):,} keys",
    )
    found += rig.rounds.compare(
        "restore",
        title="Start to consuming, nothing to restore",
        unit="s",
        ours=Side(name=OURS, run=lambda: started(rig)),
        references=[
            Side(
                name="group join of a bare consumer",
                run=lambda: joined(rig),
                target=Target(compares="time", bound=2, moonshot=1.2),
            )
        ],
        note="whole processes, from their start, Python's imports included",
    )
    return found


def held_bytes(folders: Sequence[Path], suffix: str = "") -> int:
    """Of the files below."""
    files = [file for folder in folders for file in folder.rglob(f"*{suffix}")]
    return sum(file.stat().st_size for file in files if file.is_file())


def wiped(rig: Rig, keys: set[bytes]) -> Measured:
    """Every partition by the detector's own restore, one after the other, into empty databases."""
    folder = Path(tempfile.mkdtemp(dir=rig.folder))
    databases = [restore.opened(folder / str(number)) for number in range(rig.partitions)]

    def work() -> float:
        return sum(
            restore.catch_up(
                database,
                topic=STATE_CHANGELOG,
                partition=number,
                servers=settings().kafka,
                offset_key=CheckpointStore.offset_key,
            )
            for number, database in enumerate(databases)
        )

    measured = timed(work)
    held = sum(
        1
        for database in databases
        for key, _ in database.items()
        if key != CheckpointStore.offset_key
    )
    if held < len(keys):
        raise Failed(f"{held} keys were restored, of {len(keys)}")
    for database in databases:
        database.close()
    shutil.rmtree(folder)
    return measured


def started(rig: Rig) -> Measured:
    """A detector that finds its state on its disk."""
    with rig.detector() as detector:
        lines = detector.wait_for('"partition owned"', count=rig.partitions)
        measured = detector.measured(1)
        if not all('"restored": 0' in line or '"restored":0' in line for line in lines):
            raise Failed(f"there was something to restore\n{lines}")
        return measured


def joined(rig: Rig) -> Measured:
    """The least that a member of a group can do."""
    with rig.peer("bare_group", f"bench-{time.monotonic_ns()}", ORDERS.name) as peer:
        peer.wait_for("ready$")
        seconds = time.monotonic() - peer.started_at
        return Measured(
            units=1, seconds=seconds, cpu_seconds=peer.cpu_seconds(), peak_bytes=peer.peak_bytes()
        )
