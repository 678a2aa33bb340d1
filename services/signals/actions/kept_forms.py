"""What somebody typed before their session ended: kept for an hour, then or once it was shown gone.

It is of a person and their browser, and changes nothing of the organization: no audit log has it.
"""

from datetime import timedelta

from services.signals.store import kept_forms
from shared import clock, db

LASTS = timedelta(hours=1)
MOST_BYTES = 64_000
MOST_OF_PERSON, MOST = 5, 500  # forms of a person, of an organization


def keep(
    connection: db.Connection, organization: str, *, kept: bytes, person: bytes, typed: bytes
) -> None:
    """One form, encrypted; `kept`: the hash of its key. The oldest beyond the bounds go."""
    now = clock.now()
    kept_forms.insert(
        connection, organization, kept=kept, person=person, typed=typed, expires_at=now + LASTS
    )
    kept_forms.clear(
        connection, organization, person=person, now=now, most_of_person=MOST_OF_PERSON, most=MOST
    )


def forget(connection: db.Connection, organization: str, *, kept: bytes) -> None:
    """It was shown."""
    kept_forms.delete(connection, organization, kept=kept)
