"""The notes of who reads into PostgreSQL: what is under way in a partition, and what ended a
process there (shared/quarantine.py, 0028_taking.sql).
"""

from shared.db import Connection
from shared.quarantine import Note

READ = """
SELECT
    taking,
    taking_until,
    suspect,
    ends,
    careful_until
FROM taking
WHERE consumer = %(consumer)s
  AND topic = %(topic)s
  AND partition = %(partition)s
"""

WRITE = """
INSERT INTO taking (consumer, topic, partition, taking, taking_until, suspect, ends, careful_until)
VALUES (
    %(consumer)s, %(topic)s, %(partition)s,
    %(taking)s, %(until)s, %(suspect)s, %(ends)s, %(careful_until)s
)
ON CONFLICT (consumer, topic, partition) DO UPDATE SET
    taking = excluded.taking,
    taking_until = excluded.taking_until,
    suspect = excluded.suspect,
    ends = excluded.ends,
    careful_until = excluded.careful_until
"""

# The server keeps it over the end of any process of ours; only its own crash may lose the last.
WITHOUT_WAITING = "SET LOCAL synchronous_commit = off"


def read(connection: Connection, *, consumer: str, topic: str, partition: int) -> Note:
    """A partition that was never taken has an empty one."""
    place = {"consumer": consumer, "topic": topic, "partition": partition}
    row = connection.execute(READ, place).fetchone()
    if row is None:
        return Note()
    taking, until, suspect, ends, careful_until = map(int, row)
    return Note(taking=taking, until=until, suspect=suspect, ends=ends, careful_until=careful_until)


def write(connection: Connection, note: Note, *, consumer: str, topic: str, partition: int) -> None:
    """In a transaction of its own."""
    with connection.transaction():
        connection.execute(WITHOUT_WAITING)
        connection.execute(
            WRITE,
            {
                "consumer": consumer,
                "topic": topic,
                "partition": partition,
                "taking": note.taking,
                "until": note.until,
                "suspect": note.suspect,
                "ends": note.ends,
                "careful_until": note.careful_until,
            },
        )
