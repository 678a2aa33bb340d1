"""What libraries write past every logger to stdout or stderr (librdkafka, the interpreter at its
end, Faust's cursor) becomes log lines, too: both are a pipe, and a thread reads it.

Our own lines do not take this way: they go to what stderr was, so that none is lost with a process
that ends at once.
"""

import atexit
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

DRAIN_SECONDS = 2.0
LONGEST_LINE = 100_000
EVERY_SECONDS = 5.0
# %5|1796126276.873|REQTMOUT|rdkafka#consumer-9| [thrd:GroupCoordinator]: Timed out …
RDKAFKA = re.compile(
    r"%(?P<level>\d)\|[0-9.]+\|(?P<kind>[A-Z0-9_]+)\|(?P<client>[^|]*)\|\s*(?P<said>.*)"
)
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
LEVELS = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")

Say = Callable[[str, dict[str, str]], None]  # (level, what of the line)


def told(line: str) -> tuple[str, dict[str, str]]:
    """(level, fields) of a line: of librdkafka's its own parts, of any other the text."""
    found = RDKAFKA.fullmatch(line)
    if found is None:
        return "warning", {"event": line, "logger": "stderr"}
    return LEVELS[int(found["level"]) % len(LEVELS)], {
        "event": found["said"],
        "logger": "librdkafka",
        "kind": found["kind"],
        "client": found["client"],
    }


class Seldom:
    """A client that tries again says the same thing many times a second: here it is said every
    EVERY_SECONDS, with how often it was `repeated` meanwhile.
    """

    def __init__(self, say: Say, now: Callable[[], float] = time.monotonic) -> None:
        self._say, self._now = say, now
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def __call__(self, level: str, line: dict[str, str]) -> None:
        if "kind" not in line:
            self._say(level, line)
            return
        key = (line["client"], line["kind"])
        at, repeated = self._seen.get(key, (-EVERY_SECONDS, 0))
        if self._now() - at < EVERY_SECONDS:
            self._seen[key] = (at, repeated + 1)
            return
        self._seen[key] = (self._now(), 0)
        self._say(level, line | ({"repeated": str(repeated)} if repeated else {}))


def caught(say: Say) -> TextIO:
    """From now on `say` gets every line that somebody writes to stdout or stderr. Returns what
    stderr was, for who must not be caught.
    """
    real = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    reading, writing = os.pipe()
    for descriptor in (1, 2):
        os.dup2(writing, descriptor)
    os.close(writing)

    def read() -> None:
        with os.fdopen(reading, encoding="utf-8", errors="backslashreplace") as lines:
            say_seldom = Seldom(say)
            while line := lines.readline(LONGEST_LINE):
                if text := CONTROL.sub("", line).strip():
                    say_seldom(*told(text))

    thread = threading.Thread(target=read, name="stray-lines", daemon=True)
    thread.start()

    def drain() -> None:
        """Nobody writes into the pipe any more, so its reader comes to the end; what threads of
        libraries say of the end is noise.
        """
        with Path(os.devnull).open("w") as nothing:
            for descriptor in (1, 2):
                os.dup2(nothing.fileno(), descriptor)
        thread.join(DRAIN_SECONDS)

    atexit.register(drain)
    return real
