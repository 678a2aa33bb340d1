"""The accounts table: a page of it by any sort and filter, its totals, what a row's tooltip says, enrollment.

A page starts behind a place (the sort's value and the account's id), never at a number, so that the millionth row costs what
the first does. Conditions are put together from the named ones below; values are always parameters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from psycopg import sql
from psycopg.rows import class_row

from shared import db
from shared.domain.enrollment import Enrollment
from shared.events import SignalType

Sort = Literal["name", "last_order", "lifetime", "stake"]
Only = Literal["dormant", "lapse", "cherry_picking", "call"]

MOST_FOUND = 5_000  # accounts that a search looks up one by one; a wider one walks the sort's index
MOST_COUNTED = 10_000
MOST_OWNERS = 200
TOP_ITEMS = 3

# The expressions of the indexes accounts_by_…, and what their values are.
SORTS: dict[Sort, tuple[str, str]] = {
    "name": ("a.sort_name", "text"),
    "last_order": ("coalesce(a.last_ordered_on, '0001-01-01')", "date"),
    "lifetime": ("a.lifetime_cents", "bigint"),
    "stake": ("a.at_stake_cents", "bigint"),
}

FLAGGED = "a.dormant + a.lapse + a.cherry_picking > 0"

# Whom the digest would show (shared/domain/enrollment.py says the same).
CALL = "a.enrollment <> 'no' AND a.lost_at IS NULL AND (a.paused_until IS NULL OR a.paused_until <= %(now)s)"

ONLY: dict[Only, str] = {
    "dormant": f"{FLAGGED} AND a.dormant > 0",
    "lapse": f"{FLAGGED} AND a.lapse > 0",
    "cherry_picking": f"{FLAGGED} AND a.cherry_picking > 0",
    "call": f"{FLAGGED} AND {CALL}",
}

HAS_WORD = """EXISTS (
    SELECT
    FROM account_words w
    WHERE w.organization = %(organization)s
      AND w.account = a.account
      AND w.word >= lower(%({word})s)
      AND w.word < lower(%({word})s) || chr(1114111)
)"""

FIND_WORD = """
SELECT DISTINCT account
FROM account_words
WHERE organization = %(organization)s
  AND word >= lower(%(word)s)
  AND word < lower(%(word)s) || chr(1114111)
LIMIT %(most)s
"""

PAGE = """
SELECT
    a.account,
    a.name,
    a.owner,
    a.enrollment,
    a.last_ordered_on,
    a.lifetime_cents,
    a.at_stake_cents,
    a.dormant,
    a.lapse,
    a.cherry_picking,
    a.last_contact_at,
    a.paused_until,
    a.lost_at,
    {key} AS key
FROM accounts a
WHERE a.organization = %(organization)s
  {conditions}
