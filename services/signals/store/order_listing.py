"""Orders narrowed down: by account, owner, day, size, grade, product; by their day or their net.

No index knows what is in an order, so orders are looked through in the order of their days, for a
short while, and the page says how far back it looked: it is quick at any number of orders, and goes
on where it stopped. Orders of an account have an index of their own. By net, the newest of those
that fit are sorted.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from psycopg import sql
from psycopg.rows import class_row

from services.signals.store.live import NewOrder
from shared import db

Sort = Literal["day", "net"]

LOOKED_AT_ONCE = 5_000  # orders of a step
LOOKS_SECONDS = 0.06  # then the page is shown as it is
MOST_SORTED = 20_000  # orders, the newest of those that fit, that are sorted by their net
MOST_ACCOUNTS = 1_000  # that a name may mean

COLUMNS = """
    o.order_id,
    o.account,
    a.name,
    a.owner,
    o.accepted_at,
    o.counts_on,
    o.cancelled,
    cardinality(o.revenues_cents) AS lines,
    o.net_cents
"""

PAGE = """
SELECT {columns}
FROM orders o
LEFT JOIN accounts a ON a.organization = o.organization AND a.account = o.account
WHERE o.organization = %(organization)s
  {conditions}
ORDER BY o.counts_on DESC, o.order_id DESC
LIMIT %(limit)s
"""

# Where a step ends: the last of so many orders.
STEP = """
SELECT o.counts_on, o.order_id
FROM orders o
WHERE o.organization = %(organization)s
  {place}
ORDER BY o.counts_on DESC, o.order_id DESC
OFFSET %(looked)s
LIMIT 1
"""

BY_NET = """
SELECT *
FROM (
    SELECT {columns}
    FROM orders o
    LEFT JOIN accounts a ON a.organization = o.organization AND a.account = o.account
    WHERE o.organization = %(organization)s
      {conditions}
    ORDER BY o.counts_on DESC, o.order_id DESC
    LIMIT %(sorted)s
) AS o
WHERE true
  {place}
ORDER BY o.net_cents DESC, o.order_id DESC
LIMIT %(limit)s
"""

ORDER = """
SELECT
    o.order_id,
    o.account,
    a.name,
    a.owner,
    o.accepted_at,
    o.ordered_on,
    o.counts_on,
    o.revision,
    o.cancelled,
    o.net_cents,
    o.products,
    o.ods,
    o.grades,
    o.quantities,
    o.revenues_cents
FROM orders o
LEFT JOIN accounts a ON a.organization = o.organization AND a.account = o.account
WHERE o.organization = %(organization)s
  AND o.order_id = %(order)s
"""

# A line that has all that is asked of it. The first two tests need no look into the lines.
HAS_LINE = """
(%(ods)s::text[] IS NULL OR o.ods && %(ods)s)
  AND (%(grades)s::text[] IS NULL OR o.grades && %(grades)s)
  AND EXISTS (
      SELECT
      FROM unnest(o.ods, o.grades, o.products) AS line (od, grade, product)
      WHERE (%(ods)s::text[] IS NULL OR line.od = ANY(%(ods)s))
        AND (%(grades)s::text[] IS NULL OR line.grade = ANY(%(grades)s))
        AND (%(product)s::text IS NULL OR line.product = %(product)s)
  )
"""


@dataclass(frozen=True, kw_only=True)
class Narrowed:
    """Which orders; all of it holds at once. ods, grades: texts as sent that mean what is asked
    for, of one line with the product.
    """

    accounts: tuple[str, ...] | None = None
    owner: str | None = None
    first_on: date | None = None
    last_on: date | None = None
    ods: tuple[str, ...] | None = None
    grades: tuple[str, ...] | None = None
    product: str | None = None

    @property
    def of_lines(self) -> bool:
        """Whether something is asked of their lines."""
        return not (self.ods is None and self.grades is None and self.product is None)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Behind the order with this day or net, and this number."""

    value: date | int
    order: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """rows: those that fit, one more than asked for where there are more. looked_to: the place up
    to which was looked, where that was not all. is_cut: not all that fit were sorted.
    """

    rows: list[NewOrder]
    looked_to: Place | None = None
    is_cut: bool = False


@dataclass(frozen=True, kw_only=True)
class WholeOrder:
    """An order's counting version, with its lines."""

    order_id: str
    account: str
    name: str | None
    owner: str | None
    accepted_at: Any
    ordered_on: date
    counts_on: date
    revision: int
    cancelled: bool
    net_cents: int
    products: list[str]
    ods: list[str | None]
    grades: list[str | None]
    quantities: list[str | None]
    revenues_cents: list[int]


def page(
    connection: db.Connection,
    organization: str,
    narrowed: Narrowed,
    *,
    sort: Sort,
    place: Place | None,
    limit: int,
) -> Listing:
    """The newest days, or the largest nets, first."""
    values = _values(organization, narrowed) | {"limit": limit}
    if sort == "net":
        return _by_net(connection, narrowed, values, place)
    if narrowed.accounts is not None or narrowed == Narrowed():
        rows = _rows(connection, values, [*_conditions(narrowed), *_behind(place)], place)
        return Listing(rows=rows)
    return _looked_through(connection, narrowed, values, place, limit)


