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
    "opted_out": "opted out",
    "complained": "complained",
    "undeliverable": "the address is none",
    "by_hand": "the address is refused by hand",
    "imported": "the address is on an imported list",
    "pinned": "enrollment No",
    "lost": "lost",
    "paused": "somebody talks to them",
    "signal-over": "the signal is over",
    "reordered": "ordered again",
    "erased": "erased",
}
STOPPED: dict[str, str] = {  # of shared.domain.enrollment_states.StopReason
    "replied": "an answer came",
    "bounced": "the mail server says that the address is none",
    "opted_out": "opted out; no sequence will write to this address again",
    "complained": "complained; no sequence will write to this address again",
    "reordered": "ordered again",
    "correction": "a correction ended the signal",
    "settings": "a change of settings ended the signal",
    "aged_out": "the signal aged out",
    "superseded": "another signal took the place of this one",
    "pinned": "enrollment No",
    "lost": "lost",
    "reached_out": "taken over: somebody reached out",
    "won_back": "taken over: won back",
    "removed": "taken out by hand",
    "archived": "the sequence was archived",
    "contact_changed": "the contact or their address changed",
    "refused": "the mail server refused the text",
    "late": "it could not leave for ten business days",
    "unsure": "whether the letter arrived is not known: the mail server's answer was lost",
    "erased": "erased",
}

PAUSED: dict[str, str] = {  # why a guard stopped what is sent
    "ours": "mail servers refuse what comes from us",
    "undeliverable": "too many addresses are none",
    "complaints": "people complained",
    "round_trip": "a test mail did not come back: answers may not be heard",
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
