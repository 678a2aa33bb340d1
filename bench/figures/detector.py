"""Draining the log: fold everything into durable state, then one run of the three rules
over every organization.

The time of a round is from the first partition owned until every run is answered and the group has
committed the end of the log: what it did is durable then. Every round begins with nothing: no
state, no changelog, no offsets.
"""

import shutil
import sys
import time
from collections.abc import Callable
from functools import partial

from bench import answers
from bench.answers import Answer, Gathered
from bench.figure import Measured, Result, Side, Target
from bench.measured_process import Failed, Watched
from bench.peers import streams as kafka_streams
from bench.rig import ROOT, Rig, encode, record_of
from bench.workload import ALL_TYPES, LAST_DAY, Workload
from shared.topics import DETECTOR_APP, ORDERS, SIGNALS

LONGEST_SECONDS = 500.0
OURS = "winback detector"
NAIVE_ORDERS, NAIVE_ACCOUNTS = 8_000, 533  # as many orders an account as in the full workload
SINGLE = "bench-single"


def expected(rig: Rig, workload: Workload) -> set[Answer]:
    """What every side must answer."""
    file = rig.folder / "expected.parquet"
    answers.write_lines(workload, file)
    found = answers.evaluated(file, ALL_TYPES, LAST_DAY)
    if not found:
        raise Failed("the workload raises no signal: nothing would be checked")
    rig.say(
        f"{len(workload.orders):,} orders, {workload.lines:,} lines; "
        f"{len(found):,} signals expected"
    )
    return found


def gathered(rig: Rig, runs: int, *, alive: Watched, topic: str = SIGNALS.name) -> Gathered:
    """What is in the topic of signals once every run is answered."""
    found, follower = Gathered(), rig.broker.follow(topic)
    until = time.monotonic() + LONGEST_SECONDS
    try:
        while found.completed < runs:
            found.take(follower.values())
            if alive.process.poll() is not None or time.monotonic() > until:
                raise Failed(
                    f"{alive.name}: {found.completed} of {runs} runs answered\n{alive.said()}"
                )
        return found
    finally:
        follower.close()


def ours(
    rig: Rig, workload: Workload, wanted: set[Answer], *, units: int | None = None, **env: str
) -> Measured:
    """One drain of what stands in the log by the real detector process."""
    rig.forget_detector()
    ends = rig.broker.ends(ORDERS.name)
    with rig.detector(env=env) as detector:
        detector.wait_for('"partition owned"', seconds=180)
        detector.mark()
        found = gathered(rig, len(workload.organizations), alive=detector)
        rig.broker.wait_committed(DETECTOR_APP, ORDERS.name, ends)
        measured = detector.measured(units or len(workload.orders))
        found.must_be(wanted, f"{OURS}\n{detector.said()}\n")
        return measured


def peer(
    rig: Rig, workload: Workload, wanted: set[Answer], start: Callable[[str], Watched], *,
    name: str, source: str = ORDERS.name, ends_at_close: bool = False,
) -> Measured:  # fmt: skip
    """One drain by a peer. `ends_at_close`: what it did is durable only once it has closed, so
    closing counts.
    """
    group = f"bench-{time.monotonic_ns()}"
    rig.broker.make(SIGNALS.name, partitions=rig.partitions)
    ends = rig.broker.ends(source)
    shutil.rmtree(rig.folder / "peer", ignore_errors=True)
    try:
        with start(group) as process:
            process.wait_for(r"ready$", seconds=180)
            process.mark()
            found = gathered(rig, len(workload.organizations), alive=process)
            if ends_at_close:
                before = process.measured(len(workload.orders))
                process.end()
                closed = time.monotonic() - process.marked_at
                rig.broker.wait_committed(group, source, ends, seconds=30)
                measured = Measured(
                    units=before.units,
                    seconds=closed,
                    cpu_seconds=before.cpu_seconds,
                    peak_bytes=before.peak_bytes,
                )
            else:
                rig.broker.wait_committed(group, source, ends)
                measured = process.measured(len(workload.orders))
            found.must_be(wanted, name)
            return measured
    finally:
        rig.broker.drop(rig.broker.names(group))


