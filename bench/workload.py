"""Seeded orders as an ERP would send them: late, twice, corrected, cancelled; even or skewed; one
organization or many.

A `Shape` says what; `Workload` makes it once and gives it as blocks of the log, as single orders,
as a CSV file and as lines. Sizes and grades are written canonically, so that a peer need not know
how they are read.
"""

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import msgspec

from services.ingest import blocks
from shared.domain.orders import content_hash
from shared.domain.thresholds import CherryPicking, DetectionSettings, Dormant, Lapse
from shared.events import Line, Order, RunRequested
from shared.partitions import partition_of

LAST_DAY = date(2026, 6, 30)
HISTORY_DAYS = 730
ACCEPTED_AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
LATE, TWICE, CORRECTED, CANCELLED = 0.02, 0.02, 0.01, 0.005
LATEST_DAYS = 40
QUITS = 0.12  # of the accounts stop ordering at some day
LINES = (1, 2, 2, 3, 3, 3, 3, 4, 4, 5)
ODS = ("2.375", "2.875", "3.5", "4.5", "5.5", "6.625", "7", "8.625", "9.625", "13.375")
GRADES = ("J55", "K55", "N80", "L80", "P110", "X52")

ALL_TYPES = DetectionSettings(
    dormant=Dormant(gap_days=90, minimum_lifetime_revenue_cents=10_000_000),
    lapse=Lapse(enabled=True, lapse_days=90, minimum_revenue_cents=1_500_000, minimum_months=3),
    cherry_picking=CherryPicking(enabled=True, minimum_revenue_cents=5_000_000),
)

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, kw_only=True)
class Shape:
    """`orders` counts records of orders, repeats and corrections too. `hot`: (share of the
    accounts, share of the orders).
    """

    orders: int = 300_024
    accounts: int = 20_000
    organizations: int = 8
    partitions: int = 4
    hot: tuple[float, float] | None = None
    seed: int = 20_261_124


