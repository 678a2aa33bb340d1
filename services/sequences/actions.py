"""What people decide, as letters follow it: one function an event of the topic `actions`. What is
so in the tables decides, not how often it is told.
"""

from collections.abc import Callable
from typing import Any

import structlog

from services.sequences import flow_store as store
from services.sequences import starting, stopping, stopping_store
from services.sequences.days import Days
from services.sequences.flow_store import Person
from shared import clock, db, kafka
from shared.domain import business_days
from shared.domain.enrollment_states import FOR_GOOD, StopReason
from shared.errors import FieldError, Rejected
from shared.letter_events import (
    AccountPinned,
    AddressRefused,
    EnrollmentAction,
    EnrollmentRemoved,
    EnrollmentResumed,
    OutcomeRecorded,
    OutcomeUndone,
    SendingResumed,
    SequenceArchived,
    SequenceLaunched,
    SequencePaused,
    SequenceResumed,
    SequenceTakenBack,
    TaskDone,
)
from shared.records import Record

log = structlog.get_logger()

REFUSED: dict[str, StopReason] = {
    "opted_out": "opted_out",
    "complained": "complained",
    "undeliverable": "bounced",
    "by_hand": "removed",
    "imported": "removed",
}


def follow(connection: db.Connection, records: list[Record]) -> None:
    """In their order. Raises Rejected for a record in another partition than its organization's."""
    for record in records:
        event = record.event
        if kafka.partition_of(event.organization) != record.partition:
            reason = f"does not belong to partition {record.partition}"
            raise Rejected(FieldError(field="organization", reason=reason))
        FOLLOW[type(event)](connection, event)


def launched(connection: db.Connection, event: SequenceLaunched) -> None:
    """Its people are tested again and written to."""
    starting.launch(connection, event.organization, event.sequence, at=event.at)


def taken_back(connection: db.Connection, event: SequenceTakenBack) -> None:
    """A draft again, unless it was launched once more meanwhile."""
    if _state(connection, event.organization, event.sequence) == "draft":
        stopping_store.take_back(connection, event.organization, event.sequence)


def paused(connection: db.Connection, event: SequencePaused) -> None:
    """What is queued is taken back; it comes again when the sequence is resumed."""
    if _state(connection, event.organization, event.sequence) == "paused":
        stopping_store.cancel(connection, event.organization, event.sequence, why="paused")


def resumed(connection: db.Connection, event: SequenceResumed) -> None:
    """Nobody's next letter is due before the next window."""
    found = store.running(connection, event.organization, event.sequence)
    if found is not None and found.state == "launched":
        days = Days(connection, event.organization, found.timezone)
        at = business_days.next_open(days.calendar(event.at), event.at, seed=event.sequence)
        store.plan_anew(connection, event.organization, event.sequence, at=at)


def archived(connection: db.Connection, event: SequenceArchived) -> None:
    """Who is open in it is stopped."""
    people = stopping_store.open_people(connection, event.organization, sequence=event.sequence)
    stopping.stop_all(connection, people, "archived")


def pinned(connection: db.Connection, event: AccountPinned) -> None:
    """No: nothing more goes to the account."""
    if event.enrollment == "no":
        people = stopping_store.open_people(connection, event.organization, account=event.account)
        stopping.stop_all(connection, people, "pinned")


def outcome(connection: db.Connection, event: OutcomeRecorded) -> None:
    """Who talks outranks what writes; about one signal, what names it."""
    people = stopping_store.open_people(
        connection, event.organization, account=event.account, signal=event.signal
    )
    stopping.stop_all(connection, people, event.kind, by=event.outcome)


def undone(connection: db.Connection, event: OutcomeUndone) -> None:
    """What this outcome alone had stopped goes on, after the same tests."""
    for person in stopping_store.stopped_by(
        connection, event.organization, event.account, event.outcome
    ):
        starting.resume(connection, person, at=event.at)


def refused(connection: db.Connection, event: AddressRefused) -> None:
    """Nothing more goes to the address, or to any at the domain."""
    people = stopping_store.open_people(connection, event.organization, email=event.email)
    stopping.stop_all(connection, people, REFUSED[event.reason])


def task_done(connection: db.Connection, event: TaskDone) -> None:
    """Without an answer the next letter goes; else they are the rep's."""
    person = _person(event)
    if not store.finish_task(
        connection, person, event.step, result=event.result, by=event.by, at=event.at
    ):
        return
    if event.result == "no_answer":
        store.asked_and_done(connection, person, at=event.at)
    else:
        stopping.stop_all(connection, [person], event.result)


def removed(connection: db.Connection, event: EnrollmentRemoved) -> None:
    """Out by hand."""
    stopping.stop_all(connection, [_person(event)], "removed")


def went_on(connection: db.Connection, event: EnrollmentResumed) -> None:
    """After a stop that is nobody's last word."""
    person = _person(event)
    found = store.state_of(connection, person)
    if found is None or found[0] not in ("stopped", "finished") or found[1] in FOR_GOOD:
        return
    is_unsure = found[1] == "unsure"
    if event.how == "go_on" and is_unsure:
        store.go_on(connection, person)
    if not starting.resume(connection, person, at=event.at):
        log.info("not resumed: the tests say no", **person.key)
    elif event.how == "send_again" and is_unsure:
        store.send_again(connection, person, at=clock.now())


def sending_resumed(connection: db.Connection, event: SendingResumed) -> None:
    """What a guard had stopped goes on."""
    store.end_pause(connection, event.organization, event.sender or "")


def _state(connection: db.Connection, organization: str, sequence: str) -> str | None:
    found = store.running(connection, organization, sequence)
    return None if found is None else found.state


def _person(event: EnrollmentAction) -> Person:
    return Person(
        organization=event.organization,
        sequence=event.sequence,
        account=event.account,
        contact=event.contact,
    )


FOLLOW: dict[type, Callable[[db.Connection, Any], None]] = {
    SequenceLaunched: launched,
    SequenceTakenBack: taken_back,
    SequencePaused: paused,
    SequenceResumed: resumed,
    SequenceArchived: archived,
    AccountPinned: pinned,
    OutcomeRecorded: outcome,
    OutcomeUndone: undone,
    AddressRefused: refused,
    TaskDone: task_done,
    EnrollmentRemoved: removed,
    EnrollmentResumed: went_on,
    SendingResumed: sending_resumed,
}
