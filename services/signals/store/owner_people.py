"""Owners as people: the ERP's code -> a name for eyes, and the member whose accounts these are."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared import db

MOST = 500

# A mapping to somebody who is no member any more maps nothing.
PEOPLE = """
SELECT
    p.owner,
    p.name,
    m.email
FROM owner_people p
LEFT JOIN members m USING (organization, email)
WHERE p.organization = %(organization)s
ORDER BY p.owner
LIMIT %(most)s
"""

OF_MEMBER = """
SELECT owner
FROM owner_people
WHERE organization = %(organization)s
  AND email = %(email)s
ORDER BY owner
"""

PUT = """
INSERT INTO owner_people (organization, owner, name, email, mapped_at, mapped_by)
VALUES (%(organization)s, %(owner)s, %(name)s, %(email)s, %(at)s, %(by)s)
ON CONFLICT (organization, owner) DO UPDATE SET
    name = excluded.name,
    email = excluded.email,
    mapped_at = excluded.mapped_at,
    mapped_by = excluded.mapped_by
"""

DELETE = """
DELETE FROM owner_people
WHERE organization = %(organization)s
  AND owner = %(owner)s
"""

DELETE_MEMBER = """
UPDATE owner_people
SET email = NULL
WHERE organization = %(organization)s
  AND email = %(email)s
"""


@dataclass(frozen=True, kw_only=True)
class OwnerPerson:
    """Who an owner's code stands for; `email` of a member."""

    owner: str
    name: str | None
    email: str | None


def people(connection: db.Connection, organization: str) -> dict[str, OwnerPerson]:
    """owner -> whom it stands for; codes that nobody mapped are left out."""
    with connection.cursor(row_factory=class_row(OwnerPerson)) as cursor:
        found = cursor.execute(PEOPLE, {"organization": organization, "most": MOST})
        return {row.owner: row for row in found}


def of_member(connection: db.Connection, organization: str, email: str) -> tuple[str, ...]:
    """The codes that stand for this member."""
    found = connection.execute(OF_MEMBER, {"organization": organization, "email": email})
    return tuple(str(row[0]) for row in found)


def put(
    connection: db.Connection, organization: str, person: OwnerPerson, *, at: datetime, by: str
) -> None:
    """From now on this is who it is; nobody and no name: nothing is kept."""
    key = {"organization": organization, "owner": person.owner}
    if person.name is None and person.email is None:
        connection.execute(DELETE, key)
    else:
        values = key | {"name": person.name, "email": person.email, "at": at, "by": by}
        connection.execute(PUT, values)


def forget_member(connection: db.Connection, organization: str, email: str) -> None:
    """Their codes stand for nobody again."""
    connection.execute(DELETE_MEMBER, {"organization": organization, "email": email})
