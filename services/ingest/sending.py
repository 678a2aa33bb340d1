"""Records of an import on their way to Kafka: many in flight, confirmed in their order."""

from collections import deque
from collections.abc import Callable
from typing import Any

from shared.errors import Retryable
from shared.kafka import Headers, Publisher, Sent

MOST_IN_FLIGHT = 64
PATIENCE_SECONDS = 120  # a broker that restarts costs an import no more than this wait
PRODUCER: dict[str, Any] = {
    "delivery.timeout.ms": PATIENCE_SECONDS * 1000,
    "queue.buffering.max.kbytes": 262_144,
}


class Sender:
    """Sends records of one topic to one partition. `on_confirmed(items, rows)` is
    called in the order of sending.
    """

    def __init__(
        self,
        publisher: Publisher,
        topic: str,
        partition: int,
        on_confirmed: Callable[[int, int], None],
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._partition = partition
        self._on_confirmed = on_confirmed
        self._in_flight: deque[tuple[Sent, int, int]] = deque()

    def send(
        self, value: bytes, *, items: int, rows: int, headers: Headers, key: bytes | None = None
    ) -> None:
        """One record that stands for `items` of the import and `rows`
        of its files. Raises Retryable.
        """
        while self._in_flight and (
            len(self._in_flight) >= MOST_IN_FLIGHT or self._in_flight[0][0].done.is_set()
        ):
            self._confirm_first()
        while True:
            try:
                sent = self._publisher.send(
                    self._topic, value, key=key, partition=self._partition, headers=headers
                )
                break
            except Retryable:
                if not self._in_flight:
                    raise
                self._confirm_first()
        self._in_flight.append((sent, items, rows))

    def finish(self) -> None:
        """Wait until Kafka has all of it. Raises Retryable."""
        while self._in_flight:
            self._confirm_first()

    def _confirm_first(self) -> None:
        sent, items, rows = self._in_flight[0]
        self._publisher.confirm([sent], timeout_seconds=PATIENCE_SECONDS + 10)
        self._in_flight.popleft()
        self._on_confirmed(items, rows)
