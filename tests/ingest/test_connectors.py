"""What connectors write becomes orders by the mapping of its topic, or a reason that names the
field and its place; what several records say of an order is put together. No stack:
test_raw_mappings.py has the way through Kafka.
"""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from services.ingest.acceptance import Terms
from services.ingest.bodies import read_json
from services.ingest.connect import decimal_of
from services.ingest.raw_cli import Kept, app
from services.ingest.raw_mapping import RawMapping, raw_mapping
from services.ingest.raw_orders import Batch
from shared.errors import Rejected
from shared.events import Order
from shared.records import Record
from tests.ingest.connectors import (
    GROUPED,
    NESTED,
    base64_decimal,
    days,
    debezium,
    jdbc_line,
    key,
    micros,
    row,
)

ACCEPTED_AT = datetime(2026, 4, 1, 12, tzinfo=UTC)


def mapped(value: Any) -> RawMapping:
    """As a file has it."""
    return raw_mapping(read_json(json.dumps(value).encode()))


class Topic:
    """A raw topic: each call is a batch."""

    def __init__(self, mapping: dict[str, Any], *, timezone: str = "America/Chicago") -> None:
        self.mapping, self.known = mapped(mapping), Kept()
        self.timezone = timezone
        self.offset = 0

    def take(
        self, *values: bytes | None, keys: list[bytes | None] | None = None
    ) -> tuple[list[Order], list[str]]:
        """(orders that go in, what was wrong)."""
        batch = Batch(self.mapping, self.known, topic="erp-orders", most_levels=100)
        taken = []
        for value, key_ in zip(values, keys or [None] * len(values), strict=True):
            record = Record(
                topic="erp-orders",
                partition=0,
                offset=self.offset,
                at=ACCEPTED_AT,
                key=key_,
                value=value,
                headers=[],
                event=None,
            )
            self.offset += 1
            terms = Terms(
                organization="acme",
                currency="USD",
                timezone=self.timezone,
                accepted_at=ACCEPTED_AT,
            )
            taken.append(batch.take(record, terms))
        taken += [one for _, one in batch.ended()]
        orders = [one.event for some in taken for one in some.accepted]
        wrong = [f"{one.field}: {one.reason}" for some in taken for one in some.wrong]
        return [one for one in orders if isinstance(one, Order)], wrong


def one(mapping: dict[str, Any], value: bytes, **given: Any) -> Order:
    (order,), wrong = Topic(mapping, **given).take(value)
    assert wrong == []
    return order


def refused(mapping: dict[str, Any], value: bytes | None, key_: bytes | None = None) -> str:
    orders, (reason,) = Topic(mapping).take(value, keys=[key_])
    assert orders == []
    return reason


# -- envelopes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_a_change_of_debezium_with_its_schema_is_the_row_behind_it(op: str) -> None:
    order = one(NESTED, debezium(op, row(), before=row(state="draft") if op == "u" else None))
    assert (order.order, order.account, order.account_name) == ("1001", "C-7", "Müller Röhren")
    assert (order.ordered_on, order.cancelled) == (date(2026, 3, 30), False)
    (line,) = order.lines
    assert (line.product, line.od, line.grade, line.quantity) == ("TUB", "5 1/2", "J-55", "3")
    assert line.revenue_cents == 120050
    assert (order.revision, order.revision_given) == (int(ACCEPTED_AT.timestamp() * 1000), False)


def test_without_a_schema_the_mapping_says_what_numbers_count_and_what_base64_is() -> None:
    said = NESTED | {"date_format": "micros", "scale": {"total": 2}}
    assert one(said, debezium("c", row(), schemas=False)) == one(NESTED, debezium("c", row()))


def test_lines_may_be_a_list_too_and_a_row_may_come_without_any_envelope() -> None:
    plain = row() | {"lines": [{"sku": "A", "amount": "1.10"}, {"sku": "B", "amount": "2.20"}]}
    plain["total"] = "3.30"
    order = one(NESTED | {"date_format": "micros"}, json.dumps(plain).encode())
    assert [line.revenue_cents for line in order.lines] == [110, 220]


def test_the_jdbc_connector_writes_days_and_base64() -> None:
    order = one(GROUPED, jdbc_line(7, 1, 12_345_600))
    assert (order.order, order.ordered_on) == ("7", date(2026, 3, 30))
    assert [(line.quantity, line.revenue_cents) for line in order.lines] == [("2.5", 123456)]


