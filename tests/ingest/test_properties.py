"""Whatever comes: a value or a reason, never another error; and files read as they were written."""

import csv
import io
import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import acceptance, plain
from services.ingest.acceptance import accept_order
from services.ingest.bodies import NotJson, read_json
from services.ingest.encoding import CELLS, encoded
from services.ingest.fields import read_id, stamp
from services.ingest.files import open_file
from services.ingest.mapping import PLAIN
from shared.domain.grades import plain_grade, read_grade
from shared.domain.identifiers import is_nothing, wrong_text
from shared.domain.money import Amount, NotMoney, read_money
from shared.domain.sizes import read_od
from shared.domain.typography import plain_marks
from shared.errors import Rejected
from tests.ingest.test_acceptance import ORDER, TERMS
from tests.ingest.test_files import cells_of

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
SIZE_TEXT = st.text(
    st.sampled_from('0123456789./- ½⅝"″inmNPS,+–‑“\u3000\u200b０６／㎜'), max_size=12
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*ORDER, "account_name", "revision", "status", "currency", "total", "x"])
CELL = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\x1c\x1d\x1e\x85\u2028\u2029"), max_size=8
)


@given(ANY_TEXT | SIZE_TEXT)
def test_a_size_is_canonical_or_warned_of(text: str) -> None:
    reading = read_od(text, {})
    if reading.value is None:
        assert reading.warning is not None or not plain_marks(text).strip()
    else:
        assert 0 < float(reading.value) < 1000
        assert read_od(f"{reading.value} in", {}).value == reading.value


@given(ANY_TEXT)
def test_a_grade_that_was_read_is_read_as_itself(text: str) -> None:
    grade = read_grade(text, {})
    assert grade is None or read_grade(grade, {}) == grade
    assert plain_grade(text) == (grade or "")


@given(ANY_TEXT | st.decimals(allow_nan=True).map(str), st.integers(0, 4))
def test_money_is_an_amount_or_no_money(text: str, places: int) -> None:
    try:
        amount = read_money(text, places)
    except NotMoney:
        return
    assert abs(amount.cents) <= 10**13


@given(st.dictionaries(FIELDS, ANY_JSON))
def test_an_order_is_accepted_or_refused_by_its_fields(part: dict[str, Any]) -> None:
    body = json.dumps(ORDER | part).encode()
    try:
        accept_order(read_json(body), TERMS)
    except Rejected as error:
        assert all(one.field and one.reason for one in error.errors)
        json.dumps([one.field for one in error.errors]).encode("ascii")


@given(st.binary(max_size=50))
def test_bytes_are_json_or_not(body: bytes) -> None:
    try:
        read_json(body)
    except NotJson as error:
        assert str(error)


@given(
    st.lists(
        st.tuples(st.text("AB12", min_size=1, max_size=4), CELL, CELL), min_size=1, max_size=20
    ),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_file_reads_as_it_was_written(
    rows: list[tuple[str, str, str]], delimiter: str, quoting: Any, newline: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=newline)
    writer.writerow(("account", "name", "owner"))
    lines = []
    for row in rows:
        lines.append(out.getvalue().count("\n") + 1)
        writer.writerow(row)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.csv"
        path.write_bytes(out.getvalue().encode())
        found = cells_of(open_file(path, "accounts", PLAIN))
    expected = [
        (line, None, *(cell or None for cell in row)) for line, row in zip(lines, rows, strict=True)
    ]
    assert [tuple(cell or None for cell in row) for row in found] == expected


WRITTEN = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\/\n\t\x7f'),
    min_size=1,
    max_size=8,
)
LINES = st.lists(
    st.tuples(*[st.none() | WRITTEN] * 4, st.integers(-(10**13), 10**13)),
    min_size=1,
    max_size=4,
)
ORDERS = st.tuples(
    WRITTEN,
    WRITTEN,
    st.dates(date(1970, 1, 1), date(2026, 4, 1)),
    st.none() | st.integers(0, 2**53),
    st.booleans(),
    st.none() | WRITTEN,
    st.none() | WRITTEN,
    LINES,
)


@given(st.lists(ORDERS, min_size=1, max_size=4))
def test_many_orders_at_once_are_the_same_bytes_as_each_by_itself(orders: list[Any]) -> None:
    names = ["order", "account", "ordered_on", "revision", "status", "account_name", "owner"]
    types = [pl.String, pl.String, pl.Date, pl.Int64, pl.Boolean, pl.String, pl.String]
    columns = [
        pl.Series(name, [one[at] for one in orders], dtype=types[at])
        for at, name in enumerate(names)
    ]
    for at, name in enumerate(CELLS):
        dtype = pl.List(pl.Int64 if name == "cents" else pl.String)
        columns.append(
            pl.Series(name, [[line[at] for line in one[-1]] for one in orders], dtype=dtype)
        )
    expected = []
    for order, account, ordered_on, revision, cancelled, account_name, owner, lines in orders:
        event, value = acceptance.order_of(
            TERMS, order=order, account=account, ordered_on=ordered_on,
            counts_on=stamp(ordered_on, TERMS.today), revision=revision,
            cancelled=cancelled, account_name=account_name, owner=owner, lines=lines,
        )  # fmt: skip
        expected.append((event.content, value))
    assert list(encoded(pl.DataFrame(columns), TERMS)) == expected


@given(
    st.lists(
        st.none()
        | ANY_TEXT.filter(str.isascii)
        | st.text(st.sampled_from("0123456789.-+ A"), max_size=18),
        min_size=1,
    ),
    st.sampled_from([0, 2, 3, 4]),
)
def test_what_is_read_a_column_at_a_time_is_what_its_own_reader_says(
    texts: list[str | None], places: int
) -> None:
    column = pl.Series("x", texts, dtype=pl.String)
    for text, amount in zip(texts, plain.amounts(places)(column), strict=True):
        assert amount is None or read_money(str(text), places) == Amount(amount, False)
    for text, found in zip(texts, plain.ids(column), strict=True):
        assert found is None or (
            found == text and read_id(found) == (found, None) and found == found.strip()
        )
    for text, found in zip(texts, plain.ascii_texts(column), strict=True):
        assert found is None or (
            found == text and wrong_text(found) is None and not is_nothing(found)
        )
