"""Leaving an organization's mails, by the link that each of them carries: members leave digests,
customers letters. A GET only shows a page (scanners follow links), the POST acts.
"""

from contextlib import suppress

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from services.signals.actions import digest, sending
from services.signals.actions.actor import Actor
from services.signals.console.http.access import app_pool
from services.signals.console.http.rendering import render
from shared import db
from shared.mail import read_opt_out_token, read_unsubscribe_token

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/unsubscribe/{token}")
def show_unsubscribe(request: Request, token: str) -> Response:
    """A page with one button."""
    return _asked(request, "unsubscribe.html", read_unsubscribe_token(token))


@router.post("/unsubscribe/{token}")
def do_unsubscribe(request: Request, token: str) -> Response:
    """As a mail program does it in one click (RFC 8058): the signed token is all it needs."""
    known = read_unsubscribe_token(token)
    if known is None:
        return _asked(request, "unsubscribe.html", None)
    organization, email = known
    with (
        suppress(
            psycopg.errors.ForeignKeyViolation
        ),  # the organization was deleted: it sends nothing anyway
        db.organization_transaction(app_pool(request), organization) as connection,
    ):
        digest.unsubscribe(connection, organization, by=Actor(name=email, role="member"))
    return render(request, "unsubscribe.html", email=email, done=True)


@router.get("/opt-out/{token}")
def show_opt_out(request: Request, token: str) -> Response:
    """A page with one button."""
    return _asked(request, "opt_out.html", read_opt_out_token(token))


@router.post("/opt-out/{token}")
def do_opt_out(request: Request, token: str) -> Response:
    """As a mail program does it in one click (RFC 8058): the signed token is all it needs."""
    known = read_opt_out_token(token)
    if known is None:
        return _asked(request, "opt_out.html", None)
    organization, email = known
    with (
        suppress(psycopg.errors.ForeignKeyViolation),  # the organization was deleted
        db.organization_transaction(app_pool(request), organization) as connection,
    ):
        sending.opt_out(connection, organization, email, by=Actor(name=email, role="member"))
    return render(request, "opt_out.html", email=email, done=True)


def _asked(request: Request, page: str, known: tuple[str, str] | None) -> Response:
    """The page with its button. known: (organization, email) of the link; None: it is not ours."""
    status = 200 if known else 404
    email = known[1] if known else None
    return render(request, page, status_code=status, email=email, done=False)
