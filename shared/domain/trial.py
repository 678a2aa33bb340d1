"""Thresholds tried out: whether they fit how accounts order, which quarters they are replayed over,
and how a histogram is cut.

What thresholds would flag is found over columns (`services.signals.trial.candidates`); here is what
is said about it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from shared.domain.history import Combo

BACK_WITHIN = timedelta(days=90)  # an order so soon after the day counts as coming back unaided
# a threshold below so many usual gaps flags accounts that are merely between two orders
TOO_TIGHT = Fraction(5, 4)
BINS_BELOW = 6
NICE_DAYS = (1, 2, 5, 10, 15, 30, 60, 90, 180, 365, 730)
SHARE_STEP = 5  # percent


class Subject(NamedTuple):
    """What a signal is about."""

    account: str
    combo: Combo | None = None


# -- does it fit -----------------------------------------------------------------------------------


def usual_days(gaps: Sequence[int]) -> int | None:
    """The median of what is usual for each; None where they are too few to speak of."""
    return round(median(gaps)) if len(gaps) >= 5 else None


def is_too_tight(threshold_days: int, usual: int | None) -> bool:
    """Most candidates would be flagged between two orders as they always place them."""
    return usual is not None and threshold_days < usual * TOO_TIGHT


# -- replay ----------------------------------------------------------------------------------------


def quarter_ends(on: date, count: int = 4) -> list[date]:
    """The last days of the calendar quarters that are over on a day, the oldest first."""
    found: list[date] = []
    # of the quarter that is not over
    first = on.replace(day=1, month=3 * ((on.month - 1) // 3) + 1)
    while len(found) < count:
        last = first - timedelta(days=1)
        found.append(last)
        first = last.replace(day=1, month=last.month - 2)
    return found[::-1]


# -- histogram -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bin [low, high) of days, (low, high] of percent; the threshold is always between two."""

    low: Fraction
    high: Fraction
    count: int
    is_flagged: bool


def day_bars(days: Mapping[int, int], threshold: int) -> list[Bar]:
    """`days`: how many candidates by days. From 0 days on, 16 bars or so; the last
    holds everything above.
    """
    step = next((nice for nice in NICE_DAYS if nice * BINS_BELOW >= threshold), NICE_DAYS[-1])
    edges = [
        Fraction(0),
        *(Fraction(edge) for edge in range(threshold % step or step, threshold + 10 * step, step)),
    ]
    counts = [0] * (len(edges) - 1)
    for measure, number in days.items():
        counts[sum(1 for edge in edges[1:-1] if edge <= measure)] += number
    return _bars(edges, counts, Fraction(threshold))


def share_bars(number: int, above: Callable[[Fraction], int], threshold: Fraction) -> list[Bar]:
    """Of `number` candidates so many lie above each percentage. From 0 to 100; what stands at the
    threshold is not above.
    """
    inner = {threshold + step * SHARE_STEP for step in range(-20, 21)}
    edges = [Fraction(0), *sorted(edge for edge in inner if 0 < edge < 100), Fraction(100)]
    reached = [number, *(above(edge) for edge in edges[1:-1]), 0]
    return _bars(edges, [low - high for low, high in pairwise(reached)], threshold)


def _bars(edges: Sequence[Fraction], counts: Sequence[int], threshold: Fraction) -> list[Bar]:
    return [
        Bar(low=low, high=high, count=count, is_flagged=low >= threshold)
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
