"""When schedules fire: tables of cadences, both changes of the clocks, outages."""

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain.cadence import (
    Due,
    Frequency,
    Schedule,
    due,
    latest_firing,
    local_instant,
    next_firing,
)

MONDAY = date(2026, 1, 5)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def schedule(
    frequency: Frequency,
    *,
    hour: int = 8,
    anchor_on: date = MONDAY,
    timezone: str = "America/Chicago",
) -> Schedule:
    return Schedule(
        frequency=frequency, hour=hour, anchor_on=anchor_on, timezone=timezone, since=LONG_AGO
    )


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("frequency", "at", "latest", "following"),
    [
        ("daily", "2026-01-07 13:59:59", "2026-01-06 14:00", "2026-01-07 14:00"),
        ("daily", "2026-01-07 14:00", "2026-01-07 14:00", "2026-01-08 14:00"),
        ("3-days", "2026-01-07 14:00", "2026-01-05 14:00", "2026-01-08 14:00"),
        # no month begins it anew
        ("3-days", "2026-02-01 00:00", "2026-01-29 14:00", "2026-02-01 14:00"),
        ("weekly", "2026-01-12 13:59", "2026-01-05 14:00", "2026-01-12 14:00"),
        ("weekly", "2026-01-12 14:00", "2026-01-12 14:00", "2026-01-19 14:00"),
        ("2-weeks", "2026-01-12 14:00", "2026-01-05 14:00", "2026-01-19 14:00"),
        ("2-weeks", "2026-12-31 14:00", "2026-12-21 14:00", "2027-01-04 14:00"),  # nor a year
        ("hourly", "2026-01-07 13:59:59", "2026-01-07 13:00", "2026-01-07 14:00"),
        ("30-minutes", "2026-01-07 13:45", "2026-01-07 13:30", "2026-01-07 14:00"),
        ("10-minutes", "2026-01-07 13:45", "2026-01-07 13:40", "2026-01-07 13:50"),
        ("5-minutes", "2026-01-07 13:45", "2026-01-07 13:45", "2026-01-07 13:50"),
    ],
)
def test_each_cadence_fires_from_its_anchor_on(
    frequency: Frequency, at: str, latest: str, following: str
) -> None:
    assert latest_firing(schedule(frequency), utc(at)) == utc(latest)
    assert next_firing(schedule(frequency), utc(at)) == utc(following)


@pytest.mark.parametrize(
    ("timezone", "day", "hour", "at"),
    [
        ("America/Chicago", date(2026, 3, 8), 1, "2026-03-08 07:00"),
        # skipped: fires as the gap ends, at 3 local
        ("America/Chicago", date(2026, 3, 8), 2, "2026-03-08 08:00"),
        ("America/Chicago", date(2026, 3, 8), 3, "2026-03-08 08:00"),
        ("America/Chicago", date(2026, 3, 9), 2, "2026-03-09 07:00"),
        # doubled: the first of the two
        ("America/Chicago", date(2026, 11, 1), 1, "2026-11-01 06:00"),
        ("America/Chicago", date(2026, 11, 1), 2, "2026-11-01 08:00"),
        ("America/New_York", date(2026, 3, 8), 2, "2026-03-08 07:00"),
        ("America/New_York", date(2026, 11, 1), 1, "2026-11-01 05:00"),
        ("America/New_York", date(2028, 2, 29), 2, "2028-02-29 07:00"),
        ("Europe/Berlin", date(2026, 3, 29), 2, "2026-03-29 01:00"),
        # south of the equator: skipped in October
        ("Australia/Sydney", date(2026, 10, 4), 2, "2026-10-03 16:00"),
        ("Australia/Sydney", date(2026, 4, 5), 2, "2026-04-04 15:00"),  # and doubled in April
        ("America/Santiago", date(2026, 9, 6), 0, "2026-09-06 04:00"),  # midnight, in the south
        ("Australia/Lord_Howe", date(2026, 10, 4), 2, "2026-10-03 15:30"),  # a gap of half an hour
        ("Asia/Kathmandu", date(2026, 1, 5), 5, "2026-01-04 23:15"),
        ("Africa/Cairo", date(2026, 4, 24), 0, "2026-04-23 22:00"),  # midnight itself is skipped
    ],
)
def test_local_times_that_are_skipped_fire_after_the_gap_and_doubled_ones_once(
    timezone: str, day: date, hour: int, at: str
) -> None:
    assert local_instant(day, hour, timezone) == utc(at)


