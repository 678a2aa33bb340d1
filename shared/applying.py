"""One batch of a partition: decoded, handled, what is wrong put aside, and the position moved, in
one transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import psycopg
import structlog
from confluent_kafka.admin import AdminClient
from psycopg_pool import ConnectionPool

from shared import db, quarantine, same_log, same_log_store
from shared.aside import dead_letter
from shared.errors import FieldError, NoTopic, OtherLog, Rejected, said
from shared.kafka import Publisher
from shared.quarantine import Note
from shared.records import Decode, Record
from shared.same_log_store import Known, Logs
from shared.skips import Places
from shared.topics import MEGABYTE, ORDERS

log = structlog.get_logger()

TRANSACTION_BYTES = (
    4 * MEGABYTE
)  # of records at most in one transaction: bounds memory, whatever the blocks hold

Handle = Callable[[db.Connection, list[Record]], None]


@dataclass(frozen=True, kw_only=True)
class Route:
    """How one topic's records are decoded and handled. Both raise Rejected for
    what can never be right.

    is_trusted: our own services write it, so a row of unreadable records means a bad deploy,
        and the process stops.
    starts_over: its handler takes a topic that was deleted and made anew from the beginning, since
        its rows do not hang on offsets; where they do, the process stops and a person decides.
    is_first_reader: puts aside what cannot be decoded; another reader of the topic passes it by,
        so that it is put aside once.
    """

    topic: str
    decode: Decode
    handle: Handle
    is_trusted: bool = True
    is_first_reader: bool = True
    starts_over: bool = True


def bounded(batch: list[Record]) -> Iterator[list[Record]]:
    """The batch in parts of TRANSACTION_BYTES, or of one record that is larger."""
    part: list[Record] = []
    size = 0
    for record in batch:
        own = _size(record)
        if part and size + own > TRANSACTION_BYTES:
            yield part
            part, size = [], 0
        part.append(record)
        size += own
    yield part


def _size(record: Record) -> int:
    """Of its bytes in memory; headers may be larger than the value."""
    return (
        len(record.key or b"")
        + len(record.value or b"")
        + sum(len(name) + len(value or b"") for name, value in record.headers)
    )


def apply(
    route: Route,
    consumer: str,
    partition: int,
    batch: list[Record],
    pool: ConnectionPool[db.Connection],
    publisher: Publisher,
    *,
    ended: Note | None = None,
    skipped: Places = frozenset(),
) -> tuple[bool, int]:
    """Returns (False where another process was faster, how many records could not be read or were
    rejected). `ended`: the batch is one record, and is put aside without a look at it. `skipped`:
    those that a person told to pass by; they were put aside then.
    """
    records: list[Record] = []
    rejected: list[tuple[Record, str]] = []
    passed_by = 0
    for record in batch:
        if (record.topic, record.partition, record.offset) in skipped:
            log.warning("passed by", topic=record.topic, partition=partition, offset=record.offset)
            continue
        if ended is not None:
            rejected.append((record, quarantine.reason(ended)))
            continue
        try:
            if record.unreadable:
                raise Rejected(FieldError(field="record", reason=record.unreadable))
            records.append(replace(record, event=route.decode(record)))
        except Rejected as error:
            if route.is_first_reader:
                rejected.append((record, str(error)))
            else:
                passed_by += 1

    def bisect(part: list[Record], connection: db.Connection) -> None:
        """Handle `part` in a savepoint; halve it until the record that is rejected stands alone."""
        if not part:
            return
        try:
            with connection.transaction():
                route.handle(connection, part)
        except (Rejected, psycopg.DataError, psycopg.IntegrityError) as error:
            if len(part) == 1:
                rejected.append((part[0], said(error)))
                return
            half = len(part) // 2
            bisect(part[:half], connection)
            bisect(part[half:], connection)

    try:
        with pool.connection() as connection, connection.transaction():
            expected = _expected(connection, consumer, batch[0])
            bisect(records, connection)
            for record, reason in sorted(rejected, key=lambda pair: pair[0].offset):
                ends = ended.ends if ended is not None else 0
                dead_letter(publisher, record, reason=reason, consumer=consumer, ends=ends)
            if not db.move_position(
                connection,
                consumer=consumer,
                topic=route.topic,
                partition=partition,
                expected=expected,
                next_offset=batch[-1].offset + 1,
                last=_last(batch[-1]),
            ):
                raise _Overtaken
    except _Overtaken:
        return False, 0
    return True, len(rejected) + passed_by


def follow_topics(
    client: AdminClient,
    connection: db.Connection,
    consumer: str,
    routes: Sequence[Route],
    *,
    is_reading: bool = False,
) -> None:
    """Hold the logs that are there against those that positions are of, and note how far they
    reach. Raises OtherLog where they differ: at once, and at every call again.

    A topic that alone was deleted and made anew is read from its beginning where its handler
    `starts_over`; never while somebody reads it (`is_reading`), who would go on in the middle.
    Raises NoTopic where one is not there, Retryable while Kafka is away.
    """
    topics = [route.topic for route in routes]
    looked_at = {*topics, ORDERS.name}  # without the truth nothing goes on
    seen = same_log_store.known(connection, sorted(looked_at), consumers=[consumer])
    connection.commit()
    there = same_log.look(client, looked_at)  # after that: it grows meanwhile
    for route in routes:
        if route.topic not in there.topics:
            raise NoTopic(f"{route.topic} is not there")
        of_it = [one for one in seen if one.topic == route.topic]
        if route.starts_over and not is_reading and _was_made_anew(there, of_it):
            seen = [one for one in seen if one.topic != route.topic]
            same_log_store.forget(connection, route.topic)
            db.follow_topic(
                connection,
                consumer=consumer,
                topic=route.topic,
                topic_id=there.topics[route.topic].topic_id,
                start_over=True,
            )
            log.warning(
                "the topic was made anew: starting over", topic=route.topic, consumer=consumer
            )
    if reason := same_log.lasting_difference(client, there, seen):
        raise OtherLog(reason)
    for topic in topics:
        db.follow_topic(
            connection,
            consumer=consumer,
            topic=topic,
            topic_id=there.topics[topic].topic_id,
            start_over=False,
        )
    same_log_store.note(connection, there, seen)


def _was_made_anew(there: Logs, seen: Sequence[Known]) -> bool:
    return any(one.topic_id not in (0, there.topics[one.topic].topic_id) for one in seen)


def _last(record: Record) -> tuple[int, bytes] | None:
    """What the next look at the log is held against."""
    return None if record.unreadable else (record.offset, same_log.hash_of(record))


class _Overtaken(Exception):
    """Another process has already put these records into PostgreSQL."""


def _expected(connection: db.Connection, consumer: str, first: Record) -> int:
    """The stored position, locked until the end of the transaction, where this batch continues it;
    else raises _Overtaken.

    Between the stored position and the first record there can be nothing but transaction markers:
    the loop reads in order.
    """
    stored = db.lock_position(
        connection, consumer=consumer, topic=first.topic, partition=first.partition
    )
    if stored is None or stored > first.offset:
        raise _Overtaken
    return stored
