"""The SQL of how an organization sends."""

from typing import Any

from shared import db

SETTINGS = "SELECT settings FROM published_sending_settings WHERE organization = %s"


def sending_settings(connection: db.Connection, organization: str) -> Any:
    """As they were saved; None: nobody has."""
    row = connection.execute(SETTINGS, (organization,)).fetchone()
    return None if row is None else row[0]