class Workload:
    """The orders of one shape, in the order of their log."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    @cached_property
    def organizations(self) -> list[str]:
        """Names that spread evenly over the partitions."""
        found: list[str] = []
        number = 0
        while len(found) < self.shape.organizations:
            name = f"bench-{number:04d}"
            if partition_of(name, self.shape.partitions) == len(found) % self.shape.partitions:
                found.append(name)
            number += 1
        return found

    @cached_property
    def orders(self) -> list[Order]:
        """Every record of an order, as they stand in the log."""
        return list(_orders(self.shape, self.organizations))

    @cached_property
    def counting(self) -> list[Order]:
        """The version of each order that counts."""
        last: dict[tuple[str, str], Order] = {}
        for order in self.orders:
            key = (order.organization, order.order)
            if key not in last or order.revision > last[key].revision:
                last[key] = order
        return list(last.values())

    @cached_property
    def blocks(self) -> list[list[bytes]]:
        """The records of `orders`, a list a partition."""
        encoded: list[list[bytes]] = [[] for _ in range(self.shape.partitions)]
        places = {name: partition_of(name, self.shape.partitions) for name in self.organizations}
        for order in self.orders:
            encoded[places[order.organization]].append(encode(order))
        return [
            [blocks.block(part, ACCEPTED_AT) for part in blocks.in_blocks(some)] for some in encoded
        ]

    @cached_property
    def lines(self) -> int:
        """How many lines all records have."""
        return sum(len(order.lines) for order in self.orders)

    def runs(
        self, number: int = 1, *, settings: DetectionSettings = ALL_TYPES, as_of: date = LAST_DAY
    ) -> list[RunRequested]:
        """A run of every organization."""
        return [
            RunRequested(
                organization=name,
                number=number,
                as_of=as_of,
                settings_version=number,
                settings=settings,
                reason="manual",
                requested_at=ACCEPTED_AT,
            )
            for name in self.organizations
        ]

    def write_csv(self, path: Path, *, once: bool = False) -> None:
        """A row a line, as interfaces.md names the columns; the same lines as `orders`.
        `once`: a version that came twice is there once, since rows of one order are its lines,
        however often it comes.
        """
        orders: Iterable[Order] = self.orders
        if once:
            orders = {
                (order.organization, order.order, order.revision): order for order in self.orders
            }.values()
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(COLUMNS)
            rows.writerows(_rows(orders))


COLUMNS = (
    "order",
    "account",
    "ordered_on",
    "revision",
    "status",
    "product",
    "od",
    "grade",
    "quantity",
    "revenue",
)


def _rows(orders: Iterable[Order]) -> Iterator[tuple[object, ...]]:
    for order in orders:
        status = "cancelled" if order.cancelled else ""
        for line in order.lines:
            revenue = f"{line.revenue_cents // 100}.{line.revenue_cents % 100:02d}"
            yield (
                order.order, order.account, order.ordered_on.isoformat(), order.revision, status,
                line.product, line.od, line.grade, line.quantity, revenue,
            )  # fmt: skip


def _orders(shape: Shape, organizations: list[str]) -> Iterator[Order]:
    chance = random.Random(shape.seed)  # noqa: S311 - invented orders, the same everywhere
    count = round(shape.orders / (1 + TWICE + CORRECTED + CANCELLED))
    quits = [
        int(HISTORY_DAYS * (0.3 + 0.6 * chance.random())) if chance.random() < QUITS else 0
        for _ in range(shape.accounts)
    ]
    combos = [
        [(chance.choice(ODS), chance.choice(GRADES)) for _ in range(1 + chance.randrange(5))]
        for _ in range(shape.accounts)
    ]
    hot = max(1, int(shape.accounts * shape.hot[0])) if shape.hot else 0
    log: list[tuple[float, int, Order]] = []
    for number in range(count):
        if shape.hot and chance.random() < shape.hot[1]:
            account = chance.randrange(hot)
        else:
            account = hot + chance.randrange(shape.accounts - hot)
        day = number * HISTORY_DAYS // count
        if quits[account]:
            day = day * quits[account] // HISTORY_DAYS
        on = LAST_DAY - timedelta(days=HISTORY_DAYS - 1 - day)
        seen = number + (
            chance.randrange(LATEST_DAYS) * count / HISTORY_DAYS if chance.random() < LATE else 0
        )
        name = organizations[account % len(organizations)]
        id_ = f"SO-{number:07d}"
        lines = _lines(chance, combos[account])
        first = _order(name, id_, account, on, 1, lines)
        log.append((seen, len(log), first))
        what = chance.random()
        if what < TWICE:
            log.append((seen + chance.randrange(2000), len(log), first))
        elif what < TWICE + CORRECTED:
            log.append(
                (
                    seen + chance.randrange(5000),
                    len(log),
                    _order(name, id_, account, on, 2, _lines(chance, combos[account])),
                )
            )
        elif what < TWICE + CORRECTED + CANCELLED:
            log.append(
                (
                    seen + chance.randrange(5000),
                    len(log),
                    _order(name, id_, account, on, 2, lines, cancelled=True),
                )
            )
    log.sort(key=lambda one: one[:2])
    for _, _, order in log[: shape.orders]:
        yield order


def _lines(chance: random.Random, combos: list[tuple[str, str]]) -> tuple[Line, ...]:
    found = []
    for _ in range(chance.choice(LINES)):
        od, grade = combos[chance.randrange(len(combos))]
        feet = chance.randrange(100, 4000)
        cents = feet * chance.randrange(60, 160)
        found.append(
            Line(
                product=f"PIPE-{od}-{grade}",
                od=od,
                grade=grade,
                quantity=str(feet),
                revenue_cents=cents,
            )
        )
    return tuple(found)


def _order(
    organization: str,
    id_: str,
    account: int,
    on: date,
    revision: int,
    lines: tuple[Line, ...],
    *,
    cancelled: bool = False,
) -> Order:
    name = f"A-{account:06d}"
    content = content_hash(
        order=id_,
        account=name,
        ordered_on=on,
        cancelled=cancelled,
        lines=[
            (line.product, line.od, line.grade, line.quantity, line.revenue_cents) for line in lines
        ],
    )
    return Order(
        organization=organization, order=id_, account=name, ordered_on=on, counts_on=on,
        revision=revision, content=content, lines=lines, cancelled=cancelled,
    )  # fmt: skip


def touching(workload: Workload, count: int, number: int) -> list[list[bytes]]:
    """The `number`th new order of each of the first `count` accounts that order at all, as blocks,
    a list a partition.
    """
    firsts: dict[tuple[str, str], Order] = {}
    for order in workload.orders:
        firsts.setdefault((order.organization, order.account), order)
    encoded: list[list[bytes]] = [[] for _ in range(workload.shape.partitions)]
    for first in list(firsts.values())[:count]:
        order = _order(
            first.organization,
            f"T{number}-{first.order}",
            int(first.account.removeprefix("A-")),
            LAST_DAY,
            1,
            first.lines,
        )
        encoded[partition_of(order.organization, workload.shape.partitions)].append(encode(order))
    return [
        [blocks.block(part, ACCEPTED_AT) for part in blocks.in_blocks(some)] for some in encoded
    ]