ORDER BY {key} {direction}, a.account {direction}
"""

COUNT = """
SELECT count(*)
FROM (
    SELECT
    FROM accounts a
    WHERE a.organization = %(organization)s
      {conditions}
    LIMIT %(most)s
) AS counted
"""

TOTALS = """
SELECT
    count(*) FILTER (WHERE {call}) AS call,
    coalesce(sum(a.at_stake_cents) FILTER (WHERE {call}), 0)::bigint AS recoverable_cents,
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
    (SELECT owner FROM accounts WHERE organization = %(organization)s AND owner IS NOT NULL ORDER BY owner LIMIT 1)
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
SELECT
    a.account,
    a.name,
    a.owner,
    a.enrollment,
    a.last_ordered_on,
    a.lifetime_cents,
    a.at_stake_cents,
    a.dormant,
    a.lapse,
    a.cherry_picking,
    a.last_contact_at,
    a.paused_until,
    a.lost_at,
    NULL AS key
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
class Filter:
    """Which accounts; all conditions hold at once. `words`: beginnings of words of the name or the id."""

    only: Only | None = None
    owner: str | None = None
    enrollment: Enrollment | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Between two rows: behind (`is_after`) or before the row with this value of the sort and this id."""

    value: str | int
    account: str
    is_after: bool


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
    """Of the whole organization: accounts that need a call, what is recoverable, accounts by type."""

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
    statement, values = page_statement(connection, organization, sort, descending, narrowed, place, now)
    with connection.cursor(row_factory=class_row(ListedRow)) as cursor:
        rows = cursor.execute(statement + sql.SQL("LIMIT %(limit)s"), values | {"limit": limit}).fetchall()
    return rows if forwards else rows[::-1]


def everything(
    connection: db.Connection, organization: str, *, sort: Sort, descending: bool, narrowed: Filter, now: datetime
) -> Iterator[ListedRow]:
    """All rows, read as they are asked for."""
    statement, values = page_statement(connection, organization, sort, descending, narrowed, None, now)
    with connection.cursor("everything", row_factory=class_row(ListedRow)) as cursor:
        cursor.itersize = 1_000
        yield from cursor.execute(statement, values)


def count(connection: db.Connection, organization: str, narrowed: Filter, *, now: datetime) -> int:
    """How many; one more than MOST_COUNTED stands for all that are more."""
    conditions, values = _conditions(connection, organization, narrowed, now)
    statement = sql.SQL(COUNT).format(conditions=_all(conditions))
    row = connection.execute(statement, values | {"most": MOST_COUNTED + 1}).fetchone()
    return int(row[0]) if row else 0


def totals(connection: db.Connection, organization: str, *, now: datetime) -> ListTotals:
    """What the head and the tabs say."""
    with connection.cursor(row_factory=class_row(ListTotals)) as cursor:
        statement = sql.SQL(TOTALS).format(call=sql.SQL(CALL), flagged=sql.SQL(FLAGGED))
        found = cursor.execute(statement, {"organization": organization, "now": now}).fetchone()
    assert found is not None
    return found


def owners(connection: db.Connection, organization: str) -> list[str]:
    """Who owns accounts, by name."""
    return [str(row[0]) for row in connection.execute(OWNERS, {"organization": organization, "most": MOST_OWNERS})]


def top_signals(connection: db.Connection, organization: str, accounts: Sequence[str]) -> list[TopSignal]:
    """The three largest of each type of each account, by revenue."""
    values = {"organization": organization, "accounts": list(accounts), "most": TOP_ITEMS}
    with connection.cursor(row_factory=class_row(TopSignal)) as cursor:
        return cursor.execute(TOP_SIGNALS, values).fetchall()


def typical_gaps(connection: db.Connection, organization: str, accounts: Sequence[str]) -> dict[str, tuple[int, int]]:
    """(median days between distinct activity days, of how many gaps); accounts with less than three such days are left out."""
    found = connection.execute(TYPICAL_GAPS, {"organization": organization, "accounts": list(accounts)})
    return {str(row[0]): (int(row[1]), int(row[2])) for row in found}


def find(connection: db.Connection, organization: str, account: str) -> ListedRow | None:
    """One account; None: there is no such."""
    with connection.cursor(row_factory=class_row(ListedRow)) as cursor:
        return cursor.execute(FIND, {"organization": organization, "account": account}).fetchone()


def set_enrollment(connection: db.Connection, organization: str, account: str, enrollment: Enrollment) -> Enrollment | None:
    """What it was; None: there is no such account."""
    key = {"organization": organization, "account": account}
    row = connection.execute(LOCK_ENROLLMENT, key).fetchone()
    if row is None:
        return None
    connection.execute(SET_ENROLLMENT, key | {"enrollment": enrollment})
    was: Enrollment = row[0]
    return was


def page_statement(
    connection: db.Connection,
    organization: str,
    sort: Sort,
    descending: bool,
    narrowed: Filter,
    place: Place | None,
    now: datetime,
) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement of a page, without its limit, and its values."""
    key, type_ = SORTS[sort]
    conditions, values = _conditions(connection, organization, narrowed, now)
    upwards = descending != (place is None or place.is_after)
    if place is not None:
        conditions.append(f"({key}, a.account) {'>' if upwards else '<'} (%(place_value)s::{type_}, %(place_account)s)")
        values |= {"place_value": place.value, "place_account": place.account}
    statement = sql.SQL(PAGE).format(key=sql.SQL(key), conditions=_all(conditions), direction=sql.SQL("ASC" if upwards else "DESC"))
    return statement, values


def _conditions(connection: db.Connection, organization: str, narrowed: Filter, now: datetime) -> tuple[list[str], dict[str, Any]]:
    """As text with named parameters, and their values."""
    conditions: list[str] = []
    values: dict[str, Any] = {"organization": organization, "now": now}
    if narrowed.only is not None:
        conditions.append(ONLY[narrowed.only])
    if narrowed.owner is not None:
        conditions.append("a.owner = %(owner)s")
        values["owner"] = narrowed.owner
    if narrowed.enrollment is not None:
        conditions.append(
            "a.enrollment = %(enrollment)s" + (" AND a.enrollment <> 'auto'" if narrowed.enrollment != "auto" else "")
        )
        values["enrollment"] = narrowed.enrollment
    rarest: list[str] | None = None
    for number, word in enumerate(narrowed.words):
        name = f"word_{number}"
        conditions.append(HAS_WORD.format(word=name))
        values[name] = word
        found = [str(row[0]) for row in connection.execute(FIND_WORD, values | {"word": word, "most": MOST_FOUND + 1})]
        if len(found) <= MOST_FOUND and (rarest is None or len(found) < len(rarest)):
            rarest = found
    if rarest is not None:
        conditions.append("a.account = ANY(%(found)s)")
        values["found"] = rarest
    return conditions, values


def _all(conditions: Sequence[str]) -> sql.Composed:
    return sql.SQL("\n  ").join(sql.SQL("AND " + condition) for condition in conditions)
