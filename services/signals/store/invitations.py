"""Invitations that nobody answered yet; the secret in the mail is kept as its hash."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared import db

# Invited again: the newest mail counts.
SET = """
INSERT INTO invitations (
    organization, email, role, with_digest, invited_by, invited_at, expires_at, invitation_hash
) VALUES (
    %(organization)s, %(email)s, %(role)s, %(with_digest)s, %(invited_by)s, %(invited_at)s,
    %(expires_at)s, %(invitation_hash)s
)
ON CONFLICT (organization, email) DO UPDATE SET
    role = excluded.role,
    with_digest = excluded.with_digest,
    invited_by = excluded.invited_by,
    invited_at = excluded.invited_at,
    expires_at = excluded.expires_at,
    invitation_hash = excluded.invitation_hash
"""

COLUMNS = """
SELECT
    organization,
    email,
    role,
    with_digest,
    invited_by,
    invited_at,
    expires_at
FROM invitations
WHERE organization = %(organization)s
  AND expires_at > %(now)s
"""

FIND = "  AND invitation_hash = %(invitation_hash)s"

ORDER = "ORDER BY invited_at DESC, email LIMIT 200"

DELETE = "DELETE FROM invitations WHERE organization = %(organization)s AND email = %(email)s"

DELETE_BY = """
DELETE FROM invitations
WHERE organization = %(organization)s
  AND invited_by = %(invited_by)s
"""


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """Open until it expires."""

    organization: str
    email: str
    role: str
    with_digest: bool
    invited_by: str
    invited_at: datetime
    expires_at: datetime


def set_invitation(
    connection: db.Connection, invitation: Invitation, *, invitation_hash: bytes
) -> None:
    """It replaces one of the same address."""
    connection.execute(
        SET,
        {
            "organization": invitation.organization,
            "email": invitation.email,
            "role": invitation.role,
            "with_digest": invitation.with_digest,
            "invited_by": invitation.invited_by,
            "invited_at": invitation.invited_at,
            "expires_at": invitation.expires_at,
            "invitation_hash": invitation_hash,
        },
    )


def find(
    connection: db.Connection, organization: str, invitation_hash: bytes, *, now: datetime
) -> Invitation | None:
    """None: it was answered, withdrawn or is too old."""
    values = {"organization": organization, "invitation_hash": invitation_hash, "now": now}
    with connection.cursor(row_factory=class_row(Invitation)) as cursor:
        return cursor.execute(COLUMNS + FIND, values).fetchone()


def open_ones(connection: db.Connection, organization: str, *, now: datetime) -> list[Invitation]:
    """The newest first."""
    with connection.cursor(row_factory=class_row(Invitation)) as cursor:
        return cursor.execute(
            COLUMNS + ORDER, {"organization": organization, "now": now}
        ).fetchall()


def delete(connection: db.Connection, organization: str, email: str) -> bool:
    """False: there was none."""
    values = {"organization": organization, "email": email}
    return connection.execute(DELETE, values).rowcount > 0


def delete_by(connection: db.Connection, organization: str, invited_by: str) -> int:
    """All that somebody sent. Returns how many."""
    values = {"organization": organization, "invited_by": invited_by}
    return connection.execute(DELETE_BY, values).rowcount
