"""What of a consumer's partitions stands still, and why: noted by its loop, asked for by /readyz
from another thread.

A partition stands where records of it wait and its position has not moved for WAITS_SECONDS, or
where it has failed for FAILS_SECONDS. A loop that hangs says nothing any more; what it noted before
says it for it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.outage import Place

WAITS_SECONDS = 60.0
FAILS_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class _Since:
    """Since when (time.monotonic()) records wait, or fail with `reason`, at `position`."""

    at: float
    position: int
    reason: str = ""


class Standing:
    """Thread-safe. `now` is for tests."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._since: dict[Place, _Since] = {}

    def waits(self, place: Place, position: int) -> None:
        """Records wait at `position`: as before, or since now."""
        with self._lock:
            before = self._since.get(place)
            if before is None or before.position != position:
                self._since[place] = _Since(at=self._now(), position=position)

    def fails(self, place: Place, position: int, reason: str) -> None:
        """It cannot go on from `position`, and why."""
        with self._lock:
            before = self._since.get(place)
            at = (
                before.at
                if before is not None and before.position == position and before.reason
                else self._now()
            )
            self._since[place] = _Since(at=at, position=position, reason=reason)

    def moves(self, place: Place) -> None:
        """It went on, nothing waits, or somebody else has it now."""
        with self._lock:
            self._since.pop(place, None)

    def why(self) -> str:
        """What stands, where and why, for people; empty where all moves."""
        now = self._now()
        with self._lock:
            since = dict(self._since)
        return "; ".join(
            _said(place, one, now - one.at)
            for place, one in sorted(since.items(), key=lambda pair: pair[0])
            if now - one.at >= (FAILS_SECONDS if one.reason else WAITS_SECONDS)
        )


def _said(place: Place, since: _Since, seconds: float) -> str:
    """A place without a partition is a topic as a whole."""
    topic, partition = place
    stands = (
        f"{topic}/{partition} stands at {since.position}"
        if partition >= 0
        else f"{topic} cannot be read"
    )
    return f"{stands} for {seconds:.0f} s" + (f": {since.reason}" if since.reason else "")
