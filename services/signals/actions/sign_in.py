"""Signing in and out. It is of a person, not of one organization, so no audit log has it: it is
a security event (shared/security.py), which knows people by a keyed hash alone.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from services.signals.actions.members import checked_email
from services.signals.store import link_bindings, sign_in
from shared import clock, db

LINK_LASTS = timedelta(minutes=10)
SESSION_LASTS = timedelta(days=14)
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none looks like another
CODE_LENGTH = 8
MOST_CODES = 5  # tries of a link
BROWSER_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class Ended(NamedTuple):
    """What worked until now, counted."""

    sessions: int
    links: int


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The browser that asked for a link: a secret that it keeps, and the code that it shows."""

    browser: str
    code: str


def asked_by(browser: str | None) -> Asked:
    """A new code; a browser keeps the secret that it has."""
    kept = browser if browser and BROWSER_SECRET.fullmatch(browser) else secrets.token_urlsafe(32)
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    return Asked(browser=kept, code=code)


def make_link(
    connection: db.Connection, email: str, base_url: str, *, asked: Asked | None = None
) -> str:
    """A one-time address, good for ten minutes; of the browser that asked, where one did. Raises
    Rejected, and NotFound for who is a member nowhere.
    """
    link, plain = secrets.token_urlsafe(32), checked_email(email)
    sign_in.lock_person(connection, plain)
    sign_in.insert_link(
        connection,
        email=plain,
        link_hash=sign_in.hashed(link),
        expires_at=clock.now() + LINK_LASTS,
    )
    if asked is not None:
        link_bindings.bind(
            connection,
            sign_in.hashed(link),
            browser_hash=sign_in.hashed(asked.browser),
            code_hash=_code_hash(link, asked.code),
        )
    return f"{base_url.rstrip('/')}/sign-in/{link}"


def is_of(connection: db.Connection, link: str, browser: str | None) -> bool:
    """Whether a link that works may be used by this browser without a code."""
    binding = link_bindings.find(connection, sign_in.hashed(link))
    return binding is not None and (
        binding.browser_hash is None
        or (
            browser is not None
            and hmac.compare_digest(binding.browser_hash, sign_in.hashed(browser))
        )
    )


def is_right_code(connection: db.Connection, link: str, code: str) -> bool:
    """The code that the browser shows which asked for the link; it counts as a try, in the caller's
    transaction, and after MOST_CODES of them none is right.
    """
    binding = link_bindings.find(connection, sign_in.hashed(link))
    if binding is None or binding.code_hash is None:
        return False
    if not link_bindings.count_try(connection, sign_in.hashed(link), most=MOST_CODES):
        return False
    return hmac.compare_digest(binding.code_hash, _code_hash(link, code))


def _code_hash(link: str, code: str) -> bytes:
    """As it is typed: small letters and hyphens are no matter."""
    plain = "".join(one for one in code.upper() if one in CODE_LETTERS)
    return sign_in.hashed(f"{link} {plain}")


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
