"""What comes in: twice, shuffled, a year late; what nobody can read, between what everybody can;
and from newer producers.
"""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from services.signals.actions import tokens
from shared import db, kafka
from shared.events import Order
from shared.partitions import partition_of
from shared.records import Record
from shared.settings import settings
from shared.topics import ERP_ORDERS, ORDERS, dead_letters_of
from winback.chaos import log, oracles, store
from winback.chaos.erp import ACTOR, insist
from winback.chaos.scenarios import Scenario
from winback.chaos.stories import Batch, RawOrder, Run, Save, Step
from winback.chaos.world import World

STEPS_AT_MOST = 160
STORIES_AT_MOST = 4
AGAIN_SHARE = 0.3  # of all versions come a second time
BATCH = 100
NEWER_STEPS = 40
REMEMBERED_SECONDS = 11.0  # ingest remembers what a token may do for ten
POISON_AT_MOST = 120  # below what makes a consumer say that the deploy is bad


def disorder(world: World) -> None:
    """7: live orders first, then the year before them, 30 % of all twice, all of it shuffled: the
    same signals as in order.
    """
    until, twice = time.monotonic() + world.seconds, 0
    for number in range(STORIES_AT_MOST):
        if number and time.monotonic() > until:
            break
        steps = list(itertools.islice(world.story(number).steps(), STEPS_AT_MOST))
        orders = [order for step in steps if isinstance(step, Batch) for order in step.orders]
        live = orders[-len(orders) // 4 :]
        again = world.chance.sample(orders, k=int(len(orders) * AGAIN_SHARE))
        twice += len(again)
        year = orders[: -len(orders) // 4] + again
        world.chance.shuffle(year)
        world.chance.shuffle(live)
        days = [step.as_of for step in steps if isinstance(step, Run)]
        saves: list[Step] = [step for step in steps if isinstance(step, Save)]
        teller = world.teller()
        teller.tell(
            [*saves, *in_batches(live), Run(as_of=days[0]), *in_batches(year), Run(as_of=days[-1])]
        )
        day = oracles.settle(teller.history)
        world.findings.add(oracles.settled(teller.history))
        world.tell_again(teller.history, as_of=day, steps=steps, active_only=True)
    world.figures["came twice"] = str(twice)
    world.figures["differing rows"] = str(len(world.findings.differing))


def in_batches(orders: list[RawOrder]) -> Iterator[Step]:
    """Requests; one holds an order once."""
    waiting: dict[str, RawOrder] = {}
    for order in orders:
        if order["order"] in waiting or len(waiting) == BATCH:
            yield Batch(orders=tuple(waiting.values()))
            waiting = {}
        waiting[order["order"]] = order
    if waiting:
        yield Batch(orders=tuple(waiting.values()))


def poison(world: World) -> None:
    """8: bad JSON, unknown versions, a megabyte of nothing, another partition's
    organization, a tombstone; and raw orders with a token that is revoked, which go in once
    it is not and they are replayed.
    """
    partitions = range(settings().partitions)
    before = kafka.end_offset(dead_letters_of(ORDERS.name), 0)
    injected: dict[tuple[int, int], bytes | None] = {}
    publisher = kafka.Publisher()
    with world.telling() as tellers:
        until = time.monotonic() + world.seconds
        while len(injected) < POISON_AT_MOST and time.monotonic() < until:
            partition = world.chance.choice(partitions)
            value = world.chance.choice(poisons(tellers[0].organization, other_than(partition)))
            injected[partition, publisher.publish(ORDERS.name, value, partition=partition)] = value
            world.pause(0.0, 0.3)
        replayed = put_right(world, publisher)
    publisher.close()
    check_letters(world, injected, before)
    world.figures["replayed"] = str(replayed)


def mixed_producers(world: World) -> None:
    """15: an organization whose producer is newer: its blocks, orders and lines have fields that
    nobody here knows, and between them come versions and types that nobody here knows. What can be
    read counts like the same from a producer of today.
    """
    before = kafka.end_offset(dead_letters_of(ORDERS.name), 0)
    injected: dict[tuple[int, int], bytes | None] = {}
    publisher = kafka.Publisher()
    with world.telling():
        today, newer = world.teller(), world.teller()
        today.tell(itertools.islice(world.story(80).steps(), NEWER_STEPS))
        known = {(order.order, order.revision): order for order in log.orders(today.organization)}
        partition = partition_of(newer.organization)
        until, blocks = time.monotonic() + world.seconds, 0
        for step in today.history.steps:
            if not isinstance(step, Batch):
                newer.tell_one(step)
                continue
            orders = [
                newer_order(known[order["order"], order["revision"]], newer.organization)
                for order in step.orders
            ]
            block = {
                "type": "OrdersAccepted",
                "version": 1,
                "accepted_at": "2026-01-01T00:00:00Z",
                "orders": orders,
                "region": "EU",
            }
            for unknown in ({"version": 2}, {"version": 1_000}, {"type": "OrdersPriced"}):
                if len(injected) < POISON_AT_MOST and world.chance.random() < 0.5:
                    value = json.dumps(block | unknown).encode()
                    injected[
                        partition, publisher.publish(ORDERS.name, value, partition=partition)
                    ] = value
            publisher.publish(ORDERS.name, json.dumps(block).encode(), partition=partition)
            newer.history.accepted(step.orders)
            blocks += 1
            world.pause(0.0, max(0.0, min(0.5, (until - time.monotonic()) / NEWER_STEPS)))
    publisher.close()
    day = oracles.settle(today.history)
    oracles.settle(newer.history, as_of=day)
    world.findings.add(oracles.settled(today.history))
    world.findings.add(oracles.settled(newer.history))
    world.findings.add(oracles.compared(today.organization, newer.organization))
    check_letters(world, injected, before)
    world.figures["blocks with unknown fields"] = str(blocks)


def newer_order(order: Order, organization: str) -> dict[str, Any]:
    """As a later producer might say it, for another organization."""
    said: dict[str, Any] = msgspec.to_builtins(order) | {
        "organization": organization,
        "priority": {"level": 3},
    }
    return said | {
        "lines": [line | {"weight_kg": "12.5", "tags": ["new"]} for line in said["lines"]]
    }


def check_letters(world: World, injected: dict[tuple[int, int], bytes | None], before: int) -> None:
    """Each record that was injected is a dead letter, byte for byte, with its
    reason, and nothing else is.
    """
    letters = {
        place_of(record): record
        for record in log.records(dead_letters_of(ORDERS.name), 0, first=before)
    }
    missing = 0
    for place, value in injected.items():
        letter = letters.pop(place, None)
        if letter is None or letter.value != value or not dict(letter.headers).get("dead_reason"):
            missing += 1
            world.findings.lost.append(
                f"H: the record at {place} is not in the dead letters as it was, with its reason"
            )
    world.findings.doubled += [
        f"H: a dead letter from {place} that nobody injected" for place in letters
    ]
    world.figures["dead letters / injected"] = f"{len(injected) - missing} / {len(injected)}"


def poisons(organization: str, elsewhere: str) -> list[bytes | None]:
    """One of each kind."""
    order = {
        "organization": elsewhere,
        "order": "X-1",
        "account": "A-1",
        "ordered_on": "2026-01-01",
        "counts_on": "2026-01-01",
    }
    order |= {"revision": 1, "content": "00" * 32, "lines": [{"revenue_cents": 100}]}  # type: ignore[dict-item]  # JSON is like that
    block = {
        "type": "OrdersAccepted",
        "version": 1,
        "accepted_at": "2026-01-01T00:00:00Z",
        "orders": [order],
    }
    return [
        b"{",
        b"\xff\xfe\x00",
        None,
        b"",
        b"null",
        b'"' + b"x" * 1_000_000 + b'"',
        b"[" * 5_000,
        json.dumps({"type": "OrdersForgotten", "organization": organization}).encode(),
        json.dumps(block | {"version": 2}).encode(),
        json.dumps(block | {"orders": [{"organization": organization}]}).encode(),
        json.dumps(block).encode(),  # readable, and another partition's
    ]


def other_than(partition: int) -> str:
    """An organization that lives in another partition."""
    return next(
        name
        for name in map("elsewhere-{}".format, itertools.count())
        if partition_of(name) != partition
    )


def put_right(world: World, publisher: kafka.Publisher) -> int:
    """Raw orders with a revoked token: dead letters, until the token is good again and they are
    replayed. Returns how many.
    """
    history, _ = world.organization()

    def token() -> str:
        with db.connect() as connection:
            made = tokens.create(
                connection, history.organization, name="raw", scopes=["orders:write"], by=ACTOR
            )
            store.revoke(connection, history.organization, "raw")
        return made

    header = [("authorization", f"Bearer {insist(token)}".encode())]
    dead = dead_letters_of(ERP_ORDERS.name)
    before = kafka.end_offset(dead, 0)
    batches = [
        step for step in itertools.islice(world.story(90).steps(), 8) if isinstance(step, Batch)
    ]
    for batch in batches:
        publisher.publish(
            ERP_ORDERS.name, json.dumps({"orders": batch.orders}).encode(), headers=header
        )
    world.wait_until(lambda: kafka.end_offset(dead, 0) >= before + len(batches))
    letters = list(log.records(dead, 0, first=before))
    with db.connect() as connection:
        store.unrevoke(connection, history.organization, "raw")
    time.sleep(REMEMBERED_SECONDS)
    done = world.machine.winback(
        "dead-letters", "replay", *(f"{dead}/0/{letter.offset}" for letter in letters)
    )
    assert done.returncode == 0, done.stderr
    for batch in batches:
        history.accepted(batch.orders)
    wanted = {(order["order"], order["revision"]) for batch in batches for order in batch.orders}
    since = time.monotonic()
    world.recovered_when(
        lambda: wanted <= {(one.order, one.revision) for one in log.orders(history.organization)},
        since=since,
    )
    oracles.settle(history)
    world.findings.add(oracles.settled(history))
    return len(letters)


def place_of(record: Record) -> tuple[int, int]:
    """Where a dead letter came from."""
    headers = dict(record.headers)
    return int(headers["dead_partition"]), int(headers["dead_offset"])


SCENARIOS = (
    Scenario(
        name="disorder",
        number=7,
        does="30 % twice, shuffled, a year's backfill after live orders",
        run=disorder,
    ),
    Scenario(
        name="poison",
        number=8,
        does="records that nobody can read, between those that everybody can",
        run=poison,
    ),
    Scenario(
        name="mixed-producers",
        number=15,
        does="producers of today and of tomorrow, unknown versions between",
        run=mixed_producers,
    ),
)
