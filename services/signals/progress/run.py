"""Waiting for a run. What waits for more is catching_up; this needs PostgreSQL
alone, and starts fast.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from services.signals.store import positions, runs
from shared import db
from shared.errors import Retryable
from shared.partitions import partition_of
from shared.topics import ORDERS

POLL_SECONDS = 0.03
# so long PostgreSQL or Kafka may be away, killed and started again, while somebody waits
AWAY_SECONDS = 30.0
AGAIN_SECONDS = 0.3

T = TypeVar("T")


def wait_for_run(organization: str, number: int, *, timeout_seconds: float) -> runs.Run:
    """Until a run is complete, and all that it saw and found is in PostgreSQL. Raises Retryable
    when it takes longer.
    """
    until = time.monotonic() + timeout_seconds
    return patiently(lambda: _wait_for_run(organization, number, until), until)


def _wait_for_run(organization: str, number: int, until: float) -> runs.Run:
    partition = partition_of(organization)
    with db.connect() as connection:
        connection.autocommit = True

        def persisted() -> bool:
            run = runs.find(connection, organization, number)
            if run is None or run.completed_at is None or run.source_offset is None:
                return False
            return (
                positions.of(connection, positions.CONSUMER, ORDERS.name, partition)
                > run.source_offset
            )

        poll(persisted, until, f"run {number} is not complete")
        run = runs.find(connection, organization, number)
        assert run is not None
        return run


def patiently(wait: Callable[[], T], until: float) -> T:
    """Call `wait` again while what it needs is away, up to AWAY_SECONDS at a time and to `until`.
    Raises TimeIsUp, Retryable.
    """
    away_until = 0.0
    while True:
        began = time.monotonic()
        try:
            return wait()
        except TimeIsUp:
            raise
        except (Retryable, psycopg.OperationalError) as error:
            now = time.monotonic()
            # after so long a wait this is another outage
            if not away_until or now - began > AWAY_SECONDS:
                away_until = now + AWAY_SECONDS
            if now >= min(until, away_until):
                raise Retryable(str(error).strip()) from None
            time.sleep(AGAIN_SECONDS)


class TimeIsUp(Retryable):
    """What was waited for did not come in time."""


def poll(done: Callable[[], bool], until: float, otherwise: str) -> None:
    """Until `done`. Raises TimeIsUp with `otherwise` at `until`, in `time.monotonic()`."""
    while not done():
        if time.monotonic() > until:
            raise TimeIsUp(f"time is up: {otherwise}")
        time.sleep(POLL_SECONDS)
