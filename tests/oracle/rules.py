"""The three detection rules once more, slow and obvious: sums over raw orders,
exact fractions, no state.

Written from the product's description alone. It shares with the services what an order and a
setting look like (`shared.events`, `shared.domain.thresholds`) and how a raw text is read (`sizes`,
`grades`), and no rule.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from shared.domain.grades import read_grade
from shared.domain.sizes import read_od
from shared.domain.thresholds import DetectionSettings
from shared.events import Order

YEAR = timedelta(days=365)
FEWEST_FOR_A_MEDIAN = 10
LARGEST_SUM = 2**62 - 1
LEAST_SHARE, MOST_SHARE = Fraction(20, 100), Fraction(80, 100)


class Key(NamedTuple):
    """What a signal is about: a type on an account, or on one combo of it."""

    account: str
    type: str
    od: str | None = None
    grade: str | None = None


@dataclass(frozen=True, kw_only=True)
class Firing:
    """The figures of a signal that fires on a day, by the names that the command line prints."""

    lifetime_revenue_cents: int
    figures: dict[str, int | date]


class Read(NamedTuple):
    """One line of an order that counts, its texts read."""

    day: date
    od: str | None
    grade: str | None
    cents: int


Combo = tuple[str | None, str | None]


class Reader:
    """Reads lines under one version of the settings; each text once."""

    def __init__(self, settings: DetectionSettings) -> None:
        self._settings = settings
        self._ods: dict[str | None, str | None] = {}
        self._grades: dict[str | None, str | None] = {}

    def lines(self, orders: Iterable[Order], *, on: date) -> list[Read]:
        """Every line of the orders that are not cancelled and are dated up to `on`."""
        return [
            Read(order.counts_on, self.od(line.od), self.grade(line.grade), line.revenue_cents)
            for order in orders
            if not order.cancelled and order.counts_on <= on
            for line in order.lines
        ]

    def od(self, text: str | None) -> str | None:
        if text not in self._ods:
            self._ods[text] = read_od(text, self._settings.sizes).value
        return self._ods[text]

    def grade(self, text: str | None) -> str | None:
        if text not in self._grades:
            self._grades[text] = read_grade(text, self._settings.grade_aliases)
        return self._grades[text]


def firing(
    orders: Iterable[Order], *, on: date, settings: DetectionSettings, reader: Reader | None = None
) -> dict[Key, Firing]:
    """All signals of one organization that fire as of `on`; `orders` are the counting
    versions, of any accounts.
    """
    reader = reader or Reader(settings)
    of_account: dict[str, list[Order]] = {}
    for order in orders:
        of_account.setdefault(order.account, []).append(order)
    lines = {account: reader.lines(its_orders, on=on) for account, its_orders in of_account.items()}

    found: dict[Key, Firing] = {}
    for account, its_lines in lines.items():
        found |= dormant(account, its_lines, on=on, settings=settings)
        found |= lapses(account, its_lines, on=on, settings=settings)
    found |= cherry_pickers(lines, on=on, settings=settings)
    return found


# -- A · fully dormant -----------------------------------------------------------------------------


def dormant(
    account: str, lines: list[Read], *, on: date, settings: DetectionSettings
) -> dict[Key, Firing]:
    """Last activity day at least the gap before `on`, lifetime revenue at least the floor."""
    last = last_activity(lines)
    lifetime = kept(line.cents for line in lines)
    if not settings.dormant.enabled or last is None:
        return {}
    if (
        (on - last).days < settings.dormant.gap_days
        or lifetime < settings.dormant.minimum_lifetime_revenue_cents
    ):
        return {}
    figures: dict[str, int | date] = {
        "days_inactive": (on - last).days,
        "last_ordered_on": last,
        "lifetime_revenue_cents": lifetime,
        "last_year_revenue_cents": kept(
            line.cents for line in lines if last - YEAR < line.day <= last
        ),
    }
    return {Key(account, "dormant"): Firing(lifetime_revenue_cents=lifetime, figures=figures)}


def last_activity(lines: Iterable[Read]) -> date | None:
    return max((line.day for line in lines if line.cents > 0), default=None)


def is_active(lines: list[Read], *, on: date, settings: DetectionSettings) -> bool:
    """The last activity lies inside A's gap, even when A is off."""
    last = last_activity(lines)
    return last is not None and (on - last).days < settings.dormant.gap_days


# -- B · product lapse -----------------------------------------------------------------------------


