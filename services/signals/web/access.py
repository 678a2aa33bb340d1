"""Who asks: a person by a session cookie, a system by a bearer token; and what they may see.

Pages of an organization are for its members. For anyone else it does not exist: 404, not 403.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request
from psycopg_pool import ConnectionPool

from services.signals.store import sign_in, tokens
from shared import clock, db
from shared.settings import settings

COOKIE = "winback_session"
READ_SIGNALS = "signals:read"


class NotSignedIn(Exception):
    """A page that needs a session was asked for without one."""


class NotHere(Exception):
    """There is no such thing for whoever asks."""


class NotAllowed(Exception):
    """A token that is missing, unknown, revoked, or lacks the scope; `status` as in HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A person who is signed in, with (organization, role) of each membership."""

    email: str
    memberships: list[tuple[str, str]]


def app_pool(request: Request) -> ConnectionPool[db.Connection]:
    """The pool of the app role."""
    pool: ConnectionPool[db.Connection] = request.app.state.pool
    return pool


def visitor(request: Request) -> Visitor:
    """Raises NotSignedIn."""
    session = request.cookies.get(COOKIE)
    if not session:
        raise NotSignedIn
    with app_pool(request).connection() as connection, connection.transaction():
        email = sign_in.find_session(connection, session, now=clock.now())
        if email is None:
            raise NotSignedIn
        return Visitor(email=email, memberships=sign_in.memberships(connection, email))


@contextmanager
def organization_of(request: Request, organization: str) -> Iterator[tuple[Visitor, db.Connection]]:
    """A transaction that sees the organization alone, for a member of it. Raises NotSignedIn, NotHere."""
    who = visitor(request)
    if organization not in [name for name, _ in who.memberships]:
        raise NotHere
    with db.organization_transaction(app_pool(request), organization) as connection:
        yield who, connection


@contextmanager
def organization_of_token(request: Request) -> Iterator[tuple[str, db.Connection]]:
    """The organization of a bearer token with signals:read, and a transaction that sees it alone. Raises NotAllowed."""
    scheme, _, token = (request.headers.get("authorization") or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAllowed(401, "an Authorization header with a Bearer token is needed")
    with app_pool(request).connection() as connection:
        found = tokens.find(connection, hashlib.sha256(token.strip().encode("utf-8", "surrogatepass")).digest())
    if found is None:
        raise NotAllowed(401, "the token is unknown or revoked")
    organization, scopes = found
    if READ_SIGNALS not in scopes:
        raise NotAllowed(403, f"the token lacks the scope {READ_SIGNALS}")
    with db.organization_transaction(app_pool(request), organization) as connection:
        yield organization, connection


def is_https() -> bool:
    """Cookies are for https alone where the console is reached so."""
    return urlsplit(settings().base_url).scheme == "https"
