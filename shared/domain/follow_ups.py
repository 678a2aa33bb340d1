"""One line of note, and the day of the next call, as people type them."""

from datetime import date, timedelta

from shared.domain.identifiers import wrong_name
from shared.errors import FieldError, Rejected

LONGEST_NOTE = 200
FARTHEST = timedelta(days=730)


def checked_note(text: str) -> str | None:
    """One line without what nobody sees; None where it is empty. Raises Rejected."""
    plain = text.strip()
    if not plain:
        return None
    wrong = wrong_name(plain)
    if wrong is not None:
        raise Rejected(FieldError(field="note", reason=wrong.replace("no name may", "no note may")))
    return plain


def checked_day(text: str, *, today: date) -> date | None:
    """A day from today on, within two years; None where none is given. Raises Rejected."""
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip()) if len(text.strip()) == 10 else None
    except ValueError:
        day = None
    if day is None:
        reason = "must be a day such as 2026-12-07"
    elif not today <= day <= today + FARTHEST:
        reason = "must be today or a later day, within two years"
    else:
        return day
    raise Rejected(FieldError(field="follow_up_on", reason=reason))
