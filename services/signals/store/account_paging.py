"""How a page of the accounts table is asked for, by any sort under any filter, so that it is quick
at a million accounts.

A page starts behind a place (the sort's value and the account's id), never at a number, so that the
millionth row costs what the first does.

Under a filter a page is found in one of two ways. Walking the sort's index and testing each row is
quick where many rows fit, and endless where those that fit stand at the far end; so a walk ends
after MOST_WALKED rows, or FARTHEST_WALKED where the first rows let hope. Then (or at once, where
few are known to fit) all that fit are gathered by the index of the filter, which holds what sorts
need, and the first of them sorted out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import sql

from services.signals.store.account_filter import Conditions, Filter, conditions
from shared import db

Sort = Literal["name", "last_order", "lifetime", "stake"]

FEW_FOUND = 20_000  # accounts that a search looks up at once
MOST_WALKED = 4_000
FARTHEST_WALKED = 40_000
HOPE = 6  # rows of the first walk, from which on the farther one is likely to fill a page of fifty
MOST_COUNTED = 10_000  # rows that are looked at to count what fits

# The expressions of the indexes accounts_by_…, and what their values are.
SORTS: dict[Sort, tuple[str, str]] = {
    "name": ("a.sort_name", "text"),
    "last_order": ("coalesce(a.last_ordered_on, '0001-01-01')", "date"),
    "lifetime": ("a.lifetime_cents", "bigint"),
    "stake": ("a.at_stake_cents", "bigint"),
}

COLUMNS = """
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
    a.lost_at
"""

PAGE = """
SELECT {columns}, {key} AS key
FROM accounts a
WHERE a.organization = %(organization)s
  {place}
  {conditions}
ORDER BY {key} {direction}, a.account {direction}
"""

WALKED = """
SELECT {columns}, {key} AS key
FROM (
    SELECT a.*
    FROM accounts a
    WHERE a.organization = %(organization)s
      {place}
      {indexed}
    ORDER BY {key} {direction}, a.account {direction}
    LIMIT %(walked)s
) AS a
WHERE true
  {conditions}
ORDER BY {key} {direction}, a.account {direction}
"""

# The index of names has the words in it: it is walked alone, however far, and what fits is looked
# up in its order.
NAMED = """
SELECT {columns}, a.sort_name AS key
FROM (
    SELECT a.account, a.sort_name
    FROM accounts a
    WHERE a.organization = %(organization)s
      {place}
      {indexed}
      {named}
    ORDER BY a.sort_name {direction}, a.account {direction}
    OFFSET 0
) AS named
JOIN accounts a ON a.organization = %(organization)s AND a.account = named.account
ORDER BY named.sort_name {direction}, named.account {direction}
"""

# OFFSET 0: what fits is gathered by the filter's index, not by walking the sort's.
GATHERED = """
SELECT {columns}, first.key
FROM (
    SELECT fits.account, fits.key
    FROM (
        SELECT a.account, {key} AS key
        FROM accounts a
        WHERE a.organization = %(organization)s
          {conditions}
          {gathering}
        OFFSET 0
    ) AS fits
    WHERE true
      {place_of_fits}
    ORDER BY fits.key {direction}, fits.account {direction}
    LIMIT %(limit)s
) AS first
JOIN accounts a ON a.organization = %(organization)s AND a.account = first.account
ORDER BY first.key {direction}, first.account {direction}
"""

COUNT = """
SELECT
    count(*) FILTER (WHERE true {conditions}),
    count(*)
FROM (
    SELECT a.*
    FROM accounts a
    WHERE a.organization = %(organization)s
      {led}
    LIMIT %(most)s
) AS a
"""

# By the accounts of a word: each is looked up, where a long list of them would be searched for each
# row.
COUNT_OF_WORD = """
WITH found AS MATERIALIZED (
    SELECT w.account
    FROM account_words w
    WHERE w.organization = %(organization)s
      AND w.word >= {word}
      AND w.word < {word} || chr(1114111)
    LIMIT %(most)s
)
SELECT
    count(*) FILTER (WHERE true {conditions}),
    (SELECT count(*) FROM found)
