"""Rows that other services write, as tests of the digest need them."""

import uuid
from datetime import date, datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from shared import clock, db
from shared.domain.digest import ActiveSignal
from shared.domain.thresholds import DEFAULTS
from shared.events import DigestDue
from shared.ids import derived

INSERT_ACCOUNT = """
INSERT INTO accounts (organization, account, name, owner, enrollment, paused_until, lost_at)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""

INSERT_RUN = """
INSERT INTO runs (
    organization, number, as_of, settings_version, reason, requested_at, published_at, completed_at,
    accounts, median_share
) VALUES (%s, %s, %s, 1, 'digest', %s, %s, %s, %s, %s)
"""

INSERT_SETTINGS = """
INSERT INTO settings_versions (organization, version, settings, saved_by)
VALUES (%s, 1, %s, 'test')
ON CONFLICT DO NOTHING
"""

UPSERT_SIGNAL = """
INSERT INTO signals (
    organization, signal, account, type, od, grade, detected_at, last_seen_at, recovered_at,
    resolution, episode, opened_on, as_of, settings_version, run, lifetime_revenue_cents, figures,
    source_offset
) VALUES (
    %(organization)s, %(signal)s, %(account)s, %(type)s, %(od)s, %(grade)s, %(at)s, %(at)s,
    %(recovered_at)s, %(resolution)s, %(episode)s, %(opened_on)s, %(as_of)s, 1, %(run)s,
    %(lifetime_revenue_cents)s, %(figures)s, 1
)
ON CONFLICT (organization, signal) DO UPDATE
SET run = excluded.run,
    episode = excluded.episode,
    recovered_at = excluded.recovered_at,
    resolution = excluded.resolution
"""

INSERT_ORDER = """
INSERT INTO orders (
    organization, order_id, account, ordered_on, counts_on, revision, content, cancelled,
    products, ods, grades, quantities, revenues_cents, accepted_at, source_offset
) VALUES (
    %(organization)s, %(order)s, %(account)s, %(day)s, %(day)s, 1, '', %(cancelled)s,
    %(products)s, %(ods)s, %(grades)s, %(quantities)s, %(cents)s, %(accepted_at)s, 1
)
"""

UPSERT_FEED = """
INSERT INTO feeds (organization, last_accepted_at, last_ordered_on)
VALUES (%(organization)s, %(accepted_at)s, %(day)s)
ON CONFLICT (organization) DO UPDATE
SET last_accepted_at = greatest(feeds.last_accepted_at, excluded.last_accepted_at),
    last_ordered_on = greatest(feeds.last_ordered_on, excluded.last_ordered_on)
"""


def address() -> str:
    """A recipient of one test alone: the mail sink is shared."""
    return f"r{uuid.uuid4().hex[:10]}@example.com"


def recipient(organization: str, email: str) -> None:
    """A member who gets the digest."""
    with db.connect() as connection:
        connection.execute(
            "INSERT INTO members (organization, email, role) VALUES (%s, %s, 'member')",
            (organization, email),
        )
        connection.execute(
            "INSERT INTO digest_recipients (organization, email, added_by) VALUES (%s, %s, 'rs')",
            (organization, email),
        )


def unsubscribed(organization: str, email: str) -> None:
    """As the console's page does it."""
    with db.connect() as connection:
        connection.execute(
            "INSERT INTO suppressions (organization, email, reason, at) "
            "VALUES (%s, %s, 'unsubscribed', now())",
            (organization, email),
        )


def account(
    organization: str,
    id_: str,
    *,
    name: str | None = None,
    owner: str | None = None,
    **standing: Any,
) -> None:
    """Standing: enrollment, paused_until, lost_at."""
    values = (
        standing.get("enrollment", "auto"),
        standing.get("paused_until"),
        standing.get("lost_at"),
    )
    with db.connect() as connection:
        connection.execute(INSERT_ACCOUNT, (organization, id_, name, owner, *values))


def run(
    organization: str,
    number: int,
    *,
    as_of: date,
    accounts: int = 7,
    complete: bool = True,
    median: str | None = None,
) -> None:
    """A run, complete at once."""
    now = clock.now()
    with db.connect() as connection:
        connection.execute(INSERT_SETTINGS, (organization, Jsonb(msgspec.to_builtins(DEFAULTS))))
        connection.execute(
            INSERT_RUN,
            (organization, number, as_of, now, now, now if complete else None, accounts, median),
        )


def signal(
    organization: str,
    seen: ActiveSignal,
    *,
    run: int,
    as_of: date,
    opened_on: date | None = None,
    recovered: bool = False,
) -> None:
    """As the signals service persists what a run saw."""
    figures = msgspec.to_builtins(seen.figures)
    figures.pop("of", None)
    row = {
        "organization": organization,
        "signal": derived("signal", organization, seen.signal),
        "account": seen.account,
        "type": seen.type,
        "od": seen.combo.od if seen.combo else None,
        "grade": seen.combo.grade if seen.combo else None,
        "at": clock.now(),
        "recovered_at": clock.now() if recovered else None,
        "resolution": "reordered" if recovered else None,
        "episode": seen.episode,
        "opened_on": opened_on or as_of,
        "as_of": as_of,
        "run": run,
        "lifetime_revenue_cents": seen.lifetime_revenue_cents,
        "figures": Jsonb(figures),
    }
    with db.connect() as connection:
        connection.execute(UPSERT_SIGNAL, row)


def order(
    organization: str,
    account: str,
    *lines: tuple[str | None, str | None, str | None, int],
    day: date,
    accepted_at: datetime | None = None,
    cancelled: bool = False,
) -> None:
    """Lines are (product, od, grade, cents)."""
    row = {
        "organization": organization,
        "order": uuid.uuid4().hex,
        "account": account,
        "day": day,
        "cancelled": cancelled,
        "products": [line[0] for line in lines],
        "ods": [line[1] for line in lines],
        "grades": [line[2] for line in lines],
        "quantities": [None] * len(lines),
        "cents": [line[3] for line in lines],
        "accepted_at": accepted_at or clock.now(),
    }
    with db.connect() as connection:
        connection.execute(INSERT_ORDER, row)
        connection.execute(UPSERT_FEED, row)


def due(
    organization: str,
    *,
    run: int | None = None,
    at: datetime | None = None,
    why: str = "an import is in flight",
) -> DigestDue:
    """A tick of a slot of its own."""
    slot = derived("slot", organization, uuid.uuid4().hex)
    return DigestDue(
        organization=organization,
        slot=slot,
        digest=derived("digest", organization, slot),
        slot_at=at or clock.now(),
        run=run,
        why=why if run is None else None,
    )
