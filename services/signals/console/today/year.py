"""Twelve months as a drawing and as its table: what was at stake by week, and the accounts that
came back and were lost in each.

Places along it are thousandths of its width, heights are its own units: it stretches with the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from shared.wording import money, short_day, short_money

MONTHS = 12
WIDTH = 1_200  # a hundred a month, so that the months of the table stand under their part
AREA, LINE, FOOT = 70, 108, 128  # the area's ground, the bars' line, their lowest
TALLEST_UP, TALLEST_DOWN = 30, 18
MOST_MARKS = 4


@dataclass(frozen=True, kw_only=True)
class MonthView:
    """A column of the table. path: of its summary."""

    name: str
    month: str
    stake: str
    stake_exact: str
    back: str
    lost: str
    path: str


@dataclass(frozen=True, kw_only=True)
class YearView:
    """Ready to be drawn. marks: (place in percent, words) of changed settings."""

    words: str
    area: str
    outline: str
    ups: str
    downs: str
    marks: list[tuple[str, str]]
    months: list[MonthView]
    first_stake: str
    last_stake: str


def first_month(today: date) -> date:
    """The first day that is drawn."""
    months = today.year * 12 + today.month - 1 - (MONTHS - 1)
    return date(months // 12, months % 12 + 1, 1)


def draw(
    *,
    today: date,
    stakes: Mapping[date, int],
    back_by_week: Mapping[date, int],
    back_by_month: Mapping[date, int],
    lost_by_week: Mapping[date, int],
    lost_by_month: Mapping[date, int],
    settings_days: Sequence[date],
    currency: str,
    locale: str,
    summary_path: str,
) -> YearView:
    """`stakes`: cents by the day of a run; the others: accounts by the Monday of a week, by the
    first of a month.
    """
    first = first_month(today)
    months = _months(first)
    points = _weekly(stakes, first, today)
    largest = max((cents for _, cents in points), default=0) or 1
    most = max([*back_by_week.values(), *lost_by_week.values(), 1])
    area = [
        (_place(day, first), AREA - round(AREA * 0.85 * cents / largest)) for day, cents in points
    ]
    outline = _steps(area, _place(today, first))
    back, lost = sum(back_by_month.values()), sum(lost_by_month.values())
    said = f"now {money(points[-1][1], currency, locale)}" if points else "no run yet"
    marks = [day for day in dict.fromkeys(settings_days) if day >= first][-MOST_MARKS:]
    return YearView(
        words=f"At stake, {said}; {back:,} came back and {lost:,} were lost in twelve months",
        area=f"{outline}V{AREA}H{area[0][0]}Z" if area else "",
        outline=outline,
        ups=_bars(back_by_week, first, most, up=True),
        downs=_bars(lost_by_week, first, most, up=False),
        marks=[
            (
                f"{_place(day, first) * 100 / WIDTH:.2f}%",
                f"{short_day(day, seen_from=day)}: settings",
            )
            for day in marks
        ],
        months=[
            _month(one, points, back_by_month, lost_by_month, currency, locale, summary_path)
            for one in months
        ],
        first_stake=short_money(points[0][1], currency, locale) if points else "",
        last_stake=short_money(points[-1][1], currency, locale) if points else "",
    )


def _months(first: date) -> list[date]:
    return [
        date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1)
        for n in range(MONTHS)
    ]


def _place(day: date, first: date) -> int:
    """Each month is as wide as the others, so that its column stands under it."""
    month = day.replace(day=1)
    length = ((month + timedelta(days=32)).replace(day=1) - month).days
    months = (month.year - first.year) * 12 + month.month - first.month
    return months * 100 + 100 * (day.day - 1) // length


def _weekly(stakes: Mapping[date, int], first: date, today: date) -> list[tuple[date, int]]:
    """The last of each week, the oldest first."""
    weeks: dict[date, tuple[date, int]] = {}
    for day in sorted(stakes):
        if first <= day <= today:
            weeks[day - timedelta(days=day.weekday())] = (day, stakes[day])
    return list(weeks.values())


def _steps(points: Sequence[tuple[int, int]], end: int) -> str:
    """A staircase: what a run found stands until the next one."""
    if not points:
        return ""
    path = f"M{points[0][0]} {points[0][1]}"
    for x, y in points[1:]:
        path += f"H{x}V{y}"
    return path + f"H{max(end, points[-1][0] + 2)}"


def _bars(weeks: Mapping[date, int], first: date, most: int, *, up: bool) -> str:
    tallest = TALLEST_UP if up else TALLEST_DOWN
    path = ""
    for monday, number in sorted(weeks.items()):
        height = max(3, round(tallest * number / most))
        x = max(_place(monday, first), 0) + 6
        path += f"M{x} {LINE}v{-height if up else height}"
    return path


def _month(
    first: date,
    points: Sequence[tuple[date, int]],
    back: Mapping[date, int],
    lost: Mapping[date, int],
    currency: str,
    locale: str,
    summary_path: str,
) -> MonthView:
    """At stake: as the month ended, or as it stands."""
    of_month = [
        cents for day, cents in points if (day.year, day.month) == (first.year, first.month)
    ]
    return MonthView(
        name=f"{first:%b}",
        month=f"{first:%Y-%m}",
        stake=short_money(of_month[-1], currency, locale) if of_month else "–",
        stake_exact=money(of_month[-1], currency, locale) if of_month else "no run",
        back=f"{back.get(first, 0):,}",
        lost=f"{lost.get(first, 0):,}",
        path=f"{summary_path}?month={first:%Y-%m}",
    )
