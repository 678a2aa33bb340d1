"""Histories of orders and runs, made up by Hypothesis: small numbers, so that boundaries are hit
and things collide.

Two organizations share a partition, and account and order ids. Orders come twice, late, out of
order, corrected, cancelled, moved and credited; texts of one size differ; runs come in between,
with other settings and tables, some asked for twice; orders are dated after the runs' days. A
history also says where the state is written out, and where its reader starts anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.orders import content_hash
from shared.domain.thresholds import CherryPicking, DetectionSettings, Dormant, Lapse
from shared.events import Line, Order, OrdersAccepted, RunRequested

ORGANIZATIONS = ("acme", "bolt")
ACCOUNTS = ("A", "A", "B")  # mostly one: things meet
ORDERS = tuple("123456789")
FIRST_DAY = date(2025, 12, 20)
DAYS = 45  # three calendar months, of two years
START = datetime(2026, 6, 1, 12, tzinfo=UTC)

ODS = (
    "5 1/2",
    "5.5",
    "139.7 mm",
    "5.500",
    "5½ in",
    '6"',
    "168.3 mm",
    "6‑5/8“",
    "6.625",
    "7",
    "6 SCH 40",
    "as usual",
    None,
)
GRADES = ("J-55", "J55", "j 55", "J_55", "J–55", "Ｊ５５", "GR-B", "b", None)
CENTS = (1, 49, 50, 51, 100, 200, 400, 0, -1, -50)
SHARES = (
    (0, 100),
    (20, 80),
    (30, 70),
    (50, 50),
    (60, 40),
    (75, 25),
    (80, 20),
    (81, 20),
    (333, 667),
    (101, 0),
    (100, -20),
)
SIZES: tuple[dict[str, str], ...] = ({}, {"6 SCH 40": "6.625"}, {"as usual": "5.5", "7": "5.5"})
ALIASES: tuple[dict[str, str], ...] = ({"GR-B": "B"}, {}, {"J55": "L80"})


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Between two records: `flush` writes out what is dirty and keeps `keep` accounts, `restart`
    also forgets the rest.
    """

    kind: Literal["flush", "restart"]
    keep: int


Step = OrdersAccepted | RunRequested | Pause


def at(offset: int) -> datetime:
    """The time of the record at an offset."""
    return START + timedelta(seconds=offset)


# -- settings --------------------------------------------------------------------------------------


@st.composite
def settings(draw: st.DrawFn) -> DetectionSettings:
    """Thresholds of a few days and cents; each type is mostly on."""
    lapse_days = draw(st.integers(1, 8))
    return DetectionSettings(
        dormant=Dormant(
            enabled=draw(mostly(True)),
            gap_days=draw(st.integers(1, 15)),
            minimum_lifetime_revenue_cents=draw(st.sampled_from((0, 1, 50, 100))),
        ),
        lapse=Lapse(
            enabled=draw(mostly(True)),
            lapse_days=lapse_days,
            history_days=lapse_days + draw(st.integers(1, 25)),
            minimum_revenue_cents=draw(st.sampled_from((0, 1, 50, 100))),
            minimum_months=draw(st.integers(1, 2)),
        ),
        cherry_picking=CherryPicking(
            enabled=draw(mostly(True)),
            window_days=draw(st.integers(1, 30)),
            minimum_revenue_cents=draw(st.sampled_from((0, 1, 50, 100))),
            minimum_od=draw(st.sampled_from(("6", "5.5", "6.001"))),
            share_percent=draw(st.sampled_from(("80", "50", "33.3", "100"))),
        ),
        grade_aliases=draw(st.sampled_from(ALIASES)),
        sizes=draw(st.sampled_from(SIZES)),
    )


def mostly(value: bool) -> st.SearchStrategy[bool]:
    return st.sampled_from((value, value, value, not value))


def organizations() -> st.SearchStrategy[str]:
    return st.sampled_from((ORGANIZATIONS[0], *ORGANIZATIONS))


# -- amounts ---------------------------------------------------------------------------------------

# Of all amounts: a few orders add up to more than is kept, and one still fits into 64 bits.
DEAR = 5 * 10**15


