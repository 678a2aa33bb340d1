"""Erasing a person (product.md 12): the one place that also writes what the sequences service
keeps, for the operator alone.
"""

from services.signals.store import contacts
from shared import db

FORGET_ENROLLMENTS = """
UPDATE enrollments
SET variables = '{}',
    email = NULL,
    waits = NULL,
    due_at = NULL,
    next_at = NULL,
    stopped_at = CASE
        WHEN state IN ('enrolled', 'active', 'held', 'task') THEN clock_timestamp()
        ELSE stopped_at
    END,
    reason = CASE
        WHEN state IN ('enrolled', 'active', 'held', 'task') THEN 'erased'
        ELSE reason
    END,
    state = CASE
        WHEN state IN ('enrolled', 'active', 'held', 'task') THEN 'stopped'
        ELSE state
    END
WHERE organization = %(organization)s
  AND contact = %(contact)s
"""

# What waits to be told names them by the contact's id; the address of a refusal is all that it is.
FORGET_REFUSALS = """
DELETE FROM refusals r
USING contacts c
WHERE c.organization = %(organization)s
  AND c.contact = %(contact)s
  AND r.organization = c.organization
  AND r.email = lower(c.email)
"""

FORGET_MAILS = """
DELETE FROM sequence_mails
WHERE organization = %(organization)s
  AND contact = %(contact)s
"""


def erase_contact(connection: db.Connection, organization: str, contact: str) -> bool:
    """False: nothing of that contact was here."""
    key = {"organization": organization, "contact": contact}
    connection.execute(FORGET_REFUSALS, key)
    mails = connection.execute(FORGET_MAILS, key).rowcount
    enrollments = connection.execute(FORGET_ENROLLMENTS, key).rowcount
    return contacts.delete_contact(connection, organization, contact) or mails + enrollments > 0
