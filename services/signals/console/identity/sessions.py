"""One's own sessions: from where one is signed in, and an end to each."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import sign_in as actions
from services.signals.console.http.access import (
    IDLE_FOR,
    NotHere,
    app_pool,
    session_of,
    visitor,
)
from services.signals.console.http.forms import Form, flash
from services.signals.console.http.rendering import render
from services.signals.console.words import moment
from services.signals.store import sign_in
from shared import clock, security

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

MOST_SHOWN = 100
ZONE = "UTC"  # a session is of no organization, and zones are theirs


@router.get("/sessions")
def show(request: Request) -> Response:
    """This browser's first."""
    who, now = visitor(request), clock.now()
    with app_pool(request).connection() as connection:
        found = sign_in.sessions(
            connection,
            who.email,
            asking=session_of(request) or "",
            now=now,
            used_since=now - IDLE_FOR,
            limit=MOST_SHOWN + 1,
        )
    return render(
        request,
        "sessions.html",
        visitor=who,
        is_cut=len(found) > MOST_SHOWN,
        sessions=[
            {
                "session": one.session,
                "signed_in_from": one.signed_in_from or "a browser",
                "since": moment(one.created_at, ZONE),
                "last_used": moment(one.last_seen_at, ZONE),
                "is_this": one.is_this,
            }
            for one in found[:MOST_SHOWN]
        ],
    )


@router.post("/sessions/end")
def end(request: Request, form: Form) -> Response:
    """One of one's own; of another's, and of none, nothing is here."""
    who, session = visitor(request), _name(form.get("session", ""))
    with app_pool(request).connection() as connection, connection.transaction():
        if not actions.end_session(connection, who.email, session):
            raise NotHere
        security.note(connection, "session ended", email=who.email)
    answer = RedirectResponse("/sessions", status_code=303)
    flash(request, answer, "That session is ended")
    return answer


def _name(typed: str) -> str:
    try:
        return str(UUID(typed))
    except ValueError:
        raise NotHere from None
