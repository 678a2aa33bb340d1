"""One ingest process for the tests of a module."""

import json
from collections.abc import Iterator

import pytest

from shared import db
from tests.ingest.door import Ingest, make_token
from tests.stack_fixtures import INSERT_ORGANIZATION, Stack

TOPICS_ORGANIZATION = "org-of-the-raw-topic"


@pytest.fixture(scope="module")
def ingest(stack: Stack) -> Iterator[Ingest]:
    """Ready; the raw topic's own token speaks for TOPICS_ORGANIZATION."""
    with db.connect() as connection:
        if not connection.execute(
            "SELECT 1 FROM organizations WHERE organization = %s", (TOPICS_ORGANIZATION,)
        ).fetchone():
            connection.execute(
                INSERT_ORGANIZATION, (TOPICS_ORGANIZATION, "Raw", "USD", "America/Chicago")
            )
    tokens = {"erp-orders": make_token(TOPICS_ORGANIZATION)}
    running = Ingest(stack=stack, env={"WINBACK_ERP_TOKENS": json.dumps(tokens)})
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        assert running.stop() == 0


@pytest.fixture
def token(organization: str) -> str:
    """A token of the test's organization, with every scope."""
    return make_token(organization)
