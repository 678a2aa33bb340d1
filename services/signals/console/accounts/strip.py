"""The order strip: a drawing of one signal's time, from days and sums to places and words.

Places along it are percentages, heights are pixels: it stretches with the page, its letters do not.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from shared.domain.typed_numbers import NumberStyle
from shared.wording import short_day, whole_money

LINE_Y = 50
TALLEST, SHORTEST = 26, 10
# that say their sums on hover; more of them stand too close to be pointed at, and are drawn at once
MOST_HITS = 24
EDGE_DAYS = 8
MONTHS_SHOWN = 14
WIDTH = 1000  # of the path of ticks, in its own units


@dataclass(frozen=True, kw_only=True)
class Hit:
    """An order of the signal, above the line."""

    x: str
    top: int
    title: str
    is_old: bool


@dataclass(frozen=True, kw_only=True)
class StripView:
    """Ready to be drawn. ticks: the path of all orders, below the line; many, many_old:
    those of the signal, where they are too many for `hits`; marks: of the months. limit_x:
    where the silence became too long.
    """

    words: str
    window_x: str
    window_width: str
    window_words: str
    limit_x: str
    limit_width: str
    limit_words: str
    from_x: str
    to_x: str
    silence_words: str
    ticks: str
    hits: list[Hit]
    many: str
    many_old: str
    marks: str
    months: list[tuple[str, str]]


def draw(
    *,
    as_of: date,
    window_days: int,
    limit_days: int | None,
    hits: Mapping[date, int],
    others: Collection[date],
    about: str,
    style: NumberStyle,
) -> StripView:
    """One strip up to `as_of`. hits: net in cents by day; others: all days with an order;
    limit_days: None where silence is not what it is about.
    """
    last = max((day for day, cents in hits.items() if cents > 0), default=None)
    silent = (as_of - last).days if last else 0
    reach = max(
        window_days,
        silent + (window_days if limit_days is not None and silent > window_days else 0),
    )
    start, end = (
        as_of - timedelta(days=reach + 3 * EDGE_DAYS),
        as_of + timedelta(days=EDGE_DAYS // 2),
    )
    length = (end - start).days

    def at(day: date) -> float:
        return min(100.0, max(0.0, 100 * (day - start).days / length))

    window_from = max(start, as_of - timedelta(days=window_days))
    limit = None if limit_days is None else as_of - timedelta(days=limit_days)
    largest = max(hits.values(), default=1)
    inside = {day: cents for day, cents in hits.items() if day > start and cents > 0}
    drawn = [
        Hit(
            x=_place(at(day)),
            top=LINE_Y - SHORTEST - round((TALLEST - SHORTEST) * cents / largest),
            title=f"{short_day(day, seen_from=date.min)}: {whole_money(cents, style)}",
            is_old=day <= window_from,
        )
        for day, cents in sorted(inside.items())
    ]
    is_crowded = len(drawn) > MOST_HITS
    months = _months(start, as_of, at)
    return StripView(
        words=f"{about}: {len([day for day in inside if day > window_from])} days with an order in "
        f"the last {window_days}" + (f", none in the last {silent} days" if limit and last else ""),
        window_x=_place(at(window_from)),
        window_width=_place(at(as_of) - at(window_from)),
        window_words="1-year window" if window_days == 365 else f"{window_days} d window",
        limit_x=_place(at(limit)) if limit else "",
        limit_width=_place(at(as_of) - at(limit)) if limit else "",
        limit_words=f"{limit_days} d limit" if limit else "",
        from_x=_place(at(last)) if limit and last else "",
        to_x=_place(at(as_of)),
        silence_words=f"{silent} d silent" if limit and last else "",
        ticks="".join(
            f"M{WIDTH * at(day) / 100:.0f} 0v5"
            for day in sorted({day for day in others if day > start})
        ),
        hits=[] if is_crowded else drawn,
        many=_path([hit for hit in drawn if not hit.is_old]) if is_crowded else "",
        many_old=_path([hit for hit in drawn if hit.is_old]) if is_crowded else "",
        marks="".join(
            f"M{float(place.removesuffix('%')) * WIDTH / 100:.0f} 0v3" for place, _ in months
        ),
        months=months,
    )


def _path(hits: Sequence[Hit]) -> str:
    """From the line up, along WIDTH."""
    return "".join(
        f"M{float(hit.x.removesuffix('%')) * WIDTH / 100:.0f} {hit.top}V{LINE_Y}" for hit in hits
    )


def _months(start: date, end: date, at: Callable[[date], float]) -> list[tuple[str, str]]:
    """(place, name) of the first of each month, fewer where there are many."""
    firsts = []
    day = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    while day <= end - timedelta(days=12):
        firsts.append(day)
        day = (day + timedelta(days=32)).replace(day=1)
    step = 1 + len(firsts) // MONTHS_SHOWN
    return [
        (_place(at(first)), f"{first:%b}" if step == 1 else f"{first:%b %y}")
        for first in firsts[::-1][::step][::-1]
    ]


def _place(percent: float) -> str:
    return f"{percent:.2f}%"