@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize(
    ("timezone", "year", "days"),
    [
        ("America/Chicago", 2026, 365),
        ("Europe/Berlin", 2026, 365),
        ("Australia/Lord_Howe", 2026, 365),
        ("Africa/Cairo", 2026, 365),
        ("UTC", 2026, 365),
        ("America/New_York", 2028, 366),
        ("Australia/Sydney", 2028, 366),
    ],
)
def test_every_day_of_a_year_fires_exactly_once(
    timezone: str, year: int, days: int, hour: int
) -> None:
    daily = schedule("daily", hour=hour, timezone=timezone)
    at = local_instant(date(year, 1, 1), 0, timezone) - timedelta(seconds=1)
    end = local_instant(date(year + 1, 1, 1), 0, timezone) - timedelta(seconds=1)
    fired = []
    while (at := next_firing(daily, at)) <= end:
        assert latest_firing(daily, at) == at
        fired.append(at)
    assert len(fired) == days
    assert fired == sorted(set(fired))


def test_nothing_fires_at_or_before_the_moment_the_schedule_was_made() -> None:
    made = Schedule(
        frequency="weekly",
        hour=8,
        anchor_on=MONDAY,
        timezone="America/Chicago",
        since=utc("2026-01-12 14:00"),
    )
    assert latest_firing(made, utc("2026-01-19 13:59")) is None
    assert due(made, last_slot_at=None, now=utc("2026-01-19 13:59")) is None
    assert next_firing(made, utc("2025-01-01 00:00")) == utc("2026-01-19 14:00")
    assert due(made, last_slot_at=None, now=utc("2026-01-19 14:00")) == Due(
        slot_at=utc("2026-01-19 14:00")
    )


@pytest.mark.parametrize(
    ("frequency", "last", "now", "expected"),
    [
        ("daily", "2026-01-06 14:00", "2026-01-07 13:59", None),
        ("daily", "2026-01-06 14:00", "2026-01-07 14:00", Due(slot_at=utc("2026-01-07 14:00"))),
        ("daily", "2026-01-07 14:00", "2026-01-07 14:00", None),  # fired already
        # three days away: one
        ("daily", "2026-01-04 14:00", "2026-01-07 20:00", Due(slot_at=utc("2026-01-07 14:00"))),
        # 12 hours before the next
        ("daily", "2026-01-04 14:00", "2026-01-08 02:00", Due(slot_at=utc("2026-01-07 14:00"))),
        (
            "daily",
            "2026-01-04 14:00",
            "2026-01-08 02:01",
            Due(slot_at=utc("2026-01-07 14:00"), dropped="the next one is near"),
        ),
        ("weekly", "2025-12-29 14:00", "2026-01-09 09:00", Due(slot_at=utc("2026-01-05 14:00"))),
        (
            "weekly",
            "2025-12-29 14:00",
            "2026-01-12 03:00",
            Due(slot_at=utc("2026-01-05 14:00"), dropped="the next one is near"),
        ),
        ("hourly", "2026-01-07 10:00", "2026-01-07 13:20", Due(slot_at=utc("2026-01-07 13:00"))),
        (
            "hourly",
            "2026-01-07 10:00",
            "2026-01-07 13:40",
            Due(slot_at=utc("2026-01-07 13:00"), dropped="the next one is near"),
        ),
    ],
)
def test_an_outage_is_answered_by_one_catch_up_unless_the_next_is_near(
    frequency: Frequency, last: str, now: str, expected: Due | None
) -> None:
    assert due(schedule(frequency), last_slot_at=utc(last), now=utc(now)) == expected


def test_a_clock_set_back_fires_nothing_twice() -> None:
    daily = schedule("daily")
    assert due(daily, last_slot_at=utc("2026-01-07 14:00"), now=utc("2026-01-07 13:30")) is None
    assert due(daily, last_slot_at=utc("2026-01-07 14:00"), now=utc("2026-01-07 14:30")) is None
