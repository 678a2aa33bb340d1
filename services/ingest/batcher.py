"""Gathers what concurrent requests accepted into blocks, and tells each when Kafka has its part.

A block leaves at once where none of its partition is under way; while one is, what comes is
gathered, until that is confirmed, a linger is over, or the block is full. So one order by itself
waits for nobody, and many at once share a record.

Lives in the event loop: nothing here blocks, and nothing is shared with another thread
except librdkafka's own queue.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from services.ingest import blocks
from shared import clock, kafka, request_ids, tracing
from shared.errors import Retryable, TooLarge
from shared.kafka import Publisher, Sent
from shared.topics import ORDERS

MOST_WAITING_BYTES = (
    64_000_000  # on their way to Kafka; more than this and senders are asked to slow down
)
MOST_WAITING_BYTES_OF_ONE = MOST_WAITING_BYTES // 2  # organization
BROKEN_SECONDS = (
    1.0  # after a failure, so long nobody waits for Kafka in vain: they are told at once
)


class Overloaded(Exception):
    """More is waiting than is taken: 429. It says what, where it is the organization's own."""


@dataclass(kw_only=True, eq=False)
class Ticket:
    """A request that waits for its records."""

    future: "asyncio.Future[None]"
    open_records: int = 0
    error: Retryable | None = None

    def done(self, error: Retryable | None) -> None:
        """One of its records is confirmed or failed; at the last, the request goes on."""
        self.error = self.error or error
        self.open_records -= 1
        if self.open_records == 0 and not self.future.done():
            if self.error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(self.error)


@dataclass(kw_only=True)
class Gathering:
    """A block in the making. `tickets` may name one several times over: a
    dict keeps them once, in order.
    """

    orders: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    tickets: dict[int, Ticket] = field(default_factory=dict)
    causes: list[Any] = field(default_factory=list)  # spans of the requests, where traces are on
    requests: list[str] = field(default_factory=list)  # ids of the requests
    timer: asyncio.Handle | None = None


class Batcher:
    """Puts orders into blocks, and other records as they are; returns when
    every in-sync replica has them.
    """

    def __init__(self, publisher: Publisher, *, linger_ms: int) -> None:
        self._publisher = publisher
        self._linger_seconds = linger_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._gathering: dict[int, Gathering] = {}
        self._under_way: Counter[int] = (
            Counter()
        )  # blocks of a partition that Kafka has not confirmed
        self._waiting_bytes = 0
        self._waiting_bytes_of: Counter[str] = Counter()
        self._broken_until = 0.0

    async def put_orders(self, organization: str, partition: int, orders: list[bytes]) -> None:
        """Raises Overloaded, Retryable."""
        with self._admitted(organization, sum(map(len, orders))):
            await self._gather(partition, orders)

    async def _gather(self, partition: int, orders: list[bytes]) -> None:
        ticket = Ticket(future=self._loop.create_future())
        for order in orders:
            gathering = self._gathering.get(partition)
            if gathering is not None and not blocks.fits(
                len(gathering.orders), gathering.size_bytes, len(order)
            ):
                self._flush(partition)
                gathering = None
            if gathering is None:
                gathering = self._gathering[partition] = Gathering()
                if self._under_way[partition]:
                    gathering.timer = self._loop.call_later(
                        self._linger_seconds, self._flush, partition
                    )
                else:
                    gathering.timer = self._loop.call_soon(
                        self._flush, partition
                    )  # with what else came in this turn of the loop
            if id(ticket) not in gathering.tickets:
                gathering.tickets[id(ticket)] = ticket
                ticket.open_records += 1
                if (cause := tracing.here()) is not None:
                    gathering.causes.append(cause)
                gathering.requests += request_ids.current()
            gathering.orders.append(order)
            gathering.size_bytes += len(order)
            if len(gathering.orders) == blocks.MOST_ORDERS:
                self._flush(partition)
        await ticket.future

    async def put_records(
        self,
        organization: str,
        topic: str,
        partition: int,
        records: list[tuple[bytes, bytes, kafka.Headers]],
    ) -> None:
        """(key, value, headers), each a record of its own. Raises Overloaded, Retryable."""
        with self._admitted(organization, sum(len(value) for _, value, _ in records)):
            ticket = Ticket(future=self._loop.create_future(), open_records=len(records))
            for key, value, headers in records:
                self._send(topic, partition, value, [ticket], key=key, headers=headers)
            await ticket.future

    def flush_all(self) -> None:
        """Send what is gathered now: the process is about to end."""
        for partition in list(self._gathering):
            self._flush(partition)

    @contextmanager
    def _admitted(self, organization: str, size_bytes: int) -> Iterator[None]:
        """What is bounded is what waits before: a request by itself is never too large."""
        if time.monotonic() < self._broken_until:
            raise Retryable("Kafka does not take records")
        if self._waiting_bytes_of[organization] > MOST_WAITING_BYTES_OF_ONE:
            raise Overloaded("as much of your organization waits as may wait")
        if self._waiting_bytes > MOST_WAITING_BYTES:
            raise Overloaded
        self._waiting_bytes += size_bytes
        self._waiting_bytes_of[organization] += size_bytes
        try:
            yield
        finally:
            self._waiting_bytes -= size_bytes
            self._waiting_bytes_of[organization] -= size_bytes
            if not self._waiting_bytes_of[organization]:
                del self._waiting_bytes_of[organization]

    def _flush(self, partition: int) -> None:
        gathering = self._gathering.pop(partition, None)
        if gathering is None:
            return
        if gathering.timer is not None:
            gathering.timer.cancel()
        self._under_way[partition] += 1
        value = blocks.block(gathering.orders, clock.now())
        with tracing.sending(ORDERS.name, gathering.causes):
            self._send(
                ORDERS.name,
                partition,
                value,
                list(gathering.tickets.values()),
                headers=blocks.headers(value, gathering.requests),
                then=lambda: self._confirmed(partition),
            )

    def _confirmed(self, partition: int) -> None:
        """A block is in, or was given up: what was gathered meanwhile goes."""
        self._under_way[partition] -= 1
        if not self._under_way[partition]:
            self._flush(partition)

    def _send(
        self,
        topic: str,
        partition: int,
        value: bytes,
        tickets: list[Ticket],
        *,
        headers: kafka.Headers,
        key: bytes | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Hand one record to librdkafka; its answer comes back into
        the loop, and `then` follows it.
        """

        def answered(sent: Sent) -> None:
            self._loop.call_soon_threadsafe(self._answered, tickets, sent.error, then)

        try:
            self._publisher.send(
                topic, value, key=key, partition=partition, headers=headers, on_done=answered
            )
        except Retryable as error:
            self._answered(tickets, error, then)

    def _answered(
        self,
        tickets: list[Ticket],
        error: Retryable | None,
        then: Callable[[], None],
    ) -> None:
        if error is not None and not isinstance(error, TooLarge):  # that is its sender's alone
            self._broken_until = time.monotonic() + BROKEN_SECONDS
        for ticket in tickets:
            ticket.done(error)
        then()
