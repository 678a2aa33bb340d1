"""The consumer's process on real Kafka: the log said again, a process that was
frozen, what cannot be read.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
import psycopg
import pytest

from services.signals.persist.routes import ROUTES
from services.signals.store import positions
from services.signals.store.positions import CONSUMER
from shared import db, kafka
from shared.applying import Route
from shared.consuming import consume
from shared.dead_letters import letter_of, read_one
from shared.errors import Retryable
from shared.events import ContactChanged
from shared.ids import record_key
from shared.records import Record
from shared.settings import settings
from shared.standing import Standing
from shared.topics import CONTACTS, ORDERS, SIGNALS, dead_letters_of
from tests.eventually import eventually
from tests.ingest.door import records
from tests.signals.builders import (
    block,
    completed,
    order,
    recovered,
    requested,
    signal_event,
    tables,
)
from tests.stack_fixtures import Stack


@contextmanager
def consuming(
    publisher: kafka.Publisher,
    routes: Sequence[Route] = ROUTES,
    on_ready: Callable[[bool, str], None] = lambda ready, reason: None,
    standing: Standing | None = None,
) -> Iterator[None]:
    """The consume loop in a thread, drained at the end."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def run(pool: Any) -> None:
        try:
            consume(
                consumer=CONSUMER,
                routes=routes,
                pool=pool,
                publisher=publisher,
                stop=stop,
                on_ready=on_ready,
                standing=standing,
            )
        except BaseException as error:
            failed.append(error)

    with db.pool("winback_worker") as pool:
        thread = threading.Thread(target=run, args=(pool,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)
    assert failed == []


def publish(
    publisher: kafka.Publisher, topic: str, organization: str, event: msgspec.Struct
) -> int:
    return publisher.publish(
        topic,
        msgspec.json.encode(event),
        key=organization.encode(),
        partition=kafka.partition_of(organization),
    )


def wait_for(connection: db.Connection, organization: str, ends: dict[str, int]) -> None:
    """Until the consumer has taken the records at these offsets."""
    partition = kafka.partition_of(organization)
    for topic, end in ends.items():
        wait_until_behind(connection, topic, partition, end)


def wait_until_behind(connection: db.Connection, topic: str, partition: int, offset: int) -> None:
    eventually(
        lambda: positions.of(connection, CONSUMER, topic, partition) > offset,
        what=f"a position behind {topic}/{partition}/{offset}",
    )


@pytest.fixture
def history(publisher: kafka.Publisher, tenant: str) -> dict[str, int]:
    """A run with its signals, an order that answers one, a contact; each topic's last offset."""
    ends = {
        ORDERS.name: publish(
            publisher,
            ORDERS.name,
            tenant,
            block(order(tenant, "SO-1"), order(tenant, "SO-2", account="A2")).event,
        )
    }
    ends[ORDERS.name] = run = publish(publisher, ORDERS.name, tenant, requested(tenant, 1))
    for event in (
        signal_event("opened", tenant, offset=run),
        signal_event("opened", tenant, offset=run, account="A2"),
        completed(tenant, 1, offset=run),
        recovered(tenant, offset=run + 1),
    ):
        ends[SIGNALS.name] = publish(publisher, SIGNALS.name, tenant, event)
    ends[ORDERS.name] = publish(
        publisher,
        ORDERS.name,
        tenant,
        block(order(tenant, "SO-1", revision=2, content="moved", account="A3")).event,
    )
    contact = ContactChanged(
        organization=tenant,
        contact="C1",
        account="A1",
        revision=1,
        email="c1@example.com",
        primary=True,
    )
    ends[CONTACTS.name] = publisher.publish(
        CONTACTS.name,
        msgspec.json.encode(contact),
        key=record_key(tenant, "C1"),
        partition=kafka.partition_of(tenant),
    )
    return ends


def test_the_log_read_again_gives_the_same_tables(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str, history: dict[str, int]
) -> None:
    with consuming(publisher):
        wait_for(connection, tenant, history)
    first = tables(connection, tenant)
    assert {table: len(found) for table, found in first.items()} == {
        "orders": 2, "accounts": 3, "contacts": 1, "feeds": 1, "runs": 1, "signals": 2,
        "episodes": 2, "sequences": 0, "sequence_steps": 0,
    }  # fmt: skip

    forget_positions(connection)
    with consuming(publisher):
        wait_for(connection, tenant, history)
    assert tables(connection, tenant) == first  # over what is there

    for table in ("episodes", "signals", "runs", "feeds", "contacts", "accounts", "orders"):
        connection.execute(f"DELETE FROM {table} WHERE organization = %s".encode(), (tenant,))
    forget_positions(connection)
    with consuming(publisher):
        wait_for(connection, tenant, history)
    assert tables(connection, tenant) == first  # from nothing


def forget_positions(connection: db.Connection) -> None:
    connection.execute("UPDATE positions SET next_offset = 0 WHERE consumer = %s", (CONSUMER,))


def test_a_process_that_was_frozen_writes_nothing_that_another_has_written(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str
) -> None:
    """Between reading a batch and its transaction the position moves on, as when another process
    has taken the partition.
    """
    partition = kafka.partition_of(tenant)
    written: list[int] = []
    frozen_once = threading.Event()

    def slow_decode(record: Record) -> Any:
        if record.partition == partition and record.offset == first and not frozen_once.is_set():
            frozen_once.set()
            with db.connect() as other:
                other.execute(
                    "UPDATE positions SET next_offset = %s "
                    "WHERE consumer = %s AND topic = %s AND partition = %s",
                    (first + 1, CONSUMER, ORDERS.name, partition),
                )
        return orders.decode(record)

    def watched(connection: db.Connection, records: list[Record]) -> None:
        written.extend(record.offset for record in records if record.partition == partition)
        orders.handle(connection, records)

    orders = next(route for route in ROUTES if route.topic == ORDERS.name)
    with consuming(publisher):
        wait_for(
            connection,
            tenant,
            {
                ORDERS.name: publish(
                    publisher, ORDERS.name, tenant, block(order(tenant, "SO-0")).event
                )
            },
        )
    first = kafka.end_offset(ORDERS.name, partition)
    routes = [
        replace(orders, decode=slow_decode, handle=watched),
        *(route for route in ROUTES if route is not orders),
    ]
    with consuming(publisher, routes):
        publish(publisher, ORDERS.name, tenant, block(order(tenant, "SO-1")).event)
        last = publish(publisher, ORDERS.name, tenant, block(order(tenant, "SO-2")).event)
        wait_for(connection, tenant, {ORDERS.name: last})
    assert frozen_once.is_set()
    assert first not in written
    assert written[-1] == last


def test_while_postgres_takes_nothing_the_process_lives_says_why_and_goes_on_where_it_was(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str
) -> None:
    """The server ends the connection under the handler, as when it has no space; records that came
    meanwhile keep their order.
    """
    failures, said = 3, list[tuple[bool, str]]()
    sent: list[int] = []
    written: list[int] = []

    def cut_off(inside: db.Connection, records: list[Record]) -> None:
        nonlocal failures
        orders.handle(inside, records)
        mine = [one.offset for one in records if one.partition == kafka.partition_of(tenant)]
        if mine and failures:
            failures -= 1
            sent.append(
                publish(
                    publisher, ORDERS.name, tenant, block(order(tenant, f"SO-{failures}")).event
                )
            )
            with psycopg.connect(settings().database_url) as server:
                server.execute("SELECT pg_terminate_backend(%s)", (inside.info.backend_pid,))
        else:
            written.extend(mine)

    orders = next(route for route in ROUTES if route.topic == ORDERS.name)
    routes = [replace(orders, handle=cut_off), *(route for route in ROUTES if route is not orders)]
    with consuming(publisher):
        wait_for(
            connection,
            tenant,
            {
                ORDERS.name: publish(
                    publisher, ORDERS.name, tenant, block(order(tenant, "before")).event
                )
            },
        )
    with consuming(publisher, routes, lambda ready, reason: said.append((ready, reason))):
        sent.append(publish(publisher, ORDERS.name, tenant, block(order(tenant, "SO-first")).event))
        wait_for(connection, tenant, {ORDERS.name: sent[0]})
        wait_for(connection, tenant, {ORDERS.name: max(sent)})
    assert failures == 0
    assert set(sent) <= set(written) and written == sorted(set(written))
    assert {row["order_id"] for row in tables(connection, tenant)["orders"]} == {
        "before",
        "SO-first",
        "SO-0",
        "SO-1",
        "SO-2",
    }
    reasons = [reason for ready, reason in said if not ready]
    assert len(reasons) >= 3 and all(reason.startswith("PostgreSQL: ") for reason in reasons)
    assert said[-1] == (True, "")


def put_aside_of(topic: str) -> list[tuple[int, int]]:
    """(partition, offset) of every record of the topic that is among the dead
    letters, other tests' too.
    """
    letters = [letter_of(record) for record in records(dead_letters_of(topic), 0)]
    return [(letter.partition, letter.offset) for letter in letters]


class Told(Standing):
    """Keeps what it is told of one partition."""

    def __init__(self, place: tuple[str, int]) -> None:
        super().__init__()
        self.place, self.words = place, list[str]()

    def waits(self, place: tuple[str, int], position: int) -> None:
        super().waits(place, position)
        self.words += ["waits"] * (place == self.place)

    def moves(self, place: tuple[str, int]) -> None:
        super().moves(place)
        self.words += ["moves"] * (place == self.place)


def test_a_process_that_is_started_again_and_has_nothing_to_read_does_not_stand(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str
) -> None:
    """The client knows no position of a partition before it has given a record of it."""
    end = publish(publisher, ORDERS.name, tenant, block(order(tenant, "SO-1")).event)
    with consuming(publisher):
        wait_for(connection, tenant, {ORDERS.name: end})
    told = Told((ORDERS.name, kafka.partition_of(tenant)))
    with consuming(publisher, standing=told):
        eventually(lambda: len(told.words) >= 3, what="three looks")
        assert set(told.words) == {"moves"}


def test_what_cannot_be_read_is_put_aside_once_and_the_partition_moves_on(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str
) -> None:
    """The detector, the first reader of orders, puts their records aside; the signals
    service those of signals.
    """
    partition = kafka.partition_of(tenant)
    elsewhere = next(p for p in range(settings().partitions) if p != partition)
    event = completed(tenant, 1, offset=1)
    unread = {
        topic: [
            (partition, publisher.publish(topic, value, partition=partition))
            for value in (b"{no json", b'{"type":"RunCompleted","version":2}', None)
        ]
        for topic in (ORDERS.name, SIGNALS.name)
    }
    foreign = publisher.publish(SIGNALS.name, msgspec.json.encode(event), partition=elsewhere)
    ends = {
        ORDERS.name: publish(publisher, ORDERS.name, tenant, block(order(tenant, "SO-1")).event),
        SIGNALS.name: publish(publisher, SIGNALS.name, tenant, event),
    }
    with consuming(publisher):
        wait_for(connection, tenant, ends)
        wait_until_behind(connection, SIGNALS.name, elsewhere, foreign)
    mine = {
        topic: {*places, (elsewhere, foreign)} if topic == SIGNALS.name else set(places)
        for topic, places in unread.items()
    }
    put_aside = {
        topic: sorted(place for place in put_aside_of(topic) if place in places)
        for topic, places in mine.items()
    }
    assert put_aside == {ORDERS.name: [], SIGNALS.name: sorted(mine[SIGNALS.name])}
    found = tables(connection, tenant)
    assert (
        [row["order_id"] for row in found["orders"]],
        [row["number"] for row in found["runs"]],
    ) == (["SO-1"], [1])


def test_a_record_that_an_operator_skips_is_put_aside_noted_and_passed_by(
    stack: Stack, publisher: kafka.Publisher, connection: db.Connection, tenant: str
) -> None:
    """Its partition is held, whatever is tried; then it goes on, and nobody takes the record."""
    partition, taken = kafka.partition_of(tenant), list[str]()
    poison = publish(publisher, ORDERS.name, tenant, block(order(tenant, "POISON")).event)
    last = publish(publisher, ORDERS.name, tenant, block(order(tenant, "GOOD")).event)

    def handle(_: db.Connection, records: list[Record]) -> None:
        names = [one.order for record in records for one in getattr(record.event, "orders", ())]
        if "POISON" in names:
            raise Retryable("this one cannot be taken")
        taken.extend(names)

    routes = [replace(route, handle=handle) for route in ROUTES if route.topic == ORDERS.name]
    standing = Standing()
    with consuming(publisher, routes, standing=standing):
        eventually(lambda: "this one cannot" in standing.why(), what="a partition that is held")
        place = (ORDERS.name, str(partition), str(poison))
        done = stack.winback("skip", *place, "--reason", "it ends everything", "--json")
        wait_until_behind(connection, ORDERS.name, partition, last)
    assert "GOOD" in taken
    assert "POISON" not in taken
    letter = read_one(json.loads(done.stdout)["dead_letter"])
    assert (letter.topic, letter.offset, letter.consumer) == (ORDERS.name, poison, "operator")
    noted = connection.execute(
        "SELECT action, subject, detail ->> 'reason' FROM audit_log "
        "WHERE organization = %s AND action = 'record skipped'",
        (tenant,),
    ).fetchall()
    subject = f"{ORDERS.name}/{partition}@{poison}"
    assert noted == [("record skipped", subject, "it ends everything")]
    missing = stack.winback("skip", ORDERS.name, str(partition), "999999", check=False)
    assert missing.returncode == 2, missing
    assert "the log does not reach so far" in missing.stderr
