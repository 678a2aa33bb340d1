"""What Today says of an organization: a row an owner, twelve months, whom to call in short, how far
a new one has come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg import sql
from psycopg.rows import class_row, dict_row

from services.signals.store.account import ContactRow
from services.signals.store.account_filter import CALL, FLAGGED
from shared import db

CONTACTED_DAYS = 7
LOST_DAYS = 30
MOST_COUNTED = 100_000
LINES_OF_ORDER = 3

OWNERS = """
SELECT
    a.owner,
    count(*) FILTER (WHERE {call}) AS call,
    coalesce(sum(a.dormant + a.lapse + a.cherry_picking) FILTER (WHERE {call}), 0)::bigint
        AS signals,
    saturated(coalesce(sum(a.at_stake_cents) FILTER (WHERE {call}), 0))::bigint AS stake_cents
FROM accounts a
WHERE a.organization = %(organization)s
  AND {flagged}
GROUP BY a.owner
"""

ACTED = """
SELECT
    a.owner,
    count(DISTINCT o.account)
FROM outcomes o
JOIN accounts a USING (organization, account)
WHERE o.organization = %(organization)s
  AND o.kind = ANY(%(kinds)s)
  AND o.at > %(since)s
  AND NOT EXISTS (
      SELECT
      FROM outcomes u
      WHERE u.organization = o.organization
        AND u.outcome = o.outcome || ':undone'
  )
GROUP BY a.owner
"""

BACK = """
SELECT
    owner,
    count(*)
FROM accounts
WHERE organization = %(organization)s
  AND came_back_at > %(since)s
GROUP BY owner
"""

# The last run of each day; before runs kept it, what the digest of it said.
STAKES = """
SELECT DISTINCT ON (r.as_of)
    r.as_of,
    coalesce(r.recoverable_cents, d.recoverable_revenue_cents) AS cents
FROM runs r
LEFT JOIN LATERAL (
    SELECT recoverable_revenue_cents
    FROM published_digests
    WHERE organization = r.organization
      AND run = r.number
      AND NOT private
    LIMIT 1
) d ON r.recoverable_cents IS NULL
WHERE r.organization = %(organization)s
  AND r.completed_at IS NOT NULL
  AND r.as_of >= %(since_on)s
  AND (r.recoverable_cents IS NOT NULL OR d.recoverable_revenue_cents IS NOT NULL)
ORDER BY r.as_of, r.number DESC
"""

LOST = """
SELECT
    date_trunc(%(unit)s, o.at AT TIME ZONE %(zone)s)::date AS beginning,
    count(DISTINCT o.account)
FROM outcomes o
WHERE o.organization = %(organization)s
  AND o.kind = 'lost'
  AND o.at >= %(since)s
  AND NOT EXISTS (
      SELECT
      FROM outcomes u
      WHERE u.organization = o.organization
        AND u.outcome = o.outcome || ':undone'
  )
GROUP BY beginning
"""

SETTINGS = """
SELECT (saved_at AT TIME ZONE %(zone)s)::date
FROM settings_versions
WHERE organization = %(organization)s
  AND version > 1
  AND saved_at >= %(since)s
ORDER BY saved_at
"""

# Of the days of the year; by account.
DAYS = """
SELECT DISTINCT
    account,
    counts_on
FROM orders
WHERE organization = %(organization)s
  AND account = ANY(%(accounts)s)
  AND counts_on > %(after)s
  AND is_activity
  AND NOT cancelled
ORDER BY account, counts_on
"""

LAST_BOUGHT = """
SELECT
    o.account,
    o.counts_on,
    o.products,
    o.ods,
    o.grades,
    o.revenues_cents
FROM unnest(%(accounts)s::text[]) AS wanted (account)
CROSS JOIN LATERAL (
    SELECT account, counts_on, products, ods, grades, revenues_cents
    FROM orders
    WHERE organization = %(organization)s
      AND account = wanted.account
      AND is_activity
      AND NOT cancelled
    ORDER BY counts_on DESC, order_id DESC
    LIMIT 1
) o
"""

MARKS = """
SELECT
    account,
    bool_or(episode = 1) AS is_new
FROM signals
WHERE organization = %(organization)s
  AND account = ANY(%(accounts)s)
  AND recovered_at IS NULL
  AND opened_on > as_of - 7
GROUP BY account
"""

PRIMARY = """
SELECT DISTINCT ON (account)
    account,
    contact,
    name,
    email,
    is_primary,
    phone,
    title,
    newsletter,
    language,
    zone,
    country,
    added_by,
    true AS as_recorded
FROM contacts
WHERE organization = %(organization)s
  AND account = ANY(%(accounts)s)
ORDER BY account, is_primary DESC, name, contact
"""

STEPS = """
SELECT
    (SELECT count(*) FROM (SELECT FROM orders WHERE organization = o.organization LIMIT %(most)s) n)
        AS orders,
    (
        SELECT count(*)
        FROM (SELECT FROM accounts WHERE organization = o.organization LIMIT %(most)s) n
    ) AS accounts,
    (SELECT max(number) FROM runs WHERE organization = o.organization) AS run_asked,
    (
        SELECT max(number)
        FROM runs
        WHERE organization = o.organization AND completed_at IS NOT NULL
    ) AS run_done,
    (SELECT count(*) FROM digest_recipients WHERE organization = o.organization) AS recipients,
    EXISTS (
        SELECT
        FROM published_digests
        WHERE organization = o.organization AND NOT private
    ) AS has_digest,
    EXISTS (
        SELECT FROM tokens WHERE organization = o.organization AND revoked_at IS NULL
    ) AS has_token
