"""The pulse of each organization's feed."""

from datetime import datetime

from shared import db

LAST_ORDERS = """
SELECT
    organization,
    last_accepted_at
FROM feeds
"""


def last_orders(connection: db.Connection) -> list[tuple[str, datetime]]:
    """When the newest order of each organization was accepted."""
    return [(str(row[0]), row[1]) for row in connection.execute(LAST_ORDERS)]
