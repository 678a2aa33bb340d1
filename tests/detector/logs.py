"""A partition over a dict, and short ways to say what is in its log."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from services.detector.partition import Partition
from shared.domain.orders import content_hash
from shared.domain.thresholds import DEFAULTS, DetectionSettings, checked
from shared.events import (
    Line,
    Order,
    OrdersAccepted,
    OrdersRecord,
    RestoredSignal,
    RunRequested,
    SignalRecovered,
    SignalsRecord,
    StateRestored,
)

TODAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Bought = tuple[int, str | None, str | None]  # cents, raw OD, raw grade


class DictStore(dict[bytes, bytes]):
    """What RocksDB is to the detector; counts its reads."""

    reads = 0

    def get(self, key: bytes, default: bytes | None = None) -> bytes | None:  # type: ignore[override]  # the store's narrower get
        self.reads += 1
        return super().get(key, default)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key in sorted(self):
            if key.startswith(prefix):
                yield key, self[key]


def order(
    order_id: str,
    days_ago: int,
    *bought: Bought,
    account: str = "A",
    revision: int = 1,
    cancelled: bool = False,
    org: str = "acme",
) -> Order:
    """One version of an order, dated so many days before TODAY."""
    day = TODAY - timedelta(days=days_ago)
    lines = tuple(Line(revenue_cents=cents, od=od, grade=grade) for cents, od, grade in bought)
    content = content_hash(
        order=order_id, account=account, ordered_on=day, cancelled=cancelled,
        lines=[(None, line.od, line.grade, None, line.revenue_cents) for line in lines],
    )  # fmt: skip
    return Order(
        organization=org, order=order_id, account=account, ordered_on=day, counts_on=day,
        revision=revision, content=content, lines=lines, cancelled=cancelled,
    )  # fmt: skip


def settings(**patch: object) -> DetectionSettings:
    """All three types on, floors of one dollar, and `patch` on top."""
    loose = checked(
        {
            "dormant": {"minimum_lifetime_revenue_cents": 100},
            "lapse": {"enabled": True, "minimum_revenue_cents": 100, "minimum_months": 1},
            "cherry_picking": {"enabled": True, "minimum_revenue_cents": 100},
        },
        DEFAULTS,
    )
    return checked(patch, loose)


class Log:
    """A log that is applied as it is written; `restart` reads back the state that was saved."""

    def __init__(self) -> None:
        self.store = DictStore()
        self.partition = Partition(self.store)
        self.offset = 0
        self.runs = 0

    def orders(self, *orders: Order) -> list[SignalsRecord]:
        """One block."""
        return self._apply(OrdersAccepted(accepted_at=NOON, orders=orders))

    def run(
        self, days_ago: int = 0, under: DetectionSettings | None = None, number: int | None = None
    ) -> list[SignalsRecord]:
        """A run as of so many days before TODAY."""
        self.runs = number or self.runs + 1
        return self._apply(
            RunRequested(
                organization="acme",
                number=self.runs,
                as_of=TODAY - timedelta(days=days_ago),
                settings_version=self.runs,
                settings=under or settings(),
                reason="manual",
                requested_at=NOON,
            )
        )

    def save(self, keep: int = 0) -> list[tuple[bytes, bytes]]:
        """A checkpoint."""
        rows = self.partition.flush(keep)
        self.store.update(rows)
        return rows

    def restart(self) -> None:
        """A new process over what was saved."""
        self.partition = Partition(self.store)

    def restored(self, *signals: RestoredSignal, run: int, days_ago: int) -> list[SignalsRecord]:
        """What a log that was written anew says at its end."""
        self.runs = run
        return self._apply(
            StateRestored(
                organization="acme",
                run=run,
                as_of=TODAY - timedelta(days=days_ago),
                settings_version=run,
                settings=settings(),
                signals=signals,
            )
        )

    def _apply(self, event: OrdersRecord) -> list[SignalsRecord]:
        self.offset += 1
        return self.partition.apply(event, offset=self.offset, at=NOON)


def recovered(events: list[SignalsRecord]) -> list[tuple[str, str, str]]:
    """(account, type, resolution) of the recoveries."""
    return [
        (event.account, event.signal_type, event.resolution)
        for event in events
        if isinstance(event, SignalRecovered)
    ]
