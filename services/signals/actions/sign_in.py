"""Signing in and out. It is of a person, not of one organization, so no audit log has it."""

import secrets
from datetime import timedelta

from services.signals.actions.members import checked_email
from services.signals.store import sign_in
from shared import clock, db

LINK_LASTS = timedelta(minutes=30)
SESSION_LASTS = timedelta(days=14)


def make_link(connection: db.Connection, email: str, base_url: str) -> str:
    """A one-time address, good for half an hour. Raises Rejected, and NotFound for who is a member
    nowhere.
    """
    link = secrets.token_urlsafe(32)
    sign_in.insert_link(
        connection,
        email=checked_email(email),
        link_hash=sign_in.hashed(link),
        expires_at=clock.now() + LINK_LASTS,
    )
    return f"{base_url.rstrip('/')}/sign-in/{link}"


def spend_link(connection: db.Connection, link: str) -> str | None:
    """The address that may sign in now. None: the link does not work any more."""
    return sign_in.use_link(connection, link, now=clock.now())


def start_session(connection: db.Connection, email: str) -> str:
    """Sign an address in. Returns the session's secret, which only the browser keeps."""
    session, now = secrets.token_urlsafe(32), clock.now()
    sign_in.insert_session(
        connection, session, email=email, now=now, expires_at=now + SESSION_LASTS
    )
    return session


def sign_out(connection: db.Connection, session: str) -> None:
    """End one session."""
    sign_in.end_session(connection, session)


def sign_out_everywhere(connection: db.Connection, email: str) -> None:
    """End all sessions of a person."""
    sign_in.end_sessions(connection, email)
