"""Hostile items (trust.md, *Hostile inputs*), each with the field that its refusal
names: one list for every door.
"""

import json
from typing import Any

LINE = {"product": "P", "od": '5 1/2"', "grade": "J-55", "quantity": "2", "revenue": "10.00"}
ORDER = {"order": "O-1", "account": "A-1", "ordered_on": "2026-03-30", "lines": [LINE]}
ACCOUNT = {"account": "A-1", "name": "Acme", "owner": "Kim", "revision": 3}
CONTACT = {
    "contact": "C-1",
    "account": "A-1",
    "email": "kim@example.com",
    "name": "Kim",
    "primary": True,
}

Hostile = tuple[bytes, str]


def texts(item: dict[str, Any], **members: str) -> bytes:
    """The item with JSON texts put in as they are."""
    written = {name: json.dumps(value) for name, value in item.items()} | members
    return ("{" + ",".join(f'"{name}": {value}' for name, value in written.items()) + "}").encode()


def order(**fields: Any) -> bytes:
    return json.dumps(ORDER | fields).encode()


def line(**fields: Any) -> bytes:
    """An order whose second line is hostile."""
    return order(lines=[LINE, LINE | fields])


def raw_line(text: str) -> bytes:
    return texts(ORDER, lines="[" + text + "]")


IN_AN_ID = [
    "",
    "a\x00b",
    "\ud800",
    "a\udfff",
    "a\rb",
    "a\nb",
    "a\u202eb",
    "\u2066a",
    "a\u200bb",
    "a\u200d",
    "\ufeffa",
    "a\u2060b",
]
IN_AN_ID += [
    " a",
    "a ",
    "\u3164",
    "a\u2028b",
    "x" * 101,
    "x" * 1_000_000,
    "a\u00ad",
    "\x7f",
    "\U000e0041",
]
IN_A_NAME = [
    "a\x00b",
    "\ud800",
    "a\r\nBcc: a@b.cd",
    "a\u202eb",
    "a\u200bb",
    "=?utf-8?q?x=0D=0ABcc:_a@b.cd?=",
    "x" * 201,
]
NO_MONEY = [
    "",
    "NaN",
    "nan",
    "Infinity",
    "-inf",
    "1e400",
    "1e5",
    "0x10",
    "1,000",
    "1 ",
    "٣",
    "1" * 40,
    "9" * 40,
    "1.1234567",
    "--1",
]
NO_DAY = [
    "",
    "0001-01-01",
    "9999-12-31",
    "1969-12-31",
    "2026-02-29",
    "2026-03-30T12:00:00",
    "1774915200",
    "20260330",
    "tomorrow",
]
NO_DAY += [
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "30.03.2026",
    "2026-03-30T12:00:00+99:00",
    "2026-03-30 ",
]
NO_TEXT: list[Any] = [1774915200, 1774915200000, 1.5, True, [], {}]
NO_TRUTH: list[Any] = ["yes", 1, []]

ORDERS: list[Hostile] = [
    *((order(order=text), "order") for text in IN_AN_ID),
    *((order(account=text), "account") for text in IN_AN_ID),
    *((order(ordered_on=text), "ordered_on") for text in NO_DAY),
    *((order(ordered_on=value), "ordered_on") for value in NO_TEXT),
    *((line(revenue=text), "lines[1].revenue") for text in NO_MONEY),
    *((order(total=text), "total") for text in ("20.02", "19.98", "NaN", "1e400", "9" * 40)),
    *((order(currency=text), "currency") for text in ("EUR", "", "US", "usd\x00")),
    *((order(revision=value), "revision") for value in (-1, 2**53 + 1, 10**400, 1.5, "7", True)),
    *((order(status=value), "status") for value in ("shipped", "", 1)),
    (raw_line('{"product": "P", "revenue": NaN}'), "lines[0].revenue"),
    (raw_line('{"product": "P", "revenue": 1e400}'), "lines[0].revenue"),
    (raw_line('{"product": "P", "revenue": -Infinity}'), "lines[0].revenue"),
    (raw_line('{"product": "P", "revenue": ' + "9" * 5000 + "}"), "lines[0].revenue"),
    (raw_line('{"product": "P", "revenue": "1", "revenue": "2"}'), "lines[0].revenue"),
    (texts(ORDER, lines="[" * 450 + "]" * 450), "lines[0]"),
    (texts(ORDER, **{"order": '"1", "order": "2"'}), "order"),
    (texts(ORDER, order=r'"a\u0000b"'), "order"),
    (texts(ORDER, order=r'"a\ud800b"'), "order"),
    (texts(ORDER, **{r"\ud800": "1"}), r"\ud800"),
    (line(surprise=1), "lines[1].surprise"),
    (order(organization="other"), "organization"),
    (order(**{"__proto__": 1}), "__proto__"),
    (order(lines=[]), "lines"),
    (order(lines={}), "lines"),
    (order(lines=None), "lines"),
    (order(lines=[None]), "lines[0]"),
    (order(lines=[{"product": "P", "revenue": "1"}] * 200_000), "lines"),
]
ACCOUNTS: list[Hostile] = [
    *((json.dumps(ACCOUNT | {"account": text}).encode(), "account") for text in IN_AN_ID),
    *(
        (json.dumps(ACCOUNT | {"revision": value}).encode(), "revision")
        for value in (-1, 2**60, "1", 1.5)
    ),
    (texts(ACCOUNT, revision="1e400"), "revision"),
    (texts(ACCOUNT, revision="NaN"), "revision"),
    (texts(ACCOUNT, **{"name": '"a", "name": "b"'}), "name"),
    (json.dumps(ACCOUNT | {"enrollment": "no"}).encode(), "enrollment"),
    (b"{}", "account"),
]
CONTACTS: list[Hostile] = [
    *((json.dumps(CONTACT | {"contact": text}).encode(), "contact") for text in IN_AN_ID),
    *((json.dumps(CONTACT | {"account": text}).encode(), "account") for text in IN_AN_ID),
    *((json.dumps(CONTACT | {"primary": value}).encode(), "primary") for value in NO_TRUTH),
    (texts(CONTACT, **{"email": '"a@b.cd", "email": "e@f.gh"'}), "email"),
    (json.dumps(CONTACT | {"unsubscribed": False}).encode(), "unsubscribed"),
    (b"{}", "contact"),
]
KINDS: dict[str, tuple[dict[str, Any], list[Hostile]]] = {
    "orders": (ORDER, ORDERS),
    "accounts": (ACCOUNT, ACCOUNTS),
    "contacts": (CONTACT, CONTACTS),
}
