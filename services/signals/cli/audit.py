"""`winback audit`: the detector's signals against the second opinion. Exit 1 where they differ."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from services.signals.second_opinion.audit import AuditReport, Difference

PATIENCE_SECONDS = 30.0  # a run takes seconds; half of one is waited out

app = typer.Typer()


@app.command("audit")
def audit(
    organization: str = typer.Option(..., "--organization", help="The organization's id."),
    as_of: datetime | None = typer.Option(  # noqa: B008 - Typer reads the default
        None,
        "--as-of",
        formats=["%Y-%m-%d"],
        help="The day of the latest run; any other is wrong use.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Compare the active signals and their figures with what SQL over the orders says, as of the
    latest complete run.

    Accounts that an order touched after that run are left out and counted. Exit code 1:
    there are differences.

    Example: winback audit --organization acme
    """
    from services.signals.second_opinion.audit import differences
    from shared import db
    from shared.errors import FieldError, Rejected

    with db.connect() as connection:
        report = patiently(lambda: differences(connection, organization))
    if as_of is not None and as_of.date() != report.as_of:
        latest = (
            "there is no complete run"
            if report.as_of is None
            else f"the latest run is of {report.as_of}"
        )
        raise Rejected(
            FieldError(field="--as-of", reason=f"{latest}; signals are kept as of that day alone")
        )
    print(as_json_text(report) if as_json else as_text(report))
    raise typer.Exit(1 if report.differences else 0)


def patiently(
    ask: "Callable[[], AuditReport]", *, patience_seconds: float = PATIENCE_SECONDS
) -> "AuditReport":
    """Ask again while a run is under way. Raises Retryable when that lasts."""
    from shared.errors import Retryable

    until = time.monotonic() + patience_seconds
    while True:
        try:
            return ask()
        except Retryable:
            if time.monotonic() > until:
                raise
        time.sleep(0.25)


def as_text(report: "AuditReport") -> str:
    """A line for each difference, and what was compared."""
    lines = [str(difference) for difference in report.differences]
    if report.run is None:
        compared = "no complete run, so nothing may be active"
    else:
        compared = (
            f"{report.active:,} active signals of {report.accounts:,} accounts as of "
            f"{report.as_of} (run {report.run}, settings {report.settings_version})"
        )
    if report.touched:
        compared += f"; {report.touched:,} accounts have newer orders and were left out"
    return "\n".join([*lines, f"{len(lines)} differences: {compared}"])


def as_json_text(report: "AuditReport") -> str:
    import json

    return json.dumps(
        {
            "organization": report.organization,
            "run": report.run,
            "as_of": None if report.as_of is None else report.as_of.isoformat(),
            "settings_version": report.settings_version,
            "active": report.active,
            "accounts": report.accounts,
            "touched": report.touched,
            "differences": [difference_as_json(difference) for difference in report.differences],
        },
        default=str,
        sort_keys=True,
    )


def difference_as_json(difference: "Difference") -> dict[str, Any]:
    key = difference.key
    found: dict[str, Any] = {"kind": difference.kind, "account": key.account, "type": key.type}
    if key.type == "lapse":
        found["combo"] = {"od": key.od, "grade": key.grade}
    if difference.kind == "differs":
        found |= {
            "field": difference.field,
            "signals": difference.signals,
            "audit": difference.audit,
        }
    return found
