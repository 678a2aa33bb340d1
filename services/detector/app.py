"""`orders` -> partition -> `signals`: the Faust application."""

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import faust
import msgspec
import structlog

from services.detector.checkpoint import (
    CheckpointApp,
    CheckpointTable,
    Pace,
    TablesAtOnce,
)
from services.detector.leaving import leave
from services.detector.source_log import stand_still
from services.detector.taking import Taking
from shared import (
    aside,
    broker,
    clock,
    kafka,
    kafka_access,
    metrics,
    quarantine,
    request_ids,
    tracing,
)
from shared.domain.money import LARGEST_SUM_CENTS
from shared.errors import Rejected
from shared.event_headers import headers_of
from shared.events import (
    OrdersRecord,
    RunCompleted,
    RunRequested,
    SignalOpened,
    SignalSeen,
    SignalsRecord,
)
from shared.health import Readiness, measure_disk
from shared.records import Record, decode_orders
from shared.settings import settings
from shared.topics import DETECTOR_APP, ORDERS, SIGNALS, STATE_TABLE

log = structlog.get_logger()

DISK_SECONDS = 10.0  # between two looks at the disk
# between two looks at whether the topic is still the one that the state follows
WATCH_SECONDS = 10.0
QUIET_SECONDS = 0.05  # without a record for so long, a checkpoint need not wait for its time
SESSION_SECONDS = 10.0
ROCKSDB = {
    "driver": "rocksdict",
    "block_cache_size": 32 << 20,
    "write_buffer_size": 16 << 20,
    "max_open_files": 512,
}

encode = msgspec.json.Encoder().encode


def build(readiness: Readiness, watch: broker.Watch) -> CheckpointApp:
    """The application, from the process's settings. Not started."""
    configured = settings()
    app = CheckpointApp(
        DETECTOR_APP,
        broker=[f"kafka://{server.strip()}" for server in configured.kafka.split(",")],
        broker_credentials=kafka_access.credentials(),
        store="rocksdb://",
        datadir=configured.state_dir.resolve(),
        topic_partitions=configured.partitions,
        topic_disable_leader=True,
        topic_allow_declare=False,
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        autodiscover=False,
        # Faust's would keep what no changelog has: docs/decisions/03-checkpoints.md
        table_standby_replicas=0,
        TableManager=TablesAtOnce,
        stream_wait_empty=True,
        broker_commit_interval=0.25,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=3.0,
        broker_max_poll_records=500,
        stream_buffer_maxsize=256,
        consumer_max_fetch_size=4 * 1024 * 1024,
        consumer_group_instance_id=configured.detector_id or None,
        consumer_auto_offset_reset="earliest",
    )
    orders = app.topic(
        ORDERS.name, key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes
    )
    table = CheckpointTable(
        app,
        name=STATE_TABLE,
        partitions=configured.partitions,
        key_type=bytes,
        value_type=bytes,
        options=dict(ROCKSDB),
        default=None,
    )
    table.source_topic, table.signals_topic, table.keep = (
        ORDERS.name,
        SIGNALS.name,
        configured.detector_cache_accounts,
    )
    table.whose_broker = watch
    table.taking = Taking(configured.state_dir.resolve())
    table.stand_still = partial(stand_still, readiness)
    table.pace = Pace(configured.checkpoint_seconds)
    app.tables.add(table)
    app.table = table
    worker = Worker(table)

    @app.agent(orders, concurrency=1)
    async def detect(stream: Any) -> None:
        """Fold each record; acknowledge at checkpoints."""
        async for event in stream.noack().events():
            # once begun, a record is folded, sent and noted whole
            await asyncio.shield(worker.take(event))

    @app.task  # type: ignore[untyped-decorator] # faust has no types for it
    async def same_source() -> None:
        """Faust drops what comes at lower offsets than it has read: of a topic that was made anew
        it would say nothing.
        """
        while not app.should_stop:
            await app.sleep(WATCH_SECONDS)
            await table.require_same_source()

    @app.task  # type: ignore[untyped-decorator] # faust has no types for it
    async def checkpoints() -> None:
        await worker.checkpoint_when_due(app, readiness)

    return app


