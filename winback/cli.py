"""`winback`: one command, a verb per line of docs/cli.md. Verbs are imported when they are called:
a start costs little.

Exit codes: 0 done, 1 the answer is bad (differences, rejects), 2 wrong use, 3 something
it needs is not there.
"""

import importlib
import sys
from importlib import metadata
from typing import Any

import typer
from typer.core import TyperGroup

from shared.errors import Misconfigured, NotFound, Rejected, Retryable, printable
from winback import verbs
from winback.stack import home

VERBS: dict[str, tuple[str, str]] = {  # verb -> (module with a Typer `app`, one line of help)
    "dev": (
        "winback.dev",
        "The whole system on this machine, without Docker: up, down, status, reset, logs.",
    ),
    "demo": (
        "winback.demo",
        "Start everything, stream real orders, leave a console to click and a digest to read.",
    ),
    "serve": (
        "winback.serve",
        "One process: ingest, detector, signals, console, clock, digest, sequences, mail.",
    ),
    "migrate": ("winback.admin", "Apply database migrations; can be repeated."),
    "topics": ("winback.admin", "Create Kafka topics; can be repeated."),
    "rebuild-log": (
        "winback.rebuild_log",
        "Write the log of orders anew from PostgreSQL, where Kafka was lost or came back older.",
    ),
    "purge": ("winback.admin", "Delete audit rows and security events older than the terms say."),
    "settings-reference": (
        "winback.admin",
        "List every setting of the environment with its default.",
    ),
    "organization": ("services.signals.cli.organizations", "Tenants: create, set, list, delete."),
    "member": (
        "services.signals.cli.organizations",
        "People of an organization: add, remove, list.",
    ),
    "sessions": ("services.signals.cli.organizations", "Where people are signed in: end."),
    "sign-in": ("services.signals.cli.organizations", "Print a one-time sign-in address."),
    "token": (
        "services.signals.cli.organizations",
        "ERP tokens: create (shown once), list, revoke.",
    ),
    "import": (
        "services.ingest.cli",
        "Import orders, accounts or contacts from CSV, workbooks or Parquet files.",
    ),
    "raw": (
        "services.ingest.raw_cli",
        "Raw topics: check a mapping against records of a connector.",
    ),
    "wait": (
        "services.signals.cli.runs",
        "Wait until everything accepted so far is detected and persisted.",
    ),
    "run": ("services.signals.cli.runs", "Ask for a run."),
    "signals": ("services.signals.cli.runs", "List signals, one JSON line each."),
    "settings": ("services.signals.cli.settings", "Detection settings: get, set."),
    "sequences": (
        "services.signals.cli.sequences",
        "Letters to win accounts back: list, show, launch, pause, resume, archive.",
    ),
    "sending": (
        "services.signals.cli.sequences",
        "How an organization sends letters: get, set, allow, vouch, go-on.",
    ),
    "audit": ("services.signals.cli.audit", "Hold the detector against the second opinion."),
    "digest": ("services.digest.cli", "Preview or send the digest of the latest complete run."),
    "undo": (
        "services.signals.cli.outcomes",
        "Take back the newest outcome of an account, or of all.",
    ),
    "contact": ("services.signals.cli.organizations", "People at accounts: erase."),
    "chaos": (
        "winback.chaos.cli",
        "Do faults to a system of its own, and hold what it promised against what is there.",
    ),
    "doctor": ("winback.doctor", "Look at all that the system stands on, and say what to do."),
    "bench": (
        "winback.bench",
        "Measure how fast it is, against references side by side (needs a checkout).",
    ),
    "skip": ("winback.skip", "Pass by one record that a reader fails on again and again."),
    "dead-letters": ("winback.dead_letters", "What could not be read: list, show, replay."),
}


class LazyGroup(TyperGroup):
    """Imports a verb's module when the verb is asked for. The module's Typer app holds a command or
    group of that name, or is itself the verb's group.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        module, line = VERBS[cmd_name]
        command = typer.main.get_command(importlib.import_module(module).app)
        found: Any = getattr(command, "commands", {}).get(cmd_name, command)
        found.name = cmd_name
        found.short_help = line
        return found

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The verbs with their lines, without importing any of them."""
        self.format_usage(ctx, formatter)
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


app = typer.Typer(
    cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def say_version(asked: bool) -> None:
    if asked:
        print(f"winback {metadata.version('winback')}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=say_version, is_eager=True, help="Which version this is."
    ),
) -> None:
    """Winback: says which accounts you are losing, and helps to win them back."""


def main() -> None:
    """The console script. Reaches the stack of `winback dev` when it is told of no other; turns the
    project's errors into one line and an exit code.
    """
    with_stack = home.load_env()
    try:
        with verbs.noted(sys.argv[1:]):
            app(prog_name="winback", obj={"with_stack": with_stack})
    except (Rejected, NotFound, Misconfigured) as error:
        print(f"winback: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except Retryable as error:
        print(f"winback: {error}", file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
