"""The outbox on real PostgreSQL and a real mail server that refuses, drops and stalls."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest
from psycopg_pool import ConnectionPool

from services.digest import handlers, outbox_store
from services.digest.outbox import Sender
from shared import clock, db
from shared.events import DigestDue
from shared.ids import derived
from tests.stack_fixtures import Mailbox


@pytest.fixture
def pool(stack: object) -> Iterator[ConnectionPool[db.Connection]]:
    with db.pool("winback_worker") as opened:
        yield opened


def address() -> str:
    return f"r{uuid.uuid4().hex[:10]}@example.com"


def recipient(organization: str, email: str) -> None:
    """A member who gets the digest."""
    with db.connect() as connection:
        connection.execute("INSERT INTO members (organization, email, role) VALUES (%s, %s, 'member')", (organization, email))
        connection.execute(
            "INSERT INTO digest_recipients (organization, email, added_by) VALUES (%s, %s, 'rs')", (organization, email)
        )


def due(organization: str, *, run: int | None = None, at: datetime | None = None) -> DigestDue:
    slot = derived("slot", organization, uuid.uuid4().hex)
    return DigestDue(
        organization=organization,
        slot=slot,
        digest=derived("digest", organization, slot),
        slot_at=at or clock.now(),
        run=run,
        why="An import is in flight",
    )


def plan(pool: ConnectionPool[db.Connection], tick: DigestDue) -> str:
    with pool.connection() as connection:
        handlers.plan(connection, tick, at=tick.slot_at)
    return tick.digest


def send(pool: ConnectionPool[db.Connection], digest: str, *, later: timedelta = timedelta()) -> None:
    """One sender, until nothing is due, at a later hour."""
    with closing(Sender(pool, digest=digest, now=lambda: clock.now() + later)) as sender:
        while sender.send_due():
            pass


def test_a_recipient_gets_the_digest_once(pool: ConnectionPool[db.Connection], organization: str, mailbox: Mailbox) -> None:
    email = address()
    recipient(organization, email)
    digest = plan(pool, due(organization))

    send(pool, digest)

    mails = mailbox.mails(to=email)
    assert [mail["subject"] for mail in mails] == ["No digest yet: the check is not complete"]
    with pool.connection() as connection:
        assert [one.state for one in outbox_store.states(connection, organization, digest)] == ["sent"]
