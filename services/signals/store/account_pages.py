"""How a page of the accounts table is asked for, by any sort under any filter, so that it is quick
at a million accounts.

A page starts behind a place (the sort's value and the account's id), never at a number, so that the
millionth row costs what the first does. Conditions are put together from the named ones below;
values are always parameters.

Under a filter a page is found in one of two ways. Walking the sort's index and testing each row is
quick where many rows fit, and endless where those that fit stand at the far end; so a walk ends
after MOST_WALKED rows, or FARTHEST_WALKED where the first rows let hope. Then (or at once, where
few are known to fit) all that fit are gathered by the index of the filter, which holds what sorts
need, and the first of them sorted out. What many have of two words, few may have together: then
their accounts are joined.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import sql

from shared import db
from shared.domain.enrollment import Enrollment

Sort = Literal["name", "last_order", "lifetime", "stake"]
Only = Literal["dormant", "lapse", "cherry_picking", "call"]

FEW_FOUND = 20_000  # accounts that a search looks up at once
MOST_FOUND = 60_000  # and after a walk; a wider search tests rows
MOST_WALKED = 4_000
FARTHEST_WALKED = 40_000
HOPE = 6  # rows of the first walk, from which on the farther one is likely to fill a page of fifty
MOST_LEADING = 300_000
KNOWN_SECONDS = 60.0
MOST_KNOWN = 10_000
MOST_COUNTED = 10_000  # rows that are looked at to count what fits
# The expressions of the indexes accounts_by_…, and what their values are.
SORTS: dict[Sort, tuple[str, str]] = {
    "name": ("a.sort_name", "text"),
    "last_order": ("coalesce(a.last_ordered_on, '0001-01-01')", "date"),
    "lifetime": ("a.lifetime_cents", "bigint"),
    "stake": ("a.at_stake_cents", "bigint"),
}

FLAGGED = "a.dormant + a.lapse + a.cherry_picking > 0"

# Whom the digest would show (shared/domain/enrollment.py says the same).
CALL = (
    "a.enrollment <> 'no' AND a.lost_at IS NULL AND (a.paused_until IS NULL OR a.paused_until "
    "<= %(now)s)"
)

ONLY: dict[Only, str] = {
    "dormant": f"{FLAGGED} AND a.dormant > 0",
    "lapse": f"{FLAGGED} AND a.lapse > 0",
    "cherry_picking": f"{FLAGGED} AND a.cherry_picking > 0",
    "call": f"{FLAGGED} AND {CALL}",
}

# A beginning of a word: `words` has a blank before each.
HAS_WORD = "strpos(a.words, ' ' || lower(%({word})s)) > 0"

# Of all that have it, and of some that have it within a word.
MAY_HAVE_WORD = (
    "(strpos(a.sort_name, lower(%({word})s)) > 0 OR strpos(lower(a.account), "
    "lower(%({word})s)) > 0)"
)

# The accounts of a word that few have. An array, since for two subqueries PostgreSQL would rather
# read the whole table.
OF_WORD = """a.account = ANY (ARRAY(
    SELECT w.account
    FROM account_words w
    WHERE w.organization = %(organization)s
      AND w.word >= lower(%({word})s)
      AND w.word < lower(%({word})s) || chr(1114111)
))"""

# The accounts of two words that many have.
OF_BOTH = """a.account = ANY (ARRAY(
    SELECT w.account
    FROM account_words w
    JOIN account_words v USING (organization, account)
    WHERE w.organization = %(organization)s
      AND w.word >= lower(%({word})s)
      AND w.word < lower(%({word})s) || chr(1114111)
      AND v.organization = %(organization)s
      AND v.word >= lower(%({other})s)
      AND v.word < lower(%({other})s) || chr(1114111)
))"""

COUNT_WORD = """
SELECT count(*)
FROM (
    SELECT
    FROM account_words
    WHERE organization = %(organization)s
      AND word >= lower(%(word)s)
      AND word < lower(%(word)s) || chr(1114111)
    LIMIT %(most)s
) AS found
"""

# As many as have a word: all have it at the beginning of their name, and stand together in the
# order of names.
COUNT_LEADING = """
SELECT count(*)
FROM (
    SELECT
    FROM accounts
    WHERE organization = %(organization)s
      AND sort_name >= lower(%(word)s)
      AND sort_name < lower(%(word)s) || chr(1114111)
    LIMIT %(most)s
) AS beginning
"""

LEADING = "a.sort_name >= lower(%({word})s) AND a.sort_name < lower(%({word})s) || chr(1114111)"

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

# The index of names has the words' texts in it: it is walked alone, however far, and what may fit
# is looked up in its order.
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
WHERE true
  {conditions}
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
      AND w.word >= lower({word})
      AND w.word < lower({word}) || chr(1114111)
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

# How many have a word, and when it was counted.
often: dict[tuple[str, str, str, int], tuple[int, float]] = {}

# A page is asked for by many at once: each keeps to one core.
ALONE = "SELECT set_config('max_parallel_workers_per_gather', '0', true)"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which accounts; all conditions hold at once. `words`: beginnings of words of the name or the
    id.
    """

    only: Only | None = None
    owner: str | None = None
    enrollment: Enrollment | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Between two rows: behind (`is_after`) or before the row with this value of the sort and this
    id.
    """

    value: str | int
    account: str
    is_after: bool


def page_statements(
    connection: db.Connection,
    organization: str,
    sort: Sort,
    descending: bool,
    narrowed: Filter,
    place: Place | None,
    now: datetime,
) -> list[tuple[sql.Composed, dict[str, Any]]]:
    """What to ask for a page, one after the other until one fills it; the last one knows all. Each
    takes `limit`.
    """
    found = parts_of(connection, organization, sort, descending, narrowed, place, now)
    parts, values = found.texts, found.values
    limited = sql.SQL("LIMIT %(limit)s")
    if narrowed in (Filter(), Filter(enrollment="auto")):
        return [(sql.SQL(PAGE).format(**parts) + limited, values)]
    gathered = (sql.SQL(GATHERED).format(**parts), values)
    if narrowed.enrollment in ("yes", "no") or found.rarest <= FEW_FOUND:
        return [gathered]
    if sort == "name" and narrowed == Filter(words=narrowed.words):
        return [(sql.SQL(NAMED).format(**parts) + limited, values)]
    walked = sql.SQL(WALKED).format(**parts) + limited
    farther = (walked, values | {"walked": FARTHEST_WALKED, "hope": HOPE})
    return [(walked, values | {"walked": MOST_WALKED}), farther, gathered]


def goes_on(rows: int, limit: int, values: dict[str, Any]) -> bool:
    """Whether a statement is asked after one that found so many rows."""
    return rows < limit and rows >= values.get("hope", 0)


def count_statement(
    connection: db.Connection, organization: str, narrowed: Filter, now: datetime
) -> tuple[sql.Composed, dict[str, Any]]:
    """(how many fit, how many were looked at), of `most` that the filter's index leads to."""
    found = parts_of(connection, organization, "stake", True, narrowed, None, now)
    if found.word is None:
        return sql.SQL(COUNT).format(**found.texts), found.values
    texts = found.texts | {
        "word": sql.Placeholder(found.word),
        "conditions": found.texts["without_word"],
    }
    return sql.SQL(COUNT_OF_WORD).format(**texts), found.values


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the statements above are put together from, and their values. rarest: accounts of the
    rarest word, or more than MOST_FOUND; word: its parameter, where it leads.

    Texts: indexed are conditions that the sort's indexes hold; led those and what another index
    leads to; conditions all; without_word all but that which the word leads to.
    """

    texts: dict[str, sql.Composable]
    values: dict[str, Any]
    rarest: int
    word: str | None


def parts_of(
    connection: db.Connection,
    organization: str,
    sort: Sort,
    descending: bool,
    narrowed: Filter,
    place: Place | None,
    now: datetime,
) -> Parts:
    key, type_ = SORTS[sort]
    values: dict[str, Any] = {"organization": organization, "now": now}
    indexed: list[str] = []
    led: list[str] = []
    place_: list[str] = []
    place_of_fits: list[str] = []
    others: list[str] = []
    gathering: list[str] = []
    upwards = descending != (place is None or place.is_after)
    if place is not None:
        behind = f"{'>' if upwards else '<'} (%(place_value)s::{type_}, %(place_account)s)"
        place_, place_of_fits = (
            [f"({key}, a.account) {behind}"],
            [f"(fits.key, fits.account) {behind}"],
        )
        values |= {"place_value": place.value, "place_account": place.account}
    if narrowed.only is not None:
        indexed.append(FLAGGED)
        others.append(ONLY[narrowed.only])
    if narrowed.owner is not None:
        led.append("a.owner = %(owner)s")
        values["owner"] = narrowed.owner
    if narrowed.enrollment is not None:
        pinned = narrowed.enrollment != "auto"  # few are, and they have an index
        (led if pinned else others).append(
            "a.enrollment = %(enrollment)s" + (" AND a.enrollment <> 'auto'" if pinned else "")
        )
        values["enrollment"] = narrowed.enrollment
    rarest: tuple[int, str] | None = None
    for number, word in enumerate(narrowed.words):
        name = f"word_{number}"
        others.append(HAS_WORD.format(word=name))
        values[name] = word
        found = counted(connection, COUNT_WORD, organization, word, most=MOST_FOUND + 1)
        if found <= MOST_FOUND and (rarest is None or found < rarest[0]):
            rarest = (found, name)
    without_word = [*indexed, *led, *others]
    if rarest is not None:
        led.append(OF_WORD.format(word=rarest[1]))
    elif (
        len(narrowed.words) > 1
        and narrowed.only is None
        and narrowed.owner is None
        and narrowed.enrollment != "yes"
    ):
        gathering.append(OF_BOTH.format(word="word_0", other="word_1"))
    if rarest is None and sort == "name":
        for number, word in enumerate(narrowed.words):
            found, leading = (
                counted(connection, count, organization, word, most=MOST_LEADING)
                for count in (COUNT_WORD, COUNT_LEADING)
            )
            if found == leading:
                indexed.append(LEADING.format(word=f"word_{number}"))
                break
    texts: dict[str, sql.Composable] = {
        "columns": sql.SQL(COLUMNS),
        "key": sql.SQL(key),
        "place": all_of(place_),
        "place_of_fits": all_of(place_of_fits),
        "indexed": all_of(indexed),
        "led": all_of([*indexed, *led]),
        "conditions": all_of([*indexed, *led, *others]),
        "gathering": all_of(gathering),
        "named": all_of(
            [MAY_HAVE_WORD.format(word=f"word_{number}") for number in range(len(narrowed.words))]
        ),
        "without_word": all_of(without_word),
        "direction": sql.SQL("ASC" if upwards else "DESC"),
    }
    return Parts(
        texts=texts,
        values=values,
        rarest=rarest[0] if rarest else MOST_FOUND + 1,
        word=rarest[1] if rarest else None,
    )


def counted(
    connection: db.Connection, count: LiteralString, organization: str, word: str, *, most: int
) -> int:
    """Known for a minute: it only decides how a page is asked for, and the page, its count and its
    neighbours ask alike.
    """
    known, now = (count, organization, word, most), time.monotonic()
    if known in often and now - often[known][1] < KNOWN_SECONDS:
        return often[known][0]
    row = connection.execute(
        count, {"organization": organization, "word": word, "most": most}
    ).fetchone()
    if len(often) >= MOST_KNOWN:
        often.clear()
    often[known] = (int(row[0]) if row else 0, now)
    return often[known][0]


def all_of(conditions: Sequence[str]) -> sql.Composed:
    return sql.SQL("\n  ").join(sql.SQL("AND " + condition) for condition in conditions)
