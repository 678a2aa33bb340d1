"""Waiting for what comes by itself: the one place where a test sleeps.

To show that something does not come, wait for what comes after it, and then look.
"""

import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.05  # between two looks
SHOWN = 2_000  # characters of what was seen last


def eventually(
    check: Callable[[], T],
    *,
    seconds: float = 90.0,
    what: str = "",
    ignoring: type[Exception] | tuple[type[Exception], ...] = (),
    running: "subprocess.Popen[Any] | None" = None,
    pause: float = PAUSE_SECONDS,
) -> T:
    """The first value of `check` that counts as true. An error of `ignoring` is a look that saw
    nothing yet; any other goes through.

    seconds: a bound, not a wait; machines are shared. running: a process that must not end
    meanwhile. Raises AssertionError, with `what` and what was seen last, when the time is over.
    """
    until = time.monotonic() + seconds
    while True:
        seen: object
        try:
            found = check()
        except ignoring as error:
            seen = error
        else:
            if found:
                return found
            seen = found
        wanted = what or "what it waits for"
        if running is not None and running.poll() is not None:
            raise AssertionError(
                f"{running.args!r} ended with {running.returncode} before there was {wanted}"
            )
        assert time.monotonic() < until, (
            f"after {seconds:g} s there is not {wanted}; seen last: {repr(seen)[:SHOWN]}"
        )
        time.sleep(pause)
