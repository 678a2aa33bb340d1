"""Verbs of runs: run, wait, signals."""

import json
from datetime import date, datetime
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True)

TYPES = ("dormant", "lapse", "cherry_picking")

Organization = Annotated[str, typer.Option("--organization", help="The organization's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("run")
def run(
    organization: Organization,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day; default: today there."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it is complete and persisted.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait at most.")] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Ask for a run. A day before the latest run's is refused; without --as-of it is today, or the
    latest run's day if later.

    Example: winback run --organization acme --as-of 2026-03-02 --wait
    """
    from services.signals.actions import runs
    from services.signals.actions.actor import COMMAND_LINE
    from shared import db

    with db.connect() as connection:
        number, day = runs.ask(
            connection, organization, as_of=as_of.date() if as_of else None, by=COMMAND_LINE
        )
        connection.commit()
    found: dict[str, Any] = {
        "organization": organization,
        "run": number,
        "as_of": day.isoformat(),
        "complete": False,
    }
    if wait:
        from services.signals.progress import run as waiting

        done = waiting.wait_for_run(organization, number, timeout_seconds=timeout)
        found |= {
            "complete": True,
            "settings_version": done.settings_version,
            "accounts": done.accounts,
            "evaluated": done.evaluated,
            "opened": done.opened,
            "seen": done.seen,
            "recovered": done.recovered,
            "duration_ms": done.duration_ms,
        }
    if as_json:
        print(json.dumps(found, sort_keys=True))
    elif wait:
        print(
            f"run {number} of {organization} as of {day}: {found['opened']} opened, "
            f"{found['seen']} seen, {found['recovered']} recovered of {found['accounts']} accounts"
        )
    else:
        print(f"asked for run {number} of {organization} as of {day}")


@app.command("wait")
def wait(
    organization: Organization,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds; then exit 3.")] = 600.0,
) -> None:
    """Wait until everything accepted so far, runs asked for too, is detected and persisted.

    Example: winback wait --organization acme --timeout 60
    """
    from services.signals.progress.caught_up import wait_until_caught_up

    wait_until_caught_up(organization, timeout_seconds=timeout)


@app.command("signals")
def signals(
    organization: Organization,
    active: Annotated[bool, typer.Option("--active", help="Leave out recovered ones.")] = False,
    account: Annotated[str | None, typer.Option("--account", help="Of this account alone.")] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="dormant, lapse, cherry_picking; comma-separated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List signals: with --json one JSON line each, keys sorted.

    Example: winback signals --organization acme --active --type dormant --json
    """
    import sys

    from services.signals.store import listing, organizations
    from shared import db
    from shared.errors import FieldError, Rejected

    types = [text.strip() for text in type_.split(",") if text.strip()] if type_ else None
    if types and any(text not in TYPES for text in types):
        raise Rejected(FieldError(field="--type", reason=f"must be some of {', '.join(TYPES)}"))
    with db.connect() as connection:
        organizations.find(connection, organization)
        for signal in listing.signals(
            connection, organization, active=active, account=account, types=types
        ):
            line = (
                json.dumps(signal, sort_keys=True, separators=(",", ":"))
                if as_json
                else _as_text(signal)
            )
            sys.stdout.write(line + "\n")


def _as_text(signal: dict[str, Any]) -> str:
    combo = signal.get("combo")
    what = f"{combo['od'] or 'no size'} {combo['grade'] or 'no grade'}" if combo else ""
    state = (
        f"recovered ({signal['resolution']})"
        if signal["recovered_at"]
        else f"since {date.fromisoformat(signal['opened_on'])}"
    )
    return f"{signal['account']:<24} {signal['type']:<15} {what:<20} {state}".rstrip()
