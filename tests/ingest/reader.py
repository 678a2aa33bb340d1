"""Files read as `winback import` does, without Kafka: what would be stored, and the rejects."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.ingest.acceptance import Terms
from services.ingest.aside import Aside
from services.ingest.columns import Note
from services.ingest.files import open_file
from services.ingest.grouping import Gathered
from services.ingest.mapping import PLAIN, Mapping
from services.ingest.reading import Reading
from services.ingest.rejects import write_rejects
from services.ingest.report import Report
from shared.events import Line, Order
from tests.ingest.test_files import TERMS


class Read(NamedTuple):
    """`stored`: order and revision (None: it had none) -> its order;
    `report`: as the command prints it.
    """

    stored: dict[tuple[str, int | None], Order]
    report: Report

    @property
    def lines(self) -> dict[str, tuple[Line, ...]]:
        """Of orders of one version."""
        return {order: one.lines for (order, _), one in self.stored.items()}

    @property
    def cents(self) -> dict[str, int]:
        return {
            order: sum(line.revenue_cents for line in lines) for order, lines in self.lines.items()
        }


def read(
    paths: Sequence[Path],
    *,
    mapping: Mapping = PLAIN,
    rejects: Path | None = None,
    terms: Terms = TERMS,
) -> Read:
    """The orders of the files together."""
    files = [open_file(path, "orders", mapping) for path in paths]
    names = [file.name for file in files]
    hashes = [file.source.sha256 for file in files]
    same = {place: hashes.index(one) for place, one in enumerate(hashes)}
    report, stored = Report(kind="orders"), dict[tuple[str, int | None], Order]()
    reading = Reading(files, terms, mapping)
    with Gathered(names, same=same) as gathered:
        for place, file in enumerate(files):
            for said in file.notes:
                report.note(place, Note(line=1, order=None, column="", reason=said, wrong=False))
            for cells in file.frames(terms.timezone):
                rows, notes = reading.typed(place, cells)
                gathered.add(rows, place)
                for note in notes:
                    report.note(place, note)
                report.rejected += rows["order"].null_count()
        for one in gathered.orders(terms, reading.doubts):
            for note in one.notes:
                report.note(one.place, note)
            if not one.encoded:
                report.refuse(one)
                continue
            report.accept(one, names, is_in=False)
            assert (one.id, one.revision) not in stored
            stored[one.id, one.revision] = msgspec.json.decode(one.encoded, type=Order)
    if rejects is not None:
        write_rejects(
            rejects,
            files,
            Aside(Reading(files, terms, mapping), report),
            "UTC",
            gaps=bool(mapping.filled),
        )
    return Read(stored, report)
