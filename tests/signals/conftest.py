"""A tenant with settings, a worker's connection, a clock that stands where it is put."""

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from services.signals.actions import tenants
from services.signals.actions.actor import COMMAND_LINE
from shared import clock, db, kafka
from tests.stack_fixtures import Stack


@pytest.fixture
def connection(stack: Stack) -> Iterator[db.Connection]:
    """As the worker, in autocommit: each statement, or
    `connection.transaction()`, is one transaction.
    """
    with db.connect() as opened:
        opened.autocommit = True
        yield opened


@pytest.fixture
def tenant(connection: db.Connection) -> str:
    """A fresh organization with settings version 1 and no schedules: US dollars, Chicago."""
    return make_tenant(connection)


def make_tenant(connection: db.Connection, *, with_schedules: bool = False) -> str:
    organization = f"org-{uuid.uuid4().hex[:12]}"
    with connection.transaction():
        tenants.create_organization(
            connection,
            organization,
            name="Acme",
            currency="USD",
            timezone="America/Chicago",
            with_schedules=with_schedules,
            by=COMMAND_LINE,
        )
    return organization


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """at(moment): from now on it is that moment."""

    def put(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    return put


@pytest.fixture
def publisher(stack: Stack) -> Iterator[kafka.Publisher]:
    opened = kafka.Publisher()
    yield opened
    opened.close()
