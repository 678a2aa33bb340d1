"""Members of an organization: owners and admins invite them, change their roles and remove them."""

from services.signals.actions import digest
from services.signals.actions.actor import Actor, must_govern, note
from services.signals.store import (
    organizations,
    owner_people,
    recipients,
    saved_views,
    sign_in,
)
from shared import clock, db
from shared.errors import FieldError, NotFound, Rejected
from shared.mail import checked_address

ROLES = ("owner", "admin", "member")
NOT_ASCII = "has other letters than a mail address: write its domain as xn--…"
LAST_OWNER = "is the last owner: make somebody else an owner first"


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
    it. Raises Forbidden, NotFound, and Rejected for a member that there is.
    """
    must_govern(by)
    organizations.lock(connection, organization)
    plain = checked_email(email)
    _may_give(role, by)
    if plain in roles(connection, organization):
        raise Rejected(FieldError(field="email", reason=f"{plain} is a member already"))
    organizations.set_member(connection, organization, plain, role)
    if with_digest:
        recipients.add(connection, organization, plain, added_by=by.name)
    note(
        connection,
        organization,
        by,
        "invited",
        f"member {plain}",
        {"role": role, "digest": with_digest},
    )
    return plain


def add(
    connection: db.Connection,
    organization: str,
    email: str,
    role: str,
    *,
    by: Actor,
    with_digest: bool,
) -> str:
    """As `invite`; who is a member already gets the role, and the digest where it is wanted."""
    must_govern(by)
    organizations.lock(connection, organization)
    plain = checked_email(email)
    if plain not in roles(connection, organization):
        return invite(connection, organization, plain, role, by=by, with_digest=with_digest)
    change_role(connection, organization, plain, role, by=by)
    if with_digest:
        digest.add_recipient(connection, organization, plain, by=by)
    return plain


def change_role(
    connection: db.Connection, organization: str, email: str, role: str, *, by: Actor
) -> None:
    """Owners may be made and unmade by owners alone, and one always stays. Raises Forbidden,
    NotFound, Rejected.
    """
    must_govern(by)
    organizations.lock(connection, organization)
    known = roles(connection, organization)
    if email not in known:
        raise NotFound(f"{email} is no member of {organization}")
    _may_give(role, by)
    _may_touch(email, known, by)
    if known[email] == role:
        return
    _keep_an_owner(email, known)
    organizations.set_member(connection, organization, email, role)
    note(
        connection,
        organization,
        by,
        "changed role",
        f"member {email}",
        {"role": {"from": known[email], "to": role}},
    )


def remove(connection: db.Connection, organization: str, email: str, *, by: Actor) -> None:
    """The membership and the views that they saved for themselves end at once; who is a member
    nowhere else is signed out. Raises Forbidden, NotFound, and Rejected for the last owner.
    """
    must_govern(by)
    organizations.lock(connection, organization)
    known = roles(connection, organization)
    if email not in known:
        raise NotFound(f"{email} is no member of {organization}")
    _may_touch(email, known, by)
    _keep_an_owner(email, known)
    organizations.remove_member(connection, organization, email)
    end_access_of_strangers(connection, email)
    saved_views.delete_of(connection, organization, email)
    owner_people.forget_member(connection, organization, email)
    note(connection, organization, by, "removed", f"member {email}", {"role": known[email]})


def roles(connection: db.Connection, organization: str) -> dict[str, str]:
    """email -> role."""
    return {email: role for email, role, _ in organizations.members(connection, organization)}


def end_access_of_strangers(connection: db.Connection, email: str) -> None:
    """Sessions, links and the provider's word end for an address that is a member of no
    organization any more; of a member of another one, nothing ends.
    """
    sign_in.lock_person(connection, email)
    if not sign_in.is_member(connection, email):
        sign_in.void_links(connection, email, now=clock.now())
        sign_in.end_sessions(connection, email)
        sign_in.unpin(connection, email)


def checked_email(email: str) -> str:
    """An address that our sender takes, in the one spelling that is kept: ASCII, in small letters.
    Other letters are refused before any is made small, since some of them become ASCII then (the
    Kelvin sign a k). Raises Rejected.
    """
    if not email.isascii():
        raise Rejected(FieldError(field="email", reason=f"{email!r} {NOT_ASCII}"))
    try:
        return checked_address(email).lower()
    except Rejected:
        reason = f"{email!r} is not an address that mail can be sent to"
        raise Rejected(FieldError(field="email", reason=reason)) from None


def _may_give(role: str, by: Actor) -> None:
    if role not in ROLES:
        raise Rejected(FieldError(field="role", reason="the role must be owner, admin or member"))
    if role == "owner" and not by.makes_owners:
        raise Rejected(FieldError(field="role", reason="only an owner makes owners"))


def _may_touch(email: str, known: dict[str, str], by: Actor) -> None:
    if known[email] == "owner" and not by.makes_owners:
        raise Rejected(
            FieldError(field="role", reason=f"{email} is an owner: only an owner may do that")
        )


def _keep_an_owner(email: str, known: dict[str, str]) -> None:
    if known[email] == "owner" and list(known.values()).count("owner") == 1:
        raise Rejected(FieldError(field="role", reason=f"{email} {LAST_OWNER}"))
