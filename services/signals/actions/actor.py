"""Who does something, as what; and the row of the audit log that says so.

Pages make an actor of the member who is signed in, the command line is COMMAND_LINE. Actions take
it as `by`, check what it may, and note what was done. A new door (Slack, a journey) brings an actor
of its own, and finds the same law.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from services.signals.store import audit_log
from shared import clock, db, security
from shared.errors import WinbackError

Role = Literal["operator", "owner", "admin", "member"]

# what is done to these is a security event beside its row
SECURITY_KINDS: dict[str, security.Kind] = {"member": "member changed", "token": "token changed"}

FOR_THOSE_WHO_GOVERN = "this is for owners and admins of the organization; ask one of them"
FOR_THE_OPERATOR = "this is for whoever operates this installation"


class Forbidden(WinbackError):
    """The actor may not do this, whatever else is right about it."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """`name`: as the audit log has it; of a member it is the mail address. `role`: in the
    organization that the action is about. An operator has every right in every one.
    """

    name: str
    role: Role

    @property
    def governs(self) -> bool:
        """Owners and admins change settings, members and tokens."""
        return self.role != "member"

    @property
    def makes_owners(self) -> bool:
        """Who the owners are is decided by owners."""
        return self.role in ("operator", "owner")


COMMAND_LINE = Actor(name="command line", role="operator")


def must_govern(by: Actor) -> None:
    """Raises Forbidden for members."""
    if not by.governs:
        raise Forbidden(FOR_THOSE_WHO_GOVERN)


def must_operate(by: Actor) -> None:
    """Raises Forbidden for everybody who belongs to one organization."""
    if by.role != "operator":
        raise Forbidden(FOR_THE_OPERATOR)


def note(
    connection: db.Connection,
    organization: str,
    by: Actor,
    action: str,
    subject: str,
    detail: dict[str, Any],
    *,
    at: datetime | None = None,
) -> None:
    """One row of the audit log, as of now or of `at`."""
    audit_log.note(
        connection,
        organization,
        at=at or clock.now(),
        actor=by.name,
        action=action,
        subject=subject,
        detail=detail,
    )
    kind = SECURITY_KINDS.get(subject.partition(" ")[0])
    if kind is not None and by.role != "operator":  # whose verbs are kept whole (winback/verbs.py)
        security.tell(kind, email=by.name, about=organization, action=action)
