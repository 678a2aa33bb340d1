"""The raw topic: what is right goes in, what is wrong is put aside with its
reasons, and the topic keeps moving.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from shared import kafka
from shared.dead_letters import letter_of
from shared.events import Order
from shared.kafka import Headers, Publisher
from shared.records import Record
from shared.settings import settings
from shared.topics import ERP_ORDERS, dead_letters_of
from tests.eventually import eventually
from tests.ingest.conftest import TOPICS_ORGANIZATION
from tests.ingest.door import Ingest, landed, make_token, records
from tests.ingest.hostile import ORDERS as HOSTILE

ORDER = {
    "order": "O-1",
    "account": "A-1",
    "ordered_on": "2026-03-30",
    "lines": [{"product": "P", "revenue": "10.00"}],
}


@pytest.fixture(scope="module")
def publisher(ingest: Ingest) -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


def put(publisher: Publisher, body: Any, token: str | None) -> int:
    """Into partition 0; the offset."""
    headers: Headers = [] if token is None else [("authorization", f"Bearer {token}".encode())]
    value = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    return publisher.publish(ERP_ORDERS.name, value, partition=0, headers=headers)


def wait_for(organization: str, count: int) -> list[Order]:
    return eventually(
        lambda: orders if len(orders := landed(organization)) >= count else [],
        what=f"{count} orders",
    )


def dead_letters() -> dict[int, Record]:
    """By the offset in partition 0; others' records lie in the others."""
    found = [(letter_of(one), one) for one in records(dead_letters_of(ERP_ORDERS.name), 0)]
    return {letter.offset: one for letter, one in found if letter.partition == 0}


def dead_letter(offset: int) -> tuple[Record, str]:
    """The dead letter of a record, and its reason."""
    found = eventually(lambda: dead_letters().get(offset), what=f"a dead letter of {offset}")
    assert found is not None
    return found, dict(found.headers)["dead_reason"].decode()


def test_the_organization_comes_from_the_records_token(
    publisher: Publisher, organization: str, token: str
) -> None:
    offset = put(publisher, ORDER, token)
    (order,) = wait_for(organization, 1)
    (record,) = (one for one in records(ERP_ORDERS.name, 0) if one.offset == offset)
    assert (order.order, order.revision, order.revision_given) == (
        "O-1",
        int(record.at.timestamp() * 1000),
        False,
    )


def test_without_a_header_the_topics_token_counts(publisher: Publisher) -> None:
    before = len(landed(TOPICS_ORGANIZATION))
    put(publisher, [ORDER, ORDER | {"order": "O-2", "revision": 5}], None)
    assert [order.revision_given for order in wait_for(TOPICS_ORGANIZATION, before + 2)[-2:]] == [
        False,
        True,
    ]


POISON: list[tuple[bytes | None, str]] = [
    (b"", "body"),
    (None, "body"),
    (b"{", "body"),
    (b"\xff\x00", "body"),
    (b"[" * 100_000, "body"),
    (b"[]", "body"),
    (b'{"order": 1}', "order"),
    (json.dumps(ORDER | {"organization": "other"}).encode(), "organization"),
    (json.dumps(ORDER | {"currency": "EUR"}).encode(), "currency"),
]


def test_poison_is_put_aside_as_it_was_and_its_neighbours_go_in(
    publisher: Publisher, organization: str, token: str
) -> None:
    offsets = []
    for number, (poison, _) in enumerate(
        POISON * 4
    ):  # more in a row than a consumer of our own events would bear
        offsets.append(put(publisher, poison, token))
        if number % 9 == 8:
            put(publisher, ORDER | {"order": f"O-{number}"}, token)
    assert len(wait_for(organization, 4)) == 4
    eventually(lambda: dead_letter(offsets[-1]))
    dead = dead_letters()
    for (poison, field), offset in zip(POISON * 4, offsets, strict=True):
        assert dead[offset].value == poison
        assert field in dict(dead[offset].headers)["dead_reason"].decode()
        assert letter_of(dead[offset]).organization == organization