FROM (SELECT DISTINCT account FROM found) AS w
CROSS JOIN LATERAL (
    SELECT a.*
    FROM accounts a
    WHERE a.organization = %(organization)s
      AND a.account = w.account
    OFFSET 0
) AS a
"""

# A page is asked for by many at once: each keeps to one core.
ALONE = "SELECT set_config('max_parallel_workers_per_gather', '0', true)"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Between two rows: behind (`is_after`) or before the row with this value of the sort and this
    id.
    """

    value: str | int
    account: str
    is_after: bool


@dataclass(frozen=True, kw_only=True)
class Way:
    """A statement that finds a page, if it looks far enough; it takes `limit`. hope: it is worth
    asking only where the way before it found so many rows.
    """

    statement: sql.Composed
    values: dict[str, Any]
    hope: int = 0

    def goes_on(self, rows: int, limit: int) -> bool:
        """Whether this way is gone after one that found so many rows."""
        return self.hope <= rows < limit


def ways(
    connection: db.Connection,
    organization: str,
    sort: Sort,
    descending: bool,
    narrowed: Filter,
    place: Place | None,
    now: datetime,
) -> list[Way]:
    """What to ask for a page, one after the other until one fills it; the last one knows all."""
    found = conditions(connection, organization, narrowed, by_name=sort == "name")
    parts = _texts(found, sort, descending, place)
    values = _values(organization, found, place, now)
    limited = sql.SQL("LIMIT %(limit)s")
    if narrowed in (Filter(), Filter(enrollment="auto")):
        return [Way(statement=sql.SQL(PAGE).format(**parts) + limited, values=values)]
    gathered = Way(statement=sql.SQL(GATHERED).format(**parts), values=values)
    is_rare = found.rarest is not None and found.rarest.accounts <= FEW_FOUND
    if narrowed.enrollment in ("yes", "no") or narrowed.state or narrowed.digest or is_rare:
        return [gathered]
    if sort == "name" and narrowed == Filter(words=narrowed.words):
        return [Way(statement=sql.SQL(NAMED).format(**parts) + limited, values=values)]
    walked = sql.SQL(WALKED).format(**parts) + limited
    return [
        Way(statement=walked, values=values | {"walked": MOST_WALKED}),
        Way(statement=walked, values=values | {"walked": FARTHEST_WALKED}, hope=HOPE),
        gathered,
    ]


def count(
    connection: db.Connection, organization: str, narrowed: Filter, now: datetime
) -> tuple[sql.Composed, dict[str, Any]]:
    """What to ask for (how many fit, how many were looked at), of `most` that the filter's index
    leads to.
    """
    found = conditions(connection, organization, narrowed, by_name=False)
    values = _values(organization, found, None, now)
    if found.rarest is None:
        texts = {"led": all_of(found.leading), "conditions": all_of(found.whole)}
        return sql.SQL(COUNT).format(**texts), values
    word = sql.Placeholder(found.rarest.name)
    left = all_of(found.without_word)
    return sql.SQL(COUNT_OF_WORD).format(word=word, conditions=left), values


def _texts(
    found: Conditions, sort: Sort, descending: bool, place: Place | None
) -> dict[str, sql.Composable]:
    """What the statements above are put together from."""
    key, type_ = SORTS[sort]
    upwards = descending != (place is None or place.is_after)
    behind = f"{'>' if upwards else '<'} (%(place_value)s::{type_}, %(place_account)s)"
    return {
        "columns": sql.SQL(COLUMNS),
        "key": sql.SQL(key),
        "place": all_of([f"({key}, a.account) {behind}"] if place else []),
        "place_of_fits": all_of([f"(fits.key, fits.account) {behind}"] if place else []),
        "indexed": all_of(found.indexed),
        "conditions": all_of(found.whole),
        "gathering": all_of(found.gathering),
        "named": all_of(found.named),
        "direction": sql.SQL("ASC" if upwards else "DESC"),
    }


def _values(
    organization: str, found: Conditions, place: Place | None, now: datetime
) -> dict[str, Any]:
    values = {"organization": organization, "now": now} | found.values
    if place is not None:
        values |= {"place_value": place.value, "place_account": place.account}
    return values


def all_of(conditions: Sequence[str]) -> sql.Composed:
    return sql.SQL("\n  ").join(sql.SQL("AND " + condition) for condition in conditions)
