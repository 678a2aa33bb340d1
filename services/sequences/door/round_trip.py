"""A mail to ourselves through the relay, once a day: while it comes back as it was sent, answers to
letters would be heard. While it does not, the organization's letters wait.

What the relay changed on the way is said: without our From, Message-ID and recipient in the
envelope, answers cannot be told apart.
"""

import secrets
import threading
from contextlib import nullcontext
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import compat32
from email.utils import parseaddr

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from services.sequences import guards, reply_addresses
from services.sequences.door import store
from services.sequences.door.store import Trip
from shared import clock, db, mail, metrics, smtp
from shared.domain.received_mail import header_of
from shared.errors import Rejected, Retryable, said
from shared.settings import settings

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 5.0
DAY, AGAIN_AFTER = timedelta(days=1), timedelta(hours=1)
BACK_WITHIN = timedelta(minutes=30)  # greylisting, and a relay's own queue
KEEP, FORGET_EVERY = timedelta(days=90), timedelta(hours=1)
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
SUBJECT = "Winback tests that answers are heard"
TEXT = (
    "Winback sends this to itself once a day, to know that answers to letters would be heard. "
    "Nobody needs to read it.\n"
)


def run(pool: ConnectionPool[db.Connection], stop: threading.Event) -> None:
    """Until `stop`: whose test is due, and whose did not come back."""
    forgotten_at = clock.now() - FORGET_EVERY
    while not stop.is_set():
        now = clock.now()
        try:
            look(pool, now=now)
            if now - forgotten_at >= FORGET_EVERY:
                forget(pool, now=now)
                forgotten_at = now
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("test mails wait", reason=said(error))
        stop.wait(LOOK_EVERY_SECONDS)


def look(pool: ConnectionPool[db.Connection], *, now: datetime) -> None:
    """Once round."""
    for trip in _planned(pool, now=now):
        _send(pool, trip, now=now)
    with pool.connection() as connection, connection.transaction():
        for state in store.states_of_trips(connection):
            failed = state.wrong is not None
            late = state.returned_at is None and now - state.asked_at > BACK_WITHIN
            if failed or late:
                guards.pause(connection, state.organization, "", "round_trip", now=now)
            elif state.returned_at is not None:
                store.end_pause(connection, state.organization)
        last = store.last_returned(connection)
        metrics.ROUND_TRIP_TIMESTAMP.set(0 if last is None else last.timestamp())


def forget(pool: ConnectionPool[db.Connection], *, now: datetime) -> None:
    """What people said, and test mails, after 90 days."""
    with pool.connection() as connection, connection.transaction():
        store.forget(connection, before=now - KEEP)


def returned(
    connection: db.Connection, token: str, *, envelope_from: str, content: bytes, at: datetime
) -> None:
    """A test mail came in by the door."""
    trip = store.trip(connection, token)
    if trip is None:
        return
    head = message_from_bytes(content, policy=compat32)
    wrong = []
    found = parseaddr(header_of(head, "From"))[1].lower()
    if found != trip.sender:
        wrong.append(f"From was {trip.sender} and came back as {found or 'nothing'}")
    if trip.message_id not in header_of(head, "References"):
        wrong.append("References lost our Message-ID")
    if reply_addresses.read(envelope_from) is None:
        wrong.append(f"the envelope's sender came back as {envelope_from or 'nothing'}")
    store.returned(connection, token, "; ".join(wrong)[:500] or None, at=at)


def _planned(pool: ConnectionPool[db.Connection], *, now: datetime) -> list[Trip]:
    if not reply_addresses.domain():
        return []
    planned = []
    with pool.connection() as connection, connection.transaction():
        for organization, sender in store.due_trips(
            connection, day=now - DAY, hour=now - AGAIN_AFTER
        ):
            if sender is None:  # nobody's address may be used yet: nothing is launched either
                continue
            token = "".join(secrets.choice(ALPHABET) for _ in range(reply_addresses.TOKEN_LETTERS))
            message_id = f"t.{token}@{reply_addresses.domain()}"
            trip = Trip(
                organization=organization, token=token, sender=sender, message_id=message_id
            )
            store.insert_trip(connection, trip, at=now)
            planned.append(trip)
    return planned


def _send(pool: ConnectionPool[db.Connection], trip: Trip, *, now: datetime) -> None:
    address = reply_addresses.address("t", trip.token)
    try:
        message = mail.message(
            sender=mail.Mailbox(email=mail.checked_address(trip.sender), name=""),
            to=address,
            subject=SUBJECT,
            message_id=trip.message_id,
            at=now,
            text=TEXT,
            html=f"<p>{TEXT}</p>",
            headers={"References": f"<{trip.message_id}>", "Auto-Submitted": "auto-generated"},
        )
        session = smtp.Session(smtp.mail_server(settings().smtp_url))
        try:
            answer = session.send(
                sender=address, recipient=address, message=message, at_final_dot=nullcontext(True)
            )
        finally:
            session.quit()
    except (Rejected, Retryable) as error:
        log.warning("test mail did not leave", organization=trip.organization, reason=said(error))
        return
    if answer.state in ("sent", "unknown"):
        with pool.connection() as connection, connection.transaction():
            store.sent_trip(connection, trip.token, at=clock.now())
    else:
        log.warning(
            "test mail did not leave", organization=trip.organization, reason=answer.text[:300]
        )
