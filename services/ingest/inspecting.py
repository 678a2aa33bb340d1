"""What a file is and how it would be read: for the command line, and for a page that shows it
before anything is imported. Nothing is stored, and no more of a file is kept than a few rows.

    inspect(path)               what it is, what its columns mean, a mapping that imports it
    tried(path, mapping, …)     its first rows as they would be read, refusals counted by reason
"""

from collections import Counter
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.ingest import lines, parquet, workbooks
from services.ingest.acceptance import Terms
from services.ingest.dialects import TROUBLE
from services.ingest.files import open_file
from services.ingest.guessing import Guess, guess, known_cells
from services.ingest.headers import LOOKED_THROUGH, is_whole
from services.ingest.mapping import PLAIN, Mapping
from services.ingest.presets import preset_of
from services.ingest.reading import Reading
from services.ingest.sources import Source, survey
from shared import clock
from shared.errors import Rejected, printable

SAMPLE_ROWS = 300  # that a guess is made from
EXAMPLES = 3  # of a column
SHOWN_ROWS = 20
# that letters are shown in, for a person to see which is right
ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp850", "cp437", "mac_roman"),
    *("cp932", "gb18030", "cp949", "big5"),
)
LONGEST_EXAMPLE = 60  # characters
MOST_TRIED_ROWS = 2_000_000
MOST_REASONS = 50


