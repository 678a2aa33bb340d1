"""The one place that looks at the wall. Everything else takes times and days as arguments.

A test, or a fault run, sets the offset by WINBACK_CLOCK_OFFSET_SECONDS instead of setting the
machine's clock.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.settings import settings


def now() -> datetime:
    """This moment, aware, UTC."""
    return datetime.now(UTC) + timedelta(seconds=settings().clock_offset_seconds)


def now_ms() -> int:
    """This moment in milliseconds since 1970."""
    return int(now().timestamp() * 1000)


def today(timezone: str) -> date:
    """The calendar day it is now in an organization's zone (an IANA name)."""
    return now().astimezone(ZoneInfo(timezone)).date()
