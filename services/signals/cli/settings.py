"""Verbs of detection settings: settings get, settings set."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True)
settings = typer.Typer(no_args_is_help=True, help="Detection settings of an organization.")
app.add_typer(settings, name="settings")

Organization = Annotated[str, typer.Option("--organization", help="The organization's id.")]


@app.callback()
def root() -> None:
    """Makes `settings` a verb beside others, not the only one."""


@settings.command("get")
def get(organization: Organization) -> None:
    """Print the settings that the next run takes, as JSON.

    Example: winback settings get --organization acme > settings.json
    """
    import msgspec

    from services.signals.store import settings as store
    from shared import db

    with db.connect() as connection:
        _, found = store.latest(connection, organization)
    print(json.dumps(msgspec.to_builtins(found), indent=1))


@settings.command("set")
def set_(
    organization: Organization,
    file: Annotated[
        str, typer.Argument(help="JSON; keys left out keep their value. - is standard input.")
    ] = "-",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would change, and change nothing.")
    ] = False,
    run: Annotated[
        bool, typer.Option("--run", help="Ask for a run, as Save in the console does.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Change settings. A new version is kept only where something changes.

    Example: echo '{"lapse": {"enabled": true}}' | winback settings set --organization acme --run
    """
    from services.signals.actions import settings as actions
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db
    from shared.errors import FieldError, Rejected

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        patch: Any = json.loads(text)
    except (OSError, ValueError) as error:
        raise Rejected(
            FieldError(field=file, reason=f"is no JSON that can be read: {error}")
        ) from None
    with db.connect() as connection:
        saved = actions.save(
            connection, organization, patch, by=COMMAND_LINE, run=run, dry_run=dry_run
        )
    if as_json:
        changed = {change.key: {"from": change.old, "to": change.new} for change in saved.changes}
        print(
            json.dumps(
                {"version": saved.version, "changed": changed, "run": saved.run}, sort_keys=True
            )
        )
        return
    for change in saved.changes:
        print(f"{change.key}: {json.dumps(change.old)} -> {json.dumps(change.new)}")
    if not saved.changes:
        print("nothing changes")
    elif not dry_run:
        print(f"saved version {saved.version}")
    if saved.run is not None:
        print(f"asked for run {saved.run}")
