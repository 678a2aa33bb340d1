"""The orders read model: the counting version of each order, the accounts that orders name, the
pulse of the feed.

Which version counts is product.md 1; the merge says in SQL what `shared.domain.orders.counting`
says, and a test holds them together.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from services.signals.store import Staging, goods, outcomes
from shared import db
from shared.domain.money import saturated
from shared.events import Order

Accepted = tuple[Order, datetime, int]  # the order, when its block was accepted, the block's offset

STAGED = Staging(
    "staged_orders",
    [
        ("round", "int4"),
        ("place", "int4"),
        ("organization", "text"),
        ("order_id", "text"),
        ("account", "text"),
        ("ordered_on", "date"),
        ("counts_on", "date"),
        ("revision", "int8"),
        ("revision_given", "bool"),
        ("content", "bytea"),
        ("cancelled", "bool"),
        ("products", "text[]"),
        ("ods", "text[]"),
        ("grades", "text[]"),
        ("quantities", "text[]"),
        ("revenues_cents", "int8[]"),
        ("accepted_at", "timestamptz"),
        ("source_offset", "int8"),
        ("account_name", "text"),
        ("owner", "text"),
        ("net_cents", "int8"),
        ("is_activity", "bool"),
    ],
)

CREATE_ACCOUNTS = """
INSERT INTO accounts (organization, account)
SELECT DISTINCT
    organization,
    account
FROM staged_orders
ORDER BY organization, account
ON CONFLICT DO NOTHING
"""

# One round: at most one version of each order. `fresh` is what changes something: a version that
# replaces the counting one, or its content again with an earlier day, which moves the day alone. An
# account is touched by an order that came to it, changed in it or left it, and takes its name and
# owner from the order until a record of its own has one. Its lifetime moves by what came and went,
# its activity days reach as far as what came; `lost_day` says that what went may have been the
# first or last, `lost_cents` that the lifetime was or is saturated: what it moved by is not all.
MERGE_ORDERS = """
WITH fresh AS (
    SELECT
        s.*,
        o.account AS former_account,
        CASE WHEN o.cancelled THEN 0 ELSE coalesce(o.net_cents, 0) END AS former_cents,
        CASE WHEN o.is_activity AND NOT o.cancelled THEN o.counts_on END AS former_day,
        CASE WHEN s.cancelled THEN 0 ELSE s.net_cents END AS cents,
        CASE WHEN s.is_activity AND NOT s.cancelled THEN s.counts_on END AS day,
        o.order_id IS NOT NULL
            AND s.content = o.content
            AND (s.revision = o.revision OR NOT s.revision_given) AS repeats
    FROM staged_orders s
    LEFT JOIN orders o USING (organization, order_id)
    WHERE s.round = %s
      AND CASE
          WHEN o.order_id IS NULL THEN true
          WHEN s.content = o.content AND (s.revision = o.revision OR NOT s.revision_given)
              THEN s.counts_on < o.counts_on
          ELSE (s.revision, s.content) > (o.revision, o.content)
      END
),
replaced AS (
    INSERT INTO orders (
        organization, order_id, account, ordered_on, counts_on, revision, content, cancelled,
        products, ods, grades, quantities, revenues_cents, accepted_at, source_offset, net_cents,
        is_activity
    )
    SELECT
        organization, order_id, account, ordered_on, counts_on, revision, content, cancelled,
        products, ods, grades, quantities, revenues_cents, accepted_at, source_offset, net_cents,
        is_activity
    FROM fresh
    WHERE NOT repeats
    ON CONFLICT (organization, order_id) DO UPDATE SET
        account = excluded.account,
        ordered_on = excluded.ordered_on,
        counts_on = excluded.counts_on,
        revision = excluded.revision,
        content = excluded.content,
        cancelled = excluded.cancelled,
        products = excluded.products,
        ods = excluded.ods,
        grades = excluded.grades,
        quantities = excluded.quantities,
        revenues_cents = excluded.revenues_cents,
        accepted_at = excluded.accepted_at,
        source_offset = excluded.source_offset,
        net_cents = excluded.net_cents,
        is_activity = excluded.is_activity
),
moved AS (
    UPDATE orders o
    SET counts_on = f.counts_on
    FROM fresh f
    WHERE f.repeats
      AND o.organization = f.organization
      AND o.order_id = f.order_id
),
touched AS (
    SELECT
        organization,
        account,
        max(source_offset) AS source_offset,
        (array_agg(name ORDER BY place DESC) FILTER (WHERE name IS NOT NULL))[1] AS name,
        (array_agg(owner ORDER BY place DESC) FILTER (WHERE owner IS NOT NULL))[1] AS owner,
        sum(cents) AS cents,
        min(day) AS first_on,
        max(day) AS last_on,
        bool_or(lost_day) AS lost_day
    FROM (
        SELECT
            organization, account, source_offset, account_name AS name, owner, place, cents, day,
            false AS lost_day
        FROM fresh
        UNION ALL
        SELECT
            organization, former_account, source_offset, NULL, NULL, place, -former_cents, NULL,
            former_day IS NOT NULL
                AND (former_account <> account OR former_day IS DISTINCT FROM day)
        FROM fresh
        WHERE former_account IS NOT NULL
    ) AS sides
    GROUP BY organization, account
)
UPDATE accounts a
SET touched_offset = greatest(a.touched_offset, t.source_offset),
    lifetime_cents = saturated(a.lifetime_cents + t.cents),
    first_ordered_on = least(a.first_ordered_on, t.first_on),
    last_ordered_on = greatest(a.last_ordered_on, t.last_on),
    name = CASE WHEN a.name_revision = -1 THEN coalesce(t.name, a.name) ELSE a.name END,
    owner = CASE WHEN a.owner_revision = -1 THEN coalesce(t.owner, a.owner) ELSE a.owner END
