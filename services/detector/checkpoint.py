"""The Faust table whose writes are checkpoints: three subclasses at extension points that Faust
has, nothing patched.

    CheckpointStore  Faust's RocksDB store, and a bulk restore: the changelog read with librdkafka,
                     in WriteBatches
    CheckpointTable  a faust.Table that owns the decoded state of its partitions, the fenced writers
                     of its changelog, `checkpoint`
    CheckpointApp    a faust.App that checkpoints when partitions go: flow suspended, queues
                     cleared, partitions still ours

A checkpoint is: signal events confirmed -> changelog transaction committed -> RocksDB -> blocks
acknowledged, in order. Each partition's writer is transactional and made anew at every assignment
before the restore: an earlier owner that wakes up is fenced and leaves. The next source offset is
part of the state and sets the group's offset at assignment, so that a run is never replayed over a
state that has seen later orders. What cannot be mended leaves the process at once: inside `noack()`
an exception would commit past its event.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import faust
import rocksdict
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from faust.stores.rocksdb import Store as RocksStore
from faust.tables import TableManager
from faust.transport.drivers.aiokafka import server_list
from faust.types import TP

from services.detector import restore, source_log
from services.detector.leaving import leave
from services.detector.partition import Partition
from services.detector.taking import Taking
from shared import clock, kafka, kafka_access, metrics, same_log, skips
from shared.broker import Watch
from shared.errors import NoTopic, Retryable
from shared.records import Record
from shared.same_log_store import Known, Logs

log = structlog.get_logger()

# on the disk alone: the id of the changelog that it was restored from
CHANGELOG_KEY = b"__faust\0changelog-topic"
BATCH_BYTES = 900_000
GIVE_BACK_SECONDS = 30.0
TRANSACTION_MS = 30_000
# of the time, at most, while records come without a pause: each writes every touched account whole
CHECKPOINT_SHARE = 0.1
# bounds what a crash repeats, and the blocks that wait to be acknowledged
LONGEST_PACE_SECONDS = 5.0

# none of them says anything about a record
BLAMELESS = (KafkaError, KafkaException, OSError, Retryable, asyncio.CancelledError)

Row = tuple[bytes, bytes]


class RocksPartition:
    """One partition's database, as `Partition` reads it."""

    def __init__(self, database: Any) -> None:
        self._database = database

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        value: bytes | None = self._database.get(key)
        return value

    def scan(self, prefix: bytes) -> Iterator[Row]:
        """All entries whose key starts with `prefix`, by key."""
        iterator = self._database.iter()
        iterator.seek(prefix)
        while iterator.valid():
            key: bytes = iterator.key()
            if not key.startswith(prefix):
                return
            yield key, iterator.value()
            iterator.next()


class CheckpointStore(RocksStore):
    """Faust's store, brought to the end of the changelog in bulk."""

    def catch_up(self, tp: TP, servers: str, changelog: int) -> int:
        """(in a thread) Read what the local database lacks; returns the number of records.

        What was restored from another changelog than the one with the id
        `changelog` is forgotten first.
        """
        database = self._db_for_partition(tp.partition)
        if int(database.get(CHANGELOG_KEY) or changelog) != changelog:
            log.warning("the changelog was made anew: starting over", partition=tp.partition)
            restore.forget(database)
        database.put(CHANGELOG_KEY, str(changelog).encode())
        count = restore.catch_up(
            database,
            topic=tp.topic,
            partition=tp.partition,
            servers=servers,
            offset_key=self.offset_key,
        )
        database.put(CHANGELOG_KEY, str(changelog).encode())  # where it was read anew
        return count


class Owned:
    """A partition that is ours: its decoded state, its changelog writer, how far it has come."""

    def __init__(self, database: Any, writer: Any, source_topic: int) -> None:
        self.database, self.writer, self.source_topic = database, writer, source_topic
        self.state = Partition(RocksPartition(database))
        self.source = self.saved_source = source_log.place_of(database)[1]
        self.last: Record | None = None


