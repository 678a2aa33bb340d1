"""Finding an ERP token by its hash, before it is known whose it is."""

from shared import db

FIND_TOKEN = """
SELECT
    organization,
    scopes
FROM tokens
WHERE token_hash = %s
  AND revoked_at IS NULL
"""  # noqa: S105 # SQL


def find(connection: db.Connection, token_hash: bytes) -> tuple[str, list[str]] | None:
    """(organization, scopes) of a token that works."""
    db.see_hash(connection, token_hash)
    row = connection.execute(FIND_TOKEN, (token_hash,)).fetchone()
    return (str(row[0]), list(row[1])) if row else None
