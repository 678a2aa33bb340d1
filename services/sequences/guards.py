"""What stops sending by itself: servers that do not want us, addresses that are none, people who
complain. A person lets it go on.
"""

from datetime import datetime, timedelta

import structlog

from services.sequences import letters_store as store
from services.sequences import stopping_store, telling
from shared import db

log = structlog.get_logger()

OURS_PAUSE_A_SENDER, OURS_WITHIN = 3, timedelta(days=1)
UNDELIVERABLE_PERCENT, UNDELIVERABLE_OF = 5, 20  # of so many at least
UNDELIVERABLE_WITHIN = timedelta(days=30)
SOFT_REFUSES, SOFT_WITHIN = 2, timedelta(days=90)
COMPLAINTS_PAUSE, COMPLAINTS_WITHIN = 2, timedelta(days=30)


def ours(connection: db.Connection, organization: str, sender: str, *, now: datetime) -> None:
    """Refusals that are about us pause the sender."""
    since = now - OURS_WITHIN
    if store.ours_lately(connection, organization, sender, since=since) >= OURS_PAUSE_A_SENDER:
        pause(connection, organization, sender, "ours", now=now)


def undeliverable(connection: db.Connection, organization: str, *, now: datetime) -> None:
    """Too many addresses that are none pause the organization: its data is old."""
    since = now - UNDELIVERABLE_WITHIN
    failed, of = store.undeliverable_lately(connection, organization, since=since)
    if of >= UNDELIVERABLE_OF and failed * 100 > of * UNDELIVERABLE_PERCENT:
        pause(connection, organization, "", "undeliverable", now=now)


def is_soft_again(
    connection: db.Connection, organization: str, email: str, *, answer: str, now: datetime
) -> bool:
    """The second letter to an address that failed softly refuses it. The letter at hand is marked
    already.
    """
    since = now - SOFT_WITHIN
    if store.soft_lately(connection, organization, email, since=since) < SOFT_REFUSES:
        return False
    stopping_store.refuse(
        connection, organization, email, reason="undeliverable", answer=answer, at=now
    )
    return True


def complaints(connection: db.Connection, organization: str, *, now: datetime) -> None:
    """Two people who press *spam* pause the organization."""
    since = now - COMPLAINTS_WITHIN
    if store.complaints_lately(connection, organization, since=since) >= COMPLAINTS_PAUSE:
        pause(connection, organization, "", "complaints", now=now)


def pause(
    connection: db.Connection, organization: str, sender: str, why: str, *, now: datetime
) -> None:
    """One sender, or ("") all of the organization; told once."""
    if store.pause_sending(connection, organization, sender, why, at=now):
        telling.sending_paused(connection, organization, sender, why, at=now)
        log.warning("sending paused", organization=organization, sender=sender, why=why)
