"""The accounts table: a page of it by any sort and filter, its totals, what a row's
tooltip says, enrollment.

How a page is asked for, so that it is quick at a million accounts: store/account_paging.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row

from services.signals.store import account_paging
from services.signals.store.account_filter import CALL, FLAGGED, Filter
from services.signals.store.account_paging import ALONE, COLUMNS, MOST_COUNTED, Place, Sort
from shared import db
from shared.domain.enrollment import Enrollment
from shared.events import SignalType

MOST_OWNERS = 200
TOP_ITEMS = 3

TOTALS = """
SELECT
    count(*) FILTER (WHERE {call}) AS call,
    saturated(coalesce(sum(a.at_stake_cents) FILTER (WHERE {call}), 0))::bigint
        AS recoverable_cents,
    count(*) FILTER (WHERE a.dormant > 0) AS dormant,
    count(*) FILTER (WHERE a.lapse > 0) AS lapse,
    count(*) FILTER (WHERE a.cherry_picking > 0) AS cherry_picking
FROM accounts a
WHERE a.organization = %(organization)s
  AND {flagged}
"""

# One step of the index an owner, however many accounts each has.
OWNERS = """
WITH RECURSIVE found AS (
    (
        SELECT owner
        FROM accounts
        WHERE organization = %(organization)s
          AND owner IS NOT NULL
        ORDER BY owner
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT a.owner
        FROM accounts a
        WHERE a.organization = %(organization)s
          AND a.owner > found.owner
        ORDER BY a.owner
        LIMIT 1
    )
    FROM found
    WHERE found.owner IS NOT NULL
)
SELECT owner
FROM found
WHERE owner IS NOT NULL
LIMIT %(most)s
"""

TOP_SIGNALS = """
SELECT
    account,
    type,
    od,
    grade,
    figures
FROM (
    SELECT
        s.*,
        row_number() OVER (
            PARTITION BY s.account, s.type
            ORDER BY (s.figures ->> 'lapsed_revenue_cents')::bigint DESC NULLS LAST, s.od, s.grade
        ) AS place
    FROM signals s
    WHERE s.organization = %(organization)s
      AND s.account = ANY(%(accounts)s)
      AND s.recovered_at IS NULL
) AS ranked
WHERE place <= %(most)s
ORDER BY account, type, place
"""

TYPICAL_GAPS = """
SELECT
    account,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY gap)::int AS days,
    count(*)::int AS gaps
FROM (
    SELECT
        account,
        counts_on - lag(counts_on) OVER (PARTITION BY account ORDER BY counts_on) AS gap
    FROM (
        SELECT DISTINCT account, counts_on
        FROM orders
        WHERE organization = %(organization)s
          AND account = ANY(%(accounts)s)
          AND is_activity
          AND NOT cancelled
    ) AS days
) AS gaps
WHERE gap IS NOT NULL
GROUP BY account
HAVING count(*) >= 2
"""

FIND = """
SELECT {columns}, NULL AS key
FROM accounts a
WHERE a.organization = %(organization)s
  AND a.account = %(account)s
"""

LOCK_ENROLLMENT = """
SELECT enrollment
FROM accounts
WHERE organization = %(organization)s
  AND account = %(account)s
FOR UPDATE
"""

SET_ENROLLMENT = """
UPDATE accounts
SET enrollment = %(enrollment)s
WHERE organization = %(organization)s
  AND account = %(account)s
"""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How many fit; where not all were looked at, it is so many at least."""

    number: int
    is_all: bool


@dataclass(frozen=True, kw_only=True)
class ListedRow:
    """An account with what the table says of it. `key`: its value of the page's sort."""

    account: str
    name: str | None
    owner: str | None
    enrollment: Enrollment
    last_ordered_on: date | None
    lifetime_cents: int
    at_stake_cents: int
    dormant: int
    lapse: int
    cherry_picking: int
    last_contact_at: datetime | None
    paused_until: datetime | None
    lost_at: datetime | None
    key: Any


