"""A consumer stands still while Kafka has another log than the one that positions are of."""

import threading
from collections.abc import Callable, Sequence

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from shared import db, metrics, same_log
from shared.applying import Route, follow_topics
from shared.errors import OtherLog, Retryable, said
from shared.standing import Standing

log = structlog.get_logger()

OTHER_LOG_SECONDS = 5.0  # between two looks at whether the log is the one that positions are of


def wait_for_the_log(
    consumer: str,
    routes: Sequence[Route],
    pool: ConnectionPool[db.Connection],
    stop: threading.Event,
    on_ready: Callable[[bool, str], None],
    standing: Standing,
    error: OtherLog,
) -> None:
    """Nothing is read, and everybody who asks is told why, until Kafka has the log that positions
    are of, or positions are of the log that Kafka has.
    """
    log.error("another log: nothing is read", consumer=consumer, reason=said(error))
    metrics.LOG_DIFFERS.labels(consumer).set(1)
    client, whole = same_log.admin(), (routes[0].topic, -1)
    while not stop.is_set():
        on_ready(False, said(error))
        standing.fails(whole, -1, said(error))
        stop.wait(OTHER_LOG_SECONDS)
        try:
            with pool.connection() as connection:
                follow_topics(client, connection, consumer, routes)
            break
        except OtherLog as still:
            error = still
        except (Retryable, psycopg.OperationalError) as away:
            log.warning("another log: not looked at", consumer=consumer, reason=said(away))
    standing.moves(whole)
    metrics.LOG_DIFFERS.labels(consumer).set(0)
    if not stop.is_set():
        log.warning("the log is the one that positions are of: going on", consumer=consumer)