def dear(order: Order) -> Order:
    """The order with lines as dear as none may be any more, but as some may have been kept."""
    lines = [replace(line, revenue_cents=line.revenue_cents * DEAR) for line in order.lines]
    return replace(order, lines=tuple(lines))


# -- orders ----------------------------------------------------------------------------------------


def lines() -> st.SearchStrategy[list[Line]]:
    """One to three; equal ones are separate lines."""
    line = st.builds(
        Line,
        revenue_cents=st.sampled_from(CENTS),
        od=st.sampled_from(ODS),
        grade=st.sampled_from(GRADES),
    )
    return st.lists(line, min_size=1, max_size=3)


@st.composite
def orders(draw: st.DrawFn, *, revisions_given: bool = True) -> Order:
    """One version of one order. Some are stamped with the day before their own, as
    orders sent ahead are.
    """
    ordered_on = FIRST_DAY + timedelta(days=draw(st.integers(0, DAYS)))
    order = version(
        organization=draw(organizations()),
        order=draw(st.sampled_from(ORDERS)),
        account=draw(st.sampled_from(ACCOUNTS)),
        ordered_on=ordered_on,
        revision=draw(st.integers(1, 5)),
        cancelled=draw(st.sampled_from((False, False, False, False, True))),
        lines=draw(lines()),
        revision_given=revisions_given or draw(st.booleans()),
    )
    return stamped_ahead(order) if draw(st.integers(0, 7)) == 7 else order


def version(
    *,
    organization: str,
    order: str,
    account: str,
    ordered_on: date,
    revision: int,
    cancelled: bool,
    lines: Sequence[Line],
    revision_given: bool = True,
) -> Order:
    """As ingest accepts it on its own day."""
    content_lines = [
        (line.product, line.od, line.grade, line.quantity, line.revenue_cents) for line in lines
    ]
    return Order(
        organization=organization,
        order=order,
        account=account,
        ordered_on=ordered_on,
        counts_on=ordered_on,
        revision=revision,
        revision_given=revision_given,
        content=content_hash(
            order=order,
            account=account,
            ordered_on=ordered_on,
            cancelled=cancelled,
            lines=content_lines,
        ),
        cancelled=cancelled,
        lines=tuple(lines),
    )


def stamped_ahead(order: Order) -> Order:
    return replace(order, counts_on=order.ordered_on - timedelta(days=1))


@st.composite
def crowds(draw: st.DrawFn) -> list[Order]:
    """So many accounts that C's median is theirs: an order each of nearly one day, shares on the
    thresholds and beside them.
    """
    organization = draw(organizations())
    ordered_on = FIRST_DAY + timedelta(days=draw(st.integers(0, DAYS)))
    return [
        version(
            organization=organization,
            order=f"crowd {place}",
            account=f"crowd {place}",
            ordered_on=ordered_on + timedelta(days=draw(st.integers(0, 1))),
            revision=1,
            cancelled=False,
            lines=(
                Line(revenue_cents=specialty, od="7 5/8"),
                Line(revenue_cents=standard, od="4.5"),
            ),
        )
        for place, (specialty, standard) in enumerate(
            draw(st.lists(st.sampled_from(SHARES), min_size=9, max_size=16))
        )
    ]


@st.composite
def floods(draw: st.DrawFn) -> list[Order]:
    """More orders of one account than a page of state holds, some with more combos than
    a page of those holds.
    """
    organization, account = draw(organizations()), draw(st.sampled_from(ACCOUNTS))
    count, combos = draw(st.sampled_from(((33, 1), (65, 5), (130, 40), (70, 400))))
    chance = draw(st.randoms(use_true_random=False))
    ods = [str(3 + place / 40) for place in range(combos)]
    return [
        version(
            organization=organization,
            order=f"flood {chance.randrange(count * 2)}",
            account=account,
            ordered_on=FIRST_DAY + timedelta(days=chance.randrange(DAYS)),
            revision=chance.randrange(3),
            cancelled=chance.random() < 0.1,
            lines=[
                Line(
                    revenue_cents=chance.choice(CENTS),
                    od=chance.choice(ods),
                    grade=chance.choice(GRADES),
                )
                for _ in range(chance.choice((1, 2, 8)))
            ],
        )
        for _ in range(count)
    ]


