"""What the health page reads of one organization."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import class_row

from shared import db
from shared.domain.money import LARGEST_SUM_CENTS

RUNS = """
SELECT
    number,
    as_of,
    reason,
    requested_at,
    published_at,
    completed_at,
    accounts,
    evaluated,
    opened,
    seen,
    recovered,
    duration_ms,
    held_back
FROM runs
WHERE organization = %s
ORDER BY number DESC
LIMIT 10
"""

LATEST_AUDIT = """
SELECT
    at,
    actor,
    detail
FROM audit_log
WHERE organization = %s
  AND action = 'audited'
ORDER BY at DESC
LIMIT 1
"""

# Each sum is walked to along its index; what stands at the bound is no sum any more.
SATURATED = """
SELECT count(*)
FROM (
    SELECT account
    FROM accounts
    WHERE organization = %(organization)s
      AND lifetime_cents >= %(largest)s
    UNION
    SELECT account
    FROM accounts
    WHERE organization = %(organization)s
      AND lifetime_cents <= -%(largest)s
    UNION
    SELECT account
    FROM accounts
    WHERE organization = %(organization)s
      AND at_stake_cents >= %(largest)s
) beyond
"""

SEE_ONE = "SELECT set_config('app.org', %s, false), set_config('statement_timeout', %s, false)"


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run as it stands; counts are None until it is complete. held_back: why it
    did not start at once.
    """

    number: int
    as_of: date
    reason: str
    requested_at: datetime
    published_at: datetime | None
    completed_at: datetime | None
    accounts: int | None
    evaluated: int | None
    opened: int | None
    seen: int | None
    recovered: int | None
    duration_ms: int | None
    held_back: str | None


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """The latest audit that somebody asked for in the console."""

    at: datetime
    actor: str
    detail: dict[str, Any]


def newest_runs(connection: db.Connection, organization: str) -> list[RunRow]:
    """The last ten."""
    with connection.cursor(row_factory=class_row(RunRow)) as cursor:
        return cursor.execute(RUNS, (organization,)).fetchall()


def latest_audit(connection: db.Connection, organization: str) -> AuditRow | None:
    """None: nobody asked yet."""
    with connection.cursor(row_factory=class_row(AuditRow)) as cursor:
        return cursor.execute(LATEST_AUDIT, (organization,)).fetchone()


def saturated_accounts(connection: db.Connection, organization: str) -> int:
    """Accounts whose sums are beyond what is kept."""
    values = {"organization": organization, "largest": LARGEST_SUM_CENTS}
    row = connection.execute(SATURATED, values).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def one_organization(organization: str, *, timeout_seconds: int) -> Iterator[db.Connection]:
    """A connection of its own, of the app role, that sees one organization in all of its
    transactions, each statement bounded.
    """
    with db.connect("winback_app") as connection:
        connection.autocommit = True
        connection.execute(SEE_ONE, (organization, f"{timeout_seconds}s"))
        yield connection
