"""The clock's process: one leader by an advisory lock, the others stand by.

The lock, LISTEN and all writes share one connection: who loses the lead can write
nothing more. A leader that is frozen says nothing on it, and PostgreSQL ends the
session, so that another takes over.
"""

import contextlib
import threading
import time
from collections.abc import Callable

import psycopg
import structlog

from services.signals.clock import auditor, firing, measures
from services.signals.store import purge
from services.signals.store.run_requests import CLOCK_CHANNEL, CLOCK_LOCK
from shared import clock, db, kafka, metrics, process
from shared.errors import Retryable, said
from shared.health import Readiness
from shared.needs import SameLog
from shared.same_log import READ_MODEL
from shared.settings import settings
from shared.topics import ORDERS

log = structlog.get_logger()

LOOK_SECONDS = 1.0
POLL_SECONDS = 0.25
STAND_BY_SECONDS = 0.5
RETRY_SECONDS = 1.0
DRAIN_SECONDS = 20.0
ANSWER_SECONDS = 15.0  # for one statement of the leader; then another connection is tried
CLEAN_EVERY_SECONDS = 3_600.0
SILENT_AT_MOST = "15s"  # after this PostgreSQL ends a leader's session


def main() -> None:
    """Run until SIGTERM; the tick under way is finished first."""
    process.configure("clock")
    with process.running(settings().clock_port) as this:
        leading = threading.Event()
        beside = [
            threading.Thread(target=work, args=(leading, this.stop), name=name, daemon=True)
            for name, work in (("auditor", auditor.run), ("watch", measures.run))
        ]
        for thread in beside:
            thread.start()
        logs_there = SameLog("clock", [ORDERS.name], consumers=[READ_MODEL])

        def look_at_logs() -> None:
            this.broker.look()
            logs_there()

        this.needs.ask("Kafka's logs", look_at_logs)
        run(this.publisher, this.stop, this.readiness, leading, lambda: logs_there.why)
        for thread in beside:
            thread.join(DRAIN_SECONDS)


def run(
    publisher: kafka.Publisher,
    stop: threading.Event,
    readiness: Readiness,
    leading: threading.Event,
    why_stopped: Callable[[], str | None] = lambda: "",
) -> None:
    """Lead or stand by until `stop`; what is not there (PostgreSQL, Kafka) is tried again.
    `leading` is set while it leads. why_stopped: why Kafka's log is not the one that positions are
    of (None: not known yet); nothing is scheduled then.
    """
    for kind in firing.RUN_REASON:
        metrics.SLOTS_FIRED.labels(kind)
        metrics.SLOTS_DROPPED.labels(kind)
    metrics.CLOCK_LEADS.set(0)
    while not stop.is_set():
        try:
            with db.connect(answer_seconds=ANSWER_SECONDS) as connection:
                connection.autocommit = True
                if lead(connection, stop, readiness, why_stopped):
                    log.info("leading")
                    leading.set()
                    metrics.CLOCK_LEADS.set(1)
                    keep_time(connection, publisher, stop, readiness, why_stopped)
        except (psycopg.OperationalError, Retryable) as error:
            readiness.set(False, said(error))
            log.warning("the clock stands still", error=said(error))
            stop.wait(RETRY_SECONDS)
        finally:
            leading.clear()
            metrics.CLOCK_LEADS.set(0)


def lead(
    connection: db.Connection,
    stop: threading.Event,
    readiness: Readiness,
    why_stopped: Callable[[], str | None] = lambda: "",
) -> bool:
    """Wait for the lock. False: the process ends."""
    while not stop.is_set():
        if why_stopped():
            stop.wait(STAND_BY_SECONDS)
            continue
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (CLOCK_LOCK,)).fetchone()
        readiness.set(True)
        if row is not None and row[0]:
            connection.execute(
                "SELECT set_config('idle_session_timeout', %s, false)", (SILENT_AT_MOST,)
            )
            connection.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, false)",
                (SILENT_AT_MOST,),
            )
            return True
        stop.wait(STAND_BY_SECONDS)
    return False


def keep_time(
    connection: db.Connection,
    publisher: kafka.Publisher,
    stop: threading.Event,
    readiness: Readiness,
    why_stopped: Callable[[], str | None] = lambda: "",
) -> None:
    """Look at the schedules every second; at runs and ticks when told to, and
    every quarter of a second.
    """
    connection.execute(f"LISTEN {CLOCK_CHANNEL}")
    look_at = clean_at = 0.0
    while not stop.is_set():
        why = why_stopped()
        if why:
            break
        if why is None:  # nobody knows yet, or Kafka is away
            connection.execute("SELECT 1")  # still here
            stop.wait(LOOK_SECONDS)
            continue
        if time.monotonic() >= clean_at:
            clean_at = time.monotonic() + CLEAN_EVERY_SECONDS
            gone = purge.expired(connection, now=clock.now())
            if any(gone.values()):
                log.info("expired rows are gone", **gone)
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_SECONDS
            firing.fire_due(connection)
        firing.publish_runs(connection, publisher)
        firing.send_ticks(connection, publisher)
        firing.send_asked_for(connection, publisher)
        readiness.set(True)
        for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
            """Told: go round at once."""
    with contextlib.suppress(psycopg.OperationalError):
        connection.execute("SELECT pg_advisory_unlock(%s)", (CLOCK_LOCK,))


if __name__ == "__main__":
    main()
