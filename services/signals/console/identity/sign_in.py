"""Signing in and out. A GET only shows a page (scanners follow links), the POST acts."""

from contextlib import suppress

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import sign_in as actions
from services.signals.actions.members import checked_email
from services.signals.console.http import kept_forms
from services.signals.console.http.access import (
    COOKIE,
    NotSignedIn,
    app_pool,
    cookie_name,
    drop_cookie,
    keep_cookie,
    session_of,
    visitor,
)
from services.signals.console.http.forms import Form, OwnForm
from services.signals.console.http.rendering import render
from services.signals.console.identity import sign_in_mail
from services.signals.console.identity.browsers import short_name
from services.signals.console.paths import local_path, page_of_theirs
from services.signals.store import sign_in
from shared import clock, db, security
from shared.errors import Rejected
from shared.mail import checked_address

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


WRONG_CODE = (
    "This is not the code that the other browser shows. After five tries the link is of no use: "
    "ask for another one here"
)
ASKED = "winback_asked"  # what binds a link to the browser that asked for it


@router.get("/sign-in")
def ask_for_link(request: Request, next: str = "/", again: bool = False) -> Response:
    """A page with one field."""
    go_on = local_path(next)
    return render(
        request, "signed_out.html", email="", error="", mailed=False, next=go_on, again=again
    )


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
    return look_into_your_mail(request, later, email, go_on)


def look_into_your_mail(
    request: Request, later: BackgroundTasks, email: str, go_on: str
) -> Response:
    """The page that says so, with the code for other browsers; the mail goes out behind it."""
    asked = actions.asked_by(request.cookies.get(cookie_name(ASKED)))
    known = kept_forms.was_here(request, email)
    later.add_task(sign_in_mail.mail, app_pool(request), email, go_on, asked=asked, known=known)
    code = f"{asked.code[:4]}-{asked.code[4:]}"
    answer = render(
        request, "signed_out.html", email=email, error="", mailed=True, next=go_on, code=code
    )
    keep_cookie(answer, ASKED, asked.browser, lasts=actions.LINK_LASTS)
    answer.background = later
    return answer


@router.get("/sign-in/{link}")
def show_sign_in(request: Request, link: str, next: str = "/") -> Response:
    """A page with one button; in another browser than the one that asked, with a field."""
    with app_pool(request).connection() as connection, connection.transaction():
        email = sign_in.find_link(connection, link, now=clock.now())
        is_ours = email is not None and actions.is_of(
            connection, link, request.cookies.get(cookie_name(ASKED))
        )
    return _button(request, email, local_path(next), is_ours=is_ours)


def _button(
    request: Request, email: str | None, go_on: str, *, is_ours: bool = True, error: str = ""
) -> Response:
    status = 410 if email is None else 422 if error else 200
    return render(
        request,
        "sign_in.html",
        status_code=status,
        email=email,
        next=go_on,
        wants_code=not is_ours,
        error=error,
    )


@router.post("/sign-in/{link}")
def do_sign_in(request: Request, link: str, form: OwnForm) -> Response:
    """Spend the link on a session. What a wrong code costs is kept, whatever comes after."""
    with app_pool(request).connection() as connection, connection.transaction():
        email = sign_in.find_link(connection, link, now=clock.now())
        fits = email is not None and (
            actions.is_of(connection, link, request.cookies.get(cookie_name(ASKED)))
            or actions.is_right_code(connection, link, form.get("code", "")[:100])
        )
        if email is not None and not fits:
            security.note(connection, "sign-in refused", email=email, by="another browser")
    if email is not None and not fits:
        return _button(
            request, email, local_path(form.get("next", "")), is_ours=False, error=WRONG_CODE
        )
    with app_pool(request).connection() as connection, connection.transaction():
        email = actions.spend_link(connection, link)
        if email is not None:
            theirs = [one.organization for one in sign_in.memberships(connection, email)]
            go_on = page_of_theirs(form.get("next", ""), theirs)
            answer = RedirectResponse(go_on, status_code=303)
            start_session(request, connection, answer, email)
            security.note(connection, "signed in", email=email, by="link")
    if email is None:
        security.tell("sign-in refused", by="link")
        return _button(request, None, "/")
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
            kind: security.Kind = "signed out everywhere" if everywhere else "signed out"
            security.note(connection, kind, email=email)
    answer = RedirectResponse("/sign-in", status_code=303)
    drop_cookie(answer, COOKIE)
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
    keep_cookie(answer, COOKIE, session, lasts=actions.SESSION_LASTS)
    kept_forms.remember_person(answer, email)
