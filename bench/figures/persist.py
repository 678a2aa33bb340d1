"""Behind the detector: the sink to PostgreSQL, what it takes there, and a file on its whole way.

The organizations exist, their tables are empty at the start of each round; PostgreSQL does not wait
for the disk on either side.
"""

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack

import psycopg

from bench.figure import Found, Measured, Plain, Result, Side, Target, timed
from bench.measured_process import Failed, Watched, run_to_end
from bench.rig import Rig, free_port, make_organization, record_of
from bench.workload import ACCEPTED_AT, LAST_DAY, Workload
from services.signals.store.positions import CONSUMER
from shared.events import Order
from shared.partitions import partition_of
from shared.settings import settings
from shared.topics import DETECTOR_APP, ORDERS, SIGNALS

SINK_ORDERS, SINK_ACCOUNTS = 60_000, 4_000
LONGEST_SECONDS = 300.0
OURS = "winback serve signals"

EMPTY = """
TRUNCATE orders, accounts, account_words, signals, episodes, runs, imports, feeds CASCADE
"""
BARE_TABLE = """
CREATE TABLE IF NOT EXISTS bench_bare (
    organization text, order_id text, account text, ordered_on date, counts_on date, revision int8,
    content bytea, cancelled bool, products text[], ods text[], grades text[], quantities text[],
    revenues_cents int8[], accepted_at timestamptz, source_offset int8
)
"""
COPY_TYPES = (
    "text", "text", "text", "date", "date", "int8", "bytea", "bool", "text[]", "text[]", "text[]",
    "text[]", "int8[]", "timestamptz", "int8",
)  # fmt: skip


def owner() -> psycopg.Connection:
    """The database as its owner."""
    return psycopg.connect(settings().database_url, autocommit=True)


def emptied() -> None:
    """No order, no signal, no position."""
    with owner() as connection:
        connection.execute(EMPTY)
        connection.execute("DELETE FROM positions")


def persisted(topic: str, ends: Mapping[int, int], alive: Watched) -> None:
    """Until the read model has everything up to `ends`."""
    until = time.monotonic() + LONGEST_SECONDS
    with owner() as connection:
        while True:
            rows = connection.execute(
                "SELECT partition, next_offset FROM positions WHERE consumer = %s AND topic = %s",
                (CONSUMER, topic),
            ).fetchall()
            found: dict[int, int] = dict(rows)
            if all(found.get(partition, 0) >= end for partition, end in ends.items()):
                return
            if alive.process.poll() is not None or time.monotonic() > until:
                raise Failed(f"{topic} was not persisted: {found} of {dict(ends)}\n{alive.said()}")
            time.sleep(0.01)


def signals(rig: Rig) -> Watched:
    """The consumer process."""
    return rig.winback("serve", "signals", env={"WINBACK_SIGNALS_PORT": str(free_port())})


def sunk(rig: Rig, workload: Workload) -> Measured:
    """Everything in `orders` into the read model, from the first partition assigned."""
    emptied()
    ends = rig.broker.ends(ORDERS.name)
    with signals(rig) as process:
        process.wait_for("partitions assigned")
        process.mark()
        persisted(ORDERS.name, ends, process)
        measured = process.measured(len(workload.orders))
    count_orders(workload)
    return measured


def count_orders(workload: Workload) -> None:
    """Raises Failed where the read model holds something else than the versions that count."""
    with owner() as connection:
        row = connection.execute(
            "SELECT count(*), sum(net_cents) FILTER (WHERE NOT cancelled) FROM orders"
        ).fetchone()
    assert row is not None
    counting = workload.counting
    cents = sum(
        line.revenue_cents for order in counting if not order.cancelled for line in order.lines
    )
    if (row[0], int(row[1] or 0)) != (len(counting), cents):
        raise Failed(
            f"the read model holds {row[0]} orders of {row[1]} cents, "
            f"not {len(counting)} of {cents}"
        )


def copied(orders: list[Order]) -> Measured:
    """The reference: the same rows, made before, by one binary COPY into a table without index."""
    rows = [row_of(order) for order in orders]
    with owner() as connection:
        connection.execute(BARE_TABLE)
        connection.execute("TRUNCATE bench_bare")

        def work() -> float:
            with (
                connection.cursor() as cursor,
                cursor.copy("COPY bench_bare FROM STDIN (FORMAT binary)") as copy,
            ):
                copy.set_types(COPY_TYPES)
                for row in rows:
                    copy.write_row(row)
            return len(rows)

        return timed(work)