class Pace:
    """When a checkpoint is due: after `every_seconds`, later where the one before took so long that
    they would take too much of the time. Nothing that is seen outside waits for it: signal events
    are on their way, and a pause in the records brings it at once.
    """

    def __init__(self, every_seconds: float) -> None:
        self._every_seconds = every_seconds
        self.ended_at = time.monotonic()
        self._took_seconds = 0.0

    def is_due(self) -> bool:
        """True where it is time."""
        slower = min(LONGEST_PACE_SECONDS, self._took_seconds * (1 / CHECKPOINT_SHARE - 1))
        return time.monotonic() - self.ended_at >= max(self._every_seconds, slower)

    def ended(self, seconds: float) -> None:
        """A checkpoint ended now, after so many seconds."""
        self.ended_at, self._took_seconds = time.monotonic(), seconds


class CheckpointTable(faust.Table[bytes, bytes]):
    """The detector's rolling tables. `source_topic` is the topic whose offsets follow the state;
    `keep` bounds memory.
    """

    pace: Pace
    whose_broker: Watch
    taking: Taking
    stand_still: Callable[[str, Callable[[], bool]], None]
    source_topic = ""
    signals_topic = ""
    keep = 100_000

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owned: dict[int, Owned] = {}
        self.lock = asyncio.Lock()
        self._admin = same_log.admin()
        self.skipped: skips.Places = frozenset()
        self._changelog = 0  # the id of the one that the states are restored from
        self._signals: Any = None
        self._sends: list[Any] = []
        self._events: list[Any] = []

    def _new_store(self) -> CheckpointStore:
        return CheckpointStore(
            self._store or self.app.conf.store,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            value_type=self.value_type,
            key_serializer="raw",
            value_serializer="raw",
            loop=self.loop,
            options=dict(self.options or {}),
        )

    @property
    def unsaved(self) -> bool:
        """True while records are taken that no checkpoint has acknowledged."""
        return bool(self._events)

    async def send(self, value: bytes, *, partition: int, headers: list[tuple[str, bytes]]) -> None:
        """A signal event: on its way at once, confirmed by the next checkpoint."""
        self._sends.append(
            await self._signals.send(
                self.signals_topic, value=value, partition=partition, headers=headers
            )
        )

    def taken(self, event: Any, record: Record) -> None:
        """The event is folded: the next checkpoint acknowledges it."""
        one = self.owned[record.partition]
        one.source, one.last = record.offset + 1, record
        self._events.append(event)

    async def checkpoint(self) -> None:
        """Call with the lock held. Any failure leaves the process: nothing was acknowledged, the
        next owner repeats it.
        """
        started = time.monotonic()
        try:
            events, self._events = self._events, []
            sends, self._sends = self._sends, []
            for future in sends:
                await future
            unsaved = [
                (number, one)
                for number, one in self.owned.items()
                if one.source != one.saved_source
            ]
            for number, one in unsaved:
                self.taking.begin(number, one.saved_source, one.source)
            await asyncio.gather(*(self._save(number, one) for number, one in unsaved))
            for number, _ in unsaved:
                self.taking.rest(number)
            for event in events:
                event.ack()
        except BaseException as error:
            self.excuse(error)
            leave(f"checkpoint: {error!r}")
        seconds = time.monotonic() - started
        self.pace.ended(seconds)
        metrics.CHECKPOINT_SECONDS.observe(seconds)
        metrics.CACHED_ACCOUNTS.set(sum(one.state.cached_accounts for one in self.owned.values()))

    def excuse(self, error: BaseException) -> None:
        """Of what is under way no record is to blame for an end by what is away, or by a stop."""
        if isinstance(error, BLAMELESS):
            self.taking.rest_all()

    async def _save(self, number: int, one: Owned) -> None:
        source = one.source
        place = source_log.rows(source, one.source_topic, one.last)
        rows = [*one.state.flush(self.keep // max(1, len(self.owned))), *place]
        local = rocksdict.WriteBatch(raw_mode=True)
        for key, value in rows:
            local.put(key, value)
        end = await self._write_changelog(one.writer, number, rows)
        local.put(CheckpointStore.offset_key, str(end).encode())
        one.database.write(local)
        one.saved_source = source

    async def _write_changelog(self, writer: Any, number: int, rows: list[Row]) -> int:
        """One transaction. Returns the offset of its last record."""
        now_ms = clock.now_ms()
        futures: list[tuple[Any, int]] = []
        batch = writer.create_batch()
        for key, value in rows:
            if batch.append(key=key, value=value, timestamp=now_ms) is None:
                futures.append(
                    (
                        await writer.send_batch(batch, self.changelog_topic_name, partition=number),
                        batch.record_count(),
                    )
                )
                batch = writer.create_batch()
                batch.append(key=key, value=value, timestamp=now_ms)
        futures.append(
            (
                await writer.send_batch(batch, self.changelog_topic_name, partition=number),
                batch.record_count(),
            )
        )
        end = -1
        for future, count in futures:
            end = (await future).offset + count - 1
        await writer.commit_transaction()
        await writer.begin_transaction()
        return end

    # -- ownership ---------------------------------------------------------------------------------

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Take what is ours now: fence, restore, set the group's offset to what the state says."""
        # closes and opens the databases
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        if self._signals is None:
            self._signals = await self._producer(linger_ms=5)
        actives = self.app.assignor.assigned_actives()
        mine = [tp for tp in assigned if tp.topic == self.changelog_topic_name and tp in actives]
        # Faust calls a partition that went away and came back "not newly assigned":
        # decoded state is never kept
        await self.let_go()
        if mine:
            there = await self._logs()
            self._changelog = there.topics[self.changelog_topic_name].topic_id
            ids = {self.source_topic: there.topics[self.source_topic].topic_id}
            loop = asyncio.get_running_loop()
            self.skipped = await loop.run_in_executor(None, skips.read, ids)
            await asyncio.gather(*(self._own(tp, there) for tp in mine))
        if self.owned:
            await self._set_source_offsets()

    async def _logs(self) -> Logs:
        """Leaves where a stranger's broker answers."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.whose_broker.look_quietly)
        if self.whose_broker.why():
            leave(self.whose_broker.why())
        there = await loop.run_in_executor(
            None, same_log.look, self._admin, [self.source_topic, self.changelog_topic_name]
        )
        for name in (self.source_topic, self.changelog_topic_name):
            if name not in there.topics:
                raise NoTopic(f"{name} is not there")
        return there

    def _require_same(self, number: int, source_topic: int, source: int, there: Logs) -> None:
        known = Known(
            topic=self.source_topic,
            partition=number,
            topic_id=source_topic,
            next_offset=source,
            whose=source_log.WHOSE,
        )
        if reason := same_log.lasting_difference(self._admin, there, [known]):
            self.stand_still(
                reason,
                lambda: source_log.is_mended(
                    self._admin, known, (self.changelog_topic_name, self._changelog)
                ),
            )

    async def require_same_source(self) -> None:
        """Stops where the source topic is another one than the states follow, or ends before them.
        While Kafka, or the topic, is away: nothing.
        """
        with suppress(Retryable):
            # before the log is looked at: it grows meanwhile
            known = [(number, one.source_topic, one.source) for number, one in self.owned.items()]
            there = await self._logs()
            for number, source_topic, source in known:
                self._require_same(number, source_topic, source, there)

    async def require_no_gap(self, number: int, offset: int) -> None:
        """Leaves where a record is not the next one that the state waits for, and
        nothing explains that.

        One that was folded before is passed by, unless the topic is another one; one that comes
        later is taken only where those before it are in the log no more.
        """
        one = self.owned[number]
        await self.require_same_source()
        loop = asyncio.get_running_loop()
        if (
            offset
            > one.source
            < await loop.run_in_executor(None, kafka.first_offset, self.source_topic, number)
        ):
            log.warning(
                "the log begins later than the state ends",
                partition=number,
                source=one.source,
                offset=offset,
            )
        elif offset > one.source:
            leave(f"{self.source_topic}/{number}: got {offset}, the state waits for {one.source}")

    async def _own(self, tp: TP, there: Logs) -> None:
        store: Any = self.data
        changelog = there.topics[tp.topic].topic_id
        database = store._db_for_partition(tp.partition)
        if int(database.get(CHANGELOG_KEY) or changelog) == changelog:
            self._require_same(tp.partition, *source_log.place_of(database), there)
        writer = await self._producer(
            transactional_id=f"{self.app.conf.id}-{self.name}-{tp.partition}",
            transaction_timeout_ms=TRANSACTION_MS,
        )
        # a new epoch: every earlier owner's write is refused from here on
        await writer.begin_transaction()
        loop = asyncio.get_running_loop()
        restored = await loop.run_in_executor(None, store.catch_up, tp, self._servers(), changelog)
        self._require_same(tp.partition, *source_log.place_of(database), there)
        is_same = partial(source_log.is_last_read, database, self.source_topic, tp.partition)
        if not await loop.run_in_executor(None, is_same):
            self.stand_still(
                source_log.replaced(database, self.source_topic, tp.partition), is_same
            )
        source_topic = there.topics[self.source_topic].topic_id
        one = self.owned[tp.partition] = Owned(database, writer, source_topic)
        self.taking.own(tp.partition, one.source)
        log.info("partition owned", partition=tp.partition, restored=restored, source=one.source)

    async def _set_source_offsets(self) -> None:
        offsets = {TP(self.source_topic, number): one.source for number, one in self.owned.items()}
        app: Any = self.app
        commit = asyncio.ensure_future(self._go_to(app.consumer, offsets))
        # SIGTERM in here: the consumer's thread answers no more
        stopping = asyncio.ensure_future(app._stopped.wait())
        done, pending = await asyncio.wait(
            {commit, stopping}, timeout=10, return_when=asyncio.FIRST_COMPLETED
        )
        for future in pending:
            future.cancel()
        if commit not in done and stopping not in done:
            leave("could not set the source offsets")

    async def _go_to(self, consumer: Any, offsets: dict[TP, int]) -> None:
        """In the group and in this process: Faust seeks to what is committed later, but passes by a
        committed 0, and would then read on at the place that the group had before.
        """
        await consumer._commit(offsets)
        for tp, offset in offsets.items():
            await consumer.seek(tp, offset)

    async def let_go(self) -> None:
        """From here on nothing of the partitions can be written."""
        owned, self.owned = self.owned, {}
        for number in owned:
            self.taking.let_go(number)
        for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS):
            gauge.clear()  # who has them now measures them
        for one in owned.values():
            await stop(one.writer)

    async def on_stop(self) -> None:
        """Close the producers; what they had is confirmed by the last checkpoint."""
        for one in self.owned.values():
            await stop(one.writer)
        if self._signals is not None:
            await stop(self._signals)
        await super().on_stop()

    def _servers(self) -> str:
        return ",".join(server_list(self.app.conf.broker, 9092))

    async def _producer(self, **options: Any) -> Any:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers(), enable_idempotence=True, acks="all",
            max_batch_size=BATCH_BYTES, max_request_size=2 * BATCH_BYTES,
            **kafka_access.asyncio_client(), **options,
        )  # fmt: skip
        await producer.start()
        return producer


async def stop(producer: Any) -> None:
    """Close a producer whose broker, or epoch, may be gone."""
    with suppress(Exception):
        await asyncio.wait_for(producer.stop(), 5)


class TablesAtOnce(TableManager):
    """Faust sleeps for a second here, so that agents may bring tables; ours is there
    before the app starts.
    """

    async def on_start(self) -> None:
        """As `TableManager` does it, without the sleep."""
        await self._update_channels()
        await self.recovery.start()


class CheckpointApp(faust.App):
    """Saves before partitions go and before the process ends. Who builds the app sets `table`."""

    table: CheckpointTable

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """Called when partitions are revoked and when the consumer stops: flow suspended, queues
        cleared, partitions still ours. An event that the agent has in hand is still ours: it is
        folded, then saved in the next turn.
        """
        until = time.monotonic() + GIVE_BACK_SECONDS
        while consumer.unacked:
            async with self.table.lock:
                await self.table.checkpoint()
            if consumer.unacked:
                if time.monotonic() > until:
                    leave("partitions could not be given back in time")
                await asyncio.sleep(0.005)
        await super()._consumer_wait_empty(consumer, logger)  # commits
        await self.table.let_go()
