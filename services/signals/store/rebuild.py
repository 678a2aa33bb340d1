"""What a log of orders is written anew from, and what of the rows hangs on its offsets."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import class_row

from shared import db
from shared.events import AccountChanged, ContactChanged, Line, Order, RestoredSignal

AT_ONCE = 2_000  # rows in memory

# The name and owner that orders gave an account stand with each of its orders: a record of its own
# has them else.
ORDERS = """
SELECT
    o.organization,
    o.order_id,
    o.account,
    o.ordered_on,
    o.counts_on,
    o.revision,
    encode(o.content, 'hex'),
    o.cancelled,
    o.products,
    o.ods,
    o.grades,
    o.quantities,
    o.revenues_cents,
    o.accepted_at,
    CASE WHEN a.name_revision = -1 THEN a.name END,
    CASE WHEN a.owner_revision = -1 THEN a.owner END
FROM orders o
LEFT JOIN accounts a USING (organization, account)
"""

ACCOUNTS = """
SELECT organization, account, name, name_revision, owner, owner_revision
FROM accounts
WHERE name_revision >= 0
   OR owner_revision >= 0
"""

# What people changed or added in the console is no record. Of a contact whose record is not known,
# its fields are.
CONTACTS = """
SELECT
    organization,
    contact,
    account,
    revision,
    primary_sent,
    coalesce(
        record,
        contact_record(email, name, phone, title, newsletter, language, zone, country)
    )
FROM contacts
WHERE added_by IS NULL
"""

LATEST_RUNS = """
SELECT DISTINCT ON (r.organization)
    r.organization,
    r.number AS run,
    r.as_of,
    r.settings_version,
    v.settings
FROM runs r
JOIN settings_versions v ON v.organization = r.organization AND v.version = r.settings_version
WHERE r.completed_at IS NOT NULL
ORDER BY r.organization, r.number DESC
"""

SIGNALS = """
SELECT account, type, od, grade, episode, opened_on, recovered_at IS NULL
FROM signals
WHERE organization = %s
ORDER BY account, detected_at, signal
"""

# Offsets of the former log mean nothing in the new one. What orders touched since the latest
# complete run is still so: 0 lies behind that run's -1, and before the next one's.
FORGET_ACCOUNTS = """
WITH latest AS (
    SELECT DISTINCT ON (organization)
        organization,
        source_offset
    FROM runs
    WHERE completed_at IS NOT NULL
    ORDER BY organization, number DESC
),
now AS (
    SELECT
        a.organization,
        a.account,
        CASE WHEN a.touched_offset > coalesce(l.source_offset, -2) THEN 0 ELSE -1 END AS touched
    FROM accounts a
    LEFT JOIN latest l USING (organization)
)
UPDATE accounts a
SET touched_offset = now.touched
FROM now
WHERE a.organization = now.organization
  AND a.account = now.account
  AND a.touched_offset <> now.touched
"""

FORGET_ORDERS = """
UPDATE orders
SET source_offset = -1
WHERE source_offset >= 2::bigint ^ 62
"""

FORGET_RUNS = """
UPDATE runs
SET source_offset = -1
WHERE completed_at IS NOT NULL
"""

PUBLISH_RUNS_AGAIN = """
UPDATE runs
SET source_offset = NULL,
    published_at = NULL
WHERE completed_at IS NULL
"""

FORGET_SIGNALS = """
UPDATE signals
SET source_offset = -1
"""

# A digest that was due and never planned: its tick may have gone with the former log. A slot is
# planned once, whatever is said twice.
TICK_AGAIN = """
UPDATE slots s
SET ticked_at = NULL
WHERE s.kind = 'digest'
  AND s.ticked_at > now() - interval '1 day'
  AND s.dropped IS NULL
  AND NOT EXISTS (
      SELECT
      FROM published_digests d
      WHERE d.organization = s.organization
        AND d.slot_at = s.slot_at
        AND NOT d.private
        AND NOT d.heartbeat
  )
