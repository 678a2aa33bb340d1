"""ERP tokens: made, rotated and revoked by owners and admins. A token is shown
once, in the answer that made it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import tokens
from services.signals.console.http.access import Visitor
from services.signals.console.http.forms import Form, by_field, flash, stored
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.words import moment
from services.signals.store import organizations
from shared import clock, db
from shared.errors import Rejected
from shared.settings import settings

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

SCOPE_WORDS = {
    "orders:write": "send orders",
    "accounts:write": "send accounts",
    "contacts:write": "send contacts",
    "signals:read": "read signals and accounts",
}
USUAL_SCOPES = ("orders:write", "accounts:write", "contacts:write")


@router.get("/o/{organization}/settings/tokens")
def show(request: Request, organization: str) -> Response:
    """By name, the revoked ones last."""
    with organization_of(request, organization) as (who, connection):
        return _page(request, connection, organization, who)


@router.post("/o/{organization}/settings/tokens")
def create(request: Request, organization: str, form: Form) -> Response:
    """The answer shows the token; nothing else ever does."""
    name, scopes = form.get("name", "").strip(), form.all("scope")
    with organization_of(request, organization) as (who, connection):
        who.must_be_recent()
        by = who.acting_in(organization)
        try:
            with connection.transaction():
                token = tokens.create(connection, organization, name=name, scopes=scopes, by=by)
        except Rejected as refused:
            return _page(
                request,
                connection,
                organization,
                who,
                typed=(name, scopes),
                errors=by_field(refused),
                status_code=422,
            )
        return _page(request, connection, organization, who, shown=(name, token))


@router.post("/o/{organization}/settings/tokens/rotate")
def rotate(request: Request, organization: str, form: Form) -> Response:
    """Another secret under the same name."""
    name = stored(form.get("name", ""))
    with organization_of(request, organization) as (who, connection):
        who.must_be_recent()
        by = who.acting_in(organization)
        token = tokens.rotate(connection, organization, name, by=by)
        return _page(request, connection, organization, who, shown=(name, token))


@router.post("/o/{organization}/settings/tokens/revoke")
def revoke(request: Request, organization: str, form: Form) -> Response:
    """For good."""
    name = stored(form.get("name", ""))
    with organization_of(request, organization) as (who, connection):
        who.must_be_recent()
        tokens.revoke(connection, organization, name, by=who.acting_in(organization))
    answer = RedirectResponse(f"/o/{organization}/settings/tokens", status_code=303)
    flash(request, answer, f"The token {name} is revoked; it is refused within seconds")
    return answer


def _sample(token: str, today: date) -> str:
    """A call that sends one order with it, for a shell. Ingest has a port of its own where the
    console has one; else one address leads to both.
    """
    console = urlsplit(settings().base_url)
    host = f"{console.hostname}:{settings().ingest_port}" if console.port else console.netloc
    order = (
        f'{{"order": "TEST-1", "account": "TEST", "ordered_on": "{today.isoformat()}",\n'
        '  "lines": [{"product": "5 1/2 J55", "od": "5 1/2", "grade": "J55", "revenue": "0.00"}]}'
    )
    return (
        f"curl {console.scheme}://{host}/v1/orders \\\n"
        f'  -H "Authorization: Bearer {token}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  --data '{order}'"
    )


def _page(
    request: Request,
    connection: db.Connection,
    organization: str,
    who: Visitor,
    *,
    shown: tuple[str, str] | None = None,
    typed: tuple[str, Sequence[str]] = ("", USUAL_SCOPES),
    errors: Mapping[str, str] | None = None,
    status_code: int = 200,
) -> Response:
    head = head_of(connection, organization)
    uses = organizations.token_uses(connection, organization)
    found = sorted(
        organizations.tokens(connection, organization),
        key=lambda token: (token.revoked_at is not None, token.name),
    )
    return render(
        request,
        "settings_tokens.html",
        status_code=status_code,
        visitor=who,
        organization=organization,
        head=head,
        tab="tokens",
        may_change=who.governs(organization),
        shown=shown,
        sample=_sample(shown[1], clock.today(head.timezone)) if shown else "",
        typed={"name": typed[0], "scopes": list(typed[1])},
        errors=errors or {},
        scopes=list(SCOPE_WORDS.items()),
        tokens=[
            {
                "name": token.name,
                "scopes": ", ".join(SCOPE_WORDS.get(scope, scope) for scope in token.scopes),
                "created": moment(token.created_at, head.timezone),
                "used": moment(uses.get(token.name), head.timezone),
                "revoked": moment(token.revoked_at, head.timezone),
            }
            for token in found
        ],
    )