class Worker:
    """Takes events in order, one at a time, and decides when to checkpoint."""

    def __init__(self, table: CheckpointTable) -> None:
        self._table = table
        self._decode = decode_orders()
        self._publisher: kafka.Publisher | None = None
        self._taken_at = time.monotonic()
        self._disk_at = 0.0
        metrics.RECORDS.labels("detector", ORDERS.name)
        metrics.DEAD_LETTERS.labels(ORDERS.name, "detector")
        metrics.QUARANTINED.labels(ORDERS.name, "detector")
        metrics.LOG_DIFFERS.labels("detector").set(0)

    async def take(self, event: Any) -> None:
        """One record: decode, apply, send what it causes. A record that cannot be read
        goes to the dead letters.

        Anything unforeseen leaves the process: Faust would acknowledge the event and lose it.
        """
        try:
            await self._take(event)
        except BaseException as error:
            log.exception("a record could not be taken")
            self._table.excuse(error)
            leave(f"{event.message.tp} offset {event.message.offset}: {error!r}")

    async def _take(self, event: Any) -> None:
        message = event.message
        number, offset = message.tp.partition, message.offset
        async with self._table.lock:
            one = self._table.owned.get(number)
            if one is not None and offset != one.source:
                await self._table.require_no_gap(number, offset)
            if one is None or offset < one.source:
                event.ack()  # not ours any more, or folded before: the state's own offset decides
                return
            at = datetime.fromtimestamp(message.timestamp, UTC)
            record = Record(
                topic=message.tp.topic,
                partition=number,
                offset=offset,
                at=at,
                key=message.key,
                value=message.value,
                headers=list(message.headers or []),
                event=None,
            )
            decoded: OrdersRecord | None = None
            note = self._table.taking.of(number)
            if (record.topic, number, offset) in self._table.skipped:
                log.warning("passed by", topic=record.topic, partition=number, offset=offset)
            elif note.is_over(offset):
                await self._aside(record, quarantine.reason(note), ends=note.ends)
            else:
                self._table.taking.begin(number, offset, offset + 1)
                try:
                    decoded = self._decode(record)
                except Rejected as error:
                    await self._aside(record, str(error))
            if decoded is not None:
                started = time.monotonic()
                with (
                    tracing.taking("detector", [record]),
                    request_ids.within(*request_ids.of(record)),
                ):
                    for caused in one.state.apply(decoded, offset=offset, at=at):
                        await self._send(caused, number, started)
            self._table.taken(event, record)
            if not note.is_careful(offset):
                self._table.taking.rest(number)
            request_ids.taken("detector", [record])
            self._taken_at = time.monotonic()
            metrics.RECORDS.labels("detector", ORDERS.name).inc()
            metrics.LAG_SECONDS.labels("detector", ORDERS.name, str(number)).set(
                max(0.0, clock.now().timestamp() - message.timestamp)
            )
            is_due = note.is_careful(offset) or self._table.pace.is_due()
            if isinstance(decoded, RunRequested) or is_due:
                await self._table.checkpoint()

    async def _send(self, event: SignalsRecord, number: int, started: float) -> None:
        if isinstance(event, RunCompleted):
            seconds = time.monotonic() - started
            metrics.RUN_SECONDS.observe(seconds)
            event = msgspec.structs.replace(event, duration_ms=int(seconds * 1000))
            log.info(
                "run completed",
                organization=event.organization,
                number=event.number,
                evaluated=event.evaluated,
                ms=event.duration_ms,
            )
        else:
            metrics.SIGNAL_EVENTS.labels(event.signal_type, type(event).__name__).inc()
            if is_saturated(event):
                metrics.SATURATED.inc()
                log.warning(
                    "sums of an account are beyond what is kept: the largest is shown",
                    organization=event.organization,
                    account=event.account,
                )
        await self._table.send(
            encode(event), partition=number, headers=headers_of(event, source="detector")
        )

    async def _aside(self, record: Record, reason: str, *, ends: int = 0) -> None:
        if self._publisher is None:
            self._publisher = kafka.Publisher()
        put = partial(
            aside.dead_letter, self._publisher, record,
            reason=reason, consumer="detector", ends=ends,
        )  # fmt: skip
        await asyncio.get_running_loop().run_in_executor(None, put)

    async def checkpoint_when_due(self, app: faust.App, readiness: Readiness) -> None:
        """Runs for ever beside the agent: what was taken is saved when its time has come, or as
        soon as it is quiet.
        """
        while not app.should_stop:
            await asyncio.sleep(QUIET_SECONDS)
            readiness.set(
                bool(self._table.owned) or (not app.rebalancing and not app.unassigned),
                "joining the group",
            )
            now = time.monotonic()
            if now - self._disk_at >= DISK_SECONDS:
                self._disk_at = now
                measure_disk("detector", settings().state_dir)
            if not self._table.unsaved:
                for number, one in self._table.owned.items():
                    end = app.consumer.highwater(faust.types.TP(ORDERS.name, number)) or one.source
                    metrics.LAG_RECORDS.labels("detector", ORDERS.name, str(number)).set(
                        max(0, end - one.source)
                    )
                    if end <= one.source:
                        metrics.LAG_SECONDS.labels("detector", ORDERS.name, str(number)).set(0)
            elif now - self._taken_at >= QUIET_SECONDS or self._table.pace.is_due():
                async with self._table.lock:
                    await self._table.checkpoint()


def is_saturated(event: SignalsRecord) -> bool:
    """True where a figure is not the sum, but the largest that is kept."""
    if not isinstance(event, SignalOpened | SignalSeen):
        return False
    figures = msgspec.structs.astuple(event.figures)
    return LARGEST_SUM_CENTS in (event.lifetime_revenue_cents, *figures)
