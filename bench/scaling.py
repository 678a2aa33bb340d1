"""docs/scaling.md: what a hundred million orders a day would take, worked out from the
figures of docs/performance.md.

Each number of the page is assumed, measured, or computed; a computed one stands with its
arithmetic, so that it can be done again. Written whenever the report is; a figure that was not
measured yet is said to be missing, and so is what would follow from it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.workload import Shape

Rows = Mapping[str, Sequence[Mapping[str, Any]]]

ORDERS_A_DAY = 100_000_000
PEAK = 10
BUSY = 0.5
PRIMARY_BYTES = 2e12
PARTITIONS, WORKERS = 64, 8
REPLICAS = 3
DAY, YEAR = 86_400, 365
ONE_MILLION = 1_000_000

ASSUMED = f"""\
| assumed | |
|---|---|
| orders a day | {ORDERS_A_DAY:,} |
| peak over the day's mean | × {PEAK} |
| how busy a core may be | {BUSY:.0%} |
| `orders` is kept for ever, by | {REPLICAS} replicas |
| partitions, shared out evenly by organizations; workers | {PARTITIONS}; {WORKERS} |
| what one PostgreSQL primary keeps | {PRIMARY_BYTES / 1e12:.0f} TB |
"""


@dataclass
class Page:
    """The rows of its two tables as they come about; None is a number that
    nothing was measured for.
    """

    measured: list[str] = field(default_factory=list)
    computed: list[str] = field(default_factory=list)

    def take(self, what: str, value: float | None, unit: str, where: str) -> float | None:
        """One that was measured."""
        self.measured.append(
            f"| {what} | {_said(value)} {unit} | {where} |"
            if value is not None
            else f"| {what} | – | {where} |"
        )
        return value

    def work_out(self, what: str, arithmetic: str, value: float | None, unit: str) -> float | None:
        """One that follows; `arithmetic` with its numbers."""
        said = f"{_said(value)} {unit}" if value is not None else "– (a figure is missing)"
        self.computed.append(f"| {what} | {arithmetic} | **{said}** |")
        return value


def page(rows: Rows) -> str:
    """The whole page from the kept figures."""
    it = Page()
    changelog = _row(rows, "restore", "Changelog, bytes an order")
    json_bytes = it.take(
        "an order's JSON, three lines",
        _get(changelog, "bound"),
        "bytes",
        "Changelog, bytes an order: its bound",
    )
    log = it.take(
        "an order in Kafka, lz4",
        _value(rows, "restore", "Kafka's disk, bytes an order"),
        "bytes",
        "Kafka's disk",
    )
    change = it.take(
        "changelog", _get(changelog, "value"), "bytes an order", "Changelog, bytes an order"
    )
    disk = it.take(
        "the detector's disk",
        _value(rows, "restore", "Detector's disk, bytes an order"),
        "bytes an order",
        "Detector's disk",
    )
    share = _value(rows, "sink", "PostgreSQL, bytes an order")
    table = it.take(
        "PostgreSQL",
        _times(share, json_bytes),
        "bytes an order",
        "PostgreSQL, bytes an order × the JSON",
    )
    drain = _row(rows, "drain", "Detector drain, then one run")
    fold = it.take(
        "detector, CPU, run included",
        _cpu(drain, Shape().orders, 1e6),
        "µs an order",
        "Detector drain: CPU ÷ its orders",
    )
    rate = it.take("detector, one process", _get(drain, "ours_value"), "orders/s", "Detector drain")
    restore = _row(rows, "restore", "Restore of a wiped state")
    reads = it.take("restore", _get(restore, "ours_value"), "records/s", "Restore of a wiped state")
    keys = it.take(
        "changelog records",
        _per_order(restore),
        "an order",
        "Restore of a wiped state: its records ÷ its orders; before compaction",
    )
    http = _row(rows, "http", "HTTP ingest, batches of 100")
    door = it.take(
        "ingest, one process, batches of 100",
        _get(http, "ours_value"),
        "orders/s",
        "HTTP ingest, batches of 100",
    )
    sink = _row(rows, "sink", "Sink: orders to PostgreSQL")
    sunk = it.take(
        "sink, one process", _get(sink, "ours_value"), "orders/s", "Sink: orders to PostgreSQL"
    )

    mean = ORDERS_A_DAY / DAY
    peak = mean * PEAK
    it.work_out("orders a second, mean", f"{ORDERS_A_DAY:,} ÷ {DAY:,} s", mean, "/s")
    it.work_out("orders a second, peak", f"{mean:,.0f} × {PEAK}", peak, "/s")
    _bytes(it, "JSON received a day", json_bytes, ORDERS_A_DAY)
    _bytes(it, "Kafka, each replica, a day", log, ORDERS_A_DAY)
    _bytes(it, "Kafka, each replica, a year", log, ORDERS_A_DAY * YEAR)
    _bytes(it, "changelog written a day, before compaction", change, ORDERS_A_DAY)
    state = _bytes(it, "the detectors' disks, all workers, a year", disk, ORDERS_A_DAY * YEAR)
    _bytes(it, "PostgreSQL a day", table, ORDERS_A_DAY)
    _bytes(it, "PostgreSQL a year", table, ORDERS_A_DAY * YEAR)
    it.work_out(
        "cores that fold at the peak",
        f"{peak:,.0f}/s × {_said(fold)} µs ÷ {BUSY:g}",
        _times(fold, peak / 1e6 / BUSY),
        "cores",
    )
    it.work_out(
        "one partition's drain over the peak of all",
        f"{_said(rate)} ÷ {peak:,.0f}",
        None if rate is None else rate / peak,
        "×",
    )
    it.work_out(
        "ingest processes at the peak",
        f"{peak:,.0f} ÷ {_said(door)} ÷ {BUSY:g}, rounded up",
        _ceil(door, peak / BUSY),
        "processes",
    )
    it.work_out(
        "signals processes at the peak",
        f"{peak:,.0f} ÷ {_said(sunk)} ÷ {BUSY:g}, rounded up",
        _ceil(sunk, peak / BUSY),
        "processes",
    )
    it.work_out(
        "disk of a partition after a year",
        f"{_said(_times(state, 1e-9))} GB ÷ {PARTITIONS}",
        _times(state, 1e-9 / PARTITIONS),
        "GB",
    )
    records = _times(keys, ORDERS_A_DAY * YEAR / PARTITIONS)
    it.work_out(
        "restore of a wiped partition after a year, at most",
        f"{ORDERS_A_DAY:,} × {YEAR} ÷ {PARTITIONS} × "
        f"{_said(keys)} records ÷ {_said(reads)}/s ÷ 3,600",
        None if records is None or not reads else records / reads / 3600,
        "hours",
    )
    room = None if not table else PRIMARY_BYTES / table
    it.work_out(
        "orders that one primary keeps",
        f"{PRIMARY_BYTES / 1e12:.0f} TB ÷ {_said(table)} bytes",
        room,
        "orders",
    )
    it.work_out(
        "that is, of a hundred million a day",
        f"{_said(room)} ÷ {ORDERS_A_DAY:,}",
        _times(room, 1 / ORDERS_A_DAY),
        "days",
    )
    it.work_out(
        "that is, of one million a day",
        f"{_said(room)} ÷ {ONE_MILLION:,} ÷ {YEAR}",
        _times(room, 1 / ONE_MILLION / YEAR),
        "years",
    )
    return (
        "\n".join([HEAD, ASSUMED, MEASURED, *it.measured, "", COMPUTED, *it.computed, "", SO])
        + "\n"
    )


def _row(rows: Rows, figure: str, title: str) -> Mapping[str, Any] | None:
    return next((one for one in rows.get(figure, []) if one["title"] == title), None)


def _get(row: Mapping[str, Any] | None, name: str) -> float | None:
    if row is None:
        return None
    value: float = row[name]
    return value


def _value(rows: Rows, figure: str, title: str) -> float | None:
    return _get(_row(rows, figure, title), "value")


def _cpu(row: Mapping[str, Any] | None, full: int, unit: float) -> float | None:
    """CPU of a unit of work."""
    if row is None:
        return None
    seconds: float = row["ours_cpu_seconds"]
    orders: float = row.get("units") or full * row["scale"]
    return seconds / orders * unit


def _per_order(restore: Mapping[str, Any] | None) -> float | None:
    from bench.figures.state import ORDERS_OF_A_FIGURE

    if restore is None or not restore.get("units"):
        return None
    records: float = restore["units"]
    orders: float = ORDERS_OF_A_FIGURE * restore["scale"]
    return records / orders


def _times(value: float | None, by: float | None) -> float | None:
    return None if value is None or by is None else value * by


def _ceil(rate: float | None, wanted: float) -> float | None:
    return math.ceil(wanted / rate) if rate else None


def _bytes(it: Page, what: str, each: float | None, orders: float) -> float | None:
    whole = _times(each, orders)
    scale, unit = (1e12, "TB") if whole is not None and whole >= 1e12 else (1e9, "GB")
    days = f" × {YEAR}" if orders != ORDERS_A_DAY else ""
    it.work_out(
        what, f"{ORDERS_A_DAY:,}{days} × {_said(each)} bytes", _times(whole, 1 / scale), unit
    )
    return whole


def _said(value: float | None) -> str:
    """Three digits that count; a dash for what is missing."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


