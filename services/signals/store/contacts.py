"""People at accounts, as records and people's choices say: one of an account's is primary."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row

from services.signals.store import Staging
from shared import db
from shared.events import ContactChanged

STAGED = Staging(
    "staged_contacts",
    [
        ("round", "int4"),
        ("organization", "text"),
        ("contact", "text"),
        ("account", "text"),
        ("email", "text"),
        ("name", "text"),
        ("primary_sent", "bool"),
        ("phone", "text"),
        ("title", "text"),
        ("newsletter", "text"),
        ("language", "text"),
        ("zone", "text"),
        ("country", "text"),
        ("revision", "int8"),
    ],
)

FORMER_ACCOUNTS = """
SELECT DISTINCT
    c.organization,
    c.account
FROM contacts c
JOIN staged_contacts s USING (organization, contact)
"""

# A field follows the record only where the record says something else of it than the record before:
# what people changed stays until then.
MERGE_CONTACTS = """
INSERT INTO contacts (
    organization, contact, account, primary_sent, revision,
    email, name, phone, title, newsletter, language, zone, country, record
)
SELECT
    organization, contact, account, primary_sent, revision,
    email, name, phone, title, newsletter, language, zone, country,
    contact_record(email, name, phone, title, newsletter, language, zone, country)
FROM staged_contacts
WHERE round = %s
ON CONFLICT (organization, contact) DO UPDATE SET
    account = excluded.account,
    primary_sent = excluded.primary_sent,
    revision = excluded.revision,
    email = followed(contacts.record, 'email', contacts.email, excluded.email),
    name = followed(contacts.record, 'name', contacts.name, excluded.name),
    phone = followed(contacts.record, 'phone', contacts.phone, excluded.phone),
    title = followed(contacts.record, 'title', contacts.title, excluded.title),
    newsletter = followed(
        contacts.record, 'newsletter', contacts.newsletter, excluded.newsletter
    ),
    language = followed(contacts.record, 'language', contacts.language, excluded.language),
    zone = followed(contacts.record, 'zone', contacts.zone, excluded.zone),
    country = followed(contacts.record, 'country', contacts.country, excluded.country),
    record = excluded.record
WHERE contacts.revision <= excluded.revision
"""

# Whom people chose, or else the newest of the contacts of an account that say they are primary; the
# id decides between equals.
SET_PRIMARY = """
UPDATE contacts c
SET is_primary = ranked.is_primary
FROM (
    SELECT
        organization,
        contact,
        (is_chosen OR primary_sent) AND row_number() OVER (
            PARTITION BY organization, account
            ORDER BY is_chosen DESC, primary_sent DESC, revision DESC, contact DESC
        ) = 1 AS is_primary
    FROM (
        SELECT
            k.*,
            a.account IS NOT NULL AS is_chosen
        FROM contacts k
        JOIN unnest(%(organizations)s::text[], %(accounts)s::text[])
            AS touched (organization, account)
            USING (organization, account)
        LEFT JOIN accounts a
            ON a.organization = k.organization
           AND a.account = k.account
           AND a.primary_contact = k.contact
    ) AS known
) AS ranked
WHERE c.organization = ranked.organization
  AND c.contact = ranked.contact
  AND c.is_primary <> ranked.is_primary
"""

ADD = """
INSERT INTO contacts (
    organization, contact, account, revision,
    email, name, phone, title, newsletter, language, zone, country, record, added_by
) VALUES (
    %(organization)s, %(contact)s, %(account)s, 0,
    %(email)s, %(name)s, %(phone)s, %(title)s, %(newsletter)s, %(language)s, %(zone)s, %(country)s,
    '{}', %(added_by)s
)
ON CONFLICT DO NOTHING
"""

LOCK = """
SELECT
    email, name, phone, title, newsletter, language, zone, country
FROM contacts
WHERE organization = %(organization)s
  AND account = %(account)s
  AND contact = %(contact)s
