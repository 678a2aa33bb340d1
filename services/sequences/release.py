"""What time brings: letters that are due go into the outbox, or say why not yet; what came of those
that left moves people on.

One process at a time does it for all (`release` takes a lock of its transaction); the senders of
all processes hand the letters over.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from services.sequences import (
    due_store,
    flow_store,
    guards,
    letters,
    stopping,
    stopping_store,
    telling,
)
from services.sequences import letters_store as store
from services.sequences.days import Days
from services.sequences.due_store import Due
from services.sequences.flow_store import Person
from services.sequences.letters_store import Unsettled
from shared import clock, db, metrics
from shared.domain import business_days, smtp_answers
from shared.domain.business_days import Calendar
from shared.domain.enrollment_states import REASONS, StopReason
from shared.domain.last_word import refusal
from shared.domain.pacing import DAY, Left, Load
from shared.domain.smtp_answers import Undelivered
from shared.errors import Rejected, said
from shared.events import Step

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 0.5
RETRY_SECONDS = 2.0
AT_ONCE = 500
HOLD_OURS = timedelta(days=1)
KEEP = timedelta(days=90)  # product.md 12
KEEP_ANSWERS = timedelta(days=30)

STOPS: dict[Undelivered, StopReason] = {
    "undeliverable": "bounced",
    "soft": "bounced",
    "text": "refused",
}


def run(pool: ConnectionPool[db.Connection], stop: threading.Event) -> None:
    """Until `stop`: what is due, every half second; what is not there is tried again."""
    for reason in REASONS:
        metrics.ENROLLMENTS_STOPPED.labels(reason)
    while not stop.is_set():
        pause = LOOK_EVERY_SECONDS
        try:
            if look(pool, now=clock.now()):
                continue
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("letters wait", reason=said(error))
            pause = RETRY_SECONDS
        stop.wait(pause)


def look(pool: ConnectionPool[db.Connection], *, now: datetime) -> bool:
    """Once round, each part in a transaction of its own. True: there is more to do at once."""
    more = _locked(pool, lambda connection: draw(connection, now=now))
    _locked(pool, lambda connection: tick(connection, now=now))
    with pool.connection() as connection:
        organizations = due_store.organizations_due(connection, now=now)
    for organization in organizations:
        _locked(pool, partial(release, organization=organization, now=now))
    return more


def _locked(pool: ConnectionPool[db.Connection], work: Callable[[db.Connection], bool]) -> bool:
    with pool.connection() as connection, connection.transaction():
        return flow_store.alone(connection) and work(connection)


# -- what came of letters --------------------------------------------------------------------------


def draw(connection: db.Connection, *, now: datetime) -> bool:
    """Move on whose letter has its end. True: there are more."""
    found = store.unsettled(connection, most=AT_ONCE)
    days: dict[str, Days] = {}
    steps: dict[str, list[Step]] = {}
    for one in found:
        person = one.person
        if person.organization not in days:
            days[person.organization] = Days(connection, person.organization, one.timezone)
        if person.sequence not in steps:
            steps[person.sequence] = flow_store.steps(
                connection, person.organization, person.sequence
            )
        _draw(connection, one, days[person.organization], steps[person.sequence], now=now)
        store.settled(connection, person, one.step)
    return len(found) == AT_ONCE


def _draw(
    connection: db.Connection, one: Unsettled, days: Days, steps: Sequence[Step], *, now: datetime
) -> None:
    if one.state == "sent":
        sent_at = one.sent_at or now
        calendar = days.calendar(sent_at, zone=one.zone, country=one.country)
        next_at = after_step(calendar, one.person, one.step, steps, last=sent_at)
        store.next_step(connection, one.person, one.step, next_at=next_at)
        on = days.calendar(sent_at).local_day(sent_at)
        store.sent_on(connection, one.person.organization, one.sender, on)
        telling.sent(connection, one.person, one.step, at=sent_at)
    elif one.state == "unknown":
        _stop(connection, one, "unsure")
    elif one.state == "suppressed":
        reason = next((reason for reason in REASONS if reason == one.answer), None)
        if reason is not None:
            _stop(connection, one, reason)
    else:
        _refused(connection, one, now=now)


def _refused(connection: db.Connection, one: Unsettled, *, now: datetime) -> None:
    """The server said no for good, or for a day long."""
    kind = smtp_answers.undelivered(one.answer)
    person, organization = one.person, one.person.organization
    telling.undelivered(connection, person, one.step, kind, at=now)
    store.mark(connection, person, one.step, kind, one.answer)
    if kind == "undeliverable":
        stopping_store.refuse(
            connection, organization, one.email, reason=kind, answer=one.answer, at=now
        )
        guards.undeliverable(connection, organization, now=now)
    elif kind == "soft":
        guards.is_soft_again(connection, organization, one.email, answer=one.answer, now=now)
    if kind != "ours":
        _stop(connection, one, STOPS[kind])
        return
    until = now + HOLD_OURS
    store.hold(connection, person, until=until, waits={"why": "ours", "answer": one.answer[:200]})
    telling.held(connection, person, until=until, at=now)
    guards.ours(connection, organization, one.sender, now=now)


def _stop(connection: db.Connection, one: Unsettled, reason: StopReason) -> None:
    stopping.stop_all(connection, [one.person], reason)


def after_step(
    calendar: Calendar, person: Person, step: int, steps: Sequence[Step], *, last: datetime
) -> datetime:
    """When the next letter is due, or nobody waits for an answer any more."""
    if step >= len(steps):
        return business_days.finished_at(calendar, last)
    seed = letters.token_of(person, step + 1)
    return business_days.due_at(calendar, last, steps[step].wait_days, seed=seed)


# -- what the time brings --------------------------------------------------------------------------


def tick(connection: db.Connection, *, now: datetime) -> bool:
    """Holds that are over, questions that nobody answered, sequences that are through."""
    store.release_held(connection, now=now)
    before = now - timedelta(days=business_days.LATE_AFTER_DAYS)
    for person, asked_at, timezone in due_store.old_tasks(connection, before=before, most=AT_ONCE):
        calendar = Days(connection, person.organization, timezone).calendar(asked_at)
        if business_days.is_late(calendar, asked_at, now):
            stopping.stop_all(connection, [person], "late")
    for organization, sequence in due_store.finished(connection):
        telling.sequence_finished(connection, organization, sequence, at=now)
    measure_pauses(connection)
    return False


def release(connection: db.Connection, *, organization: str, now: datetime) -> bool:
    """Letters of one organization that may leave now, into the outbox; the others say why not."""
    found = due_store.due(connection, organization, now=now, most=AT_ONCE)
    if not found:
        return False
    days = Days(connection, organization, found[0].timezone)
    calendar = days.calendar(now)
    load = Load()
    for left in due_store.lately(connection, organization, since=now - DAY):
        load.add(left)
    sending_days = due_store.sending_days(connection, organization, today=calendar.local_day(now))
    pauses = due_store.pauses(connection, organization)
    steps: dict[str, list[Step]] = {}
    for due in found:
        sequence = due.person.sequence
        if sequence not in steps:
            steps[sequence] = flow_store.steps(connection, organization, sequence)
        if due.step > len(steps[sequence]):
            due_store.finish(connection, due.person)
            telling.finished(connection, due.person, at=now)
            continue
        if not _still_right(connection, due, now=now):
            continue
        if business_days.is_late(calendar, due.due_at, now):
            stopping.stop_all(connection, [due.person], "late")
            continue
        wait = _why_not(due, days, load, sending_days, pauses, now=now)
        if wait is not None:
            due_store.wait(connection, due.person, until=wait[0], waits=wait[1])
        elif due.step > 1 and days.settings.replies == "by_hand" and not due.was_asked:
            due_store.ask(connection, due.person, due.step, at=now)
        elif _into_outbox(connection, due, steps[sequence], days, now=now):
            domain = due.email.rpartition("@")[2].lower()
            load.add(Left(at=now, sender=due.sender, domain=domain))
    return False


def _still_right(connection: db.Connection, due: Due, *, now: datetime) -> bool:
    """What the guard will ask, asked before anything is written."""
    facts = store.facts(connection, due.person, state="active", email=due.email)
    said_no = None if facts is None else refusal(facts, at=now)
    reason = next((reason for reason in REASONS if reason == said_no), None)
    if reason is not None:
        stopping.stop_all(connection, [due.person], reason)
    return facts is not None and said_no is None


def _why_not(
    due: Due,
    days: Days,
    load: Load,
    sending_days: dict[str, int],
    pauses: dict[str, str],
    *,
    now: datetime,
) -> tuple[datetime, dict[str, Any]] | None:
    """(when it is looked at again, why) of a letter that waits; None: it may leave."""
    seed = letters.token_of(due.person, due.step)
    calendar = days.calendar(now, zone=due.zone, country=due.country)
    paused = pauses.get("", pauses.get(due.sender))
    if paused is not None:
        return now + timedelta(minutes=1), {"why": "paused", "of": paused}
    opens = business_days.next_open(calendar, now, seed=seed)
    if opens > now:
        return opens, {"why": "hours"}
    wait = load.wait(
        sender=due.sender,
        domain=due.email.rpartition("@")[2].lower(),
        now=now,
        limits=days.settings,
        sending_days=sending_days.get(due.sender, 0),
        seed=seed,
    )
    if wait is None:
        return None
    until = business_days.next_open(calendar, wait.until, seed=seed)
    return until, {"why": wait.cap, "used": wait.used, "of": wait.of, "sender": due.sender}


def _into_outbox(
    connection: db.Connection, due: Due, steps: Sequence[Step], days: Days, *, now: datetime
) -> bool:
    earlier = due_store.earlier(connection, due.person, due.step)
    thread = None
    if earlier:
        subject = earlier[0][1]
        thread = letters.Thread(message_ids=[one for one, _ in earlier], subject=subject)
    try:
        row = letters.letter(
            due,
            steps[due.step - 1],
            thread,
            postal_address=days.settings.postal_address,
            by_door=days.settings.replies == "door",
            at=now,
        )
    except Rejected as error:  # launch asked; it was edited while paused, or the sender is gone
        until = now + timedelta(hours=1)
        waits = {"why": "text", "of": str(error)[:300]}
        due_store.wait(connection, due.person, until=until, waits=waits)
        return False
    return due_store.insert_letter(connection, row)


def tidy(connection: db.Connection, now: datetime) -> None:
    """Texts are kept 90 days, answers 30."""
    store.forget_messages(connection, before=now - KEEP)
    stopping_store.forget_answers(connection, before=now - KEEP_ANSWERS)


def measure_pauses(connection: db.Connection) -> None:
    """The gauge of guards."""
    counted = store.count_pauses(connection)
    for why in ("ours", "undeliverable", "complaints"):
        metrics.SENDING_PAUSED.labels(why).set(counted.get(why, 0))
