"""The Kafka cluster that this database goes with: one row, written by `winback topics` as the
owner (0025_broker.sql).
"""

from shared.db import Connection

HAS_TABLE = "SELECT to_regclass('public.broker') IS NOT NULL"

NOTED = "SELECT cluster_id FROM broker"

NOTE = """
INSERT INTO broker (cluster_id)
VALUES (%(cluster_id)s)
ON CONFLICT (is_ours) DO UPDATE SET
    cluster_id = excluded.cluster_id,
    noted_at = now()
WHERE broker.cluster_id <> excluded.cluster_id
"""


def has_table(connection: Connection) -> bool:
    """False before the migration that makes it."""
    row = connection.execute(HAS_TABLE).fetchone()
    return row is not None and bool(row[0])


def noted(connection: Connection) -> str | None:
    """The id of our cluster; None where nobody has noted one yet."""
    row = connection.execute(NOTED).fetchone()
    return None if row is None else str(row[0])


def note(connection: Connection, cluster_id: str) -> bool:
    """It is ours from now on. False: it was before."""
    return connection.execute(NOTE, {"cluster_id": cluster_id}).rowcount == 1
