"""`winback rebuild-log`: writes `orders` anew from PostgreSQL, for a Kafka that lost its disk, or
came back older.

    nobody reads -> what only the log has goes into PostgreSQL -> topics are made anew
    -> orders, names, people, and per organization what they had led to -> positions, in one
    transaction

Signals keep their ids, episodes and times, since the log says at its end how they stood
(`StateRestored`); the detector begins with an empty state and comes to the same. All that people
did is PostgreSQL's and stays. Until the last step PostgreSQL's positions are of the former log, so
whoever starts meanwhile stands still; the verb can be called again.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import typer
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from services.ingest import blocks, erp_store
from services.signals.actions.actor import COMMAND_LINE, note
from services.signals.store import known, rebuild
from services.signals.store import orders as orders_store
from services.signals.store.positions import CONSUMER
from services.signals.store.run_requests import CLOCK_LOCK
from shared import (
    broker,
    clock,
    db,
    dead_letters,
    ids,
    kafka,
    kafka_access,
    logs,
    same_log,
    same_log_store,
)
from shared.domain.thresholds import DetectionSettings
from shared.errors import FieldError, Rejected, Retryable
from shared.event_headers import headers_of
from shared.events import AccountChanged, ContactChanged, Order, OrdersAccepted, StateRestored
from shared.records import decode_orders, record_of
from shared.same_log_store import Log
from shared.topics import (
    ACCOUNTS,
    CONTACTS,
    DETECTOR_APP,
    DIGEST_TICKS,
    ORDERS,
    SEQUENCE_TICKS,
    SEQUENCES,
    SIGNALS,
    STATE_CHANGELOG,
    dead_letters_of,
)

app = typer.Typer()

GROUPS = (
    DETECTOR_APP,
    *(f"winback-{name}" for name in (CONSUMER, "digest", "sequences", "ingest-erp")),
)
ANEW = (ORDERS.name, SIGNALS.name, ACCOUNTS.name, CONTACTS.name, STATE_CHANGELOG)
IF_OTHER = (DIGEST_TICKS.name, SEQUENCE_TICKS.name, SEQUENCES.name)  # ours, and not made of rows
READ_SECONDS, MAKE_SECONDS = 30.0, 60.0
FORGOTTEN_SECONDS = 15.0  # by Kafka, of a consumer that was killed: its session, and some
AT_ONCE = 2_000  # records on their way, orders merged at once, signals in one record
FROM_THE_LOG = 2**62  # an offset behind every run: what it touched was touched since

_encode = msgspec.json.Encoder().encode


@dataclass(kw_only=True)
class Written:
    """What was done, for people."""

    read: int = 0  # orders of the former log, looked at
    only_there: int = 0  # of these, not in PostgreSQL as they were
    orders: int = 0
    signals: int = 0
    organizations: int = 0
    made_anew: list[str] = field(default_factory=list)


@app.command("rebuild-log")
def rebuild_log(
    yes: Annotated[
        bool, typer.Option("--yes", help="The topics are deleted and made anew: really.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Kafka is another cluster than before, on purpose.")
    ] = False,
) -> None:
    """Write the log of orders anew from PostgreSQL, for a Kafka that lost its disk or came back
    older than PostgreSQL. Orders with their versions, names, people, signals with their episodes:
    all stay as PostgreSQL has them, and so does all that people did. What the present log has
    beyond PostgreSQL goes into PostgreSQL first. Ingest and consumers must stand still (as they do
    by themselves then) or be stopped.

    Example: winback rebuild-log --yes
    """
    if not yes:
        raise Rejected(
            FieldError(
                field="--yes",
                reason=f"is needed: {', '.join(ANEW)} are deleted, and made anew from PostgreSQL",
            )
        )
    logs.for_people()
    kafka.require_reachable()
    broker.note(adopt=adopt)
    broker.require_own()
    admin = AdminClient({**kafka_access.client(), "log_level": 2})
    if not is_other(admin, ORDERS.name):  # else all stand still, and their groups may be old
        require_nobody_reads(admin)
    kafka.create_topics()
    written = Written()
    with no_clock():
        take_what_only_the_log_has(written)
        others = [topic for topic in IF_OTHER if is_other(admin, topic)]
        written.made_anew = make_anew(admin, [*ANEW, *others])
        write(written)
        take_over(admin, written)
    print(
        f"{written.orders:,} orders and {written.signals:,} signals of {written.organizations} "
        f"organizations are in the new log.\n"
        f"The former log had {written.read:,} orders, of which {written.only_there:,} were not in "
        "PostgreSQL; they are now.\n"
        f"Made anew: {', '.join(written.made_anew)}.\n"
        "Now start what was stopped; for each organization: `winback wait`, `winback run --wait`, "
        "`winback audit`."
    )
    sys.stdout.flush()


# -- before ----------------------------------------------------------------------------------------


def require_nobody_reads(admin: AdminClient) -> None:
    """Raises Rejected where a consumer is at work: it would read the log while it is made. One that
    ended just now is given the time to be forgotten.
    """
    until = time.monotonic() + FORGOTTEN_SECONDS
    while busy := at_work(admin):
        if time.monotonic() > until:
            raise Rejected(
                FieldError(
                    field="rebuild-log",
                    reason=f"{', '.join(busy)} are at work: stop ingest, detector, signals, "
                    "digest, sequences and clock first",
                )
            )
        time.sleep(0.5)


def at_work(admin: AdminClient) -> list[str]:
    """Groups of ours with members."""
    listed: Any = admin.list_consumer_groups(request_timeout=READ_SECONDS).result()
    ours = [
        group.group_id
        for group in listed.valid
        if group.group_id in GROUPS or group.group_id.startswith("winback-ingest-erp")
    ]
    described: Any = (
        admin.describe_consumer_groups(ours, request_timeout=READ_SECONDS) if ours else {}
    )
    return sorted(name for name, group in described.items() if group.result().members)


@contextmanager
def no_clock() -> Iterator[None]:
    """While the body runs no clock leads, so no run goes into a log in the making. Raises Rejected
    where one does.
    """
    with db.connect() as connection:
        connection.autocommit = True
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (CLOCK_LOCK,)).fetchone()
        if row is None or not row[0]:
            raise Rejected(FieldError(field="rebuild-log", reason="a clock leads: stop it first"))
        yield


def take_what_only_the_log_has(written: Written) -> None:
    """Orders that were accepted and never came into PostgreSQL: every version is merged as the
    signals service would, so those that are there already change nothing.
    """
    with db.connect() as connection:
        before = versions_total(connection)
        batch: list[orders_store.Accepted] = []
        for block in blocks_of_the_log():
            here = known(connection, {order.organization for order in block.orders})
            batch += [
                (order, block.accepted_at, FROM_THE_LOG)
                for order in block.orders
                if order.organization in here
            ]
            written.read += len(block.orders)
            if len(batch) >= AT_ONCE:
                orders_store.save(connection, batch)
                connection.commit()
                batch = []
        if batch:
            orders_store.save(connection, batch)
            connection.commit()
        written.only_there = versions_total(connection) - before


def versions_total(connection: db.Connection) -> int:
    """How many orders are of the former log alone."""
    return rebuild.from_the_log(connection, FROM_THE_LOG)


def blocks_of_the_log() -> Iterator[OrdersAccepted]:
    """Every block of the log that is there; what cannot be read is a dead letter, and no order."""
    consumer = Consumer(
        {
            **kafka_access.client(),
            "group.id": "winback-look",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 2,
        }
    )
    decode = decode_orders()
    try:
        partitions = consumer.list_topics(ORDERS.name, timeout=READ_SECONDS).topics[ORDERS.name]
        for partition in sorted(partitions.partitions):
            place = TopicPartition(ORDERS.name, partition)
            at, end = consumer.get_watermark_offsets(place, timeout=READ_SECONDS)
            consumer.assign([TopicPartition(ORDERS.name, partition, at)])
            while at < end:
                message = consumer.poll(READ_SECONDS)
                if message is None:
                    raise Retryable(f"{ORDERS.name}/{partition}: Kafka does not answer")
                if (error := message.error()) is not None:
                    if error.retriable():
                        continue
                    raise Retryable(f"{ORDERS.name}/{partition}: {error.str()}")
                record = record_of(message)
                at = record.offset + 1
                try:
                    event = decode(record)
                except Rejected:
                    continue
                if isinstance(event, OrdersAccepted):
                    yield event
    except KafkaException as error:
        raise Retryable(f"Kafka does not answer: {error.args[0].str()}") from None
    finally:
        consumer.close()


def is_other(admin: AdminClient, topic: str) -> bool:
    """Positions are of another topic than the one that is there, or lie beyond its end."""
    with db.connect() as connection:
        remembered = same_log_store.known(
            connection, [topic], consumers=[CONSUMER, "digest", "sequences"]
        )
    return same_log.difference(same_log.look(admin, [topic]), remembered) != ""


# -- the new log -----------------------------------------------------------------------------------


def make_anew(admin: AdminClient, topics: list[str]) -> list[str]:
    """Delete, and make as `winback topics` does. Returns their names."""
    here = [name for name in topics if name in admin.list_topics(timeout=READ_SECONDS).topics]
    for future in admin.delete_topics(here, operation_timeout=READ_SECONDS).values():
        future.result()
    until = time.monotonic() + MAKE_SECONDS
    made = set[str]()
    while not made >= set(topics):
        try:
            made |= set(kafka.create_topics())
        except KafkaException:
            """Still being deleted."""
        if time.monotonic() > until:
            raise Retryable(f"{', '.join(sorted(set(topics) - made))} cannot be made anew")
        time.sleep(0.2)
    return topics


class Sender:
    """Records on their way, AT_ONCE at most."""

    def __init__(self) -> None:
        self._publisher = kafka.Publisher(linger_ms=5, extra={"delivery.timeout.ms": 60_000})
        self._sent: list[kafka.Sent] = []

    def send(
        self, topic: str, partition: int, value: bytes, headers: kafka.Headers, key: bytes | None
    ) -> None:
        self._sent.append(
            self._publisher.send(topic, value, key=key, partition=partition, headers=headers)
        )
        if len(self._sent) >= AT_ONCE:
            self.confirm()

    def confirm(self) -> None:
        """Raises Retryable."""
        self._publisher.confirm(self._sent, timeout_seconds=90)
        self._sent.clear()

    def close(self) -> None:
        self._publisher.close()


def write(written: Written) -> None:
    """All of it, confirmed. Raises Retryable."""
    sender = Sender()
    try:
        with db.connect() as connection:
            write_orders(sender, rebuild.orders(connection), written)
            for account in rebuild.accounts(connection):
                _send_keyed(sender, ACCOUNTS.name, account, account.account)
            for contact in rebuild.contacts(connection):
                _send_keyed(sender, CONTACTS.name, contact, contact.contact)
            # behind all orders: then nothing of them closes or opens anything
            sender.confirm()
            for run in rebuild.latest_runs(connection):
                state = StateRestored(
                    organization=run.organization,
                    run=run.run,
                    as_of=run.as_of,
                    settings_version=run.settings_version,
                    settings=msgspec.convert(run.settings, DetectionSettings),
                    signals=(),
                )
                signals = rebuild.signals(connection, run.organization)
                written.signals += len(signals)
                for begin in range(0, max(1, len(signals)), AT_ONCE):
                    part = msgspec.structs.replace(
                        state, signals=tuple(signals[begin : begin + AT_ONCE])
                    )
                    id_ = ids.derived("StateRestored", run.organization, str(run.run), str(begin))
                    headers = headers_of(part, source="rebuild-log", event_id=id_)
                    partition = kafka.partition_of(run.organization)
                    sender.send(ORDERS.name, partition, _encode(part), headers, None)
            sender.confirm()
            written.organizations = len(rebuild.organizations(connection))
    finally:
        sender.close()


def write_orders(sender: Sender, orders: Iterable[tuple[Order, Any]], written: Written) -> None:
    """In blocks of a partition each; a block is as old as its newest order."""
    gathered: dict[int, list[bytes]] = {}
    sizes: dict[int, int] = {}
    newest: dict[int, Any] = {}

    def flush(partition: int) -> None:
        value = blocks.block(gathered.pop(partition), newest.pop(partition))
        sizes.pop(partition)
        sender.send(ORDERS.name, partition, value, blocks.headers(value), None)

    for order, accepted_at in orders:
        partition, encoded = kafka.partition_of(order.organization), _encode(order)
        held = gathered.setdefault(partition, [])
        if not blocks.fits(len(held), sizes.get(partition, 0), len(encoded)):
            flush(partition)
            held = gathered.setdefault(partition, [])
        held.append(encoded)
        sizes[partition] = sizes.get(partition, 0) + len(encoded)
        newest[partition] = max(newest.get(partition, accepted_at), accepted_at)
        written.orders += 1
    for partition in sorted(gathered):
        flush(partition)


def _send_keyed(
    sender: Sender, topic: str, event: AccountChanged | ContactChanged, id_: str
) -> None:
    version = ids.derived(type(event).__name__, event.organization, id_, str(event.revision))
    headers = headers_of(event, source="rebuild-log", event_id=version)
    key = ids.record_key(event.organization, id_)
    sender.send(topic, kafka.partition_of(event.organization), _encode(event), headers, key)


# -- after -----------------------------------------------------------------------------------------


def take_over(admin: AdminClient, written: Written) -> None:
    """One transaction: positions are of the new log, rows of no offset of the former one, and every
    organization's audit log says so.
    """
    there = same_log.look(admin, written.made_anew)
    with db.connect() as connection:
        for topic in written.made_anew:
            same_log_store.begin_again(connection, topic, there.topics[topic])
        for topic in (ORDERS.name, ACCOUNTS.name, CONTACTS.name):
            same_log_store.read_up_to(connection, CONSUMER, topic, there.topics[topic])
        erp_store.forget_what_is_under_way(connection, dict(there.topics[ORDERS.name].ends))
        forget_raw_positions(admin, connection)
        rebuild.forget_offsets(connection)
        dead = same_log.look(admin, map(dead_letters_of, kafka.with_dead_letters()))
        for topic, log in dead.topics.items():
            dead_letters.forget_replays(connection, topic, log.ends)
        for organization in rebuild.organizations(connection):
            note(
                connection,
                organization,
                COMMAND_LINE,
                "log rebuilt",
                ORDERS.name,
                {"orders": written.orders, "only in the former log": written.only_there},
                at=clock.now(),
            )


def forget_raw_positions(admin: AdminClient, connection: db.Connection) -> None:
    """A raw topic that came back older is read again: what went in already is a duplicate."""
    for topic in kafka.raw_topics():
        there = same_log.look(admin, [topic])
        remembered = same_log_store.known(connection, [topic], consumers=["ingest-erp"])
        log: Log | None = there.topics.get(topic)
        if log is not None and same_log.difference(there, remembered):
            same_log_store.begin_again(connection, topic, log)
