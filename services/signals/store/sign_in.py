"""One-time links and sessions, kept as hashes; both name an address, and what it may see follows
from its memberships. And who the identity provider says that an address is.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from shared import db
from shared.errors import NotFound

# What begins and ends somebody's access goes one by one: until the end of the transaction.
LOCK_PERSON = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 7305512203))"

SEE_ADDRESS = "SELECT set_config('app.email', %s, true)"

IS_MEMBER = "SELECT 1 FROM members WHERE email = %s LIMIT 1"

INSERT_LINK = """
INSERT INTO sign_in_links (link_hash, email, expires_at)
VALUES (%(link_hash)s, %(email)s, %(expires_at)s)
"""

FIND_LINK = """
SELECT email
FROM sign_in_links
WHERE link_hash = %(link_hash)s
  AND used_at IS NULL
  AND expires_at > %(now)s
"""

USE_LINK = """
UPDATE sign_in_links
SET used_at = %(now)s
WHERE link_hash = %(link_hash)s
  AND used_at IS NULL
  AND expires_at > %(now)s
RETURNING email
"""

VOID_LINKS = """
UPDATE sign_in_links
SET used_at = %(now)s
WHERE email = %(email)s
  AND used_at IS NULL
  AND expires_at > %(now)s
"""

INSERT_SESSION = """
INSERT INTO sessions (session_hash, email, created_at, last_seen_at, expires_at, signed_in_from)
VALUES (%(session_hash)s, %(email)s, %(now)s, %(now)s, %(expires_at)s, %(signed_in_from)s)
"""

FIND_SESSION = """
SELECT
    email,
    last_seen_at < %(note_before)s,
    created_at
FROM sessions
WHERE session_hash = %(session_hash)s
  AND expires_at > %(now)s
  AND last_seen_at > %(used_since)s
"""

NOTE_SESSION = "UPDATE sessions SET last_seen_at = %(now)s WHERE session_hash = %(session_hash)s"

DELETE_SESSION = "DELETE FROM sessions WHERE session_hash = %s"

DELETE_NAMED_SESSION = "DELETE FROM sessions WHERE email = %(email)s AND session = %(session)s"

DELETE_SESSIONS = "DELETE FROM sessions WHERE email = %s"

LIST_SESSIONS = """
SELECT
    session::text AS session,
    signed_in_from,
    created_at,
    last_seen_at,
    session_hash = %(session_hash)s AS is_this
FROM sessions
WHERE email = %(email)s
  AND expires_at > %(now)s
  AND last_seen_at > %(used_since)s
ORDER BY is_this DESC, last_seen_at DESC, session
LIMIT %(limit)s
"""

PIN = """
INSERT INTO identities (email, issuer, subject, pinned_at)
VALUES (%(email)s, %(issuer)s, %(subject)s, %(now)s)
ON CONFLICT DO NOTHING
"""

PINNED = "SELECT subject FROM identities WHERE email = %(email)s AND issuer = %(issuer)s"

UNPIN = "DELETE FROM identities WHERE email = %s"

COUNT_LINKS = """
SELECT count(*)
FROM sign_in_links
WHERE email = %(email)s
  AND used_at IS NULL
  AND expires_at > %(now)s
"""

MEMBERSHIPS = """
SELECT
    m.organization,
    m.role,
    o.name
FROM members m
JOIN organizations o USING (organization)
WHERE m.email = %s
ORDER BY lower(o.name), m.organization
"""


class Membership(NamedTuple):
    """Of one person in one organization. `name`: the organization's."""

    organization: str
    role: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Session:
    """One that works. `session` names it and opens nothing; `signed_in_from`: "Firefox on Linux";
    `is_this`: of the browser that asks.
    """

    session: str
    signed_in_from: str
    created_at: datetime
    last_seen_at: datetime
    is_this: bool


def hashed(secret: str) -> bytes:
    """Links and sessions are random: a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def lock_person(connection: db.Connection, email: str) -> None:
    """Until the end of the transaction nobody else begins or ends access of this address."""
    connection.execute(LOCK_PERSON, (email,))


def _by_hash(connection: db.Connection, secret: str) -> bytes:
    """The hash; until the end of the transaction the app role sees what has it."""
    found = hashed(secret)
    db.see_hash(connection, found)
    return found


def _by_address(connection: db.Connection, email: str) -> None:
    """Until the end of the transaction the app role sees what is this address's."""
    connection.execute(SEE_ADDRESS, (email,))


def is_member(connection: db.Connection, email: str) -> bool:
    """Of any organization."""
    _by_address(connection, email)
    return connection.execute(IS_MEMBER, (email,)).fetchone() is not None


