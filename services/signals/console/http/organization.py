"""What the settings pages share: who acts, the head, and how a refusal is told beside its field."""

from datetime import datetime
from zoneinfo import ZoneInfo

from services.signals.actions.governance import Actor
from services.signals.console.http.access import NotHere, Visitor
from services.signals.store import pages
from services.signals.store.pages import Head
from shared import clock, db
from shared.errors import Rejected
from shared.wording import age


def actor(who: Visitor, organization: str) -> Actor:
    """The member who is signed in."""
    return Actor(email=who.email, role=who.role_in(organization) or "")


def head_of(connection: db.Connection, organization: str) -> Head:
    """Raises NotHere."""
    head = pages.head(connection, organization)
    if head is None:
        raise NotHere
    return head


def by_field(refused: Rejected) -> dict[str, str]:
    """field -> reason; fields of the command line are named as the form's are."""
    return {error.field.lstrip("-"): error.reason for error in refused.errors}


def moment(at: datetime | None, timezone: str) -> tuple[str, str]:
    """(how long ago, exactly when) in the organization's zone."""
    if at is None:
        return "", ""
    exact = f"{at.astimezone(ZoneInfo(timezone)):%-d %b %Y %H:%M:%S}"
    return f"{age(clock.now() - at)} ago", exact


def stored(text: str) -> str:
    """A name that may be in a table. Raises NotHere for one that cannot be."""
    if "\x00" in text:
        raise NotHere
    return text
