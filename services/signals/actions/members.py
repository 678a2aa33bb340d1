"""Members of an organization: owners and admins invite them, change their roles and remove them."""

import secrets
from datetime import timedelta

from services.signals.actions import digest
from services.signals.actions.actor import Actor, must_govern, must_operate, note
from services.signals.store import (
    invitations,
    organizations,
    owner_people,
    recipients,
    saved_views,
    sign_in,
)
from services.signals.store.invitations import Invitation
from shared import clock, db, mail_limits
from shared.errors import FieldError, NotFound, Rejected
from shared.mail import checked_address

ROLES = ("owner", "admin", "member")
INVITATION_LASTS = timedelta(days=7)
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
) -> tuple[str, str]:
    """Ask somebody to be a member: they are none before they say so. Returns the address in the
    spelling that is kept, and the secret of the mail that the caller sends there. Raises Forbidden,
    NotFound, and Rejected for a member that there is and for more mails than may be.
    """
    must_govern(by)
    organizations.lock(connection, organization)
    plain = checked_email(email)
    _may_give(role, by)
    if plain in roles(connection, organization):
        raise Rejected(FieldError(field="email", reason=f"{plain} is a member already"))
    now = clock.now()
    mail_limits.take(
        connection,
        "invitation",
        now=now,
        person=by.name,
        address=plain,
        organization=organization,
    )
    secret = secrets.token_urlsafe(32)
    invitation = Invitation(
        organization=organization,
        email=plain,
        role=role,
        with_digest=with_digest,
        invited_by=by.name,
        invited_at=now,
        expires_at=now + INVITATION_LASTS,
    )
    invitations.set_invitation(connection, invitation, invitation_hash=sign_in.hashed(secret))
    note(
        connection,
        organization,
        by,
        "invited",
        f"member {plain}",
        {"role": role, "digest": with_digest},
    )
    return plain, secret


def invited(connection: db.Connection, organization: str, secret: str) -> Invitation | None:
    """The invitation of a mail; None: it was answered, withdrawn or is too old."""
    return invitations.find(connection, organization, sign_in.hashed(secret), now=clock.now())


def accept(connection: db.Connection, organization: str, secret: str) -> Invitation:
    """Who was invited says yes, and is a member from now on. Raises NotFound."""
    organizations.lock(connection, organization)
    invitation = _answered(connection, organization, secret)
    plain = invitation.email
    if plain not in roles(connection, organization):
        organizations.set_member(connection, organization, plain, invitation.role)
    if invitation.with_digest:
        recipients.add(connection, organization, plain, added_by=invitation.invited_by)
    by = Actor(name=plain, role="member")
    detail = {"role": invitation.role, "invited_by": invitation.invited_by}
    note(connection, organization, by, "accepted", f"member {plain}", detail)
    return invitation


def decline(connection: db.Connection, organization: str, secret: str) -> Invitation:
    """Who was invited says no. Raises NotFound."""
    invitation = _answered(connection, organization, secret)
    by = Actor(name=invitation.email, role="member")
    note(connection, organization, by, "declined", f"member {invitation.email}", {})
    return invitation


def withdraw(connection: db.Connection, organization: str, email: str, *, by: Actor) -> None:
    """The mail leads nowhere from now on. Raises Forbidden, NotFound."""
    must_govern(by)
    if not invitations.delete(connection, organization, email):
        raise NotFound(f"no invitation of {email}")
    note(connection, organization, by, "withdrew", f"member {email}", {})


def _answered(connection: db.Connection, organization: str, secret: str) -> Invitation:
    invitation = invited(connection, organization, secret)
    if invitation is None or not invitations.delete(connection, organization, invitation.email):
        raise NotFound("the invitation is not open any more")
    return invitation


def add(
    connection: db.Connection,
    organization: str,
    email: str,
    role: str,
    *,
    by: Actor,
    with_digest: bool,
) -> str:
    """A member at once, for whoever operates this installation and knows them; who is one already
    gets the role, and the digest where it is wanted. Raises Forbidden, NotFound, Rejected.
    """
    must_govern(by)
    organizations.lock(connection, organization)
    plain = checked_email(email)
    if plain not in roles(connection, organization):
        must_operate(by)
        _may_give(role, by)
        organizations.set_member(connection, organization, plain, role)
        invitations.delete(connection, organization, plain)
        detail = {"role": role, "digest": with_digest}
        note(connection, organization, by, "added", f"member {plain}", detail)
        if with_digest:
            recipients.add(connection, organization, plain, added_by=by.name)
        return plain
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
    invitations.delete_by(connection, organization, email)  # what they offered was by that role
    note(
        connection,
        organization,
        by,
        "changed role",
        f"member {email}",
        {"role": {"from": known[email], "to": role}},
    )


def remove(connection: db.Connection, organization: str, email: str, *, by: Actor) -> None:
    """The membership, the views that they saved for themselves and the invitations that they sent
    end at once; who is a member nowhere else is signed out. Raises Forbidden, NotFound, and
    Rejected for the last owner.
    """
    must_govern(by)
    organizations.lock(connection, organization)
    known = roles(connection, organization)
    if email not in known:
        raise NotFound(f"{email} is no member of {organization}")
    _may_touch(email, known, by)
    _keep_an_owner(email, known)
    organizations.remove_member(connection, organization, email)
    invitations.delete_by(connection, organization, email)
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