def lapses(
    account: str, lines: list[Read], *, on: date, settings: DetectionSettings
) -> dict[Key, Firing]:
    """The account is active; the combo is silent for the lapse window, and earned its floors inside
    the history window.
    """
    if not settings.lapse.enabled or not is_active(lines, on=on, settings=settings):
        return {}
    found: dict[Key, Firing] = {}
    combos = {(line.od, line.grade) for line in lines} - {(None, None)}
    for od, grade in combos:
        its_lines = [line for line in lines if (line.od, line.grade) == (od, grade)]
        last = last_activity(its_lines)
        if last is None or (on - last).days < settings.lapse.lapse_days:
            continue
        window = [
            line
            for line in its_lines
            if on - timedelta(days=settings.lapse.history_days) < line.day <= on
        ]
        earned = kept(line.cents for line in window)
        months = {(line.day.year, line.day.month) for line in window if line.cents > 0}
        if (
            earned < settings.lapse.minimum_revenue_cents
            or len(months) < settings.lapse.minimum_months
        ):
            continue
        figures: dict[str, int | date] = {
            "days_silent": (on - last).days,
            "last_ordered_on": last,
            "lapsed_revenue_cents": earned,
            "distinct_months": len(months),
        }
        lifetime = kept(line.cents for line in lines)
        found[Key(account, "lapse", od, grade)] = Firing(
            lifetime_revenue_cents=lifetime, figures=figures
        )
    return found


# -- C · cherry-picking ----------------------------------------------------------------------------


class Spend(NamedTuple):
    """Net spend of one account over C's window."""

    specialty: int
    total: int

    @property
    def share(self) -> Fraction:
        return Fraction(self.specialty, self.total)

    @property
    def standard(self) -> int:
        return self.total - self.specialty


def cherry_pickers(
    lines: dict[str, list[Read]], *, on: date, settings: DetectionSettings
) -> dict[Key, Firing]:
    """Net spend at least the floor, and the specialty share strictly above the threshold."""
    if not settings.cherry_picking.enabled:
        return {}
    of_account = {
        account: spend(its_lines, on=on, settings=settings) for account, its_lines in lines.items()
    }
    carriers = {
        account: its_spend
        for account, its_spend in of_account.items()
        if carries(its_spend, settings)
    }
    median = median_share(of_account, on=on, settings=settings)
    found = {}
    for account, its_spend in carriers.items():
        upside = max(Fraction(0), its_spend.specialty * (1 - median) / median - its_spend.standard)
        figures: dict[str, int | date] = {
            "specialty_share_bps": min(10_000, half_up(its_spend.share * 10_000)),
            "specialty_revenue_cents": its_spend.specialty,
            "total_revenue_cents": its_spend.total,
            "estimated_upside_cents": kept([half_up(upside)]),
        }
        lifetime = kept(line.cents for line in lines[account])
        found[Key(account, "cherry_picking")] = Firing(
            lifetime_revenue_cents=lifetime, figures=figures
        )
    return found


def spend(lines: list[Read], *, on: date, settings: DetectionSettings) -> Spend:
    window = [
        line
        for line in lines
        if on - timedelta(days=settings.cherry_picking.window_days) < line.day <= on
    ]
    return Spend(
        specialty=kept(line.cents for line in window if is_specialty(line.od, settings)),
        total=kept(line.cents for line in window),
    )


def is_specialty(od: str | None, settings: DetectionSettings) -> bool:
    """Everything that is not, lines without OD too, is standard goods."""
    return od is not None and Decimal(od) >= Decimal(settings.cherry_picking.minimum_od)


def is_large_enough(its_spend: Spend, settings: DetectionSettings) -> bool:
    return its_spend.total > 0 and its_spend.total >= settings.cherry_picking.minimum_revenue_cents


def carries(its_spend: Spend, settings: DetectionSettings) -> bool:
    return (
        is_large_enough(its_spend, settings)
        and its_spend.share > Fraction(settings.cherry_picking.share_percent) / 100
    )


def median_share(
    of_account: dict[str, Spend], *, on: date, settings: DetectionSettings
) -> Fraction:
    """Of the accounts at or above the floor that do not carry C, clamped; where these
    are too few, the most.
    """
    shares = sorted(
        s.share
        for s in of_account.values()
        if is_large_enough(s, settings) and not carries(s, settings)
    )
    if len(shares) < FEWEST_FOR_A_MEDIAN:
        return MOST_SHARE
    middle = len(shares) // 2
    median = shares[middle] if len(shares) % 2 else (shares[middle - 1] + shares[middle]) / 2
    return min(max(median, LEAST_SHARE), MOST_SHARE)


def half_up(value: Fraction) -> int:
    """Nearest whole number, halves upwards; all figures that are rounded are not negative."""
    return (value + Fraction(1, 2)).__floor__()


def kept(cents: Iterable[int]) -> int:
    """A whole sum as it is kept: what is beyond the largest is the largest."""
    return min(max(sum(cents), -LARGEST_SUM), LARGEST_SUM)
