"""`winback dev`: the whole system on this machine, without Docker.

The supervisor does the work (winback.stack.supervisor); these verbs start it, end it,
and read what it wrote.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import typer

from shared.errors import Misconfigured, Retryable, WinbackError
from winback.serve import Service
from winback.stack import home as homes
from winback.stack import processes
from winback.stack.home import Home

app = typer.Typer(no_args_is_help=True, add_completion=False)

DOWN_SECONDS = 75.0  # services drain within 30 s, then Kafka and PostgreSQL
POLL_SECONDS = 0.1
SCHEMA_TRIES = 5  # failed so often, with everything else ready, it will not come right by itself
SAY_EVERY_SECONDS = 10.0

WIDE = 160  # columns of a table that no terminal bounds

AsJson = typer.Option(False, "--json", help="Print JSON.")


@app.command("up")
def up(
    detach: bool = typer.Option(
        False, "--detach", help="Return once everything is ready, and leave it running."
    ),
    timeout: float = typer.Option(
        120.0, help="With --detach: seconds to wait until everything is ready."
    ),
    without_services: bool = typer.Option(
        False, help="Only Kafka, PostgreSQL and the mail sink, with topics and tables."
    ),
    without: Annotated[
        list[Service] | None,
        typer.Option(
            help="Not this service (may be repeated): who works on it serves it, with "
            "`winback serve SERVICE --reload`."
        ),
    ] = None,
    move_ports: bool = typer.Option(
        False, help="Go to other ports where those of last time, or of the settings, are taken."
    ),
) -> None:
    """Start everything; without --detach until Ctrl-C. State is kept in .winback (or WINBACK_HOME)
    for the next time. Exit code 2: a port that it needs is taken, or what was kept is gone.

    Example: winback dev up --detach
    """
    home = homes.find()
    if supervisor_of(home) is not None:
        print(f"already up ({home.path}): `winback dev down` ends it")
        show(home)
        return
    if not sys.platform.startswith("linux"):
        raise Retryable(
            "`winback dev` needs Linux (it recognises processes by /proc); "
            "elsewhere: docker compose up"
        )
    if not detach:
        from winback.stack import parts
        from winback.stack.supervisor import ALL_READY, log_line, supervise

        def say(text: str) -> None:
            log_line(text)
            if text.startswith(ALL_READY):
                show(home)

        raise typer.Exit(
            supervise(
                home,
                partial(
                    parts.plan,
                    with_services=not without_services,
                    without=without or (),
                    move_ports=move_ports,
                ),
                say=say,
            )
        )
    options = ["--without-services"] if without_services else []
    options += ["--move-ports"] if move_ports else []
    options += [f"--without={service}" for service in without or ()]
    wait_until_ready(home, start_detached(home, *options), timeout)
    show(home)


@app.command("down")
def down() -> None:
    """End everything, services first; what they know is kept. Nothing is left running.

    Example: winback dev down
    """
    home = homes.find()
    print("down" if stop(home) else "it was not up")


@app.command("status")
def status(as_json: bool = AsJson) -> None:
    """What runs, and whether it is ready; exit code 1 when not all of it is.

    Example: winback dev status --json
    """
    home = homes.find()
    found = current(home)
    if as_json:
        rows = [
            {key: service[key] for key in ("name", "pid", "ready")}
            | {"url": without_password(service["url"])}
            for service in found["services"]
        ]
        print(json.dumps({"ready": found["ready"], "services": rows}))
    elif supervisor_of(home) is None:
        print("not up: `winback dev up --detach` starts it")
    else:
        show(home)
    raise typer.Exit(0 if found["ready"] else 1)


@app.command("reset")
def reset(
    yes: bool = typer.Option(False, "--yes", help="Really: orders, signals, mails, all of it."),
) -> None:
    """End everything and forget it: orders, signals, mails. The next `up` starts empty.

    Example: winback dev reset --yes
    """
    home = homes.find()
    if not yes:
        print(
            f"this deletes {home.path} with every order, signal and mail in it; say --yes",
            file=sys.stderr,
        )
        raise typer.Exit(2)
    if home.path.exists() and not home.lock_file.exists():
        print(f"{home.path} was not made by `winback dev`: it is left alone", file=sys.stderr)
        raise typer.Exit(2)
    stop(home)
    outside = home.state().get("postgres_folder")
    for folder in (home.path, *([Path(outside)] if outside else [])):
        shutil.rmtree(folder, ignore_errors=True)
    print(f"forgotten: {home.path}")


@app.command("logs")
def logs(
    service: str = typer.Argument(
        "", help="One of `winback dev status`, or supervisor. Without it: all."
    ),
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on as lines are written."),
    lines: int = typer.Option(
        50, "--lines", "-n", min=0, help="How many of the last lines of each."
    ),
) -> None:
    """The last lines of each process's log.

    Example: winback dev logs detector --follow
    """
    files = sorted(homes.find().logs.glob(f"{service or '*'}.log"))
    if not files:
        print(
            f"there is no log of {service}" if service else "there are no logs: it was never up",
            file=sys.stderr,
        )
        raise typer.Exit(2)
    width = max(len(file.stem) for file in files)
    for file in files:
        for line in file.read_text(errors="replace").splitlines()[-lines:] if lines else []:
            print(f"{file.stem:{width}}  {line}")
    if follow:
        for name, line in new_lines(files):
            print(f"{name:{width}}  {line}", flush=True)


def start_detached(home: Home, *options: str) -> "subprocess.Popen[bytes]":
    """A supervisor in a session of its own, its words in logs/supervisor.log."""
    home.make()
    with (home.logs / "supervisor.log").open("ab") as log:
        command = [sys.executable, "-P", "-m", "winback.stack.supervisor", *options]
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"WINBACK_HOME": str(home.path)},
        )
    until = time.monotonic() + 30
    while (supervisor_of(home) or {}).get("pid") != started.pid:
        if started.poll() is not None or time.monotonic() > until:
            raise why_it_ended(home, started)
        time.sleep(POLL_SECONDS)
    return started


def why_it_ended(home: Home, supervisor: "subprocess.Popen[bytes]") -> WinbackError:
    """A port that is taken and data that are gone (exit code 2) are for a person to mend."""
    words = last_line(home.logs / "supervisor.log").removeprefix("winback: ")
    if supervisor.poll() == 2:
        return Misconfigured(words)
    return Retryable(f"the supervisor ended: {words}")


def wait_until_ready(
    home: Home, supervisor: "subprocess.Popen[bytes]", timeout_seconds: float
) -> None:
    """Raises Retryable, with what is not ready and why, when the time is over: what runs is left
    running. Raises Misconfigured where the supervisor gave up.
    """
    began = said = time.monotonic()
    known: set[str] = set()
    while True:
        if supervisor.poll() is not None:
            raise why_it_ended(home, supervisor)
        found = current(home)
        for service in found["services"]:
            if service["ready"] and service["name"] not in known:
                known.add(service["name"])
                print(f"{service['name']} ready after {time.monotonic() - began:.1f} s", flush=True)
        if found["ready"]:
            return
        schema = found["schema"]
        if schema["failures"] >= SCHEMA_TRIES:
            raise Retryable(
                f"migrations or topics fail: {schema['problem']} (`winback dev logs schema`)"
            )
        waiting = [f"{s['name']} ({s['problem']})" for s in found["services"] if not s["ready"]]
        if time.monotonic() - began > timeout_seconds:
            raise Retryable(
                f"not ready after {timeout_seconds:.0f} s: {', '.join(waiting)}; "
                "it goes on trying: `winback dev logs`, `winback dev status`, `winback dev down`"
            )
        if time.monotonic() - said > SAY_EVERY_SECONDS:
            said = time.monotonic()
            print(f"waiting for {', '.join(waiting)}", flush=True)
        time.sleep(POLL_SECONDS)


def stop(home: Home) -> bool:
    """End the supervisor and all it started; also what a killed one left behind.
    False: nothing was running.
    """
    supervisor = supervisor_of(home)
    if supervisor is not None:
        os.kill(supervisor["pid"], 15)
        until = time.monotonic() + DOWN_SECONDS
        while processes.is_running(supervisor["pid"], supervisor["started"]):
            if time.monotonic() > until:
                processes.kill_group(supervisor["pid"])
            time.sleep(POLL_SECONDS)
    from winback.stack.supervisor import end_leftovers

    left: list[str] = []
    end_leftovers(home.state(), left.append)
    return supervisor is not None or bool(left)


def supervisor_of(home: Home) -> dict[str, int] | None:
    """Its pid and start time, when it lives."""
    state = home.state()
    found: dict[str, int] | None = state.get("supervisor")
    alive = (
        found is not None
        and state.get("boot") == processes.boot()
        and processes.is_running(found["pid"], found["started"])
    )
    return found if alive else None


def current(home: Home) -> dict[str, Any]:
    """The supervisor's state as of now: without it, or without its process, nothing is ready."""
    state = home.state()
    alive = supervisor_of(home) is not None
    services = state.get("services", [])
    for service in services:
        if not alive or not processes.is_running(service["pid"], service["started"]):
            service["pid"], service["ready"] = None, False
    ready = alive and bool(state.get("ready")) and all(s["ready"] for s in services)
    return {"ready": ready, "schema": state.get("schema", {"failures": 0}), "services": services}


