"""Pinning an account into the digest and sequences, or out of them, or leaving it to the rules."""

from typing import get_args

from services.signals.actions.actor import Actor, note
from services.signals.actions.telling import tell
from services.signals.store import accounts
from shared import db
from shared.domain.enrollment import Enrollment
from shared.errors import FieldError, NotFound, Rejected
from shared.letter_events import AccountPinned

CHOICES: tuple[Enrollment, ...] = get_args(Enrollment)


def pin(
    connection: db.Connection, organization: str, account: str, enrollment: str, *, by: Actor
) -> bool:
    """False: it was so already. Raises NotFound, Rejected."""
    chosen = next((choice for choice in CHOICES if choice == enrollment), None)
    if chosen is None:
        raise Rejected(FieldError(field="enrollment", reason="must be one of auto, yes and no"))
    was = accounts.set_enrollment(connection, organization, account, chosen)
    if was is None:
        raise NotFound(f"no account {account}")
    if was != chosen:
        detail = {"from": was, "to": chosen}
        note(connection, organization, by, "enrollment", f"account {account}", detail)
        tell(connection, organization, by, AccountPinned, account=account, enrollment=chosen)
    return was != chosen
