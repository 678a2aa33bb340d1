"""Sequences as people work on them: their steps, launched, paused, put away and brought back; and
the people in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import msgspec

from services.signals.actions import launching, outcomes
from services.signals.actions.actor import Actor, note
from services.signals.actions.launching import Readiness
from services.signals.actions.outcomes import Wish
from services.signals.actions.telling import tell
from services.signals.store import organizations, sequence_people, sequences
from services.signals.store.sequence_people import PersonRow
from services.signals.store.sequences import SequenceRow
from shared import clock, db
from shared.domain.editing import Typed, read_confirmed, read_steps
from shared.domain.enrollment_states import FOR_GOOD
from shared.domain.letters import VARIABLES
from shared.domain.sequence_states import DONE, MOVES, Move, after, needs_approval
from shared.domain.typed_numbers import NumberStyle
from shared.errors import FieldError, NotFound, Rejected, WinbackError
from shared.ids import derived
from shared.letter_events import (
    EnrollmentRemoved,
    EnrollmentResumed,
    SequenceAction,
    SequenceArchived,
    SequenceLaunched,
    SequencePaused,
    SequenceResumed,
    SequenceTakenBack,
    TaskDone,
)
from shared.wording import number_style

Simple = Literal["take_back", "pause", "archive", "restore"]
SIMPLE: tuple[Simple, ...] = ("take_back", "pause", "archive", "restore")
TOLD: dict[Move, type[SequenceAction]] = {
    "take_back": SequenceTakenBack,
    "pause": SequencePaused,
    "archive": SequenceArchived,
}
How = Literal["resume", "go_on", "send_again"]
Result = Literal["no_answer", "replied", "reached_out"]
HOW: tuple[How, ...] = ("resume", "go_on", "send_again")
RESULTS: tuple[Result, ...] = ("no_answer", "replied", "reached_out")


class Newer(WinbackError):
    """Somebody saved the draft after it was read, so nothing was saved over it."""


class OutOfTurn(WinbackError):
    """The sequence is in a state in which this is not done to it."""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """row: the sequence as it was. asked: a member's launch that waits for an owner or admin."""

    row: SequenceRow
    contacts: int
    asked: bool


def edit(
    connection: db.Connection,
    organization: str,
    sequence: str,
    typed: Sequence[Typed],
    *,
    edition: int,
    by: Actor,
) -> None:
    """Save the steps over the edition that was read: of a draft all, of a paused sequence those
    that were sent to nobody. Raises NotFound, OutOfTurn, Newer, and Rejected with every field that
    is wrong.
    """
    row = _found(connection, organization, sequence)
    if row.state not in ("draft", "paused"):
        raise OutOfTurn(
            f"only drafts and what is paused are edited, and this sequence is {row.state}"
        )
    steps = read_steps(typed, VARIABLES[row.signal_type], _style(connection, organization))
    before = sequences.steps(connection, organization, sequence)
    sent = sequences.sent_steps(connection, organization, sequence)
    if steps[:sent] != before[:sent]:
        reason = f"the first {sent} went out already, and stay as they were sent"
        raise Rejected(FieldError(field="steps", reason=reason))
    if not sequences.save_steps(
        connection, organization, sequence, steps, edition=edition, actor=by.name, at=clock.now()
    ):
        raise Newer(f"somebody saved sequence {sequence} meanwhile")
    detail = {"before": msgspec.to_builtins(before), "after": msgspec.to_builtins(steps)}
    note(connection, organization, by, "edited", sequences.subject_of(sequence), detail)


def readiness(
    connection: db.Connection, organization: str, row: SequenceRow, *, sender: str | None
) -> Readiness:
    """What `launch` would ask. sender: whose address letters bear where an account's owner has
    none.
    """
    return launching.readiness(connection, organization, row, sender=sender, at=clock.now())


