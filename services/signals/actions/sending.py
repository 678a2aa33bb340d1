"""How an organization sends: its settings, whose address letters bear, and to whom nothing goes."""

from typing import Any

import msgspec

from services.signals.actions import launching
from services.signals.actions.actor import Actor, must_govern, must_operate, note
from services.signals.actions.settings import Change
from services.signals.actions.telling import tell
from services.signals.store import launching as store
from services.signals.store import organizations
from shared import clock, db
from shared.domain import sending
from shared.domain.sending import SendingSettings
from shared.errors import FieldError, NotFound, Rejected
from shared.letter_events import AddressRefused, SendingResumed


def save(
    connection: db.Connection, organization: str, patch: Any, *, by: Actor, dry_run: bool = False
) -> list[Change]:
    """What `patch` (decoded JSON) changes. Raises Rejected with every field that is wrong,
    Forbidden, NotFound.
    """
    must_govern(by)
    organizations.lock(connection, organization)
    now = launching.sending_settings(connection, organization)
    wanted = sending.changed(now, patch)
    changes = changes_between(now, wanted)
    if changes and not dry_run:
        plain = msgspec.to_builtins(wanted)
        store.save_settings(connection, organization, plain, by=by.name, at=clock.now())
        detail = {one.key: {"from": one.old, "to": one.new} for one in changes}
        note(connection, organization, by, "changed", "sending", detail)
    return changes


def changes_between(now: SendingSettings, wanted: SendingSettings) -> list[Change]:
    """Key by key, as JSON has the values."""
    before, after = msgspec.to_builtins(now), msgspec.to_builtins(wanted)
    return [
        Change(key=key, old=before[key], new=after[key])
        for key in after
        if before[key] != after[key]
    ]


def allow_domain(connection: db.Connection, organization: str, domain: str, *, by: Actor) -> bool:
    """Letters may bear addresses there. False: they might already. Raises Forbidden, Rejected."""
    must_operate(by)
    plain = sending.read_domain(domain)
    organizations.lock(connection, organization)
    is_new = store.allow_domain(connection, organization, plain, at=clock.now())
    if is_new:
        note(connection, organization, by, "allowed", f"letters from {plain}", {})
    return is_new


def disallow_domain(
    connection: db.Connection, organization: str, domain: str, *, by: Actor
) -> bool:
    """The end of it; what is queued from there still leaves. False: they might not. Raises
    Forbidden, Rejected.
    """
    must_operate(by)
    plain = sending.read_domain(domain)
    was = store.disallow_domain(connection, organization, plain)
    if was:
        note(connection, organization, by, "disallowed", f"letters from {plain}", {})
    return was


def vouch(connection: db.Connection, organization: str, email: str, *, by: Actor) -> None:
    """The operator knows that the address is the member's. Raises Forbidden, NotFound."""
    must_operate(by)
    _prove(connection, organization, email, by=by)


def prove(connection: db.Connection, organization: str, *, by: Actor) -> None:
    """By who followed a link that was mailed to their address. Raises NotFound, and Rejected for
    who has no address.
    """
    if by.role == "operator":
        raise Rejected(FieldError(field="email", reason=f"the {by.name} has no address"))
    _prove(connection, organization, by.name, by=by)


def go_on(connection: db.Connection, organization: str, sender: str, *, by: Actor) -> None:
    """What a guard stopped, of one sender or ("") of all, goes on. Raises NotFound, Forbidden."""
    must_govern(by)
    if all(one.sender != sender for one in store.pauses(connection, organization)):
        raise NotFound("nothing of it is paused")
    subject = f"letters of {sender}" if sender else "letters"
    note(connection, organization, by, "resumed", subject, {})
    tell(connection, organization, by, SendingResumed, sender=sender or None)


def opt_out(connection: db.Connection, organization: str, email: str, *, by: Actor) -> None:
    """Nothing more goes to the address, by its owner; asked twice, it is noted once."""
    if store.refuse(
        connection, organization, email, reason="opted_out", by=by.name, at=clock.now()
    ):
        note(connection, organization, by, "opted out", f"address {email}", {})
    tell(connection, organization, by, AddressRefused, email=email, reason="opted_out")


def _prove(connection: db.Connection, organization: str, email: str, *, by: Actor) -> None:
    if not store.prove(connection, organization, email, at=clock.now()):
        raise NotFound(f"{organization} has no member {email}")
    note(connection, organization, by, "proved", f"address {email}", {})