@pytest.mark.parametrize(
    ("unscaled", "scale", "text"),
    [
        *((0, 2, "0.00"), (1, 2, "0.01"), (-1, 2, "-0.01"), (127, 0, "127"), (128, 0, "128")),
        *((-128, 0, "-128"), (-129, 1, "-12.9"), (10**20, 4, "10000000000000000.0000")),
    ],
)
def test_a_decimal_is_a_twos_complement_integer_and_a_scale(
    unscaled: int, scale: int, text: str
) -> None:
    assert decimal_of(base64_decimal(unscaled), scale) == text


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA" * 100, "1200.50", "=", "é"])
def test_what_is_no_decimal_in_base64_is_none(text: str) -> None:
    assert decimal_of(text, 2) is None


LOGICAL = [
    ("org.apache.kafka.connect.data.Date", days("2026-03-30")),
    ("io.debezium.time.Date", days("2026-03-30")),
    ("org.apache.kafka.connect.data.Timestamp", micros("2026-03-30T23:59:59") // 1000),
    ("io.debezium.time.Timestamp", micros("2026-03-30T00:00:00") // 1000),
    ("io.debezium.time.MicroTimestamp", micros("2026-03-30T23:59:59.999999")),
    ("io.debezium.time.NanoTimestamp", micros("2026-03-30T12:00:00") * 1000),
    ("io.debezium.time.IsoDate", "2026-03-30Z"),
    ("io.debezium.time.IsoTimestamp", "2026-03-30T00:00:00.000001Z"),
    ("io.debezium.time.ZonedTimestamp", "2026-03-31T04:59:59Z"),  # 23:59 in Chicago
]


def typed(kind: str, value: Any, **more: Any) -> bytes:
    fields = [
        {"type": "string", "field": "id"},
        {"type": "int64", "name": kind, "version": 1, "field": "at"},
    ]
    payload = {"id": "O-1", "at": value, "sum": "5"} | more
    return json.dumps({"schema": {"type": "struct", "fields": fields}, "payload": payload}).encode()


PLAIN: dict[str, Any] = {
    "columns": {
        "/id": "order",
        "/account": "account",
        "/at": "ordered_on",
        "/n": "line",
        "/sum": "revenue",
    }
}


@pytest.mark.parametrize(("kind", "value"), LOGICAL, ids=[kind for kind, _ in LOGICAL])
@pytest.mark.parametrize("timezone", ["America/Chicago", "Asia/Tokyo"])
def test_every_kind_of_day_is_the_day_on_the_databases_clock(
    kind: str, value: Any, timezone: str
) -> None:
    order = one(PLAIN, typed(kind, value, account="A", n=1), timezone=timezone)
    is_a_moment = kind.endswith("ZonedTimestamp")
    expected = date(2026, 3, 31) if is_a_moment and "Tokyo" in timezone else date(2026, 3, 30)
    assert order.ordered_on == expected


def test_a_clock_with_a_zone_is_told_in_the_organizations() -> None:
    late = micros("2026-03-31T03:00:00")  # in UTC: still the 30th in Chicago
    value = typed("io.debezium.time.MicroTimestamp", late, account="A", n=1)
    assert one(PLAIN, value).ordered_on == date(2026, 3, 31)
    assert one(PLAIN | {"zone": "UTC"}, value).ordered_on == date(2026, 3, 30)
    text = {"id": "1", "account": "A", "at": "2026-03-31 03:00:00", "n": 1, "sum": "5"}
    assert one(PLAIN | {"zone": "UTC"}, json.dumps(text).encode()).ordered_on == date(2026, 3, 30)
    assert "needs its offset" in refused(PLAIN, json.dumps(text).encode())


@pytest.mark.parametrize(
    ("counts", "number"),
    [
        ("days", days("2026-03-30")),
        ("seconds", micros("2026-03-30T00:00:00") // 10**6),
        ("millis", micros("2026-03-30T23:59:59") // 1000),
        ("micros", micros("2026-03-30T23:59:59")),
        ("nanos", micros("2026-03-30T23:59:59") * 1000),
    ],
)
def test_a_number_of_a_schemaless_record_counts_what_the_mapping_says(
    counts: str, number: int
) -> None:
    body = {"id": 5, "account": "A", "at": number, "n": 1, "sum": 5}
    assert one(PLAIN | {"date_format": counts}, json.dumps(body).encode()).ordered_on == date(
        2026, 3, 30
    )
    assert refused(PLAIN, json.dumps(body).encode()).startswith(
        f"ordered_on (/at): is the number {number}: date_format in the mapping says"
    )


def test_amounts_are_read_as_the_mapping_says_and_minor_units_too() -> None:
    body = {"id": 5, "account": "A", "at": "30.03.2026", "n": 1, "sum": "1.234,50"}
    german = PLAIN | {"date_format": "%d.%m.%Y", "decimal": ",", "thousands": "."}
    assert one(german, json.dumps(body).encode()).lines[0].revenue_cents == 123450
    columns = {theirs: ours for theirs, ours in PLAIN["columns"].items() if theirs != "/sum"}
    cents = {"columns": columns | {"/sum": "revenue_cents"}}
    body = {"id": 5, "account": "A", "at": "2026-03-30", "n": 1, "sum": -123450}
    assert one(cents, json.dumps(body).encode()).lines[0].revenue_cents == -123450


def test_a_record_of_the_json_schema_converter_is_read_and_avro_is_named() -> None:
    body = json.dumps({"id": 5, "account": "A", "at": "2026-03-30", "n": 1, "sum": "5"}).encode()
    assert one(PLAIN, b"\x00\x00\x00\x00\x07" + body).order == "5"
    assert "schema registry" in refused(PLAIN, b"\x00\x00\x00\x00\x07\x0a1001")


# -- orders of several records ---------------------------------------------------------------------


def sums(orders: list[Order]) -> list[tuple[str, list[int], bool]]:
    return [
        (one.order, [line.revenue_cents for line in one.lines], one.cancelled) for one in orders
    ]


def test_lines_that_come_one_a_record_are_one_order_once_a_batch() -> None:
    topic = Topic(GROUPED)
    first, wrong = topic.take(
        jdbc_line(7, 1, 10_000), jdbc_line(8, 1, 50_000), jdbc_line(7, 2, 20_000)
    )
    assert (sums(first), wrong) == ([("7", [100, 200], False), ("8", [500], False)], [])
    second, _ = topic.take(jdbc_line(7, 3, 30_000), jdbc_line(7, 1, 90_000))
    assert sums(second) == [("7", [900, 200, 300], False)]
    assert second[0].revision > first[0].revision, "or the smaller version may count"


def test_lines_that_say_nothing_new_are_no_version() -> None:
    topic = Topic(GROUPED)
    topic.take(jdbc_line(7, 1, 10_000), jdbc_line(7, 2, 20_000))
    assert topic.take(jdbc_line(7, 2, 20_000), jdbc_line(7, 1, 10_000)) == ([], [])


def test_a_wrong_line_is_refused_alone_and_its_order_goes_in_without_it() -> None:
    orders, wrong = Topic(GROUPED).take(
        jdbc_line(7, 1, 10_000), jdbc_line(7, 2, 10_000, day="1969-12-31"), jdbc_line(7, 3, 30_000)
    )
    assert sums(orders) == [("7", [100, 300], False)]
    assert wrong == ["ordered_on (/ORDER_DATE): is before 1970"]


def change(op: str, after: bytes | None, before: bytes | None = None) -> bytes:
    """A change event of a table of lines."""
    rows = [None if one is None else json.loads(one) for one in (after, before)]
    return json.dumps({"before": rows[1], "after": rows[0], "op": op, "source": {}}).encode()


def test_a_deleted_line_leaves_its_order_and_the_last_one_cancels_it() -> None:
    topic = Topic(GROUPED | {"deletes": "cancel", "date_format": "days", "scale": 4})
    lines = [jdbc_line(7, number, number * 10_000, schemas=False) for number in (1, 2)]
    topic.take(*(change("c", line) for line in lines))
    left, _ = topic.take(change("d", None, lines[0]))
    assert sums(left) == [("7", [200], False)]
    gone, _ = topic.take(change("d", None, lines[1]))
    assert sums(gone) == [("7", [200], True)]
    tombstones = [key(schemas=False, ORDER_NO=7, LINE_NO=number) for number in (1, 2)]
    assert topic.take(None, None, keys=list(tombstones)) == ([], [])
    again, _ = topic.take(change("c", jdbc_line(7, 9, 90_000, schemas=False)))
    assert sums(again) == [("7", [900], False)], "what was deleted does not come back"


def test_a_line_that_moves_leaves_the_order_that_it_was_in() -> None:
    topic = Topic(GROUPED | {"deletes": "cancel", "date_format": "days", "scale": 4})
    line = [jdbc_line(7, number, number * 10_000, schemas=False) for number in (1, 2)]
    topic.take(*(change("c", one) for one in line))
    moved, wrong = topic.take(change("u", jdbc_line(8, 2, 20_000, schemas=False), line[1]))
    assert (sorted(sums(moved)), wrong) == ([("7", [100], False), ("8", [200], False)], [])


def test_a_deleted_order_is_cancelled_by_what_the_record_says_or_what_was_said_before() -> None:
    cancels = NESTED | {"deletes": "cancel"}
    whole, _ = Topic(cancels).take(debezium("d", None, row()))
    assert sums(whole) == [("1001", [120050], True)]
    topic = Topic(cancels)
    (was,), _ = topic.take(debezium("c", row()), keys=[key(id=1001)])
    bare = row() | dict.fromkeys(("customer_no", "ordered_at", "total", "lines"))
    (gone,), wrong = topic.take(debezium("d", None, bare), keys=[key(id=1001)])
    assert (gone.cancelled, gone.lines, wrong) == (True, was.lines, [])
    assert gone.revision > was.revision
    assert topic.take(None, keys=[key(id=1001)]) == ([], []), "the tombstone says nothing new"


def test_a_tombstone_alone_cancels_too() -> None:
    topic = Topic(NESTED | {"deletes": "cancel", "date_format": "micros", "scale": {"total": 2}})
    topic.take(json.dumps(row()).encode(), keys=[key(id=1001, schemas=False)])
    (gone,), _ = topic.take(None, keys=[key(id=1001, schemas=False)])
    assert (gone.order, gone.cancelled) == ("1001", True)


def test_a_delete_is_refused_unless_the_mapping_says_what_it_means() -> None:
    assert refused(NESTED, debezium("d", None, row())).startswith("op: a delete; the mapping can")
    assert Topic(NESTED | {"deletes": "ignore"}).take(
        debezium("d", None, row()), None, keys=[None, key(id=1001)]
    ) == ([], [])


def test_a_delete_of_what_nobody_knows_says_what_is_needed() -> None:
    cancels = NESTED | {"deletes": "cancel"}
    bare = row() | {"customer_no": None}
    assert "REPLICA IDENTITY FULL" in refused(cancels, debezium("d", None, bare))
    assert refused(cancels, None, key(other=1)).startswith("order: was deleted, and neither")
    assert refused(cancels, None).startswith("body: is missing")


def test_a_revision_of_the_source_counts_and_never_goes_back() -> None:
    columns = NESTED["columns"] | {"envelope#/source/lsn": "revision"}
    given = NESTED | {"columns": columns, "deletes": "cancel"}
    topic = Topic(given)
    (first,), _ = topic.take(debezium("c", row(), lsn=5_000))
    (second,), _ = topic.take(debezium("u", row(state="cancel"), lsn=4_000))
    assert (first.revision, second.revision, second.cancelled) == (5_000, 5_001, True)
    assert one(NESTED | {"columns": columns}, debezium("c", row(), lsn=77)).revision == 77


# -- what is wrong ---------------------------------------------------------------------------------

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"customer_no": None}, "account (/customer_no): is missing"),
    ({"customer_no": "NULL"}, "account (/customer_no): is missing"),
    (
        {"customer_no": {"id": 5}},
        "account (/customer_no): must be a text or a number, not an object",
    ),
    ({"state": "gone"}, "status (/state): gone is neither open nor cancelled"),
    ({"ordered_at": 2**62}, "ordered_on (/ordered_at): "),
    ({"ordered_at": "soon"}, "ordered_on (/ordered_at): must be a day"),
    ({"lines": "[]"}, "lines (/lines): are missing"),
    ({"lines": "no json"}, "lines (/lines): are missing"),
    ({"lines": '[{"sku": "A"}]'}, "lines[0].revenue (/lines/*/amount): is missing"),
    ({"lines": '[{"amount": "ten"}]'}, "lines[0].revenue (/lines/*/amount): "),
    ({"total": base64_decimal(5)}, "total (/total): is not the sum of the lines"),
    ({"id": "x" * 200}, "order (/id): is longer than 100 characters"),
    (
        {"customer_no": "__debezium_unavailable_value"},
        "account (/customer_no): was not changed, so the connector does not say it",
    ),
]


@pytest.mark.parametrize(("change_", "reason"), WRONG, ids=[reason for _, reason in WRONG])
def test_a_wrong_row_is_refused_by_our_field_and_its_place(
    change_: dict[str, Any], reason: str
) -> None:
    orders, wrong = Topic(NESTED).take(debezium("c", row() | change_), debezium("c", row(1002)))
    assert [one.order for one in orders] == ["1002"], "its neighbour goes in"
    assert wrong[0].startswith(reason), wrong


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "body: "),
        (b"{", "body: "),
        (b"[" * 200, "body: the body is nested deeper"),
        (b"5", "order (/id): is missing"),
        (b"[]", "order (/id): is missing"),
        (b'{"schema": null, "payload": null}', "order (/id): is missing"),
        (b'{"op": "t", "before": null, "after": null}', "op: t (the table was emptied)"),
        (b'{"op": {}, "after": {}}', "op: {} (no op)"),
        (b'{"op": "c", "after": null}', "after: is missing"),
        (b'{"op": "c", "after": "{"}', "body: "),
    ],
)
def test_what_is_no_row_is_refused(value: bytes, reason: str) -> None:
    _, wrong = Topic(NESTED).take(value)
    assert wrong and wrong[0].startswith(reason), wrong


