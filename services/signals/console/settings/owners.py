"""People and owners: which member an owner's code of the ERP stands for, and by what name."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import owner_people as actions
from services.signals.console.http.access import Visitor
from services.signals.console.http.forms import Form, by_field, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.store import accounts, organizations, owner_people
from services.signals.store.owner_people import OwnerPerson
from shared import db
from shared.errors import Rejected
from shared.wording import plain_name

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/o/{organization}/settings/owners")
def show(request: Request, organization: str) -> Response:
    """The codes that accounts have, and those that are mapped."""
    with organization_of(request, organization) as (who, connection):
        return _page(request, connection, organization, who, {}, {})


@router.post("/o/{organization}/settings/owners")
def save(request: Request, organization: str, form: Form) -> Response:
    """One code."""
    typed = {name: form.get(name, "") for name in ("owner", "name", "email")}
    try:
        with organization_of(request, organization) as (who, connection):
            by = who.acting_in(organization)
            actions.set_person(
                connection,
                organization,
                typed["owner"],
                name=typed["name"],
                email=typed["email"],
                by=by,
            )
    except Rejected as refused:
        with organization_of(request, organization) as (who, connection):
            return _page(
                request, connection, organization, who, typed, by_field(refused), status_code=422
            )
    answer = RedirectResponse(f"/o/{organization}/settings/owners", status_code=303)
    stands_for = plain_name(typed["name"].strip() or typed["email"].strip()) or "nobody"
    flash(request, answer, f"{plain_name(typed['owner'].strip())} is {stands_for} now")
    return answer


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
    people = owner_people.people(connection, organization)
    codes = list(dict.fromkeys([*accounts.owners(connection, organization), *people]))
    nobody = {code: OwnerPerson(owner=code, name=None, email=None) for code in codes}
    return render(
        request,
        "settings_owners.html",
        status_code=status_code,
        visitor=who,
        organization=organization,
        head=head_of(connection, organization),
        tab="owners",
        may_change=who.governs(organization),
        rows=[
            {
                "owner": code,
                "shown": plain_name(code),
                "name": people.get(code, nobody[code]).name or "",
                "email": people.get(code, nobody[code]).email or "",
            }
            for code in codes
        ],
        members=[email for email, _, _ in organizations.members(connection, organization)],
        typed={"owner": "", "name": "", "email": ""} | dict(typed),
        errors=errors,
    )
