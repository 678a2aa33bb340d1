"""Saved views of the accounts table: an address with a name, for oneself or for everybody in the
organization.

A view is the table's own query (sort, filters, search, columns), so it stays a link: it can be
sent, bookmarked, and changed again. Whoever saved a view for
everybody takes it away again, and so do owners and admins.
"""

from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import QueryParams

from services.signals.console.accounts.address import Address, read_address
from services.signals.console.http.access import NotHere, Refused, Visitor, organization_of
from services.signals.console.http.forms import Form, flash
from services.signals.store import saved_views, settings
from services.signals.store.saved_views import EVERYBODY, SavedView
from shared import clock, db
from shared.domain.identifiers import wrong_id, wrong_name
from shared.ids import derived
from shared.wording import plain_name

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

LONGEST_NAME = 60


@dataclass(frozen=True, kw_only=True)
class ViewView:
    """A saved view as an entry of the menu."""

    view: str
    name: str
    path: str
    is_chosen: bool
    is_everybodys: bool
    may_delete: bool


def entries(connection: db.Connection, address: Address, who: Visitor) -> list[ViewView]:
    """What the menu offers; chosen is the one that the table shows."""
    organization, here = address.organization, address.to().query.removeprefix("?")
    return [
        ViewView(
            view=view.view,
            name=plain_name(view.name),
            path=f"/o/{organization}/accounts{'?' if view.query else ''}{view.query}",
            is_chosen=view.query == here,
            is_everybodys=view.member == EVERYBODY,
            may_delete=_may_delete(view, who, organization),
        )
        for view in saved_views.seen_by(connection, organization, who.email)
    ]


@router.post("/o/{organization}/views")
def save(request: Request, organization: str, form: Form) -> Response:
    """Give the shown view a name; under a name that is there already it takes that one's place."""
    name = " ".join(form.get("name", "").split())
    address = read_address(organization, QueryParams(form.get("query", "").removeprefix("?"))).to()
    wrong = wrong_name(name) or (
        f"is longer than {LONGEST_NAME} characters" if len(name) > LONGEST_NAME else None
    )
    with organization_of(request, organization) as (who, connection):
        member = EVERYBODY if form.get("everybody") else who.email
        view = SavedView(
            view=derived("view", organization, member, name.lower()),
            member=member,
            name=name,
            query=address.query.removeprefix("?"),
            saved_by=who.email,
        )
        if wrong is not None:
            said = f"Not saved: a view's name {wrong}."
        elif member == EVERYBODY and not _may_replace(connection, organization, view, who):
            said = f"Not saved: {plain_name(name)} is somebody else's view for everybody."
        elif not saved_views.save(connection, organization, view, at=clock.now()):
            said = f"Not saved: there are {saved_views.MOST} views already; delete one first."
        else:
            said = f"Saved as {plain_name(name)}{', for everybody' if member == EVERYBODY else ''}."
            if member == EVERYBODY:
                _note(connection, organization, who, "saved", view)
    answer = RedirectResponse(address.path, status_code=303)
    flash(request, answer, said)
    return answer


@router.post("/o/{organization}/views/delete")
def delete(request: Request, organization: str, form: Form) -> Response:
    """Take a view out of the menu; the table stays as it is shown."""
    view = form.get("view", "")
    if wrong_id(view):
        raise NotHere
    address = read_address(organization, QueryParams(form.get("query", "").removeprefix("?"))).to()
    with organization_of(request, organization) as (who, connection):
        found = saved_views.find(connection, organization, view, member=who.email)
        if found is None:
            raise NotHere
        if not _may_delete(found, who, organization):
            raise Refused(
                403, "only who saved it for everybody, an owner or an admin deletes this view"
            )
        saved_views.delete(connection, organization, view)
        if found.member == EVERYBODY:
            _note(connection, organization, who, "deleted", found)
    answer = RedirectResponse(address.path, status_code=303)
    flash(request, answer, f"Deleted the view {plain_name(found.name)}.")
    return answer


def _may_delete(view: SavedView, who: Visitor, organization: str) -> bool:
    return view.member == who.email or view.saved_by == who.email or who.governs(organization)


def _may_replace(
    connection: db.Connection, organization: str, view: SavedView, who: Visitor
) -> bool:
    there = saved_views.find(connection, organization, view.view, member=who.email)
    return there is None or _may_delete(there, who, organization)


def _note(
    connection: db.Connection, organization: str, who: Visitor, action: str, view: SavedView
) -> None:
    detail = {"query": parse_qs(view.query)}
    settings.note(
        connection,
        organization,
        at=clock.now(),
        actor=who.email,
        action=action,
        subject=f"view {view.name}",
        detail=detail,
    )
