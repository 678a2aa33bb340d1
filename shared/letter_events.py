"""The events of letters: what people decide (topic `actions`), and what came of it (`outreach`)."""

from datetime import datetime
from typing import Literal

from shared.domain.enrollment_states import StopReason
from shared.event_base import Event

# -- what people decide about letters --------------------------------------------------------------


class ActionEvent(Event, frozen=True, kw_only=True):
    """What people did in the console, by a verb or a link, that letters must follow.

    id: UUIDv5 of what was done. at: when it was committed. by: the member, or `command line`.
    """

    id: str
    organization: str
    at: datetime
    by: str


class SequenceAction(ActionEvent, frozen=True, kw_only=True):
    """What the five moves of a sequence share."""

    sequence: str


class SequenceLaunched(SequenceAction, frozen=True, kw_only=True):
    """Its texts are frozen, its people are tested again and written to. sender: the member whose
    address letters bear where an account's owner has none.
    """

    sender: str


class SequenceTakenBack(SequenceAction, frozen=True, kw_only=True):
    """Launched by mistake: nothing has left yet, and it is a draft again."""


class SequencePaused(SequenceAction, frozen=True, kw_only=True):
    """Nothing more is sent until it is resumed."""


class SequenceResumed(SequenceAction, frozen=True, kw_only=True):
    """It goes on; times are planned anew."""


class SequenceArchived(SequenceAction, frozen=True, kw_only=True):
    """Who is still open in it is stopped."""


class AccountPinned(ActionEvent, frozen=True, kw_only=True):
    """An account's enrollment was set; at `no` nothing more is sent to it."""

    account: str
    enrollment: Literal["auto", "yes", "no"]


class OutcomeRecorded(ActionEvent, frozen=True, kw_only=True):
    """Somebody said what came of an account, or of one signal of it: who talks outranks what
    writes.
    """

    account: str
    outcome: str
    kind: Literal["reached_out", "won_back", "lost"]
    signal: str | None = None


class OutcomeUndone(ActionEvent, frozen=True, kw_only=True):
    """It was taken back: what it alone had stopped goes on."""

    account: str
    outcome: str


class AddressRefused(ActionEvent, frozen=True, kw_only=True):
    """Nothing may be sent to this address any more, or to any at `@domain`."""

    email: str
    reason: Literal["opted_out", "complained", "undeliverable", "by_hand", "imported"]


class EnrollmentAction(ActionEvent, frozen=True, kw_only=True):
    """What was decided about one person in one sequence."""

    sequence: str
    account: str
    contact: str


class TaskDone(EnrollmentAction, frozen=True, kw_only=True):
    """What the rep found: no answer (the next step goes), an answer, or they took over."""

    step: int
    result: Literal["no_answer", "replied", "reached_out"]


class EnrollmentRemoved(EnrollmentAction, frozen=True, kw_only=True):
    """Out of the sequence by hand."""


class EnrollmentResumed(EnrollmentAction, frozen=True, kw_only=True):
    """Goes on after a stop. `resume`: with the signals that are still open; `go_on`: the letter
    whose answer was lost counts as sent; `send_again`: it is sent once more.
    """

    how: Literal["resume", "go_on", "send_again"]


class SendingResumed(ActionEvent, frozen=True, kw_only=True):
    """What a guard had stopped goes on. sender: None is all of the organization."""

    sender: str | None = None


# -- what came of letters --------------------------------------------------------------------------


class OutreachEvent(Event, frozen=True, kw_only=True):
    """What the sequences service says of a person in a sequence. Never the text of a mail.

    id: UUIDv5 of what happened. at: when.
    """

    id: str
    organization: str
    at: datetime
    sequence: str
    account: str
    contact: str


class EnrollmentStarted(OutreachEvent, frozen=True, kw_only=True):
    """They are written to from now on. signals: what the letters name; a recovery of one of them
    stops the rest.
    """

    signals: tuple[str, ...]


class MailSent(OutreachEvent, frozen=True, kw_only=True):
    """The mail server took the letter of this step."""

    step: int


class MailUndelivered(OutreachEvent, frozen=True, kw_only=True):
    """The mail server refused it. kind: the address (undeliverable), the moment (soft), us (ours),
    or the text.
    """

    step: int
    kind: Literal["undeliverable", "soft", "ours", "text"]


class ReplyReceived(OutreachEvent, frozen=True, kw_only=True):
    """Somebody answered the letter of this step."""

    step: int


class EnrollmentHeld(OutreachEvent, frozen=True, kw_only=True):
    """Waits until `until`, then goes on."""

    until: datetime


class EnrollmentStopped(OutreachEvent, frozen=True, kw_only=True):
    """Nothing more is sent to them in this sequence. step: the last letter that left, 0: none."""

    reason: StopReason
    step: int


class EnrollmentFinished(OutreachEvent, frozen=True, kw_only=True):
    """All letters left, and no answer came."""


class SequenceFinished(Event, frozen=True, kw_only=True):
    """Nobody is open in it any more."""

    id: str
    organization: str
    at: datetime
    sequence: str


class SendingPaused(Event, frozen=True, kw_only=True):
    """A guard stopped what an organization, or one sender of it, sends. sender: None is all."""

    id: str
    organization: str
    at: datetime
    why: str
    sender: str | None = None


ActionsRecord = (
    SequenceLaunched
    | SequenceTakenBack
    | SequencePaused
    | SequenceResumed
    | SequenceArchived
    | AccountPinned
    | OutcomeRecorded
    | OutcomeUndone
    | AddressRefused
    | TaskDone
    | EnrollmentRemoved
    | EnrollmentResumed
    | SendingResumed
)
OutreachRecord = (
    EnrollmentStarted
    | MailSent
    | MailUndelivered
    | ReplyReceived
    | EnrollmentHeld
    | EnrollmentStopped
    | EnrollmentFinished
    | SequenceFinished
    | SendingPaused
)
