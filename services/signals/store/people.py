"""Accounts as their records name them, contacts, and draft sequences until people edit them."""

from collections.abc import Sequence

from shared import db
from shared.events import AccountChanged, ContactChanged, SequenceDrafted

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
    name = CASE WHEN excluded.name_revision >= accounts.name_revision AND excluded.name IS NOT NULL
                THEN excluded.name ELSE accounts.name END,
    name_revision = greatest(accounts.name_revision, excluded.name_revision),
    owner = CASE WHEN excluded.owner_revision >= accounts.owner_revision AND excluded.owner IS NOT NULL
                 THEN excluded.owner ELSE accounts.owner END,
    owner_revision = greatest(accounts.owner_revision, excluded.owner_revision)
"""

LOCK_CONTACT = """
SELECT account
FROM contacts
WHERE organization = %(organization)s
  AND contact = %(contact)s
FOR UPDATE
"""

MERGE_CONTACT = """
INSERT INTO contacts (organization, contact, account, email, name, primary_sent, revision)
VALUES (%(organization)s, %(contact)s, %(account)s, %(email)s, %(name)s, %(primary)s, %(revision)s)
ON CONFLICT (organization, contact) DO UPDATE SET
    account = excluded.account,
    email = excluded.email,
    name = excluded.name,
    primary_sent = excluded.primary_sent,
    revision = excluded.revision
WHERE contacts.revision <= excluded.revision
"""

# The newest that says so; the id decides between equals.
SET_PRIMARY = """
UPDATE contacts c
SET is_primary = c.contact IS NOT DISTINCT FROM newest.contact
FROM (
    SELECT (
        SELECT contact
        FROM contacts
        WHERE organization = %(organization)s
          AND account = %(account)s
          AND primary_sent
        ORDER BY revision DESC, contact DESC
        LIMIT 1
    ) AS contact
) newest
WHERE c.organization = %(organization)s
  AND c.account = %(account)s
  AND c.is_primary <> (c.contact IS NOT DISTINCT FROM newest.contact)
"""

DELETE_CONTACT = """
DELETE FROM contacts
WHERE organization = %(organization)s
  AND contact = %(contact)s
RETURNING account
"""

INSERT_SEQUENCE = """
INSERT INTO sequences (organization, sequence, digest, signal_type, name, drafted_at)
VALUES (%(organization)s, %(sequence)s, %(digest)s, %(signal_type)s, %(name)s, %(drafted_at)s)
ON CONFLICT DO NOTHING
"""

INSERT_STEP = """
INSERT INTO sequence_steps (organization, sequence, position, wait_days, subject, body)
VALUES (%(organization)s, %(sequence)s, %(position)s, %(wait_days)s, %(subject)s, %(body)s)
"""


def save_accounts(connection: db.Connection, events: Sequence[AccountChanged]) -> None:
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


def save_contact(connection: db.Connection, event: ContactChanged) -> None:
    """The whole contact, if its record is not older; then the primary of its account, and of the one that it left."""
    key = {"organization": event.organization, "contact": event.contact}
    former = connection.execute(LOCK_CONTACT, key).fetchone()
    connection.execute(
        MERGE_CONTACT,
        key
        | {
            "account": event.account,
            "email": event.email,
            "name": event.name,
            "primary": event.primary,
            "revision": event.revision,
        },
    )
    for account in {event.account} | ({str(former[0])} if former else set()):
        connection.execute(SET_PRIMARY, {"organization": event.organization, "account": account})


def delete_contact(connection: db.Connection, organization: str, contact: str) -> bool:
    """False: there was none."""
    row = connection.execute(DELETE_CONTACT, {"organization": organization, "contact": contact}).fetchone()
    if row is not None:
        connection.execute(SET_PRIMARY, {"organization": organization, "account": row[0]})
    return row is not None


def save_draft(connection: db.Connection, event: SequenceDrafted) -> None:
    """A draft that is there is left as it is: someone may have edited it."""
    sequence = {"organization": event.organization, "sequence": event.sequence}
    inserted = connection.execute(
        INSERT_SEQUENCE,
        sequence
        | {
            "digest": event.digest,
            "signal_type": event.signal_type,
            "name": event.name,
            "drafted_at": event.drafted_at,
        },
    )
    if inserted.rowcount == 0:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            INSERT_STEP,
            [
                sequence | {"position": position, "wait_days": step.wait_days, "subject": step.subject, "body": step.text}
                for position, step in enumerate(event.steps, start=1)
            ],
        )
