"""Child processes of a test: none is left behind, and none stays stopped.

child     runs while the block does, and is killed then
stopped   it lives and does nothing while the block runs, as on a machine that swaps
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from winback.stack import processes


@contextmanager
def child(
    command: Sequence[str], *, env: Mapping[str, str] | None = None
) -> "Iterator[subprocess.Popen[bytes]]":
    """Killed when the block ends, however it ends (by itself `Popen` would wait for its end); it
    ends with this process, too.
    """
    with subprocess.Popen(command, env=env, preexec_fn=processes.die_with_parent) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """SIGSTOP to each; SIGCONT when the block ends, however it ends."""
    with contextlib.ExitStack() as going_on:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            going_on.callback(_go_on, pid)
        yield


def _go_on(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it was killed meanwhile
        os.kill(pid, signal.SIGCONT)
