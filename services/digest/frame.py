"""What every mail says beside its content: how old the newest order is, when the next one comes,
and why one gets it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from unicodedata import normalize
from zoneinfo import ZoneInfo

from services.digest.facts import Facts, Feed
from services.digest.view import Foot
from shared import wording
from shared.domain.cadence import MINUTES, Schedule
from shared.events import SignalType


@dataclass(frozen=True, kw_only=True)
class Room:
    """How many characters words from outside get, and links; a mail that is too large
    is made again with less.

    acts: whether each row offers the three outcomes, and says whom to call and what is at stake.
    ascii: what other letters have no ASCII twin become question marks, since each takes up to 12
      bytes on its way.
    """

    name: int
    detail: int
    combo: int
    link: int
    acts: bool = False
    ascii: bool = False

    def fit(self, text: str, longest: int) -> str:
        """On one line, safe, and no longer than that."""
        if self.ascii:
            text = normalize("NFKD", text).encode("ascii", "replace").decode()
        return wording.plain_name(text, longest=longest)


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What is known of the sending beside the facts. drafts: a type's sequence, where one is made;
    stale_after: of the feed. digest: its id, empty where nothing is planned. own: it shows the
    recipient's own accounts alone.
    """

    at: datetime
    next_at: datetime | None
    stale_after: timedelta
    drafts: Mapping[SignalType, str]
    digest: str = ""
    own: bool = False


# -- the feed --------------------------------------------------------------------------------------


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
    return (
        f"Newest order {age_of_newest(facts, occasion)}"
        if facts.feed.newest_accepted_at
        else "No order yet"
    )


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


# -- the foot --------------------------------------------------------------------------------------


def foot(facts: Facts, occasion: Occasion) -> Foot:
    """Schedule and next digest, as far as they are known."""
    next_on = (
        ""
        if occasion.next_at is None
        else _next_on(occasion.next_at, occasion.at, facts.organization.timezone)
    )
    return Foot(schedule=schedule_words(facts.schedule) if facts.schedule else "", next=next_on)


def schedule_words(schedule: Schedule) -> str:
    """every Monday 08:00, Chicago."""
    if schedule.frequency in MINUTES:
        minutes = MINUTES[schedule.frequency]
        return "every hour" if minutes == 60 else f"every {minutes} minutes"
    day = {
        "daily": "day",
        "3-days": "3 days",
        "weekly": f"{schedule.anchor_on:%A}",
        "2-weeks": f"second {schedule.anchor_on:%A}",
    }[schedule.frequency]
    return f"every {day} {schedule.hour:02}:00, {wording.city(schedule.timezone)}"


def _next_on(next_at: datetime, at: datetime, timezone: str) -> str:
    return f"next on {wording.short_day(day_in(next_at, timezone), seen_from=day_in(at, timezone))}"


def day_in(at: datetime, timezone: str) -> date:
    return at.astimezone(ZoneInfo(timezone)).date()


def without_weekday(day: date) -> str:
    return wording.near_day(day).partition(" ")[2]


def joined(*pieces: str) -> str:
    return " · ".join(piece for piece in pieces if piece)
