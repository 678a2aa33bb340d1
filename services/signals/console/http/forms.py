"""Forms that change something: they come from our own pages, with the
session's token, or are refused.

In a route:     `form: Form` as a parameter; then `form["name"]`,
                `form.get("name")`, `form.all("name")`
In a template:  `{{ csrf_field }}` inside `<form method="post">`

The token is an HMAC keyed with the session, so nothing is kept for it: a
new session makes it another one.
"""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request
from itsdangerous import BadData, Signer
from markupsafe import Markup
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from services.signals.console.http.access import (
    NotHere,
    NotSignedIn,
    Refused,
    is_https,
    session_of,
)
from shared import keys
from shared.errors import Rejected
from shared.http import body_in_time
from shared.settings import settings

FIELD = "csrf"
MOST_BYTES = 256_000
MOST_FIELDS = 2_000
FLASH = "winback_flash"
FLASH_SECONDS = 60
MOST_FLASH_BYTES = 1_024  # a longer text is cut
_NO_TEXT = re.compile("[\ud800-\udfff]")


class Posted(dict[str, str]):
    """What was typed: the first value of each name; `all` of a name."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(reversed(pairs))
        self._pairs = pairs

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All of it, as it stands in the form."""
        return self._pairs

    def all(self, name: str) -> list[str]:
        """Every value of a name, as they stand in the form."""
        return [value for key, value in self._pairs if key == name]


async def own_form(request: Request) -> Posted:
    """A form of our own site, with a session or without. Raises Refused."""
    _refuse_other_sites(request)
    body = bytearray()
    try:
        async for part in body_in_time(request.stream()):
            body += part
            if len(body) > MOST_BYTES:
                raise Refused(413, "the form is too large")
    except TimeoutError:
        raise Refused(408, "the form took too long to arrive") from None
    except ClientDisconnect:
        raise Refused(400, "the connection ended inside the form") from None
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            max_num_fields=MOST_FIELDS,
            errors="surrogateescape",
        )
    except ValueError:
        raise Refused(422, "this is no form") from None
    for name, value in pairs:
        if _NO_TEXT.search(name + value):  # no browser sends it; it would be kept as something else
            raise Refused(422, f"{_NO_TEXT.sub('?', name)}: this is no UTF-8")
    request.state.posted = form = Posted(pairs)
    return form


def posted(request: Request) -> Posted:
    """The form of this request; empty where there is none, or it was refused."""
    form = getattr(request.state, "posted", None)
    return form if isinstance(form, Posted) else Posted([])


async def checked_form(request: Request) -> Posted:
    """A form of our own site that carries the token of the session. Raises NotSignedIn, Refused."""
    form = await own_form(request)  # first: it says which page one comes back to
    session = session_of(request)
    if session is None:
        raise NotSignedIn
    if not hmac.compare_digest(form.pop(FIELD, "").encode(), csrf_token(session).encode()):
        raise Refused(403, "the page was older than your session: go back, reload it and try again")
    return form


Form = Annotated[Posted, Depends(checked_form)]
OwnForm = Annotated[Posted, Depends(own_form)]


def csrf_token(session: str) -> str:
    """Of one session."""
    return hmac.new(session.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()


def csrf_field(request: Request) -> Markup:
    """The hidden field of every form; nothing without a session."""
    session = session_of(request)
    return (
        Markup("")
        if session is None
        else Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, csrf_token(session))
    )


def by_field(refused: Rejected) -> dict[str, str]:
    """field -> reason; fields of the command line are named as the form's are."""
    return {error.field.lstrip("-"): error.reason for error in refused.errors}


def stored(text: str) -> str:
    """A name that may be in a table. Raises NotHere for one that cannot be."""
    if "\x00" in text:
        raise NotHere
    return text


def _refuse_other_sites(request: Request) -> None:
    """Browsers say where a request comes from; older ones and other programs say
    less, and have no cookie of ours.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = {urlsplit(settings().base_url).netloc, request.headers.get("host")}
    if site not in (None, "same-origin", "none") or (
        site is None and origin is not None and urlsplit(origin).netloc not in own
    ):
        raise Refused(403, "this form was sent from another site")


# -- what the next page says once ------------------------------------------------------------------


def flash(request: Request, response: Response, text: str, *, undo: str | None = None) -> None:
    """Say `text` on the page after a redirect; `undo` is the path that a button posts to."""
    session = session_of(request)
    if session is not None:
        value = _signed(session, text, undo)
        while len(value) > MOST_FLASH_BYTES:
            text = text[: len(text) // 2] + "…"
            value = _signed(session, text, undo)
        response.set_cookie(
            FLASH,
            value,
            max_age=FLASH_SECONDS,
            httponly=True,
            samesite="lax",
            secure=is_https(),
            path="/",
        )


def read_flash(request: Request) -> dict[str, str | None] | None:
    """What was left for this session: `{"text", "undo"}`."""
    session, value = session_of(request), request.cookies.get(FLASH)
    if session is None or value is None or len(value) > MOST_FLASH_BYTES:
        return None
    try:
        text, undo = json.loads(urlsafe_b64decode(_signer(session).unsign(value)))
    except (BadData, ValueError, TypeError):
        return None
    return {"text": text, "undo": undo}


def _signed(session: str, text: str, undo: str | None) -> str:
    """As it is, not compressed: what is read is never larger than what came."""
    content = json.dumps([text, undo], ensure_ascii=False).encode("utf-8", "backslashreplace")
    return _signer(session).sign(urlsafe_b64encode(content)).decode()


def _signer(session: str) -> Signer:
    """By our secret, for this session: by that alone a browser could sign itself."""
    return Signer(keys.keys("flash"), salt=f"flash {session}".encode("utf-8", "surrogatepass"))
