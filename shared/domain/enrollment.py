"""Whom digests, totals and drafts speak of (product.md 4 and 7): No, then Lost, then a pause, then
Yes, then Auto.

The first that is true decides. An account that is left out keeps its signals and badges.
"""

from datetime import datetime
from typing import Literal

Enrollment = Literal["auto", "yes", "no"]
Inclusion = Literal["pinned_out", "lost", "paused", "always", "by_signal"]

INCLUDED: frozenset[Inclusion] = frozenset({"always", "by_signal"})


def inclusion(
    *, enrollment: Enrollment, lost_at: datetime | None, paused_until: datetime | None, at: datetime
) -> Inclusion:
    """Why an account is in or out at a moment. `always`: with or without a signal; `by_signal`:
    while one is active.
    """
    if enrollment == "no":
        return "pinned_out"
    if lost_at is not None:
        return "lost"
    if paused_until is not None and at < paused_until:
        return "paused"
    return "always" if enrollment == "yes" else "by_signal"
