"""Outcomes as people read them: what somebody did, how it fared, whether it was taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import class_row

from shared import db
from shared.domain.outcomes import Counted, Kind, Reason
from shared.events import SignalType

# What stands of an account or of all of them: what people did and nobody took back. confirmed: an
# order ended one of the episodes that it says were won.
STANDING = """
SELECT
    o.outcome,
    o.account,
    a.name,
    o.signal,
    o.episode,
    o.kind,
    o.at,
    o.actor,
    o.paused_until,
    o.reason,
    o.monthly_value_cents,
    o.note,
    o.follow_up_on,
    s.type,
    s.od,
    s.grade,
    EXISTS (
        SELECT
        FROM unnest(o.signals, o.episodes) AS won (signal, episode)
        JOIN episodes e ON e.organization = o.organization
            AND e.signal = won.signal AND e.episode = won.episode
        WHERE e.resolution = 'reordered'
    ) AS confirmed,
    answer.actor AS answered_by,
    u.at AS undone_at,
    u.actor AS undone_by
FROM outcomes o
LEFT JOIN accounts a ON a.organization = o.organization AND a.account = o.account
LEFT JOIN signals s ON s.organization = o.organization AND s.signal = o.signal
LEFT JOIN outcomes u ON u.organization = o.organization AND u.outcome = o.outcome || ':undone'
LEFT JOIN outcomes answer
    ON answer.organization = o.organization AND answer.outcome = o.outcome || ':answered'
WHERE o.organization = %(organization)s
  AND o.kind IN ('reached_out', 'won_back', 'lost')
"""

OF_ACCOUNT = """
  AND o.account = %(account)s
ORDER BY o.at DESC, o.outcome
LIMIT 100
"""

ONE = """
  AND o.outcome = %(outcome)s
"""

NEWEST = """
  AND u.outcome IS NULL
  AND (%(account)s::text IS NULL OR o.account = %(account)s)
ORDER BY o.at DESC, o.outcome
LIMIT 1
"""

OF_MONTH = """
  AND u.outcome IS NULL
  AND o.at >= %(since)s
  AND o.at < %(until)s
  AND (%(after_at)s::timestamptz IS NULL OR (o.at, o.outcome) > (%(after_at)s, %(after_outcome)s))
ORDER BY o.at, o.outcome
LIMIT %(limit)s
"""


@dataclass(frozen=True, kw_only=True)
class OutcomeRow:
    """What somebody did, how it fared, and whether it was taken back."""

    outcome: str
    account: str
    name: str | None
    signal: str | None
    episode: int | None
    kind: Kind
    at: datetime
    actor: str
    paused_until: datetime | None
    reason: Reason | None
    monthly_value_cents: int | None
    note: str | None
    follow_up_on: date | None
    type: SignalType | None
    od: str | None
    grade: str | None
    confirmed: bool
    answered_by: str | None
    undone_at: datetime | None
    undone_by: str | None

    def counted(self) -> Counted:
        """As the month counts it."""
        return Counted(
            kind=self.kind,
            monthly_value_cents=self.monthly_value_cents or 0,
            reason=self.reason,
            confirmed=self.confirmed,
        )


def of_account(connection: db.Connection, organization: str, account: str) -> list[OutcomeRow]:
    """The newest first, those that were taken back too."""
    return _rows(connection, OF_ACCOUNT, {"organization": organization, "account": account})


def find(connection: db.Connection, organization: str, outcome: str) -> OutcomeRow | None:
    """One action."""
    return next(
        iter(_rows(connection, ONE, {"organization": organization, "outcome": outcome})), None
    )


def newest(connection: db.Connection, organization: str, account: str | None) -> OutcomeRow | None:
    """The last thing that was done and not taken back."""
    return next(
        iter(_rows(connection, NEWEST, {"organization": organization, "account": account})), None
    )


def of_month(
    connection: db.Connection,
    organization: str,
    *,
    since: datetime,
    until: datetime,
    after: tuple[datetime, str] | None = None,
    limit: int | None = None,
) -> list[OutcomeRow]:
    """What was done in that time and not taken back, the oldest first, from behind a place."""
    values = {
        "organization": organization,
        "since": since,
        "until": until,
        "after_at": after[0] if after else None,
        "after_outcome": after[1] if after else None,
        "limit": limit,
    }
    return _rows(connection, OF_MONTH, values)


def _rows(connection: db.Connection, which: str, values: Mapping[str, Any]) -> list[OutcomeRow]:
    with connection.cursor(row_factory=class_row(OutcomeRow)) as cursor:
        return cursor.execute(STANDING + which, values).fetchall()
