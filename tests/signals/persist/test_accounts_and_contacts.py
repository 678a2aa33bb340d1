"""Accounts, contacts and drafts from their topics."""

from datetime import UTC, datetime
from itertools import permutations

import msgspec

from services.signals.persist import handlers
from shared import db, kafka
from shared.events import AccountChanged, ContactChanged, SequenceDrafted, Step
from shared.ids import record_key
from shared.records import Record
from tests.signals.builders import ACCEPTED_AT, record, rows


def accounts(connection: db.Connection, *events: AccountChanged) -> None:
    with connection.transaction():
        handlers.handle_accounts(
            connection, [record("accounts", event, event.organization, 0) for event in events]
        )


def contacts(connection: db.Connection, *events: ContactChanged) -> None:
    with connection.transaction():
        handlers.handle_contacts(
            connection, [record("contacts", event, event.organization, 0) for event in events]
        )


def tombstone(organization: str, contact: str) -> Record:
    return Record(
        topic="contacts",
        partition=kafka.partition_of(organization),
        offset=9,
        at=ACCEPTED_AT,
        key=record_key(organization, contact),
        value=None,
        headers=[],
        event=None,
    )


def test_each_field_of_an_account_is_as_new_as_the_record_that_named_it(
    connection: db.Connection, tenant: str
) -> None:
    events = [
        AccountChanged(organization=tenant, account="A1", revision=1, name="Old", owner="dk"),
        AccountChanged(organization=tenant, account="A1", revision=3, name="New"),
        AccountChanged(organization=tenant, account="A1", revision=2, owner="rs"),
    ]
    for arrival in permutations(events):
        connection.execute("DELETE FROM accounts WHERE organization = %s", (tenant,))
        accounts(connection, *arrival)
        assert rows(
            connection, "SELECT name, owner, revision FROM accounts WHERE organization = %s", tenant
        ) == [("New", "rs", 3)]


def test_the_newest_contact_that_says_so_is_the_primary_one_however_they_arrive(
    connection: db.Connection, tenant: str
) -> None:
    events = [
        ContactChanged(
            organization=tenant,
            contact="C1",
            account="A1",
            revision=1,
            primary=True,
            email="c1@example.com",
        ),
        ContactChanged(organization=tenant, contact="C2", account="A1", revision=2, primary=True),
        ContactChanged(organization=tenant, contact="C3", account="A1", revision=3),
        ContactChanged(organization=tenant, contact="C4", account="A2", revision=4, primary=True),
    ]
    for arrival in permutations(events):
        connection.execute("DELETE FROM contacts WHERE organization = %s", (tenant,))
        contacts(connection, *arrival)
        assert rows(
            connection,
            "SELECT contact, account FROM contacts "
            "WHERE organization = %s AND is_primary ORDER BY contact",
            tenant,
        ) == [
            ("C2", "A1"),
            ("C4", "A2"),
        ]


def test_a_primary_contact_that_moves_or_goes_leaves_the_place_to_the_one_before(
    connection: db.Connection, tenant: str
) -> None:
    primary = (
        "SELECT account, contact FROM contacts "
        "WHERE organization = %s AND is_primary ORDER BY account"
    )
    contacts(
        connection,
        *(
            ContactChanged(
                organization=tenant, contact=f"C{n}", account="A1", revision=n, primary=True
            )
            for n in (1, 2, 3)
        ),
    )
    assert rows(connection, primary, tenant) == [("A1", "C3")]
    contacts(
        connection,
        ContactChanged(organization=tenant, contact="C3", account="A2", revision=4, primary=True),
    )
    assert rows(connection, primary, tenant) == [("A1", "C2"), ("A2", "C3")]
    with connection.transaction():
        handlers.handle_contacts(connection, [tombstone(tenant, "C2")])
    assert rows(connection, primary, tenant) == [("A1", "C1"), ("A2", "C3")]


def test_an_older_record_of_a_contact_changes_nothing(
    connection: db.Connection, tenant: str
) -> None:
    contacts(
        connection,
        ContactChanged(
            organization=tenant, contact="C1", account="A1", revision=5, email="new@example.com"
        ),
    )
    contacts(
        connection,
        ContactChanged(
            organization=tenant, contact="C1", account="A2", revision=4, email="old@example.com"
        ),
    )
    assert rows(
        connection, "SELECT account, email FROM contacts WHERE organization = %s", tenant
    ) == [("A1", "new@example.com")]


def test_what_a_record_says_of_a_person_is_kept(connection: db.Connection, tenant: str) -> None:
    said = {
        "email": "ana@x.example",
        "name": "Ana",
        "phone": "+1 432 555 0142",
        "title": "Purchasing",
        "newsletter": "unsubscribed",
        "language": "en-US",
        "zone": "America/Chicago",
        "country": "US",
    }
    event = msgspec.convert(
        {
            "type": "ContactChanged",
            "organization": tenant,
            "contact": "C",
            "account": "A",
            "revision": 1,
        }
        | said,
        ContactChanged,
    )
    contacts(connection, event)
    fields = f"SELECT {', '.join(said)} FROM contacts WHERE organization = %s"
    assert rows(connection, fields, tenant) == [tuple(said.values())]
    contacts(connection, msgspec.structs.replace(event, revision=2, phone=None))
    published = "SELECT phone, title FROM published_contacts WHERE organization = %s"
    assert rows(connection, published, tenant) == [(None, "Purchasing")]


def test_what_people_changed_stays_until_a_record_says_another_thing(
    connection: db.Connection, tenant: str
) -> None:
    def record_says(revision: int, phone: str | None, title: str | None) -> None:
        contacts(
            connection,
            ContactChanged(
                organization=tenant,
                contact="C",
                account="A",
                revision=revision,
                phone=phone,
                title=title,
            ),
        )

    stands = "SELECT phone, title FROM contacts WHERE organization = %s"
    record_says(1, "1111", "Buyer")
    connection.execute(
        "UPDATE contacts SET phone = '2222', title = 'Boss' WHERE organization = %s", (tenant,)
    )
    record_says(2, "1111", "Buyer")
    record_says(2, "1111", "Buyer")
    assert rows(connection, stands, tenant) == [("2222", "Boss")]
    record_says(3, "3333", "Buyer")
    assert rows(connection, stands, tenant) == [("3333", "Boss")]
    record_says(4, None, None)
    assert rows(connection, stands, tenant) == [(None, None)]


def test_a_draft_that_someone_edited_is_not_drafted_again(
    connection: db.Connection, tenant: str
) -> None:
    draft = SequenceDrafted(
        organization=tenant,
        sequence="s-1",
        digest="d-1",
        signal_type="dormant",
        name="Fully dormant",
        drafted_at=datetime(2026, 3, 2, tzinfo=UTC),
        steps=(
            Step(wait_days=0, subject="One", text="Hello"),
            Step(wait_days=3, subject="Two", text="Again"),
        ),
    )
    for _ in range(2):
        with connection.transaction():
            handlers.handle_sequences(connection, [record("sequences", draft, tenant, 0)] * 2)
        connection.execute(
            "UPDATE sequence_steps SET subject = 'Edited' WHERE organization = %s AND position = 1",
            (tenant,),
        )
    steps = (
        "SELECT position, wait_days, subject, body FROM sequence_steps "
        "WHERE organization = %s ORDER BY position"
    )
    assert rows(connection, steps, tenant) == [(1, 0, "Edited", "Hello"), (2, 3, "Two", "Again")]