# -- histories -------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn, *, revisions_given: bool = False, pauses: bool = True) -> list[Step]:
    """Blocks, runs and pauses, as they would come down one partition."""
    latest: dict[str, RunRequested] = {}
    known: list[Order] = draw(
        st.lists(orders(revisions_given=revisions_given), min_size=6, max_size=14)
    )
    many = draw(st.sampled_from((None, crowds(), crowds(), floods())))
    if many is not None:
        known += draw(many)
    steps: list[Step] = [block(known)]
    for _ in range(draw(st.integers(4, 20))):
        kind = draw(st.sampled_from(("run", "run", "block", "block", "pause")))
        if kind == "block":
            steps.append(block(draw(deliveries(known, latest, revisions_given=revisions_given))))
        elif kind == "run":
            organization = draw(organizations())
            latest[organization] = draw(run_requests(organization, latest.get(organization)))
            steps.append(latest[organization])
        elif pauses:
            steps.append(
                Pause(
                    kind=draw(st.sampled_from(("flush", "restart"))),
                    keep=draw(st.sampled_from((0, 1, 100))),
                )
            )
    return steps


@st.composite
def quiet(draw: st.DrawFn) -> list[Step]:
    """Many accounts with few orders, then one run after the other: only days pass, and that alone
    must open and close.

    Some accounts stay active all the while, and some begin with a credit: that it slides out of a
    window opens signals.
    """
    thresholds = draw(settings())
    thresholds = replace(
        thresholds, dormant=replace(thresholds.dormant, gap_days=draw(st.sampled_from((3, 10, 60))))
    )
    chance = draw(st.randoms(use_true_random=False))
    bought = [
        version(
            organization=ORGANIZATIONS[0],
            order=f"{account} {place}",
            account=f"quiet {account}",
            ordered_on=FIRST_DAY + timedelta(days=place * 3 + chance.randrange(6)),
            revision=1,
            cancelled=False,
            lines=[
                Line(
                    revenue_cents=chance.choice(CENTS)
                    if place
                    else chance.choice((-100, -50, 50, 100)),
                    od=chance.choice(("5.5", "7")),
                    grade=chance.choice(("J55", "L80", None)),
                )
                for _ in range(chance.randrange(1, 3))
            ],
        )
        for account in range(12)
        for place in range(chance.randrange(1, 5))
    ]
    steps: list[Step] = [block(bought)]
    on = FIRST_DAY + timedelta(days=chance.randrange(12))
    for number in range(1, 16):
        steps.append(
            run_request(
                ORGANIZATIONS[0], number=number, as_of=on, settings_version=1, settings=thresholds
            )
        )
        if chance.randrange(4) == 0:
            steps.append(
                Pause(kind=chance.choice(("flush", "restart")), keep=chance.choice((0, 1, 100)))
            )
        on += timedelta(days=chance.choice((1, 1, 2, 5)))
    return steps


@st.composite
def crowded(draw: st.DrawFn) -> tuple[list[Order], RunRequested, RunRequested]:
    """A crowd, and two runs of one day that look at all of it with C on: the share, the floor or
    the size may differ.
    """
    crowd = draw(crowds())
    thresholds = draw(settings())
    on = max(order.ordered_on for order in crowd) + timedelta(days=draw(st.integers(0, 2)))

    def run(number: int) -> RunRequested:
        cherry_picking = CherryPicking(
            enabled=True,
            window_days=draw(st.integers(3, 5)),
            minimum_revenue_cents=draw(st.sampled_from((80, 99, 100, 101))),
            minimum_od=draw(st.sampled_from(("7.625", "4.5", "7.626")))
            if draw(st.integers(0, 3)) == 3
            else "6",
            share_percent=draw(st.sampled_from(("80", "75", "50", "33.3", "100"))),
        )
        return run_request(
            crowd[0].organization,
            number=number,
            as_of=on,
            settings_version=number,
            settings=replace(thresholds, cherry_picking=cherry_picking),
        )

    return crowd, run(1), run(2)


def block(of_orders: Sequence[Order]) -> OrdersAccepted:
    return OrdersAccepted(accepted_at=START, orders=tuple(of_orders))