MAPPINGS: list[tuple[Any, str]] = [
    ([], "--map: must be a JSON object"),
    ({}, "--map: columns: must be an object"),
    (PLAIN | {"colums": {}}, "--map: colums: is no key"),
    ({"columns": {"/a": "order"}}, "--map: columns: nothing is mapped to account"),
    ({"columns": PLAIN["columns"] | {"/x": "colour"}}, "--map: columns./x: colour is no column"),
    ({"columns": PLAIN["columns"] | {"/x": "order"}}, "--map: columns./x: /id is mapped to order"),
    ({"columns": PLAIN["columns"] | {"x": "od"}}, "--map: columns: x is no JSON pointer"),
    ({"columns": PLAIN["columns"] | {"/~2": "od"}}, "--map: columns: /~2 is no JSON pointer"),
    ({"columns": PLAIN["columns"] | {"top#/x": "od"}}, "--map: columns: top#/x: top# is none of"),
    ({"columns": NESTED["columns"] | {"/a/*/b": "line"}}, "--map: columns: lines are in two lists"),
    ({"columns": NESTED["columns"] | {"/lines/*/c": "currency"}}, "--map: columns./lines/*/c: "),
    (
        {"columns": {theirs: ours for theirs, ours in PLAIN["columns"].items() if ours != "line"}},
        "--map: columns: each record is one line",
    ),
    (PLAIN | {"deletes": "maybe"}, "--map: deletes: must be refuse, cancel or ignore"),
    (PLAIN | {"zone": "Mars/Base"}, "--map: zone: must be a time zone"),
    (PLAIN | {"scale": 99}, "--map: scale: must be the places"),
    (PLAIN | {"date_format": "%H"}, "--map: date_format: "),
    (PLAIN | {"date_format": ["days", "millis"]}, "--map: date_format: numbers count days or"),
    (PLAIN | {"status": {"x": "perhaps"}}, "--map: status: "),
]


