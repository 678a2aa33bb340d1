"""POST /v1/… on a real ingest process: results per item, idempotency, and a broker that goes
away (hostile: test_hostile.py).
"""

import gzip
import json
import socket
import threading
import uuid
from contextlib import ExitStack, suppress

import httpx
import msgspec
import pytest

from shared import db, ids, kafka
from shared.events import AccountChanged, ContactChanged
from shared.topics import ACCOUNTS, CONTACTS
from tests.children import stopped
from tests.eventually import eventually
from tests.ingest.door import Ingest, landed, make_token, problem_fields, records
from tests.stack_fixtures import Organizations, Stack

LINE = {"product": "P", "od": '5 1/2"', "grade": "J-55", "quantity": "2", "revenue": "10.00"}
ORDER = {"order": "O-1", "account": "A-1", "ordered_on": "2026-03-30", "lines": [LINE]}
GOOD = ORDER | {"order": "GOOD"}


def test_an_order_is_in_kafka_when_it_is_accepted(
    ingest: Ingest, organization: str, token: str
) -> None:
    answer = ingest.post("orders", ORDER, token=token)
    assert answer.status_code == 202
    assert answer.json() == {
        "results": [{"index": 0, "id": "O-1", "status": "accepted", "errors": [], "warnings": []}]
    }
    (order,) = landed(organization)
    assert (order.order, order.account, order.lines[0].revenue_cents, order.lines[0].od) == (
        "O-1",
        "A-1",
        1000,
        '5 1/2"',
    )


def test_a_batch_is_answered_item_by_item_and_neighbours_go_in(
    ingest: Ingest, organization: str, token: str
) -> None:
    items = [
        ORDER,
        {"order": "O-2"},
        ORDER | {"order": "O-3", "lines": [LINE | {"od": "DN150", "revenue": "0.005"}]},
    ]
    answer = ingest.post("orders", items, token=token)
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [(one["index"], one["id"], one["status"]) for one in results] == [
        (0, "O-1", "accepted"),
        (1, "O-2", "rejected"),
        (2, "O-3", "accepted"),
    ]
    assert [error["field"] for error in results[1]["errors"]] == ["account", "ordered_on", "lines"]
    assert [warning["field"] for warning in results[2]["warnings"]] == [
        "lines[0].od",
        "lines[0].revenue",
    ]
    assert [order.order for order in landed(organization)] == ["O-1", "O-3"]


def test_a_batch_of_which_none_is_accepted_is_one_problem(ingest: Ingest, token: str) -> None:
    answer = ingest.post("orders", [{"order": "1"}, ORDER | {"currency": "EUR"}], token=token)
    assert answer.status_code == 422
    assert problem_fields(answer) == {"[0].account", "[0].ordered_on", "[0].lines", "[1].currency"}
    assert [one["status"] for one in answer.json()["results"]] == ["rejected", "rejected"]


def test_accounts_and_contacts_are_records_of_their_own(
    ingest: Ingest, organization: str, token: str
) -> None:
    account = {"account": "A-1", "name": "Ölwerk", "owner": "Kim", "revision": 3}
    contact = {
        "contact": "C-1",
        "account": "A-1",
        "email": "kim@example.com",
        "primary": True,
        "revision": 4,
    }
    assert ingest.post("accounts", [account], token=token).status_code == 202
    assert ingest.post("contacts", contact, token=token).status_code == 202
    partition = kafka.partition_of(organization)
    (changed,) = (
        one
        for one in records(ACCOUNTS.name, partition)
        if one.key == ids.record_key(organization, "A-1")
    )
    assert msgspec.json.decode(changed.value or b"", type=AccountChanged) == AccountChanged(
        organization=organization, account="A-1", name="Ölwerk", owner="Kim", revision=3
    )
    (person,) = (
        one
        for one in records(CONTACTS.name, partition)
        if one.key == ids.record_key(organization, "C-1")
    )
    assert msgspec.json.decode(person.value or b"", type=ContactChanged) == ContactChanged(
        organization=organization,
        contact="C-1",
        account="A-1",
        email="kim@example.com",
        primary=True,
        revision=4,
    )


