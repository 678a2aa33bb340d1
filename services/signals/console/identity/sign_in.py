"""Signing in and out. A GET only shows a page (scanners follow links), the POST acts."""

from contextlib import suppress

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import sign_in as actions
from services.signals.actions.members import checked_email
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
from services.signals.console.paths import local_path
from services.signals.store import sign_in
from shared import clock, db
from shared.errors import Rejected
from shared.mail import checked_address

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/sign-in")
def ask_for_link(request: Request) -> Response:
    """A page with one field."""
    return render(request, "signed_out.html", email="", error="", mailed=False, next="/")


@router.post("/sign-in")
def mail_link(request: Request, form: OwnForm, later: BackgroundTasks) -> Response:
    """The same answer for every address, as fast: members are looked up behind it."""
    typed, go_on = form.get("email", ""), local_path(form.get("next", ""))
    try:
        email = checked_email(checked_address(typed))
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
        email = actions.spend_link(connection, link)
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
                actions.sign_out_everywhere(connection, visitor(request).email)
        actions.sign_out(connection, session or "")
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(cookie_name(), path="/", secure=is_https(), httponly=True, samesite="lax")
    return answer


def start_session(connection: db.Connection, answer: Response, email: str) -> None:
    """Sign an address in, in the browser that gets this answer."""
    answer.set_cookie(
        cookie_name(),
        actions.start_session(connection, email),
        max_age=int(actions.SESSION_LASTS.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_https(),
        path="/",
    )
