"""The health page: for owners and admins, of their organization alone, and honest about what it
could not find out.
"""

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import httpx
import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from services.signals.persist import handlers
from services.signals.progress import dead_letters
from shared import aside, db, kafka
from shared.domain.money import LARGEST_SUM_CENTS
from shared.ids import record_key
from shared.settings import settings
from shared.topics import ERP_ORDERS, ORDERS, dead_letters_of
from tests.console.conftest import MakeBrowser, text_of
from tests.eventually import eventually
from tests.signals.builders import ACCEPTED_AT, block, completed, order, record, requested
from tests.signals.conftest import make_tenant


@pytest.fixture
def acme(connection: db.Connection, tenant: str) -> str:
    with connection.transaction():
        handlers.handle_orders(
            connection,
            [
                block(order(tenant, "SO-1"), offset=1),
                record("orders", requested(tenant, 1), tenant, 2),
            ],
        )
        handlers.handle_signals(
            connection, [record("signals", completed(tenant, 1, offset=2), tenant, 1)]
        )
    return tenant


def test_it_is_for_owners_and_admins(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    assert browser(acme, "owner").get(f"/o/{acme}/health").status_code == 200
    assert browser(acme, "admin").get(f"/o/{acme}/health").status_code == 200
    assert browser(acme, "member").get(f"/o/{acme}/health").status_code == 403
    assert browser(acme, "member").post(f"/o/{acme}/health/audit").status_code == 403
    assert browser(make_tenant(connection)).get(f"/o/{acme}/health").status_code == 404


def test_a_dead_feed_shouts(browser: MakeBrowser, acme: str) -> None:
    assert "The feed looks dead." in text_of(browser(acme).get(f"/o/{acme}/health"))


def test_a_run_that_is_held_back_says_why(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    connection.execute(
        "INSERT INTO runs (organization, number, as_of, settings_version, reason, requested_at, "
        "held_back) VALUES (%s, 2, '2026-03-03', 1, 'nightly', %s, 'an import is in flight')",
        (acme, ACCEPTED_AT + timedelta(days=1)),
    )
    said = text_of(browser(acme).get(f"/o/{acme}/health"))
    assert "held back: an import is in flight" in said and "1 2 Mar asked for complete" in said


def test_an_audit_on_request_is_noted_and_shown(browser: MakeBrowser, tenant: str) -> None:
    ana = browser(tenant)
    assert ana.post(f"/o/{tenant}/health/audit").status_code == 303
    assert "0 differences in 0 active signals, run none." in text_of(ana.get(f"/o/{tenant}/health"))


def test_an_audit_in_the_middle_of_things_says_what_it_waits_for(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    with connection.transaction():
        handlers.handle_orders(connection, [record("orders", requested(acme, 2), acme, 3)])
    ana = browser(acme)
    ana.post(f"/o/{acme}/health/audit")
    assert f"Not audited: run 2 of {acme} is under way" in text_of(ana.get(f"/o/{acme}/health"))


def test_lag_and_dead_letters_are_looked_for_on_request(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    publisher, other = kafka.Publisher(), make_tenant(connection)
    try:
        for organization in (acme, other):
            value = msgspec.json.encode({"organization": organization, "number": "none"})
            headers = [
                ("dead_topic", b"orders"),
                ("dead_reason", b"number: <b>must</b> be a number of " + organization.encode()),
            ]
            publisher.publish(dead_letters_of(ORDERS.name), value, key=None, headers=headers)
    finally:
        publisher.close()
    ana = browser(acme)

    def looked_at() -> httpx.Response | None:
        """A broker that has just begun does not answer for a while."""
        found = ana.get(f"/o/{acme}/health?look=true")
        return None if "Kafka does not answer" in found.text else found

    page = eventually(looked_at, what="a look into Kafka")
    assert page is not None
    said = text_of(page)
    assert "Orders not yet looked at by the detector" in said
    assert f"must&lt;/b&gt; be a number of {acme}" in page.text and other not in page.text
    assert "1 of this organization" in said and 'name="id" value="orders-dead/' in page.text


def put_aside(organization: str) -> tuple[str, bytes]:
    """(its id, its value): a dead letter that names the organization."""
    value = msgspec.json.encode(
        {"organization": organization, "number": "none", "nonce": secrets.token_hex(8)}
    )
    unread = record("orders", requested(organization, 7), organization, 17)
    publisher = kafka.Publisher()
    try:
        dead = replace(unread, partition=3, value=value, event=None)
        offset = aside.dead_letter(
            publisher, dead, reason="number: must be a number", consumer="signals"
        )
    finally:
        publisher.close()
    return f"{dead_letters_of(ORDERS.name)}/0/{offset}", value


def lies_in_orders(value: bytes, *, since: int) -> int:
    """How often the value is in the partition that it came from."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings().kafka,
            "group.id": "winback-test",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(ORDERS.name, 3, since)])
    found, end = 0, kafka.end_offset(ORDERS.name, 3)
    for _ in range(end - since):
        message = consumer.poll(10)
        assert message is not None and message.error() is None
        found += message.value() == value
    consumer.close()
    return found


def test_a_dead_letter_is_replayed_once_and_noted(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    (id_, value), since, ana = (
        put_aside(acme),
        kafka.end_offset(ORDERS.name, 3),
        browser(acme, "admin"),
    )
    with ThreadPoolExecutor(3) as threads:
        answers = list(
            threads.map(
                lambda _: ana.post(f"/o/{acme}/health/dead-letters", {"id": id_}).status_code,
                range(3),
            )
        )
    assert answers == [303, 303, 303] and lies_in_orders(value, since=since) == 1
    noted = connection.execute(
        "SELECT actor, subject, detail ->> 'reason' FROM audit_log "
        "WHERE organization = %s AND action = 'replayed'",
        (acme,),
    ).fetchall()
    assert noted == [(ana.email, f"dead letter {id_}", "number: must be a number")]
    ana.post(f"/o/{acme}/health/dead-letters", {"id": id_})
    page = ana.get(f"/o/{acme}/health?look=true")
    assert f"{id_} was replayed before." in text_of(page)
    assert re.search(r"must be a number signals .{1,40} ago replayed .{1,40} ago", text_of(page))
    assert f'name="id" value="{id_}"' not in page.text
    assert lies_in_orders(value, since=since) == 1


def test_only_an_organization_s_own_dead_letters_are_replayed_and_by_those_who_govern_it(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    (id_, value), since, other = (
        put_aside(acme),
        kafka.end_offset(ORDERS.name, 3),
        make_tenant(connection),
    )
    path = f"/o/{acme}/health/dead-letters"
    assert browser(acme, "member").post(path, {"id": id_}).status_code == 403
    assert browser(other).post(path, {"id": id_}).status_code == 404
    assert browser(other).post(f"/o/{other}/health/dead-letters", {"id": id_}).status_code == 404
    assert browser(acme).cross_post(path, {"id": id_}).status_code == 403
    for wrong in ("", "orders/0/1", "orders-dead/0/999999", "orders-dead/99/0", "orders-dead/0/-1"):
        assert browser(acme).post(path, {"id": wrong}).status_code == 404
    assert lies_in_orders(value, since=since) == 0


def test_a_raw_record_belongs_to_whose_token_it_came_with_whatever_it_says(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    other, word = make_tenant(connection), secrets.token_hex(8)
    raw = replace(
        record(ERP_ORDERS.name, requested(other, 1), other, 10**9),
        value=msgspec.json.encode({"organization": other}),
    )
    publisher = kafka.Publisher()
    try:
        for organization, reason in (
            (acme, f"order: is missing, {word}"),
            ("", f"authorization: {word}"),
        ):
            aside.dead_letter(
                publisher, raw, reason=reason, consumer="ingest-erp", organization=organization
            )
    finally:
        publisher.close()
    ours, theirs = (
        text_of(browser(one).get(f"/o/{one}/health?look=true")) for one in (acme, other)
    )
    assert f"order: is missing, {word}" in ours and f"authorization: {word}" not in ours
    assert word not in theirs


def test_an_organization_whose_record_ended_processes_needs_a_rebuild_until_it_is_replayed(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    other = make_tenant(connection)
    both = [order(name, f"SO-{secrets.token_hex(4)}") for name in (acme, other)]
    publisher = kafka.Publisher()
    record_ = replace(block(*both, offset=77), value=msgspec.json.encode(block(*both).event))
    offset = aside.dead_letter(publisher, record_, reason="x", consumer="detector", ends=3)
    for name in (acme, other):
        page = text_of(browser(name).get(f"/o/{name}/health?look=true"))
        assert "This organization needs a rebuild." in page
        assert "A record that names this organization ended a process three times" in page
    connection.execute(
        "INSERT INTO dead_letter_replays (topic, partition, dead_offset, replayed_at)"
        " VALUES (%s, 0, %s, now())",
        (dead_letters_of(ORDERS.name), offset),
    )
    publisher.close()
    assert "needs a rebuild" not in text_of(browser(acme).get(f"/o/{acme}/health?look=true"))


def test_sums_beyond_what_is_kept_are_counted(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    assert "Sums beyond" not in text_of(browser(acme).get(f"/o/{acme}/health"))
    connection.execute(
        "UPDATE accounts SET lifetime_cents = %s WHERE organization = %s",
        (-LARGEST_SUM_CENTS, acme),
    )
    page = text_of(browser(acme).get(f"/o/{acme}/health"))
    assert "Sums beyond what is kept. Orders of 1 account add up" in page


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
def test_a_dead_letter_belongs_to_whom_alone_it_names(
    key: bytes | None, value: bytes | None, organizations: set[str]
) -> None:
    assert dead_letters.organizations_of(key, value) == organizations
