"""What becomes of a person in a sequence, from the draft to the last answer.

MOVES is the whole of it. *Open* is who may still be written to: nobody is open twice, by account or
by address. A terminal state stays, but for `resume`, which a person does, and which opens what
nobody refused.
"""

from typing import Literal, get_args

State = Literal["enrolled", "skipped", "active", "held", "task", "stopped", "finished"]
Move = Literal[
    "launch", "skip", "take_back", "hold", "release", "ask", "done", "stop", "finish", "resume"
]
StopReason = Literal[
    "replied",
    "bounced",
    "opted_out",
    "complained",
    "reordered",
    "correction",
    "settings",
    "aged_out",
    "superseded",
    "pinned",
    "lost",
    "reached_out",
    "won_back",
    "removed",
    "archived",
    "contact_changed",
    "refused",
    "late",
    "unsure",
    "erased",
]

OPEN: frozenset[State] = frozenset({"active", "held", "task"})
REASONS: tuple[StopReason, ...] = get_args(StopReason)
# said by the person or their mail server, and not for anybody here to overrule
FOR_GOOD: frozenset[StopReason] = frozenset({"bounced", "opted_out", "complained", "erased"})

# (state, what happens) -> the state after
MOVES: dict[tuple[State, Move], State] = {
    ("enrolled", "launch"): "active",
    ("enrolled", "skip"): "skipped",
    ("enrolled", "stop"): "stopped",
    ("skipped", "take_back"): "enrolled",
    ("active", "take_back"): "enrolled",
    ("active", "hold"): "held",
    ("active", "ask"): "task",
    ("active", "stop"): "stopped",
    ("active", "finish"): "finished",
    ("held", "hold"): "held",
    ("held", "release"): "active",
    ("held", "stop"): "stopped",
    ("held", "take_back"): "enrolled",
    ("task", "done"): "active",
    ("task", "stop"): "stopped",
    ("task", "take_back"): "enrolled",
    ("stopped", "resume"): "active",
    ("finished", "resume"): "active",
}


def after(state: State, move: Move, *, reason: StopReason | None = None) -> State | None:
    """The state after; None where that does not happen. `reason`: why it is stopped now."""
    if move == "resume" and reason in FOR_GOOD:
        return None
    return MOVES.get((state, move))
