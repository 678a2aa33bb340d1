"""The orders that nearly every sender sends, read the short way: JSON straight into structs,
each distinct text looked at once.

The long way (`bodies.read_json`, the pydantic models, `acceptance.accept_order`) says of everything
what is wrong with it, field by field, and costs four times as much. Here nothing is ever refused:
what is not plain is handed on, a body by `read` (None), an order by `accept`. So both ways give the
same results and the same bytes: a property test holds them together.
"""

from datetime import date
from functools import lru_cache
from types import NoneType
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from services.ingest.acceptance import Accepted, Terms, accept_order, money, order_of, plain_od
from services.ingest.bodies import Number
from services.ingest.fields import (
    DAY,
    FIRST_DAY,
    LARGEST_REVISION,
    Wrong,
    is_usual_id,
    read_cancelled,
)
from services.ingest.shapes import MOST_LINES
from shared.domain.cleaning import clean_name
from shared.domain.identifiers import (
    LONGEST_ID,
    LONGEST_NAME,
    LONGEST_TEXT,
    is_nothing,
    wrong_id,
    wrong_text,
)
from shared.domain.money import NotMoney, plain_decimal, wrong_order_total
from shared.domain.orders import ContentLine
from shared.errors import Rejected

Text = str | UnsetType | None


class PlainLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line whose decimals are texts, as the documents ask for."""

    product: str
    revenue: str
    od: Text = UNSET
    grade: Text = UNSET
    quantity: Text = UNSET


class PlainOrder(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An order as it was sent. Only its shape is known."""

    order: str
    account: str
    ordered_on: str
    lines: list[PlainLine]
    account_name: Text = UNSET
    revision: int | UnsetType | None = UNSET
    status: Text = UNSET
    currency: Text = UNSET
    total: Text = UNSET


