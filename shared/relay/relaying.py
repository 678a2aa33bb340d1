"""The loop that publishes what a service wrote down."""

import threading

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from shared import clock, db, kafka
from shared.errors import Retryable, said
from shared.kafka import Publisher
from shared.relay import store
from shared.relay.store import Noted, Told

log = structlog.get_logger()

AT_ONCE = 200
LOOK_EVERY_SECONDS = 0.1
RETRY_SECONDS = 2.0


def relay(
    told: Told,
    pool: ConnectionPool[db.Connection],
    publisher: Publisher,
    stop: threading.Event,
) -> None:
    """Until `stop`. What is not there (PostgreSQL, Kafka) is tried again."""
    while not stop.is_set():
        pause = LOOK_EVERY_SECONDS
        try:
            if publish_oldest(told, pool, publisher) == AT_ONCE:
                continue
        except (psycopg.OperationalError, PoolTimeout, Retryable) as error:
            log.warning("events wait", topic=told.topic.name, reason=said(error))
            pause = RETRY_SECONDS
        stop.wait(pause)


def publish_oldest(told: Told, pool: ConnectionPool[db.Connection], publisher: Publisher) -> int:
    """Publish the oldest of them, confirmed, then forget them. Returns how many; 0 too where
    another process is at it. Raises Retryable.
    """
    with pool.connection() as connection, connection.transaction():
        if not store.locked(connection, told):
            return 0
        noted = store.oldest(connection, told, most=AT_ONCE)
        publisher.confirm([_send(told, publisher, one) for one in noted])
        if noted:
            store.forget(connection, told, noted)
    return len(noted)


def _send(told: Told, publisher: Publisher, one: Noted) -> kafka.Sent:
    return publisher.send(
        told.topic.name,
        one.value,
        key=one.organization.encode(),
        partition=kafka.partition_of(one.organization),
        headers=[
            ("ce_id", one.id.encode()),
            ("ce_type", f"winback.{one.kind}.v1".encode()),
            ("ce_source", f"/winback/{told.source}".encode()),
            ("ce_time", clock.now().isoformat().encode()),
            ("ce_specversion", b"1.0"),
            ("content-type", b"application/json"),
        ],
    )
