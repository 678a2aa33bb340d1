"""When a schedule fires: cadence and anchor in the organization's zone (product.md 5;
architecture.md, *Time is an event*).

From a day up, a schedule fires at its hour of the local clock, every n days from its anchor:
"every 3 days" goes on through months and years, and daylight saving never shifts it. A local
time that the clocks skip fires at the first moment after the gap, one that they double fires
once, the first time. Below a day (a development flag) it fires every n minutes of real time from
the anchor's midnight.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Frequency = Literal[
    "5-minutes", "10-minutes", "30-minutes", "hourly", "daily", "3-days", "weekly", "2-weeks"
]

MINUTES: dict[Frequency, int] = {"5-minutes": 5, "10-minutes": 10, "30-minutes": 30, "hourly": 60}
DAYS: dict[Frequency, int] = {"daily": 1, "3-days": 3, "weekly": 7, "2-weeks": 14}

NEAR_NEXT = timedelta(hours=12)  # a catch-up so close to the next firing is dropped


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """`hour` (local, 0 to 23) counts from a day up. Nothing fires at or before `since`: when it was
    made or last changed.
    """

    frequency: Frequency
    hour: int
    anchor_on: date
    timezone: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Due:
    """The one firing to make up for: the latest. `dropped` says why it is not, in words."""

    slot_at: datetime
    dropped: str | None = None


def due(schedule: Schedule, *, last_slot_at: datetime | None, now: datetime) -> Due | None:
    """What is to fire now, if anything: of all the firings since the last slot only the latest, so
    that an outage is answered by one catch-up, and none within 12 hours of the next firing (half
    the cadence, where that is less than a day).
    """
    slot_at = latest_firing(schedule, now)
    if slot_at is None or (last_slot_at is not None and slot_at <= last_slot_at):
        return None
    near = min(NEAR_NEXT, period(schedule.frequency) / 2)
    if next_firing(schedule, now) - now < near:
        return Due(slot_at=slot_at, dropped="the next one is near")
    return Due(slot_at=slot_at)


def latest_firing(schedule: Schedule, at: datetime) -> datetime | None:
    """The last firing at or before `at`; None where that is not after `since`."""
    step = period(schedule.frequency)
    if schedule.frequency in MINUTES:
        start = _start(schedule)
        found = start + (at - start) // step * step
    else:
        found = max(instant for instant in _around(schedule, at) if instant <= at)
    return found if found > schedule.since else None


def next_firing(schedule: Schedule, after: datetime) -> datetime:
    """The first firing after `after` (and after `since`)."""
    after = max(after, schedule.since)
    step = period(schedule.frequency)
    if schedule.frequency in MINUTES:
        start = _start(schedule)
        return start + ((after - start) // step + 1) * step
    return min(instant for instant in _around(schedule, after) if instant > after)


def next_firings(schedule: Schedule, after: datetime, count: int) -> list[datetime]:
    """The next few."""
    found: list[datetime] = []
    while len(found) < count:
        after = next_firing(schedule, after)
        found.append(after)
    return found


def first_day(
    frequency: Frequency, hour: int, weekday: int, *, now: datetime, timezone: str
) -> date:
    """The anchor of a schedule that is made now: the first day (of that weekday, Monday 0, for
    whole weeks) on which it fires.
    """
    day = now.astimezone(ZoneInfo(timezone)).date()
    if frequency in MINUTES:
        return day
    is_weekly = DAYS[frequency] % 7 == 0
    while local_instant(day, hour, timezone) <= now or (is_weekly and day.weekday() != weekday):
        day += timedelta(days=1)
    return day


def period(frequency: Frequency) -> timedelta:
    """The time between two firings, daylight saving aside."""
    return (
        timedelta(minutes=MINUTES[frequency])
        if frequency in MINUTES
        else timedelta(days=DAYS[frequency])
    )


def local_instant(day: date, hour: int, timezone: str) -> datetime:
    """The moment (UTC) at which a zone's clocks say `hour` on `day`.

    fold=0 reads a doubled time as the first of the two, and a skipped one with the offset
    from before the gap, which is the moment the gap ends when the gap begins at that time, as
    they do on full hours.
    """
    return datetime.combine(day, time(hour), tzinfo=ZoneInfo(timezone)).astimezone(UTC)


def _start(schedule: Schedule) -> datetime:
    return local_instant(schedule.anchor_on, 0, schedule.timezone)


def _around(schedule: Schedule, at: datetime) -> list[datetime]:
    """The firings on the schedule's days around `at`: at least one before, one after."""
    every = DAYS[schedule.frequency]
    today = at.astimezone(ZoneInfo(schedule.timezone)).date()
    latest_day = today - timedelta(days=(today - schedule.anchor_on).days % every)
    days = (latest_day + timedelta(days=every * n) for n in (-2, -1, 0, 1, 2))
    return [local_instant(day, schedule.hour, schedule.timezone) for day in days]
