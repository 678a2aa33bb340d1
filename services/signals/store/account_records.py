"""Accounts as their records name them."""

from collections.abc import Sequence

from shared import db
from shared.events import AccountChanged

# A field that was not sent changes nothing, so each field is as new as the record that named it.
MERGE_ACCOUNT = """
INSERT INTO accounts (organization, account, revision, name, name_revision, owner, owner_revision)
VALUES (
    %(organization)s, %(account)s, %(revision)s,
    %(name)s, CASE WHEN %(name)s::text IS NULL THEN -1 ELSE %(revision)s::bigint END,
    %(owner)s, CASE WHEN %(owner)s::text IS NULL THEN -1 ELSE %(revision)s::bigint END
)
ON CONFLICT (organization, account) DO UPDATE SET
    revision = greatest(accounts.revision, excluded.revision),
    name = CASE WHEN excluded.name IS NOT NULL AND excluded.name_revision >= accounts.name_revision
                THEN excluded.name ELSE accounts.name END,
    name_revision = greatest(accounts.name_revision, excluded.name_revision),
    owner = CASE WHEN excluded.owner IS NOT NULL
                  AND excluded.owner_revision >= accounts.owner_revision
                 THEN excluded.owner ELSE accounts.owner END,
    owner_revision = greatest(accounts.owner_revision, excluded.owner_revision)
"""


def save(connection: db.Connection, events: Sequence[AccountChanged]) -> None:
    """Names and owners; the greatest revision wins, field by field."""
    with connection.cursor() as cursor:
        cursor.executemany(
            MERGE_ACCOUNT,
            [
                {
                    "organization": event.organization,
                    "account": event.account,
                    "revision": event.revision,
                    "name": event.name,
                    "owner": event.owner,
                }
                for event in events
            ],
        )
