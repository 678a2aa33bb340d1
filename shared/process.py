"""What every process is made of that serves no pages: its settings are right, it says how it is,
and it ends in order.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from shared import broker, kafka, logs
from shared.errors import Misconfigured
from shared.health import Readiness, serve_health
from shared.needs import Needs, Postgres
from shared.needs import kafka as kafka_answers
from shared.standing import Standing

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Process:
    """`stop` is set by SIGTERM: what is under way is finished first."""

    stop: threading.Event
    readiness: Readiness
    standing: Standing
    needs: Needs
    publisher: kafka.Publisher
    broker: broker.Watch


def configure(name: str, *checks: Callable[[], object]) -> None:
    """What must be right, then its logs and traces. A setting that cannot be right ends it: one
    line, exit code 2. It is looked at first, since a log in JSON makes any line an object.
    """
    try:
        for check in checks:
            check()
        logs.configure(name)
    except Misconfigured as error:
        print(f"winback: {error}", file=sys.stderr)
        sys.exit(2)


@contextmanager
def running(health_port: int) -> Iterator[Process]:
    """Around its work. An error leaves at once: nothing is waited for that may not come."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    standing, needs, watch = Standing(), Needs(stop), broker.by_database()
    needs.ask("Kafka", kafka_answers())
    needs.ask("PostgreSQL", Postgres())
    process = Process(
        stop=stop,
        readiness=Readiness(lambda: watch.why() or needs.why() or standing.why()),
        standing=standing,
        needs=needs,
        publisher=kafka.Publisher(why_not=watch.why),
        broker=watch,
    )
    watch.start(stop)
    end_health = serve_health(health_port, process.readiness)
    yield process
    process.publisher.close()
    end_health()


def beside(name: str, work: Callable[[], object]) -> threading.Thread:
    """A thread of a process. An error that nobody expected ends the process, whichever thread it is
    in: the supervisor starts a fresh one.
    """

    def guarded() -> None:
        try:
            work()
        except Exception:
            log.exception("thread failed", thread=name)
            os._exit(70)

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread
