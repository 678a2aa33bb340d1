"""Every operation that was acknowledged: what the system has promised, noted the moment it did.

Only what was acknowledged is a promise. What failed, or whose answer was lost,
may have happened or not.
"""

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from winback.chaos.stories import RawOrder, Step

ORDER_STATUS_CANCELLED = "cancelled"


class Version(NamedTuple):
    """One version of one order, as far as everything downstream must agree on it."""

    organization: str
    order: str
    revision: int
    account: str
    ordered_on: date
    cancelled: bool
    lines: tuple[tuple[str | None, str | None, int], ...]  # raw OD, raw grade, cents; sorted


def version_of(organization: str, order: RawOrder) -> Version:
    """As it was sent."""
    lines = [
        (line.get("od"), line.get("grade"), int(Decimal(line["revenue"]) * 100))
        for line in order["lines"]
    ]
    return Version(
        organization=organization,
        order=order["order"],
        revision=order["revision"],
        account=order["account"],
        ordered_on=date.fromisoformat(order["ordered_on"]),
        cancelled=order.get("status") == ORDER_STATUS_CANCELLED,
        lines=in_order(lines),
    )


def in_order(
    lines: list[tuple[str | None, str | None, int]],
) -> tuple[tuple[str | None, str | None, int], ...]:
    """Lines have no order."""
    return tuple(sorted(lines, key=lambda line: (line[0] or "", line[1] or "", line[2])))


@dataclass
class History:
    """Of one organization. Tellers of one organization may share it: it is locked."""

    organization: str
    steps: list[Step] = field(default_factory=list)  # as told, in order: for telling it again
    orders: dict[tuple[str, int], Version] = field(default_factory=dict)
    runs: list[int] = field(default_factory=list)
    # version -> what it says, whole
    settings: dict[int, dict[str, Any]] = field(default_factory=dict)
    outcomes: list[str] = field(default_factory=list)
    # 202, 503, 429, lost, …: of every request
    answers: "Counter[str]" = field(default_factory=Counter)
    without_retry_after: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def accepted(self, orders: tuple[RawOrder, ...]) -> None:
        """A request was answered with 2xx."""
        with self.lock:
            for order in orders:
                version = version_of(self.organization, order)
                known = self.orders.setdefault((version.order, version.revision), version)
                assert known == version, f"the story gave {version.order} one revision twice"

    def only_what_counts(self) -> None:
        """From here on an order's greatest revision is what is promised: its log was written anew
        from what counts.
        """
        with self.lock:
            newest: dict[str, int] = {}
            for order, revision in self.orders:
                newest[order] = max(revision, newest.get(order, revision))
            self.orders = {key: self.orders[key] for key in newest.items()}

    def answered(self, answer: str) -> None:
        """Count an answer."""
        with self.lock:
            self.answers[answer] += 1

    @property
    def acknowledged(self) -> int:
        """All operations that were."""
        return len(self.orders) + len(self.runs) + len(self.settings) + len(self.outcomes)
