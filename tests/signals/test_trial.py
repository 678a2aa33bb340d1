"""The dry run's columns say what the rules of the domain say, over generated histories and
thresholds.

Why this exists: the rules stand in `shared/domain/` for the detector and once more over columns
(docs/decisions/15-rules-four-times.md), and what a person saw before saving must be what the
detector then finds. Amounts that the columns do not show are held to the cent all the same: with a
threshold on an amount both flag the account, with one a cent higher neither does.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.signals.trial.candidates import candidates
from services.signals.trial.columns import BETWEEN, Ledger, day_number
from shared.domain.cherry_picking import MOST_SHARE
from shared.domain.detection import SignalKey, explained
from shared.domain.history import Cells, Readings, add, pack, stand
from shared.domain.thresholds import DEFAULTS, DetectionSettings
from shared.domain.trial import Subject
from shared.events import (
    CherryPickingFigures,
    DormantFigures,
    Figures,
    LapseFigures,
    Order,
    SignalType,
)
from tests.oracle import histories
from tests.oracle.oracle import Oracle

TYPES: tuple[SignalType, ...] = ("dormant", "lapse", "cherry_picking")
# of all amounts: the largest are beyond what 64 bits hold of a share, and of a sum
FACTORS = (1, 10_007, 10**13, histories.DEAR)
Shown = tuple[SignalType, Subject, tuple[int, int]]  # days and last day, or specialty and spend


class Firing(NamedTuple):
    """A signal that fires by the domain. inactive_days: since its account's last activity."""

    account: str
    key: SignalKey
    figures: Figures
    inactive_days: int


@st.composite
def bought(draw: st.DrawFn) -> list[Order]:
    """The counting orders of one organization: few that meet, and sometimes a crowd around the
    shares.
    """
    oracle, organization = Oracle(), histories.ORGANIZATIONS[0]
    sent = draw(st.lists(histories.orders(), min_size=8, max_size=24))
    if draw(st.booleans()):
        sent += draw(histories.crowds())
    theirs = [replace(order, organization=organization) for order in sent]
    oracle.record(histories.block(theirs), at=histories.START)
    factor = draw(st.sampled_from(FACTORS))
    return [
        replace(order, lines=tuple(times(line, factor) for line in order.lines))
        for order in oracle.orders(organization)
    ]


def times(line: Any, factor: int) -> Any:
    return replace(line, revenue_cents=line.revenue_cents * factor)


def all_on(settings: DetectionSettings) -> DetectionSettings:
    """As the dry run looks at them: each card as if it were switched on."""
    return replace(
        settings,
        dormant=replace(settings.dormant, enabled=True),
        lapse=replace(settings.lapse, enabled=True),
        cherry_picking=replace(settings.cherry_picking, enabled=True),
    )


@given(bought(), histories.settings().map(all_on), st.data())
@hypothesis_settings(max_examples=60, deadline=None)
def test_the_columns_flag_what_the_domain_flags_with_the_same_figures(
    orders: list[Order], thresholds: DetectionSettings, data: st.DataObject
) -> None:
    """On a day shortly after one of the orders: there most fires."""
    beside = data.draw(st.sampled_from(orders)).counts_on
    on = beside + timedelta(days=data.draw(st.integers(0, 12)))
    ledger = Ledger.read(as_copied(orders))
    firing = by_domain(orders, thresholds, on)
    assert by_columns(ledger, thresholds, on) == shown(firing)
    for edge in windows((on - beside).days, thresholds):
        assert by_columns(ledger, edge, on) == shown(by_domain(orders, edge, on)), edge
    for type_ in TYPES:
        of_type = [one for one in firing if one.key.type == type_]
        if of_type:
            event(type_)
            for edge in edges(data.draw(st.sampled_from(of_type)), thresholds):
                assert by_columns(ledger, edge, on) == shown(by_domain(orders, edge, on)), edge


# -- the domain ------------------------------------------------------------


TEXTS = st.text(
    st.characters(categories=["L", "N", "P", "Zs", "Cf"]) | st.sampled_from("Ｌ８０–‑“½６\u200b"),
    max_size=6,
)


@given(TEXTS | st.sampled_from(histories.ODS).map(str), TEXTS)
def test_the_columns_read_any_text_as_a_size_and_a_grade_as_the_domain_does(
    od: str, grade: str
) -> None:
    bought = ",".join(["A", "0", *map(quoted, ([od], [grade], ["100"]))]) + "\n"
    _, combos = Ledger.read(bought.encode()).lapse(DEFAULTS, date(1970, 1, 1))
    readings = Readings(DEFAULTS)
    readings.extend([(od, grade)])
    assert combos == [combo for combo in readings.combos if combo is not None]


