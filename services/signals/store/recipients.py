"""Who gets the digest: members alone."""

from datetime import datetime

from shared import db

INSERT_RECIPIENT = """
INSERT INTO digest_recipients (organization, email, added_by)
VALUES (%(organization)s, %(email)s, %(added_by)s)
ON CONFLICT DO NOTHING
"""

SET_OWN_ONLY = """
UPDATE digest_recipients
SET own_only = %(own_only)s
WHERE organization = %(organization)s
  AND email = %(email)s
  AND own_only <> %(own_only)s
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


def set_own_only(
    connection: db.Connection, organization: str, email: str, *, own_only: bool
) -> bool:
    """Their own accounts alone, or all. False: it was so, or the digest does not go there."""
    values = {"organization": organization, "email": email, "own_only": own_only}
    return connection.execute(SET_OWN_ONLY, values).rowcount == 1


def unsubscribe(connection: db.Connection, organization: str, email: str, *, at: datetime) -> bool:
    """No mail of the organization goes to this address any more. False: none did before."""
    values = {"organization": organization, "email": email, "at": at}
    return connection.execute(SUPPRESS, values).rowcount == 1
