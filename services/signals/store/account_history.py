"""What is behind an account's signals, and its history: orders, the settings that signals were held
against, episodes, what people did, sequences.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
from psycopg.rows import class_row

from shared import db
from shared.domain.thresholds import DetectionSettings
from shared.events import SignalType

MOST_ORDERS = 5_000  # behind the signals of one account
MOST_LINES = 50_000  # of them
MOST_ENTRIES = 60

FACTS = """
SELECT
    a.first_ordered_on,
    (
        SELECT count(*)
        FROM orders o
        WHERE o.organization = a.organization
          AND o.account = a.account
    ) AS orders
FROM accounts a
WHERE a.organization = %(organization)s
  AND a.account = %(account)s
"""

ORDERS_BEHIND = """
SELECT
    order_id,
    counts_on,
    is_activity,
    net_cents,
    products,
    ods,
    grades,
    quantities,
    revenues_cents
FROM (
    SELECT
        *,
        sum(cardinality(revenues_cents)) OVER (ORDER BY counts_on DESC, order_id DESC) AS lines
    FROM orders
    WHERE organization = %(organization)s
      AND account = %(account)s
      AND counts_on > %(after)s
      AND NOT cancelled
    ORDER BY counts_on DESC, order_id DESC
    LIMIT %(most)s
) AS newest
WHERE lines <= %(most_lines)s
ORDER BY counts_on DESC, order_id DESC
"""

VERSIONS = """
SELECT
    version,
    settings,
    saved_at,
    saved_by
FROM settings_versions
WHERE organization = %(organization)s
  AND version = ANY(%(versions)s)
"""

EPISODES = """
SELECT
    s.signal,
    s.type,
    s.od,
    s.grade,
    e.episode,
    e.opened_on,
    e.opened_at,
    e.closed_at,
    e.resolution,
    CASE WHEN e.episode = s.episode THEN s.recovered_by END AS recovered_by
FROM signals s
JOIN episodes e USING (organization, signal)
WHERE s.organization = %(organization)s
  AND s.account = %(account)s
ORDER BY e.opened_at DESC, s.signal
LIMIT %(most)s
"""

NOTES = """
SELECT
    at,
    actor,
    action,
    detail
FROM audit_log
WHERE organization = %(organization)s
  AND subject = ANY(%(subjects)s)
ORDER BY at DESC
LIMIT %(most)s
"""

SAVED = """
SELECT
    version,
    saved_at,
    saved_by
FROM settings_versions
WHERE organization = %(organization)s
  AND version > 1
  AND saved_at >= %(since)s
ORDER BY version DESC
LIMIT 10
"""

ENROLLMENTS = """
SELECT
    e.sequence,
    s.name,
    s.state AS sequence_state,
    e.state,
    e.reason,
    e.enrolled_at
FROM published_enrollments e
JOIN sequences s USING (organization, sequence)
WHERE e.organization = %(organization)s
  AND e.account = %(account)s
ORDER BY e.enrolled_at DESC, e.sequence
LIMIT 20
"""

MEDIAN_SHARES = """
SELECT
    number,
    median_share
FROM runs
WHERE organization = %(organization)s
  AND number = ANY(%(runs)s)
  AND median_share IS NOT NULL
"""


@dataclass(frozen=True, kw_only=True)
class OrderBehind:
    """An order that is not cancelled, with its lines; texts are as sent."""

    order_id: str
    counts_on: date
    is_activity: bool
    net_cents: int
    products: list[str | None]
    ods: list[str | None]
    grades: list[str | None]
    quantities: list[str | None]
    revenues_cents: list[int]


@dataclass(frozen=True, kw_only=True)
class Version:
    """Settings that figures were held against."""

    version: int
    settings: DetectionSettings
    saved_at: datetime
    saved_by: str


@dataclass(frozen=True, kw_only=True)
class EpisodeRow:
    """One stretch of a signal's life."""

    signal: str
    type: SignalType
    od: str | None
    grade: str | None
    episode: int
    opened_on: date
    opened_at: datetime
    closed_at: datetime | None
    resolution: str | None
    recovered_by: str | None


@dataclass(frozen=True, kw_only=True)
class NoteRow:
    """What somebody did to the account."""

    at: datetime
    actor: str
    action: str
    detail: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EnrollmentRow:
    """The account in a sequence."""

    sequence: str
    name: str
    sequence_state: str
    state: str
    reason: str | None
    enrolled_at: datetime


def facts(connection: db.Connection, organization: str, account: str) -> tuple[date | None, int]:
    """(first activity day, orders)."""
    row = connection.execute(FACTS, {"organization": organization, "account": account}).fetchone()
    return (row[0], int(row[1])) if row else (None, 0)


def orders_behind(
    connection: db.Connection, organization: str, account: str, *, after: date
) -> list[OrderBehind]:
    """The newest first, dated after a day; as many as have MOST_LINES together."""
    values = {
        "organization": organization,
        "account": account,
        "after": after,
        "most": MOST_ORDERS,
        "most_lines": MOST_LINES,
    }
    with connection.cursor(row_factory=class_row(OrderBehind)) as cursor:
        return cursor.execute(ORDERS_BEHIND, values).fetchall()


def versions(
    connection: db.Connection, organization: str, numbers: Iterable[int]
) -> dict[int, Version]:
    """By their number."""
    rows = connection.execute(
        VERSIONS, {"organization": organization, "versions": sorted(set(numbers))}
    )
    return {
        int(number): Version(
            version=int(number),
            settings=msgspec.convert(settings, DetectionSettings),
            saved_at=saved_at,
            saved_by=str(saved_by),
        )
        for number, settings, saved_at, saved_by in rows
    }


def episodes(connection: db.Connection, organization: str, account: str) -> list[EpisodeRow]:
    """Of all its signals, the newest first."""
    values = {"organization": organization, "account": account, "most": MOST_ENTRIES}
    with connection.cursor(row_factory=class_row(EpisodeRow)) as cursor:
        return cursor.execute(EPISODES, values).fetchall()


def notes(
    connection: db.Connection, organization: str, account: str, signals: Iterable[str]
) -> list[NoteRow]:
    """What people did to it or to one of its signals, the newest first."""
    subjects = [
        f"account {account}",
        *(f"account {account}, signal {signal}" for signal in signals),
    ]
    values = {"organization": organization, "subjects": subjects, "most": MOST_ENTRIES}
    with connection.cursor(row_factory=class_row(NoteRow)) as cursor:
        return cursor.execute(NOTES, values).fetchall()


def saved_since(
    connection: db.Connection, organization: str, since: datetime
) -> list[tuple[int, datetime, str]]:
    """(version, when, by whom) of changed settings, the newest first."""
    return [
        (int(row[0]), row[1], str(row[2]))
        for row in connection.execute(SAVED, {"organization": organization, "since": since})
    ]


def enrollments(connection: db.Connection, organization: str, account: str) -> list[EnrollmentRow]:
    """The newest first."""
    with connection.cursor(row_factory=class_row(EnrollmentRow)) as cursor:
        return cursor.execute(
            ENROLLMENTS, {"organization": organization, "account": account}
        ).fetchall()


def median_shares(
    connection: db.Connection, organization: str, runs: Sequence[int]
) -> dict[int, str]:
    """The usual share of specialty that each run found, as numerator/denominator."""
    rows = connection.execute(MEDIAN_SHARES, {"organization": organization, "runs": list(runs)})
    return {int(row[0]): str(row[1]) for row in rows}
