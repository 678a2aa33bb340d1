"""`winback serve ingest`: the only place where ingest's parts are built."""

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from services.ingest import app as http
from services.ingest import erp
from services.ingest.access import Access
from services.ingest.batcher import Batcher
from shared import broker, db, kafka, logs
from shared.health import Readiness
from shared.http import DRAIN_SECONDS, config
from shared.kafka import Publisher
from shared.needs import Needs, Postgres, SameLog
from shared.needs import kafka as kafka_answers
from shared.same_log import READ_MODEL
from shared.settings import settings
from shared.topics import ACCOUNTS, CONTACTS, ORDERS

log = structlog.get_logger()

# so long a request, or the raw topic's thread, waits for PostgreSQL; a process that ends too
POOL_SECONDS = 3.0
ANSWER_SECONDS = 8  # the sender hears of a Kafka that is away before usual clients give up


def main() -> None:
    """Serve until SIGTERM; drain; return."""
    logs.configure("ingest")
    signal.signal(
        signal.SIGTERM, lambda *_: None
    )  # uvicorn drains, then raises the signal again: the end is no failure
    signal.signal(signal.SIGINT, lambda *_: None)
    failed = threading.Event()
    most = erp.CONNECTIONS * len(kafka.raw_topics())
    with (
        db.pool("winback_app", most=8, answer_seconds=ANSWER_SECONDS) as app_pool,
        db.pool("winback_worker", most=most) as worker_pool,
    ):
        app_pool.timeout = worker_pool.timeout = POOL_SECONDS
        watch = broker.by_database("winback_app")
        publisher = Publisher(
            extra={"delivery.timeout.ms": ANSWER_SECONDS * 1000}, why_not=watch.why
        )
        access = Access(app_pool)
        stop = threading.Event()
        raw_topics = erp.RawTopics(
            worker_pool=worker_pool, access=access, publisher=publisher, stop=stop, watch=watch
        )
        needs = Needs(stop)
        readiness = Readiness(
            lambda: watch.why() or needs.why() or raw_topics.standing.why(), raw_topics.missing
        )

        def leave_for_a_fresh_start() -> None:
            log.warning("the log is the one that positions are of: beginning afresh")
            failed.set()
            server.should_exit = True

        logs_there = SameLog(
            "ingest",
            [topic.name for topic in (ORDERS, ACCOUNTS, CONTACTS)],
            consumers=[READ_MODEL],
            on_mended=leave_for_a_fresh_start,
        )

        def look_at_logs() -> None:
            watch.look()
            logs_there()
            publisher.reaches(logs_there.ends)

        def consume_raw_topics() -> None:
            try:
                raw_topics.run()
            except Exception:
                log.exception("the raw topics stopped")
                failed.set()
                server.should_exit = True

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            batcher = Batcher(publisher, linger_ms=settings().ingest_linger_ms)
            app.state.service = http.Service(
                app_pool=app_pool,
                access=access,
                batcher=batcher,
                readiness=readiness,
                why_stopped=lambda: logs_there.why,
            )
            needs.ask("Kafka", kafka_answers())
            needs.ask("PostgreSQL", Postgres())
            needs.ask("Kafka's logs", look_at_logs)
            readiness.set(True)
            raw = threading.Thread(target=consume_raw_topics, name="raw-topics", daemon=True)
            raw.start()
            yield
            readiness.set(False, "ending")
            batcher.flush_all()
            stop.set()
            await asyncio.to_thread(raw.join, DRAIN_SECONDS / 2)

        server = uvicorn.Server(config(http.build(lifespan), settings().ingest_port))
        server.run()
        publisher.close()
    if failed.is_set() or not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
