"""One-time links and sessions, kept as hashes; both name an address, and what it may see follows from its memberships."""

import hashlib
from datetime import datetime

from shared import db
from shared.errors import NotFound

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

INSERT_SESSION = """
INSERT INTO sessions (session_hash, email, created_at, expires_at)
VALUES (%(session_hash)s, %(email)s, %(now)s, %(expires_at)s)
"""

FIND_SESSION = """
SELECT email
FROM sessions
WHERE session_hash = %(session_hash)s
  AND expires_at > %(now)s
"""

DELETE_SESSION = "DELETE FROM sessions WHERE session_hash = %s"

MEMBERSHIPS = """
SELECT
    organization,
    role
FROM members
WHERE email = %s
ORDER BY organization
"""


def hashed(secret: str) -> bytes:
    """Links and sessions are random: a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def insert_link(connection: db.Connection, *, email: str, link_hash: bytes, expires_at: datetime) -> None:
    """Raises NotFound for an address that is a member of no organization."""
    if connection.execute(IS_MEMBER, (email,)).fetchone() is None:
        raise NotFound(f"{email} is a member of no organization")
    connection.execute(INSERT_LINK, {"link_hash": link_hash, "email": email, "expires_at": expires_at})


def find_link(connection: db.Connection, link: str, *, now: datetime) -> str | None:
    """The address of a link that still works."""
    row = connection.execute(FIND_LINK, {"link_hash": hashed(link), "now": now}).fetchone()
    return str(row[0]) if row else None


def use_link(connection: db.Connection, link: str, *, session: str, now: datetime, expires_at: datetime) -> bool:
    """Spend the link on a session. False: it does not work any more."""
    row = connection.execute(USE_LINK, {"link_hash": hashed(link), "now": now}).fetchone()
    if row is None:
        return False
    connection.execute(INSERT_SESSION, {"session_hash": hashed(session), "email": row[0], "now": now, "expires_at": expires_at})
    return True


def find_session(connection: db.Connection, session: str, *, now: datetime) -> str | None:
    """The address that is signed in."""
    row = connection.execute(FIND_SESSION, {"session_hash": hashed(session), "now": now}).fetchone()
    return str(row[0]) if row else None


def end_session(connection: db.Connection, session: str) -> None:
    """Signed out."""
    connection.execute(DELETE_SESSION, (hashed(session),))


def memberships(connection: db.Connection, email: str) -> list[tuple[str, str]]:
    """(organization, role) of an address; for the app role the transaction must name it (`app.email`)."""
    connection.execute("SELECT set_config('app.email', %s, true)", (email,))
    return [(str(row[0]), str(row[1])) for row in connection.execute(MEMBERSHIPS, (email,))]
