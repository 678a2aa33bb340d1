"""What was typed into a form whose session had ended: kept for an hour, and in the form again when
the same person signs in with the same browser.

The browser alone has the key (a cookie): PostgreSQL keeps a hash of it and what the key encrypts.
Whose it is says another cookie, which a session leaves behind: a keyed hash of the address, signed
by our secret. Signing out takes both away.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import psycopg
from cryptography.fernet import Fernet, InvalidToken
from fastapi import Request
from itsdangerous import BadData, Signer
from psycopg_pool import PoolTimeout
from starlette.responses import Response

from services.signals.actions import kept_forms as actions
from services.signals.console.http.access import (
    Visitor,
    app_pool,
    cookie_name,
    drop_cookie,
    keep_cookie,
)
from services.signals.console.http.forms import FIELD, Posted, posted
from services.signals.console.paths import path_of
from services.signals.store import kept_forms
from shared import clock, db, keys

COOKIE = "winback_kept"
PERSON = "winback_person"
PERSON_LASTS = timedelta(days=60)
AT_ONCE_SECONDS = 1.0  # a pool may have to open one


@dataclass(frozen=True, kw_only=True)
class Kept:
    """action: where the form was sent to. typed: its fields, but for its token."""

    organization: str
    action: str
    typed: Posted
    kept: bytes


def remember_person(response: Response, email: str) -> None:
    """Beside a session, and longer than it: who it is of, for this browser alone."""
    said = _signer().sign(keys.named("kept-forms", email)).decode()
    keep_cookie(response, PERSON, said, lasts=PERSON_LASTS)


def was_here(request: Request, email: str) -> bool:
    """Whether this browser's session before was of this address."""
    return _left_behind(request) == _person(email)


def forget_person(response: Response) -> None:
    """Who signs out may leave the browser to somebody else."""
    for name in (PERSON, COOKIE):
        drop_cookie(response, name)


def keep(request: Request, response: Response, page: str) -> bool:
    """Of a form that came without a session; `page`: where one comes back to. False: there was
    none, it is too much, or nobody knows whose it is.
    """
    form, person = posted(request), _left_behind(request)
    action = path_of(request)
    pairs = [(name, value) for name, value in form.pairs if name != FIELD]
    organization = _organization(action)
    if request.method != "POST" or not pairs or person is None or organization is None:
        return False
    said = json.dumps([page, action, pairs]).encode()
    if len(said) > actions.MOST_BYTES:
        return False
    key = Fernet.generate_key()
    try:
        with db.organization_transaction(app_pool(request), organization) as connection:
            actions.keep(
                connection,
                organization,
                kept=_hashed(key),
                person=person,
                typed=Fernet(key).encrypt(said),
            )
    except (psycopg.Error, PoolTimeout):  # there is no such organization, or no database
        return False
    keep_cookie(response, COOKIE, key.decode(), lasts=actions.LASTS)
    return True


def of_page(request: Request, visitor: Visitor | None) -> Kept | None:
    """What this person typed into a form of this page before their session ended."""
    key = request.cookies.get(cookie_name(COOKIE), "")
    organization = _organization(path_of(request))
    if visitor is None or organization is None or not key or len(key) > 100:
        return None
    if visitor.role_in(organization) is None:
        return None
    kept = _hashed(key.encode())
    with suppress(psycopg.OperationalError, PoolTimeout, InvalidToken, ValueError):
        # a page may be drawn while it holds a connection: it never waits for a second one
        with db.organization_transaction(
            app_pool(request), organization, wait=AT_ONCE_SECONDS
        ) as connection:
            found = kept_forms.find(
                connection,
                organization,
                kept=kept,
                person=_person(visitor.email),
                now=clock.now(),
            )
        if found is not None:
            page, action, pairs = json.loads(Fernet(key).decrypt(found))
            if urlsplit(page).path == path_of(request):
                typed = Posted([(name, value) for name, value in pairs])
                return Kept(organization=organization, action=action, typed=typed, kept=kept)
    return None


def shown(request: Request, response: Response, kept: Kept) -> None:
    """It is in the page now: once."""
    with (
        suppress(psycopg.OperationalError, PoolTimeout),
        db.organization_transaction(
            app_pool(request), kept.organization, wait=AT_ONCE_SECONDS
        ) as connection,
    ):
        actions.forget(connection, kept.organization, kept=kept.kept)
    drop_cookie(response, COOKIE)


def _organization(path: str) -> str | None:
    """That a page below /o/ is of."""
    parts = path.split("/")
    found = unquote(parts[2]) if len(parts) > 3 and parts[1] == "o" else ""
    return found if found and "\x00" not in found else None


def _left_behind(request: Request) -> bytes | None:
    """Whose session this browser had last."""
    try:
        said = _signer().unsign(request.cookies.get(cookie_name(PERSON), ""))
        return bytes.fromhex(said.decode())
    except (BadData, ValueError):
        return None


def _person(email: str) -> bytes:
    return bytes.fromhex(keys.named("kept-forms", email))


def _signer() -> Signer:
    return Signer(keys.keys("kept-forms"))


def _hashed(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