@pytest.mark.parametrize(("value", "reason"), MAPPINGS, ids=[reason for _, reason in MAPPINGS])
def test_a_mapping_that_cannot_be_right_is_refused_by_its_key(value: Any, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        mapped(value)
    assert any(
        f"{error.field}: {error.reason}".startswith(reason) for error in caught.value.errors
    ), str(caught.value)


# -- the verb --------------------------------------------------------------------------------------


def test_the_verb_says_of_each_sample_what_it_becomes(tmp_path: Path) -> None:
    mapping, samples = tmp_path / "map.json", tmp_path / "records.jsonl"
    mapping.write_text(json.dumps(NESTED | {"deletes": "cancel"}))
    kcat = {"topic": "shop.orders", "partition": 0, "offset": 4, "key": key(id=1001).decode()}
    samples.write_bytes(
        b"\n".join(
            (
                debezium("c", row()),
                debezium("c", row(1002, state="gone")),
                json.dumps(kcat | {"payload": None}).encode(),
            )
        )
    )
    found = CliRunner().invoke(app, ["check", str(samples), "--map", str(mapping)])
    assert found.exit_code == 1
    first, second, third = found.stdout.splitlines()
    assert first.startswith("record 1: order 1001 of C-7 on 2026-03-30, 1 lines, 120,050 minor")
    assert second.startswith("record 2: refused: status (/state): gone is neither open")
    assert third.startswith("record 3: order 1001 of C-7 on 2026-03-30, cancelled")
    told = CliRunner().invoke(app, ["check", str(samples), "--map", str(mapping), "--json"])
    answers = [json.loads(line) for line in told.stdout.splitlines()]
    assert [len(one["orders"]) for one in answers] == [1, 0, 1]
    assert answers[1]["errors"][0]["field"] == "status (/state)"


# -- whatever comes --------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "NULL", "AAAA", "=", "2026-03-30", "9" * 30, "\x00", "\ud800", "[]", '{"a":1}', "1e9"]
    ),
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**80), 2**80),
        st.sampled_from([0.1, -0.0, 1e300, float("nan"), float("inf")]),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