@dataclass(frozen=True, kw_only=True)
class ListTotals:
    """Of the whole organization: accounts to call, what is recoverable, accounts by type."""

    call: int
    recoverable_cents: int
    dormant: int
    lapse: int
    cherry_picking: int


@dataclass(frozen=True, kw_only=True)
class TopSignal:
    """One of an account's largest active signals of a type."""

    account: str
    type: SignalType
    od: str | None
    grade: str | None
    figures: dict[str, Any]


def page(
    connection: db.Connection,
    organization: str,
    *,
    sort: Sort,
    descending: bool,
    narrowed: Filter,
    place: Place | None,
    limit: int,
    now: datetime,
) -> list[ListedRow]:
    """Up to `limit` rows in the order of the sort; before a place: those nearest to it."""
    forwards = place is None or place.is_after
    rows: list[ListedRow] | None = None
    connection.execute(ALONE)
    with connection.cursor(row_factory=class_row(ListedRow)) as cursor:
        for way in account_paging.ways(
            connection, organization, sort, descending, narrowed, place, now
        ):
            if rows is None or way.goes_on(len(rows), limit):
                rows = cursor.execute(way.statement, way.values | {"limit": limit}).fetchall()
    assert rows is not None
    return rows if forwards else rows[::-1]


def count(
    connection: db.Connection, organization: str, narrowed: Filter, *, now: datetime
) -> Counted:
    """How many fit, of those that the filter's index leads to."""
    statement, values = account_paging.count(connection, organization, narrowed, now)
    row = connection.execute(statement, values | {"most": MOST_COUNTED + 1}).fetchone()
    fits, seen = (int(row[0]), int(row[1])) if row else (0, 0)
    return Counted(
        number=fits if seen <= MOST_COUNTED else min(fits, MOST_COUNTED),
        is_all=seen <= MOST_COUNTED,
    )


def totals(connection: db.Connection, organization: str, *, now: datetime) -> ListTotals:
    """What the head and the tabs say."""
    with connection.cursor(row_factory=class_row(ListTotals)) as cursor:
        statement = sql.SQL(TOTALS).format(call=sql.SQL(CALL), flagged=sql.SQL(FLAGGED))
        found = cursor.execute(statement, {"organization": organization, "now": now}).fetchone()
    assert found is not None
    return found


def owners(connection: db.Connection, organization: str) -> list[str]:
    """Who owns accounts, by name."""
    return [
        str(row[0])
        for row in connection.execute(OWNERS, {"organization": organization, "most": MOST_OWNERS})
    ]


def top_signals(
    connection: db.Connection, organization: str, accounts: Sequence[str]
) -> list[TopSignal]:
    """The three largest of each type of each account, by revenue."""
    values = {"organization": organization, "accounts": list(accounts), "most": TOP_ITEMS}
    with connection.cursor(row_factory=class_row(TopSignal)) as cursor:
        return cursor.execute(TOP_SIGNALS, values).fetchall()


def typical_gaps(
    connection: db.Connection, organization: str, accounts: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """(median days between distinct activity days, of how many gaps); accounts with less than three
    such days are left out.
    """
    found = connection.execute(
        TYPICAL_GAPS, {"organization": organization, "accounts": list(accounts)}
    )
    return {str(row[0]): (int(row[1]), int(row[2])) for row in found}


def find(connection: db.Connection, organization: str, account: str) -> ListedRow | None:
    """One account; None: there is no such."""
    with connection.cursor(row_factory=class_row(ListedRow)) as cursor:
        statement = sql.SQL(FIND).format(columns=sql.SQL(COLUMNS))
        return cursor.execute(
            statement, {"organization": organization, "account": account}
        ).fetchone()


def set_enrollment(
    connection: db.Connection, organization: str, account: str, enrollment: Enrollment
) -> Enrollment | None:
    """What it was; None: there is no such account."""
    key = {"organization": organization, "account": account}
    row = connection.execute(LOCK_ENROLLMENT, key).fetchone()
    if row is None:
        return None
    connection.execute(SET_ENROLLMENT, key | {"enrollment": enrollment})
    was: Enrollment = row[0]
    return was
