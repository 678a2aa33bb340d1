"""The digest as members set it up: who gets it, when it goes out, a test, and leaving it."""

from collections.abc import Collection
from typing import get_args

from services.signals.actions.actor import Actor, note
from services.signals.store import (
    delivery,
    digest_requests,
    organizations,
    recipients,
    run_requests,
    slots,
)
from shared import clock, db, mail_limits
from shared.domain.cadence import DAYS, Frequency, first_day
from shared.errors import FieldError, Rejected
from shared.settings import settings as environment


def frequencies() -> list[Frequency]:
    """Those below a day exist for development alone."""
    return list(get_args(Frequency)) if environment().development_cadences else list(DAYS)


def set_recipients(
    connection: db.Connection, organization: str, emails: Collection[str], *, by: Actor
) -> None:
    """Members alone. Who stays keeps the day they were added on. Raises NotFound, Rejected."""
    organizations.lock(connection, organization)
    known = delivery.members(connection, organization)
    strangers = sorted(set(emails) - {member.email for member in known})
    if strangers:
        raise Rejected(FieldError(field="recipients", reason=f"{strangers[0]} is no member"))
    added = [member.email for member in known if member.email in emails and not member.gets_it]
    removed = [member.email for member in known if member.email not in emails and member.gets_it]
    for email in added:
        recipients.add(connection, organization, email, added_by=by.name)
    for email in removed:
        delivery.remove_recipient(connection, organization, email)
    if added or removed:
        detail = {"added": added, "removed": removed}
        note(connection, organization, by, "changed", "digest recipients", detail)


def add_recipient(connection: db.Connection, organization: str, email: str, *, by: Actor) -> None:
    """One more, beside those that there are. Raises NotFound, Rejected."""
    known = delivery.members(connection, organization)
    emails = {member.email for member in known if member.gets_it} | {email}
    set_recipients(connection, organization, emails, by=by)


def set_schedule(
    connection: db.Connection,
    organization: str,
    *,
    frequency: str,
    hour: str,
    weekday: str,
    by: Actor,
) -> None:
    """From now on; a schedule that says the same already keeps its rhythm. Raises NotFound,
    Rejected.
    """
    timezone = organizations.lock(connection, organization)
    found, at_hour, on_weekday = checked_schedule(frequency, hour, weekday)
    now = clock.now()
    former = slots.digest_schedule(connection, organization)
    same_day = former is not None and (
        DAYS.get(found, 1) % 7 or former.anchor_on.weekday() == on_weekday
    )
    if former is not None and (former.frequency, former.hour) == (found, at_hour) and same_day:
        return
    anchor_on = first_day(found, at_hour, on_weekday, now=now, timezone=timezone)
    slots.set_schedule(
        connection,
        organization,
        "digest",
        frequency=found,
        hour=at_hour,
        anchor_on=anchor_on,
        since=now,
    )
    before = {"frequency": former.frequency, "hour": former.hour} if former else None
    detail = {
        "from": before,
        "to": {"frequency": found, "hour": at_hour, "first_on": anchor_on.isoformat()},
    }
    note(connection, organization, by, "changed", "digest schedule", detail)


def checked_schedule(frequency: str, hour: str, weekday: str) -> tuple[Frequency, int, int]:
    """As typed. Raises Rejected with every field that is wrong."""
    wrong = []
    known = {str(one): one for one in frequencies()}
    if frequency not in known:
        wrong.append(FieldError(field="frequency", reason="is not offered"))
    if hour not in map(str, range(24)):
        wrong.append(FieldError(field="hour", reason="must be an hour from 0 to 23"))
    if weekday not in map(str, range(7)):
        wrong.append(FieldError(field="weekday", reason="must be a day of the week"))
    if wrong:
        raise Rejected(*wrong)
    return known[frequency], int(hour), int(weekday)


def ask_for_one(connection: db.Connection, organization: str, *, by: Actor) -> None:
    """A digest of the latest complete run for whoever asks, alone. Raises Rejected for who has no
    address, or asked too often.
    """
    email, now = _address_of(by), clock.now()
    mail_limits.take(
        connection,
        "digest by hand",
        now=now,
        person=email,
        address=email,
        organization=organization,
    )
    digest_requests.ask(connection, organization, email, at=now)
    run_requests.tell_clock(connection)
    note(connection, organization, by, "asked for", "digest test", {})


def set_own_only(
    connection: db.Connection, organization: str, *, own_only: bool, by: Actor
) -> bool:
    """Whether the actor's digest has their own accounts alone. False: it was so already. Raises
    Rejected for who has no address.
    """
    email = _address_of(by)
    if not recipients.set_own_only(connection, organization, email, own_only=own_only):
        return False
    note(connection, organization, by, "changed", f"digest of {email}", {"own_only": own_only})
    return True


def unsubscribe(connection: db.Connection, organization: str, *, by: Actor) -> None:
    """No mail of the organization goes to the actor any more; asked twice, it is noted once.
    Raises Rejected for who has no address.
    """
    email = _address_of(by)
    if recipients.unsubscribe(connection, organization, email, at=clock.now()):
        note(connection, organization, by, "unsubscribed", f"member {email}", {})


def want_mail_again(connection: db.Connection, organization: str, *, by: Actor) -> None:
    """Who unsubscribed takes it back, for themselves. Raises Rejected for who has no address."""
    email = _address_of(by)
    if delivery.end_suppression(connection, organization, email):
        note(connection, organization, by, "subscribed again", f"member {email}", {})


def _address_of(by: Actor) -> str:
    """A member's name is their address; the command line has none."""
    if by.role == "operator":
        raise Rejected(FieldError(field="email", reason=f"the {by.name} has no address"))
    return by.name
