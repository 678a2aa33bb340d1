"""The raw topic: JSON from ERPs and connectors, the same body as POST /v1/orders.

The organization comes from a token: the record's `authorization` header, else the topic's configured one; never from the
payload. The time of acceptance is the record's, so a replay says the same. A record with anything wrong in it goes to the
dead letters with its reasons; what is right in it goes in. Positions move after Kafka has the orders.
"""

import threading
from collections.abc import Sequence

import psycopg
import structlog
from confluent_kafka import KafkaException
from psycopg_pool import ConnectionPool

from services.ingest import blocks
from services.ingest.access import Access, Refused, admitted, bearer
from services.ingest.bodies import NotJson
from services.ingest.intake import KINDS, Intake, read_items, take_in
from shared import clock, db, kafka, metrics
from shared.consuming import Record, Route, consume, dead_letter
from shared.errors import Retryable
from shared.kafka import Publisher
from shared.settings import settings
from shared.topics import ERP_ORDERS, ORDERS

log = structlog.get_logger()

CONSUMER = "ingest-erp"
AGAIN_AFTER_SECONDS = 2.0


def run(*, worker_pool: ConnectionPool[db.Connection], access: Access, publisher: Publisher, stop: threading.Event) -> None:
    """Consume until `stop`. While Kafka or PostgreSQL is away it waits and begins again; HTTP goes on beside it."""

    def handle(connection: db.Connection, records: list[Record]) -> None:
        take_records(records, access, publisher)

    topics = dict.fromkeys((ERP_ORDERS.name, *settings().erp_tokens))
    routes = [Route(topic=topic, decode=lambda record: None, handle=handle, is_trusted=False) for topic in topics]
    while not stop.is_set():
        try:
            consume(consumer=CONSUMER, routes=routes, pool=worker_pool, publisher=publisher, stop=stop)
        except (Retryable, psycopg.OperationalError, KafkaException) as error:
            log.warning("raw topic: again soon", reason=str(error))
            stop.wait(AGAIN_AFTER_SECONDS)


def take_records(records: Sequence[Record], access: Access, publisher: Publisher) -> None:
    """Accept, wait until Kafka has it, then put aside what is wrong. Raises Retryable."""
    orders: dict[int, list[bytes]] = {}
    accepted = 0
    wrong: list[tuple[Record, str, str]] = []
    for record in records:
        organization, intake = take_record(record, access)
        if isinstance(intake, str):
            wrong.append((record, organization, intake))
            continue
        orders.setdefault(kafka.partition_of(organization), []).extend(one.encoded for one in intake.accepted)
        accepted += len(intake.accepted)
        if intake.errors:
            wrong.append((record, organization, "; ".join(f"{error.field}: {error.reason}" for error in intake.errors)))
    sent = []
    for partition, encoded in orders.items():
        for gathered in blocks.in_blocks(encoded):
            value = blocks.block(gathered, clock.now())
            sent.append(publisher.send(ORDERS.name, value, partition=partition, headers=blocks.headers(value)))
    publisher.confirm(sent)
    metrics.ORDERS_ACCEPTED.labels(ERP_ORDERS.name).inc(accepted)
    for record, organization, reason in wrong:
        dead_letter(publisher, record, reason=reason, consumer=CONSUMER, organization=organization)


def take_record(record: Record, access: Access) -> tuple[str, Intake | str]:
    """(organization, what came of the items, or why nothing of the record can be read); no organization without a good token."""
    kind = KINDS["orders"]
    organization = ""
    headers = dict(reversed(record.headers))  # the first of a name counts
    try:
        if "authorization" in headers:
            token = bearer(headers["authorization"].decode("utf-8", "replace"))
        else:
            token = settings().erp_tokens.get(record.topic, "")
        if not token:
            return organization, f"authorization: no header, and no token is configured for {record.topic}"
        caller = admitted(access.find(token), kind.scope)
        organization = caller.organization.organization
        items, _ = read_items(kind, record.value or b"", most_levels=settings().ingest_max_depth)
    except Refused as refused:
        return organization, f"authorization: {refused.reason}"
    except NotJson as error:
        return organization, f"body: {error}"
    if not 0 < len(items) <= settings().ingest_max_items:
        return organization, f"body: a batch has 1 to {settings().ingest_max_items} items"
    return organization, take_in(kind, items, caller.terms(record.at), source=record.topic)