def find(connection: db.Connection, organization: str, order: str) -> WholeOrder | None:
    """One order; None where there is no such."""
    with connection.cursor(row_factory=class_row(WholeOrder)) as cursor:
        return cursor.execute(ORDER, {"organization": organization, "order": order}).fetchone()


def _looked_through(
    connection: db.Connection,
    narrowed: Narrowed,
    values: dict[str, Any],
    place: Place | None,
    limit: int,
) -> Listing:
    """Step by step, until the page is full, all is looked at, or it takes too long."""
    rows: list[NewOrder] = []
    began, at = time.monotonic(), place
    if at is None and narrowed.last_on is not None:
        at = Place(value=narrowed.last_on, order=chr(1114111))
    while True:
        end = _step_end(connection, values, at)
        if end is not None and narrowed.first_on is not None and end.value < narrowed.first_on:  # type: ignore[operator]  # a day
            end = None
        here = [*_conditions(narrowed), *_behind(at)]
        if end is not None:
            here.append("(o.counts_on, o.order_id) >= (%(end_value)s, %(end_order)s)")
        step = values | ({} if end is None else {"end_value": end.value, "end_order": end.order})
        rows += _rows(connection, step | {"limit": limit - len(rows)}, here, at)
        if end is None or len(rows) >= limit:
            return Listing(rows=rows)
        at = end
        if time.monotonic() - began > LOOKS_SECONDS:
            return Listing(rows=rows, looked_to=at)


def _step_end(
    connection: db.Connection, values: dict[str, Any], place: Place | None
) -> Place | None:
    """None where fewer orders are left than a step has."""
    statement = sql.SQL(STEP).format(place=_all(_behind(place)))
    row = connection.execute(
        statement, values | _of_place(place) | {"looked": LOOKED_AT_ONCE - 1}
    ).fetchone()
    return None if row is None else Place(value=row[0], order=row[1])


def _by_net(
    connection: db.Connection, narrowed: Narrowed, values: dict[str, Any], place: Place | None
) -> Listing:
    behind = [] if place is None else ["(o.net_cents, o.order_id) < (%(value)s, %(order)s)"]
    statement = sql.SQL(BY_NET).format(
        columns=sql.SQL(COLUMNS), conditions=_all(_conditions(narrowed)), place=_all(behind)
    )
    counted = sql.SQL(
        "SELECT count(*) FROM (SELECT FROM orders o LEFT JOIN accounts a ON a.organization = "
        "o.organization AND a.account = o.account WHERE o.organization = %(organization)s "
        "{conditions} LIMIT %(sorted)s) AS fits"
    ).format(conditions=_all(_conditions(narrowed)))
    given = values | _of_place(place)
    with connection.cursor(row_factory=class_row(NewOrder)) as cursor:
        rows = cursor.execute(statement, given | {"sorted": MOST_SORTED}).fetchall()
    row = connection.execute(counted, given | {"sorted": MOST_SORTED + 1}).fetchone()
    return Listing(rows=rows, is_cut=row is not None and row[0] > MOST_SORTED)


def _rows(
    connection: db.Connection,
    values: dict[str, Any],
    conditions: Sequence[str],
    place: Place | None,
) -> list[NewOrder]:
    statement = sql.SQL(PAGE).format(columns=sql.SQL(COLUMNS), conditions=_all(conditions))
    with connection.cursor(row_factory=class_row(NewOrder)) as cursor:
        return cursor.execute(statement, values | _of_place(place)).fetchall()


def _conditions(narrowed: Narrowed) -> list[str]:
    named = {
        "o.account = ANY(%(accounts)s)": narrowed.accounts,
        "a.owner = %(owner)s": narrowed.owner,
        "o.counts_on >= %(first_on)s": narrowed.first_on,
        "o.counts_on <= %(last_on)s": narrowed.last_on,
    }
    found = [condition for condition, value in named.items() if value is not None]
    return [*found, *([HAS_LINE] if narrowed.of_lines else [])]


def _behind(place: Place | None) -> list[str]:
    return [] if place is None else ["(o.counts_on, o.order_id) < (%(value)s, %(order)s)"]


def _of_place(place: Place | None) -> dict[str, Any]:
    return {} if place is None else {"value": place.value, "order": place.order}


def _values(organization: str, narrowed: Narrowed) -> dict[str, Any]:
    def listed(texts: tuple[str, ...] | None) -> list[str] | None:
        return None if texts is None else list(texts)

    return {
        "organization": organization,
        "accounts": listed(narrowed.accounts),
        "owner": narrowed.owner,
        "first_on": narrowed.first_on,
        "last_on": narrowed.last_on,
        "ods": listed(narrowed.ods),
        "grades": listed(narrowed.grades),
        "product": narrowed.product,
    }


def _all(conditions: Sequence[str]) -> sql.Composed:
    return sql.SQL("\n  ").join(sql.SQL("AND " + condition) for condition in conditions)
