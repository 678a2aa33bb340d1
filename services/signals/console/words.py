"""Words that several pages say alike."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.signals.store.owner_people import OwnerPerson
from shared import clock
from shared.wording import age, exact_time, plain_name, short_day

REASONS: dict[str, str] = {  # of shared.domain.drafts.SkipReason, and of what stops a sequence
    "no-contact": "no primary contact",
    "no-email": "no email address",
    "unsubscribed": "unsubscribed",
    "bounced": "mail to them bounced",
    "account-in-sequence": "the account is in another active sequence",
    "contact-in-sequence": "the contact is in another active sequence",
    "reordered": "ordered again",
    "erased": "erased",
}


def moment(at: datetime | None, timezone: str) -> tuple[str, str]:
    """(how long ago, exactly when) in the organization's zone; nothing of what never was."""
    return ("", "") if at is None else (f"{age(clock.now() - at)} ago", exact_time(at, timezone))


def short_ago(length: timedelta) -> str:
    """2 min ago."""
    minutes = int(max(length, timedelta()) / timedelta(minutes=1))
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440:,} d ago"


def owner_words(owner: str | None, people: Mapping[str, OwnerPerson]) -> str:
    """The owner by name, where the code stands for somebody who has one."""
    person = people.get(owner or "")
    return plain_name((person and person.name) or owner or "")


def shown_of(shown: int, total: int) -> str:
    """How much of a list is shown, where it is not all."""
    return f"the newest {shown} of {total:,}" if shown < total else ""


def day_of(at: datetime, timezone: str) -> str:
    """19 Jul: the day in the organization's zone, as one says it there today."""
    return short_day(at.astimezone(ZoneInfo(timezone)).date(), seen_from=clock.today(timezone))
