"""People at accounts: whom drafts write to, and forgetting one of them."""

from services.signals.actions import tombstones
from services.signals.actions.actor import Actor, must_operate, note
from services.signals.store import contacts, erasure, organizations
from shared import db
from shared.errors import NotFound
from shared.topics import CONTACTS


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
