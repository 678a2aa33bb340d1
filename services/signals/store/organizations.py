"""Tenants, their members, their ERP tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from shared import db
from shared.errors import FieldError, NotFound, Rejected

WAS_DELETED = "SELECT 1 FROM deleted_organizations WHERE organization = %s"

INSERT_ORGANIZATION = """
INSERT INTO organizations (organization, name, currency, timezone, locale, created_at)
VALUES (%(organization)s, %(name)s, %(currency)s, %(timezone)s, %(locale)s, %(created_at)s)
ON CONFLICT DO NOTHING
"""

LIST_ORGANIZATIONS = """
SELECT
    organization,
    name,
    currency,
    timezone,
    locale,
    created_at
FROM organizations
ORDER BY organization
"""

FIND_ORGANIZATION = """
SELECT
    organization,
    name,
    currency,
    timezone,
    locale,
    created_at
FROM organizations
WHERE organization = %s
"""

SET_LOCALE = "UPDATE organizations SET locale = %(locale)s WHERE organization = %(organization)s"

# So that rows which refer to the organization can still be written.
LOCK = """
SELECT timezone
FROM organizations
WHERE organization = %s
FOR NO KEY UPDATE
"""

LOCK_WHOLE = "SELECT 1 FROM organizations WHERE organization = %s FOR UPDATE"

DELETE_ORDERS = "DELETE FROM orders WHERE organization = %s"

DELETE_ORGANIZATION = "DELETE FROM organizations WHERE organization = %s"

REMEMBER_DELETED = "INSERT INTO deleted_organizations (organization) VALUES (%s)"

COMPACTED_IDS = """
SELECT
    'contacts',
    contact
FROM contacts
WHERE organization = %(organization)s
UNION ALL
SELECT
    'accounts',
    account
FROM accounts
WHERE organization = %(organization)s
"""

UPSERT_MEMBER = """
INSERT INTO members (organization, email, role)
VALUES (%(organization)s, %(email)s, %(role)s)
ON CONFLICT (organization, email) DO UPDATE SET
    role = excluded.role
"""

DELETE_MEMBER = """
DELETE FROM members
WHERE organization = %(organization)s
  AND email = %(email)s
"""

LIST_MEMBERS = """
SELECT
    email,
    role,
    added_at
FROM members
WHERE organization = %s
ORDER BY email
"""

INSERT_TOKEN = """
INSERT INTO tokens (token_hash, organization, name, scopes)
VALUES (%(token_hash)s, %(organization)s, %(name)s, %(scopes)s)
"""  # noqa: S105 # SQL

LIST_TOKENS = """
SELECT
    t.name,
    t.scopes,
    t.created_at,
    t.revoked_at
FROM tokens t
WHERE t.organization = %s
ORDER BY t.name
"""

REVOKE_TOKEN = """
UPDATE tokens
SET revoked_at = now()
WHERE organization = %(organization)s
  AND name = %(name)s
  AND revoked_at IS NULL
"""  # noqa: S105 # SQL


ROTATE_TOKEN = """
UPDATE tokens
SET token_hash = %(token_hash)s
WHERE organization = %(organization)s
  AND name = %(name)s
  AND revoked_at IS NULL
"""  # noqa: S105 # SQL

TOKEN_USES = """
SELECT
    name,
    last_used_at
