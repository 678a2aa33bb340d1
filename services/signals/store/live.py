"""The newest orders with the state of their accounts, and a counter that moves when an order or a
recovery comes.

Orders are stored about as they were accepted, so a block-range index finds the newest by time; that
costs an import nothing. How far back a page of them reaches is not known before: the window grows
until it is full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from psycopg.rows import class_row

from shared import db
from shared.events import SignalType

WINDOWS = (
    timedelta(minutes=1),
    timedelta(minutes=30),
    timedelta(hours=12),
    timedelta(days=14),
    timedelta(days=400),
)

NEWEST_ORDERS = """
SELECT
    o.order_id,
    o.account,
    a.name,
    a.owner,
    o.accepted_at,
    o.counts_on,
    o.cancelled,
    cardinality(o.revenues_cents) AS lines,
    saturated(coalesce((SELECT sum(cents) FROM unnest(o.revenues_cents) AS cents), 0))::bigint
        AS net_cents
FROM orders o
LEFT JOIN accounts a ON a.organization = o.organization AND a.account = o.account
WHERE o.organization = %(organization)s
  AND (%(since)s::timestamptz IS NULL OR o.accepted_at >= %(since)s)
  AND o.accepted_at <= %(until)s
  AND (%(order_id)s::text IS NULL OR (o.accepted_at, o.order_id) < (%(until)s, %(order_id)s))
ORDER BY o.accepted_at DESC, o.order_id DESC
LIMIT %(limit)s
"""

ACTIVE_TYPES = """
SELECT
    account,
    type,
    count(*)
FROM signals
WHERE organization = %(organization)s
  AND account = ANY(%(accounts)s)
  AND recovered_at IS NULL
GROUP BY account, type
"""

ANSWERED = """
SELECT
    recovered_by,
    type,
    od,
    grade
FROM signals
WHERE organization = %(organization)s
  AND account = ANY(%(accounts)s)
  AND recovered_by = ANY(%(orders)s)
  AND resolution = 'reordered'
ORDER BY type, od, grade
"""

COUNTER = """
SELECT
    f.last_accepted_at,
    (
        SELECT max(recovered_at)
        FROM signals
        WHERE organization = f.organization
          AND recovered_at IS NOT NULL
    ),
    (
        SELECT max(sent_at)
        FROM published_letters
        WHERE organization = f.organization
    ),
    (
        SELECT max(stopped_at)
        FROM published_enrollments
        WHERE organization = f.organization
    ),
    (
        SELECT max(started_at)
        FROM published_enrollments
        WHERE organization = f.organization
    )
FROM feeds f
WHERE f.organization = %s
"""


@dataclass(frozen=True, kw_only=True)
class NewOrder:
    """An order's counting version, in short."""

    order_id: str
    account: str
    name: str | None
    owner: str | None
    accepted_at: datetime
    counts_on: date
    cancelled: bool
    lines: int
    net_cents: int


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A signal that an order ended."""

    type: SignalType
    od: str | None
    grade: str | None


def newest_orders(
    connection: db.Connection, organization: str, *, until: datetime, before: str | None, limit: int
) -> list[NewOrder]:
    """Accepted up to `until`, the newest first; with `before`, those behind
    that order of that moment.
    """
    values = {"organization": organization, "until": until, "order_id": before, "limit": limit}
    found: list[NewOrder] = []
    with connection.cursor(row_factory=class_row(NewOrder)) as cursor:
        for window in (*WINDOWS, None):
            since = None if window is None else until - window
            found = cursor.execute(NEWEST_ORDERS, values | {"since": since}).fetchall()
            if len(found) >= limit:
                break
    return found


def active_types(
    connection: db.Connection, organization: str, accounts: Sequence[str]
) -> dict[str, dict[SignalType, int]]:
    """account -> how many active signals of each type; accounts without any are left out."""
    found: dict[str, dict[SignalType, int]] = {}
    for account, type_, number in connection.execute(
        ACTIVE_TYPES, {"organization": organization, "accounts": list(accounts)}
    ):
        found.setdefault(account, {})[type_] = number
    return found


def answered(
    connection: db.Connection, organization: str, orders: Sequence[str], accounts: Sequence[str]
) -> dict[str, list[Answered]]:
    """order -> the signals that it ended."""
    values = {"organization": organization, "orders": list(orders), "accounts": list(accounts)}
    found: dict[str, list[Answered]] = {}
    for order, type_, od, grade in connection.execute(ANSWERED, values):
        found.setdefault(order, []).append(Answered(type=type_, od=od, grade=grade))
    return found


def counter(connection: db.Connection, organization: str) -> str:
    """Another text after each order, recovery, letter and stop; the same while nothing comes."""
    row = connection.execute(COUNTER, (organization,)).fetchone()
    return (
        ".".join(str(int(at.timestamp() * 1_000_000)) if at else "0" for at in row) if row else "0"
    )
