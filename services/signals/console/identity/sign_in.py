"""Signing in and out, unsubscribing. A GET only shows a page (scanners follow links), the POST
acts.
"""

import re
import secrets
from contextlib import suppress
from datetime import timedelta

import psycopg
from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import tenants
from services.signals.console.http.access import (
    NotSignedIn,
    app_pool,
    cookie_name,
    is_https,
    session_of,
    visitor,
)
from services.signals.console.http.forms import Form, OwnForm
from services.signals.console.http.rendering import render
from services.signals.console.identity import sign_in_mail
from services.signals.store import recipients, sign_in
from shared import clock, db
from shared.errors import Rejected
from shared.mail import checked_address, read_unsubscribe_token

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

SESSION_LASTS = timedelta(days=14)
LOCAL = re.compile(r"/o/[A-Za-z0-9._~%/-]{1,500}")


@router.get("/sign-in")
def ask_for_link(request: Request) -> Response:
    """A page with one field."""
    return render(request, "signed_out.html", email="", error="", mailed=False, next="/")


@router.post("/sign-in")
def mail_link(request: Request, form: OwnForm, later: BackgroundTasks) -> Response:
    """The same answer for every address, as fast: whether it is a member's is looked up behind it."""
    typed, go_on = form.get("email", ""), local_path(form.get("next", ""))
    try:
        email = tenants.checked_email(checked_address(typed))
    except Rejected:
        error = "This is no mail address. It looks like you@example.com"
        return render(
            request,
            "signed_out.html",
            status_code=422,
            email=typed[:254],
            error=error,
            mailed=False,
            next=go_on,
        )
    later.add_task(sign_in_mail.mail, app_pool(request), email, go_on)
    answer = render(request, "signed_out.html", email=email, error="", mailed=True, next=go_on)
    answer.background = later
    return answer


@router.get("/sign-in/{link}")
def show_sign_in(request: Request, link: str, next: str = "/") -> Response:
    """A page with one button."""
    with app_pool(request).connection() as connection:
        email = sign_in.find_link(connection, link, now=clock.now())
    return render(
        request,
        "sign_in.html",
        status_code=200 if email else 410,
        email=email,
        next=local_path(next),
    )


@router.post("/sign-in/{link}")
def do_sign_in(request: Request, link: str, form: OwnForm) -> Response:
    """Spend the link on a session."""
    answer = RedirectResponse(local_path(form.get("next", "")), status_code=303)
    with app_pool(request).connection() as connection, connection.transaction():
        email = sign_in.use_link(connection, link, now=clock.now())
        if email is None:
            return render(request, "sign_in.html", status_code=410, email=None, next="/")
        start_session(connection, answer, email)
    return answer


@router.post("/sign-out")
def sign_out(request: Request, form: Form) -> Response:
    """End the session; with `everywhere` all of the person's."""
    session = session_of(request)
    with app_pool(request).connection() as connection, connection.transaction():
        if form.get("everywhere"):
            with suppress(NotSignedIn):
                sign_in.end_sessions(connection, visitor(request).email)
        sign_in.end_session(connection, session or "")
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(cookie_name(), path="/", secure=is_https(), httponly=True, samesite="lax")
    return answer


def start_session(connection: db.Connection, answer: Response, email: str) -> None:
    """Sign an address in, in the browser that gets this answer."""
    session, now = secrets.token_urlsafe(32), clock.now()
    sign_in.insert_session(
        connection, session, email=email, now=now, expires_at=now + SESSION_LASTS
    )
    answer.set_cookie(
        cookie_name(),
        session,
        max_age=int(SESSION_LASTS.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_https(),
        path="/",
    )


def local_path(path: str) -> str:
    """A page of an organization; anything else is the first page."""
    return path if LOCAL.fullmatch(path) else "/"


@router.get("/unsubscribe/{token}")
def show_unsubscribe(request: Request, token: str) -> Response:
    """A page with one button."""
    known = read_unsubscribe_token(token)
    return render(
        request,
        "unsubscribe.html",
        status_code=200 if known else 404,
        email=known[1] if known else None,
        done=False,
    )


@router.post("/unsubscribe/{token}")
def do_unsubscribe(request: Request, token: str) -> Response:
    """As a mail program does it in one click (RFC 8058): the signed token is all it needs."""
    known = read_unsubscribe_token(token)
    if known is None:
        return render(request, "unsubscribe.html", status_code=404, email=None, done=False)
    organization, email = known
    with (
        suppress(
            psycopg.errors.ForeignKeyViolation
        ),  # the organization was deleted: it sends nothing anyway
        db.organization_transaction(app_pool(request), organization) as connection,
    ):
        recipients.unsubscribe(connection, organization, email, at=clock.now())
    return render(request, "unsubscribe.html", email=email, done=True)
