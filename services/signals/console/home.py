"""The way in: which organization, and its first page. Older addresses lead on."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.console.http.access import visitor
from services.signals.console.http.rendering import render
from services.signals.console.paths import accounts_path, today_path
from shared.events import SignalType

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
def home(request: Request) -> Response:
    """The organizations of whoever is signed in; straight on where there is one."""
    who = visitor(request)
    if len(who.memberships) == 1:
        return RedirectResponse(today_path(who.memberships[0].organization), status_code=303)
    return render(request, "home.html", visitor=who)


@router.get("/o/{organization}/signals")
def signals(organization: str, type: Annotated[SignalType | None, Query()] = None) -> Response:
    """Where mails lead to: the accounts that carry the type, or need a call."""
    return RedirectResponse(f"{accounts_path(organization)}?only={type or 'call'}", status_code=303)