@st.composite
def deliveries(
    draw: st.DrawFn, known: list[Order], latest: dict[str, RunRequested], *, revisions_given: bool
) -> list[Order]:
    """What one block brings: orders that are new, or known ones again: the same,
    changed, or of another day.
    """
    brought: list[Order] = []
    for _ in range(draw(st.integers(1, 4))):
        order = draw(st.sampled_from(known))
        change = draw(
            st.sampled_from(
                (
                    "new",
                    "reordered",
                    "reordered",
                    "year before",
                    "same",
                    "same",
                    "cancelled",
                    "moved",
                    "lines",
                    "day",
                    "ahead",
                )
            )
        )
        if change == "new":
            order = draw(orders(revisions_given=revisions_given))
            order = changed(
                order,
                ordered_on=draw(days(latest.get(order.organization), else_on=order.ordered_on)),
            )
        elif change == "reordered":
            on = draw(days(latest.get(order.organization)))
            order = changed(
                order,
                order=draw(st.sampled_from(ORDERS)),
                lines=draw(st.sampled_from(known)).lines if draw(st.booleans()) else None,
                cancelled=False,
                ordered_on=on,
                revision=order.revision + 1,
            )
        elif change == "year before":
            on = order.ordered_on - timedelta(days=draw(st.integers(364, 366)))
            order = changed(
                order,
                order=draw(st.sampled_from(ORDERS)),
                ordered_on=on,
                revision=order.revision + 1,
            )
        elif change == "ahead":
            order = stamped_ahead(order)
        elif change != "same":
            order = changed(
                order,
                cancelled=not order.cancelled if change == "cancelled" else None,
                account=draw(st.sampled_from(ACCOUNTS)) if change == "moved" else None,
                lines=draw(lines()) if change == "lines" else None,
                ordered_on=draw(days(latest.get(order.organization))) if change == "day" else None,
                revision=max(0, order.revision + draw(st.sampled_from((-1, 0, 1, 1)))),
            )
        known.append(order)
        brought.append(order)
    return brought


@st.composite
def days(draw: st.DrawFn, latest: RunRequested | None, *, else_on: date | None = None) -> date:
    """Any day; once there was a run, mostly one beside its day. `else_on`
    takes the place of any day.
    """
    if latest is not None and draw(st.integers(0, 2)):
        return latest.as_of + timedelta(days=draw(st.integers(-1, 1)))
    return else_on or FIRST_DAY + timedelta(days=draw(st.integers(0, DAYS)))


def changed(
    former: Order,
    *,
    order: str | None = None,
    ordered_on: date | None = None,
    cancelled: bool | None = None,
    account: str | None = None,
    lines: Sequence[Line] | None = None,
    revision: int | None = None,
) -> Order:
    """Another version of the order, accepted on its own day; what is not named is as it was."""
    return version(
        organization=former.organization,
        order=former.order if order is None else order,
        account=former.account if account is None else account,
        ordered_on=former.ordered_on if ordered_on is None else ordered_on,
        revision=former.revision if revision is None else revision,
        cancelled=former.cancelled if cancelled is None else cancelled,
        lines=former.lines if lines is None else lines,
        revision_given=former.revision_given,
    )


@st.composite
def run_requests(draw: st.DrawFn, organization: str, latest: RunRequested | None) -> RunRequested:
    """The next run after `latest`: its day never goes back, its number counts up;
    some are asked for twice.
    """
    if latest is None:
        day = FIRST_DAY + timedelta(days=draw(st.integers(5, DAYS)))
        return run_request(
            organization, number=1, as_of=day, settings_version=1, settings=draw(settings())
        )
    what = draw(
        st.sampled_from(
            ("same settings", "same settings", "same settings", "other settings", "asked again")
        )
    )
    if what == "asked again":
        return latest
    return run_request(
        organization,
        number=latest.number + 1,
        as_of=latest.as_of + timedelta(days=draw(st.integers(0, 8))),
        settings_version=latest.settings_version + (what == "other settings"),
        settings=draw(settings()) if what == "other settings" else latest.settings,
    )


def run_request(
    organization: str,
    *,
    number: int,
    as_of: date,
    settings_version: int,
    settings: DetectionSettings,
) -> RunRequested:
    return RunRequested(
        organization=organization,
        number=number,
        as_of=as_of,
        settings_version=settings_version,
        settings=settings,
        reason="manual",
        requested_at=START,
    )
