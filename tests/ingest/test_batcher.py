"""What waits for Kafka is bounded, and a sender hears at once of a Kafka that is away."""

import asyncio

import httpx
import pytest

from services.ingest import batcher as batching
from services.ingest.batcher import Batcher, Overloaded
from shared import kafka
from shared.errors import Retryable
from shared.kafka import Publisher
from shared.settings import settings
from shared.topics import ORDERS
from tests.children import stopped
from tests.ingest.door import Ingest, landed, records
from tests.ingest.test_acceptance import ORDER, accepted
from tests.stack_fixtures import Stack


def test_more_than_the_bound_is_overload_and_a_failure_is_told_at_once_for_a_while(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MOST_WAITING_BYTES", 1_000)
    order = accepted(ORDER).encoded
    broker = stack.service("kafka")["pid"]

    async def story() -> None:
        publisher = Publisher(extra={"delivery.timeout.ms": 3000})
        batcher = Batcher(publisher, linger_ms=1)
        await until_taken(batcher, order)
        with stopped(broker):
            waiting = asyncio.create_task(batcher.put_orders("one", 0, [order] * 600))
            await asyncio.sleep(0)  # it waits for the broker
            with pytest.raises(Overloaded):
                await batcher.put_orders("one", 0, [order])
            with pytest.raises(Retryable):
                await waiting
            with pytest.raises(Retryable, match="does not take"):
                await batcher.put_orders("one", 0, [order])
        await until_taken(batcher, order)
        publisher.close()

    asyncio.run(asyncio.wait_for(story(), 60))


async def until_taken(batcher: Batcher, order: bytes) -> None:
    """A broker that just started, or woke up, may take longer than this sender waits."""
    while True:
        try:
            await batcher.put_orders("one", 0, [order])
            return
        except Retryable:
            await asyncio.sleep(0.1)


def test_an_order_by_itself_waits_for_nobody_and_what_comes_meanwhile_shares_a_block(
    stack: Stack, organization: str
) -> None:
    encoded = [
        accepted(ORDER | {"order": f"O-{number}"}).encoded.replace(
            b'"acme"', f'"{organization}"'.encode()
        )
        for number in range(4)
    ]
    partition = kafka.partition_of(organization)

    async def story() -> None:
        publisher = Publisher()
        batcher = Batcher(publisher, linger_ms=10 * 60 * 1000)
        first = asyncio.create_task(batcher.put_orders("one", partition, encoded[:1]))
        await asyncio.sleep(0)  # it is gathered
        await asyncio.sleep(0)  # and sent
        await asyncio.gather(
            first, *(batcher.put_orders("one", partition, [order]) for order in encoded[1:])
        )
        publisher.close()

    asyncio.run(asyncio.wait_for(story(), 60))
    held = [record.value or b"" for record in records(ORDERS.name, partition)]
    sizes = [
        size for value in held if (size := value.count(f'"organization":"{organization}"'.encode()))
    ]
    assert sizes == [1, 3]


def test_a_request_that_needs_several_blocks_is_answered_when_all_are_in(
    stack: Stack, organization: str
) -> None:
    orders = [accepted(ORDER | {"order": f"O-{number}"}) for number in range(1_200)]
    encoded = [one.encoded.replace(b'"acme"', f'"{organization}"'.encode()) for one in orders]

    async def story() -> None:
        publisher = Publisher()
        batcher = Batcher(publisher, linger_ms=settings().ingest_linger_ms)
        partition = kafka.partition_of(organization)
        await asyncio.gather(
            *(
                batcher.put_orders("one", partition, encoded[start : start + 400])
                for start in (0, 400, 800)
            )
        )
        publisher.close()

    asyncio.run(asyncio.wait_for(story(), 60))
    assert [order.order for order in landed(organization)] == [one.id for one in orders]


def test_without_postgresql_it_says_503_and_drains(stack: Stack) -> None:
    ingest = Ingest(
        stack=stack, env={"WINBACK_DATABASE_URL": "postgresql://winback@127.0.0.1:1/winback"}
    )
    ingest.start(ready=False)
    try:
        answer = ingest.post("orders", ORDER, token="wb_any")
        assert (answer.status_code, answer.headers["content-type"]) == (
            503,
            "application/problem+json",
        )
        assert int(answer.headers["retry-after"]) > 0
        assert httpx.get(f"{ingest.url}/readyz", timeout=10).status_code == 503
        assert ingest.stop() == 0
    finally:
        ingest.kill()
