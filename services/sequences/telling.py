"""What this service says of people in sequences: written down with the change, published behind it
(`shared.relay`).
"""

from datetime import datetime
from typing import Any

from services.sequences.flow_store import Person
from shared import db
from shared.domain.enrollment_states import StopReason
from shared.domain.smtp_answers import Undelivered
from shared.ids import derived
from shared.letter_events import (
    EnrollmentFinished,
    EnrollmentHeld,
    EnrollmentStarted,
    EnrollmentStopped,
    MailSent,
    MailUndelivered,
    ReplyReceived,
    SendingPaused,
    SequenceFinished,
)
from shared.relay import store
from shared.relay.store import Telling, Told
from shared.topics import OUTREACH

TOLD = Told(table="outreach_events", topic=OUTREACH, source="sequences")


def started(
    connection: db.Connection, person: Person, signals: tuple[str, ...], *, at: datetime
) -> None:
    """They are written to from now on."""
    _note(connection, EnrollmentStarted(signals=signals, **_of(person, "started", at)))


def stopped(
    connection: db.Connection, person: Person, reason: StopReason, *, step: int, at: datetime
) -> None:
    """Nothing more is sent to them."""
    _note(connection, EnrollmentStopped(reason=reason, step=step, **_of(person, "stopped", at)))


def held(connection: db.Connection, person: Person, *, until: datetime, at: datetime) -> None:
    """They wait."""
    _note(connection, EnrollmentHeld(until=until, **_of(person, "held", at)))


def finished(connection: db.Connection, person: Person, *, at: datetime) -> None:
    """No answer came."""
    _note(connection, EnrollmentFinished(**_of(person, "finished", at)))


def sent(connection: db.Connection, person: Person, step: int, *, at: datetime) -> None:
    """The server took a letter."""
    _note(connection, MailSent(step=step, **_of(person, f"sent {step}", at)))


def undelivered(
    connection: db.Connection, person: Person, step: int, kind: Undelivered, *, at: datetime
) -> None:
    """The server refused a letter."""
    of = _of(person, f"undelivered {step}", at)
    _note(connection, MailUndelivered(step=step, kind=kind, **of))


def replied(connection: db.Connection, person: Person, step: int, *, at: datetime) -> None:
    """Somebody answered."""
    _note(connection, ReplyReceived(step=step, **_of(person, f"replied {step}", at)))


def sequence_finished(
    connection: db.Connection, organization: str, sequence: str, *, at: datetime
) -> None:
    """Nobody is open in it."""
    id_ = derived("outreach", organization, sequence, "finished", at.isoformat())
    event = SequenceFinished(id=id_, organization=organization, sequence=sequence, at=at)
    _note(connection, event)


def sending_paused(
    connection: db.Connection, organization: str, sender: str, why: str, *, at: datetime
) -> None:
    """A guard stopped one sender, or ("") all of the organization."""
    id_ = derived("outreach", organization, "paused", sender, at.isoformat())
    event = SendingPaused(id=id_, organization=organization, sender=sender or None, why=why, at=at)
    _note(connection, event)


def _of(person: Person, what: str, at: datetime) -> dict[str, Any]:
    id_ = derived("outreach", *person.key.values(), what, at.isoformat())
    return {**person.key, "id": id_, "at": at}


def _note(connection: db.Connection, event: Telling) -> None:
    store.note(connection, TOLD, event)