FROM organizations o
WHERE o.organization = %(organization)s
"""


@dataclass(frozen=True, kw_only=True)
class OwnerRow:
    """What an owner has before them, and did; None: the accounts that have no owner."""

    owner: str | None
    call: int
    signals: int
    stake_cents: int
    contacted: int = 0
    back: int = 0
    lost: int = 0


@dataclass(frozen=True, kw_only=True)
class Bought:
    """The last order of an account that brought something; labels of its largest lines."""

    on: date
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How far a new organization has come; counts end at MOST_COUNTED. run_asked, run_done: numbers
    of runs, None where there is none.
    """

    orders: int
    accounts: int
    run_asked: int | None
    run_done: int | None
    recipients: int
    has_digest: bool
    has_token: bool


@dataclass(frozen=True, kw_only=True)
class _Flagged:
    owner: str | None
    call: int
    signals: int
    stake_cents: int


def owner_rows(
    connection: db.Connection,
    organization: str,
    *,
    now: datetime,
    contacted_since: datetime,
    back_since: datetime,
    lost_since: datetime,
) -> list[OwnerRow]:
    """Who has most at stake first, accounts without an owner last."""
    values = {"organization": organization, "now": now}
    statement = sql.SQL(OWNERS).format(call=sql.SQL(CALL), flagged=sql.SQL(FLAGGED))
    with connection.cursor(row_factory=class_row(_Flagged)) as cursor:
        flagged = {row.owner: row for row in cursor.execute(statement, values)}

    def counts(query: str, **more: object) -> dict[str | None, int]:
        rows = connection.execute(query.encode(), {"organization": organization} | more)
        return {row[0]: int(row[1]) for row in rows}

    contacted = counts(ACTED, kinds=["reached_out", "won_back"], since=contacted_since)
    back = counts(BACK, since=back_since)
    lost = counts(ACTED, kinds=["lost"], since=lost_since)
    nothing = _Flagged(owner=None, call=0, signals=0, stake_cents=0)
    rows = [
        OwnerRow(
            owner=owner,
            call=flagged.get(owner, nothing).call,
            signals=flagged.get(owner, nothing).signals,
            stake_cents=flagged.get(owner, nothing).stake_cents,
            contacted=contacted.get(owner, 0),
            back=back.get(owner, 0),
            lost=lost.get(owner, 0),
        )
        for owner in {*flagged, *contacted, *back, *lost}
    ]
    return sorted(rows, key=lambda row: (row.owner is None, -row.stake_cents, row.owner or ""))


def stakes(connection: db.Connection, organization: str, *, since_on: date) -> dict[date, int]:
    """The day of a run -> what was at stake after it, in cents."""
    values = {"organization": organization, "since_on": since_on}
    return {row[0]: int(row[1]) for row in connection.execute(STAKES, values)}


def lost(
    connection: db.Connection, organization: str, *, since: datetime, zone: str, unit: str
) -> dict[date, int]:
    """The first day of each `unit` (week or month) -> accounts that were given up in it."""
    values = {"organization": organization, "since": since, "zone": zone, "unit": unit}
    return {row[0]: int(row[1]) for row in connection.execute(LOST, values)}


def settings_days(
    connection: db.Connection, organization: str, *, since: datetime, zone: str
) -> list[date]:
    """On which thresholds changed, the oldest first."""
    values = {"organization": organization, "since": since, "zone": zone}
    return [row[0] for row in connection.execute(SETTINGS, values)]


def order_days(
    connection: db.Connection, organization: str, accounts: Sequence[str], *, after: date
) -> dict[str, list[date]]:
    """account -> the days on which it bought something, the oldest first."""
    values = {"organization": organization, "accounts": list(accounts), "after": after}
    found: dict[str, list[date]] = {}
    for account, day in connection.execute(DAYS, values):
        found.setdefault(account, []).append(day)
    return found


def last_bought(
    connection: db.Connection, organization: str, accounts: Sequence[str]
) -> dict[str, Bought]:
    """account -> its last order with something of positive revenue."""
    values = {"organization": organization, "accounts": list(accounts)}
    found = {}
    for account, day, products, ods, grades, cents in connection.execute(LAST_BOUGHT, values):
        lines = sorted(zip(cents, ods, grades, products, strict=True), key=lambda line: -line[0])
        labels = [
            " ".join(part for part in (od, grade) if part) or product or ""
            for amount, od, grade, product in lines
            if amount > 0
        ]
        unlike = tuple(dict.fromkeys(label for label in labels if label))
        found[account] = Bought(on=day, labels=unlike[:LINES_OF_ORDER])
    return found


def marks(connection: db.Connection, organization: str, accounts: Sequence[str]) -> dict[str, str]:
    """account -> new or back, where a signal of it opened within a week."""
    values = {"organization": organization, "accounts": list(accounts)}
    return {str(row[0]): "new" if row[1] else "back" for row in connection.execute(MARKS, values)}


def first_contacts(
    connection: db.Connection, organization: str, accounts: Sequence[str]
) -> dict[str, ContactRow]:
    """account -> whom to call: the primary contact, or else whoever is known."""
    values = {"organization": organization, "accounts": list(accounts)}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(PRIMARY, values).fetchall()
    return {row.pop("account"): ContactRow(**row) for row in rows}


def steps(connection: db.Connection, organization: str) -> Steps:
    """How far it has come."""
    with connection.cursor(row_factory=class_row(Steps)) as cursor:
        values = {"organization": organization, "most": MOST_COUNTED}
        found = cursor.execute(STEPS, values).fetchone()
    assert found is not None
    return found
