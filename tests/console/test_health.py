"""The health page: for owners and admins, of their organization alone, and honest about what it could not find out."""

import time
from datetime import timedelta

import msgspec
import pytest

from services.signals import handlers, pipeline
from shared import db, kafka
from shared.ids import record_key
from shared.topics import ORDERS, dead_letters_of
from tests.console.conftest import MakeBrowser, text_of
from tests.signals.builders import ACCEPTED_AT, block, completed, order, record, requested
from tests.signals.conftest import make_tenant


@pytest.fixture
def acme(connection: db.Connection, tenant: str) -> str:
    with connection.transaction():
        handlers.handle_orders(
            connection, [block(order(tenant, "SO-1"), offset=1), record("orders", requested(tenant, 1), tenant, 2)]
        )
        handlers.handle_signals(connection, [record("signals", completed(tenant, 1, offset=2), tenant, 1)])
    return tenant


def test_it_is_for_owners_and_admins(browser: MakeBrowser, connection: db.Connection, acme: str) -> None:
    assert browser(acme, "owner").get(f"/o/{acme}/health").status_code == 200
    assert browser(acme, "admin").get(f"/o/{acme}/health").status_code == 200
    assert browser(acme, "member").get(f"/o/{acme}/health").status_code == 403
    assert browser(acme, "member").post(f"/o/{acme}/health/audit").status_code == 403
    assert browser(make_tenant(connection)).get(f"/o/{acme}/health").status_code == 404


def test_a_dead_feed_shouts(browser: MakeBrowser, acme: str) -> None:
    assert "The feed looks dead." in text_of(browser(acme).get(f"/o/{acme}/health"))


def test_a_run_that_is_held_back_says_why(browser: MakeBrowser, connection: db.Connection, acme: str) -> None:
    connection.execute(
        "INSERT INTO runs (organization, number, as_of, settings_version, reason, requested_at, held_back)"
        " VALUES (%s, 2, '2026-03-03', 1, 'nightly', %s, 'an import is in flight')",
        (acme, ACCEPTED_AT + timedelta(days=1)),
    )
    said = text_of(browser(acme).get(f"/o/{acme}/health"))
    assert "held back: an import is in flight" in said and "1 2 Mar asked for complete" in said


def test_an_audit_on_request_is_noted_and_shown(browser: MakeBrowser, tenant: str) -> None:
    ana = browser(tenant)
    assert ana.post(f"/o/{tenant}/health/audit").status_code == 303
    assert "0 differences in 0 active signals, run none." in text_of(ana.get(f"/o/{tenant}/health"))


def test_an_audit_in_the_middle_of_things_says_what_it_waits_for(browser: MakeBrowser, acme: str) -> None:
    ana = browser(acme)
    ana.post(f"/o/{acme}/health/audit")
    assert "Not audited:" in text_of(ana.get(f"/o/{acme}/health"))


def test_lag_and_dead_letters_are_looked_for_on_request(browser: MakeBrowser, connection: db.Connection, acme: str) -> None:
    publisher, other = kafka.Publisher(), make_tenant(connection)
    try:
        for organization in (acme, other):
            value = msgspec.json.encode({"organization": organization, "number": "none"})
            headers = [("dead_topic", b"orders"), ("dead_reason", b"number: <b>must</b> be a number of " + organization.encode())]
            publisher.publish(dead_letters_of(ORDERS.name), value, key=None, headers=headers)
    finally:
        publisher.close()
    ana, until = browser(acme), time.monotonic() + 60
    page = ana.get(f"/o/{acme}/health?look=true")
    while "Kafka does not answer" in page.text and time.monotonic() < until:  # a broker that has just begun says so for a while
        page = ana.get(f"/o/{acme}/health?look=true")
    said = text_of(page)
    assert "Orders not yet looked at by the detector" in said
    assert f"must&lt;/b&gt; be a number of {acme}" in page.text and other not in page.text
    assert "1 of this organization" in said and "winback dead-letters replay orders-dead/" in said


@pytest.mark.parametrize(
    ("key", "value", "organizations"),
    [
        (None, b'{"organization":"a"}', {"a"}),
        (None, b'{"orders":[{"organization":"a"},{"organization":"a"}]}', {"a"}),
        (None, b'{"orders":[{"organization":"a"},{"organization":"b"}]}', {"a", "b"}),
        (None, b'{"organization":"a","orders":[{}]}', {"a", "None"}),
        (record_key("a", "C1"), None, {"a"}),
        (b"nonsense", None, set()),
        (None, b"\xff\x00", set()),
        (None, b"[1]", set()),
        (None, b"[" * 100_000, set()),
    ],
)
def test_a_dead_letter_belongs_to_whom_alone_it_names(key: bytes | None, value: bytes | None, organizations: set[str]) -> None:
    assert pipeline.organizations_of(key, value) == organizations