FROM touched t
WHERE a.organization = t.organization
  AND a.account = t.account
RETURNING
    a.organization,
    a.account,
    t.lost_day,
    abs(a.lifetime_cents) + abs(t.cents) >= saturated(1e30) AS lost_cents
"""

# After an order was cancelled, moved or lost its positive lines: the ends of what
# is left, by the index.
FIND_ENDS = """
UPDATE accounts a
SET first_ordered_on = (
        SELECT counts_on
        FROM orders
        WHERE organization = a.organization
          AND account = a.account
          AND is_activity
          AND NOT cancelled
        ORDER BY counts_on
        LIMIT 1
    ),
    last_ordered_on = (
        SELECT counts_on
        FROM orders
        WHERE organization = a.organization
          AND account = a.account
          AND is_activity
          AND NOT cancelled
        ORDER BY counts_on DESC
        LIMIT 1
    )
FROM unnest(%s::text[], %s::text[]) AS t (organization, account)
WHERE a.organization = t.organization
  AND a.account = t.account
"""

# After a lifetime that was or is saturated: the sum of all orders.
FIND_LIFETIMES = """
UPDATE accounts a
SET lifetime_cents = saturated(coalesce((
        SELECT sum(net_cents)
        FROM orders
        WHERE organization = a.organization
          AND account = a.account
          AND NOT cancelled
    ), 0))
FROM unnest(%s::text[], %s::text[]) AS t (organization, account)
WHERE a.organization = t.organization
  AND a.account = t.account
"""

BEAT = """
INSERT INTO feeds (organization, last_accepted_at, last_ordered_on)
SELECT
    organization,
    max(accepted_at),
    max(counts_on)
FROM staged_orders
GROUP BY organization
ON CONFLICT (organization) DO UPDATE SET
    last_accepted_at = greatest(feeds.last_accepted_at, excluded.last_accepted_at),
    last_ordered_on = greatest(feeds.last_ordered_on, excluded.last_ordered_on)
"""

DISTINCT_ODS = """
SELECT DISTINCT line.od
FROM orders
CROSS JOIN LATERAL unnest(orders.ods) AS line (od)
WHERE orders.organization = %s
  AND line.od IS NOT NULL
"""


def save(connection: db.Connection, accepted: Sequence[Accepted]) -> None:
    """Merge orders as they stand in the log. Several versions of one order are
    merged one after the other.
    """
    rounds: Counter[tuple[str, str]] = Counter()
    goods.note(connection, (order for order, _, _ in accepted))
    STAGED.fill(connection, _rows(accepted, rounds))
    connection.execute(CREATE_ACCOUNTS)
    for number in range(1, max(rounds.values(), default=0) + 1):
        # a plan for the size that this batch has
        touched = connection.execute(MERGE_ORDERS, (number,), prepare=False).fetchall()
        for place, find in ((2, FIND_ENDS), (3, FIND_LIFETIMES)):
            lost = [row for row in touched if row[place]]
            if lost:
                connection.execute(find, ([row[0] for row in lost], [row[1] for row in lost]))
    outcomes.answer(connection)
    connection.execute(BEAT)


def _rows(
    accepted: Sequence[Accepted], rounds: Counter[tuple[str, str]]
) -> Iterator[tuple[Any, ...]]:
    for place, (order, accepted_at, offset) in enumerate(accepted):
        key = (order.organization, order.order)
        rounds[key] += 1
        yield (
            rounds[key],
            place,
            order.organization,
            order.order,
            order.account,
            order.ordered_on,
            order.counts_on,
            order.revision,
            order.revision_given,
            bytes.fromhex(order.content),
            order.cancelled,
            [line.product for line in order.lines],
            [line.od for line in order.lines],
            [line.grade for line in order.lines],
            [line.quantity for line in order.lines],
            [line.revenue_cents for line in order.lines],
            accepted_at,
            offset,
            order.account_name,
            order.owner,
            saturated(sum(line.revenue_cents for line in order.lines)),
            any(line.revenue_cents > 0 for line in order.lines),
        )
