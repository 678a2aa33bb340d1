"""What connectors of Kafka Connect write around a row, taken off: the schema and payload of its
JsonConverter, the change events of Debezium, and values of logical types (Decimal as base64, days
and times as numbers). Pure.

With a schema every value is read by it. Without one, numbers stay numbers: the mapping of the topic
says what they are (`raw_mapping.py`).

Shapes: the Kafka Connect data API (org.apache.kafka.connect.data), KIP-481 for decimals, and the
Debezium documentation, *Data change events* and *Temporal types*. Debezium's times without a zone
are the clock of the database, written as if that were UTC.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from services.ingest.bodies import NotJson, Number, read_json

LARGEST_SCALE = 30
LONGEST_DECIMAL = 40  # bytes: a 10^96, far beyond what money may be
UNAVAILABLE = "__debezium_unavailable_value"  # a large value that an update did not touch
EPOCH = date(1970, 1, 1)

Op = Literal["upsert", "delete"]


class NoRow(ValueError):
    """What came is no row of a table; the message says why, for who set the connector up."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A moment on the database's own clock: no zone is known of it."""

    at: datetime


@dataclass(frozen=True, kw_only=True)
class Change:
    """A row, or that it is no more. row: as it is, or as it was as far as the record says; key: of
    the record; envelope: what stands around the row.
    """

    op: Op
    row: Any
    key: Any
    envelope: Any


def unwrapped(key: bytes | None, value: bytes | None, *, most_levels: int) -> Change | None:
    """What a record says of a row; None for the tombstone behind a Debezium delete, or any other.

    Raises NotJson, NoRow.
    """
    key_value = _document(key, most_levels=most_levels, is_key=True)
    if value is None:
        return (
            None
            if key_value is None
            else Change(op="delete", row=None, key=key_value, envelope=None)
        )
    envelope = _document(value, most_levels=most_levels)
    if (
        isinstance(envelope, dict)
        and "op" in envelope
        and not envelope.keys().isdisjoint(("after", "before"))
    ):
        return _of_debezium(envelope, key_value, most_levels)
    return Change(op="upsert", row=envelope, key=key_value, envelope=None)


def _of_debezium(envelope: dict[str, Any], key: Any, most_levels: int) -> Change:
    op = envelope["op"]
    if op not in ("c", "r", "u", "d"):
        known = {"t": "the table was emptied", "m": "a message of the database"}
        said = known.get(op, "no change of a row that is known") if isinstance(op, str) else "no op"
        raise NoRow(f"op: {str(op)[:20]} ({said})")
    name = "before" if op == "d" else "after"
    row = envelope.get(name)
    if isinstance(row, str):  # MongoDB's rows are texts of JSON
        row = read_json(row.encode("utf-8", "surrogatepass"), most_levels=most_levels)
    if row is None and op != "d":
        raise NoRow("after: is missing")
    return Change(op="delete" if op == "d" else "upsert", row=row, key=key, envelope=envelope)


def _document(body: bytes | None, *, most_levels: int, is_key: bool = False) -> Any:
    """The value of a body, by its schema where it brings one."""
    if body is None:
        return None
    if body[:1] == b"\x00" and len(body) > 5:  # of a schema registry: a mark, the schema's id
        if body[5:6] not in b'{["':
            if is_key:
                return None
            raise NotJson(
                "the body is in a format of a schema registry (Avro or Protobuf): "
                "have the connector write JSON"
            )
        body = body[5:]
    try:
        found = read_json(body, most_levels=most_levels)
    except NotJson:
        if is_key:  # keys may be anything
            return body.decode("utf-8", "replace")
        raise
    if isinstance(found, dict) and found.keys() == {"schema", "payload"}:
        return _typed(found["payload"], found["schema"])
    return found


