"""The marks of raw topics: from where on in `orders` there may lie what no position
knows of (`once.py` has the idea).
"""

from psycopg_pool import ConnectionPool

from services.ingest.once import Ends, Mark
from shared import db
from shared.outage import Place

FIND = """
SELECT owner, ends
FROM raw_marks
WHERE topic = %(topic)s
  AND partition = %(partition)s
"""

SET = """
INSERT INTO raw_marks (topic, partition, owner, ends)
VALUES (%(topic)s, %(partition)s, %(owner)s, %(ends)s)
ON CONFLICT (topic, partition) DO UPDATE SET
    owner = excluded.owner,
    ends = excluded.ends
"""

REST = """
UPDATE raw_marks
SET owner = NULL
WHERE topic = %(topic)s
  AND partition = %(partition)s
  AND owner = %(owner)s
  AND EXISTS (
      SELECT
      FROM positions
      WHERE positions.consumer = %(consumer)s
        AND positions.topic = %(topic)s
        AND positions.partition = %(partition)s
        AND positions.next_offset = %(position)s
  )
"""


FORGET = """
UPDATE raw_marks
SET owner = NULL,
    ends = %(ends)s
"""


def forget_what_is_under_way(connection: db.Connection, ends: Ends) -> None:
    """`orders` was written anew and reaches so far: nothing behind that is of a raw topic yet."""
    connection.execute(FORGET, {"ends": [ends[partition] for partition in sorted(ends)]})


def owner(connection: db.Connection, place: Place) -> str | None:
    """Of the mark, in the caller's transaction; None where there is none."""
    row = connection.execute(FIND, {"topic": place[0], "partition": place[1]}).fetchone()
    return None if row is None else row[0]


class StoredMarks:
    """`once.Marks` in PostgreSQL. `consumer`: whose positions are meant."""

    def __init__(self, pool: ConnectionPool[db.Connection], consumer: str) -> None:
        self._pool, self._consumer = pool, consumer

    def find(self, place: Place) -> Mark | None:
        """None where nobody ever took the partition."""
        with self._pool.connection() as connection:
            row = connection.execute(FIND, {"topic": place[0], "partition": place[1]}).fetchone()
        return None if row is None else Mark(owner=row[0], ends=dict(enumerate(row[1])))

    def set(self, place: Place, mark: Mark) -> None:
        """Committed when this returns."""
        ends = [mark.ends[partition] for partition in sorted(mark.ends)]
        values = {"topic": place[0], "partition": place[1], "owner": mark.owner, "ends": ends}
        with self._pool.connection() as connection:
            connection.execute(SET, values)

    def rest(self, place: Place, *, owner: str, position: int) -> None:
        """Only where nothing else became of it meanwhile."""
        values = {
            "topic": place[0],
            "partition": place[1],
            "owner": owner,
            "position": position,
            "consumer": self._consumer,
        }
        with self._pool.connection() as connection:
            connection.execute(REST, values)