ROWS = st.fixed_dictionaries({}, optional={name: VALUES for name in row()})
SCHEMAS = st.one_of(
    VALUES,
    st.builds(
        lambda kinds: {
            "type": "struct",
            "fields": [
                {"field": name, "type": "int64", "name": kind, "parameters": {"scale": "2"}}
                for name, kind in zip(row(), kinds, strict=False)
            ],
        },
        st.lists(st.sampled_from([kind for kind, _ in LOGICAL]), min_size=7, max_size=7),
    ),
)
RECORDS = st.one_of(
    VALUES,
    ROWS,
    st.builds(
        lambda op, after, before: {"op": op, "after": after, "before": before, "source": {}},
        st.sampled_from(["c", "u", "d", "r", "t", 5, None]),
        st.one_of(ROWS, VALUES),
        st.one_of(ROWS, VALUES),
    ),
    st.builds(lambda schema, payload: {"schema": schema, "payload": payload}, SCHEMAS, ROWS),
)


@given(
    records=st.lists(st.tuples(RECORDS, st.one_of(st.none(), VALUES, ROWS)), max_size=6),
    mapping=st.sampled_from(
        [
            NESTED | {"deletes": "cancel", "date_format": "micros", "scale": 2},
            NESTED | {"columns": NESTED["columns"] | {"envelope#/source/lsn": "revision"}},
            GROUPED | {"columns": {**GROUPED["columns"], "key#/id": "line"} | {"/LINE_NO": None}},
            PLAIN | {"deletes": "cancel", "zone": "UTC", "date_format": ["millis", "%d.%m.%Y"]},
        ]
    ),
)
def test_whatever_comes_is_an_order_or_refused_and_its_neighbour_goes_in(
    records: list[tuple[Any, Any]], mapping: dict[str, Any]
) -> None:
    """Nothing but an order or a reason leaves: what is raised would stop the topic."""
    topic = Topic(mapping)
    values = [json.dumps(value).encode("utf-8", "surrogatepass") for value, _ in records]
    keys = [None if key_ is None else json.dumps(key_).encode() for _, key_ in records]
    plain = {
        "id": "GOOD", "customer_no": "A", "ordered_at": micros("2026-03-30T00:00:00"),
        "lines": [{"amount": "5"}], "account": "A", "at": days("2026-03-30") * 86_400_000,
        "n": 1, "sum": "5", "total": None, "ORDER_NO": "GOOD", "CUST": "A",
        "ORDER_DATE": "2026-03-30", "AMOUNT": "5",
    }  # fmt: skip
    if mapping.get("date_format") is None:
        plain["ordered_at"] = "2026-03-30"
    if mapping.get("scale"):
        plain["lines"] = [{"amount": base64_decimal(500)}]
    orders, _ = topic.take(
        *values, json.dumps(plain).encode(), keys=[*keys, json.dumps({"id": 1}).encode()]
    )
    assert "GOOD" in [one.order for one in orders]


@given(value=st.recursive(VALUES, lambda inner: st.dictionaries(
    st.sampled_from([*GROUPED["columns"], "columns", "scale", "zone", "deletes", "date_format"]),
    inner, max_size=4,
)))  # fmt: skip
def test_whatever_a_mapping_is_it_is_one_or_refused_by_its_key(value: Any) -> None:
    try:
        raw_mapping(read_json(json.dumps(value).encode("utf-8", "surrogatepass")))
    except Rejected as refused:
        assert all(error.field.startswith("--map") for error in refused.errors)
