"""Saved views of the accounts table: an address with a name, for oneself or for
everybody in the organization.

A view is the table's own query (sort, filters, search, columns), so it stays a link: it can
be sent, bookmarked, and changed again. Whoever saved a view for everybody takes it away
again, and so do owners and admins.
"""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import QueryParams

from services.signals.actions import saved_views as actions
from services.signals.console.accounts.address import Address, read_address
from services.signals.console.http.access import NotHere, Visitor
from services.signals.console.http.forms import Form, flash
from services.signals.console.http.organization import organization_of
from services.signals.store import saved_views
from services.signals.store.saved_views import EVERYBODY
from shared import db
from shared.domain.identifiers import wrong_id
from shared.errors import Rejected
from shared.wording import plain_name

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


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
            may_delete=actions.may_delete(view, who.acting_in(organization)),
        )
        for view in saved_views.seen_by(connection, organization, who.email)
    ]


@router.post("/o/{organization}/views")
def save(request: Request, organization: str, form: Form) -> Response:
    """Give the shown view a name; under a name that is there already it takes that one's place."""
    name = " ".join(form.get("name", "").split())
    address = read_address(organization, QueryParams(form.get("query", "").removeprefix("?"))).to()
    for_everybody = bool(form.get("everybody"))
    with organization_of(request, organization) as (who, connection):
        try:
            actions.save(
                connection,
                organization,
                name=name,
                query=address.query.removeprefix("?"),
                for_everybody=for_everybody,
                by=who.acting_in(organization),
            )
            said = f"Saved as {plain_name(name)}{', for everybody' if for_everybody else ''}."
        except Rejected as refused:
            said = f"Not saved: {refused.errors[0].reason}."
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
        found = actions.delete(connection, organization, view, by=who.acting_in(organization))
    answer = RedirectResponse(address.path, status_code=303)
    flash(request, answer, f"Deleted the view {plain_name(found.name)}.")
    return answer
