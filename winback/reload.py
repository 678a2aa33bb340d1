"""`winback serve SERVICE --reload`: a service that is started again whenever its code changes, for
who works on it.

Templates need no new start: Jinja looks at each file's time when it renders it. A service that does
not come up (a slip of the pen) is tried again at the next change.
"""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from winback.stack import parts, processes

FOLDERS = ("services", "shared", "winback")
TEMPLATES = {".html"}  # read again where they are rendered
LEFT_OUT = {"__pycache__"}
LOOK_SECONDS = 0.25
DRAIN_SECONDS = 40.0

Times = dict[Path, int]


def serve_again_and_again(service: str, root: Path = Path(__file__).parents[1]) -> int:
    """Until SIGTERM or Ctrl-C. The exit code of the service's last process.

    root: where the packages are.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while True:
        before = times(root)
        with served(service) as process:
            changed = None
            while changed is None and not stop.wait(LOOK_SECONDS):
                changed = first_change(before, times(root))
                if process.poll() is not None and changed is None:
                    say(f"{service} ended with {process.returncode}: it waits for a change")
                    changed = wait_for_change(before, root, stop)
        if changed is None:
            return process.returncode
        say(f"{changed.relative_to(root)} has changed: {service} starts again")


@contextmanager
def served(service: str) -> "Iterator[subprocess.Popen[bytes]]":
    """One process of it; drained when the block ends, killed when it takes too long."""
    command = [*parts.PYTHON, "winback", "serve", service]
    with subprocess.Popen(command, preexec_fn=processes.die_with_parent) as process:
        yield process
        process.terminate()
        try:
            process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for_change(before: Times, root: Path, stop: threading.Event) -> Path | None:
    """The file that changed; None when it is stopped meanwhile."""
    while not stop.wait(LOOK_SECONDS):
        if (changed := first_change(before, times(root))) is not None:
            return changed
    return None


def times(root: Path) -> Times:
    """Of every file that a start reads: when it was written last."""
    found: Times = {}
    for folder in FOLDERS:
        for path in (root / folder).rglob("*"):
            if path.suffix in TEMPLATES or LEFT_OUT.intersection(path.parts) or path.is_dir():
                continue
            with contextlib.suppress(FileNotFoundError):  # an editor's own file, gone again
                found[path] = path.stat().st_mtime_ns
    return found


def first_change(before: Times, now: Times) -> Path | None:
    """A file that is new, gone, or written anew."""
    changed = {path for path, _ in before.items() ^ now.items()}
    return min(changed) if changed else None


def say(text: str) -> None:
    print(f"winback: {text}", file=sys.stderr, flush=True)
