"""Signing in and out, unsubscribing. A GET only shows a page (scanners follow links), the POST acts."""

import secrets
from contextlib import suppress
from datetime import timedelta

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.store import recipients, sign_in
from services.signals.web.access import COOKIE, app_pool, is_https
from services.signals.web.rendering import render
from shared import clock, db
from shared.mail import read_unsubscribe_token

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

SESSION_LASTS = timedelta(days=14)


@router.get("/sign-in/{link}")
def show_sign_in(request: Request, link: str) -> Response:
    """A page with one button."""
    with app_pool(request).connection() as connection:
        email = sign_in.find_link(connection, link, now=clock.now())
    return render(request, "sign_in.html", status_code=200 if email else 410, email=email)


@router.post("/sign-in/{link}")
def do_sign_in(request: Request, link: str) -> Response:
    """Spend the link on a session."""
    session, now = secrets.token_urlsafe(32), clock.now()
    with app_pool(request).connection() as connection:
        signed_in = sign_in.use_link(connection, link, session=session, now=now, expires_at=now + SESSION_LASTS)
    if not signed_in:
        return render(request, "sign_in.html", status_code=410, email=None)
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(
        COOKIE, session, max_age=int(SESSION_LASTS.total_seconds()), httponly=True, samesite="lax", secure=is_https(), path="/"
    )
    return answer


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the session. Other sites cannot ask for it: the cookie stays home."""
    session = request.cookies.get(COOKIE)
    if session:
        with app_pool(request).connection() as connection:
            sign_in.end_session(connection, session)
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/unsubscribe/{token}")
def show_unsubscribe(request: Request, token: str) -> Response:
    """A page with one button."""
    known = read_unsubscribe_token(token)
    return render(request, "unsubscribe.html", status_code=200 if known else 404, email=known[1] if known else None, done=False)


@router.post("/unsubscribe/{token}")
def do_unsubscribe(request: Request, token: str) -> Response:
    """As a mail program does it in one click (RFC 8058): the signed token is all it needs."""
    known = read_unsubscribe_token(token)
    if known is None:
        return render(request, "unsubscribe.html", status_code=404, email=None, done=False)
    organization, email = known
    with (
        suppress(psycopg.errors.ForeignKeyViolation),  # the organization was deleted: it sends nothing anyway
        db.organization_transaction(app_pool(request), organization) as connection,
    ):
        recipients.unsubscribe(connection, organization, email, at=clock.now())
    return render(request, "unsubscribe.html", email=email, done=True)