HEAD = """\
# A hundred million orders a day

What it would take, worked out from the figures of [performance](performance.md) whenever that page
is written. **Nothing of this size was run.** What is assumed, what was measured, and what follows
stand apart. The measured ones are of the machine and the day that their rows name, and of a smaller
workload: that a cost stays the same for each order is as true as "Cost as work grows" there.
"""
MEASURED = """\
| measured | | row |
|---|---|---|"""
COMPUTED = """\
| computed | from | |
|---|---|---|"""
SO = """\
## What that needs

- **Brokers.** Three of them carry the peak; their disks are the cost, since `orders` is kept for
  ever.
- **Partitions.** All of one organization is in one partition, and one worker folds one partition at
  a time, so the largest organization bounds the whole. Where one partition's drain is above the
  peak of all, even one organization that sends everything fits. What asks for partitions is the
  state: it is what a new worker reads back from the changelog.
- **Workers.** Their memory is bounded by `WINBACK_DETECTOR_CACHE_ACCOUNTS`, whatever the state
  ("State larger than the cache" and the memory row say at what price). More workers than the fold
  needs keep a restore short and a failure small. Keep their disks: then a start reads seconds of
  changelog, and the hours above are only of a disk that was lost. They are an upper bound: a
  compacted changelog holds each key's last value.
- **Ingest.** Any number of processes behind any balancer; they hold no state.
- **Sink.** Several processes; each takes whole partitions. The figure is of PostgreSQL on the same
  cores.
- **PostgreSQL.** One primary is the wall. Nothing in the system splits a database.

## So

**PostgreSQL holds it, and by its size, not by its speed**: everything before it fits on a few
machines. A single installation is meant for what one primary keeps. Beyond that there are two ways,
neither of them built:

1. Several installations, organizations shared out among them. Nothing crosses organizations, so
   nothing else changes.
2. Old orders out of the read model, since the log keeps them: the console's order pages, the second
   opinion and the dry run would then end at an age."""