def _typed(value: Any, schema: Any) -> Any:
    """The value with its logical types read, however deep it is (as deep as bodies may be)."""
    if value is None or not isinstance(schema, dict):
        return value
    reader = _LOGICAL.get(schema.get("name", "")) if isinstance(schema.get("name"), str) else None
    if reader is not None:
        parameters = schema.get("parameters")
        return reader(value, parameters if isinstance(parameters, dict) else {})
    if schema.get("type") == "struct" and isinstance(value, dict):
        fields = schema.get("fields")
        by_name = {
            one["field"]: one
            for one in (fields if isinstance(fields, list) else [])
            if isinstance(one, dict) and isinstance(one.get("field"), str)
        }
        return {name: _typed(one, by_name.get(name)) for name, one in value.items()}
    if schema.get("type") == "array" and isinstance(value, list):
        return [_typed(one, schema.get("items")) for one in value]
    if schema.get("type") == "map" and isinstance(value, dict):
        return {name: _typed(one, schema.get("values")) for name, one in value.items()}
    return value


def decimal_of(text: str, scale: int) -> str | None:
    """The number that base64 of a two's complement integer stands for, as plain decimal text; None
    where it is none.
    """
    if len(text) > 2 * LONGEST_DECIMAL or not 0 <= scale <= LARGEST_SCALE:
        return None
    try:
        unscaled = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not 0 < len(unscaled) <= LONGEST_DECIMAL:
        return None
    number = Decimal(int.from_bytes(unscaled, "big", signed=True))
    sign, digits, _ = number.as_tuple()
    return format(Decimal((sign, digits, -scale)), "f")


def moment(number: int, per_second: int) -> Clock | None:
    """So many units after the beginning of 1970; None beyond the calendar."""
    try:
        seconds, rest = divmod(number, per_second)
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            seconds=seconds, microseconds=rest * 1_000_000 // per_second
        )
    except OverflowError:
        return None
    return Clock(at=at.replace(tzinfo=None))


def day(number: int) -> str | None:
    """So many days after the first of 1970; None beyond the calendar."""
    try:
        return (EPOCH + timedelta(days=number)).isoformat()
    except OverflowError:
        return None


def whole(value: Any) -> int | None:
    """A whole number of a JSON document, or a text of one."""
    text = value.text if isinstance(value, Number) else value
    if isinstance(text, str) and 0 < len(text) <= 20 and text.removeprefix("-").isdecimal():
        return int(text)
    return None


Reader = Callable[[Any, dict[str, Any]], Any]


def _decimal(value: Any, parameters: dict[str, Any]) -> Any:
    """Of decimal.format=NUMERIC it is a number already."""
    scale = whole(parameters.get("scale", "0"))
    found = decimal_of(value, scale) if isinstance(value, str) and scale is not None else None
    return value if found is None else found


def _variable_decimal(value: Any, parameters: dict[str, Any]) -> Any:
    scale = whole(value.get("scale")) if isinstance(value, dict) else None
    text = value.get("value") if isinstance(value, dict) else None
    return (
        decimal_of(text, scale) if isinstance(text, str) and scale is not None else None
    ) or value


def _day(value: Any, parameters: dict[str, Any]) -> Any:
    number = whole(value)
    return value if number is None else day(number) or value


def _moment(per_second: int) -> Reader:
    def read(value: Any, parameters: dict[str, Any]) -> Any:
        number = whole(value)
        return value if number is None else moment(number, per_second) or value

    return read


def _iso_day(value: Any, parameters: dict[str, Any]) -> Any:
    return value.removesuffix("Z") if isinstance(value, str) else value


def _iso_moment(value: Any, parameters: dict[str, Any]) -> Any:
    """Of the database's clock, though a Z stands behind it."""
    try:
        return Clock(at=datetime.fromisoformat(value.removesuffix("Z")).replace(tzinfo=None))
    except (AttributeError, ValueError):
        return value


_LOGICAL: dict[str, Reader] = {
    "org.apache.kafka.connect.data.Decimal": _decimal,
    "org.apache.kafka.connect.data.Date": _day,
    "org.apache.kafka.connect.data.Timestamp": _moment(1_000),
    "io.debezium.data.VariableScaleDecimal": _variable_decimal,
    "io.debezium.time.Date": _day,
    "io.debezium.time.Timestamp": _moment(1_000),
    "io.debezium.time.MicroTimestamp": _moment(1_000_000),
    "io.debezium.time.NanoTimestamp": _moment(1_000_000_000),
    "io.debezium.time.IsoDate": _iso_day,
    "io.debezium.time.IsoTimestamp": _iso_moment,
}
