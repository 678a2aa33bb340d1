"""Where the mail of an invitation leads: who was asked says yes or no. A GET only shows."""

from contextlib import suppress

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import members
from services.signals.console.http.access import NotSignedIn, app_pool, visitor
from services.signals.console.http.forms import OwnForm, stored
from services.signals.console.http.rendering import render
from services.signals.console.identity.sign_in import look_into_your_mail
from services.signals.store import head
from services.signals.store.invitations import Invitation
from shared import db, security
from shared.errors import NotFound
from shared.wording import plain_name

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/invitation/{organization}/{secret}")
def show(request: Request, organization: str, secret: str) -> Response:
    """Who asks, as what, and two buttons."""
    with db.organization_transaction(app_pool(request), stored(organization)) as connection:
        found = members.invited(connection, organization, secret)
        return _page(request, connection, found)


@router.post("/invitation/{organization}/{secret}")
def answer(
    request: Request, organization: str, secret: str, form: OwnForm, later: BackgroundTasks
) -> Response:
    """The mail shows who they are to the organization; to sign in they prove it as always."""
    try:
        with db.organization_transaction(app_pool(request), stored(organization)) as connection:
            if form.get("answer") not in ("accept", "decline"):
                return _page(request, connection, members.invited(connection, organization, secret))
            if form.get("answer") == "decline":
                found = members.decline(connection, organization, secret)
                return _page(request, connection, found, declined=True)
            found = members.accept(connection, organization, secret)
            security.note(connection, "invitation accepted", email=found.email, about=organization)
    except NotFound:
        return _page(request, None, None)
    go_on = f"/o/{organization}"
    with suppress(NotSignedIn):
        if visitor(request).email == found.email:
            return RedirectResponse(go_on, status_code=303)
    return look_into_your_mail(request, later, found.email, go_on)


def _page(
    request: Request,
    connection: db.Connection | None,
    found: Invitation | None,
    *,
    declined: bool = False,
) -> Response:
    known = head.find(connection, found.organization) if connection and found else None
    is_open = known is not None and found is not None
    return render(
        request,
        "invitation.html",
        status_code=200 if is_open else 410,
        email=found.email if found and is_open else None,
        name=plain_name(known.name) if known else "",
        invited_by=plain_name(found.invited_by) if found else "",
        role=found.role if found else "",
        with_digest=found.with_digest if found else False,
        declined=declined,
    )
