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


@settings.command("aliases")
def aliases(
    organization: Organization,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Grades that look like one: accounts that went from one spelling to another, and what reading
    one as the other would open and close. `settings set` with `grade_aliases` takes one.

    Example: winback settings aliases --organization acme --json
    """
    from services.signals.store import organizations, run_requests, runs
    from services.signals.store import settings as store
    from services.signals.trial import dry_run
    from shared import clock, db

    with db.connect() as connection:
        today = clock.today(organizations.find(connection, organization).timezone)
        _, saved = store.latest(connection, organization)
        found = dry_run.tried_aliases(
            connection,
            organization,
            saved,
            as_of=run_requests.latest_day(connection, organization) or today,
            run=runs.newest_number(connection, organization),
            seconds=dry_run.SECONDS_ON_A_BUTTON,
        )
    told = [_alias(one) for one in found]
    if as_json:
        print(json.dumps(told, sort_keys=True))
        return
    for one in told:
        print(
            f"{one['spelling']} is {one['grade']}? {len(one['switches'])} switched; "
            f"closes {len(one['closes'])} signals, opens {len(one['opens'])}"
        )
        for switch in one["switches"]:
            print(
                f"  {switch['account']}: {switch['old']} until {switch['until']}, "
                f"{switch['new']} since {switch['since']}"
            )
    if not told:
        print("no account goes from one spelling of what looks like one grade to another")


def _alias(tried: Any) -> dict[str, Any]:
    def subjects(by_type: Any) -> list[dict[str, Any]]:
        return [
            {
                "type": type_,
                "account": subject.account,
                "combo": None
                if subject.combo is None
                else {"od": subject.combo.od, "grade": subject.combo.grade},
            }
            for type_, found in by_type.items()
            for subject in sorted(found, key=str)
        ]

    return {
        "spelling": tried.proposal.spelling,
        "grade": tried.proposal.grade,
        "switches": [
            {
                "account": one.account,
                "old": one.old,
                "until": one.until.isoformat(),
                "new": one.new,
                "since": one.since.isoformat(),
            }
            for one in tried.proposal.switches
        ],
        "closes": subjects(tried.closes),
        "opens": subjects(tried.opens),
    }
