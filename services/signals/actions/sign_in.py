"""Signing in and out. It is of a person, not of one organization, so no audit log has it: it is
logged (`security`), and the log knows people by `name_in_logs` alone.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import NamedTuple

from services.signals.actions.members import checked_email
from services.signals.store import sign_in
from shared import clock, db
from shared.settings import settings

LINK_LASTS = timedelta(minutes=10)
SESSION_LASTS = timedelta(days=14)


class Ended(NamedTuple):
    """What worked until now, counted."""

    sessions: int
    links: int


def make_link(connection: db.Connection, email: str, base_url: str) -> str:
    """A one-time address, good for ten minutes. Raises Rejected, and NotFound for who is a member
    nowhere.
    """
    link, plain = secrets.token_urlsafe(32), checked_email(email)
    sign_in.lock_person(connection, plain)
    sign_in.insert_link(
        connection,
        email=plain,
        link_hash=sign_in.hashed(link),
        expires_at=clock.now() + LINK_LASTS,
    )
    return f"{base_url.rstrip('/')}/sign-in/{link}"


def spend_link(connection: db.Connection, link: str) -> str | None:
    """The address that may sign in now; its other links are void. None: the link does not work
    any more.
    """
    now = clock.now()
    email = sign_in.find_link(connection, link, now=now)
    if email is None:
        return None
    sign_in.lock_person(connection, email)
    if sign_in.use_link(connection, link, now=now) is None:  # another one was faster
        return None
    sign_in.void_links(connection, email, now=now)
    return email


def is_who_it_was(connection: db.Connection, email: str, *, issuer: str, subject: str) -> bool:
    """Whether the provider's subject is the one of the address's first sign-in there; this may be
    the first. False: the provider gave the address to somebody else.
    """
    pinned = sign_in.pinned(connection, email, issuer=issuer, subject=subject, now=clock.now())
    return pinned == subject


def start_session(
    connection: db.Connection, email: str, *, signed_in_from: str, instead_of: str | None = None
) -> str:
    """Sign an address in, with a new session; `instead_of`, the browser's one before, ends. Returns
    the session's secret, which only the browser keeps.
    """
    session, now = secrets.token_urlsafe(32), clock.now()
    if instead_of is not None:
        sign_in.end_session(connection, instead_of)
    sign_in.insert_session(
        connection,
        session,
        email=email,
        now=now,
        expires_at=now + SESSION_LASTS,
        signed_in_from=signed_in_from,
    )
    return session


def sign_out(connection: db.Connection, session: str) -> None:
    """End one session."""
    sign_in.end_session(connection, session)


def sign_out_everywhere(connection: db.Connection, email: str) -> Ended:
    """End all sessions of a person; links that were asked for before are void."""
    sign_in.lock_person(connection, email)
    links = sign_in.void_links(connection, email, now=clock.now())
    return Ended(sessions=sign_in.end_sessions(connection, email), links=links)


def end_session(connection: db.Connection, email: str, session: str) -> bool:
    """End one of a person's sessions, by its name. False: they have none of that name."""
    return sign_in.end_named_session(connection, email, session)


def forget_provider(connection: db.Connection, email: str) -> None:
    """Whoever the provider names at the address's next sign-in is taken for its owner."""
    sign_in.unpin(connection, email)


def name_in_logs(email: str) -> str:
    """The same for one address always, and told to nobody who has not the secret."""
    return hmac.new(settings().secret.encode(), email.encode(), hashlib.sha256).hexdigest()[:16]