def insert_link(
    connection: db.Connection, *, email: str, link_hash: bytes, expires_at: datetime
) -> None:
    """Raises NotFound for an address that is a member of no organization."""
    if not is_member(connection, email):
        raise NotFound(f"{email} is a member of no organization")
    connection.execute(
        INSERT_LINK, {"link_hash": link_hash, "email": email, "expires_at": expires_at}
    )


def find_link(connection: db.Connection, link: str, *, now: datetime) -> str | None:
    """The address of a link that still works."""
    link_hash = _by_hash(connection, link)
    row = connection.execute(FIND_LINK, {"link_hash": link_hash, "now": now}).fetchone()
    return str(row[0]) if row else None


def use_link(connection: db.Connection, link: str, *, now: datetime) -> str | None:
    """Spend the link: the address that it was for. None: it does not work any more."""
    link_hash = _by_hash(connection, link)
    row = connection.execute(USE_LINK, {"link_hash": link_hash, "now": now}).fetchone()
    return str(row[0]) if row else None


def void_links(connection: db.Connection, email: str, *, now: datetime) -> int:
    """None of the address works any more. Returns how many did."""
    _by_address(connection, email)
    return connection.execute(VOID_LINKS, {"email": email, "now": now}).rowcount


def insert_session(
    connection: db.Connection,
    session: str,
    *,
    email: str,
    now: datetime,
    expires_at: datetime,
    signed_in_from: str,
) -> None:
    """Signed in."""
    _by_address(connection, email)
    connection.execute(
        INSERT_SESSION,
        {
            "session_hash": hashed(session),
            "email": email,
            "now": now,
            "expires_at": expires_at,
            "signed_in_from": signed_in_from,
        },
    )


def find_session(
    connection: db.Connection,
    session: str,
    *,
    now: datetime,
    used_since: datetime,
    note_before: datetime,
) -> tuple[str, datetime] | None:
    """(the address that is signed in, since when). That it was used is noted where the last note is
    older than `note_before`.
    """
    values = {
        "session_hash": _by_hash(connection, session),
        "now": now,
        "used_since": used_since,
        "note_before": note_before,
    }
    row = connection.execute(FIND_SESSION, values).fetchone()
    if row is None:
        return None
    if row[1]:
        connection.execute(NOTE_SESSION, values)
    return str(row[0]), row[2]


def end_session(connection: db.Connection, session: str) -> None:
    """Signed out."""
    connection.execute(DELETE_SESSION, (_by_hash(connection, session),))


def end_named_session(connection: db.Connection, email: str, session: str) -> bool:
    """One of the address's own, by its name. False: there is none."""
    _by_address(connection, email)
    return (
        connection.execute(DELETE_NAMED_SESSION, {"email": email, "session": session}).rowcount > 0
    )


def end_sessions(connection: db.Connection, email: str) -> int:
    """Signed out everywhere. Returns how many there were."""
    _by_address(connection, email)
    return connection.execute(DELETE_SESSIONS, (email,)).rowcount


def sessions(
    connection: db.Connection,
    email: str,
    *,
    asking: str,
    now: datetime,
    used_since: datetime,
    limit: int,
) -> list[Session]:
    """Those that work: `asking` first, then what was used last."""
    _by_address(connection, email)
    values = {
        "email": email,
        "session_hash": hashed(asking),
        "now": now,
        "used_since": used_since,
        "limit": limit,
    }
    with connection.cursor(row_factory=class_row(Session)) as cursor:
        return cursor.execute(LIST_SESSIONS, values).fetchall()


def pinned(
    connection: db.Connection, email: str, *, issuer: str, subject: str, now: datetime
) -> str:
    """The subject that the issuer's address stands for from its first sign-in on: `subject`, where
    this is the first.
    """
    key = {"email": email, "issuer": issuer}
    _by_address(connection, email)
    connection.execute(PIN, key | {"subject": subject, "now": now})
    row = connection.execute(PINNED, key).fetchone()
    assert row is not None
    return str(row[0])


def unpin(connection: db.Connection, email: str) -> None:
    """The next sign-in at the provider is the first."""
    _by_address(connection, email)
    connection.execute(UNPIN, (email,))


def open_links(connection: db.Connection, email: str, *, now: datetime) -> int:
    """How many links of the address still work."""
    _by_address(connection, email)
    row = connection.execute(COUNT_LINKS, {"email": email, "now": now}).fetchone()
    return int(row[0]) if row else 0


def memberships(connection: db.Connection, email: str) -> list[Membership]:
    """Of an address, by the organizations' names."""
    _by_address(connection, email)
    return [
        Membership(str(row[0]), str(row[1]), str(row[2]))
        for row in connection.execute(MEMBERSHIPS, (email,))
    ]
