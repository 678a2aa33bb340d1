"""The organization that a page is of: a transaction that sees it alone, and its head."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from services.signals.console.http.access import NotHere, Visitor, app_pool, visitor
from services.signals.store import head
from services.signals.store.head import Head
from shared import db


@contextmanager
def organization_of(request: Request, organization: str) -> Iterator[tuple[Visitor, db.Connection]]:
    """A transaction that sees the organization alone, for a member of it. Raises NotSignedIn,
    NotHere.
    """
    who = visitor(request)
    if who.role_in(organization) is None:
        raise NotHere
    with db.organization_transaction(app_pool(request), organization) as connection:
        yield who, connection


def head_of(connection: db.Connection, organization: str) -> Head:
    """Raises NotHere."""
    found = head.find(connection, organization)
    if found is None:
        raise NotHere
    return found
