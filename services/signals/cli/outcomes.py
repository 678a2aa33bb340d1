"""`winback undo`: take back what somebody said came of an account."""

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command("undo")
def undo(
    organization: Annotated[str, typer.Option("--organization", help="The organization's id.")],
    account: Annotated[str | None, typer.Option("--account", help="Of this account alone.")] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="This one, by its id in the audit log.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be undone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Undo the newest outcome (reached out, won back, lost) that still stands.
    The undo is audited too.

    Example: winback undo --organization acme --account A-77
    """
    from services.signals.actions import outcomes as actions
    from services.signals.actions.actor import COMMAND_LINE
    from services.signals.store import organizations, outcome_rows
    from shared import clock, db
    from shared.errors import NotFound

    with db.connect() as connection:
        organizations.find(connection, organization)
        if outcome is not None:
            row = outcome_rows.find(connection, organization, outcome)
        else:
            row = outcome_rows.newest(connection, organization, account)
        if row is None or (account is not None and row.account != account):
            raise NotFound(
                f"{organization} has no outcome that could be undone"
                + (f" on {account}" if account else "")
            )
        if not dry_run:
            actions.undo(connection, organization, row.outcome, by=COMMAND_LINE, at=clock.now())
    said = {
        "outcome": row.outcome,
        "account": row.account,
        "signal": row.signal,
        "kind": row.kind,
        "at": row.at.isoformat(),
        "actor": row.actor,
        "undone": not dry_run,
    }
    if as_json:
        print(json.dumps(said, sort_keys=True))
    else:
        what = (
            f"{actions.WORDS[row.kind]} on {row.account}, by {row.actor} at "
            f"{row.at:%Y-%m-%d %H:%M} UTC"
        )
        print(f"would undo: {what}" if dry_run else f"undone: {what}")
