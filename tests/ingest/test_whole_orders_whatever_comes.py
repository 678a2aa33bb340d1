"""Orders written as files with faults: each is stored as it was, or refused whole;
repaired rejects give the rest.
"""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.ingest.mapping import PLAIN, Mapping
from tests.ingest.reader import read

Row = list[str]
HEADERS = [
    ["order", "account", "ordered_on", "product", "revenue", "note"],
    ["product", "note", "order", "account", "ordered_on", "revenue"],
]
TEXT = st.sampled_from(
    ["TUB", "P,Q", 'x "y"', "two\nlines", '5 1/2"', "+Coupling", "'=x", "", "a;b"]
)
LINES = st.lists(st.tuples(TEXT, st.integers(1, 9)), min_size=1, max_size=3)
TRUTH = st.lists(LINES, min_size=1, max_size=4)
DIALECT = st.tuples(
    st.sampled_from(",;|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)


def rows_of(truth: list[list[tuple[str, int]]], header: Row) -> list[Row]:
    found = []
    for number, lines in enumerate(truth):
        for product, revenue in lines:
            cells = {
                "order": f"O-{number}",
                "account": f"A-{number}",
                "ordered_on": "2026-03-01",
                "note": product,
            }
            cells |= {"product": f"T{revenue}", "revenue": str(revenue)}
            found.append([cells[name] for name in header])
    return found


def written(rows: list[Row], dialect: tuple[str, Any, str]) -> list[str]:
    """Each row as its text."""
    delimiter, quoting, newline = dialect
    texts = []
    for row in rows:
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=newline).writerow(row)
        texts.append(out.getvalue())
    return texts


def of_truth(truth: list[list[tuple[str, int]]]) -> dict[str, list[int]]:
    return {
        f"O-{number}": sorted(revenue * 100 for _, revenue in lines)
        for number, lines in enumerate(truth)
    }


def stored_in(
    folder: str, contents: list[str], *, mapping: Mapping = PLAIN, rejects: Path | None = None
) -> dict[str, list[int]]:
    paths = []
    for number, content in enumerate(contents):
        path = Path(folder) / f"{number}.csv"
        path.write_bytes(content.encode())
        paths.append(path)
    found = read(paths, mapping=mapping, rejects=rejects)
    return {
        order: sorted(line.revenue_cents for line in lines) for order, lines in found.lines.items()
    }


def hurt(
    data: st.DataObject,
    row: Row,
    text: str,
    header: Row,
    dialect: tuple[str, Any, str],
    *,
    goes_on: bool,
) -> str:
    """The row's text with a fault. `goes_on`: the row before is of its
    order, so that it may do without.
    """
    delimiter, _, newline = dialect
    fault = data.draw(
        st.sampled_from(["blank order", "quote", "torn", "more cells", "glued", "bad money"])
    )
    if fault == "blank order" and goes_on:
        blank = [
            ("" if name in ("order", "account", "ordered_on") else cell)
            for name, cell in zip(header, row, strict=True)
        ]
        return written([blank], dialect)[0]
    if fault in ("bad money", "blank order"):
        return written(
            [
                [
                    ("1e5" if name == "revenue" else cell)
                    for name, cell in zip(header, row, strict=True)
                ]
            ],
            dialect,
        )[0]
    if fault == "quote":
        cells = text.removesuffix(newline).split(delimiter)
        at = data.draw(st.integers(0, len(cells) - 1))
        return delimiter.join([*cells[:at], '"' + cells[at], *cells[at + 1 :]]) + newline
    if fault == "torn":
        at = data.draw(st.integers(1, max(1, len(text) - len(newline) - 1)))
        if text[:at].count('"') % 2:  # a line break inside a quoted cell is text
            at = text.index(delimiter)
        return text[:at] + newline + text[at:]
    if fault == "more cells":
        return text.removesuffix(newline) + delimiter + "more" + newline
    return text.removesuffix(newline)


@settings(deadline=None, max_examples=40)
@given(TRUTH, st.sampled_from(HEADERS), DIALECT, st.data())
def test_an_order_of_a_file_with_faults_is_whole_or_refused(
    truth: list[list[tuple[str, int]]],
    header: Row,
    dialect: tuple[str, Any, str],
    data: st.DataObject,
) -> None:
    rows = rows_of(truth, header)
    texts = written(rows, dialect)
    for at in sorted(data.draw(st.sets(st.integers(0, len(texts) - 1), max_size=2))):
        goes_on = at > 0 and rows[at][header.index("order")] == rows[at - 1][header.index("order")]
        texts[at] = hurt(data, rows[at], texts[at], header, dialect, goes_on=goes_on)
    head = written([header], dialect)[0]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=1)))
    parts = [texts[: cuts[0]], texts[cuts[0] :]] if cuts else [texts]
    assume(len(parts) == 1 or parts[0] != parts[1])  # as below: one file, given twice
    expected = of_truth(truth)
    with tempfile.TemporaryDirectory() as folder:
        rejects = Path(folder) / "rejects.csv"
        stored = stored_in(folder, [head + "".join(part) for part in parts], rejects=rejects)
        for order, cents in stored.items():
            assert expected.get(order) == cents, (order, cents, parts)
        again = stored_in(folder, [rejects.read_bytes().decode()])
        assert not again, (parts, rejects.read_text())


@settings(deadline=None, max_examples=40)
@given(TRUTH, st.sampled_from(HEADERS), DIALECT, st.data())
def test_a_file_that_is_well_formed_gives_its_orders_cut_or_not(
    truth: list[list[tuple[str, int]]],
    header: Row,
    dialect: tuple[str, Any, str],
    data: st.DataObject,
) -> None:
    texts = written(rows_of(truth, header), dialect)
    head = written([header], dialect)[0]
    cut = data.draw(st.integers(0, len(texts)))
    assume(texts[:cut] != texts[cut:])  # the same bytes are the same file, given twice
    with tempfile.TemporaryDirectory() as folder:
        assert stored_in(folder, [head + "".join(texts)]) == of_truth(truth)
        for order, cents in stored_in(
            folder, [head + "".join(texts[:cut]), head + "".join(texts[cut:])]
        ).items():
            assert of_truth(truth)[order] == cents