FROM published_token_uses
WHERE organization = %s
"""  # noqa: S105 # SQL


@dataclass(frozen=True, kw_only=True)
class Organization:
    """A tenant."""

    organization: str
    name: str
    currency: str
    timezone: str
    locale: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Token:
    """An ERP token, without what it opens."""

    name: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


def insert(connection: db.Connection, organization: Organization) -> None:
    """Raises Rejected where the id is taken, or was."""
    values = {
        "organization": organization.organization,
        "name": organization.name,
        "currency": organization.currency,
        "timezone": organization.timezone,
        "locale": organization.locale,
        "created_at": organization.created_at,
    }
    if connection.execute(WAS_DELETED, (organization.organization,)).fetchone():
        raise Rejected(
            FieldError(
                field="organization",
                reason=f"{organization.organization} was deleted; ids are not used again",
            )
        )
    if connection.execute(INSERT_ORGANIZATION, values).rowcount == 0:
        raise Rejected(
            FieldError(field="organization", reason=f"{organization.organization} exists already")
        )


def all_organizations(connection: db.Connection) -> list[Organization]:
    """By id."""
    return [_organization(row) for row in connection.execute(LIST_ORGANIZATIONS)]


def find(connection: db.Connection, organization: str) -> Organization:
    """Raises NotFound."""
    row = connection.execute(FIND_ORGANIZATION, (organization,)).fetchone()
    if row is None:
        raise NotFound(f"there is no organization {organization}")
    return _organization(row)


def lock(connection: db.Connection, organization: str) -> str:
    """Take the organization's row until the end of the transaction. Returns its zone. Raises
    NotFound.
    """
    row = connection.execute(LOCK, (organization,)).fetchone()
    if row is None:
        raise NotFound(f"there is no organization {organization}")
    return str(row[0])


def _organization(row: Sequence[object]) -> Organization:
    organization, name, currency, timezone, locale, created_at = row
    assert isinstance(created_at, datetime)
    return Organization(
        organization=str(organization),
        name=str(name),
        currency=str(currency),
        timezone=str(timezone),
        locale=str(locale),
        created_at=created_at,
    )


def set_locale(connection: db.Connection, organization: str, locale: str) -> None:
    """How it writes numbers from now on."""
    connection.execute(SET_LOCALE, {"organization": organization, "locale": locale})


def compacted_ids(connection: db.Connection, organization: str) -> list[tuple[str, str]]:
    """(topic, id) of everything of the organization that compacted topics keep."""
    return [
        (str(row[0]), str(row[1]))
        for row in connection.execute(COMPACTED_IDS, {"organization": organization})
    ]


def delete(connection: db.Connection, organization: str) -> None:
    """All rows of the organization; its id is not used again."""
    connection.execute(LOCK_WHOLE, (organization,))  # nobody merges its orders any more
    connection.execute(DELETE_ORDERS, (organization,))
    connection.execute(DELETE_ORGANIZATION, (organization,))
    connection.execute(REMEMBER_DELETED, (organization,))


def set_member(connection: db.Connection, organization: str, email: str, role: str) -> None:
    """Add a member, or change the role of one."""
    connection.execute(UPSERT_MEMBER, {"organization": organization, "email": email, "role": role})


def remove_member(connection: db.Connection, organization: str, email: str) -> None:
    """The membership alone. Raises NotFound."""
    if (
        connection.execute(DELETE_MEMBER, {"organization": organization, "email": email}).rowcount
        == 0
    ):
        raise NotFound(f"{email} is no member of {organization}")


def members(connection: db.Connection, organization: str) -> list[tuple[str, str, datetime]]:
    """(email, role, added_at)."""
    return [
        (str(row[0]), str(row[1]), row[2])
        for row in connection.execute(LIST_MEMBERS, (organization,))
    ]


def insert_token(
    connection: db.Connection,
    organization: str,
    *,
    name: str,
    scopes: Sequence[str],
    token_hash: bytes,
) -> None:
    """Raises Rejected where the organization has a token of that name."""
    try:
        connection.execute(
            INSERT_TOKEN,
            {
                "token_hash": token_hash,
                "organization": organization,
                "name": name,
                "scopes": list(scopes),
            },
        )
    except psycopg.errors.UniqueViolation:
        raise Rejected(
            FieldError(field="--name", reason=f"{organization} has a token named {name} already")
        ) from None


def tokens(connection: db.Connection, organization: str) -> list[Token]:
    """By name, revoked ones too."""
    return [
        Token(name=name, scopes=list(scopes), created_at=created_at, revoked_at=revoked_at)
        for name, scopes, created_at, revoked_at in connection.execute(LIST_TOKENS, (organization,))
    ]


def revoke_token(connection: db.Connection, organization: str, name: str) -> None:
    """Raises NotFound."""
    if connection.execute(REVOKE_TOKEN, {"organization": organization, "name": name}).rowcount == 0:
        raise NotFound(f"{organization} has no token {name} that works")


def rotate_token(
    connection: db.Connection, organization: str, name: str, token_hash: bytes
) -> None:
    """Another secret under the same name; the one before stops. Raises NotFound."""
    values = {"organization": organization, "name": name, "token_hash": token_hash}
    if connection.execute(ROTATE_TOKEN, values).rowcount == 0:
        raise NotFound(f"{organization} has no token {name} that works")


def token_uses(connection: db.Connection, organization: str) -> dict[str, datetime]:
    """name -> when it was used last, to the minute or so."""
    return {str(row[0]): row[1] for row in connection.execute(TOKEN_USES, (organization,))}