def row_of(order: Order) -> tuple[object, ...]:
    """As the read model keeps it."""
    lines = order.lines
    return (
        order.organization, order.order, order.account, order.ordered_on, order.counts_on,
        order.revision, bytes.fromhex(order.content), order.cancelled,
        [line.product for line in lines], [line.od for line in lines],
        [line.grade for line in lines], [line.quantity for line in lines],
        [line.revenue_cents for line in lines], ACCEPTED_AT, 1,
    )  # fmt: skip


def sink(rig: Rig) -> list[Found]:
    """`orders` to PostgreSQL against a bare COPY; then what an order and a signal take there."""
    workload = rig.workload(orders=SINK_ORDERS, accounts=SINK_ACCOUNTS)
    for name in workload.organizations:
        make_organization(name)
    rig.fill_orders(workload, runs=False)
    found: list[Found] = [
        *rig.rounds.compare(
            "sink",
            title="Sink: orders to PostgreSQL",
            unit="rows/s",
            ours=Side(name=OURS, run=lambda: sunk(rig, workload)),
            references=[
                Side(
                    name="binary COPY into a bare table",
                    run=lambda: copied(workload.orders),
                    target=Target(compares="rate", bound=0.2, moonshot=0.5),
                )
            ],
            note=f"{len(workload.orders):,} orders; ours reads Kafka, decides which version "
            "counts, keeps indexes and accounts; CPU and memory of the client alone",
        )
    ]
    with owner() as connection:
        connection.execute("VACUUM FULL orders")
        row = connection.execute(
            "SELECT pg_total_relation_size('orders'), count(*) FROM orders"
        ).fetchone()
    assert row is not None
    each = row[0] / max(1, row[1])
    json_bytes = sum(len(block) for some in workload.blocks for block in some) / len(
        workload.orders
    )
    found.append(
        Plain(
            figure="sink",
            title="PostgreSQL, bytes an order",
            value=each / json_bytes,
            bound=3,
            unit="× its JSON",
            note=f"{each:.0f} bytes with all indexes, its JSON {json_bytes:.0f}",
        )
    )
    return found


def backfill(rig: Rig) -> list[Result]:
    """A file imported, detected and persisted, by all processes at once, against the slowest stage
    alone, which is the sink.
    """
    workload = rig.workload(orders=SINK_ORDERS, accounts=SINK_ACCOUNTS, organizations=1)
    name = workload.organizations[0]
    make_organization(name)
    file = rig.folder / "backfill.csv"
    workload.write_csv(file, once=True)

    def whole() -> Measured:
        rig.broker.make(ORDERS.name, partitions=rig.partitions)
        rig.forget_detector()
        emptied()
        with ExitStack() as opened:
            detector, process = (
                opened.enter_context(rig.detector()),
                opened.enter_context(signals(rig)),
            )
            detector.wait_for('"partition owned"', count=rig.partitions)
            process.wait_for("partitions assigned")
            detector.mark()
            process.mark()
            command = [
                sys.executable,
                "-P",
                "-m",
                "winback",
                "import",
                "orders",
                str(file),
                "--organization",
                name,
                "--json",
            ]
            imported = run_to_end(command, units=1, env=rig.env)
            (run,) = workload.runs()
            records = [
                [record_of(run)] if number == partition_of(name, rig.partitions) else []
                for number in range(rig.partitions)
            ]
            rig.broker.fill(ORDERS.name, records)
            ends = rig.broker.ends(ORDERS.name)
            rig.broker.wait_committed(DETECTOR_APP, ORDERS.name, ends)
            persisted(ORDERS.name, ends, process)
            persisted(SIGNALS.name, rig.broker.ends(SIGNALS.name), process)
            seconds = time.monotonic() - process.marked_at
            cpu = (
                imported.cpu_seconds
                + detector.measured(1).cpu_seconds
                + process.measured(1).cpu_seconds
            )
            peak = imported.peak_bytes + detector.peak_bytes() + process.peak_bytes()
        count_orders(workload)
        return Measured(
            units=len(workload.orders), seconds=seconds, cpu_seconds=cpu, peak_bytes=peak
        )

    def alone() -> Measured:
        rig.fill_orders(workload, runs=False)
        return sunk(rig, workload)

    return rig.rounds.compare(
        "backfill",
        title="File to detected and persisted",
        unit="orders/s",
        ours=Side(name="import, detector and signals at once", run=whole),
        references=[
            Side(
                name="the slowest stage alone: the sink",
                run=alone,
                target=Target(compares="rate", bound=0.6, moonshot=0.9),
            )
        ],
        note=f"{len(workload.orders):,} orders of one organization and a run on {LAST_DAY}; "
        "the import's start counts",
    )
