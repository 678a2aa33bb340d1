"""What came back: accounts with an order that ended a signal, with or without anybody having done
something about it (product.md 7).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from shared.domain.money import saturated
from shared.domain.outcomes import Saved, monthly_value_cents
from shared.events import Combo, SignalType

TOUCH_DAYS = 30  # so long before the order somebody's call counts as having come before it


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """An episode that an order ended. figures: of the last run that saw the signal, None where
    nobody kept them. ordered_on: the day it counts on. order_cents: the order's net, None where it
    is not here. touched_at, touched_by: the last time that somebody reached out before. won: it
    was said to be won back, and nobody took that back.
    """

    account: str
    name: str | None
    owner: str | None
    signal: str
    episode: int
    type: SignalType
    od: str | None
    grade: str | None
    ordered_on: date
    at: datetime
    order: str | None
    order_cents: int | None
    figures: Mapping[str, Any] | None
    history_days: int
    touched_at: datetime | None
    touched_by: str | None
    won: bool

    @property
    def combo(self) -> Combo | None:
        """What was silent, of a lapse."""
        return Combo(od=self.od, grade=self.grade) if self.type == "lapse" else None

    @property
    def silent_days(self) -> int | None:
        """From the last order before to this one; of cherry-picking there is none."""
        last = (self.figures or {}).get("last_ordered_on")
        return (self.ordered_on - date.fromisoformat(last)).days if last else None


@dataclass(frozen=True, kw_only=True)
class CameBack:
    """An account with all that came back of it in a time, the newest first."""

    account: str
    name: str | None
    owner: str | None
    recoveries: tuple[Recovery, ...]

    @property
    def newest(self) -> Recovery:
        """The last one."""
        return self.recoveries[0]

    @property
    def monthly_cents(self) -> int:
        """What a month of it was worth before it was silent."""
        saved = [
            Saved(
                signal=one.signal,
                episode=one.episode,
                type=one.type,
                figures=one.figures,
                history_days=one.history_days,
            )
            for one in self.recoveries
            if one.figures is not None
        ]
        return monthly_value_cents(saved)

    @property
    def order_cents(self) -> int:
        """What its orders brought: the net of each, once."""
        orders = {one.order: one.order_cents or 0 for one in self.recoveries}
        return saturated(sum(orders.values()))

    @property
    def touch(self) -> Recovery | None:
        """The recovery before which somebody reached out, if there is one."""
        return next((one for one in self.recoveries if one.touched_at is not None), None)

    @property
    def won(self) -> bool:
        """Somebody said so of all or a part of it."""
        return any(one.won for one in self.recoveries)


def by_account(recoveries: Iterable[Recovery]) -> list[CameBack]:
    """Each account once, who came last first. `recoveries` come the newest first."""
    found: dict[str, list[Recovery]] = {}
    for one in recoveries:
        found.setdefault(one.account, []).append(one)
    return [
        CameBack(account=account, name=mine[0].name, owner=mine[0].owner, recoveries=tuple(mine))
        for account, mine in found.items()
    ]


def total_monthly_cents(accounts: Sequence[CameBack]) -> int:
    """Of all of them."""
    return saturated(sum(one.monthly_cents for one in accounts))