def drain(rig: Rig) -> list[Result]:
    """The same rules and state in a plain loop: what Faust, fences and checkpoints cost."""
    workload = rig.workload()
    wanted = expected(rig, workload)
    rig.fill_orders(workload)
    state = rig.folder / "peer"
    name = "confluent-kafka loop"
    return rig.rounds.compare(
        "drain",
        title="Detector drain, then one run",
        unit="orders/s",
        ours=Side(name=OURS, run=partial(ours, rig, workload, wanted)),
        references=[
            Side(
                name=name,
                run=lambda: peer(
                    rig,
                    workload,
                    wanted,
                    lambda group: rig.peer("loop", group, str(state)),
                    name=name,
                ),
                target=Target(compares="rate", bound=0.9, moonshot=1.5),
            )
        ],
    )


def streams(rig: Rig) -> list[Result]:
    """Kafka Streams, two stores, blocks as its input too; with its default cache and with 512 MB,
    the close counted in both.
    """
    workload = rig.workload()
    wanted = expected(rig, workload)
    rig.fill_orders(workload)
    command = kafka_streams.command()
    state = rig.folder / "peer"

    def side(name: str, cache_mb: int, target: Target) -> Side:
        def start(group: str) -> Watched:
            return Watched(*command, group, str(state), str(cache_mb), env=rig.env)

        return Side(
            name=name,
            run=lambda: peer(rig, workload, wanted, start, name=name, ends_at_close=True),
            target=target,
        )

    return rig.rounds.compare(
        "streams",
        title="Detector drain, then one run",
        unit="orders/s",
        ours=Side(name=OURS, run=partial(ours, rig, workload, wanted)),
        references=[
            side(
                "Kafka Streams, 2 stores, 512 MB cache",
                512,
                Target(compares="rate", bound=2, moonshot=4),
            ),
            side(
                "Kafka Streams, 2 stores, default cache",
                10,
                Target(compares="rate", bound=2, moonshot=4),
            ),
        ],
        profiled=False,  # `drain` does
    )


def naive(rig: Rig) -> list[Result]:
    """One record an order, stock tables, as Faust's documentation shows it; fewer orders, as it
    takes so long.
    """
    workload = rig.workload()
    wanted = expected(rig, workload)
    rig.fill_orders(workload)
    few = rig.workload(orders=NAIVE_ORDERS, accounts=NAIVE_ACCOUNTS)
    return rig.rounds.compare(
        "naive",
        title="Detector drain, then one run",
        unit="orders/s",
        ours=Side(name=OURS, run=partial(ours, rig, workload, wanted)),
        references=[naive_side(rig, few)],
        note=f"naive Faust drains {len(few.orders):,} orders of {few.shape.accounts:,} accounts, "
        "as many orders an account",
        profiled=False,  # `drain` does
    )


def naive_side(rig: Rig, few: Workload) -> Side:
    """The peer, with a topic of its own."""
    wanted = expected(rig, few)
    rig.broker.make(SINGLE, partitions=rig.partitions)
    rig.broker.fill(SINGLE, singles(few))
    name, state = "naive Faust", rig.folder / "peer"

    def start(group: str) -> Watched:
        return Watched(
            sys.executable,
            "-P",
            "-m",
            "bench.peers.naive",
            group,
            str(state),
            SINGLE,
            str(rig.partitions),
            env=rig.env,
            cwd=ROOT,
        )

    return Side(
        name=name,
        run=lambda: peer(rig, few, wanted, start, name=name, source=SINGLE),
        target=Target(compares="rate", bound=100, moonshot=200),
    )


def singles(workload: Workload) -> list[list[tuple[bytes | None, bytes]]]:
    """One record an order, then the runs."""
    from shared.kafka import partition_of

    found: list[list[tuple[bytes | None, bytes]]] = [[] for _ in range(workload.shape.partitions)]
    for order in workload.orders:
        found[partition_of(order.organization)].append((order.account.encode(), encode(order)))
    for run in workload.runs():
        found[partition_of(run.organization)].append(record_of(run))
    return found
