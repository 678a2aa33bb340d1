"""An import: files -> accepted events -> Kafka, under a lease that
holds back the organization's runs.

    open the files -> take the lease -> read, accept, send -> wait until
    Kafka has it all -> end the lease

The orders of an import are those of all its files together. Accounts and contacts come row by row.

The sequence of events follows from the files, the mapping and the time of acceptance. `--resume`
takes up the kept time and passes by what was confirmed; without it, or when a confirmation was
lost, events go out again and change nothing.
"""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from services.ingest import accounts_and_contacts, blocks
from services.ingest.acceptance import Terms
from services.ingest.aside import Aside
from services.ingest.columns import Note
from services.ingest.files import File, open_file
from services.ingest.grouping import FileOrder, Gathered
from services.ingest.headers import not_there
from services.ingest.imports_store import counting_versions
from services.ingest.leases import Lease, organization_of
from services.ingest.mapping import Mapping
from services.ingest.progress import Progress
from services.ingest.reading import Reading
from services.ingest.rejects import Why, write_rejects
from services.ingest.report import Report
from services.ingest.sending import PRODUCER, Sender
from services.ingest.store import Organization
from shared import broker, clock, db, ids, kafka, request_ids, same_log
from shared.errors import FieldError, NoTopic, Rejected, Retryable
from shared.kafka import Publisher
from shared.same_log import READ_MODEL
from shared.same_log_store import Place
from shared.settings import settings
from shared.topics import ACCOUNTS, CONTACTS, ORDERS

# raise it when the sequence of events that a file gives changes: an import begun before is then
# sent whole
READING = "4"
LOOKED_UP_AT_ONCE = 2_000

Versions = dict[str, tuple[int, str]]  # order -> revision, content
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
        raise Rejected(
            FieldError(
                field="--map: currency",
                reason=f"must be {organization.currency}, the organization's",
            )
        )
    files = [open_file(path, job.kind, job.mapping) for path in job.paths]
    report = Report(kind=job.kind)
    for place, file in enumerate(files):
        for note in file.notes:
            report.note(place, Note(line=1, order=None, column="", reason=note, wrong=False))
        for name in not_there(file.header, job.mapping):
            reason = f"{file.name} has no such column, though the mapping names it"
            report.note(place, Note(line=1, order=None, column=name, reason=reason, wrong=False))
    with Progress(sum(file.source.rows for file in files)) as progress:
        if job.dry_run:
            for _ in events(
                job, files, organization, report, progress, accepted_ms=clock.now_ms(), confirmed=0
            ):
                pass
        else:
            send(job, files, organization, report, progress)
    if job.rejects is not None:
        why: Why = report.wrong_in
        if job.kind == "orders":
            terms = terms_of(organization, clock.now_ms())
            why = Aside(Reading(files, terms, job.mapping, shift_days=job.shift_days), report)
        write_rejects(job.rejects, files, why, organization.timezone, gaps=bool(job.mapping.filled))
    return report


class Outgoing(NamedTuple):
    """An accepted event. `key` and `headers`: of its record; an order, in a block, has none."""

    encoded: bytes
    rows: int
    key: bytes | None = None
    headers: kafka.Headers | None = None


def send(
    job: Job, files: list[File], organization: Organization, report: Report, progress: Progress
) -> None:
    """All of it, until Kafka has it."""
    partition = kafka.partition_of(job.organization)
    topic = TOPICS[job.kind].name
    kafka.require_reachable()  # Raises Retryable at once where Kafka is away
    broker.require_own()
    ends = require_the_log(topic)
    id_ = import_id(job, files, organization)
    with Lease(organization=job.organization, import_id=id_) as lease, request_ids.within(id_):
        names = [str(path) for path in job.paths]
        lease.take(kind=job.kind, files=names, accepted_ms=clock.now_ms(), resume=job.resume)

        def confirmed(items: int, rows: int) -> None:
            lease.confirmed += items
            progress.add(sent=rows)

        publisher = Publisher(linger_ms=5, extra=PRODUCER)
        publisher.reaches(ends)
        try:
            sender = Sender(publisher, topic, partition, confirmed)
            going = events(
                job,
                files,
                organization,
                report,
                progress,
                accepted_ms=lease.accepted_ms,
                confirmed=lease.confirmed,
            )
            if job.kind == "orders":
                send_blocks(going, sender)
            else:
                for event in going:
                    sender.send(
                        event.encoded, items=1, rows=1, key=event.key, headers=event.headers or []
                    )
            sender.finish()
            with suppress(Retryable):
                require_the_log(topic)  # how far it reaches now is kept
        finally:
            publisher.close()
        lease.summary = {
            name: value for name, value in report.as_json().items() if name != "warnings"
        }


