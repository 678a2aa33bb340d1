"""Members: who belongs to the organization and as what; owners and
admins invite, change and remove.
"""

from collections.abc import Callable, Mapping

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import members
from services.signals.actions.actor import Actor
from services.signals.console.http.access import Visitor
from services.signals.console.http.forms import Form, by_field, flash, stored
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.identity import invitation_mail
from services.signals.console.words import moment
from services.signals.store import invitations, organizations
from shared import clock, db
from shared.errors import Rejected

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

ROLE_WORDS = {
    "owner": "everything, and who the owners are",
    "admin": "thresholds, members, tokens",
    "member": "signals, the digest, enrollment, sequences, outcomes",
}


@router.get("/o/{organization}/settings/members")
def show(request: Request, organization: str) -> Response:
    """By address."""
    with organization_of(request, organization) as (who, connection):
        return _page(request, connection, organization, who, {}, {})


@router.post("/o/{organization}/settings/members/invite")
def invite(
    request: Request, organization: str, form: Form, afterwards: BackgroundTasks
) -> Response:
    """Nobody is a member before they say so: a mail asks them."""
    typed = {
        "email": form.get("email", ""),
        "role": form.get("role", "member"),
        "digest": form.get("digest", ""),
    }
    try:
        with organization_of(request, organization) as (who, connection):
            who.must_be_recent()
            name = head_of(connection, organization).name
            email, secret = members.invite(
                connection,
                organization,
                typed["email"],
                typed["role"],
                by=who.acting_in(organization),
                with_digest=typed["digest"] == "on",
            )
    except Rejected as refused:
        with organization_of(request, organization) as (who, connection):
            return _page(
                request, connection, organization, who, typed, by_field(refused), status_code=422
            )
    answer = RedirectResponse(f"/o/{organization}/settings/members", status_code=303)
    flash(request, answer, f"{email} is asked by mail, and is a member as soon as they accept")
    path = f"/invitation/{organization}/{secret}"
    afterwards.add_task(
        invitation_mail.mail, email, path, by=who.email, name=name, role=typed["role"]
    )
    answer.background = afterwards
    return answer


@router.post("/o/{organization}/settings/members/withdraw")
def withdraw(request: Request, organization: str, form: Form) -> Response:
    """An invitation that nobody answered."""
    email = stored(form.get("email", ""))
    return _act(
        request,
        organization,
        lambda connection, by: members.withdraw(connection, organization, email, by=by),
        f"The invitation of {email} leads nowhere any more",
    )


@router.post("/o/{organization}/settings/members/role")
def change_role(request: Request, organization: str, form: Form) -> Response:
    """Of one member."""
    email, role = stored(form.get("email", "")), form.get("role", "")
    return _act(
        request,
        organization,
        lambda connection, by: members.change_role(connection, organization, email, role, by=by),
        f"{email} is {role} now",
    )


@router.post("/o/{organization}/settings/members/remove")
def remove(request: Request, organization: str, form: Form) -> Response:
    """At once; who is a member nowhere else is signed out."""
    email = stored(form.get("email", ""))
    return _act(
        request,
        organization,
        lambda connection, by: members.remove(connection, organization, email, by=by),
        f"{email} is no member any more",
    )


def _act(
    request: Request, organization: str, act: Callable[[db.Connection, Actor], None], said: str
) -> Response:
    try:
        with organization_of(request, organization) as (who, connection):
            who.must_be_recent()
            act(connection, who.acting_in(organization))
    except Rejected as refused:
        with organization_of(request, organization) as (who, connection):
            return _page(
                request,
                connection,
                organization,
                who,
                {},
                {"members": _said(refused)},
                status_code=422,
            )
    answer = RedirectResponse(f"/o/{organization}/settings/members", status_code=303)
    flash(request, answer, said)
    return answer


def _said(refused: Rejected) -> str:
    return "; ".join(error.reason for error in refused.errors)


def _page(
    request: Request,
    connection: db.Connection,
    organization: str,
    who: Visitor,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    status_code: int = 200,
) -> Response:
    head = head_of(connection, organization)
    role = who.role_in(organization)
    found = organizations.members(connection, organization)
    owners = sum(1 for _, its_role, _ in found if its_role == "owner")
    return render(
        request,
        "settings_members.html",
        status_code=status_code,
        visitor=who,
        organization=organization,
        head=head,
        tab="members",
        may_change=who.governs(organization),
        roles=[
            (name, ROLE_WORDS[name])
            for name in reversed(members.ROLES)
            if name != "owner" or role == "owner"
        ],
        typed={"email": "", "role": "member", "digest": "on"} | dict(typed),
        errors=errors,
        invited=[
            {
                "email": one.email,
                "role": one.role,
                "by": one.invited_by,
                "until": moment(one.expires_at, head.timezone),
            }
            for one in invitations.open_ones(connection, organization, now=clock.now())
        ],
        members=[
            {
                "email": email,
                "role": its_role,
                "added": moment(added_at, head.timezone),
                "is_me": email == who.email,
                "is_fixed": its_role == "owner" and (role != "owner" or owners == 1),
                "why_fixed": "the last owner" if owners == 1 else "owners are changed by owners",
            }
            for email, its_role, added_at in found
        ],
    )
