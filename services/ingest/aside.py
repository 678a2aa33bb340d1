"""Which rows of the files go to the rejects: every row of a refused
order, and each row that is of none.
"""

from collections.abc import Mapping

import polars as pl

from services.ingest.columns import Note
from services.ingest.overlaps import KEY
from services.ingest.reading import Reading
from services.ingest.report import Report


class Aside:
    """Called with each frame of the files again, in their order (`rejects.Why`)."""

    def __init__(self, reading: Reading, report: Report) -> None:
        self._reading, self._report = reading, report
        refused = [
            (*key, one.line, one.only, one.contradicts) for key, one in report.refused.items()
        ]
        names = {
            "order": pl.String,
            "revision": pl.Int64,
            "first": pl.Int64,
            "only": pl.Int32,
            "contradicts": pl.String,
        }
        self._refused = pl.DataFrame(refused, schema=names, orient="row")

    def __call__(self, place: int, cells: pl.DataFrame) -> Mapping[int, Note]:
        rows, _ = self._reading.typed(place, cells)
        wrong = self._report.wrong.get(place, {})
        found = {line: wrong[line] for line in rows["line"].to_list() if line in wrong}
        its = rows.select("line", *KEY).join(
            self._refused, on=KEY, how="inner", nulls_equal=True, maintain_order="left"
        )
        for line, order, _, first, only, contradicts in its.iter_rows():
            if only is not None and only != place:  # the same rows stand in an earlier file
                found.pop(line, None)
                continue
            reason = f"another row of the order is refused (line {first})"
            note = found.get(line) or Note(
                line=line, order=order, column="", reason=reason, wrong=True
            )
            if contradicts and contradicts not in note.reason:
                note = Note(
                    line=line,
                    order=order,
                    column=note.column,
                    reason=f"{note.reason}; {contradicts}",
                    wrong=True,
                )
            found[line] = note
        return found
