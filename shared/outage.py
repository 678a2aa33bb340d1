"""While PostgreSQL is away or takes nothing (its disk is full): what waits for it, and how long
until it is asked again.

The consume loop keeps its process alive through this: a restart would mend nothing, and /readyz
could not say why.
"""

import threading
from collections.abc import Callable

import psycopg
import structlog

from shared.errors import said

log = structlog.get_logger()

AGAIN_AFTER_SECONDS = 0.5  # twice as long each time, up to
AGAIN_AT_LATEST_SECONDS = 10.0

Place = tuple[str, int]  # topic, partition
ASSIGNMENT: Place = ("assignment", -1)  # what waits before there is any partition


class Outage:
    """`begins`: what is under way or waits, by the offset at which it must be read again. `error`:
    why, since the last wait.
    """

    def __init__(self, on_ready: Callable[[bool, str], None]) -> None:
        self.begins: dict[Place, int] = {}
        self.error: psycopg.OperationalError | None = None
        self._on_ready = self._unless_other_log(on_ready)
        self._other_log = ""
        self._pause = AGAIN_AFTER_SECONDS

    def _unless_other_log(
        self, on_ready: Callable[[bool, str], None]
    ) -> Callable[[bool, str], None]:
        return lambda ready, reason: on_ready(
            ready and not self._other_log, self._other_log or reason
        )

    def other_log(self, reason: str) -> None:
        """Not ready, and why, whatever else comes until this loop has ended."""
        self._other_log = reason
        self._on_ready(False, reason)

    def hold(self, place: Place, begin: int, error: psycopg.OperationalError) -> None:
        """Not ready, and why."""
        self.begins[place] = begin
        self.error = error
        self._on_ready(False, f"PostgreSQL: {said(error)}")
        log.warning(
            "PostgreSQL takes nothing: again soon",
            seconds=self._pause,
            topic=place[0],
            reason=said(error),
        )

    def wait(self, stop: threading.Event) -> None:
        """A pause where there was an error since the last, none else."""
        if self.error is not None:
            stop.wait(self._pause)
            self._pause = min(AGAIN_AT_LATEST_SECONDS, self._pause * 2)
            self.error = None

    def is_back(self, place: Place) -> None:
        """For this partition, or another process has it now; ready when nothing waits."""
        self.begins.pop(place, None)
        if not self.begins:
            self._pause = AGAIN_AFTER_SECONDS
            self._on_ready(True, "")
