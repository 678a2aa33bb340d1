"""An import: files -> accepted events -> Kafka, under a lease that holds back the organization's runs.

    open the files -> take the lease -> read, accept, send, file by file -> wait until Kafka has it all -> end the lease

The sequence of events follows from the files, the mapping and the time of acceptance. `--resume` takes up the kept time and
passes by what was confirmed; without it, or when a confirmation was lost, events go out again and change nothing.
"""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from services.ingest import blocks, people
from services.ingest.acceptance import Terms
from services.ingest.columns import Columns, Note
from services.ingest.files import File, open_file
from services.ingest.grouping import FileOrder, Gathered
from services.ingest.imports_store import counting_versions
from services.ingest.leases import Lease, organization_of
from services.ingest.mapping import Mapping, not_there
from services.ingest.progress import Progress
from services.ingest.rejects import write_rejects
from services.ingest.report import Report
from services.ingest.sending import PRODUCER, Sender
from services.ingest.store import Organization
from shared import clock, db, ids, kafka
from shared.errors import FieldError, Rejected
from shared.kafka import Publisher
from shared.settings import settings
from shared.topics import ACCOUNTS, CONTACTS, ORDERS

READING = "1"  # raise it when the sequence of events that a file gives changes: an import begun before is then sent whole
LOOKED_UP_AT_ONCE = 2_000

Versions = dict[str, tuple[int, str]]  # order -> revision, content
Seen = dict[tuple[str, int], tuple[int, str]]  # order, revision -> the first file that had it, its content
TOPICS = {"orders": ORDERS, "accounts": ACCOUNTS, "contacts": CONTACTS}


@dataclass(frozen=True, kw_only=True)
class Job:
    """What was asked for on the command line."""

    kind: str
    paths: tuple[Path, ...]
    organization: str
    mapping: Mapping
    dry_run: bool = False
    rejects: Path | None = None
    resume: bool = False
    shift_days: int = 0


def run(job: Job) -> Report:
    """Raises Rejected (wrong use), NotFound, Retryable (something is not there)."""
    organization = organization_of(job.organization)
    if job.mapping.currency is not None and job.mapping.currency.upper() != organization.currency:
        raise Rejected(FieldError(field="--map: currency", reason=f"must be {organization.currency}, the organization's"))
    files = [open_file(path, job.kind, job.mapping) for path in job.paths]
    report = Report(kind=job.kind)
    for place, file in enumerate(files):
        if file.source.note is not None:
            report.note(place, Note(line=1, order=None, column="", reason=file.source.note, wrong=False))
        for name in not_there(file.header, job.mapping):
            reason = f"{file.name} has no such column, though the mapping names it"
            report.note(place, Note(line=1, order=None, column=name, reason=reason, wrong=False))
    with Progress(sum(file.source.rows for file in files)) as progress:
        if job.dry_run:
            for _ in events(job, files, organization, report, progress, accepted_ms=clock.now_ms(), confirmed=0):
                pass
        else:
            send(job, files, organization, report, progress)
    if job.rejects is not None:
        write_rejects(job.rejects, files, report.wrong, organization.timezone)
    return report


class Outgoing(NamedTuple):
    """An accepted event. `key` and `headers`: of its record; an order has none, it goes in a block."""

    encoded: bytes
    rows: int
    key: bytes | None = None
    headers: kafka.Headers | None = None


def send(job: Job, files: list[File], organization: Organization, report: Report, progress: Progress) -> None:
    """All of it, until Kafka has it."""
    partition = kafka.partition_of(job.organization)
    topic = TOPICS[job.kind].name
    kafka.end_offset(topic, partition)  # Raises Retryable at once where Kafka is away
    with Lease(organization=job.organization, import_id=import_id(job, files, organization)) as lease:
        names = [str(path) for path in job.paths]
        lease.take(kind=job.kind, files=names, accepted_ms=clock.now_ms(), resume=job.resume)

        def confirmed(items: int, rows: int) -> None:
            lease.confirmed += items
            progress.add(sent=rows)

        publisher = Publisher(linger_ms=5, extra=PRODUCER)
        try:
            sender = Sender(publisher, topic, partition, confirmed)
            going = events(job, files, organization, report, progress, accepted_ms=lease.accepted_ms, confirmed=lease.confirmed)
            if job.kind == "orders":
                send_blocks(going, sender)
            else:
                for event in going:
                    sender.send(event.encoded, items=1, rows=1, key=event.key, headers=event.headers or [])
            sender.finish()
        finally:
            publisher.close()
        lease.summary = {name: value for name, value in report.as_json().items() if name != "warnings"}


