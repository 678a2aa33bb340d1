"""Whether a letter may leave, asked when it is due and once more before its final dot.

The first that is true decides. What is said here stops the enrollment with that reason, but for
`sequence_paused`: that letter waits.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.drafts import Suppressed
from shared.domain.enrollment import Enrollment, inclusion
from shared.domain.enrollment_states import OPEN, State, StopReason

Refusal = StopReason | Literal["sequence_paused", "closed"]

SUPPRESSED: dict[Suppressed, StopReason] = {
    "unsubscribed": "opted_out",
    "opted_out": "opted_out",
    "complained": "complained",
    "bounced": "bounced",
    "undeliverable": "bounced",
    "by_hand": "removed",
    "imported": "removed",
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """email: where the letter would go. email_now: the contact's address as it is; None where the
    contact is gone, or at another account. open_signals: how many of `named_signals` are still so.
    """

    state: State
    sequence_state: str
    email: str
    email_now: str | None
    suppressed: Suppressed | None
    enrollment: Enrollment
    lost_at: datetime | None
    paused_until: datetime | None
    open_signals: int
    named_signals: int


def refusal(facts: Facts, *, at: datetime) -> Refusal | None:
    """None: it may leave."""
    if facts.state not in OPEN:
        return "closed"
    if facts.suppressed is not None:
        return SUPPRESSED[facts.suppressed]
    if facts.email_now is None or facts.email_now.strip().lower() != facts.email.lower():
        return "contact_changed"
    if facts.open_signals < facts.named_signals:
        return "reordered"
    included = inclusion(
        enrollment=facts.enrollment,
        lost_at=facts.lost_at,
        paused_until=facts.paused_until,
        at=at,
    )
    if included in ("pinned_out", "lost", "paused"):
        reasons: dict[str, StopReason] = {"pinned_out": "pinned", "paused": "reached_out"}
        return reasons.get(included, "lost")
    if facts.sequence_state == "archived":
        return "archived"
    return None if facts.sequence_state == "launched" else "sequence_paused"
