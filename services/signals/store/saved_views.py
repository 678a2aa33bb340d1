"""Views of the accounts table that people gave a name: their own, and those that everybody in the
organization has.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from shared import db

EVERYBODY = ""  # as the member of a view that all have
MOST = 30  # of one member, and of everybody

SEEN_BY = """
SELECT
    view,
    member,
    name,
    query,
    saved_by
FROM saved_views
WHERE organization = %(organization)s
  AND member IN (%(member)s, '')
ORDER BY member = '', lower(name)
"""

COUNT = """
SELECT count(*)
FROM saved_views
WHERE organization = %(organization)s
  AND member = %(member)s
  AND lower(name) <> lower(%(name)s)
"""

# Saved under a name that is there already, a view takes the other's place.
SAVE = """
INSERT INTO saved_views (organization, view, member, name, query, saved_at, saved_by)
VALUES (%(organization)s, %(view)s, %(member)s, %(name)s, %(query)s, %(at)s, %(by)s)
ON CONFLICT (organization, member, lower(name)) DO UPDATE SET
    name = excluded.name,
    query = excluded.query,
    saved_at = excluded.saved_at,
    saved_by = excluded.saved_by
"""

FIND = """
SELECT
    view,
    member,
    name,
    query,
    saved_by
FROM saved_views
WHERE organization = %(organization)s
  AND view = %(view)s
  AND member IN (%(member)s, '')
"""

DELETE = """
DELETE FROM saved_views
WHERE organization = %(organization)s
  AND view = %(view)s
"""

DELETE_OF = """
DELETE FROM saved_views
WHERE organization = %(organization)s
  AND member = %(member)s
"""


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """`query`: of the table's address, without its question mark. `member`:
    whose it is, or EVERYBODY.
    """

    view: str
    member: str
    name: str
    query: str
    saved_by: str


def seen_by(connection: db.Connection, organization: str, member: str) -> list[SavedView]:
    """The member's own, then everybody's, by name."""
    with connection.cursor(row_factory=class_row(SavedView)) as cursor:
        return cursor.execute(SEEN_BY, {"organization": organization, "member": member}).fetchall()


def save(connection: db.Connection, organization: str, view: SavedView, *, at: datetime) -> bool:
    """False: there are MOST already, and none of this name."""
    key = {"organization": organization, "member": view.member, "name": view.name}
    row = connection.execute(COUNT, key).fetchone()
    if row is None or int(row[0]) >= MOST:
        return False
    connection.execute(
        SAVE, key | {"view": view.view, "query": view.query, "at": at, "by": view.saved_by}
    )
    return True


def find(
    connection: db.Connection, organization: str, view: str, *, member: str
) -> SavedView | None:
    """None: there is no such view that the member sees."""
    with connection.cursor(row_factory=class_row(SavedView)) as cursor:
        return cursor.execute(
            FIND, {"organization": organization, "view": view, "member": member}
        ).fetchone()


def delete(connection: db.Connection, organization: str, view: str) -> None:
    """Gone."""
    connection.execute(DELETE, {"organization": organization, "view": view})


def delete_of(connection: db.Connection, organization: str, member: str) -> None:
    """All that the member saved for themselves."""
    connection.execute(DELETE_OF, {"organization": organization, "member": member})
