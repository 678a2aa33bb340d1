"""Tables as CSV files that a spreadsheet opens, and runs nothing of."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from fastapi.responses import StreamingResponse

# what spreadsheets run, or read as something else, at the start of a cell
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
CHUNK_CHARACTERS = 64_000
BYTE_ORDER_MARK = "\ufeff"  # without it some spreadsheets take UTF-8 for something else


def download(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> StreamingResponse:
    """`rows` are read while the file is sent. `name`: ASCII, without its ending."""
    return StreamingResponse(
        chunks(head, rows),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "Cache-Control": "private, no-store",
        },
    )


def chunks(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The file in pieces (RFC 4180)."""
    held = io.StringIO()
    held.write(BYTE_ORDER_MARK)
    writer = csv.writer(held)
    writer.writerow(head)
    for row in rows:
        writer.writerow([cell(value) for value in row])
        if held.tell() > CHUNK_CHARACTERS:
            yield held.getvalue()
            held.seek(0)
            held.truncate()
    yield held.getvalue()


def cell(value: object) -> object:
    """Numbers stay numbers; a text that would be a formula is led by an apostrophe."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return "" if value is None else value
