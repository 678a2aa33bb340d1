"""What goes wrong, as whoever asked can use it: problem+json (RFC 9457)
for systems, a page for people.
"""

import re
from urllib.parse import quote

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from psycopg_pool import PoolTimeout
from pydantic import AfterValidator
from starlette.exceptions import HTTPException

from services.signals.actions.actor import Forbidden
from services.signals.actions.sequences import OutOfTurn
from services.signals.console.http import kept_forms
from services.signals.console.http.access import (
    NotAllowed,
    NotHere,
    NotSignedIn,
    Refused,
    SignInAgain,
)
from services.signals.console.http.forms import posted
from services.signals.console.http.rendering import HEADERS, render
from services.signals.console.paths import page_of
from services.signals.trial.dry_run import Superseded
from shared import security
from shared.errors import NotFound, said
from shared.http import LAST

log = structlog.get_logger()

BROKEN = (
    "the fault is ours, and the console's log has it; "
    "nothing of this request was kept. Go back and try again"
)


class Wrong(Exception):
    """A parameter that cannot be right."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


def like(pattern: str, words: str) -> AfterValidator:
    """A parameter's form, refused in words where a pattern would say itself."""

    def checked(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(words)
        return value

    return AfterValidator(checked)


def register(app: FastAPI) -> None:
    """Every way out that is not a plain answer."""

    @app.exception_handler(NotSignedIn)
    def not_signed_in(request: Request, error: NotSignedIn) -> Response:
        """The way in, and from there back to the page. htmx shows no answer of this status, but it
        goes where the header says: a click never seems dead. What was typed is kept.
        """
        security.tell("not signed in")
        return way_in(request)

    @app.exception_handler(SignInAgain)
    def sign_in_again(request: Request, error: SignInAgain) -> Response:
        """The way in once more, for whoever sits there now, and back to the page."""
        security.tell("sign-in wanted again")
        return way_in(request, again=True)

    def way_in(request: Request, *, again: bool = False) -> Response:
        go_on = page_of(request, posted(request))
        if "hx-request" in request.headers:
            to = f"/sign-in?next={quote(go_on, safe='')}{'&again=1' if again else ''}"
            response = Response(status_code=401, headers={"HX-Redirect": to})
            kept_forms.keep(request, response, go_on)
            return response
        answer_ = Response()
        is_kept = kept_forms.keep(request, answer_, go_on)
        page = render(
            request,
            "signed_out.html",
            status_code=401,
            email="",
            error="",
            mailed=False,
            next=go_on,
            is_kept=is_kept,
            again=again,
        )
        page.raw_headers += [one for one in answer_.raw_headers if one[0] == b"set-cookie"]
        return page

    @app.exception_handler(NotHere)
    def not_here(request: Request, error: NotHere) -> Response:
        reason = "there is no such thing here"
        return answer(
            request, 404, "Not found", reason, [(str(field), reason) for field in error.args]
        )

    @app.exception_handler(NotFound)
    def not_found(request: Request, error: NotFound) -> Response:
        """An action's: what it says names things as the command line does."""
        return not_here(request, NotHere())

    @app.exception_handler(Forbidden)
    def forbidden(request: Request, error: Forbidden) -> Response:
        security.tell("forbidden")
        return answer(request, 403, "Not done", str(error))

    @app.exception_handler(OutOfTurn)
    def out_of_turn(request: Request, error: OutOfTurn) -> Response:
        return answer(request, 409, "Not done", str(error))

    @app.exception_handler(NotAllowed)
    def not_allowed(request: Request, error: NotAllowed) -> Response:
        security.tell("token refused", status=error.status)
        response = answer(request, error.status, "Not allowed", str(error))
        if error.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> Response:
        if error.status == 403:
            security.tell("forged form")
        return answer(request, error.status, "Not done", str(error))

    @app.exception_handler(Superseded)
    def superseded(request: Request, error: Superseded) -> Response:
        if "hx-request" in request.headers:
            return Response(status_code=204)  # the page waits for the next one's answer
        return answer(
            request, 409, "Not tried", "you tried something else meanwhile: look at that page"
        )

    @app.exception_handler(Wrong)
    def wrong(request: Request, error: Wrong) -> Response:
        return answer(request, 422, "Wrong parameter", str(error), [(error.field, error.reason)])

    @app.exception_handler(RequestValidationError)
    def not_valid(request: Request, error: RequestValidationError) -> Response:
        fields = [
            (
                ".".join(str(part) for part in one["loc"][1:]),
                str(one.get("ctx", {}).get("error") or one["msg"]),
            )
            for one in error.errors()
        ]
        return answer(
            request,
            422,
            "Wrong parameter",
            "; ".join(f"{field}: {reason}" for field, reason in fields),
            fields,
        )

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        response = answer(request, error.status_code, str(error.detail), str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(psycopg.OperationalError)
    @app.exception_handler(PoolTimeout)
    def no_database(request: Request, error: Exception) -> Response:
        log.warning("PostgreSQL is away", error=said(error))
        response = answer(request, 503, "Try again", "the database is not there for a moment")
        response.headers["Retry-After"] = "2"
        return response

    @app.exception_handler(Exception)
    def broken(request: Request, error: Exception) -> Response:
        """A bug. It is raised further to the log; its answer passes by the middleware,
        so it brings the headers itself.
        """
        response = answer(request, 500, "This went wrong", BROKEN)
        response.headers.update(HEADERS | LAST)
        return response


def answer(
    request: Request,
    status: int,
    title: str,
    detail: str,
    fields: list[tuple[str, str]] | None = None,
) -> Response:
    """In the form that fits the path."""
    if not request.url.path.startswith("/v1/"):
        return render(request, "problem.html", status_code=status, title=title, detail=detail)
    errors = [{"field": field, "reason": reason} for field, reason in fields or []]
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "errors": errors,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
