"""Waiting for a run. What waits for more is catching_up; this needs PostgreSQL alone, and starts fast."""

import time
from collections.abc import Callable

from services.signals.store import positions, runs
from shared import db
from shared.errors import Retryable
from shared.partitions import partition_of
from shared.topics import ORDERS

POLL_SECONDS = 0.03


def wait_for_run(connection: db.Connection, organization: str, number: int, *, timeout_seconds: float) -> runs.Run:
    """Until a run is complete, and all that it saw and found is in PostgreSQL. Raises Retryable when it takes longer."""
    connection.autocommit = True
    partition = partition_of(organization)

    def persisted() -> bool:
        run = runs.find(connection, organization, number)
        if run is None or run.completed_at is None or run.source_offset is None:
            return False
        return positions.of(connection, positions.CONSUMER, ORDERS.name, partition) > run.source_offset

    poll(persisted, time.monotonic() + timeout_seconds, f"run {number} is not complete")
    run = runs.find(connection, organization, number)
    assert run is not None
    return run


def poll(done: Callable[[], bool], until: float, otherwise: str) -> None:
    """Until `done`. Raises Retryable with `otherwise` at `until`, in `time.monotonic()`."""
    while not done():
        if time.monotonic() > until:
            raise Retryable(f"time is up: {otherwise}")
        time.sleep(POLL_SECONDS)