FOR UPDATE
"""

# Where no record was kept yet, what stands came from one.
CHANGE = """
UPDATE contacts
SET email = %(email)s,
    name = %(name)s,
    phone = %(phone)s,
    title = %(title)s,
    newsletter = %(newsletter)s,
    language = %(language)s,
    zone = %(zone)s,
    country = %(country)s,
    record = coalesce(
        record, contact_record(email, name, phone, title, newsletter, language, zone, country)
    )
WHERE organization = %(organization)s
  AND contact = %(contact)s
"""

CHOOSE_PRIMARY = """
UPDATE accounts a
SET primary_contact = c.contact
FROM contacts c
WHERE a.organization = %(organization)s
  AND a.account = %(account)s
  AND c.organization = a.organization
  AND c.account = a.account
  AND c.contact = %(contact)s
"""

DELETE_CONTACT = """
DELETE FROM contacts
WHERE organization = %(organization)s
  AND contact = %(contact)s
RETURNING account
"""


@dataclass(frozen=True, kw_only=True)
class Person:
    """What is known of somebody, each in the one spelling that shared.people gives it."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None
    title: str | None = None
    newsletter: str | None = None
    language: str | None = None
    zone: str | None = None
    country: str | None = None


def save_contacts(connection: db.Connection, events: Sequence[ContactChanged]) -> None:
    """Whole contacts, where the record is not older; then the primary one of each account that one
    came to or left.
    """
    rounds: Counter[tuple[str, str]] = Counter()
    STAGED.fill(connection, _rows(events, rounds))
    touched = {(event.organization, event.account) for event in events}
    touched |= {
        (str(row[0]), str(row[1])) for row in connection.execute(FORMER_ACCOUNTS, prepare=False)
    }
    for number in range(1, max(rounds.values(), default=0) + 1):
        connection.execute(MERGE_CONTACTS, (number,), prepare=False)
    _set_primary(connection, touched)


def _rows(
    events: Sequence[ContactChanged], rounds: Counter[tuple[str, str]]
) -> Iterator[tuple[Any, ...]]:
    for event in events:
        key = (event.organization, event.contact)
        rounds[key] += 1
        yield (
            rounds[key],
            *key,
            event.account,
            event.email,
            event.name,
            event.primary,
            event.phone,
            event.title,
            event.newsletter,
            event.language,
            event.zone,
            event.country,
            event.revision,
        )


def _set_primary(connection: db.Connection, touched: set[tuple[str, str]]) -> None:
    pairs = sorted(touched)
    names = {
        "organizations": [organization for organization, _ in pairs],
        "accounts": [account for _, account in pairs],
    }
    connection.execute(SET_PRIMARY, names, prepare=False)


def add(
    connection: db.Connection,
    organization: str,
    account: str,
    contact: str,
    person: Person,
    *,
    added_by: str,
) -> bool:
    """Somebody whom no record named. False: they are there already."""
    key = {"organization": organization, "account": account, "contact": contact}
    values = key | asdict(person) | {"added_by": added_by}
    return connection.execute(ADD, values).rowcount == 1


def lock(connection: db.Connection, organization: str, account: str, contact: str) -> Person | None:
    """As they stand, until the end of the transaction; None: the account has no such contact."""
    key = {"organization": organization, "account": account, "contact": contact}
    with connection.cursor(row_factory=class_row(Person)) as cursor:
        return cursor.execute(LOCK, key).fetchone()


def change(connection: db.Connection, organization: str, contact: str, person: Person) -> None:
    """As people say from now on; what a record says anew of a field still comes."""
    connection.execute(CHANGE, {"organization": organization, "contact": contact} | asdict(person))


def choose_primary(
    connection: db.Connection, organization: str, account: str, contact: str
) -> bool:
    """From now on this one, whatever records say. False: the account has no such contact."""
    values = {"organization": organization, "account": account, "contact": contact}
    if connection.execute(CHOOSE_PRIMARY, values).rowcount == 0:
        return False
    _set_primary(connection, {(organization, account)})
    return True


def delete_contact(connection: db.Connection, organization: str, contact: str) -> bool:
    """False: there was none."""
    row = connection.execute(
        DELETE_CONTACT, {"organization": organization, "contact": contact}
    ).fetchone()
    if row is not None:
        _set_primary(connection, {(organization, str(row[0]))})
    return row is not None
