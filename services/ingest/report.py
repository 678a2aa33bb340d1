"""What came of an import: counts and notes, as `winback import --json` prints them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from services.ingest.columns import Note
from services.ingest.grouping import FileOrder
from services.ingest.overlaps import Key
from shared.errors import FieldError, Rejected

MOST_WRONG = 1_000_000  # rows; more than this is a wrong mapping, not wrong data
MOST_WARNINGS = 100_000  # in the answer, beside all that is wrong


class Refused(NamedTuple):
    """A refused order. `line`: the first that is wrong. `only`: the one file of several with the
    same rows whose rows are put aside. `contradicts`: as in `FileOrder`.
    """

    line: int
    only: int | None
    contradicts: str


@dataclass(kw_only=True)
class Report:
    """Counts are of what was accepted, an order in each file that has it;
    `duplicates` of these are in already, or in an earlier file; `rejected` counts
    refused orders, and each row that names none.
    """

    kind: str
    items: int = 0
    rows: int = 0
    duplicates: int = 0
    rejected: int = 0
    wrong: dict[int, dict[int, Note]] = field(
        default_factory=dict
    )  # place of the file -> line -> the first thing wrong
    warnings: list[tuple[int, Note]] = field(default_factory=list)
    refused: dict[Key, Refused] = field(default_factory=dict)
    first_wrong: dict[str, int] = field(
        default_factory=dict
    )  # order -> the first line that is wrong

    def note(self, place: int, note: Note) -> None:
        """Something about a row of the file at `place`. Raises Rejected
        when nearly everything is wrong.
        """
        if note.wrong:
            lines = self.wrong.setdefault(place, {})
            lines.setdefault(note.line, note)
            if note.order is not None:
                self.first_wrong.setdefault(note.order, note.line)
            if len(lines) > MOST_WRONG:
                raise Rejected(
                    FieldError(
                        field=note.column,
                        reason=f"more than {MOST_WRONG} rows are wrong: {note.reason}",
                    )
                )
        elif len(self.warnings) < MOST_WARNINGS:
            self.warnings.append((place, note))

    def accept(self, one: FileOrder, names: Sequence[str], *, is_in: bool) -> None:
        """An order goes in. `names` of the files; `is_in`: this version counts already."""
        times = len(one.files) or 1
        self.items += times
        self.rows += one.lines * times
        self.duplicates += times if is_in else times - 1
        if times > 1:
            reason = (
                f"stands in {' and '.join(names[place] for place in one.files)} with the "
                "same rows: it counts once"
            )
            self.note(
                one.place,
                Note(line=one.line, order=one.id, column="order", reason=reason, wrong=False),
            )

    def refuse(self, one: FileOrder) -> None:
        """An order does not go in; its notes are noted."""
        self.rejected += 1
        only = one.files[0] if one.files else None
        self.refused[one.id, one.revision] = Refused(
            self.first_wrong.get(one.id, one.line), only, one.contradicts
        )

    def wrong_in(self, place: int, cells: pl.DataFrame) -> Mapping[int, Note]:
        """The rows of the file at `place` that are wrong."""
        return self.wrong.get(place, {})

    def notes(self) -> list[Note]:
        """By file and line."""
        wrong = [(place, note) for place, lines in self.wrong.items() for note in lines.values()]
        return [
            note
            for _, note in sorted(wrong + self.warnings, key=lambda pair: (pair[0], pair[1].line))
        ]

    def as_json(self) -> dict[str, Any]:
        counts = {self.kind: self.items}
        if self.kind == "orders":
            counts["lines"] = self.rows
        notes = [
            {"line": note.line, "order": note.order, "column": note.column, "reason": note.reason}
            for note in self.notes()
        ]
        return {
            **counts,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "warnings": notes,
        }
