"""An account's history, and how it stands on a day: what the three rules look
at (product.md 1 and 2).

A history is cells: per raw combo (a number for its raw OD and grade texts) and per
day one packed integer,

    (net revenue in cents << 20) + orders that have a positive line of it

so that setting and removing an order are an addition and a subtraction. Days are `date.toordinal()`
numbers. Texts stay raw: `Readings` says what they mean under one version of the settings, so a new
size table or alias holds for all of history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.money import saturated
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings

Day = int  # date.toordinal()
Cells = dict[int, dict[Day, int]]

# How texts are read, as a number: raised with whatever makes `sizes` or `grades` read a text as
# something else, so that the next run looks at all accounts again, as after a change of settings.
READING = 4
POSITIVE_BITS = 20  # a million orders a day with one combo at one account are not to be expected
POSITIVE = (1 << POSITIVE_BITS) - 1
NEVER: Day = date.max.toordinal()
YEAR_DAYS = 365

_FIRST_MONTH_DAY = date(1900, 1, 1).toordinal()
_MONTHS = [
    day.year * 12 + day.month
    for day in map(date.fromordinal, range(_FIRST_MONTH_DAY, date(2200, 1, 1).toordinal()))
]  # the calendar month of each day as one number


class Combo(NamedTuple):
    """(OD, grade) as they are read: canonical decimal inches as text, canonical grade; one of the
    two may be None.
    """

    od: str | None
    grade: str | None


class Readings:
    """What an organization's raw combos mean under one version of its settings.
    Grows as new texts turn up.
    """

    def __init__(self, settings: DetectionSettings) -> None:
        self._sizes = TaughtSizes(settings.sizes)  # once: a table has up to 10,000 rows
        self._grades = TaughtGrades(settings.grade_aliases)
        self._specialty_from = settings.cherry_picking.specialty_from
        self.combos: list[Combo | None] = []  # None: neither size nor grade, so no combo
        self.specialty: list[bool] = []

    def extend(self, texts: Sequence[tuple[str | None, str | None]]) -> None:
        """Read the raw (od, grade) texts beyond those that were read before."""
        for raw_od, raw_grade in texts[len(self.combos) :]:
            od = read_od(raw_od, self._sizes).value
            grade = read_grade(raw_grade, self._grades)
            self.combos.append(None if od is None and grade is None else Combo(od, grade))
            self.specialty.append(is_specialty(od, self._specialty_from))


def is_specialty(od: str | None, specialty_from: Decimal | None) -> bool:
    """Everything else is standard goods, what has no OD too."""
    return od is not None and specialty_from is not None and Decimal(od) >= specialty_from


@dataclass(slots=True)
class ComboStanding:
    """One combo on a day: last activity (0: none), net revenue and active calendar months inside
    the history window.
    """

    last: Day = 0
    revenue_cents: int = 0
    months: set[int] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Standing:
    """An account on a day, under one version of the settings. Orders dated after
    the day are not in it.

    last: last activity day, 0 for none. spend, specialty: net over cherry-picking's window.
    Sums of cents are saturated.
    next_change: the first later day on which any of this can differ without a new order; NEVER if
      there is none.
    """

    on: Day
    last: Day
    lifetime_cents: int
    combos: dict[Combo, ComboStanding]
    spend_cents: int
    specialty_cents: int
    next_change: Day


def pack(revenue_cents: int, *, positive: int) -> int:
    """A cell's value for one order; `positive` is 1 where it has a positive
    line of the combo, else 0.
    """
    return (revenue_cents << POSITIVE_BITS) + positive


def add(cells: Cells, ref: int, day: Day, packed: int) -> None:
    """Add one order's value of one combo (subtract it by its negative); empty cells are dropped."""
    days = cells.get(ref)
    if days is None:
        days = cells[ref] = {}
    elif day in days:
        packed += days[day]
    if packed:
        days[day] = packed
    else:
        days.pop(day, None)


def stand(
    cells: Mapping[int, Mapping[Day, int]],
    readings: Readings,
    settings: DetectionSettings,
    *,
    on: Day,
) -> Standing:
    """How the account stands on the day `on`: one pass over its cells. A window of
    n days is (on - n, on].
    """
    lapse, cherry = settings.lapse, settings.cherry_picking
    history_start, window_start = on - lapse.history_days, on - cherry.window_days
    last_activity = lifetime = spend = specialty = 0
    next_change = NEVER
    oldest_in_history = oldest_in_window = NEVER
    combos: dict[Combo, ComboStanding] = {}
    for ref, days in cells.items():
        is_specialty = readings.specialty[ref]
        combo = readings.combos[ref]
        last = net = 0
        months: set[int] = set()
        for day, packed in days.items():
            if day > on:
                if day < next_change:
                    next_change = day
                continue
            revenue = packed >> POSITIVE_BITS
            lifetime += revenue
            positive = packed & POSITIVE
            if positive and day > last:
                last = day
            if day > history_start:
                net += revenue
                if positive:
                    months.add(_MONTHS[day - _FIRST_MONTH_DAY])
                if day < oldest_in_history:
                    oldest_in_history = day
            if day > window_start:
                spend += revenue
                if is_specialty:
                    specialty += revenue
                if day < oldest_in_window:
                    oldest_in_window = day
        if last > last_activity:
            last_activity = last
        if combo is not None:
            found = combos.get(combo)
            if found is None:
                combos[combo] = ComboStanding(last, net, months)
            else:
                found.last = max(found.last, last)
                found.revenue_cents += net
                found.months |= months
    for one in combos.values():
        one.revenue_cents = saturated(one.revenue_cents)
    changes = [next_change, last_activity + settings.dormant.gap_days]
    if lapse.enabled:
        changes.append(oldest_in_history + lapse.history_days)
        changes += [combo.last + lapse.lapse_days for combo in combos.values()]
    if cherry.enabled:
        changes.append(oldest_in_window + cherry.window_days)
    return Standing(
        on=on, last=last_activity, lifetime_cents=saturated(lifetime), combos=combos,
        spend_cents=saturated(spend), specialty_cents=saturated(specialty),
        next_change=min((day for day in changes if day > on), default=NEVER),
    )  # fmt: skip


def net_between(cells: Mapping[int, Mapping[Day, int]], *, after: Day, up_to: Day) -> int:
    """Net revenue in cents of all lines dated in (after, up_to], saturated."""
    return saturated(
        sum(
            packed >> POSITIVE_BITS
            for days in cells.values()
            for day, packed in days.items()
            if after < day <= up_to
        )
    )
