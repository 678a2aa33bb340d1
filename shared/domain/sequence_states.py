"""What becomes of a sequence: drafted with a digest, launched, paused, finished, put away.

MOVES is the whole of it: what is not in it is not done.
"""

from typing import Literal

State = Literal["draft", "launched", "paused", "finished", "archived"]
Move = Literal["launch", "take_back", "pause", "resume", "archive", "restore", "finish"]

# (state, what is done) -> the state after
MOVES: dict[tuple[State, Move], State] = {
    ("draft", "launch"): "launched",
    ("draft", "archive"): "archived",
    ("archived", "restore"): "draft",
    ("launched", "take_back"): "draft",
    ("launched", "pause"): "paused",
    ("launched", "archive"): "archived",
    ("launched", "finish"): "finished",
    ("paused", "resume"): "launched",
    ("paused", "archive"): "archived",
    ("paused", "finish"): "finished",
}
DONE: dict[Move, str] = {
    "launch": "launched",
    "take_back": "taken back",
    "pause": "paused",
    "resume": "resumed",
    "archive": "archived",
    "restore": "brought back",
    "finish": "finished",
}

APPROVED_ABOVE = 25  # contacts: a member's launch to more waits for an owner or admin


def after(state: State, move: Move, *, was_launched: bool) -> State | None:
    """The state after; None where that is not done. There is no way back from the archive for a
    sequence that wrote to people.
    """
    if move == "restore" and was_launched:
        return None
    return MOVES.get((state, move))


def needs_approval(*, contacts: int, governs: bool) -> bool:
    """Whether somebody who governs has to say yes first."""
    return contacts > APPROVED_ABOVE and not governs
