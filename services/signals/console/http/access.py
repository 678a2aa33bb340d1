"""Who asks: a person by a session cookie, a system by a bearer token; and what they may see.

Pages of an organization are for its members. For anyone else it does not exist: 404, not 403.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args
from urllib.parse import urlsplit

from fastapi import Request, Response
from psycopg_pool import ConnectionPool

from services.signals.actions.actor import Actor, Role
from services.signals.store import sign_in, tokens
from services.signals.store.sign_in import Membership
from shared import clock, db
from shared.settings import settings

COOKIE = "winback_session"
IDLE_FOR = timedelta(days=3)  # a weekend; then one signs in again
RECENT = timedelta(minutes=15)  # so long after signing in one does what owners do
SEEN_EVERY = timedelta(minutes=5)  # how exactly a session knows when it was last used
READ_SIGNALS = "signals:read"


class NotSignedIn(Exception):
    """A page that needs a session was asked for without one."""


class SignInAgain(Exception):
    """What was asked for needs a person who signed in lately, not a browser left open."""


class NotHere(Exception):
    """There is no such thing for whoever asks; a name says which parameter named it."""


class NotAllowed(Exception):
    """A token that is missing, unknown, revoked, or lacks the scope; `status` as in HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Refused(Exception):
    """A request that may not be, for a reason that whoever asks can read; `status` as in HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A person who is signed in, since when, and what of."""

    email: str
    memberships: list[Membership]
    signed_in_at: datetime

    def role_in(self, organization: str) -> str | None:
        """owner, admin, member; None for an outsider."""
        return next(
            (one.role for one in self.memberships if one.organization == organization), None
        )

    def acting_in(self, organization: str) -> Actor:
        """As actions take it; only of an organization that they are a member of."""
        role = next(role for role in get_args(Role) if role == self.role_in(organization))
        return Actor(name=self.email, role=role)

    def must_be_recent(self) -> None:
        """For what owners do: roles, members, tokens. Raises SignInAgain."""
        if clock.now() - self.signed_in_at > RECENT:
            raise SignInAgain

    def governs(self, organization: str) -> bool:
        """Owners and admins change settings, members and tokens."""
        return self.acting_in(organization).governs


def app_pool(request: Request) -> ConnectionPool[db.Connection]:
    """The pool of the app role."""
    pool: ConnectionPool[db.Connection] = request.app.state.pool
    return pool


def cookie_name(name: str = COOKIE) -> str:
    """With https no other host, and no page below a path, can set it (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{name}" if is_https() else name


def keep_cookie(answer: Response, name: str, value: str, *, lasts: timedelta) -> None:
    """In this browser, for us alone, where no script reads it."""
    answer.set_cookie(
        cookie_name(name),
        value,
        max_age=int(lasts.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_https(),
        path="/",
    )


def drop_cookie(answer: Response, name: str) -> None:
    """This browser forgets it."""
    answer.delete_cookie(
        cookie_name(name), path="/", secure=is_https(), httponly=True, samesite="lax"
    )


def session_of(request: Request) -> str | None:
    """What the cookie says; whether it is a session is for the table to say."""
    return request.cookies.get(cookie_name()) or None


def visitor(request: Request) -> Visitor:
    """Raises NotSignedIn."""
    session = session_of(request)
    if session is None:
        raise NotSignedIn
    now = clock.now()
    with app_pool(request).connection() as connection, connection.transaction():
        found = sign_in.find_session(
            connection, session, now=now, used_since=now - IDLE_FOR, note_before=now - SEEN_EVERY
        )
        if found is None:
            raise NotSignedIn
        email, signed_in_at = found
        return Visitor(
            email=email,
            memberships=sign_in.memberships(connection, email),
            signed_in_at=signed_in_at,
        )


@contextmanager
def organization_of_token(request: Request) -> Iterator[tuple[str, db.Connection]]:
    """The organization of a bearer token with signals:read, and a transaction that
    sees it alone. Raises NotAllowed.
    """
    scheme, _, token = (request.headers.get("authorization") or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAllowed(401, "an Authorization header with a Bearer token is needed")
    with app_pool(request).connection() as connection:
        found = tokens.find(
            connection, hashlib.sha256(token.strip().encode("utf-8", "surrogatepass")).digest()
        )
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
