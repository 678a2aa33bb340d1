"""Raw topics while ingest is killed: records that fit no limit, and batches with good and bad
orders.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import Producer

from shared import db, kafka, kafka_access
from shared.dead_letters import letter_of
from shared.events import OrdersAccepted, OrdersRecord
from shared.partitions import partition_of
from shared.records import Record
from shared.settings import settings
from shared.topics import (
    ERP_ORDERS,
    LARGEST_DEAD_LETTER_BYTES,
    LARGEST_RECORD_BYTES,
    MEGABYTE,
    ORDERS,
    dead_letters_of,
)
from winback.chaos import log, store
from winback.chaos.scenarios import Scenario
from winback.chaos.world import World

CONSUMER = "ingest-erp"
LARGEST_REQUEST_BYTES = 95 * MEGABYTE  # that a broker of any setting reads: 100 MB by default
LIMITS = {
    "topic": LARGEST_RECORD_BYTES,
    "producer and dead-letter topic": LARGEST_DEAD_LETTER_BYTES,
    "broker": LARGEST_REQUEST_BYTES - 2 * MEGABYTE,
}
AROUND = (-2_000, 0, 2_000)
DECODE = msgspec.json.Decoder(OrdersRecord).decode

Place = tuple[int, int]


def raw_topics(world: World) -> None:
    """8: every good order is in `orders` once, every poison among the dead letters, and every
    partition at its end.
    """
    history, token = world.organization()
    headers = [("authorization", f"Bearer {token}".encode())]
    dead, producer = dead_letters_of(ERP_ORDERS.name), connector()
    before = {
        number: kafka.end_offset(ERP_ORDERS.name, number) for number in range(settings().partitions)
    }
    dead_before = kafka.end_offset(dead, 0)
    sizes = [limit + more for limit in LIMITS.values() for more in AROUND]
    world.chance.shuffle(sizes)
    wanted, poisoned = Counter[str](), set[Place]()
    until, number = time.monotonic() + world.seconds, 0
    while time.monotonic() < until or sizes:
        for _ in range(world.chance.randint(5, 30)):
            number += 1
            good = [f"R-{number}-{one}" for one in range(world.chance.randint(0, 4))]
            is_bad = world.chance.random() < 0.4 or not good
            value = json.dumps(
                [*map(an_order, good), *([{"order": f"BAD-{number}"}] if is_bad else [])]
            ).encode()
            place = put(producer, value, headers, number % settings().partitions)
            wanted.update(good)
            poisoned |= {place} if is_bad else set()
        if sizes:
            size = sizes.pop()
            large = world.chance.random() < 0.3
            value = b"{" if large else b"[" + b" " * (size - 1)
            own = [*headers, ("x-large", b"h" * (size - 1))] if large else headers
            poisoned.add(put(producer, value, own, number % settings().partitions))
        world.pause(0.0, 0.4)
        if world.chance.random() < 0.5:
            kill_ingest(world)
    ends = {partition: kafka.end_offset(ERP_ORDERS.name, partition) for partition in before}
    world.wait_until(lambda: positions() >= ends.items())
    world.machine.wait_ready()
    check_orders(world, wanted, times_in_orders(history.organization))
    letters = [letter_of(record) for record in log.records(dead, 0, first=dead_before)]
    check_letters(world, poisoned, {(one.partition, one.offset) for one in letters})
    world.figures["good orders"] = str(sum(wanted.values()))
    world.figures["dead letters / poison"] = (
        f"{len({(one.partition, one.offset) for one in letters})} / {len(poisoned)}"
    )
    world.figures["cut"] = str(len({(one.partition, one.offset) for one in letters if one.cut}))


def kill_ingest(world: World) -> None:
    """kill -9, until another has begun."""
    since, pid = time.monotonic(), world.machine.kill("ingest")
    world.machine.wait_gone(pid)
    world.recovered_when(lambda: world.machine.pid("ingest") not in (None, pid), since=since)


def an_order(name: str) -> dict[str, Any]:
    """As an ERP sends it."""
    lines = [{"product": "casing", "revenue": "10.00"}]
    return {
        "order": name,
        "account": "A-1",
        "ordered_on": "2026-01-05",
        "revision": 1,
        "lines": lines,
    }


def connector() -> Producer:
    """One that compresses well and knows no limit."""
    options = {
        "compression.type": "zstd",
        "message.max.bytes": LARGEST_REQUEST_BYTES,
        "acks": "all",
    }
    return Producer(kafka_access.client() | options)


def put(
    producer: Producer, value: bytes, headers: Sequence[tuple[str, bytes]], partition: int
) -> Place:
    """A raw record, confirmed; where it lies."""
    places: list[int | None] = []
    producer.produce(
        ERP_ORDERS.name,
        value,
        partition=partition,
        headers=list(headers),
        on_delivery=lambda error, message: places.append(None if error else message.offset()),
    )
    producer.flush(60)
    assert places and places[0] is not None, f"{len(value)} bytes were not taken"
    return partition, places[0]


def positions() -> Any:
    """partition -> the next raw record, as items."""
    with db.connect() as connection:
        return store.positions(connection, CONSUMER, ERP_ORDERS.name).items()


def times_in_orders(organization: str) -> "Counter[str]":
    """How often each order is there."""
    return Counter(
        order
        for record in log.records(ORDERS.name, partition_of(organization))
        for order in names_in(record, organization)
    )


def names_in(record: Record, organization: str) -> list[str]:
    """The organization's orders in a block; none in what is no block."""
    try:
        event = DECODE(record.value or b"")
    except msgspec.MsgspecError:
        return []
    these = event.orders if isinstance(event, OrdersAccepted) else ()
    return [order.order for order in these if order.organization == organization]


def check_orders(world: World, wanted: "Counter[str]", found: "Counter[str]") -> None:
    """Each exactly once."""
    world.findings.lost += [f"H: {name} is not in orders" for name in wanted if not found[name]]
    world.findings.doubled += [
        f"H: {name} is {times} times in orders"
        for name, times in found.items()
        if times > wanted[name]
    ]


def check_letters(world: World, poisoned: set[Place], found: set[Place]) -> None:
    """Each poison, and nothing else."""
    world.findings.lost += [
        f"H: the record at {place} is not among the dead letters"
        for place in sorted(poisoned - found)
    ]
    world.findings.doubled += [
        f"H: the record at {place} was put aside, and is right"
        for place in sorted(found - poisoned)
    ]


SCENARIOS = (
    Scenario(
        name="raw-topics",
        number=8,
        does="raw records over every limit, good and bad orders in one, ingest killed",
        run=raw_topics,
    ),
)
