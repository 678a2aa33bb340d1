"""One account as it is: its record, signals, orders in short, contacts."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import class_row

from shared import db
from shared.events import SignalType

SIGNAL_COLUMNS = """
SELECT
    s.signal,
    s.account,
    a.name,
    a.owner,
    s.type,
    s.od,
    s.grade,
    s.detected_at,
    s.last_seen_at,
    s.recovered_at,
    s.resolution,
    s.episode,
    s.opened_on,
    s.as_of,
    s.settings_version,
    s.run,
    s.lifetime_revenue_cents,
    s.figures
FROM signals s
LEFT JOIN accounts a USING (organization, account)
WHERE s.organization = %(organization)s
"""

SIGNALS_OF_ACCOUNT = """
  AND s.account = %(account)s
ORDER BY
    s.recovered_at IS NOT NULL,
    array_position(ARRAY['dormant', 'lapse', 'cherry_picking'], s.type),
    (s.figures ->> 'lapsed_revenue_cents')::bigint DESC NULLS LAST,
    s.od NULLS FIRST,
    s.grade NULLS FIRST
LIMIT 200
OFFSET %(skip)s
"""

COUNT_ACTIVE = """
SELECT count(*)
FROM signals
WHERE organization = %(organization)s
  AND account = %(account)s
  AND recovered_at IS NULL
"""

ACCOUNT = """
SELECT
    account,
    name,
    owner,
    enrollment,
    last_contact_at,
    paused_until,
    lost_at
FROM accounts
WHERE organization = %(organization)s
  AND account = %(account)s
"""

TOTALS = """
SELECT
    count(*) AS orders,
    saturated(coalesce(sum((SELECT sum(cents) FROM unnest(revenues_cents) AS cents)), 0))::bigint
        AS lifetime_revenue_cents,
    max(counts_on) FILTER (
        WHERE EXISTS (SELECT 1 FROM unnest(revenues_cents) AS cents WHERE cents > 0)
    ) AS last_activity_on
FROM orders
WHERE organization = %(organization)s
  AND account = %(account)s
  AND NOT cancelled
"""

ORDERS_OF_ACCOUNT = """
SELECT
    order_id,
    counts_on,
    cancelled,
    cardinality(revenues_cents) AS lines,
    saturated(coalesce((SELECT sum(cents) FROM unnest(revenues_cents) AS cents), 0))::bigint
        AS net_cents
FROM orders
WHERE organization = %(organization)s
  AND account = %(account)s
ORDER BY counts_on DESC, order_id DESC
LIMIT %(limit)s
"""

CONTACTS = """
SELECT
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
    record IS NULL OR revision = 0
        OR contact_record(email, name, phone, title, newsletter, language, zone, country) = record
        AS as_recorded
FROM contacts
WHERE organization = %(organization)s
  AND account = %(account)s
ORDER BY is_primary DESC, name, contact
LIMIT 100
"""


@dataclass(frozen=True, kw_only=True)
class SignalRow:
    """A signal, with the account's name."""

    signal: str
    account: str
    name: str | None
    owner: str | None
    type: SignalType
    od: str | None
    grade: str | None
    detected_at: datetime
    last_seen_at: datetime
    recovered_at: datetime | None
    resolution: str | None
    episode: int
    opened_on: date
    as_of: date
    settings_version: int
    run: int
    lifetime_revenue_cents: int
    figures: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class AccountRow:
    """An account, as its record and people's actions say."""

    account: str
    name: str | None
    owner: str | None
    enrollment: str
    last_contact_at: datetime | None
    paused_until: datetime | None
    lost_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Of all orders that are not cancelled."""

    orders: int
    lifetime_revenue_cents: int
    last_activity_on: date | None


@dataclass(frozen=True, kw_only=True)
class OrderRow:
    """An order's counting version, in short."""

    order_id: str
    counts_on: date
    cancelled: bool
    lines: int
    net_cents: int


@dataclass(frozen=True, kw_only=True)
class ContactRow:
    """A person at the account. as_recorded: people changed no field since a record said it."""

    contact: str
    name: str | None
    email: str | None
    is_primary: bool
    phone: str | None
    title: str | None
    newsletter: str | None
    language: str | None
    zone: str | None
    country: str | None
    added_by: str | None
    as_recorded: bool


def signals_of(
    connection: db.Connection, organization: str, account: str, *, skip: int = 0
) -> list[SignalRow]:
    """Active ones first, A, B, C, the largest lapse first; at most 200, behind `skip` of them."""
    values = {"organization": organization, "account": account, "skip": skip}
    with connection.cursor(row_factory=class_row(SignalRow)) as cursor:
        return cursor.execute(SIGNAL_COLUMNS + SIGNALS_OF_ACCOUNT, values).fetchall()


def count_active(connection: db.Connection, organization: str, account: str) -> int:
    """Its signals that are not recovered."""
    values = {"organization": organization, "account": account}
    row = connection.execute(COUNT_ACTIVE, values).fetchone()
    return int(row[0]) if row else 0


def find(connection: db.Connection, organization: str, account: str) -> AccountRow | None:
    """None: the organization has no such account."""
    with connection.cursor(row_factory=class_row(AccountRow)) as cursor:
        return cursor.execute(
            ACCOUNT, {"organization": organization, "account": account}
        ).fetchone()


def totals(connection: db.Connection, organization: str, account: str) -> Totals:
    """Over all orders of the account."""
    with connection.cursor(row_factory=class_row(Totals)) as cursor:
        found = cursor.execute(
            TOTALS, {"organization": organization, "account": account}
        ).fetchone()
    assert found is not None
    return found


def orders_of(
    connection: db.Connection, organization: str, account: str, *, limit: int
) -> list[OrderRow]:
    """The newest first."""
    with connection.cursor(row_factory=class_row(OrderRow)) as cursor:
        return cursor.execute(
            ORDERS_OF_ACCOUNT, {"organization": organization, "account": account, "limit": limit}
        ).fetchall()


def contacts_of(connection: db.Connection, organization: str, account: str) -> list[ContactRow]:
    """The primary one first."""
    with connection.cursor(row_factory=class_row(ContactRow)) as cursor:
        return cursor.execute(
            CONTACTS, {"organization": organization, "account": account}
        ).fetchall()
