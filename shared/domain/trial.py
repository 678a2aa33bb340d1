"""Thresholds tried out: what the rules would flag, among which candidates, and how it went in quarters that are over.

The rules are the detector's own (dormant, lapse, cherry_picking); here they are asked what would be. A candidate passes every
floor but the one threshold that the histogram draws, so it is the same rule with that threshold taken out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from statistics import median
from typing import NamedTuple

import msgspec

from shared.domain.cherry_picking import is_cherry_picking, reaches_floor
from shared.domain.dormant import is_dormant
from shared.domain.history import Combo, Standing
from shared.domain.lapse import lapsed_combos
from shared.domain.thresholds import DetectionSettings
from shared.events import SignalType

BACK_WITHIN = timedelta(days=90)  # an order so soon after the day counts as coming back unaided
TOO_TIGHT = Fraction(5, 4)  # a threshold below so many usual gaps flags accounts that are merely between two orders
BINS_BELOW = 6
NICE_DAYS = (1, 2, 5, 10, 15, 30, 60, 90, 180, 365, 730)
SHARE_STEP = 5  # percent


class Subject(NamedTuple):
    """What a signal is about."""

    account: str
    combo: Combo | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """An account on a day; `typical_days` and `back_on` (the first order after that day) of the account, or of each combo."""

    account: str
    standing: Standing
    typical_days: Mapping[Combo | None, int] = field(default_factory=dict)
    back_on: Mapping[Combo | None, date] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """`measure`: days since the last order, or the share of specialty in percent."""

    subject: Subject
    measure: Fraction | int
    is_flagged: bool
    typical_days: int | None = None
    back_on: date | None = None


def candidates(type_: SignalType, pasts: Iterable[Past], settings: DetectionSettings) -> list[Candidate]:
    """All that pass the other floors, whether the type is switched on or not."""
    if type_ == "dormant":
        return list(_dormant(pasts, settings))
    return list(_lapse(pasts, settings) if type_ == "lapse" else _cherry_picking(pasts, settings))


def _dormant(pasts: Iterable[Past], settings: DetectionSettings) -> Iterable[Candidate]:
    tried = msgspec.structs.replace(settings.dormant, enabled=True)
    without = msgspec.structs.replace(tried, gap_days=0)
    for past in pasts:
        if is_dormant(past.standing, without):
            yield Candidate(
                subject=Subject(past.account),
                measure=past.standing.on - past.standing.last,
                is_flagged=is_dormant(past.standing, tried),
                typical_days=past.typical_days.get(None),
                back_on=past.back_on.get(None),
            )


def _lapse(pasts: Iterable[Past], settings: DetectionSettings) -> Iterable[Candidate]:
    tried = msgspec.structs.replace(settings.lapse, enabled=True)
    without = msgspec.structs.replace(tried, lapse_days=0)
    for past in pasts:
        flagged = lapsed_combos(past.standing, tried, settings.dormant)
        for combo, figures in lapsed_combos(past.standing, without, settings.dormant).items():
            yield Candidate(
                subject=Subject(past.account, combo),
                measure=figures.days_silent,
                is_flagged=combo in flagged,
                typical_days=past.typical_days.get(combo),
                back_on=past.back_on.get(combo),
            )


def _cherry_picking(pasts: Iterable[Past], settings: DetectionSettings) -> Iterable[Candidate]:
    tried = msgspec.structs.replace(settings.cherry_picking, enabled=True)
    for past in pasts:
        specialty, spend = past.standing.specialty_cents, past.standing.spend_cents
        if reaches_floor(spend, tried):
            yield Candidate(
                subject=Subject(past.account),
                measure=min(max(Fraction(100 * specialty, spend), Fraction(0)), Fraction(100)),
                is_flagged=is_cherry_picking(specialty, spend, tried),
                back_on=past.back_on.get(None),
            )


# -- does it fit ---------------------------------------------------------------------------------------------------------------


def usual_days(tried: Iterable[Candidate]) -> int | None:
    """The median of the candidates' typical gaps; None where too few have one to speak of."""
    gaps = [one.typical_days for one in tried if one.typical_days is not None]
    return round(median(gaps)) if len(gaps) >= 5 else None


def is_too_tight(threshold_days: int, usual: int | None) -> bool:
    """Most candidates would be flagged between two orders as they always place them."""
    return usual is not None and threshold_days < usual * TOO_TIGHT


# -- replay ------------------------------------------------------------------------------------------------------------------------


def quarter_ends(on: date, count: int = 4) -> list[date]:
    """The last days of the calendar quarters that are over on a day, the oldest first."""
    found: list[date] = []
    first = on.replace(day=1, month=3 * ((on.month - 1) // 3) + 1)  # of the quarter that is not over
    while len(found) < count:
        last = first - timedelta(days=1)
        found.append(last)
        first = last.replace(day=1, month=last.month - 2)
    return found[::-1]


def came_back(tried: Iterable[Candidate], on: date) -> set[Subject]:
    """Flagged on a day, and back within 90."""
    return {one.subject for one in tried if one.is_flagged and one.back_on is not None and on < one.back_on <= on + BACK_WITHIN}


# -- histogram ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bin [low, high) of days, (low, high] of percent; the threshold is always between two."""

    low: Fraction
    high: Fraction
    count: int
    is_flagged: bool


def day_bars(tried: Sequence[Candidate], threshold: int) -> list[Bar]:
    """From 0 days on, 16 or so; the last holds everything above."""
    step = next((nice for nice in NICE_DAYS if nice * BINS_BELOW >= threshold), NICE_DAYS[-1])
    edges = [Fraction(0), *(Fraction(edge) for edge in range(threshold % step or step, threshold + 10 * step, step))]
    counts = [0] * (len(edges) - 1)
    for one in tried:
        below = sum(1 for edge in edges[1:-1] if edge <= one.measure) if one.measure < edges[-1] else len(counts) - 1
        counts[below] += 1
    return _bars(edges, counts, Fraction(threshold))


def share_bars(tried: Sequence[Candidate], threshold: Fraction) -> list[Bar]:
    """From 0 to 100 percent; what stands exactly at the threshold is not above it."""
    inner = {threshold + step * SHARE_STEP for step in range(-20, 21)}
    edges = [Fraction(0), *sorted(edge for edge in inner if 0 < edge < 100), Fraction(100)]
    counts = [0] * (len(edges) - 1)
    for one in tried:
        counts[sum(1 for edge in edges[1:-1] if edge < one.measure)] += 1
    return _bars(edges, counts, threshold)


def _bars(edges: Sequence[Fraction], counts: Sequence[int], threshold: Fraction) -> list[Bar]:
    return [
        Bar(low=low, high=high, count=count, is_flagged=low >= threshold)
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