"""

FROM_THE_LOG = """
SELECT count(*)
FROM orders
WHERE source_offset = %s
"""

ORGANIZATIONS = "SELECT organization FROM organizations ORDER BY organization"


@dataclass(frozen=True, kw_only=True)
class LatestRun:
    """The newest complete run of an organization, under these settings."""

    organization: str
    run: int
    as_of: date
    settings_version: int
    settings: dict[str, Any]


def from_the_log(connection: db.Connection, offset: int) -> int:
    """Orders whose counting version came with this offset."""
    row = connection.execute(FROM_THE_LOG, (offset,)).fetchone()
    assert row is not None
    return int(row[0])


def orders(connection: db.Connection) -> Iterator[tuple[Order, datetime]]:
    """The counting version of every order, and when it was accepted; AT_ONCE rows in memory."""
    with connection.cursor("rebuild_orders") as cursor:
        cursor.itersize = AT_ONCE
        for row in cursor.execute(ORDERS):
            yield _order(row), row[13]


def _order(row: tuple[Any, ...]) -> Order:
    lines = tuple(
        Line(revenue_cents=cents, product=product, od=od, grade=grade, quantity=quantity)
        for product, od, grade, quantity, cents in zip(*row[8:13], strict=True)
    )
    return Order(
        organization=row[0],
        order=row[1],
        account=row[2],
        ordered_on=row[3],
        counts_on=row[4],
        revision=row[5],
        content=row[6],
        cancelled=row[7],
        lines=lines,
        account_name=row[14],
        owner=row[15],
    )


def accounts(connection: db.Connection) -> Iterator[AccountChanged]:
    """What records said of names and owners, each with its own revision."""
    with connection.cursor("rebuild_accounts") as cursor:
        cursor.itersize = AT_ONCE
        for organization, account, name, name_revision, owner, owner_revision in cursor.execute(
            ACCOUNTS
        ):
            for revision in sorted({name_revision, owner_revision} - {-1}):
                yield AccountChanged(
                    organization=organization,
                    account=account,
                    revision=revision,
                    name=name if revision == name_revision else None,
                    owner=owner if revision == owner_revision else None,
                )


def contacts(connection: db.Connection) -> Iterator[ContactChanged]:
    """What records said of people."""
    with connection.cursor("rebuild_contacts") as cursor:
        cursor.itersize = AT_ONCE
        for organization, contact, account, revision, primary, record in cursor.execute(CONTACTS):
            yield ContactChanged(
                organization=organization,
                contact=contact,
                account=account,
                revision=revision,
                primary=bool(primary),
                **record,
            )


def latest_runs(connection: db.Connection) -> list[LatestRun]:
    """Of each organization that has one."""
    with connection.cursor(row_factory=class_row(LatestRun)) as cursor:
        return cursor.execute(LATEST_RUNS).fetchall()


def signals(connection: db.Connection, organization: str) -> list[RestoredSignal]:
    """All of them, with their current or last episode, by account and first detection."""
    return [
        RestoredSignal(
            account=account,
            signal_type=type_,
            od=od,
            grade=grade,
            episode=episode,
            opened_on=opened_on,
            is_active=is_active,
        )
        for account, type_, od, grade, episode, opened_on, is_active in connection.execute(
            SIGNALS, (organization,)
        )
    ]


def forget_offsets(connection: db.Connection) -> None:
    """The log was written anew: rows are of no offset of it, and what was under way is asked for
    again.
    """
    for statement in (
        FORGET_ORDERS,
        FORGET_ACCOUNTS,
        FORGET_RUNS,
        PUBLISH_RUNS_AGAIN,
        FORGET_SIGNALS,
        TICK_AGAIN,
    ):
        connection.execute(statement)


def organizations(connection: db.Connection) -> list[str]:
    """All of them."""
    return [str(row[0]) for row in connection.execute(ORGANIZATIONS)]
