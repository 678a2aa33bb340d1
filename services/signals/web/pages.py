"""The pages of an organization: its signals, an account, its draft sequences."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.store import pages
from services.signals.web import views
from services.signals.web.access import NotHere, organization_of, visitor
from services.signals.web.rendering import render
from shared import clock
from shared.events import SignalType

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

T = TypeVar("T")

SIGNALS_A_PAGE = 50


@router.get("/")
def home(request: Request) -> Response:
    """The organizations of whoever is signed in; straight on where there is one."""
    who = visitor(request)
    if len(who.memberships) == 1:
        return RedirectResponse(f"/o/{who.memberships[0][0]}/accounts", status_code=303)
    return render(request, "home.html", visitor=who)


@router.get("/o/{organization}")
def organization(organization: str) -> Response:
    """Its first page."""
    return RedirectResponse(f"/o/{organization}/accounts", status_code=303)


@router.get("/o/{organization}/signals")
def signals(
    request: Request,
    organization: str,
    type: Annotated[SignalType | None, Query()] = None,
    state: Annotated[str, Query(pattern="^(active|recovered)$")] = "active",
    after: Annotated[str | None, Query(pattern=r"^-?\d{1,18}~[0-9a-f-]{36}$")] = None,
) -> Response:
    """Active signals by lifetime revenue, or the newest recoveries."""
    with organization_of(request, organization) as (who, connection):
        head = _found(pages.head(connection, organization))
        counts = pages.counts(connection, organization)
        if state == "recovered":
            rows = pages.recovered_signals(connection, organization, limit=SIGNALS_A_PAGE)
        else:
            place = (int(after.split("~")[0]), after.split("~")[1]) if after else None
            rows = pages.active_signals(connection, organization, type_=type, after=place, limit=SIGNALS_A_PAGE + 1)
    more = rows[SIGNALS_A_PAGE - 1] if len(rows) > SIGNALS_A_PAGE else None
    today = clock.today(head.timezone)
    return render(
        request,
        "signals.html",
        visitor=who,
        organization=organization,
        head=head,
        head_line=views.head_line(head, counts["accounts"], clock.now()),
        tabs=views.tabs(organization, counts, chosen=state if state == "recovered" else type),
        signals=[views.signal_view(row, organization=organization, head=head, today=today) for row in rows[:SIGNALS_A_PAGE]],
        recovered=state == "recovered",
        next_page=views.next_page(organization, type, f"{more.lifetime_revenue_cents}~{more.signal}") if more else None,
    )


def _found(thing: T | None) -> T:
    if thing is None:
        raise NotHere
    return thing
