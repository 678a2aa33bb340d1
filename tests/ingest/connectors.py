"""Records as connectors write them (values and keys of Kafka): Debezium for PostgreSQL with and
without schemas, the JDBC source connector through Kafka Connect's JsonConverter.

Shapes after the documentation of Debezium (*Data change events*, *Data type mappings*) and of Kafka
Connect (its data API, KIP-481); the rows are our own.
"""

import base64
import json
from datetime import UTC, date, datetime
from typing import Any


def base64_decimal(unscaled: int) -> str:
    """A Decimal as JsonConverter writes it: two's complement, big-endian."""
    size = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    return base64.b64encode(unscaled.to_bytes(size, "big", signed=True)).decode()


def days(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def micros(text: str) -> int:
    """Of a time without a zone, as if it were UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 10**6)


ROW_FIELDS: list[dict[str, Any]] = [
    {"type": "int64", "optional": False, "default": 0, "field": "id"},
    {"type": "string", "optional": False, "field": "customer_no"},
    {"type": "string", "optional": True, "field": "customer_name"},
    {
        "type": "int64",
        "optional": False,
        "name": "io.debezium.time.MicroTimestamp",
        "version": 1,
        "field": "ordered_at",
    },
    {"type": "string", "optional": True, "field": "state"},
    {
        "type": "bytes",
        "optional": False,
        "name": "org.apache.kafka.connect.data.Decimal",
        "version": 1,
        "parameters": {"scale": "2", "connect.decimal.precision": "12"},
        "field": "total",
    },
    {
        "type": "string",
        "optional": True,
        "name": "io.debezium.data.Json",
        "version": 1,
        "field": "lines",
    },
]


def _value_schema(side: str) -> dict[str, Any]:
    return {
        "type": "struct",
        "fields": ROW_FIELDS,
        "optional": True,
        "name": "shop.public.orders.Value",
        "field": side,
    }


ENVELOPE_SCHEMA = {
    "type": "struct",
    "fields": [
        _value_schema("before"),
        _value_schema("after"),
        {
            "type": "struct",
            "fields": [
                {"type": "string", "optional": False, "field": "version"},
                {"type": "string", "optional": False, "field": "connector"},
                {"type": "int64", "optional": False, "field": "ts_ms"},
                {"type": "int64", "optional": True, "field": "lsn"},
            ],
            "optional": False,
            "name": "io.debezium.connector.postgresql.Source",
            "field": "source",
        },
        {"type": "string", "optional": False, "field": "op"},
        {"type": "int64", "optional": True, "field": "ts_ms"},
    ],
    "optional": False,
    "name": "shop.public.orders.Envelope",
    "version": 1,
}


def row(
    number: int = 1001,
    *,
    ordered_at: str = "2026-03-30T00:00:00",
    state: str | None = "sale",
    lines: Any = ({"sku": "TUB", "od": "5 1/2", "grade": "J-55", "qty": 3, "amount": 1200.5},),
    **more: Any,
) -> dict[str, Any]:
    """A row of a table of orders whose lines are a column of JSON."""
    return {
        "id": number,
        "customer_no": "C-7",
        "customer_name": "Müller Röhren",
        "ordered_at": micros(ordered_at),
        "state": state,
        "total": base64_decimal(120050),
        "lines": json.dumps(list(lines)),
    } | more


def debezium(
    op: str,
    after: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
    *,
    schemas: bool = True,
    lsn: int = 24_023_128,
) -> bytes:
    """The value of a change event."""
    payload = {
        "before": before,
        "after": after,
        "source": {
            "version": "2.7.3.Final",
            "connector": "postgresql",
            "name": "shop",
            "ts_ms": 1_774_900_000_000,
            "snapshot": "false",
            "db": "shop",
            "sequence": '["24023119","24023128"]',
            "schema": "public",
            "table": "orders",
            "txId": 555,
            "lsn": lsn,
            "xmin": None,
        },
        "transaction": None,
        "op": op,
        "ts_ms": 1_774_900_000_123,
    }
    value = {"schema": ENVELOPE_SCHEMA, "payload": payload} if schemas else payload
    return json.dumps(value).encode()


def key(schemas: bool = True, **values: Any) -> bytes:
    """The key of a record: the columns of the primary key."""
    fields = [{"type": "int64", "optional": False, "field": name} for name in values]
    schema = {"type": "struct", "fields": fields, "optional": False, "name": "shop.orders.Key"}
    return json.dumps({"schema": schema, "payload": values} if schemas else values).encode()


def jdbc_line(
    order: int,
    line: int,
    unscaled: int,
    *,
    day: str = "2026-03-30",
    customer: str = "C-7",
    schemas: bool = True,
) -> bytes:
    """A row of a view of order lines, as the JDBC source connector writes it: a Date is days, a
    NUMERIC a Decimal in base64.
    """
    decimal = {
        "type": "bytes",
        "optional": True,
        "name": "org.apache.kafka.connect.data.Decimal",
        "version": 1,
    }
    fields: list[dict[str, Any]] = [
        {"type": "int32", "optional": False, "field": "ORDER_NO"},
        {"type": "int32", "optional": False, "field": "LINE_NO"},
        {"type": "string", "optional": True, "field": "CUST"},
        {
            "type": "int32",
            "optional": True,
            "name": "org.apache.kafka.connect.data.Date",
            "version": 1,
            "field": "ORDER_DATE",
        },
        {"type": "string", "optional": True, "field": "ITEM"},
        decimal | {"parameters": {"scale": "4"}, "field": "AMOUNT"},
        {"type": "double", "optional": True, "field": "QTY"},
    ]
    payload = {
        "ORDER_NO": order,
        "LINE_NO": line,
        "CUST": customer,
        "ORDER_DATE": days(day),
        "ITEM": f"P-{line}",
        "AMOUNT": base64_decimal(unscaled),
        "QTY": 2.5,
    }
    schema = {"type": "struct", "fields": fields, "optional": False, "name": "order_lines"}
    return json.dumps({"schema": schema, "payload": payload} if schemas else payload).encode()


NESTED: dict[str, Any] = {
    "columns": {
        "/id": "order",
        "/customer_no": "account",
        "/customer_name": "account_name",
        "/ordered_at": "ordered_on",
        "/state": "status",
        "/total": "total",
        "/lines/*/sku": "product",
        "/lines/*/od": "od",
        "/lines/*/grade": "grade",
        "/lines/*/qty": "quantity",
        "/lines/*/amount": "revenue",
    },
    "status": {"sale": "open", "draft": "open", "cancel": "cancelled"},
}
GROUPED: dict[str, Any] = {
    "columns": {
        "/ORDER_NO": "order",
        "/LINE_NO": "line",
        "/CUST": "account",
        "/ORDER_DATE": "ordered_on",
        "/ITEM": "product",
        "/QTY": "quantity",
        "/AMOUNT": "revenue",
    }
}