def launch(
    connection: db.Connection,
    organization: str,
    sequence: str,
    *,
    by: Actor,
    sender: str | None = None,
    confirmed: str | None = None,
) -> Launched:
    """Its people are written to from now on; to more than a few, a member's launch waits for an
    owner or admin. confirmed: what the rep stands for, put where letters say {confirmed}; None is
    what was asked for before. Raises NotFound, OutOfTurn, and Rejected with every check that says
    no.
    """
    row = _locked(connection, organization, sequence, "launch")
    chosen = sender or row.sender or _address_of(by)
    ready = launching.readiness(connection, organization, row, sender=chosen, at=clock.now())
    said = row.confirmed if confirmed is None else read_confirmed(confirmed)
    if ready.wrong:
        raise Rejected(*(FieldError(field=one.name, reason=one.says) for one in ready.wrong))
    contacts, now = len(ready.goes), clock.now()
    detail: dict[str, Any] = {
        "contacts": contacts,
        "skipped": [[one.account, reason] for one, reason in ready.skipped],
        "sender": chosen,
        "confirmed": said,
    }
    if needs_approval(contacts=contacts, governs=by.governs):
        sequences.ask(
            connection, organization, sequence, by=by.name, sender=chosen, confirmed=said, at=now
        )
        subject = sequences.subject_of(sequence)
        note(connection, organization, by, "asked to launch", subject, detail)
        return Launched(row=row, contacts=contacts, asked=True)
    sequences.launch(
        connection, organization, sequence, by=by.name, sender=chosen, confirmed=said, at=now
    )
    note(connection, organization, by, DONE["launch"], sequences.subject_of(sequence), detail)
    tell(
        connection,
        organization,
        by,
        SequenceLaunched,
        at=now,
        sequence=sequence,
        sender=chosen or "",
    )
    return Launched(row=row, contacts=contacts, asked=False)


def resume(
    connection: db.Connection, organization: str, sequence: str, *, by: Actor
) -> SequenceRow:
    """What was paused goes on, after the checks that are about sending. Raises NotFound, OutOfTurn,
    Rejected.
    """
    row = _locked(connection, organization, sequence, "resume")
    now = clock.now()
    ready = launching.readiness(connection, organization, row, sender=row.sender, at=now)
    wrong = [one for one in ready.wrong if one.name != "contacts"]
    if wrong:
        raise Rejected(*(FieldError(field=one.name, reason=one.says) for one in wrong))
    _set(connection, organization, row, "resume", by=by)
    tell(connection, organization, by, SequenceResumed, at=now, sequence=sequence)
    return row


def move(
    connection: db.Connection, organization: str, sequence: str, move: Simple, *, by: Actor
) -> SequenceRow:
    """Pause it, put it away, bring a draft back, or take back a launch of which nothing has left.
    Returns it as it was. Raises NotFound, OutOfTurn.
    """
    row = _locked(connection, organization, sequence, move)
    if move == "take_back":
        _still_here(connection, organization, row)
    _set(connection, organization, row, move, by=by)
    if row.state != "draft" and move in TOLD:
        tell(connection, organization, by, TOLD[move], sequence=sequence)
    return row


def may(row: SequenceRow, move: Move) -> bool:
    """Whether it is done to a sequence in this state; pages offer nothing else."""
    return after(row.state, move, was_launched=row.launched_at is not None) is not None


def taken_back_until(connection: db.Connection, organization: str, row: SequenceRow) -> int:
    """Seconds in which a launch can still be taken back; 0: a letter may have left."""
    if row.state != "launched" or row.launched_at is None:
        return 0
    least = launching.sending_settings(connection, organization).first_after_least_seconds
    left = row.launched_at + timedelta(seconds=least) - clock.now()
    return max(0, int(left.total_seconds()))


# -- people in a sequence --------------------------------------------------------------------------


def remove(
    connection: db.Connection,
    organization: str,
    sequence: str,
    account: str,
    contact: str,
    *,
    by: Actor,
) -> None:
    """Nothing more is sent to them in it. Raises NotFound, Rejected."""
    person = _person(connection, organization, sequence, account, contact)
    if person.state not in ("active", "held", "task"):
        raise Rejected(FieldError(field="remove", reason="nothing is to be sent to them any more"))
    _note_person(connection, organization, by, "removed", sequence, person)
    tell(connection, organization, by, EnrollmentRemoved, **_key(sequence, person))


