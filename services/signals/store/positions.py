"""How far consumers are."""

from shared import db

CONSUMER = "signals"  # the name that the signals service keeps its positions under

POSITION = """
SELECT next_offset
FROM positions
WHERE consumer = %s
  AND topic = %s
  AND partition = %s
"""


def of(connection: db.Connection, consumer: str, topic: str, partition: int) -> int:
    """The next offset that `consumer` has not put into PostgreSQL; 0 for a partition never seen."""
    row = connection.execute(POSITION, (consumer, topic, partition)).fetchone()
    return int(row[0]) if row else 0
