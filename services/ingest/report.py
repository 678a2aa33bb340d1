"""What came of an import: the counts and notes that `winback import --json` prints (interfaces.md)."""

from dataclasses import dataclass, field
from typing import Any

from services.ingest.columns import Note
from shared.errors import FieldError, Rejected

MOST_WRONG = 1_000_000  # rows; more than this is a wrong mapping, not wrong data
MOST_WARNINGS = 100_000  # in the answer, beside all that is wrong


@dataclass(kw_only=True)
class Report:
    """Counts are of what was accepted; `duplicates` of these are in already; `rejected` counts refused orders, and each row that
    names none."""

    kind: str
    items: int = 0
    rows: int = 0
    duplicates: int = 0
    rejected: int = 0
    wrong: dict[int, dict[int, Note]] = field(default_factory=dict)  # place of the file -> line -> the first thing wrong
    warnings: list[tuple[int, Note]] = field(default_factory=list)

    def note(self, place: int, note: Note) -> None:
        """Something about a row of the file at `place`. Raises Rejected when nearly everything is wrong."""
        if note.wrong:
            lines = self.wrong.setdefault(place, {})
            lines.setdefault(note.line, note)
            if len(lines) > MOST_WRONG:
                raise Rejected(FieldError(field=note.column, reason=f"more than {MOST_WRONG} rows are wrong: {note.reason}"))
        elif len(self.warnings) < MOST_WARNINGS:
            self.warnings.append((place, note))

    def notes(self) -> list[Note]:
        """By file and line."""
        wrong = [(place, note) for place, lines in self.wrong.items() for note in lines.values()]
        return [note for _, note in sorted(wrong + self.warnings, key=lambda pair: (pair[0], pair[1].line))]

    def as_json(self) -> dict[str, Any]:
        counts = {self.kind: self.items}
        if self.kind == "orders":
            counts["lines"] = self.rows
        notes = [{"line": note.line, "order": note.order, "column": note.column, "reason": note.reason} for note in self.notes()]
        return {**counts, "duplicates": self.duplicates, "rejected": self.rejected, "warnings": notes}
