"""What the detector must say, the slow way: at every step all orders received so far,
recomputed from scratch.

    oracle = Oracle()
    oracle.record(event, at=...)            # blocks and runs, in the order of the log
    oracle.signals("acme")                  # {Key: Signal}: figures, times, episodes

All it keeps is what came in (every version of every order) and the life of each signal. A run
evaluates everybody; a check evaluates its accounts before and after the order, from the raw orders,
each time anew.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from msgspec.structs import replace

from shared.domain.thresholds import DetectionSettings
from shared.events import Order, OrdersAccepted, RunRequested
from tests.oracle.rules import Key, Reader, firing, is_active, is_specialty


@dataclass(kw_only=True)
class Episode:
    """From the run that opened it to the check that closed it; the last one may be open."""

    opened_on: date
    opened_at: datetime
    closed_on: date | None = None
    closed_at: datetime | None = None
    resolution: str | None = None
    closed_by: str | None = None  # the order, when one did


@dataclass(kw_only=True)
class Signal:
    """One signal with its whole life."""

    key: Key
    detected_at: datetime
    last_seen_at: datetime
    as_of: date
    settings_version: int
    run: int
    lifetime_revenue_cents: int
    figures: dict[str, int | date]
    episodes: list[Episode] = field(default_factory=list)

    @property
    def active(self) -> bool:
        return self.episodes[-1].closed_on is None

    @property
    def opened_on(self) -> date:
        return self.episodes[-1].opened_on


@dataclass(kw_only=True)
class Run:
    """The latest run of an organization."""

    number: int
    as_of: date
    settings_version: int
    settings: DetectionSettings
    reader: Reader


@dataclass(kw_only=True)
class Organization:
    """What came in of one organization, and what was said about it."""

    # order id -> versions as they came
    received: dict[str, list[Order]] = field(default_factory=dict)
    # account -> ids of orders that ever named it
    orders_of: dict[str, set[str]] = field(default_factory=dict)
    latest_run: Run | None = None
    signals: dict[Key, Signal] = field(default_factory=dict)


class Oracle:
    """Folds the log of any number of organizations, record by record."""

    def __init__(self) -> None:
        self._organizations: dict[str, Organization] = {}

    def record(self, event: OrdersAccepted | RunRequested, *, at: datetime) -> None:
        """One record of the log; `at` is the record's time, which every time of a signal is."""
        if isinstance(event, RunRequested):
            run(self._organization(event.organization), event, at)
            return
        for order in event.orders:
            accept(self._organization(order.organization), order, at)

    def signals(self, organization: str) -> dict[Key, Signal]:
        return self._organization(organization).signals

    def orders(self, organization: str) -> list[Order]:
        """The counting versions, cancelled ones too."""
        versions = self._organization(organization).received.values()
        return [counting for counting in map(counting_version, versions) if counting is not None]

    def _organization(self, organization: str) -> Organization:
        return self._organizations.setdefault(organization, Organization())


# -- which version of an order counts --------------------------------------------------------------


def counting_version(versions: list[Order]) -> Order | None:
    """Of all that came under one id: the greatest (revision, content), on the earliest day stamped
    on that version.

    Content equal to what counts, sent without a revision, is a duplicate: the only place where
    arrival decides.
    """
    counting: Order | None = None
    days: dict[tuple[int, str], date] = {}
    for order in versions:
        if counting is not None and not order.revision_given and order.content == counting.content:
            order = replace(order, revision=counting.revision)
        version = (order.revision, order.content)
        days[version] = min(order.counts_on, days.get(version, order.counts_on))
        if counting is None or version >= (counting.revision, counting.content):
            counting = replace(order, counts_on=days[version])
    return counting


# -- orders close ----------------------------------------------------------------------------------


def accept(organization: Organization, order: Order, at: datetime) -> None:
    """One order in the order of the log: it may close signals of its account, and of the account
    that it leaves.
    """
    versions = organization.received.setdefault(order.order, [])
    before = counting_version(versions)
    after = counting_version([*versions, order])
    assert after is not None
    if before is not None and same_version(before, after):
        # a duplicate, or older than what counts: nothing changes, nothing is checked
        versions.append(order)
        return
    accounts = dict.fromkeys([after.account] if before is None else [after.account, before.account])
    watched = [account for account in accounts if active_signals(organization, account)]
    orders_before = {account: orders_of(organization, account) for account in watched}
    versions.append(order)
    organization.orders_of.setdefault(order.account, set()).add(order.order)
    for account in watched:
        check(organization, account, orders_before[account], after, at)


def same_version(one: Order, other: Order) -> bool:
    return (one.revision, one.content, one.counts_on) == (
        other.revision,
        other.content,
        other.counts_on,
    )


def orders_of(organization: Organization, account: str) -> list[Order]:
    """The counting versions that belong to the account."""
    ids = sorted(organization.orders_of.get(account, ()))
    counting = (counting_version(organization.received[order_id]) for order_id in ids)
    return [order for order in counting if order is not None and order.account == account]


def active_signals(organization: Organization, account: str) -> list[Signal]:
    return [
        signal
        for key, signal in organization.signals.items()
        if key.account == account and signal.active
    ]


