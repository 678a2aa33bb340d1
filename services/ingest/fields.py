"""One text -> one value, or why not (product.md 1 and trust.md, *Hostile inputs*).
Pure: every door reads by these.
"""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.domain.identifiers import is_cut, is_nothing, unforced, wrong_id

FIRST_DAY = date(1970, 1, 1)
LARGEST_REVISION = 2**53  # what every JSON reader holds exactly

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,][0-9]{1,9})?(?: "
    r"?([Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
_MIDNIGHT = re.compile(r".{11}00:00(?::00(?:[.,]0{1,9})?)?")
_MIDNIGHT_UTC = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]00:00(?::00(?:[.,]0{1,9})?)? ?"
    r"(?:[Zz]|UTC|GMT|[+-]00(?::?00)?)"
)
_WHOLE = re.compile(r"[0-9]{1,16}(?:\.0*)?")
_CANCELLED = {"open": False, "cancelled": True, "canceled": True}
_TRUTHS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}


class Wrong(ValueError):
    """The text cannot be right; the message says why, for the sender."""


def read_id(text: str) -> tuple[str, str | None]:
    """(an order's, account's or contact's id, what was changed in it). Raises Wrong."""
    id_ = unforced(text)
    if is_nothing(id_, in_an_id=True):
        raise Wrong(f"is missing ({id_} stands for nothing)")
    if is_cut(id_):
        raise Wrong("a spreadsheet has cut this number: export the column as text")
    wrong = wrong_id(id_)
    if wrong is not None:
        raise Wrong(wrong)
    return id_, None if id_ == text else changed(text, id_)


def changed(text: str, id_: str) -> str:
    """What is said of an id that was not written as it is."""
    return f"was written for a spreadsheet: {text} is read as {id_}"


def is_usual_id(text: str) -> bool:
    """True where `read_id` can find nothing but a wrong character or length."""
    return not (
        text[:1] in "='"
        or is_nothing(text, in_an_id=True)
        or (("+" in text or "." in text or "," in text) and is_cut(text))
    )


def read_day(text: str, zone: ZoneInfo) -> date:
    """A day, or an aware timestamp's day in the organization's zone. A midnight without an offset
    is the day, as databases export it. Raises Wrong.
    """
    try:
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
        found = _TIMESTAMP.fullmatch(text)
        if found is None:
            raise Wrong("must be a day such as 2026-03-31, or a timestamp with its offset")
        if found[4] is None and _MIDNIGHT.fullmatch(text):
            return date.fromisoformat(found[1])
        if found[4] is None:
            raise Wrong(
                "a timestamp needs its offset (Z or +01:00): nobody can tell which day it is"
            )
        offset = "Z" if found[4].isalpha() else found[4]
        at = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3] or ''}{offset}")
        if at.year < FIRST_DAY.year - 1:
            raise Wrong("is before 1970")
        return at.astimezone(zone).date()
    except Wrong:
        raise
    except (ValueError, OverflowError):
        raise Wrong("is no day of the calendar") from None


def midnight_utc(text: str, read: date, zone: ZoneInfo) -> str | None:
    """What a sender should know of a midnight in UTC that is another day in `zone`."""
    found = _MIDNIGHT_UTC.fullmatch(text)
    if found is None or found[1] == read.isoformat():
        return None
    return f"midnight UTC is read as {read}, the day in {zone.key}: send a day without a time"


def stamp(ordered_on: date, today: date) -> date:
    """The day on which an order counts. Raises Wrong for one before 1970 or more than a day
    ahead of the organization's day.
    """
    if ordered_on < FIRST_DAY:
        raise Wrong("is before 1970")
    if ordered_on > today + timedelta(days=1):
        raise Wrong(f"is more than one day ahead of the organization's day ({today})")
    return min(ordered_on, today)


def read_cancelled(text: str) -> bool:
    """True for a cancelled order. Raises Wrong."""
    cancelled = _CANCELLED.get(text.strip().lower())
    if cancelled is None:
        raise Wrong("must be open or cancelled")
    return cancelled


def read_revision(text: str) -> int:
    """A revision as text (files may write `3.0`). Raises Wrong."""
    if not _WHOLE.fullmatch(text):
        raise Wrong(f"must be a whole number from 0 to {LARGEST_REVISION}")
    return checked_revision(int(text.partition(".")[0]))


def checked_revision(revision: int) -> int:
    """Raises Wrong."""
    if not 0 <= revision <= LARGEST_REVISION:
        raise Wrong(f"must be a whole number from 0 to {LARGEST_REVISION}")
    return revision


def read_truth(text: str) -> bool:
    """Yes or no, as files write it. Raises Wrong."""
    truth = _TRUTHS.get(text.strip().lower())
    if truth is None:
        raise Wrong("must be true or false")
    return truth


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