class _Batch(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    orders: list[PlainOrder]


_one, _batch, _list = (
    msgspec.json.Decoder(type_) for type_ in (PlainOrder, _Batch, list[PlainOrder])
)
_NOT_PLAIN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

ORDER_TEXTS, LINE_TEXTS = (
    7,
    4,
)  # texts, names of fields included, of what every order and every line has
TEXTS = {UnsetType: 0, NoneType: 1, int: 1, str: 2}  # of a field that may be left out


def read(body: bytes) -> tuple[list[PlainOrder], bool] | None:
    """(the orders, whether it was a batch); None for a body that the long way must read."""
    try:
        if body.lstrip(b" \t\r\n").startswith(b"["):
            orders, others, batch = cast(list[PlainOrder], _list.decode(body)), 0, True
        else:
            try:
                orders, others, batch = [cast(PlainOrder, _one.decode(body))], 0, False
            except msgspec.ValidationError:
                orders, others, batch = cast(_Batch, _batch.decode(body)).orders, 1, True
    except _NOT_PLAIN:
        return None
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    if unescaped.count(b'"') != 2 * (others + sum(map(_texts, orders))):
        return None  # a key comes twice: of two values the decoder keeps one
    if (not body.isascii() or b"\x7f" in body or b"\\" in unescaped or b"=?" in body) and not all(
        map(_is_visible, orders)
    ):
        return None
    return orders, batch


def accept(item: object, terms: Terms) -> Accepted:
    """`accept_order`, the short way where it can be. Raises Rejected."""
    if not isinstance(item, PlainOrder):
        return accept_order(item, terms)
    return accept_plain(item, terms) or accept_order(as_json(item), terms)


def as_json(order: PlainOrder) -> dict[str, Any]:
    """The order as `bodies.read_json` would give it."""
    found: dict[str, Any] = msgspec.structs.asdict(order)
    lines = [
        {name: text for name, text in msgspec.structs.asdict(line).items() if text is not UNSET}
        for line in order.lines
    ]
    found = {name: value for name, value in found.items() if value is not UNSET} | {"lines": lines}
    if order.revision is not UNSET and order.revision is not None:
        found["revision"] = Number(str(order.revision))
    return found


def _texts(order: PlainOrder) -> int:
    """How many texts a JSON document of the order has, names included."""
    found = ORDER_TEXTS + LINE_TEXTS * len(order.lines)
    for value in (order.account_name, order.revision, order.status, order.currency, order.total):
        found += TEXTS[type(value)]
    for line in order.lines:
        found += TEXTS[type(line.od)] + TEXTS[type(line.grade)] + TEXTS[type(line.quantity)]
    return found


def _is_visible(order: PlainOrder) -> bool:
    """True where no character of it is refused. (A body of printable ASCII holds none that is.)"""
    return (
        wrong_id(order.order) is None
        and wrong_id(order.account) is None
        and (not order.account_name or _is_clean(order.account_name))
        and all(
            _is_clean(line.product)
            and (not line.od or wrong_text(line.od) is None)
            and (not line.grade or wrong_text(line.grade) is None)
            for line in order.lines
        )
    )


@lru_cache(maxsize=10_000)
def _is_clean(text: str) -> bool:
    return clean_name(text).changed is None


@lru_cache(maxsize=10_000)
def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        return None


@lru_cache(maxsize=100_000)
def _quantity(text: str) -> str:
    """Raises Wrong."""
    quantity = plain_decimal(text)
    if quantity is None:
        raise Wrong
    return quantity


def accept_plain(item: PlainOrder, terms: Terms) -> Accepted | None:
    """None for anything that is refused, rounded, or worth a warning: the long way says what."""
    order, account, name, revision = (
        item.order,
        item.account,
        item.account_name or None,
        item.revision,
    )
    ordered_on = _day(item.ordered_on)
    if (
        not 0 < len(order) <= LONGEST_ID
        or not 0 < len(account) <= LONGEST_ID
        or order.strip() != order
        or account.strip() != account
        or not is_usual_id(order)
        or not is_usual_id(account)
        or (name is not None and (name != name.strip() or is_nothing(name)))
        or (item.account_name == "" or (name is not None and len(name) > LONGEST_NAME))
        or ordered_on is None
        or not FIRST_DAY <= ordered_on <= terms.today
        or not 0 < len(item.lines) <= min(MOST_LINES, terms.most_lines)
        or item.currency not in (UNSET, None, terms.currency)
    ):
        return None
    if revision is UNSET or revision is None:
        revision = None
    elif not 0 <= revision <= LARGEST_REVISION:
        return None
    places = terms.places
    lines: list[ContentLine] = []
    sum_cents = 0
    try:
        for line in item.lines:
            product, od, grade, quantity = (
                line.product.strip(),
                line.od or None,
                line.grade or None,
                line.quantity,
            )
            if (
                od is not None
                and (od := od.strip() or None) is not None
                and (len(od) > LONGEST_TEXT or plain_od(od).warning)
            ):
                return None
            if (
                grade is not None
                and (grade := grade.strip() or None) is not None
                and len(grade) > LONGEST_TEXT
            ):
                return None
            quantity = None if quantity is UNSET or quantity is None else _quantity(quantity)
            if is_nothing(product) or (od and is_nothing(od)) or (grade and is_nothing(grade)):
                return None
            amount = money(line.revenue, places)
            if amount.lost or not 0 < len(product) <= LONGEST_TEXT:
                return None
            sum_cents += amount.cents
            lines.append((product, od, grade, quantity, amount.cents))
        if item.total is not UNSET and item.total is not None:
            total = money(item.total, places)
            if total.lost or abs(total.cents - sum_cents) > 1:
                return None
        if wrong_order_total(sum_cents):
            return None
        cancelled = (
            False if item.status is UNSET or item.status is None else read_cancelled(item.status)
        )
        event, encoded = order_of(
            terms,
            order=order,
            account=account,
            ordered_on=ordered_on,
            counts_on=ordered_on,
            revision=revision,
            cancelled=cancelled,
            lines=lines,
            account_name=name,
        )
    except (NotMoney, Wrong, Rejected):
        return None
    return Accepted(id=order, event=event, encoded=encoded)
