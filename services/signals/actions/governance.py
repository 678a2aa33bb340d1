"""What members of an organization do in its settings besides thresholds: people, tokens, the
digest's recipients and schedule.

Each is one action with its row in the audit log. Raises Rejected with the field that is wrong, and
NotFound.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, get_args

from services.signals.actions import tenants
from services.signals.store import (
    delivery,
    digest_requests,
    organizations,
    recipients,
    runs,
    settings,
    sign_in,
    slots,
)
from shared import clock, db
from shared.domain.cadence import DAYS, Frequency, first_day
from shared.errors import FieldError, NotFound, Rejected
from shared.settings import settings as environment

LAST_OWNER = "is the last owner: make somebody else an owner first"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who does it, and as what."""

    email: str
    role: str


# -- people ------------------------------------------------------------------------------------------------------------------


def invite(
    connection: db.Connection,
    organization: str,
    email: str,
    role: str,
    *,
    by: Actor,
    with_digest: bool,
) -> str:
    """A new member. Returns the address in the spelling that is kept; the caller mails a link to
    it.
    """
    runs.lock_organization(connection, organization)
    plain = tenants.checked_email(email)
    _may_give(role, by)
    if plain in roles(connection, organization):
        raise Rejected(FieldError(field="email", reason=f"{plain} is a member already"))
    organizations.set_member(connection, organization, plain, role)
    if with_digest:
        recipients.add(connection, organization, plain, added_by=by.email)
    _note(
        connection,
        organization,
        by,
        "invited",
        f"member {plain}",
        {"role": role, "digest": with_digest},
    )
    return plain


def change_role(
    connection: db.Connection, organization: str, email: str, role: str, *, by: Actor
) -> None:
    """Owners may be made and unmade by owners alone, and one always stays."""
    runs.lock_organization(connection, organization)
    known = roles(connection, organization)
    if email not in known:
        raise NotFound(f"{email} is no member")
    _may_give(role, by)
    _may_touch(email, known, by)
    if known[email] == role:
        return
    _keep_an_owner(email, known)
    organizations.set_member(connection, organization, email, role)
    _note(
        connection,
        organization,
        by,
        "changed role",
        f"member {email}",
        {"role": {"from": known[email], "to": role}},
    )


def remove(connection: db.Connection, organization: str, email: str, *, by: Actor) -> None:
    """The membership, and all sessions of whoever had it, end at once."""
    runs.lock_organization(connection, organization)
    known = roles(connection, organization)
    if email not in known:
        raise NotFound(f"{email} is no member")
    _may_touch(email, known, by)
    _keep_an_owner(email, known)
    organizations.remove_member(connection, organization, email)
    sign_in.end_sessions(connection, email)
    _note(connection, organization, by, "removed", f"member {email}", {"role": known[email]})


def roles(connection: db.Connection, organization: str) -> dict[str, str]:
    """email -> role."""
    return {email: role for email, role, _ in organizations.members(connection, organization)}


def _may_give(role: str, by: Actor) -> None:
    if role not in tenants.ROLES:
        raise Rejected(FieldError(field="role", reason="the role must be owner, admin or member"))
    if role == "owner" and by.role != "owner":
        raise Rejected(FieldError(field="role", reason="only an owner makes owners"))


def _may_touch(email: str, known: dict[str, str], by: Actor) -> None:
    if known[email] == "owner" and by.role != "owner":
        raise Rejected(
            FieldError(field="role", reason=f"{email} is an owner: only an owner may do that")
        )


def _keep_an_owner(email: str, known: dict[str, str]) -> None:
    if known[email] == "owner" and list(known.values()).count("owner") == 1:
        raise Rejected(FieldError(field="role", reason=f"{email} {LAST_OWNER}"))


# -- tokens ------------------------------------------------------------------------------------------------------------------


def rotate_token(connection: db.Connection, organization: str, name: str, *, by: Actor) -> str:
    """The new token: shown now, never again."""
    token, token_hash = tenants.new_token()
    organizations.rotate_token(connection, organization, name, token_hash)
    _note(connection, organization, by, "rotated", f"token {name}", {})
    return token


def revoke_token(connection: db.Connection, organization: str, name: str, *, by: Actor) -> None:
    """It works no more, within seconds."""
    organizations.revoke_token(connection, organization, name)
    _note(connection, organization, by, "revoked", f"token {name}", {})


# -- the digest ----------------------------------------------------------------------------------------------------------------


def frequencies() -> list[Frequency]:
    """Those below a day exist for development alone."""
    return list(get_args(Frequency)) if environment().development_cadences else list(DAYS)


def set_recipients(
    connection: db.Connection, organization: str, emails: Collection[str], *, by: Actor
) -> None:
    """Members alone. Who stays keeps the day they were added on."""
    runs.lock_organization(connection, organization)
    known = delivery.members(connection, organization)
    strangers = sorted(set(emails) - {member.email for member in known})
    if strangers:
        raise Rejected(FieldError(field="recipients", reason=f"{strangers[0]} is no member"))
    added = [member.email for member in known if member.email in emails and not member.gets_it]
    removed = [member.email for member in known if member.email not in emails and member.gets_it]
    for email in added:
        recipients.add(connection, organization, email, added_by=by.email)
    for email in removed:
        delivery.remove_recipient(connection, organization, email)
    if added or removed:
        _note(
            connection,
            organization,
            by,
            "changed",
            "digest recipients",
            {"added": added, "removed": removed},
        )


def set_schedule(
    connection: db.Connection,
    organization: str,
    *,
    frequency: str,
    hour: str,
    weekday: str,
    by: Actor,
) -> None:
    """From now on; a schedule that says the same already keeps its rhythm."""
    timezone = runs.lock_organization(connection, organization)
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
    _note(connection, organization, by, "changed", "digest schedule", detail)


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


def ask_for_digest(connection: db.Connection, organization: str, *, by: Actor) -> None:
    """A digest of the latest complete run for whoever asks, alone."""
    now = clock.now()
    digest_requests.ask(connection, organization, by.email, at=now)
    runs.tell_clock(connection)
    _note(connection, organization, by, "asked for", "digest test", {})


def want_mail_again(connection: db.Connection, organization: str, *, by: Actor) -> None:
    """Who unsubscribed takes it back, for themselves."""
    if delivery.end_suppression(connection, organization, by.email):
        _note(connection, organization, by, "subscribed again", f"member {by.email}", {})


def _note(
    connection: db.Connection,
    organization: str,
    by: Actor,
    action: str,
    subject: str,
    detail: dict[str, Any],
) -> None:
    settings.note(
        connection,
        organization,
        at=clock.now(),
        actor=by.email,
        action=action,
        subject=subject,
        detail=detail,
    )