# -- who may ---------------------------------------------------------------------------------------


def test_a_token_speaks_for_its_organization_alone(
    ingest: Ingest, organizations: Organizations
) -> None:
    one, other = organizations(), organizations()
    ingest.post("orders", ORDER, token=make_token(one))
    assert (
        ingest.post("orders", ORDER | {"organization": one}, token=make_token(other)).status_code
        == 422
    )
    assert [order.organization for order in landed(one)] == [one]
    assert landed(other) == []


def test_without_a_token_or_its_scope_nothing_goes_in(ingest: Ingest, organization: str) -> None:
    assert (
        httpx.post(
            f"{ingest.url}/v1/orders", json=ORDER, headers={"Authorization": "Basic eDp5"}
        ).status_code
        == 401
    )
    assert ingest.post("orders", ORDER, token="wb_unknown").status_code == 401
    assert httpx.post(f"{ingest.url}/v1/orders", json=ORDER).headers["www-authenticate"] == "Bearer"
    readers = make_token(organization, ["accounts:write"])
    assert ingest.post("orders", ORDER, token=readers).status_code == 403
    assert ingest.post("accounts", {"account": "A"}, token=readers).status_code == 202
    assert landed(organization) == []


def test_a_tokens_use_is_noted(ingest: Ingest, organization: str, token: str) -> None:
    ingest.post("orders", ORDER, token=token)
    with db.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM token_uses WHERE organization = %s", (organization,)
        ).fetchone()
    assert row == (1,)


# -- idempotency -----------------------------------------------------------------------------------


def test_a_retry_of_a_confirmed_request_is_a_duplicate_and_sends_nothing(
    ingest: Ingest, organization: str, token: str
) -> None:
    items = [ORDER, {"order": "O-2"}]
    first = ingest.post("orders", items, token=token, key="k-1")
    again = ingest.post("orders", items, token=token, key="k-1")
    assert [one["status"] for one in first.json()["results"]] == ["accepted", "rejected"]
    assert again.status_code == 202
    assert [one["status"] for one in again.json()["results"]] == ["duplicate", "rejected"]
    assert len(landed(organization)) == 1


def test_a_key_names_one_body(ingest: Ingest, organization: str, token: str) -> None:
    ingest.post("orders", ORDER, token=token, key="k-1")
    answer = ingest.post("orders", ORDER | {"account": "B"}, token=token, key="k-1")
    assert answer.status_code == 422
    assert problem_fields(answer) == {"Idempotency-Key"}
    assert ingest.post("accounts", {"account": "A"}, token=token, key="k-1").status_code == 422
    assert len(landed(organization)) == 1


def test_a_key_belongs_to_its_organization(ingest: Ingest, organizations: Organizations) -> None:
    one, other = organizations(), organizations()
    ingest.post("orders", ORDER, token=make_token(one), key="k-1")
    answer = ingest.post("orders", GOOD, token=make_token(other), key="k-1")
    assert [result["status"] for result in answer.json()["results"]] == ["accepted"]


@pytest.mark.parametrize("key", ["", "x" * 201, "x" * 10_000, "\x7f"])
def test_a_key_has_bounds(key: str, ingest: Ingest, token: str) -> None:
    answer = ingest.post("orders", ORDER, token=token, key=key)
    assert answer.status_code in (400, 422)


def test_a_retry_after_a_kill_repeats_the_time_of_acceptance(
    stack: Stack, organization: str, token: str
) -> None:
    """Kills all through a request: each retry is the same version, so nothing has two
    effects, and what was answered is in.
    """
    ingest = Ingest(stack=stack)
    ingest.start()
    items = [ORDER | {"order": f"O-{number}"} for number in range(200)]
    try:
        for delay in (0.0, 0.01, 0.03, 0.06):
            killer = threading.Timer(delay, ingest.kill)
            killer.start()
            with suppress(httpx.TransportError):
                ingest.post("orders", items, token=token, key="k-1")
            killer.join()
            ingest.start()
        assert ingest.post("orders", items, token=token, key="k-1").status_code == 202
    finally:
        ingest.kill()
    versions = {(order.order, order.revision, order.content) for order in landed(organization)}
    assert len(versions) == len(items)


