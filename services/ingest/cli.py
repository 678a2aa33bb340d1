"""`winback import`: files in, exit code 0; 1 when something was refused, 2 for wrong use, 3
when Kafka or PostgreSQL is away.
"""

import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared import tracing
from shared.errors import FieldError, Rejected, printable

if TYPE_CHECKING:
    from services.ingest.headers import CannotBegin
    from services.ingest.importing import Job
    from services.ingest.mapping import Mapping
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
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            help="A known export: odoo, shopify, woocommerce, netsuite, quickbooks, erpnext, "
            "sap-b1, business-central, prophet21. --map says what is otherwise.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Order lines, one row a line: order, account, ordered_on, revenue; also product, od, grade,
    quantity, revision, status, line.

    All files are one set: an order cut between two is one. A row without an order refuses the
    order before it; where an export writes an order's cells on its first row alone, say so in
    the mapping: {"fill_down": true}.

    Example: winback import orders orders.csv -o acme --map mapping.json --rejects rejects.csv
    """
    _import(
        *("orders", files, organization, map_file, dry_run, rejects, resume, shift_days, as_json),
        preset=preset,
    )


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


@app.command("inspect")
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file that may be a table.")],
    kind: Annotated[
        str, typer.Option("--kind", help="What it has: orders, accounts or contacts.")
    ] = "orders",
    map_file: Map = None,
    preset: Annotated[str | None, typer.Option("--preset", help="A known export.")] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", help="Whose days it has, for the rows that are shown.")
    ] = "UTC",
    currency: Annotated[str, typer.Option("--currency", help="What its amounts are in.")] = "USD",
    as_json: AsJson = False,
) -> None:
    """Say what a file is and how it would be read: kind, encoding, delimiter, header line, columns
    with examples and what they probably mean, the first rows of orders as they would be read, and a
    mapping that imports it. Exit 1 where a column that is needed was not found. Stores nothing.

    Example: winback import inspect orders.csv
    """
    from services.ingest.headers import COLUMNS
    from services.ingest.inspecting import inspect as inspected
    from services.ingest.inspecting import plain_terms, tried
    from services.ingest.mapping import PLAIN, read_mapping

    if kind not in COLUMNS:
        reason = f"must be one of: {', '.join(COLUMNS)}"
        raise Rejected(FieldError(field="--kind", reason=reason))
    mapping = PLAIN if map_file is None else read_mapping(map_file)
    found = inspected(file, kind, mapping=mapping, preset=preset)
    said = found.as_json()
    if kind == "orders" and not found.guessed.missing:
        said["preview"] = tried(file, found.mapping, plain_terms(currency, timezone)).as_json()
    print(json.dumps(said, ensure_ascii=False) if as_json else _of_a_file(said))
    if found.guessed.missing:
        sys.exit(1)


def _of_preset(name: str, file: Path, mapping: "Mapping") -> "Mapping":
    """The mapping of a known export, as the file has it."""
    from services.ingest.inspecting import head_of
    from services.ingest.presets import preset_of

    preset = preset_of(name)
    head = head_of(file, "orders", mapping.over(preset.wide()))
    return mapping.over(preset.fitted(head.header))


def _say_what_to_start_from(error: "CannotBegin", kind: str, job: "Job") -> None:
    from services.ingest.inspecting import starting_mapping

    start = starting_mapping(error.path, kind, job.mapping)
    if start is not None:
        written = json.dumps(start, ensure_ascii=False, indent=2)
        more = printable(f"winback import inspect {error.path}")
        print(f"a mapping to start from (--map; `{more}` says more):\n{written}", file=sys.stderr)


def _of_a_file(said: dict[str, Any]) -> str:
    """What `inspect` found, for a person."""
    names = {"kind": "kind", "packing": "packed", "encoding": "encoding", "sheet": "sheet"}
    facts = [f"{label} {said[name]}" for name, label in names.items() if said[name]]
    if said["delimiter"]:
        facts.append(f"delimiter {'tab' if said['delimiter'] == chr(9) else said['delimiter']}")
    if said["header_line"]:
        facts.append(f"columns named in line {said['header_line']}")
    lines = [f"{printable(said['file'])}: {', '.join(facts)}"]
    if said["preset"]:
        lines.append(f"looks like an export of {said['preset']}")
    lines += [f"  sheet {one['name']}: {one['rows']} rows" for one in said["sheets"]]
    lines.append("")
    for column in said["columns"]:
        means = column["means"] or "-"
        examples = " | ".join(column["examples"])
        lines.append(f"{column['number']:>4}  {means:<13} {column['name']:<28} {examples}")
    lines += ["", *(f"not found: {name}" for name in said["missing"])]
    lines += [f"note: {one}" for one in said["notes"]]
    lines += [f"please check: {one}" for one in said["questions"]]
    preview = said.get("preview")
    if preview is not None:
        lines.append(f"{preview['read']:,} rows read, {preview['wrong_rows']:,} of them wrong")
        lines += [f"  {rows:,} refused: {why}" for why, rows in preview["refused"].items()]
        lines += [f"  {rows:,} with a warning: {why}" for why, rows in preview["warned"].items()]
    shown = [printable(line) for line in lines]
    return "\n".join([*shown, "", json.dumps(said["mapping"], ensure_ascii=False, indent=2)])


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
    preset: str | None = None,
) -> None:
    from services.ingest.headers import CannotBegin
    from services.ingest.importing import Job, run
    from services.ingest.mapping import PLAIN, read_mapping

    mapping = PLAIN if map_file is None else read_mapping(map_file)
    if preset is not None:
        mapping = _of_preset(preset, files[0], mapping)
    job = Job(
        kind=kind,
        paths=tuple(files),
        organization=organization,
        mapping=mapping,
        dry_run=dry_run,
        rejects=rejects,
        resume=resume,
        shift_days=shift_days,
    )
    gc.set_threshold(COLLECT_AFTER)
    tracing.configure("import")
    with tracing.doing(f"import {kind}", organization=organization):
        try:
            report = run(job)
        except CannotBegin as error:
            _say_what_to_start_from(error, kind, job)
            raise
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
