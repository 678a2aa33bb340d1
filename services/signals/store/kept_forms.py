"""What was typed into forms whose session had ended (console/http/kept_forms.py)."""

from datetime import datetime

from shared import db

INSERT = """
INSERT INTO kept_forms (organization, kept, person, typed, expires_at)
VALUES (%(organization)s, %(kept)s, %(person)s, %(typed)s, %(expires_at)s)
"""

# What is over, and of what is left the oldest of a person and of the organization.
CLEAR = """
DELETE FROM kept_forms
WHERE organization = %(organization)s
  AND (
      expires_at <= %(now)s
      OR kept IN (
          SELECT kept
          FROM kept_forms
          WHERE organization = %(organization)s
            AND person = %(person)s
          ORDER BY expires_at DESC
          OFFSET %(most_of_person)s
      )
      OR kept IN (
          SELECT kept
          FROM kept_forms
          WHERE organization = %(organization)s
          ORDER BY expires_at DESC
          OFFSET %(most)s
      )
  )
"""

FIND = """
SELECT typed
FROM kept_forms
WHERE organization = %(organization)s
  AND kept = %(kept)s
  AND person = %(person)s
  AND expires_at > %(now)s
"""

DELETE = """
DELETE FROM kept_forms
WHERE organization = %(organization)s
  AND kept = %(kept)s
"""


def insert(
    connection: db.Connection,
    organization: str,
    *,
    kept: bytes,
    person: bytes,
    typed: bytes,
    expires_at: datetime,
) -> None:
    """One form."""
    connection.execute(
        INSERT,
        {
            "organization": organization,
            "kept": kept,
            "person": person,
            "typed": typed,
            "expires_at": expires_at,
        },
    )


def clear(
    connection: db.Connection,
    organization: str,
    *,
    person: bytes,
    now: datetime,
    most_of_person: int,
    most: int,
) -> None:
    """What is too old or too much."""
    connection.execute(
        CLEAR,
        {
            "organization": organization,
            "person": person,
            "now": now,
            "most_of_person": most_of_person,
            "most": most,
        },
    )


def find(
    connection: db.Connection, organization: str, *, kept: bytes, person: bytes, now: datetime
) -> bytes | None:
    """None for what is not there, is over, or is another person's."""
    row = connection.execute(
        FIND, {"organization": organization, "kept": kept, "person": person, "now": now}
    ).fetchone()
    return None if row is None else bytes(row[0])


def delete(connection: db.Connection, organization: str, *, kept: bytes) -> None:
    """Once it was shown."""
    connection.execute(DELETE, {"organization": organization, "kept": kept})
