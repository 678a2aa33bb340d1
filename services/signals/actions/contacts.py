"""People at accounts: whom one calls, whom drafts write to, and forgetting one of them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict

from services.signals.actions import tombstones
from services.signals.actions.actor import Actor, must_operate, note
from services.signals.store import account as accounts
from services.signals.store import contacts, erasure, organizations
from services.signals.store.contacts import Person
from shared import db, people
from shared.domain.identifiers import wrong_name
from shared.errors import FieldError, NotFound, Rejected
from shared.topics import CONTACTS

REACHABLE = "say a name, a phone number or a mail address at least"
CHANGED = "was changed meanwhile, by a record or somebody else: look at what stands now"


def _name(text: str) -> str:
    wrong = wrong_name(text)
    if wrong is not None:
        raise ValueError(wrong)
    return text


def _plain_phone(text: str) -> str:
    wrong = wrong_name(text)
    if wrong is not None:
        raise ValueError(wrong)
    return people.read_phone(text)


READERS: dict[str, Callable[[str], str]] = {
    "name": _name,
    "title": _name,
    "phone": _plain_phone,
    "email": people.read_address,
    "newsletter": people.read_newsletter,
    "language": people.read_language,
    "zone": people.read_zone,
    "country": people.read_country,
}


def read_person(typed: Mapping[str, str]) -> Person:
    """What was typed of somebody; an empty field is not known. Raises Rejected with each field that
    is wrong.
    """
    said: dict[str, str | None] = {}
    wrong: list[FieldError] = []
    for field, reader in READERS.items():
        text = typed.get(field, "").strip()
        try:
            said[field] = reader(text) if text else None
        except ValueError as error:
            wrong.append(FieldError(field=field, reason=str(error)))
    if wrong:
        raise Rejected(*wrong)
    if not any(said[field] for field in ("name", "phone", "email")):
        raise Rejected(FieldError(field="name", reason=REACHABLE))
    return Person(**said)


def add(
    connection: db.Connection,
    organization: str,
    account: str,
    contact: str,
    person: Person,
    *,
    is_primary: bool,
    by: Actor,
) -> None:
    """Somebody whom no record named. `contact` is the id that the form was given: sent twice, they
    are added once. Raises NotFound for an account that is not there.
    """
    if accounts.find(connection, organization, account) is None:
        raise NotFound(f"no account {account}")
    if not contacts.add(connection, organization, account, contact, person, added_by=by.name):
        return
    _note(connection, organization, account, contact, "added contact", Person(), person, by)
    if is_primary:
        choose_primary(connection, organization, account, contact, by=by)


def change(
    connection: db.Connection,
    organization: str,
    account: str,
    contact: str,
    person: Person,
    *,
    seen: str,
    is_primary: bool,
    by: Actor,
) -> None:
    """As people say; each field stays so until a record says something else of it. `seen`:
    `edition` of what the form showed. Raises NotFound, and Rejected where it is not so any more.
    """
    was = contacts.lock(connection, organization, account, contact)
    if was is None:
        raise NotFound(f"account {account} has no contact {contact}")
    if was != person:
        if edition(was) != seen:
            raise Rejected(FieldError(field="contact", reason=CHANGED))
        contacts.change(connection, organization, contact, person)
        _note(connection, organization, account, contact, "changed contact", was, person, by)
    if is_primary:
        choose_primary(connection, organization, account, contact, by=by)


def edition(person: Person) -> str:
    """Another text for each other content."""
    return hashlib.sha256(repr(person).encode()).hexdigest()[:16]


def choose_primary(
    connection: db.Connection, organization: str, account: str, contact: str, *, by: Actor
) -> None:
    """From now on drafts write to this one, whatever records say. Raises NotFound."""
    if not contacts.choose_primary(connection, organization, account, contact):
        raise NotFound(f"account {account} has no contact {contact}")
    note(
        connection, organization, by, "primary contact", f"account {account}", {"contact": contact}
    )


def erase(connection: db.Connection, organization: str, contact: str, *, by: Actor) -> bool:
    """Remove the person's row, what sequences wrote about or to them, and the record in Kafka.
    False: nothing was here. Raises Forbidden, NotFound, Retryable.
    """
    must_operate(by)
    organizations.find(connection, organization)
    found = erasure.erase_contact(connection, organization, contact)
    note(connection, organization, by, "erased", "contact", {})
    tombstones.publish(organization, [(CONTACTS.name, contact)])
    return found


def _note(
    connection: db.Connection,
    organization: str,
    account: str,
    contact: str,
    action: str,
    was: Person,
    person: Person,
    by: Actor,
) -> None:
    """Which fields, not what they hold: the log outlives an erased person."""
    before, after = asdict(was), asdict(person)
    fields = [field for field in after if after[field] != before[field]]
    detail = {"contact": contact, "fields": fields}
    note(connection, organization, by, action, f"account {account}", detail)