def test_gzip_and_other_ways_are_fine(ingest: Ingest, organization: str, token: str) -> None:
    packed = gzip.compress(json.dumps({"orders": [GOOD]}).encode())
    assert (
        ingest.post("orders", packed, token=token, headers={"Content-Encoding": "gzip"}).status_code
        == 202
    )
    assert httpx.get(f"{ingest.url}/v1/orders").status_code == 405
    assert (
        httpx.get(f"{ingest.url}/v1/nothing").headers["content-type"] == "application/problem+json"
    )
    assert len(landed(organization)) == 1


def test_an_order_of_5000_lines_is_one_record_below_a_megabyte(
    ingest: Ingest, organization: str, token: str
) -> None:
    assert ingest.post("orders", ORDER | {"lines": [LINE] * 5000}, token=token).status_code == 202
    (order,) = landed(organization)
    assert len(order.lines) == 5000
    assert (
        max(len(one.value or b"") for one in records("orders", kafka.partition_of(organization)))
        < 1_000_000
    )


def test_concurrent_requests_share_blocks(ingest: Ingest, organization: str, token: str) -> None:
    """All of them are at its door before it looks: it is frozen while they come."""
    address, process = httpx.URL(ingest.url), ingest.process
    assert process is not None
    before = len(records("orders", kafka.partition_of(organization)))
    with ExitStack() as opened:
        with stopped(process.pid):
            place = (str(address.host), address.port or 0)
            wires = [
                opened.enter_context(socket.create_connection(place, timeout=90)) for _ in range(50)
            ]
            for number, wire in enumerate(wires):
                body = json.dumps(ORDER | {"order": f"O-{number}"})
                head = (
                    f"Host: x\r\nAuthorization: Bearer {token}\r\nContent-Type: "
                    f"application/json\r\nContent-Length: {len(body)}"
                )
                wire.sendall(f"POST /v1/orders HTTP/1.1\r\n{head}\r\n\r\n{body}".encode())
        assert {wire.recv(12) for wire in wires} == {b"HTTP/1.1 202"}
    assert len({order.order for order in landed(organization)}) == 50
    assert len(records("orders", kafka.partition_of(organization))) - before < 50


# -- around it -------------------------------------------------------------------------------------


def test_it_describes_itself(ingest: Ingest) -> None:
    document = httpx.get(f"{ingest.url}/openapi.json").json()
    assert set(document["paths"]) == {"/v1/orders", "/v1/accounts", "/v1/contacts"}
    assert {"OrderShape", "LineShape", "Problem", "Results"} <= set(
        document["components"]["schemas"]
    )
    assert httpx.get(f"{ingest.url}/docs").status_code == 200
    assert httpx.get(f"{ingest.url}/healthz").status_code == 200
    assert "winback_orders_accepted_total" in httpx.get(f"{ingest.url}/metrics").text


def test_while_kafka_is_frozen_it_says_503_and_nothing_is_lost_after(
    stack: Stack, organization: str, token: str
) -> None:
    ingest = Ingest(stack=stack)
    ingest.start()
    key = uuid.uuid4().hex
    broker = stack.service("kafka")["pid"]
    try:
        with stopped(broker):
            answer = ingest.post("orders", ORDER, token=token, key=key, wait=30)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert problem_fields(answer) == set()
        eventually(
            lambda: ingest.post("orders", ORDER, token=token, key=key).status_code == 202,
            what="a broker that takes it",
        )
        assert (
            len({(order.order, order.revision, order.content) for order in landed(organization)})
            == 1
        )
        assert ingest.stop() == 0
    finally:
        ingest.kill()
