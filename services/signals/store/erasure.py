"""Erasing a person (product.md 12): the one place that also writes what the sequences service
keeps, for the operator alone.
"""

from services.signals.store import contacts
from shared import db

FORGET_ENROLLMENTS = """
UPDATE enrollments
SET variables = '{}',
    state = CASE WHEN state IN ('enrolled', 'active') THEN 'stopped' ELSE state END,
    reason = CASE WHEN state IN ('enrolled', 'active') THEN 'erased' ELSE reason END
WHERE organization = %(organization)s
  AND contact = %(contact)s
"""

FORGET_MAILS = """
DELETE FROM sequence_mails
WHERE organization = %(organization)s
  AND contact = %(contact)s
"""


def erase_contact(connection: db.Connection, organization: str, contact: str) -> bool:
    """False: nothing of that contact was here."""
    key = {"organization": organization, "contact": contact}
    mails = connection.execute(FORGET_MAILS, key).rowcount
    enrollments = connection.execute(FORGET_ENROLLMENTS, key).rowcount
    return contacts.delete_contact(connection, organization, contact) or mails + enrollments > 0