def send_blocks(going: Iterable[Outgoing], sender: Sender) -> None:
    """Orders, in blocks as large as they may be."""
    gathered: list[Outgoing] = []
    size = 0

    def flush() -> None:
        value = blocks.block([event.encoded for event in gathered], clock.now())
        rows = sum(event.rows for event in gathered)
        sender.send(value, items=len(gathered), rows=rows, headers=blocks.headers(value))
        gathered.clear()

    for event in going:
        if gathered and not blocks.fits(len(gathered), size, len(event.encoded)):
            flush()
            size = 0
        gathered.append(event)
        size += len(event.encoded)
    if gathered:
        flush()


def events(
    job: Job,
    files: list[File],
    organization: Organization,
    report: Report,
    progress: Progress,
    *,
    accepted_ms: int,
    confirmed: int,
) -> Iterator[Outgoing]:
    """What the files hold, without the first `confirmed`, which Kafka has already. Counts and notes go into the report."""
    terms = Terms(
        organization=organization.organization,
        currency=organization.currency,
        timezone=organization.timezone,
        sizes=organization.sizes,
        accepted_at=datetime.fromtimestamp(accepted_ms / 1000, UTC),
        most_lines=settings().ingest_max_lines,
    )
    seen: Seen = {}
    for place, file in enumerate(files):
        if job.kind == "orders":
            going = orders(job, place, file, terms, report, progress, seen if len(files) > 1 else None, confirmed)
        else:
            going = (
                Outgoing(encoded=value, rows=1, key=key, headers=headers)
                for key, value, headers in map(blocks.record_of, people.read(job.kind, place, file, terms, report, progress))
            )
        for event in going:
            if confirmed > 0:
                confirmed -= 1
                progress.add(sent=event.rows)
            else:
                yield event


def orders(
    job: Job,
    place: int,
    file: File,
    terms: Terms,
    report: Report,
    progress: Progress,
    seen: Seen | None,
    confirmed: int,
) -> Iterator[Outgoing]:
    """The orders of one file; `seen`: the versions of the files before it."""
    columns = Columns(file.places, terms, job.mapping, shift_days=job.shift_days)
    with Gathered() as gathered, db.connect() as connection:
        for cells in file.frames(terms.timezone):
            rows, notes = columns.typed(cells)
            gathered.add(rows)
            for note in notes:
                report.note(place, note)
            report.rejected += rows["order"].null_count()
            progress.add(read=cells.height)
        with closing(looked_up(gathered.orders(terms), connection, job.organization)) as going:
            for one, known in going:
                if not one.encoded:
                    report.rejected += 1
                    for note in one.notes:
                        report.note(place, note)
                    continue
                report.items += 1
                report.rows += one.lines
                if report.items > confirmed and _repeats(one, terms, known, seen, place, report):
                    report.duplicates += 1
                yield Outgoing(one.encoded, one.lines)


def looked_up(
    left: Iterator[FileOrder], connection: db.Connection, organization: str
) -> Generator[tuple[FileOrder, Versions], None, None]:
    """Each order, with the versions that count now. The next ones are written and looked up beside the sending of these: Polars and
    PostgreSQL need no turn of this thread."""

    def look_up() -> tuple[list[FileOrder], Versions]:
        some = list(islice(left, LOOKED_UP_AT_ONCE))
        known = counting_versions(connection, organization, [one.id for one in some if one.encoded]) if some else {}
        connection.commit()  # a long import holds no snapshot
        return some, known

    with ThreadPoolExecutor(1, thread_name_prefix="looked-up") as ahead:
        coming = ahead.submit(look_up)
        while (found := coming.result())[0]:
            coming = ahead.submit(look_up)
            for one in found[0]:
                yield one, found[1]


def _repeats(one: FileOrder, terms: Terms, known: Versions, seen: Seen | None, place: int, report: Report) -> bool:
    """True for a version that an earlier file had, or that counts already."""
    if seen is not None:
        version = (one.id, terms.accepted_ms if one.revision is None else one.revision)
        before = seen.setdefault(version, (place, one.content))
        if before[1] != one.content:
            reason = "came with another content in an earlier file: the greater counts"
            report.note(place, Note(line=one.line, order=one.id, column="revision", reason=reason, wrong=False))
        elif before[0] != place:
            return True
    revision, content = known.get(one.id, (-1, ""))
    return content == one.content and (one.revision is None or revision == one.revision)


def import_id(job: Job, files: list[File], organization: Organization) -> str:
    """The same for the same files, read the same way."""
    return ids.derived(
        "import",
        job.organization,
        job.kind,
        *(file.source.sha256 for file in files),
        job.mapping.model_dump_json(),
        str(job.shift_days),
        organization.timezone,
        organization.currency,
        str(settings().ingest_max_lines),
        READING,
        pl.__version__,
    )
