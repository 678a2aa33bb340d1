"""Records as connectors write them, through Kafka: orders by the mapping of their topic, what is
wrong put aside with its field, and an order of many records whole at the end, whatever fails.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from shared import db
from shared.dead_letters import letter_of
from shared.events import Order
from shared.settings import settings
from shared.topics import dead_letters_of
from tests.eventually import eventually
from tests.ingest.connectors import GROUPED, NESTED, debezium, jdbc_line, key, row
from tests.ingest.door import Ingest, landed, make_token, records
from tests.ingest.test_raw_topics import make_topic, own_topic
from tests.stack_fixtures import Stack

LINES = 120


@pytest.fixture
def shop(stack: Stack, organization: str, tmp_path: Path) -> Iterator["Shop"]:
    """An ingest that reads two topics of connectors for the organization."""
    made = Shop(stack, organization, tmp_path)
    made.ingest.start()
    yield made
    if made.ingest.process is not None and made.ingest.process.poll() is None:
        made.ingest.kill()


class Shop:
    """`orders`: of Debezium, one partition. `lines`: of the JDBC connector, two."""

    def __init__(self, stack: Stack, organization: str, folder: Path) -> None:
        self.organization = organization
        self.orders, self.lines = own_topic(), own_topic()
        make_topic(self.orders)
        make_topic(self.lines, partitions=2)
        paths: dict[str, str] = {}
        for topic, mapping in (
            (self.orders, NESTED | {"deletes": "cancel"}),
            (self.lines, GROUPED),
        ):
            path = folder / f"{topic}.json"
            path.write_text(json.dumps(mapping))
            paths[topic] = str(path)
        self.ingest = Ingest(
            stack=stack,
            env={
                "WINBACK_ERP_TOKENS": json.dumps({self.lines: make_token(organization)}),
                "WINBACK_ERP_MAPPINGS": json.dumps(paths),
            },
        )
        self.producer = Producer({"bootstrap.servers": settings().kafka})

    def put(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int = 0,
        token: str = "",
    ) -> None:
        headers: list[tuple[str, str | bytes | None]] = [
            ("AUTHORIZATION", f"Bearer {token}".encode())
        ]
        self.producer.produce(
            topic, value, key, partition=partition, headers=headers if token else []
        )

    def flush(self) -> None:
        assert self.producer.flush(30) == 0

    def newest(self, order: str) -> Order | None:
        """The version that counts."""
        versions = [one for one in landed(self.organization) if one.order == order]
        return max(versions, key=lambda one: (one.revision, one.content), default=None)


def test_changes_of_a_table_become_orders_and_deletes_cancel_them(
    shop: Shop, organization: str
) -> None:
    token = make_token(organization)
    for number in (1, 2):
        shop.put(shop.orders, debezium("c", row(number)), key(id=number), token=token)
    shop.put(shop.orders, debezium("c", row(3, state="gone")), key(id=3), token=token)
    shop.put(shop.orders, debezium("u", row(1, customer_no="C-8")), key(id=1), token=token)
    bare = row(2) | dict.fromkeys(("customer_no", "ordered_at", "lines"))
    shop.put(shop.orders, debezium("d", None, bare), key(id=2), token=token)
    shop.put(shop.orders, None, key(id=2), token=token)
    shop.put(shop.orders, b"no json", token=token)
    shop.put(shop.orders, debezium("c", row(4)), key(id=4), token=token)
    shop.flush()
    eventually(lambda: shop.newest("4"))
    newest = {number: shop.newest(number) for number in "1234"}
    assert newest["3"] is None
    assert newest["1"] is not None and newest["1"].account == "C-8"
    assert newest["2"] is not None and newest["2"].cancelled and len(newest["2"].lines) == 1
    letters = [letter_of(one) for one in records(dead_letters_of(shop.orders), 0)]
    assert [(letter.offset, letter.organization) for letter in letters] == [
        (2, organization),
        (6, organization),
    ]
    assert letters[0].reason.startswith("status (/state): gone is neither open nor cancelled")
    assert letters[1].reason.startswith("body: ")


def test_an_order_of_many_records_is_whole_though_its_reader_is_killed(shop: Shop) -> None:
    """Its lines lie in two partitions, and the reader dies in the middle."""
    for line in range(LINES):
        shop.put(shop.lines, jdbc_line(7, line, (line + 1) * 10_000), partition=line % 2)
        if line == LINES // 2:
            shop.flush()
            eventually(lambda: shop.newest("7"))
            shop.ingest.kill()
    shop.flush()
    shop.ingest.start()

    def is_whole() -> bool:
        order = shop.newest("7")
        return order is not None and len(order.lines) == LINES

    eventually(is_whole, what="all lines in the version that counts")
    order = shop.newest("7")
    assert order is not None
    assert sorted(line.revenue_cents for line in order.lines) == [
        100 * (line + 1) for line in range(LINES)
    ]


def test_what_was_said_of_orders_goes_with_its_organization(
    stack: Stack, shop: Shop, organization: str
) -> None:
    shop.put(shop.lines, jdbc_line(7, 1, 10_000))
    shop.flush()
    count = "SELECT count(*) FROM raw_orders WHERE organization = %s"
    with db.connect() as connection:
        eventually(lambda: connection.execute(count, (organization,)).fetchone() == (1,))
        connection.commit()
        connection.execute("DELETE FROM organizations WHERE organization = %s", (organization,))
        assert connection.execute(count, (organization,)).fetchone() == (0,)
        connection.rollback()


def test_a_mapping_that_cannot_be_right_stops_the_start_with_one_line(
    stack: Stack, tmp_path: Path
) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(NESTED | {"deletes": "perhaps"}))
    env = stack.env | {"WINBACK_ERP_MAPPINGS": json.dumps({"shop.orders": str(path)})}
    told = Stack(stack.home, env, stack.supervisor)
    ended = told.winback("serve", "ingest", check=False)
    assert ended.returncode == 2
    assert "WINBACK_ERP_MAPPINGS: shop.orders: deletes: must be refuse" in ended.stderr