def require_the_log(topic: str) -> dict[Place, int]:
    """How far its partitions reach. Raises OtherLog where it is not the log that positions are of,
    Retryable at once where Kafka is away.
    """
    kafka.require_reachable()
    with db.connect() as connection:
        there = same_log.require(same_log.admin(), connection, [topic], consumers=[READ_MODEL])
    if topic not in there.topics:
        raise NoTopic(f"{topic} is not there: `winback topics` creates it")
    return {(topic, number): end for number, end in there.topics[topic].ends.items()}


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
    """What the files hold, without the first `confirmed`, which Kafka has already.
    Counts and notes go into the report.
    """
    terms = terms_of(organization, accepted_ms)
    if job.kind == "orders":
        going = orders(job, files, terms, report, progress, confirmed)
    else:
        going = (
            Outgoing(encoded=value, rows=1, key=key, headers=headers)
            for place, file in enumerate(files)
            for key, value, headers in map(
                blocks.record_of,
                accounts_and_contacts.read(
                    job.kind, place, file, terms, job.mapping, report, progress
                ),
            )
        )
    for event in going:
        if confirmed > 0:
            confirmed -= 1
            progress.add(sent=event.rows)
        else:
            yield event


def terms_of(organization: Organization, accepted_ms: int) -> Terms:
    return Terms(
        organization=organization.organization,
        currency=organization.currency,
        timezone=organization.timezone,
        sizes=organization.sizes,
        accepted_at=datetime.fromtimestamp(accepted_ms / 1000, UTC),
        most_lines=settings().ingest_max_lines,
    )


def orders(
    job: Job, files: list[File], terms: Terms, report: Report, progress: Progress, confirmed: int
) -> Iterator[Outgoing]:
    """The orders of all files together."""
    reading = Reading(files, terms, job.mapping, shift_days=job.shift_days)
    hashes = [file.source.sha256 for file in files]
    same = {place: hashes.index(one) for place, one in enumerate(hashes)}
    with Gathered([file.name for file in files], same=same) as gathered, db.connect() as connection:
        for place, file in enumerate(files):
            for cells in file.frames(terms.timezone):
                rows, notes = reading.typed(place, cells)
                gathered.add(rows, place)
                for note in notes:
                    report.note(place, note)
                report.rejected += rows["order"].null_count()
                progress.add(read=cells.height)
        sent = 0
        with closing(
            looked_up(gathered.orders(terms, reading.doubts), connection, job.organization)
        ) as going:
            for one, known in going:
                for note in one.notes:
                    report.note(one.place, note)
                if not one.encoded:
                    report.refuse(one)
                    continue
                sent += 1
                report.accept(
                    one,
                    [file.name for file in files],
                    is_in=sent > confirmed and _is_in(one, known),
                )
                yield Outgoing(one.encoded, one.lines)


def looked_up(
    left: Iterator[FileOrder], connection: db.Connection, organization: str
) -> Generator[tuple[FileOrder, Versions], None, None]:
    """Each order, with the versions that count now. The next ones are written and looked up beside
    the sending of these: Polars and PostgreSQL need no turn of this thread.
    """

    def look_up() -> tuple[list[FileOrder], Versions]:
        some = list(islice(left, LOOKED_UP_AT_ONCE))
        known = (
            counting_versions(connection, organization, [one.id for one in some if one.encoded])
            if some
            else {}
        )
        connection.commit()  # a long import holds no snapshot
        return some, known

    with ThreadPoolExecutor(1, thread_name_prefix="looked-up") as ahead:
        coming = ahead.submit(look_up)
        while (found := coming.result())[0]:
            coming = ahead.submit(look_up)
            for one in found[0]:
                yield one, found[1]


def _is_in(one: FileOrder, known: Versions) -> bool:
    """True for a version that counts already."""
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
