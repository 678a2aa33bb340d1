"""An organization's days: its zone and hours, weekends and holidays, and when it is closed."""

from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo

import holidays
import msgspec

from services.sequences import days_store
from shared import db
from shared.domain.business_days import Calendar
from shared.domain.sending import DEFAULTS, SendingSettings

WEEKEND = frozenset({5, 6})  # where nobody said which country it is


class Days:
    """How an organization sends, and when. Read once a transaction."""

    def __init__(self, connection: db.Connection, organization: str, timezone: str) -> None:
        found = days_store.sending_settings(connection, organization)
        self.settings = DEFAULTS if found is None else msgspec.convert(found, SendingSettings)
        self._timezone = timezone

    def calendar(
        self, at: datetime, *, zone: str | None = None, country: str | None = None
    ) -> Calendar:
        """Of the year of `at` and the one behind it. zone, country: the contact's; where they have
        none, the organization's. Both sides' weekends and holidays count.
        """
        timezone = zone or self._timezone
        year = at.astimezone(ZoneInfo(timezone)).year
        sending = self.settings
        weekend, closed = frozenset[int](), frozenset[date]()
        if not sending.every_day:
            weekend, closed = public_days(sending.country, sending.region, year)
            if country and country != sending.country:
                there, holidays_there = public_days(country, "", year)
                weekend = weekend | there if sending.country else there
                closed = closed | holidays_there
        return Calendar(
            timezone=timezone,
            closed=closed | set(sending.closing_days),
            weekend=weekend,
            from_hour=sending.from_hour,
            to_hour=sending.to_hour,
        )


@cache
def public_days(country: str, region: str, year: int) -> tuple[frozenset[int], frozenset[date]]:
    """(weekend, public holidays of that year and the next). A region that the country's calendar
    does not tell apart has the country's.
    """
    if not country:
        return WEEKEND, frozenset()
    known = holidays.list_supported_countries(include_aliases=False)
    if country not in known:
        return WEEKEND, frozenset()
    found = holidays.country_holidays(
        country, subdiv=region if region in known[country] else None, years=(year, year + 1)
    )
    return frozenset(found.weekend), frozenset(found)
