"""What every mail says beside its content: how old the newest order is, when the next one comes, and why one gets it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.digest.facts import Facts, Feed, Schedule
from services.digest.view import Foot
from shared import wording
from shared.events import SignalType


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much space names and links get; a mail that is too large is made again with less."""

    longest_name: int
    longest_link: int


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What is known of the sending beside the facts. drafts: a type's sequence, where one is made; stale_after: of the feed."""

    at: datetime
    next_at: datetime | None
    stale_after: timedelta
    drafts: Mapping[SignalType, str]


# -- the feed -----------------------------------------------------------------------------------------------------


def alarm_words(feed: Feed, occasion: Occasion) -> str:
    """Nothing while orders come in."""
    if feed.newest_accepted_at is None:
        return "No order yet"
    silence = occasion.at - feed.newest_accepted_at
    return f"No order for {wording.age(silence)}" if silence > occasion.stale_after else ""


def alarm_title(feed: Feed, occasion: Occasion) -> str:
    if feed.newest_accepted_at is None:
        return "No order has arrived yet."
    return f"No order has arrived for {wording.age(occasion.at - feed.newest_accepted_at)}."


def newest_order(facts: Facts, occasion: Occasion) -> str:
    return f"Newest order {age_of_newest(facts, occasion)}" if facts.feed.newest_accepted_at else "No order yet"


def age_of_newest(facts: Facts, occasion: Occasion) -> str:
    """When it came in; and its own day, where that is another (an import of history)."""
    feed, zone = facts.feed, facts.organization.timezone
    if feed.newest_accepted_at is None:
        return "none yet"
    words = f"{wording.age(occasion.at - feed.newest_accepted_at)} old"
    ordered_on = feed.newest_ordered_on
    if ordered_on is not None and (day_in(feed.newest_accepted_at, zone) - ordered_on).days > 1:
        words += f", dated {wording.short_day(ordered_on, seen_from=day_in(occasion.at, zone))}"
    return words


# -- the foot -----------------------------------------------------------------------------------------------------


def foot(schedule: Schedule | None, next_at: datetime | None, timezone: str, at: datetime) -> Foot:
    """Schedule and next digest, as far as they are known."""
    return Foot(
        schedule=schedule_words(schedule, timezone) if schedule else "",
        next=f"next on {wording.short_day(day_in(next_at, timezone), seen_from=day_in(at, timezone))}" if next_at else "",
    )


def schedule_words(schedule: Schedule, timezone: str) -> str:
    """every Monday 08:00, Chicago."""
    weekday = f"{schedule.anchor_on:%A}"
    hour = f"{schedule.hour:02}:00, {wording.city(timezone)}"
    minutes, is_minutes, _ = schedule.frequency.partition("-minutes")
    if is_minutes:
        return f"every {minutes} minutes"
    return {
        "hourly": "every hour",
        "daily": f"every day {hour}",
        "3-days": f"every 3 days {hour}",
        "weekly": f"every {weekday} {hour}",
        "2-weeks": f"every second {weekday} {hour}",
    }[schedule.frequency]


def day_in(at: datetime, timezone: str) -> date:
    return at.astimezone(ZoneInfo(timezone)).date()


def without_weekday(day: date) -> str:
    return wording.near_day(day).partition(" ")[2]


def joined(*pieces: str) -> str:
    return " · ".join(piece for piece in pieces if piece)
