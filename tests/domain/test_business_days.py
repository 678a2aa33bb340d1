"""When letters leave: business days and hours, in three zones, over both changes of clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import business_days as days
from shared.domain.business_days import Calendar

CHICAGO, RIYADH, BERLIN = "America/Chicago", "Asia/Riyadh", "Europe/Berlin"
SAUDI = frozenset({4, 5})  # Friday and Saturday
MOMENTS = st.integers(0, 730 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
CALENDARS = st.builds(
    Calendar,
    timezone=st.sampled_from([CHICAGO, RIYADH, BERLIN]),
    closed=st.frozensets(st.dates(date(2026, 1, 1), date(2027, 12, 31)), max_size=20),
    weekend=st.sampled_from([frozenset({5, 6}), SAUDI]),
    from_hour=st.integers(0, 12),
    to_hour=st.integers(13, 24),
)


def local(at: datetime, calendar: Calendar) -> datetime:
    return at.astimezone(ZoneInfo(calendar.timezone))


@given(CALENDARS, MOMENTS, st.integers(0, 20), st.text())
def test_a_follow_up_is_due_in_the_window_of_the_right_business_day(
    calendar: Calendar, last: datetime, wait: int, seed: str
) -> None:
    due = days.due_at(calendar, last, wait, seed=seed)
    there = local(due, calendar)
    between = [
        day
        for n in range(1, 400)
        if (day := local(last, calendar).date() + timedelta(days=n)) <= there.date()
    ]
    assert sum(calendar.is_open(day) for day in between) == max(1, wait)
    assert calendar.is_open(there.date())
    assert calendar.from_hour <= there.hour < calendar.to_hour


@given(CALENDARS, MOMENTS, st.text())
def test_what_waits_for_a_window_leaves_in_it_and_never_earlier(
    calendar: Calendar, at: datetime, seed: str
) -> None:
    opens = days.next_open(calendar, at, seed=seed)
    there = local(opens, calendar)
    assert opens >= at and calendar.is_open(there.date())
    assert calendar.from_hour <= there.hour < calendar.to_hour
    assert days.next_open(calendar, opens, seed=seed) == opens, "it is open then"


@given(CALENDARS, MOMENTS, st.text())
def test_the_first_letter_leaves_after_the_least_delay(
    calendar: Calendar, at: datetime, seed: str
) -> None:
    first = days.first_at(calendar, at, least=120, most=1800, seed=seed)
    assert first >= at + timedelta(seconds=120)
    soon = at + timedelta(seconds=1800)
    assert first <= soon or days.next_open(calendar, first, seed=seed) == first


@pytest.mark.parametrize(
    ("zone", "day", "utc_hours"),
    [
        (CHICAGO, date(2026, 3, 6), (15, 23)),  # the Friday before clocks go forward
        (CHICAGO, date(2026, 3, 9), (14, 22)),
        (CHICAGO, date(2026, 10, 30), (14, 22)),
        (CHICAGO, date(2026, 11, 2), (15, 23)),  # the Monday after they went back
        (BERLIN, date(2026, 3, 30), (7, 15)),
        (BERLIN, date(2026, 10, 26), (8, 16)),
    ],
)
def test_the_window_is_nine_to_five_on_the_wall_whatever_the_clocks_do(
    zone: str, day: date, utc_hours: tuple[int, int]
) -> None:
    calendar = Calendar(timezone=zone)
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    opens = days.next_open(calendar, midnight, seed="")
    begin = datetime(day.year, day.month, day.day, utc_hours[0], tzinfo=UTC)
    assert begin <= opens <= begin + timedelta(minutes=30)
    last = begin.replace(hour=utc_hours[1]) - timedelta(seconds=1)
    assert days.next_open(calendar, last, seed="") == last
    assert days.next_open(calendar, last + timedelta(seconds=1), seed="") > last


def test_a_saudi_contact_is_written_to_on_sunday_and_not_on_friday() -> None:
    calendar = Calendar(timezone=RIYADH, weekend=SAUDI)
    thursday = datetime(2026, 11, 26, 15, tzinfo=UTC)
    assert local(days.due_at(calendar, thursday, 1, seed=""), calendar).date() == date(2026, 11, 29)


def test_holidays_and_closing_days_are_stepped_over() -> None:
    closed = {date(2026, 11, 26), date(2026, 11, 27)}
    calendar = Calendar(timezone=CHICAGO, closed=closed)
    assert days.after(calendar, date(2026, 11, 25), 1) == date(2026, 11, 30)


def test_a_calendar_that_never_opens_is_left_in_the_end() -> None:
    calendar = Calendar(timezone=CHICAGO, weekend=frozenset(range(7)))
    assert days.after(calendar, date(2026, 1, 1), 3) > date(2027, 1, 1)


def test_a_letter_is_late_after_ten_business_days() -> None:
    calendar = Calendar(timezone=CHICAGO)
    due = datetime(2026, 11, 2, 16, tzinfo=UTC)  # a Monday
    assert not days.is_late(calendar, due, datetime(2026, 11, 16, 20, tzinfo=UTC))
    assert days.is_late(calendar, due, datetime(2026, 11, 17, 20, tzinfo=UTC))


@given(st.text())
def test_a_share_is_a_part_of_one_and_always_the_same(seed: str) -> None:
    assert 0 <= days.share(seed) < 1 and days.share(seed) == days.share(seed)
