"""What a mail does that came to the address of a letter: stop, hold, refuse the address, or nothing
but be noted. All in one transaction, and behind it 250.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import compat32
from email.utils import parseaddr

import structlog
from psycopg_pool import ConnectionPool

from services.sequences import (
    guards,
    letters_store,
    reply_addresses,
    stopping,
    stopping_store,
    telling,
)
from services.sequences.days import Days
from services.sequences.door import round_trip, store
from services.sequences.door.store import Letter
from services.sequences.reply_addresses import ReplyAddress
from shared import clock, db, ids, metrics
from shared.domain import business_days
from shared.domain.enrollment_states import StopReason
from shared.domain.received_mail import MOST_BYTES, Kind, Received, classify, header_of
from shared.domain.smtp_answers import Undelivered

log = structlog.get_logger()

AWAY_BUSINESS_DAYS, AWAY_TIMES = 5, 3
OURS_HELD = timedelta(days=1)

STOPS: dict[Kind, StopReason] = {
    Kind.OPT_OUT: "opted_out",
    Kind.COMPLAINT: "complained",
    Kind.UNDELIVERABLE: "bounced",
    Kind.SOFT: "bounced",
    Kind.REPLY: "replied",
}
REFUSES = {
    Kind.OPT_OUT: "opted_out",
    Kind.COMPLAINT: "complained",
    Kind.UNDELIVERABLE: "undeliverable",
}
UNDELIVERED: dict[Kind, Undelivered] = {
    Kind.UNDELIVERABLE: "undeliverable",
    Kind.SOFT: "soft",
    Kind.OURS: "ours",
}


def take(
    pool: ConnectionPool[db.Connection],
    recipients: Sequence[str],
    *,
    envelope_from: str,
    content: bytes,
) -> None:
    """One mail, for each letter that its recipients name. What is taken twice does what it does
    once. Raises psycopg's errors; then nothing was taken.
    """
    now = clock.now()
    content = content[:MOST_BYTES]
    with pool.connection() as connection, connection.transaction():
        for recipient in recipients:
            address = reply_addresses.read(recipient)
            if address is None:
                continue
            if address.role == "t":
                round_trip.returned(
                    connection, address.token, envelope_from=envelope_from, content=content, at=now
                )
            else:
                _take(connection, address, envelope_from=envelope_from, content=content, now=now)


def _take(
    connection: db.Connection,
    address: ReplyAddress,
    *,
    envelope_from: str,
    content: bytes,
    now: datetime,
) -> None:
    letter = store.letter(connection, address.token)
    if letter is None:  # erased since the recipient was asked about
        metrics.RECEIVED_MAILS.labels("unknown", "no").inc()
        return
    received = classify(content, envelope_from=envelope_from, to_opt_out=address.role == "u")
    head = message_from_bytes(content, policy=compat32)
    sender = parseaddr(header_of(head, "From"))[1] or envelope_from
    values = {
        "kind": received.kind,
        "at": now,
        "sender": _kept(sender, 320),
        "subject": _kept(header_of(head, "Subject"), 500),
        "said": _kept(received.said, 500),
    }
    id_ = ids.derived("received", address.token, content.hex())
    if not store.insert_received(connection, letter, id_, values):
        return
    metrics.RECEIVED_MAILS.labels(received.kind, "token").inc()
    log.info("received", **letter.person.key, step=letter.step, kind=received.kind)
    _act(connection, letter, received, now=now)


def _kept(text: str, longest: int) -> str:
    """As PostgreSQL can hold it: no NUL, no lone half of a pair."""
    return text.replace("\x00", "")[:longest].encode(errors="replace").decode()


def _act(connection: db.Connection, letter: Letter, received: Received, *, now: datetime) -> None:
    """What the row of the table says."""
    kind, person = received.kind, letter.person
    organization = person.organization
    if kind in UNDELIVERED:
        _mark(connection, letter, UNDELIVERED[kind], received.said, now=now)
    reason = REFUSES.get(kind)
    said = received.said
    if reason is not None:
        stopping_store.refuse(
            connection, organization, letter.email, reason=reason, answer=said, at=now
        )
    is_refused = reason is not None or (
        kind is Kind.SOFT
        and guards.is_soft_again(connection, organization, letter.email, answer=said, now=now)
    )
    if kind in STOPS:
        people = [person]
        if is_refused:  # whichever sequence writes to the address
            people = stopping_store.open_people(connection, organization, email=letter.email)
            people = [person, *(one for one in people if one != person)]
        stopping.stop_all(connection, people, STOPS[kind])
    if kind is Kind.REPLY:
        telling.replied(connection, person, letter.step, at=now)
    elif kind is Kind.AWAY:
        _away(connection, letter, now=now)
    elif kind is Kind.OURS:
        until = now + OURS_HELD
        store.cancel_queued(connection, person)
        waits = {"why": "ours", "answer": received.said[:200]}
        letters_store.hold(connection, person, until=until, waits=waits)
        telling.held(connection, person, until=until, at=now)
    if kind is Kind.COMPLAINT:
        guards.complaints(connection, organization, now=now)
    elif kind is Kind.OURS:
        guards.ours(connection, organization, letter.sender, now=now)
    elif kind is Kind.UNDELIVERABLE:
        guards.undeliverable(connection, organization, now=now)


def _mark(
    connection: db.Connection, letter: Letter, kind: Undelivered, said: str, *, now: datetime
) -> None:
    """The letter shows what came of it, and counts among those that guards look at."""
    letters_store.mark(connection, letter.person, letter.step, kind, said)
    telling.undelivered(connection, letter.person, letter.step, kind, at=now)


def _away(connection: db.Connection, letter: Letter, *, now: datetime) -> None:
    """Nothing while they are away, three times at most."""
    person = letter.person
    days = Days(connection, person.organization, letter.timezone)
    calendar = days.calendar(now, zone=letter.zone, country=letter.country)
    until = business_days.due_at(calendar, now, AWAY_BUSINESS_DAYS, seed=person.contact)
    if store.hold_away(connection, person, until=until, most=AWAY_TIMES):
        store.cancel_queued(connection, person)
        telling.held(connection, person, until=until, at=now)
