"""Delimited text in any dialect -> frames of raw cells with the physical lines they come from.

A line without a quote character is split by Polars; one with it is read by `quotes.py`. Each row
knows its line. A row that cannot be read has its trouble, and its text as it stands in the file. A
cell is null where its row ends before it.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import polars as pl

from services.ingest import rejected
from services.ingest.dialects import LINE, TEXT, TROUBLE, Dialect
from services.ingest.headers import LOOKED_THROUGH, is_whole, known_columns
from services.ingest.mapping import Mapping
from services.ingest.quotes import MORE_CELLS, QuotedRows, quoted_rows
from services.ingest.sources import Source
from shared.errors import FieldError, Rejected

CANDIDATES = (",", ";", "\t", "|")
HEAD_CHARACTERS = 200_000
LONGEST_LINE = 10_000_000  # characters
LONGEST_HEADER_LINES = 100  # lines of one header, with line breaks in its names
NO_QUOTE = "\ufdd0"  # no character of any text: nothing is quoted


def sniff(source: Source, kind: str, mapping: Mapping) -> Dialect:
    """The dialect from the beginning of the file, and what the mapping says of it. Raises Rejected
    for an empty file.
    """
    head = source.head(HEAD_CHARACTERS)
    newline = (
        "\r" if re.match(r"[^\r\n]*\r(?!\n)", head) else "\n"
    )  # by the first line: a quoted cell may hold other ones
    lines = [line.removesuffix("\r") for line in head.split(newline)]
    at = next((number for number, line in enumerate(lines) if line.strip()), None)
    if at is None:
        raise Rejected(FieldError(field=str(source.path), reason="is empty"))
    ours = rejected.BEGINNING.match(lines[at].replace('"', ""))
    delimiter = ours[1] if ours is not None else mapping.delimiter
    told = re.fullmatch(r"sep=([^\w\s\"']|\t)", lines[at].strip(" \r"))
    if told is not None and at + 1 < len(lines):
        delimiter, at = delimiter or told[1], at + 1
    if mapping.header_line and ours is None:
        at = mapping.header_line - 1
        if at >= len(lines) or not lines[at].strip():
            reason = f"line {at + 1} of {source.path.name} names no columns"
            raise Rejected(FieldError(field="--map: header_line", reason=reason))
    quote = "'" if '"' not in head and re.match(r"\s*'[^']*'", lines[at]) else '"'
    if mapping.quote is not None and ours is None:
        quote = mapping.quote or NO_QUOTE
    escape = (
        "\\"
        if quote * 2 not in head and re.search(rf"\\{re.escape(quote)}(?![,;\t|\n\r]|$)", head)
        else None
    )

    def parsed(candidate: str, line: int) -> tuple[list[str], int]:
        reader = csv.reader(
            (text + "\n" for text in lines[line : line + LONGEST_HEADER_LINES]),
            delimiter=candidate,
            quotechar=quote,
            escapechar=escape,
        )
        try:
            return next(reader), reader.line_num
        except (csv.Error, StopIteration):
            return [], 0

    candidates = (delimiter,) if delimiter is not None else CANDIDATES
    best = max(
        candidates,
        key=lambda one: (
            known_columns(parsed(one, at)[0], kind, mapping),
            len(parsed(one, at)[0]),
        ),
    )
    top = at
    if mapping.header_line is None and ours is None:
        at, best = _below_a_title(lines, at, best, candidates, parsed, kind, mapping)
    header, used = parsed(best, at)
    if not used:
        raise Rejected(
            FieldError(field=str(source.path), reason=f"its header in line {at + 1} cannot be read")
        )
    while header and not header[-1].strip():
        header.pop()
    if mapping.header_line == 0 and ours is None:
        header, used = [str(number) for number in range(1, len(header) + 1)], 0
    dialect = Dialect(
        header=tuple(header),
        delimiter=best,
        quote=quote,
        escape=escape,
        newline=newline,
        first_line=at + used + 1,
        header_line=at + 1 if used else 0,
        title_lines=sum(1 for line in lines[top:at] if line.strip()),
    )
    return rejected.dialect(dialect) if rejected.is_ours(header) else dialect


def _below_a_title(
    lines: list[str],
    at: int,
    best: str,
    candidates: Sequence[str],
    parsed: Callable[[str, int], tuple[list[str], int]],
    kind: str,
    mapping: Mapping,
) -> tuple[int, str]:
    """(the line that names the columns, the delimiter there): the first non-empty line, but where
    it lacks what is needed and a line below it has all of that.
    """
    if not is_whole(parsed(best, at)[0], kind, mapping):
        for line in range(at + 1, min(len(lines), at + LOOKED_THROUGH)):
            for candidate in candidates if lines[line].strip() else ():
                if is_whole(parsed(candidate, line)[0], kind, mapping):
                    return line, candidate
    return at, best


def frames(source: Source, dialect: Dialect, *, only_head: bool = False) -> Iterator[pl.DataFrame]:
    """Frames of the file's rows in order: cells by place as text, `#line`, `#trouble` (why the row
    cannot be read, or null) and `#text` (the text of a row with a trouble; of several rows that can
    only be told together, the first has it). `only_head`: of the beginning of the file alone.
    """
    if not dialect.is_rejects:
        yield from _frames(source, dialect, only_head=only_head)
        return
    outer = replace(dialect, header=rejected.SIGNATURE + dialect.header, needed=())
    for frame in _frames(source, outer, only_head=only_head):
        yield from rejected.unwrapped(
            frame, dialect, lambda text, line: _frame(text.split("\n"), line, dialect, last=True)[0]
        )


def _frames(source: Source, dialect: Dialect, *, only_head: bool) -> Iterator[pl.DataFrame]:
    left: list[str] = []
    number = 1  # the physical line of left[0]
    texts = iter([source.head(HEAD_CHARACTERS)]) if only_head else source.texts()
    for lines, last in _line_lists(source, texts, dialect.newline):
        lines = left + lines
        skipped = max(0, dialect.first_line - number)
        lines, number = lines[skipped:], number + min(skipped, len(lines))
        frame, left = _frame(lines, number, dialect, last=last)
        number += len(lines) - len(left)
        if frame.height:
            yield frame


def _line_lists(
    source: Source, texts: Iterator[str], newline: str
) -> Iterator[tuple[list[str], bool]]:
    """(physical lines without their ends, whether these are the last), a piece at a time."""
    tail = ""
    for text in texts:
        *lines, tail = (tail + text).split(newline)
        if len(tail) > LONGEST_LINE:
            raise Rejected(
                FieldError(
                    field=str(source.path),
                    reason=f"has a line of more than {LONGEST_LINE} characters",
                )
            )
        if lines:
            yield lines, False
    yield ([tail] if tail else []), True


def _frame(
    lines: list[str], number: int, dialect: Dialect, *, last: bool
) -> tuple[pl.DataFrame, list[str]]:
    """(the rows of `lines`, of which the first is the physical line `number`; the lines of a
    row that goes on behind them).
    """
    texts = pl.Series(LINE, lines, dtype=pl.String)
    if dialect.newline == "\n":
        texts = texts.str.strip_suffix("\r")
    special = texts.str.contains(dialect.quote, literal=True)
    if dialect.escape is not None:
        special |= texts.str.contains(dialect.escape, literal=True)
    quoted = quoted_rows(texts, special.arg_true().to_list(), number, dialect, last=last)
    plain = pl.DataFrame(
        {"text": texts, LINE: pl.int_range(number, number + len(texts), eager=True)}
    ).head(quoted.end)
    plain = plain.filter(~special.head(quoted.end) & (plain["text"].str.strip_chars() != ""))
    if quoted.swallowed:
        plain = plain.filter(~pl.col(LINE).is_in([number + line for line in quoted.swallowed]))
    parts = [_split(plain, dialect)]
    if quoted.rows:
        parts.append(_aligned(quoted, number, dialect))
    rows = pl.concat(parts).sort(LINE) if len(parts) > 1 else parts[0]
    return rows, texts[quoted.end :].to_list()


def _split(plain: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    """Rows without a quote: the delimiter is all there is to know."""
    width = dialect.width
    names = [*map(str, range(width)), TROUBLE]
    cells = (
        plain["text"]
        .str.splitn(dialect.delimiter, width + 1)
        .struct.rename_fields(names)
        .struct.unnest()
    )
    surplus = pl.col(TROUBLE).str.strip_chars(dialect.delimiter + " \t") != ""
    return cells.with_columns(
        plain[LINE],
        pl.when(surplus).then(pl.lit(MORE_CELLS)).alias(TROUBLE),
        pl.when(surplus).then(plain["text"]).alias(TEXT),
    )


def _aligned(quoted: QuotedRows, number: int, dialect: Dialect) -> pl.DataFrame:
    """The same columns as `_split` makes."""
    width = dialect.width
    rows = [(row + [None] * (width - len(row)))[:width] for row in quoted.rows]
    cells = {str(place): [row[place] for row in rows] for place in range(width)}
    schema: dict[str, type[pl.DataType]] = dict.fromkeys(cells, pl.String)
    return pl.DataFrame(cells, schema=schema).with_columns(
        pl.Series(TROUBLE, quoted.troubles, dtype=pl.String),
        pl.Series(LINE, [number + line for line in quoted.lines], dtype=pl.Int64),
        pl.Series(TEXT, quoted.texts, dtype=pl.String),
    ).select(*cells, TROUBLE, LINE, TEXT)  # fmt: skip
