"""Ending, adopting and recognising processes (Linux: /proc and prctl).

A pid alone names nobody: it is given again. A process is recognised by boot, pid
and start time together.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None)  # loaded before any fork: nothing may be imported between fork and exec


def die_with_parent() -> None:
    """This process is killed at once when its parent ends, however that ends. Call again after a
    change of user.
    """
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Descendants whose parent ends become children of this process, so that it
    can end and reap them.
    """
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def boot() -> str:
    """This run of the machine: start times are counted from it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started(pid: int) -> int | None:
    """When `pid` started, in ticks since boot; None when there is no such living process."""
    fields = stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def is_running(pid: int | None, start: int | None) -> bool:
    """Is this still the very process that started then?"""
    return pid is not None and start is not None and started(pid) == start


def children() -> list[int]:
    """Living children of this process, adopted ones too."""
    me = str(os.getpid())
    found = ((pid, stat(pid)) for pid in pids())
    return [
        pid
        for pid, fields in found
        if fields is not None and fields[1] == me and fields[0] not in "ZX"
    ]


def resident_bytes(pid: int) -> int:
    """Memory that the process holds, shared pages too; 0 when it is gone."""
    fields = stat(pid)
    return 0 if fields is None else int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def kill_group(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process and all of its process group; nothing happens when they are gone."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(pid, number)


def end_leftover(pid: int, start: int, *, seconds: float = 10.0) -> bool:
    """Kill a process that an earlier supervisor left behind, and wait until it is gone. False: it
    was gone already.
    """
    if not is_running(pid, start):
        return False
    kill_group(pid)
    until = time.monotonic() + seconds
    while is_running(pid, start) and time.monotonic() < until:
        time.sleep(0.02)
    return True


def pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the command's name: state, ppid, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
