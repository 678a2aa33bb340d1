"""Raw topics: JSON from ERPs and connectors, the same body as POST /v1/orders, or what a connector
writes, by the topic's mapping (`raw_orders.py`).

The organization comes from a token: the record's `authorization` header, else the topic's
configured one; never from the payload. The time of acceptance is the record's, so a replay says the
same. A record with anything wrong in it goes to the dead letters with its reasons; what is right in
it goes in, once (`once.py`). Positions move after Kafka has all of it.

Each topic has a thread and a consumer of its own: one that is missing, or may not be read, stops no
other, and is taken up when it is there.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field

import psycopg
import structlog
from confluent_kafka import KafkaException
from psycopg_pool import ConnectionPool

from services.ingest import blocks, erp_store
from services.ingest.acceptance import Accepted
from services.ingest.access import Access, Caller, Refused, admitted, bearer
from services.ingest.bodies import NotJson
from services.ingest.erp_store import StoredMarks
from services.ingest.intake import KINDS, read_items, take_in
from services.ingest.once import Once, Span
from services.ingest.orders_log import KafkaOrders, key_of
from services.ingest.raw_mapping import RawMapping, of_topics
from services.ingest.raw_orders import Batch, Known
from services.ingest.raw_orders_store import StoredOrders
from shared import broker, clock, db, kafka, metrics
from shared.applying import Route
from shared.aside import dead_letter
from shared.consuming import consume
from shared.errors import FieldError, NoTopic, Retryable, TooLarge, said
from shared.events import Order
from shared.kafka import Publisher, Sent
from shared.outage import Place
from shared.records import Record
from shared.settings import settings
from shared.standing import Standing
from shared.topics import ERP_ORDERS, ORDERS

log = structlog.get_logger()

CONSUMER = "ingest-erp"
ORDERS_KIND = KINDS["orders"]
AGAIN_AFTER_SECONDS = 2.0
# of a thread at most: one in the batch's transaction, one beside it, one to look at its log
CONNECTIONS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """An order on its way, and the record that it came in."""

    order: Order
    encoded: bytes
    record: Record


@dataclass(kw_only=True)
class Reading:
    """A raw record as it was read: whose it is (empty without a good token), what goes in,
    and all that is wrong with it.
    """

    record: Record
    organization: str
    orders: list[Outgoing]
    wrong: list[str] = field(default_factory=list)

    def add(self, accepted: Iterable[Accepted], errors: Iterable[FieldError]) -> None:
        """What came of it."""
        self.orders += [
            Outgoing(order=one.event, encoded=one.encoded, record=self.record)
            for one in accepted
            if isinstance(one.event, Order)
        ]
        self.wrong += [f"{error.field}: {error.reason}" for error in errors]


class RawTopics:
    """All of them. `standing.why()` and `missing()` say, from any thread, what does
    not move and what is not there. Raises Misconfigured for a mapping that cannot be right.
    """

    def __init__(
        self,
        *,
        worker_pool: ConnectionPool[db.Connection],
        access: Access,
        publisher: Publisher,
        stop: threading.Event,
        watch: broker.Watch | None = None,
    ) -> None:
        self._pool, self._access, self._publisher, self._stop = worker_pool, access, publisher, stop
        self._broker = watch or broker.by_database()
        self._mappings = of_topics(settings().erp_mappings)
        self.standing = Standing()
        self._missing: dict[str, str] = {}
        self._failures: list[Exception] = []

    def run(self) -> None:
        """Read until `stop`. What was not foreseen in one of them ends all, and is raised."""
        threads = [
            threading.Thread(target=self._read, args=(topic,), name=topic)
            for topic in kafka.raw_topics()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def missing(self) -> str:
        """Raw topics that are not there, or may not be read; for people, a line each."""
        return "".join(f"raw topic {reason}\n" for _, reason in sorted(self._missing.items()))

    def _read(self, topic: str) -> None:
        try:
            while not self._stop.is_set():
                self._read_while_there(topic)
        except Exception as error:
            log.exception("a raw topic stopped", topic=topic)
            self._failures.append(error)
            self._stop.set()

    def _read_while_there(self, topic: str) -> None:
        """Until something it cannot do without is away; after a pause it is looked for again."""
        whole_topic: Place = (topic, -1)
        try:
            self._broker.look()
            kafka.topic_ids(topic)
            self._is_missing(topic, "")
            with suppress(Retryable):  # then the first dead letter says why not
                kafka.create_dead_letters(topic)
            self.standing.moves(whole_topic)
            self._consume(topic)
        except NoTopic as error:
            self._is_missing(topic, said(error))
        except (Retryable, psycopg.OperationalError, KafkaException) as error:
            self.standing.fails(whole_topic, -1, said(error))
            log.warning("raw topic: again soon", topic=topic, reason=said(error))
        self._stop.wait(AGAIN_AFTER_SECONDS)

    def _consume(self, topic: str) -> None:
        with closing(KafkaOrders(self._publisher)) as orders_log:
            once = Once(
                orders_log,
                StoredMarks(self._pool, CONSUMER),
                lambda name: kafka.topic_ids(name)[name],
            )
            taking = Taking(
                once=once,
                access=self._access,
                publisher=self._publisher,
                mapping=self._mappings.get(topic),
            )
            consume(
                consumer=CONSUMER,
                routes=[
                    Route(
                        topic=topic,
                        decode=lambda record: None,
                        handle=taking.take,
                        is_trusted=False,
                    )
                ],
                pool=self._pool,
                publisher=self._publisher,
                stop=self._stop,
                standing=self.standing,
                watches=taking,
                broker=self._broker,
                group=f"winback-{CONSUMER}" + ("" if topic == ERP_ORDERS.name else f"-{topic}"),
                ends_without_topic=True,
            )

    def _is_missing(self, topic: str, reason: str) -> None:
        if reason and topic not in self._missing:
            log.warning("raw topic: not there", topic=topic, reason=reason)
        if reason:
            self._missing[topic] = reason
        else:
            self._missing.pop(topic, None)
        metrics.RAW_TOPIC_MISSING.labels(topic).set(bool(reason))


class Taking:
    """What is done with the records of one raw topic."""

    def __init__(
        self, *, once: Once, access: Access, publisher: Publisher, mapping: RawMapping | None = None
    ) -> None:
        self._once, self._access, self._publisher = once, access, publisher
        self._mapping = mapping

    def take(self, connection: db.Connection, records: list[Record]) -> None:
        """Accept, wait until Kafka has it, then put aside what is wrong. Raises Retryable."""
        place = (records[0].topic, records[0].partition)
        readings = self._readings(connection, records)
        next_ = records[-1].offset + 1
        span = self._once.begin(
            place, records[0].offset, next_, owner=erp_store.owner(connection, place)
        )
        accepted = [one for reading in readings for one in reading.orders]
        missing = self._once.missing(place, ((key_of(one.order), one) for one in accepted))
        too_large = {
            id(one.record): one.order.order
            for one in self._publish(span, list(_in_blocks(missing)))
        }
        metrics.ORDERS_ACCEPTED.labels(place[0]).inc(len(accepted) - len(too_large))
        for reading in readings:
            if id(reading.record) in too_large:
                reading.wrong.append(
                    f"order: {too_large[id(reading.record)]} is larger than {ORDERS.name} takes"
                )
            if reading.wrong:
                reason = "; ".join(reading.wrong)
                dead_letter(
                    self._publisher,
                    reading.record,
                    reason=reason,
                    consumer=CONSUMER,
                    organization=reading.organization,
                )
        self._once.taken(place, next_)

    def _readings(self, connection: db.Connection, records: list[Record]) -> list[Reading]:
        if self._mapping is None:
            return [take_record(record, self._access) for record in records]
        orders = StoredOrders(connection=connection, topic=records[0].topic)
        readings = mapped_records(records, self._access, self._mapping, orders)
        orders.save()
        return readings

    def at_rest(self, places: Sequence[Place]) -> None:
        """As `once` has it. While PostgreSQL is away, whoever comes next looks."""
        with suppress(psycopg.OperationalError):
            self._once.at_rest(places)

    def _publish(self, span: Span, these: Sequence[list[Outgoing]]) -> list[Outgoing]:
        """Blocks of a partition each, confirmed. Returns the orders that the
        topic does not take for their size.
        """
        sent = [(block, self._send(span, block)) for block in these]
        too_large: list[Outgoing] = []
        for block, one in sent:
            try:
                if one is None:
                    raise TooLarge
                self._publisher.confirm([one])
            except TooLarge:
                too_large += (
                    block if len(block) == 1 else self._publish(span, [[order] for order in block])
                )
        return too_large

    def _send(self, span: Span, block: list[Outgoing]) -> Sent | None:
        """On its way; None where the producer itself does not take it."""
        value = blocks.block([one.encoded for one in block], clock.now())
        partition = kafka.partition_of(block[0].order.organization)
        with suppress(TooLarge):
            headers = [*blocks.headers(value), span.as_header()]
            return self._publisher.send(ORDERS.name, value, partition=partition, headers=headers)
        return None


def _in_blocks(orders: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """By their partition of `orders`, in their order, in blocks as large as they may be."""
    by_partition: dict[int, list[Outgoing]] = {}
    for one in orders:
        by_partition.setdefault(kafka.partition_of(one.order.organization), []).append(one)
    for these in by_partition.values():
        begin = 0
        for gathered in blocks.in_blocks(one.encoded for one in these):
            yield these[begin : begin + len(gathered)]
            begin += len(gathered)


def take_record(record: Record, access: Access) -> Reading:
    """What goes in of a record, and what is wrong with it. Raises Retryable."""
    reading = Reading(record=record, organization="", orders=[])
    try:
        caller = caller_of(record, access)
        reading.organization = caller.organization.organization
        items, _ = read_items(
            ORDERS_KIND, record.value or b"", most_levels=settings().ingest_max_depth
        )
    except Refused as refused:
        reading.wrong.append(f"authorization: {refused.reason}")
    except NotJson as error:
        reading.wrong.append(f"body: {error}")
    else:
        if 0 < len(items) <= settings().ingest_max_items:
            intake = take_in(ORDERS_KIND, items, caller.terms(record.at), source=record.topic)
            reading.add(intake.accepted, intake.errors)
        else:
            reading.wrong.append(f"body: a batch has 1 to {settings().ingest_max_items} items")
    return reading


def mapped_records(
    records: list[Record], access: Access, mapping: RawMapping, known: Known
) -> list[Reading]:
    """The same of a batch of a topic that has a mapping. Raises Retryable."""
    batch = Batch(mapping, known, topic=records[0].topic, most_levels=settings().ingest_max_depth)
    readings = [Reading(record=record, organization="", orders=[]) for record in records]
    for reading in readings:
        try:
            caller = caller_of(reading.record, access)
        except Refused as refused:
            reading.wrong.append(f"authorization: {refused.reason}")
            continue
        reading.organization = caller.organization.organization
        taken = batch.take(reading.record, caller.terms(reading.record.at))
        reading.add(taken.accepted, taken.wrong)
    of_record = {id(reading.record): reading for reading in readings}
    for record, taken in batch.ended():
        of_record[id(record)].add(taken.accepted, taken.wrong)
    return readings


def caller_of(record: Record, access: Access) -> Caller:
    """Whose token the record brings, else its topic's. Raises Refused, Retryable."""
    headers = {
        name.lower(): value for name, value in reversed(record.headers)
    }  # in any case; the first of a name counts
    if "authorization" in headers:
        token = bearer(headers["authorization"].decode("utf-8", "replace"))
    else:
        token = settings().erp_tokens.get(record.topic, "")
    if not token:
        raise Refused(401, f"no header, and no token is configured for {record.topic}")
    return admitted(access.find(token), ORDERS_KIND.scope)