def check(
    organization: Organization, account: str, before: list[Order], order: Order, at: datetime
) -> None:
    """Close what does not fire any more, if the order answers it or if it was
    this order that ended it.
    """
    latest = organization.latest_run
    assert latest is not None  # only runs open signals
    as_of = max(order.counts_on, latest.as_of)
    fired = firing(before, on=as_of, settings=latest.settings, reader=latest.reader)
    fires = firing(
        orders_of(organization, account), on=as_of, settings=latest.settings, reader=latest.reader
    )
    for signal in active_signals(organization, account):
        if signal.key in fires:
            continue
        if answers(order, signal, latest):
            close(signal, as_of, at, "reordered", order.order)
        elif signal.key in fired:
            close(signal, as_of, at, "correction", order.order)


def answers(order: Order, signal: Signal, latest: Run) -> bool:
    """A positive line of the account (B: of the combo; C: of standard goods) on or after the day
    that opened the episode.
    """
    if order.cancelled or order.account != signal.key.account or order.counts_on < signal.opened_on:
        return False
    for line in order.lines:
        if line.revenue_cents <= 0:
            continue
        od, grade = latest.reader.od(line.od), latest.reader.grade(line.grade)
        if signal.key.type == "dormant":
            return True
        if signal.key.type == "lapse" and (od, grade) == (signal.key.od, signal.key.grade):
            return True
        if signal.key.type == "cherry_picking" and not is_specialty(od, latest.settings):
            return True
    return False


def close(signal: Signal, day: date, at: datetime, resolution: str, by: str | None) -> None:
    episode = signal.episodes[-1]
    episode.closed_on, episode.closed_at, episode.resolution, episode.closed_by = (
        day,
        at,
        resolution,
        by,
    )


# -- runs open, see and close ----------------------------------------------------------------------


def run(organization: Organization, event: RunRequested, at: datetime) -> None:
    """Everybody, as of the run's day. A number that is not above the latest was already done."""
    previous = organization.latest_run
    if previous is not None and event.number <= previous.number:
        return
    latest = Run(
        number=event.number,
        as_of=event.as_of,
        settings_version=event.settings_version,
        settings=event.settings,
        reader=Reader(event.settings),
    )
    orders = [
        order for account in organization.orders_of for order in orders_of(organization, account)
    ]
    fires = firing(orders, on=latest.as_of, settings=latest.settings, reader=latest.reader)
    organization.latest_run = latest

    for signal in organization.signals.values():
        if signal.active and signal.key not in fires:
            assert previous is not None
            close(
                signal, latest.as_of, at, resolution_by_run(signal, orders, previous, latest), None
            )
    for key, found in fires.items():
        known = organization.signals.get(key)
        if known is None:
            known = organization.signals[key] = Signal(
                key=key,
                detected_at=at,
                last_seen_at=at,
                as_of=latest.as_of,
                settings_version=latest.settings_version,
                run=latest.number,
                lifetime_revenue_cents=found.lifetime_revenue_cents,
                figures=found.figures,
            )
        if not known.episodes or not known.active:
            known.episodes.append(Episode(opened_on=latest.as_of, opened_at=at))
        known.last_seen_at = at
        known.as_of, known.settings_version, known.run = (
            latest.as_of,
            latest.settings_version,
            latest.number,
        )
        known.lifetime_revenue_cents, known.figures = found.lifetime_revenue_cents, found.figures


def resolution_by_run(signal: Signal, orders: list[Order], previous: Run, latest: Run) -> str:
    """The first that is true. An active signal was last seen by the previous
    run, under its settings.
    """
    assert signal.run == previous.number
    its_orders = [order for order in orders if order.account == signal.key.account]
    if signal.key in firing(
        its_orders, on=latest.as_of, settings=previous.settings, reader=previous.reader
    ):
        return "settings"
    lines = latest.reader.lines(its_orders, on=latest.as_of)
    if signal.key.type == "lapse" and not is_active(
        lines, on=latest.as_of, settings=latest.settings
    ):
        return "superseded"
    return "aged_out"


# -- as the command line prints it -----------------------------------------------------------------


def as_json(signal: Signal) -> dict[str, Any]:
    """The days and figures of a signal as `winback signals --json` prints them;
    times and ids are left out.
    """
    printed: dict[str, Any] = {
        "account": signal.key.account,
        "type": signal.key.type,
        "active": signal.active,
        "resolution": signal.episodes[-1].resolution,
        "episode": len(signal.episodes),
        "opened_on": signal.opened_on.isoformat(),
        "as_of": signal.as_of.isoformat(),
        "settings_version": signal.settings_version,
        "figures": {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in signal.figures.items()
        },
        "episodes": [
            {
                "opened_on": episode.opened_on.isoformat(),
                "closed_on": None if episode.closed_on is None else episode.closed_on.isoformat(),
                "resolution": episode.resolution,
            }
            for episode in signal.episodes
        ],
    }
    if signal.key.type == "lapse":
        printed["combo"] = {"od": signal.key.od, "grade": signal.key.grade}
    return printed
