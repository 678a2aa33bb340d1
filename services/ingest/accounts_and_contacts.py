"""Accounts and contacts of a file: a row is an item as HTTP takes it."""

from collections.abc import Container, Iterator
from typing import Any

from services.ingest.acceptance import Accepted, Terms, accept_account, accept_contact
from services.ingest.columns import Note
from services.ingest.dialects import LINE, TROUBLE
from services.ingest.fields import Wrong, read_revision, read_truth
from services.ingest.files import File
from services.ingest.mapping import Mapping
from services.ingest.progress import Progress
from services.ingest.report import Report
from shared.domain.identifiers import is_nothing
from shared.errors import FieldError, Rejected

ACCEPT = {"accounts": accept_account, "contacts": accept_contact}
IDS = {"accounts": "account", "contacts": "contact"}
READERS = {"revision": read_revision, "primary": read_truth}


def read(
    kind: str,
    place: int,
    file: File,
    terms: Terms,
    mapping: Mapping,
    report: Report,
    progress: Progress,
) -> Iterator[Accepted]:
    """Every row that can be right; the others are noted."""
    first: dict[tuple[str, int], bytes] = {}
    for cells in file.frames(terms.timezone):
        progress.add(read=cells.height)
        for row in cells.iter_rows(named=True):
            if row[TROUBLE] is None and not any(
                row[str(at)] and row[str(at)].strip() for at in file.places.values()
            ):
                continue
            try:
                if row[TROUBLE] is not None:
                    raise Rejected(FieldError(field="", reason=row[TROUBLE]))
                accepted = ACCEPT[kind](item_of(row, file.places, mapping.null), terms)
            except Rejected as error:
                report.rejected += 1
                wrong = error.errors[0]
                id_ = row.get(str(file.places[IDS[kind]]))
                report.note(
                    place,
                    Note(
                        line=row[LINE],
                        order=id_,
                        column=wrong.field,
                        reason=wrong.reason,
                        wrong=True,
                    ),
                )
                continue
            report.items += 1
            for warning in accepted.warnings:
                report.note(
                    place,
                    Note(
                        line=row[LINE],
                        order=accepted.id,
                        column=warning.field,
                        reason=warning.reason,
                        wrong=False,
                    ),
                )
            revision: int = accepted.event.revision
            before = first.setdefault((accepted.id, revision), accepted.encoded)
            if before is not accepted.encoded:
                report.duplicates += before == accepted.encoded
                if before != accepted.encoded:
                    reason = "came with another content in an earlier row of the same revision"
                    report.note(
                        place,
                        Note(
                            line=row[LINE],
                            order=accepted.id,
                            column="revision",
                            reason=reason,
                            wrong=False,
                        ),
                    )
            yield accepted


def item_of(
    row: dict[str, Any], places: dict[str, int], nothing: Container[str] = ()
) -> dict[str, Any]:
    """The row as an item; cells that are empty, or hold one of `nothing`, are absent. Raises
    Rejected.
    """
    item: dict[str, Any] = {}
    for name, place in places.items():
        text = (row[str(place)] or "").strip()
        if text and text not in nothing and not (name in READERS and is_nothing(text)):
            try:
                item[name] = READERS[name](text) if name in READERS else text
            except Wrong as error:
                raise Rejected(FieldError(field=name, reason=str(error))) from None
    return item
