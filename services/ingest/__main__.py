"""`winback serve ingest`: the only place where ingest's parts are built."""

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import structlog
import uvicorn
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from fastapi import FastAPI

from services.ingest import app as http
from services.ingest import erp
from services.ingest.access import Access
from services.ingest.batcher import Batcher
from shared import broker, db, kafka, logs
from shared.health import Readiness
from shared.http import DRAIN_SECONDS, config
from shared.kafka import Publisher
from shared.settings import settings

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 2.0
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
        db.pool("winback_app", most=8) as app_pool,
        db.pool("winback_worker", most=most) as worker_pool,
    ):
        app_pool.timeout = worker_pool.timeout = POOL_SECONDS
        watch = broker.by_database()
        publisher = Publisher(
            extra={"delivery.timeout.ms": ANSWER_SECONDS * 1000}, why_not=watch.why
        )
        access = Access(app_pool)
        stop = threading.Event()
        raw_topics = erp.RawTopics(
            worker_pool=worker_pool, access=access, publisher=publisher, stop=stop, watch=watch
        )
        readiness = Readiness(raw_topics.standing.why, raw_topics.missing)

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
                app_pool=app_pool, access=access, batcher=batcher, readiness=readiness
            )
            looking = asyncio.create_task(look(readiness, watch))
            raw = threading.Thread(target=consume_raw_topics, name="raw-topics", daemon=True)
            raw.start()
            yield
            readiness.set(False, "ending")
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
            batcher.flush_all()
            stop.set()
            await asyncio.to_thread(raw.join, DRAIN_SECONDS / 2)

        server = uvicorn.Server(config(http.build(lifespan), settings().ingest_port))
        server.run()
        publisher.close()
    if failed.is_set() or not server.started:
        sys.exit(1)


async def look(readiness: Readiness, watch: broker.Watch) -> None:
    """Keep /readyz true to what a request would meet; of its connections and threads it uses
    none.
    """
    probe, alone = db.Probe("winback_app"), ThreadPoolExecutor(1, thread_name_prefix="look")
    admin = AdminClient({"bootstrap.servers": settings().kafka})

    def why_not() -> str:
        watch.look_quietly()
        if watch.why():
            return watch.why()
        try:
            admin.list_topics(topic="orders", timeout=2)
        except KafkaException as error:
            return f"Kafka: {error.args[0].str()}"
        reason = probe.why_not()
        return f"PostgreSQL: {reason}" if reason else ""

    try:
        while True:
            reason = await asyncio.get_running_loop().run_in_executor(alone, why_not)
            readiness.set(not reason, reason)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
    finally:
        alone.shutdown(wait=False)
        probe.close()


if __name__ == "__main__":
    main()
