"""Who gets the digest: members alone."""

from datetime import datetime

from shared import db

INSERT_RECIPIENT = """
INSERT INTO digest_recipients (organization, email, added_by)
VALUES (%(organization)s, %(email)s, %(added_by)s)
ON CONFLICT DO NOTHING
"""

SUPPRESS = """
INSERT INTO suppressions (organization, email, reason, at)
VALUES (%(organization)s, %(email)s, 'unsubscribed', %(at)s)
ON CONFLICT DO NOTHING
"""


def add(connection: db.Connection, organization: str, email: str, *, added_by: str) -> None:
    """The digest goes to this member from now on."""
    connection.execute(
        INSERT_RECIPIENT, {"organization": organization, "email": email, "added_by": added_by}
    )


def unsubscribe(connection: db.Connection, organization: str, email: str, *, at: datetime) -> bool:
    """No mail of the organization goes to this address any more. False: none did before."""
    values = {"organization": organization, "email": email, "at": at}
    return connection.execute(SUPPRESS, values).rowcount == 1
