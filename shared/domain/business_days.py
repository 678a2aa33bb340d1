"""When letters leave: on business days, in working hours, at a minute of their own.

A day is a business day where it is none of the weekend or the holidays of the contact's country,
nor of the organization's, nor a day on which the organization is closed: somebody must be there to
answer. Days and hours are local, moments are UTC.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MOST_CLOSED_DAYS = 400  # in a row: a calendar that never opens is a mistake, not a reason to hang
EARLY_MINUTES = 30  # who waited for a window leaves in its first half hour
FINISHED_AFTER_DAYS = 10  # business days after the last letter
LATE_AFTER_DAYS = 10  # business days after which a letter that could not leave never does


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """closed: holidays and closing days. weekend: of Monday 0 to Sunday 6. from_hour, to_hour: the
    window, 0 to 24.
    """

    timezone: str
    closed: Collection[date] = frozenset()
    weekend: frozenset[int] = frozenset({5, 6})
    from_hour: int = 9
    to_hour: int = 17

    def is_open(self, day: date) -> bool:
        """Whether letters leave on that day."""
        return day.weekday() not in self.weekend and day not in self.closed

    def local_day(self, at: datetime) -> date:
        """The day that it is there."""
        return at.astimezone(ZoneInfo(self.timezone)).date()


def after(calendar: Calendar, day: date, count: int) -> date:
    """The `count`th business day after `day`."""
    closed = 0
    while count:
        day += timedelta(days=1)
        if calendar.is_open(day):
            count, closed = count - 1, 0
        elif (closed := closed + 1) > MOST_CLOSED_DAYS:
            return day
    return day


def due_at(calendar: Calendar, last: datetime, wait_days: int, *, seed: str) -> datetime:
    """On the `wait_days`th business day after `last` (one at least), at a minute of the window that
    hangs on `seed` alone.
    """
    day = after(calendar, calendar.local_day(last), max(1, wait_days))
    return _at(calendar, day, share(seed))


def first_at(
    calendar: Calendar, launched: datetime, *, least: int, most: int, seed: str
) -> datetime:
    """`least` to `most` seconds after launch, or in the next window."""
    return next_open(
        calendar, launched + timedelta(seconds=least + share(seed) * (most - least)), seed=seed
    )


def next_open(calendar: Calendar, at: datetime, *, seed: str) -> datetime:
    """`at` itself where a letter may leave then; else early in the next window."""
    day = calendar.local_day(at)
    begin, end = _at(calendar, day, 0.0), _at(calendar, day, 1.0)
    if calendar.is_open(day) and begin <= at < end:
        return at
    if not (calendar.is_open(day) and at < begin):
        day = after(calendar, day, 1)
    window = (_at(calendar, day, 1.0) - _at(calendar, day, 0.0)).total_seconds()
    early = min(window, EARLY_MINUTES * 60)
    return _at(calendar, day, 0.0) + timedelta(seconds=int(early * share(seed)))


def is_late(calendar: Calendar, due: datetime, now: datetime) -> bool:
    """Whether a letter that was due then has waited too long to make sense."""
    return calendar.local_day(now) > after(calendar, calendar.local_day(due), LATE_AFTER_DAYS)


def finished_at(calendar: Calendar, last: datetime) -> datetime:
    """When nobody waits for an answer to the last letter any more."""
    return _at(calendar, after(calendar, calendar.local_day(last), FINISHED_AFTER_DAYS), 1.0)


def share(seed: str) -> float:
    """0 up to 1, the same for the same seed."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7]) / 2**56


def _at(calendar: Calendar, day: date, part: float) -> datetime:
    """A part of the window of a day. Where clocks are moved in between, the window is what the
    clock on the wall shows.
    """
    zone = ZoneInfo(calendar.timezone)
    begin = datetime.combine(day, time(calendar.from_hour), zone).astimezone(UTC)
    last = day + timedelta(days=1) if calendar.to_hour == 24 else day
    end = datetime.combine(last, time(calendar.to_hour % 24), zone).astimezone(UTC)
    return begin + timedelta(seconds=int((end - begin).total_seconds() * part))