def test_each_hostile_order_is_put_aside_with_its_field_and_its_neighbours_go_in(
    publisher: Publisher, organization: str, token: str
) -> None:
    small = [(item, field) for item, field in HOSTILE if len(item) < 50_000]
    alone = {put(publisher, item, token): (item, field) for item, field in small}
    good = [json.dumps(ORDER | {"order": f"G-{number}"}).encode() for number in range(len(small))]
    among = (
        b"["
        + b",".join(
            part for pair in zip(good, (item for item, _ in small), strict=True) for part in pair
        )
        + b"]"
    )
    put(publisher, among, token)
    last = put(publisher, ORDER | {"order": "LAST"}, token)
    assert [order.order for order in wait_for(organization, len(small) + 1)] == [
        f"G-{n}" for n in range(len(small))
    ] + ["LAST"]
    eventually(lambda: dead_letter(last - 1))
    dead = dead_letters()
    for offset, (item, field) in alone.items():
        assert dead[offset].value == item
        assert f"{field}: " in dict(dead[offset].headers)["dead_reason"].decode()


def test_a_record_as_large_as_the_topic_takes_is_put_aside_whole(
    publisher: Publisher, organization: str, token: str
) -> None:
    large = json.dumps(ORDER | {"order": "x" * 990_000}).encode()
    offset = put(publisher, large, token)
    put(publisher, ORDER, token)
    record, reason = dead_letter(offset)
    assert record.value == large
    assert reason.startswith("order: ")
    assert [order.order for order in wait_for(organization, 1)] == ["O-1"]


@pytest.mark.parametrize("at_ms", [1, 10**12, 253_402_300_800_000, 2**62])
def test_the_time_that_a_connector_stamps_is_not_the_time_of_acceptance(
    at_ms: int, ingest: Ingest, organization: str, token: str
) -> None:
    headers: list[tuple[str, str | bytes | None]] = [("authorization", f"Bearer {token}".encode())]
    producer = Producer({"bootstrap.servers": settings().kafka})
    producer.produce(
        ERP_ORDERS.name, json.dumps(ORDER).encode(), partition=0, headers=headers, timestamp=at_ms
    )
    assert producer.flush(20) == 0
    (order,) = wait_for(organization, 1)
    assert abs(order.revision / 1000 - time.time()) < 120


def test_of_a_batch_the_right_items_go_in_and_the_record_says_which_were_wrong(
    publisher: Publisher, organization: str, token: str
) -> None:
    offset = put(publisher, [ORDER, ORDER | {"order": "O-2", "lines": []}], token)
    assert [order.order for order in wait_for(organization, 1)] == ["O-1"]
    assert dead_letter(offset)[1] == "[1].lines: must not be empty"


def test_a_token_that_is_none_is_a_dead_letter(publisher: Publisher, organization: str) -> None:
    says_it_is = ORDER | {"organization": organization}
    headers: Headers = [
        ("authorization", b"Bearer wb_unknown"),
        ("dead_organization", organization.encode()),
    ]
    offset = publisher.publish(
        ERP_ORDERS.name, json.dumps(says_it_is).encode(), partition=0, headers=headers
    )
    letter, reason = dead_letter(offset)
    assert "authorization" in reason and letter_of(letter).organization == ""
    assert letter_of(letter).headers == headers
    assert (
        "scope"
        in dead_letter(put(publisher, ORDER, make_token(organization, ["accounts:write"])))[1]
    )
    assert landed(organization) == []


def test_a_killed_consumer_loses_nothing(
    ingest: Ingest, publisher: Publisher, organization: str, token: str
) -> None:
    for number in range(300):
        put(
            publisher, ORDER | {"order": f"O-{number}"}, token
        ) if number % 50 == 0 else publisher.send(
            ERP_ORDERS.name,
            json.dumps(ORDER | {"order": f"O-{number}"}).encode(),
            partition=number % 4,
            headers=[("authorization", f"Bearer {token}".encode())],
        )
    ingest.kill()
    ingest.start()
    eventually(lambda: len({order.order for order in landed(organization)}) == 300)
    versions = {(order.order, order.revision, order.content) for order in landed(organization)}
    assert len(versions) == 300
    assert kafka.partition_of(organization) >= 0