def resume_person(
    connection: db.Connection,
    organization: str,
    sequence: str,
    account: str,
    contact: str,
    how: How,
    *,
    by: Actor,
) -> None:
    """After a stop they are written to again, about what is still so; where an answer of the mail
    server was lost, the letter counts as sent, or goes once more. Raises NotFound, Rejected.
    """
    person = _person(connection, organization, sequence, account, contact)
    row = _found(connection, organization, sequence)
    if person.state not in ("stopped", "finished"):
        raise Rejected(FieldError(field="resume", reason="they are not stopped"))
    if person.reason in FOR_GOOD:
        raise Rejected(FieldError(field="resume", reason="their address takes no letters"))
    if (how == "resume") == (person.reason == "unsure"):
        reason = "whether a letter arrived is not known: go on, or send it again"
        said = reason if how == "resume" else "every letter's end is known"
        raise Rejected(FieldError(field="resume", reason=said))
    if row.state not in ("launched", "paused"):
        raise Rejected(FieldError(field="resume", reason=f"the sequence is {row.state}"))
    if person.of_type == 0:
        raise Rejected(FieldError(field="resume", reason="no signal of the account is left in it"))
    _note_person(connection, organization, by, f"resumed ({how})", sequence, person)
    tell(connection, organization, by, EnrollmentResumed, how=how, **_key(sequence, person))


def answer_task(
    connection: db.Connection,
    organization: str,
    sequence: str,
    account: str,
    contact: str,
    result: Result,
    *,
    by: Actor,
) -> None:
    """What the rep found before a follow-up. Raises NotFound, Rejected."""
    person = _person(connection, organization, sequence, account, contact)
    if person.state != "task":
        raise Rejected(FieldError(field="result", reason="nothing is asked about them"))
    if result == "reached_out":  # who talks outranks what writes: it stops by that
        wish = Wish(
            outcome=derived("outcome", organization, sequence, account, str(person.next_step)),
            account=account,
            kind="reached_out",
        )
        outcomes.act(connection, organization, wish, by=by, at=clock.now())
        return
    _note_person(connection, organization, by, result.replace("_", " "), sequence, person)
    tell(
        connection,
        organization,
        by,
        TaskDone,
        step=person.next_step,
        result=result,
        **_key(sequence, person),
    )


# -- shared ----------------------------------------------------------------------------------------


def _set(
    connection: db.Connection, organization: str, row: SequenceRow, move: Move, *, by: Actor
) -> None:
    sequences.set_state(
        connection, organization, row.sequence, before=row.state, after=MOVES[row.state, move]
    )
    if move == "take_back":
        sequences.unlaunch(connection, organization, row.sequence)
    subject = sequences.subject_of(row.sequence)
    note(connection, organization, by, DONE[move], subject, {"before": row.state})


def _still_here(connection: db.Connection, organization: str, row: SequenceRow) -> None:
    if not taken_back_until(connection, organization, row):
        raise OutOfTurn("a letter of it may have left: it can be paused or archived")


def _locked(connection: db.Connection, organization: str, sequence: str, move: Move) -> SequenceRow:
    """The sequence, locked, if this is done to it."""
    sequences.lock(connection, organization, sequence)
    row = _found(connection, organization, sequence)
    if not may(row, move):
        before = sorted({state for state, known in MOVES if known == move})
        raise OutOfTurn(
            f"this sequence is {row.state}; only a sequence that is {' or '.join(before)} can be "
            f"{DONE[move]}" + (", and none that was launched" if move == "restore" else "")
        )
    return row


def _person(
    connection: db.Connection, organization: str, sequence: str, account: str, contact: str
) -> PersonRow:
    found = sequence_people.person(connection, organization, sequence, account, contact)
    if found is None:
        raise NotFound(f"nobody at {account} is in sequence {sequence}")
    return found


def _key(sequence: str, person: PersonRow) -> dict[str, Any]:
    return {"sequence": sequence, "account": person.account, "contact": person.contact}


def _note_person(
    connection: db.Connection,
    organization: str,
    by: Actor,
    action: str,
    sequence: str,
    person: PersonRow,
) -> None:
    detail = {"account": person.account, "contact": person.contact, "state": person.state}
    note(connection, organization, by, action, sequences.subject_of(sequence), detail)


def _address_of(by: Actor) -> str | None:
    """A member's name is their address; the command line has none."""
    return None if by.role == "operator" else by.name


def _style(connection: db.Connection, organization: str) -> NumberStyle:
    """How the organization writes numbers, the days of a wait too."""
    found = organizations.find(connection, organization)
    return number_style(found.currency, found.locale)


def _found(connection: db.Connection, organization: str, sequence: str) -> SequenceRow:
    row = sequences.find(connection, organization, sequence)
    if row is None:
        raise NotFound(f"no sequence {sequence}")
    return row
