"""What is told to a system that suffers: a seeded, endless story of one distributor's
orders, runs and settings.

A year of history comes first, then day after day: orders late, twice, corrected, cancelled, moved
to another account, with a run now and then. The same seed gives the same story, so that it can be
told again without faults and compared. Every version of an order has a revision of its own, so that
"which version counts" does not depend on how it arrived.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

RawOrder = dict[str, Any]  # as POST /v1/orders takes it

ODS = ("5 1/2", "5.5", "139.7 mm", "7", "7.000", "8 5/8", "9 5/8", "2 3/8", "4.5", None)
GRADES = ("J-55", "J55", "L80", "L-80", "P110", "N80", None)
PRODUCTS = ("casing", "tubing", "line pipe", "coupling", "rohr-ß", "🛢 joint")

# Small amounts and short windows, so that a few hundred orders open and close
# signals of all three types.
THRESHOLDS: dict[str, Any] = {
    "dormant": {"enabled": True, "gap_days": 45, "minimum_lifetime_revenue_cents": 200_000},
    "lapse": {
        "enabled": True, "lapse_days": 40, "history_days": 300, "minimum_revenue_cents": 40_000,
        "minimum_months": 2,
    },
    "cherry_picking": {
        "enabled": True, "window_days": 200, "minimum_revenue_cents": 60_000, "minimum_od": "6",
        "share_percent": "60",
    },
}  # fmt: skip
OTHER_THRESHOLDS: dict[str, Any] = {
    "dormant": {"gap_days": 60},
    "lapse": {"minimum_revenue_cents": 55_000},
    "cherry_picking": {"share_percent": "70"},
    "grade_aliases": {"N80": "L80"},
}

HISTORY_DAYS = 320
BATCH = 60  # orders in a request of the history


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One request."""

    orders: tuple[RawOrder, ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as of a day."""

    as_of: date


@dataclass(frozen=True, kw_only=True)
class Save:
    """Settings are saved."""

    patch: dict[str, Any]


Step = Batch | Run | Save


@dataclass
class Account:
    """How one customer buys: every `rhythm` days some of its combos; some stop, some drop one."""

    name: str
    rhythm: int
    combos: list[tuple[str | None, str | None]]
    stops_after: int  # days since the story's first
    next_on: int


@dataclass
class Story:
    """`steps()` goes on for ever. `last_on`: no order is dated later; `run_every`:
    days between two runs.
    """

    seed: int
    last_on: date
    accounts: int = 40
    run_every: int = 3
    known: dict[str, RawOrder] = field(default_factory=dict)

    def steps(self) -> Iterator[Step]:
        """Settings, the history, a run; then days."""
        chance = Random(self.seed)  # noqa: S311 - a story, no secret
        first_on = self.last_on - timedelta(days=HISTORY_DAYS + 60)
        customers = [self._customer(chance, number) for number in range(self.accounts)]
        yield Save(patch=THRESHOLDS)
        waiting: list[RawOrder] = []
        for day in range(HISTORY_DAYS):
            waiting += self._bought(chance, customers, first_on, day)
            if len(waiting) >= BATCH:
                yield Batch(orders=tuple(waiting))
                waiting = []
        yield Batch(orders=tuple(waiting or self._again(chance, first_on, HISTORY_DAYS)))
        yield Run(as_of=first_on + timedelta(days=HISTORY_DAYS))
        day = HISTORY_DAYS
        while True:
            day += 1
            on = min(first_on + timedelta(days=day), self.last_on)
            orders = self._bought(chance, customers, first_on, min(day, HISTORY_DAYS + 60))
            orders += self._again(chance, first_on, (on - first_on).days)
            yield Batch(orders=tuple(orders))
            if day % self.run_every == 0:
                yield Run(as_of=on)
            if day % 20 == 0:
                yield Save(patch=OTHER_THRESHOLDS if day % 40 == 0 else THRESHOLDS)

    def _customer(self, chance: Random, number: int) -> Account:
        combos = [(chance.choice(ODS), chance.choice(GRADES)) for _ in range(chance.randint(1, 4))]
        stops = chance.choice(
            (HISTORY_DAYS + 400, HISTORY_DAYS + 30, HISTORY_DAYS - 30, HISTORY_DAYS - 60)
        )
        return Account(
            f"A-{number:03}", chance.randint(4, 30), combos, stops, chance.randint(0, 20)
        )

    def _bought(
        self, chance: Random, customers: list[Account], first_on: date, day: int
    ) -> list[RawOrder]:
        """New orders of a day."""
        orders = []
        for one in customers:
            comes_back = day >= HISTORY_DAYS and chance.random() < 0.01
            if comes_back or (one.next_on <= day < one.stops_after):
                one.next_on = day + max(1, one.rhythm + chance.randint(-3, 3))
                if len(one.combos) > 1 and chance.random() < 0.02:
                    one.combos.pop(0)  # a line lapses
                orders.append(
                    self._version(
                        chance,
                        f"O-{len(self.known):06}",
                        one.name,
                        first_on + timedelta(days=day),
                        one.combos,
                    )
                )
        return orders

    def _version(
        self,
        chance: Random,
        order: str,
        account: str,
        on: date,
        combos: list[tuple[str | None, str | None]],
    ) -> RawOrder:
        lines = []
        for od, grade in chance.sample(combos, k=chance.randint(1, len(combos))):
            cents = chance.choice((3_000, 12_550, 49_999, 80_000, 0, -2_500))
            line = {
                "product": chance.choice(PRODUCTS),
                "revenue": f"{cents / 100:.2f}",
                "quantity": str(chance.randint(1, 90)),
            }
            lines.append(
                line
                | {name: text for name, text in (("od", od), ("grade", grade)) if text is not None}
            )
        revision = int(self.known[order]["revision"]) + 1 if order in self.known else 1
        made = {
            "order": order,
            "account": account,
            "ordered_on": on.isoformat(),
            "revision": revision,
            "lines": lines,
        }
        self.known[order] = made
        return made

    def _again(self, chance: Random, first_on: date, day: int) -> list[RawOrder]:
        """Known orders again: the same, corrected, cancelled, moved, of another day."""
        orders = []
        for name in chance.sample(sorted(self.known), k=min(len(self.known), chance.randint(2, 6))):
            old = self.known[name]
            what = chance.choice(("same", "same", "lines", "cancelled", "moved", "day"))
            if what == "same":
                orders.append(old)
                continue
            on = (
                first_on + timedelta(days=chance.randint(max(0, day - 60), day))
                if what == "day"
                else old["ordered_on"]
            )
            account = (
                f"A-{chance.randrange(self.accounts):03}" if what == "moved" else old["account"]
            )
            combos = [(chance.choice(ODS), chance.choice(GRADES)) for _ in range(2)]
            made = self._version(
                chance,
                name,
                account,
                on if isinstance(on, date) else date.fromisoformat(on),
                combos,
            )
            if what == "cancelled":
                made["status"] = "cancelled"
            orders.append(made)
        return orders
