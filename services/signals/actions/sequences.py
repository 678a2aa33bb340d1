"""Sequences as people work on them: their steps, put away and brought back."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from services.signals.actions.actor import Actor, note
from services.signals.store import organizations, sequences
from services.signals.store.sequences import SequenceRow
from shared import clock, db
from shared.domain.editing import Typed, read_steps
from shared.domain.letters import VARIABLES
from shared.domain.typed_numbers import NumberStyle
from shared.errors import NotFound, WinbackError
from shared.wording import number_style

Move = Literal["archive", "restore"]
# what is done -> (the state before, the state after, what was done)
MOVES: dict[Move, tuple[str, str, str]] = {
    "archive": ("draft", "archived", "archived"),
    "restore": ("archived", "draft", "brought back"),
}


class Newer(WinbackError):
    """Somebody saved the draft after it was read, so nothing was saved over it."""


class OutOfTurn(WinbackError):
    """The sequence is in a state in which this is not done to it."""


def edit(
    connection: db.Connection,
    organization: str,
    sequence: str,
    typed: Sequence[Typed],
    *,
    edition: int,
    by: Actor,
) -> None:
    """Save the steps of a draft over the edition that was read. Raises NotFound, OutOfTurn, Newer,
    and Rejected with every field that is wrong.
    """
    row = _found(connection, organization, sequence)
    if row.state != "draft":
        raise OutOfTurn(f"only drafts are edited, and this sequence is {row.state}")
    steps = read_steps(typed, VARIABLES[row.signal_type], _style(connection, organization))
    before = sequences.steps(connection, organization, sequence)
    if not sequences.save_steps(
        connection, organization, sequence, steps, edition=edition, actor=by.name, at=clock.now()
    ):
        raise Newer(f"somebody saved sequence {sequence} meanwhile")
    detail = {"before": msgspec.to_builtins(before), "after": msgspec.to_builtins(steps)}
    note(connection, organization, by, "edited", sequences.subject_of(sequence), detail)


def move(
    connection: db.Connection, organization: str, sequence: str, move: Move, *, by: Actor
) -> SequenceRow:
    """Put a draft away, or bring it back. Returns it as it was. Raises NotFound, OutOfTurn."""
    row = _found(connection, organization, sequence)
    before, after, done = MOVES[move]
    if not sequences.set_state(connection, organization, sequence, before=before, after=after):
        raise OutOfTurn(
            f"this sequence is {row.state}; only a sequence that is {before} can be {done}"
        )
    subject = sequences.subject_of(sequence)
    note(connection, organization, by, done, subject, {"before": before})
    return row


def _style(connection: db.Connection, organization: str) -> NumberStyle:
    """How the organization writes numbers, the days of a wait too."""
    found = organizations.find(connection, organization)
    return number_style(found.currency, found.locale)


def _found(connection: db.Connection, organization: str, sequence: str) -> SequenceRow:
    row = sequences.find(connection, organization, sequence)
    if row is None:
        raise NotFound(f"no sequence {sequence}")
    return row
