"""Of which browser a sign-in link is, and how often a code was wrong; both are kept as hashes."""

from typing import NamedTuple

from shared import db

BIND = """
UPDATE sign_in_links
SET browser_hash = %(browser_hash)s,
    code_hash = %(code_hash)s
WHERE link_hash = %(link_hash)s
"""

FIND = """
SELECT browser_hash, code_hash, wrong_codes
FROM sign_in_links
WHERE link_hash = %s
"""

# In one statement: tries at once are as many tries.
COUNT_TRY = """
UPDATE sign_in_links
SET wrong_codes = wrong_codes + 1
WHERE link_hash = %(link_hash)s
  AND wrong_codes < %(most)s
"""


class Binding(NamedTuple):
    """None: the link is of no browser, as those that the command line prints."""

    browser_hash: bytes | None
    code_hash: bytes | None
    wrong_codes: int


def bind(
    connection: db.Connection, link_hash: bytes, *, browser_hash: bytes, code_hash: bytes
) -> None:
    """In the transaction that made the link."""
    connection.execute(
        BIND, {"link_hash": link_hash, "browser_hash": browser_hash, "code_hash": code_hash}
    )


def find(connection: db.Connection, link_hash: bytes) -> Binding | None:
    """In a transaction that looked for the link before."""
    row = connection.execute(FIND, (link_hash,)).fetchone()
    return Binding(row[0], row[1], int(row[2])) if row else None


def count_try(connection: db.Connection, link_hash: bytes, *, most: int) -> bool:
    """A code is tried. False: there were as many tries as there may be."""
    return connection.execute(COUNT_TRY, {"link_hash": link_hash, "most": most}).rowcount > 0