@dataclass(frozen=True, kw_only=True)
class Head:
    """The beginning of a file: where its columns are named, and its first rows as text."""

    source: Source
    header: tuple[str, ...]
    header_line: int
    rows: tuple[tuple[str, ...], ...]
    delimiter: str | None = None
    quote: str | None = None
    sheet: str | None = None
    sheets: tuple[workbooks.Sheet, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """`mapping` imports the file as it is, where `missing` is empty."""

    kind: str
    head: Head
    guessed: Guess

    @property
    def mapping(self) -> Mapping:
        return self.guessed.mapping

    def as_json(self) -> dict[str, Any]:
        """As `winback import inspect --json` prints it."""
        head, source = self.head, self.head.source
        return {
            "file": source.path.name,
            "kind": "csv" if source.kind == "text" else source.kind,
            "packing": source.packing,
            "encoding": source.encoding,
            "delimiter": head.delimiter,
            "quote": head.quote,
            "header_line": head.header_line,
            "sheet": head.sheet,
            "sheets": [
                {"name": one.name, "hidden": one.is_hidden, "rows": one.rows} for one in head.sheets
            ],
            "rows": source.rows or None,
            "columns": [
                {
                    "number": at + 1,
                    "name": name.strip(),
                    "means": self.guessed.meanings.get(at),
                    "examples": _examples(head.rows, at),
                }
                for at, name in enumerate(head.header)
            ],
            "preset": self.guessed.preset,
            "missing": list(self.guessed.missing),
            "questions": list(self.guessed.questions),
            "notes": list(head.notes),
            "mapping": self.mapping.as_written(),
        }


@dataclass(kw_only=True)
class Tried:
    """`rows`: the first ones, ours by name as they would be read, with their line and what was said
    of it. `refused`: reason -> rows; of the first MOST_TRIED_ROWS rows.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    read: int = 0
    wrong_rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "read": self.read,
            "wrong_rows": self.wrong_rows,
            "refused": dict(self.refused.most_common(MOST_REASONS)),
            "warned": dict(self.warned.most_common(MOST_REASONS)),
        }


def inspect(
    path: Path, kind: str = "orders", *, mapping: Mapping = PLAIN, preset: str | None = None
) -> Inspection:
    """Raises Rejected for what is no table at all. `mapping`: what is known of it already."""
    base = mapping if preset is None else mapping.over(preset_of(preset).wide())
    head = head_of(path, kind, base)
    if preset is not None:
        base = mapping.over(preset_of(preset).fitted(head.header))
    guessed = guess(kind, head.header, head.rows, base)
    return Inspection(kind=kind, head=head, guessed=_with_its_own(guessed, head, base))


def head_of(path: Path, kind: str, mapping: Mapping) -> Head:
    """The beginning of any file. Raises Rejected."""
    source = survey(path, mapping.encoding)
    notes = [] if source.note is None else [source.note]
    if source.kind == "text":
        dialect = lines.sniff(source, kind, mapping)
        line = _likely_header(source, dialect.header, kind, mapping)
        if line is not None:
            dialect = lines.sniff(source, kind, mapping.model_copy(update={"header_line": line}))
        rows: list[tuple[str, ...]] = []
        for frame in lines.frames(source, dialect, only_head=True):
            for row in frame.head(SAMPLE_ROWS - len(rows)).iter_rows(named=True):
                if row[TROUBLE] is None:
                    rows.append(tuple(row[str(at)] or "" for at in range(dialect.width)))
            if len(rows) >= SAMPLE_ROWS:
                break
        return Head(
            source=source,
            header=dialect.header,
            header_line=dialect.header_line,
            rows=tuple(rows),
            delimiter=dialect.delimiter,
            quote="" if dialect.quote == lines.NO_QUOTE else dialect.quote,
            notes=tuple(notes),
        )
    if source.kind == "parquet":
        header = parquet.header(path)
        places = {name: at for at, name in enumerate(header)}
        names = [str(at) for at in places.values()]
        read = parquet.frames(path, places, "UTC", are_read=False, most=SAMPLE_ROWS)
        rows = [tuple(map(str, row)) for frame in read for row in frame.select(names).iter_rows()]
        return Head(
            source=source, header=header, header_line=0, rows=tuple(rows), notes=tuple(notes)
        )
    there = tuple(workbooks.sheets(source))
    table = workbooks.table(source, kind, mapping, among=there, first=True)
    if mapping.header_line is None and not is_whole(table.header, kind, mapping):
        best = max(table.sheet.head, key=lambda one: (known_cells(one[1]), -one[0]))[0]
        told = mapping.model_copy(update={"header_line": best, "sheet": table.sheet.number})
        table = replace(workbooks.table(source, kind, told, among=there), note=table.note)
    found = [cells for row, cells in table.sheet.head if row >= table.first_row]
    return Head(
        source=source,
        header=table.header,
        header_line=table.first_row - 1,
        rows=tuple(found),
        sheet=table.sheet.name,
        sheets=there,
        notes=tuple(notes + ([table.note] if table.note else [])),
    )


def _likely_header(
    source: Source, header: Sequence[str], kind: str, mapping: Mapping
) -> int | None:
    """The line that probably names the columns, where the first does not."""
    if mapping.header_line is not None or is_whole(header, kind, mapping):
        return None
    texts = source.head(lines.HEAD_CHARACTERS).splitlines()[:LOOKED_THROUGH]
    marks = lines.CANDIDATES if mapping.delimiter is None else (mapping.delimiter,)
    known = [
        max(known_cells([cell.strip("\"' ") for cell in text.split(mark)]) for mark in marks)
        for text in texts
    ]
    best = max(known, default=0)
    return known.index(best) + 1 if best > max(1, known_cells(header)) else None


def tried(path: Path, mapping: Mapping, terms: Terms, *, rows: int = SHOWN_ROWS) -> Tried:
    """The file of orders as the mapping reads it, row by row. Orders are not put together: one of
    several rows is refused with each of them. Raises Rejected where it cannot begin.
    """
    file = open_file(path, "orders", mapping)
    reading, found = Reading([file], terms, mapping), Tried()
    for cells in file.frames(terms.timezone):
        typed, notes = reading.typed(0, cells)
        found.read += typed.height
        said: dict[int, list[str]] = {}
        for note in notes:
            column = f"{note.column}: " if note.column else ""
            (found.refused if note.wrong else found.warned)[f"{column}{note.reason}"] += 1
            said.setdefault(note.line, []).append(f"{column}{note.reason}")
        found.wrong_rows += int((typed["bad"] | typed["order"].is_null()).sum())
        for row in typed.head(rows - len(found.rows)).iter_rows(named=True):
            line = row.pop("line")
            is_bad = row.pop("bad")
            row.pop("part")
            values = {name: value for name, value in row.items() if value is not None}
            shown = {name: _shown(value) for name, value in values.items()}
            found.rows.append(
                {"line": line, "refused": bool(is_bad), **shown, "said": said.get(line, [])}
            )
        if found.read >= MOST_TRIED_ROWS or len(found.refused) > 10_000:
            break
    return found


def plain_terms(currency: str = "USD", timezone: str = "UTC") -> Terms:
    """Of no organization: for a look at a file."""
    return Terms(
        organization="inspect", currency=currency, timezone=timezone, accepted_at=clock.now()
    )


def starting_mapping(path: Path, kind: str, mapping: Mapping) -> AnyMapping[str, Any] | None:
    """What to start from where an import cannot begin; None where nothing can be said of it."""
    try:
        return inspect(path, kind, mapping=mapping).mapping.as_written()
    except Rejected:
        return None


def _with_its_own(guessed: Guess, head: Head, base: Mapping) -> Guess:
    """The guess with what has to be said of the file: its sheet, its header, its encoding."""
    said: dict[str, Any] = {}
    visible = [one for one in head.sheets if not one.is_hidden and one.head]
    if base.sheet is None and head.sheet is not None and len(visible) > 1:
        said["sheet"] = head.sheet
    if base.header_line is None and head.header_line > 1 and guessed.missing == ():
        said["header_line"] = head.header_line
    encoding = head.source.encoding
    if base.encoding is None and encoding not in (None, "utf-8", "utf-8-sig", "utf-16", "utf-32"):
        said["encoding"] = encoding
        guessed = replace(guessed, questions=(*guessed.questions, *_letters(head)))
    if not said:
        return guessed
    mapping = Mapping.model_validate(said).over(guessed.mapping)
    return replace(guessed, mapping=mapping)


def _letters(head: Head) -> list[str]:
    """What a text that is no UTF-8 would be in the encodings that can read it."""
    name = head.source.encoding or "utf-8"
    cells = (cell.strip() for row in (head.header, *head.rows) for cell in row)
    cell = next((cell for cell in cells if not cell.isascii()), None)
    if cell is None:
        return []
    content, readings = cell.encode(name), dict[str, list[str]]()
    for codec in ENCODINGS:
        try:
            text = content.decode(codec)
        except UnicodeDecodeError:
            continue
        if text.isprintable():
            readings.setdefault(text, []).append(codec)
    said = ", ".join(f"{text} ({' or '.join(codecs)})" for text, codecs in readings.items())
    return [f"letters are read by {name}: {printable(cell)}; encoding can say another: {said}"]


def _examples(rows: Sequence[Sequence[str]], at: int) -> list[str]:
    texts = (row[at].strip() for row in rows if at < len(row))
    distinct = dict.fromkeys(text for text in texts if text)
    return [printable(text)[:LONGEST_EXAMPLE] for text in list(distinct)[:EXAMPLES]]


def _shown(value: Any) -> Any:
    return value if isinstance(value, int | bool) else printable(str(value))
