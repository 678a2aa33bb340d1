"""Signing in at the organization's identity provider (OpenID Connect), where the
settings name one; for members alone.

GET /sign-in/oidc            to the provider; what has to be remembered goes into
                             a signed cookie of this browser
GET /sign-in/oidc/callback   back from it

A link leads there, not a form: browsers hold a form's redirects against form-action, and asking for
it changes nothing here. Coming back, state is compared with the cookie, so nobody is signed in by
an address that somebody else made.
"""

import hmac
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from itsdangerous import BadData, URLSafeTimedSerializer

from services.signals.actions import sign_in as actions
from services.signals.console.http.access import (
    NotHere,
    app_pool,
    cookie_name,
    drop_cookie,
    keep_cookie,
)
from services.signals.console.http.rendering import render
from services.signals.console.identity import oidc
from services.signals.console.identity.sign_in import start_session
from services.signals.console.paths import local_path, page_of_theirs
from services.signals.store import sign_in
from shared import keys, security
from shared.errors import Retryable
from shared.settings import settings

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

COOKIE = "winback_oidc"
WITHIN_SECONDS = 600  # at the provider's page: password, second factor, coffee
ANOTHER_PERSON = (
    "the provider gave your mail address to another account than the one of its first sign-in "
    "here: ask whoever runs this installation"
)
BEGIN_AGAIN = "it was begun in another browser or too long ago: begin again"

Text = Annotated[str, Query(max_length=4_000)]


@router.get("/sign-in/oidc")
def to_the_provider(request: Request, next: Text = "/") -> Response:
    """Off to the provider's page."""
    if not oidc.configured():
        raise NotHere
    try:
        begun = oidc.begin()
    except (Retryable, oidc.NotIdentified) as error:
        return _refused(request, str(error), status_code=502, next=next)
    answer = RedirectResponse(begun.url, status_code=303)
    remembered = str(_signed().dumps([begun.state, begun.nonce, begun.verifier, local_path(next)]))
    keep_cookie(answer, COOKIE, remembered, lasts=timedelta(seconds=WITHIN_SECONDS))
    return answer


@router.get("/sign-in/oidc/callback")
def back(
    request: Request, state: Text = "", code: Text = "", error: Text = "", iss: Text = ""
) -> Response:
    """A session for a member; anyone else reads why not."""
    if not oidc.configured():
        raise NotHere
    try:
        began, nonce, verifier, go_on = _signed().loads(
            request.cookies.get(cookie_name(COOKIE), ""), max_age=WITHIN_SECONDS
        )
    except (BadData, ValueError, TypeError):
        return _refused(request, BEGIN_AGAIN)
    if not hmac.compare_digest(state.encode(), began.encode()):
        return _refused(request, BEGIN_AGAIN)
    if error or not code:
        return _refused(
            request, "the provider said no" + (f" ({error[:100]})" if error else ""), next=go_on
        )
    if iss and iss != settings().oidc_issuer:  # RFC 9207: the answer of another provider
        return _refused(request, "another provider answered", next=go_on)
    try:
        email, subject = oidc.finish(code, nonce=nonce, verifier=verifier)
    except Retryable as away:
        return _refused(request, str(away), status_code=502, next=go_on)
    except oidc.NotIdentified as reason:
        security.tell("sign-in refused", by="provider", reason=str(reason))
        return _refused(request, str(reason), next=go_on)
    with app_pool(request).connection() as connection, connection.transaction():
        sign_in.lock_person(connection, email)
        theirs = [one.organization for one in sign_in.memberships(connection, email)]
        if not theirs:
            security.note(connection, "sign-in refused", email=email, by="provider")
            return _refused(
                request,
                f"{email} is a member of no organization here: ask an owner or admin to invite you",
            )
        issuer = settings().oidc_issuer
        if not actions.is_who_it_was(connection, email, issuer=issuer, subject=subject):
            security.note(connection, "another subject", email=email, by="provider")
            return _refused(request, ANOTHER_PERSON)
        answer = RedirectResponse(page_of_theirs(go_on, theirs), status_code=303)
        start_session(request, connection, answer, email)
        security.note(connection, "signed in", email=email, by="provider")
    drop_cookie(answer, COOKIE)
    return answer


def _refused(request: Request, reason: str, *, status_code: int = 403, next: str = "/") -> Response:
    """The sign-in page with the reason; what was remembered is forgotten."""
    answer = render(
        request,
        "signed_out.html",
        status_code=status_code,
        email="",
        error="",
        mailed=False,
        next=local_path(next),
        refused=reason,
    )
    drop_cookie(answer, COOKIE)
    return answer


def _signed() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(keys.keys("oidc"), salt="oidc")