def without_password(url: str) -> str:
    """The address as it may be shown: logs and screens keep what is printed."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))


def show(home: Home) -> None:
    """A table for eyes: no passwords in it."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("service", "pid", "memory", "started again", "address", "state"):
        numbers = heading in ("pid", "memory", "started again")
        table.add_column(
            heading, justify="right" if numbers else "left", no_wrap=heading != "state"
        )
    for service in current(home)["services"]:
        state = (
            "[green]ready[/]"
            if service["ready"]
            else f"[yellow]{service['problem'] or 'not running'}[/]"
        )
        memory = (
            f"{processes.resident_bytes(service['pid']) / 1e6:.0f} MB" if service["pid"] else ""
        )
        address = without_password(service["url"])
        table.add_row(
            service["name"],
            str(service["pid"] or ""),
            memory,
            str(service["restarts"] or ""),
            address,
            state,
        )
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def last_line(file: Path) -> str:
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    return lines[-1] if lines else "it said nothing"


def new_lines(files: list[Path]) -> Iterator[tuple[str, str]]:
    """What is written from now on, until Ctrl-C."""
    ends = {file: file.stat().st_size for file in files}
    while True:
        for file, end in ends.items():
            size = file.stat().st_size
            with file.open("rb") as opened:
                opened.seek(end if size >= end else 0)  # smaller: it was turned over
                written = opened.read()
            whole = written.rpartition(b"\n")[0]
            ends[file] = (end if size >= end else 0) + (len(whole) + 1 if whole else 0)
            for line in whole.decode(errors="replace").splitlines():
                yield file.stem, line
        time.sleep(POLL_SECONDS)
