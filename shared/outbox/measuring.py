"""The gauges of an outbox, and the chores that are done beside it now and then."""

import threading
import time
from collections.abc import Callable
from datetime import datetime

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from shared import clock, db, metrics
from shared.errors import said
from shared.outbox import store
from shared.outbox.table import Outbox

log = structlog.get_logger()

MEASURE_EVERY_SECONDS = 5.0
TIDY_EVERY_SECONDS = 3600.0


def measure(
    outbox: Outbox,
    pool: ConnectionPool[db.Connection],
    stop: threading.Event,
    *,
    tidy: Callable[[db.Connection, datetime], object],
    now: Callable[[], datetime] = clock.now,
) -> None:
    """Until `stop`: the outbox's gauges; at the start and each hour `tidy`, in a transaction."""
    for state in ("sent", "retry", "bounced", "unknown"):
        metrics.MAILS.labels(outbox.name, state)
    metrics.MAILS_AMBIGUOUS.labels(outbox.name)
    metrics.MAIL_DELAY_SECONDS.labels(outbox.name)
    tidied: float | None = None
    while not stop.is_set():
        try:
            with pool.connection() as connection:
                if tidied is None or time.monotonic() - tidied > TIDY_EVERY_SECONDS:
                    tidy(connection, now())
                    tidied = time.monotonic()
                set_gauges(connection, outbox, now())
        except psycopg.OperationalError as error:
            log.warning("the outbox is not measured", reason=said(error))
        stop.wait(MEASURE_EVERY_SECONDS)


def set_gauges(connection: db.Connection, outbox: Outbox, now: datetime) -> None:
    """How many mails wait in which state, and the age of the oldest."""
    pending = store.pending(connection, outbox)
    for state in store.PENDING_STATES:
        waiting = pending[state][0] if state in pending else 0
        metrics.OUTBOX_MAILS.labels(outbox.name, state).set(waiting)
    oldest = min((at for _, at in pending.values()), default=now)
    metrics.OUTBOX_OLDEST_SECONDS.labels(outbox.name).set((now - oldest).total_seconds())
