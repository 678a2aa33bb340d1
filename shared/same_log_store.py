"""What PostgreSQL remembers of Kafka's logs (`same_log.py` has the idea): table `logs`, and of each
position the record that was read last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared import clock
from shared.db import Connection

Place = tuple[str, int]  # topic, partition

SEEN = """
SELECT topic, partition, topic_id, next_offset
FROM logs
WHERE topic = ANY(%(topics)s)
"""

POSITIONS = """
SELECT topic, partition, next_offset
FROM positions
WHERE consumer = ANY(%(consumers)s)
  AND topic = ANY(%(topics)s)
"""

LAST_READ = """
SELECT topic, partition, last_offset, last_record
FROM positions
WHERE consumer = %(consumer)s
  AND topic = ANY(%(topics)s)
  AND last_offset IS NOT NULL
  AND next_offset > 0
"""

NOTE = """
INSERT INTO logs (topic, partition, topic_id, next_offset, seen_at)
SELECT *
FROM unnest(
    %(topics)s::text[], %(partitions)s::int[], %(ids)s::bigint[], %(ends)s::bigint[],
    %(times)s::timestamptz[]
)
ORDER BY 1, 2
ON CONFLICT (topic, partition) DO UPDATE SET
    next_offset = excluded.next_offset,
    seen_at = excluded.seen_at
WHERE logs.topic_id = excluded.topic_id
  AND logs.next_offset < excluded.next_offset
"""

FORGET = """
DELETE FROM logs
WHERE topic = %(topic)s
"""

# Of all that read it: the rows at partition -1 have the topic's id.
BEGIN_AGAIN = """
UPDATE positions
SET next_offset = CASE WHEN partition < 0 THEN %(topic_id)s ELSE 0 END,
    last_offset = NULL,
    last_record = NULL
WHERE topic = %(topic)s
"""

READ_UP_TO = """
INSERT INTO positions (consumer, topic, partition, next_offset)
SELECT %(consumer)s, %(topic)s, place.partition, place.next_offset
FROM unnest(%(partitions)s::int[], %(ends)s::bigint[]) AS place (partition, next_offset)
ON CONFLICT (consumer, topic, partition) DO UPDATE SET
    next_offset = excluded.next_offset
"""


@dataclass(frozen=True, kw_only=True)
class Log:
    """A topic as it is there: `ends` is by partition the offset behind its last record."""

    topic_id: int
    ends: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class Logs:
    """What Kafka has now."""

    topics: Mapping[str, Log]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is remembered of a partition. whose: who does, for people. is_noted: in `logs`."""

    topic: str
    partition: int
    next_offset: int
    topic_id: int = 0
    is_noted: bool = False
    whose: str = "Winback saw it reach"


def known(
    connection: Connection, topics: Sequence[str], *, consumers: Sequence[str] = ()
) -> list[Known]:
    """What PostgreSQL remembers of `topics`: as they were seen, and as `consumers` read them."""
    found = [
        Known(
            topic=topic,
            partition=partition,
            topic_id=topic_id,
            next_offset=next_offset,
            is_noted=True,
        )
        for topic, partition, topic_id, next_offset in connection.execute(
            SEEN, {"topics": list(topics)}
        )
    ]
    rows = connection.execute(
        POSITIONS, {"consumers": list(consumers), "topics": list(topics)}
    ).fetchall()
    found += [
        Known(
            topic=topic,
            partition=max(0, partition),
            topic_id=next_offset if partition < 0 else 0,
            next_offset=0 if partition < 0 else next_offset,
            whose="PostgreSQL has read up to",
        )
        for topic, partition, next_offset in rows
    ]
    return found


def note(connection: Connection, there: Logs, seen: Iterable[Known] = ()) -> None:
    """Keep what was seen, so far as it is the log that is known; one never seen is known from now
    on. seen: what is remembered already.
    """
    already = {(one.topic, one.partition): one.next_offset for one in seen if one.is_noted}
    rows = [
        (topic, partition, log.topic_id, end, clock.now())
        for topic, log in there.topics.items()
        for partition, end in log.ends.items()
        if end > already.get((topic, partition), -1)
    ]
    if not rows:
        return
    names = ("topics", "partitions", "ids", "ends", "times")
    connection.execute(
        NOTE, {name: [row[place] for row in rows] for place, name in enumerate(names)}
    )


def forget(connection: Connection, topic: str) -> None:
    """It was made anew, and is read from its beginning: the one that is there is the one now."""
    connection.execute(FORGET, {"topic": topic})


def begin_again(connection: Connection, topic: str, log: Log) -> None:
    """It was made anew: every consumer reads it from its beginning, and this is the log now."""
    connection.execute(BEGIN_AGAIN, {"topic": topic, "topic_id": log.topic_id})
    forget(connection, topic)
    note(connection, Logs(topics={topic: log}))


def read_up_to(connection: Connection, consumer: str, topic: str, log: Log) -> None:
    """`consumer` has all that is in it."""
    places = sorted(log.ends.items())
    connection.execute(
        READ_UP_TO,
        {
            "consumer": consumer,
            "topic": topic,
            "partitions": [-1, *(partition for partition, _ in places)],
            "ends": [log.topic_id, *(end for _, end in places)],
        },
    )


def last_read(
    connection: Connection, consumer: str, topics: Sequence[str]
) -> dict[Place, tuple[int, bytes]]:
    """Of each of the consumer's positions, offset and hash of the record that was read last."""
    rows = connection.execute(LAST_READ, {"consumer": consumer, "topics": list(topics)})
    return {
        (topic, partition): (offset, record) for topic, partition, offset, record in rows.fetchall()
    }
