"""Signing in and out. A GET only shows a page (scanners follow links), the POST acts."""

from contextlib import suppress

import structlog
from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import sign_in as actions
from services.signals.actions.members import checked_email
from services.signals.console.http import kept_forms
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
from services.signals.console.identity.browsers import short_name
from services.signals.console.paths import local_path, page_of_theirs
from services.signals.store import sign_in
from shared import clock, db
from shared.errors import Rejected
from shared.mail import checked_address

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
log = structlog.get_logger()


@router.get("/sign-in")
def ask_for_link(request: Request, next: str = "/") -> Response:
    """A page with one field."""
    go_on = local_path(next)
    return render(request, "signed_out.html", email="", error="", mailed=False, next=go_on)


@router.post("/sign-in")
def mail_link(request: Request, form: OwnForm, later: BackgroundTasks) -> Response:
    """The same answer for every address, as fast: members are looked up behind it."""
    typed, go_on = form.get("email", ""), local_path(form.get("next", ""))
    try:
        email = checked_address(checked_email(typed))
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
    with app_pool(request).connection() as connection, connection.transaction():
        email = actions.spend_link(connection, link)
        if email is not None:
            theirs = [one.organization for one in sign_in.memberships(connection, email)]
            go_on = page_of_theirs(form.get("next", ""), theirs)
            answer = RedirectResponse(go_on, status_code=303)
            start_session(request, connection, answer, email)
    if email is None:
        log.info("security", event_kind="sign-in refused", by="link")
        return render(request, "sign_in.html", status_code=410, email=None, next="/")
    log.info("security", event_kind="signed in", by="link", person=actions.name_in_logs(email))
    return answer


@router.post("/sign-out")
def sign_out(request: Request, form: Form) -> Response:
    """End the session; with `everywhere` all of the person's, and links that were not used."""
    everywhere, email = bool(form.get("everywhere")), None
    with suppress(NotSignedIn):
        email = visitor(request).email
    with app_pool(request).connection() as connection, connection.transaction():
        if email is not None and everywhere:
            actions.sign_out_everywhere(connection, email)
        actions.sign_out(connection, session_of(request) or "")
    if email is not None:
        kind = "signed out everywhere" if everywhere else "signed out"
        log.info("security", event_kind=kind, person=actions.name_in_logs(email))
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(cookie_name(), path="/", secure=is_https(), httponly=True, samesite="lax")
    kept_forms.forget_person(answer)
    return answer


def start_session(
    request: Request, connection: db.Connection, answer: Response, email: str
) -> None:
    """Sign an address in, in the browser that gets this answer; the session that it had ends."""
    session = actions.start_session(
        connection,
        email,
        signed_in_from=short_name(request.headers.get("user-agent", "")),
        instead_of=session_of(request),
    )
    answer.set_cookie(
        cookie_name(),
        session,
        max_age=int(actions.SESSION_LASTS.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_https(),
        path="/",
    )
    kept_forms.remember_person(answer, email)
