"""`winback import`: files in, exit code 0; 1 when something was refused, 2 for wrong use, 3
when Kafka or PostgreSQL is away.
"""

import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared import tracing
from shared.errors import printable

if TYPE_CHECKING:
    from services.ingest.report import Report

# allocations: an import makes millions of values and hardly a cycle, looking for them costs a fifth
COLLECT_AFTER = 200_000
SHOWN = 20  # notes on a terminal; --json and --rejects have them all

app = typer.Typer(
    no_args_is_help=True,
    help="Import orders, accounts or contacts from CSV, workbooks or Parquet files.",
)

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…", help="CSV in any dialect, gz and zst; xlsx, xls, ods; Parquet."
    ),
]
Organization = Annotated[str, typer.Option("--organization", "-o", help="Whose they are.")]
Map = Annotated[
    Path | None,
    typer.Option(
        "--map",
        help="Mapping file, JSON (docs/mapping.md): columns (theirs, or a number, to ours), "
        "header_line, sheet, encoding, delimiter, quote, decimal, thousands, negative, currency, "
        "date_format (one or a list, excel too), status, null, fill_down.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do everything but send.")]
Rejects = Annotated[
    Path | None,
    typer.Option(
        "--rejects",
        help="Write all rows of what is refused to this CSV file, to repair and import.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with an import that was killed; pass by what Kafka has."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


@app.command("orders")
def orders(
    files: Files,
    organization: Organization,
    map_file: Map = None,
    dry_run: DryRun = False,
    rejects: Rejects = None,
    resume: Resume = False,
    shift_days: Annotated[
        int, typer.Option("--shift-days", help="Move every day by so many (demos).")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Order lines, one row a line: order, account, ordered_on, revenue; also product, od, grade,
    quantity, revision, status, line.

    All files are one set: an order cut between two is one. A row without an order refuses the
    order before it; where an export writes an order's cells on its first row alone, say so in
    the mapping: {"fill_down": true}.

    Example: winback import orders orders.csv -o acme --map mapping.json --rejects rejects.csv
    """
    _import("orders", files, organization, map_file, dry_run, rejects, resume, shift_days, as_json)


@app.command("accounts")
def accounts(
    files: Files,
    organization: Organization,
    map_file: Map = None,
    dry_run: DryRun = False,
    rejects: Rejects = None,
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Accounts: account, name, owner, revision.

    Example: winback import accounts accounts.csv --organization acme
    """
    _import("accounts", files, organization, map_file, dry_run, rejects, resume, 0, as_json)


@app.command("contacts")
def contacts(
    files: Files,
    organization: Organization,
    map_file: Map = None,
    dry_run: DryRun = False,
    rejects: Rejects = None,
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Contacts: contact, account, email, name, primary, phone, title, newsletter, language, zone,
    country, revision.

    Example: winback import contacts contacts.csv --organization acme
    """
    _import("contacts", files, organization, map_file, dry_run, rejects, resume, 0, as_json)


def _import(
    kind: str,
    files: list[Path],
    organization: str,
    map_file: Path | None,
    dry_run: bool,
    rejects: Path | None,
    resume: bool,
    shift_days: int,
    as_json: bool,
) -> None:
    from services.ingest.importing import Job, run
    from services.ingest.mapping import PLAIN, read_mapping

    job = Job(
        kind=kind,
        paths=tuple(files),
        organization=organization,
        mapping=PLAIN if map_file is None else read_mapping(map_file),
        dry_run=dry_run,
        rejects=rejects,
        resume=resume,
        shift_days=shift_days,
    )
    gc.set_threshold(COLLECT_AFTER)
    tracing.configure("import")
    with tracing.doing(f"import {kind}", organization=organization):
        report = run(job)
    print(json.dumps(report.as_json()) if as_json else _in_words(report, dry_run=dry_run))
    if report.rejected:
        sys.exit(1)


def _in_words(report: "Report", *, dry_run: bool) -> str:
    done = "would be imported" if dry_run else "imported"
    lines = f" ({report.rows:,} lines)" if report.kind == "orders" else ""
    said = [
        f"{report.items:,} {report.kind}{lines} {done}, {report.duplicates:,} of them in already; "
        f"{report.rejected:,} refused"
    ]
    notes = report.notes()
    for note in notes[:SHOWN]:
        column = f" {note.column}:" if note.column else ""
        said.append(printable(f"line {note.line}: {note.order or '-'}:{column} {note.reason}"))
    if len(notes) > SHOWN:
        said.append(f"… and {len(notes) - SHOWN:,} more (--json and --rejects have them all)")
    return "\n".join(said)