def by_domain(orders: Sequence[Order], thresholds: DetectionSettings, on: date) -> list[Firing]:
    """As the detector has it: cells by account, one standing each, the rules on it."""
    texts: list[tuple[str | None, str | None]] = []
    cells: dict[str, Cells] = {}
    for order in orders:
        for ref, packed in values(order, texts):
            add(cells.setdefault(order.account, {}), ref, order.counts_on.toordinal(), packed)
    readings = Readings(thresholds)
    readings.extend(texts)
    found: list[Firing] = []
    for account, its_cells in sorted(cells.items()):
        standing = stand(its_cells, readings, thresholds, on=on.toordinal())
        fires = explained(standing, thresholds, its_cells, MOST_SHARE)
        inactive_days = standing.on - standing.last
        found += [Firing(account, key, figures, inactive_days) for key, figures in fires.items()]
    return found


def values(order: Order, texts: list[tuple[str | None, str | None]]) -> Iterator[tuple[int, int]]:
    """(number of the texts, packed value) of each pair of texts in an order; new pairs go to
    `texts`.
    """
    for pair in dict.fromkeys((line.od, line.grade) for line in order.lines):
        if order.cancelled:
            continue
        if pair not in texts:
            texts.append(pair)
        cents = [line.revenue_cents for line in order.lines if (line.od, line.grade) == pair]
        yield texts.index(pair), pack(sum(cents), positive=int(max(cents) > 0))


def shown(firing: Sequence[Firing]) -> set[Shown]:
    """What the columns have of it too."""
    return {
        (one.key.type, Subject(one.account, one.key.combo), of_figures(one.figures))
        for one in firing
    }


def of_figures(figures: Figures) -> tuple[int, int]:
    match figures:
        case DormantFigures():
            return figures.days_inactive, day_number(figures.last_ordered_on)
        case LapseFigures():
            return figures.days_silent, day_number(figures.last_ordered_on)
        case CherryPickingFigures():
            return figures.specialty_revenue_cents, figures.total_revenue_cents


def windows(age_days: int, thresholds: DetectionSettings) -> Iterator[DetectionSettings]:
    """The thresholds with windows that end just before an order so many days old, and on it."""
    for days in (age_days, age_days + 1):
        yield replace(
            thresholds,
            lapse=replace(thresholds.lapse, history_days=days),
            cherry_picking=replace(thresholds.cherry_picking, window_days=days),
        )


def edges(firing: Firing, thresholds: DetectionSettings) -> Iterator[DetectionSettings]:
    """The thresholds with one of them on a figure, and one day, cent or month beyond it."""
    figures = firing.figures
    dormant, lapse, cherry = thresholds.dormant, thresholds.lapse, thresholds.cherry_picking
    for beyond in (0, 1):
        match figures:
            case DormantFigures(days_inactive=days, lifetime_revenue_cents=cents):
                changes: list[Any] = [
                    replace(dormant, gap_days=days + beyond),
                    replace(dormant, minimum_lifetime_revenue_cents=cents + beyond),
                ]
                yield from (replace(thresholds, dormant=change) for change in changes)
            case LapseFigures(days_silent=days, lapsed_revenue_cents=cents, distinct_months=months):
                changes = [
                    replace(lapse, lapse_days=days + beyond),
                    replace(lapse, minimum_revenue_cents=cents + beyond),
                    replace(lapse, minimum_months=months + beyond),
                ]
                yield from (replace(thresholds, lapse=change) for change in changes)
                gap = replace(dormant, gap_days=firing.inactive_days + beyond)
                yield replace(thresholds, dormant=gap)
            case CherryPickingFigures(total_revenue_cents=cents):
                changes = [replace(cherry, minimum_revenue_cents=cents + beyond)]
                share = Fraction(100 * figures.specialty_revenue_cents, cents) - Fraction(
                    beyond, 1000
                )
                if 1000 % share.denominator == 0:
                    changes.append(replace(cherry, share_percent=f"{float(share):.3f}"))
                yield from (replace(thresholds, cherry_picking=change) for change in changes)


# -- the columns ------------------------------------------------------------


def by_columns(ledger: Ledger, thresholds: DetectionSettings, on: date) -> set[Shown]:
    """What the dry run flags."""
    found: set[Shown] = set()
    for type_ in TYPES:
        of_type = candidates(type_, ledger, thresholds, on)
        flagged = of_type.frame.filter("is_flagged")
        pair = ("specialty", "spend") if type_ == "cherry_picking" else ("days", "last")
        for row in flagged.iter_rows(named=True):
            combo = of_type.combos[row["combo"]] if type_ == "lapse" else None
            subject = Subject(of_type.accounts[row["account"]], combo)
            found.add((type_, subject, (row[pair[0]], row[pair[1]])))
    return found


def as_copied(orders: Sequence[Order]) -> bytes:
    """The orders as PostgreSQL copies them out for a ledger; no text of theirs needs quotes but for
    its inches.
    """
    return "".join(
        ",".join(
            (
                order.account,
                str(day_number(order.counts_on)),
                quoted(line.od or "" for line in order.lines),
                quoted(line.grade or "" for line in order.lines),
                quoted(str(line.revenue_cents) for line in order.lines),
            )
        )
        + "\n"
        for order in orders
        if not order.cancelled
    ).encode()


def quoted(texts: Iterable[str]) -> str:
    return '"' + BETWEEN.join(texts).replace('"', '""') + '"'
