"""Ports of this machine: where each part listens, and who holds a port that it wants.

A server that answers is not yet ours: a stranger's on the same port answers as well. Who
listens is read from /proc (Linux): the socket's number, then the process that has it open.
Processes of other users are seen without their names.
"""

import contextlib
import errno
import os
import secrets
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.errors import Misconfigured
from winback.stack import probes, processes

# name -> default port; the last four are no parts of their own
PORTS = {
    "kafka": 9092,
    "postgres": 5432,
    "smtp": 1025,
    "ingest": 8081,
    "detector": 8082,
    "signals": 8083,
    "console": 8080,
    "clock": 8084,
    "digest": 8085,
    "sequences": 8086,
    "mail": 8087,
    "door": 2525,
    "mailbox": 8025,
    "controller": 9093,
}
OTHERS = range(20_000, 30_000)  # below the range from which connections get theirs

LISTENS = "0A"
# as /proc/net/tcp writes 127.0.0.1 and "any", plain and within IPv6
REACHED = {"0100007F", "00000000", "0" * 32, "0000000000000000FFFF00000100007F"}
COMMAND_CHARACTERS = 80


def choose(
    previous: Mapping[str, Any], *, any_free: bool = False, move: bool = False
) -> dict[str, int]:
    """For each name the port of last time, else the one that the environment names, else the usual
    one; where that is taken, any other (`moves` says which).

    any_free: others for all that have none yet. move: another one also for what was named (by the
    environment, or to senders, last time) and is taken; else that raises Misconfigured, with each.
    """
    chosen: dict[str, int] = {}
    clashes: list[str] = []
    for name, usual in PORTS.items():
        named = previous.get(name) or os.environ.get(setting_of(name))
        wanted = int(named or usual)
        if any_free and name not in previous:
            wanted = secrets.choice(OTHERS)
        elif named and not move and not is_free(wanted):
            clashes.append(
                f"{name}'s port {wanted} ({setting_of(name)}) is taken by {holder(wanted)}"
            )
        while wanted in chosen.values() or not is_free(wanted):
            wanted = secrets.choice(OTHERS)
        chosen[name] = wanted
    if clashes:
        raise Misconfigured(
            f"{'; '.join(clashes)}: end what is there, or let this stack go elsewhere: "
            "`winback dev up --move-ports`"
        )
    return chosen


def moves(chosen: Mapping[str, int], previous: Mapping[str, Any]) -> list[str]:
    """What is not at its usual port, though nobody named another one, and who is there."""
    return [
        f"{name}: port {usual} is taken by {holder(usual)}: it is at {chosen[name]}"
        for name, usual in PORTS.items()
        if not previous.get(name) and not os.environ.get(setting_of(name)) and chosen[name] != usual
    ]


def setting_of(name: str) -> str:
    return f"WINBACK_{name.upper()}_PORT"


def is_free(port: int, host: str = probes.HOST) -> bool:
    """Nobody listens there. SO_REUSEADDR as servers set it: connections that are ending do not
    count.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def taken(wanted: Iterable[int]) -> str:
    """Of the ports that one wants to listen at, those that somebody has, and who; or nothing."""
    return "; ".join(
        f"port {port} is taken by {holder(port)}" for port in wanted if not is_free(port)
    )


def answered_by_others(wanted: Iterable[int], session: int) -> str:
    """Who listens at ports that the processes of `session` should have; nothing where it cannot be
    told.
    """
    for port in wanted:
        pids = pids_at(port)
        if pids and not any(in_session(pid, session) for pid in pids):
            return f"port {port} is taken by {told(pids)}"
    return ""


def holder(port: int) -> str:
    """For people: "pid 77 (python3 -m http.server)"."""
    return told(pids_at(port))


def told(pids: Collection[int]) -> str:
    names = [f"pid {pid} ({command_of(pid)})" for pid in sorted(pids)[:1]]
    return names[0] if names else "a process of another user"


def pids_at(port: int) -> set[int]:
    """Processes that have a listening socket open which 127.0.0.1 reaches."""
    wanted = {f"socket:[{number}]" for number in sockets_at(port)}
    found = set()
    for pid in processes.pids() if wanted else ():
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if any(file in wanted for file in open_files(pid)):
                found.add(pid)
    return found


def open_files(pid: int) -> Iterator[str]:
    """Raises OSError when it may not be seen."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield str(entry.readlink())


def sockets_at(port: int) -> set[str]:
    """The numbers of the sockets that listen at the port."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, _, number = fields[1].partition(":")
            if fields[3] == LISTENS and int(number, 16) == port and address in REACHED:
                found.add(fields[9])
    return found


def in_session(pid: int, session: int) -> bool:
    fields = processes.stat(pid)
    return fields is not None and int(fields[3]) == session


def command_of(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    return b" ".join(words).decode(errors="replace").strip()[:COMMAND_CHARACTERS] or "no name"
