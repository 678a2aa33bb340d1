"""What came of accounts: rows that are only ever added, and the columns of accounts and signals
that follow from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared import db
from shared.domain.outcomes import Action, Counted, Kind, Reason, Saved, Standing
from shared.events import SignalType

LOCK_ACCOUNT = """
SELECT
    name,
    enrollment,
    last_contact_at,
    paused_until,
    lost_at
FROM accounts
WHERE organization = %(organization)s
  AND account = %(account)s
FOR UPDATE
"""

ACTIONS = """
SELECT
    outcome,
    kind,
    at,
    actor,
    signal,
    episode,
    paused_until,
    about
FROM outcomes
WHERE organization = %(organization)s
  AND account = %(account)s
ORDER BY at, outcome
"""

# What may have been won back: active, or answered by an order lately; and not yet said to be won by
# someone.
OPEN_TO_WIN = """
SELECT
    s.signal,
    s.episode,
    s.type,
    s.figures,
    s.recovered_at IS NOT NULL AS answered,
    coalesce((v.settings -> 'lapse' ->> 'history_days')::int, 365) AS history_days
FROM signals s
LEFT JOIN settings_versions v ON v.organization = s.organization AND v.version = s.settings_version
WHERE s.organization = %(organization)s
  AND s.account = %(account)s
  AND (%(signal)s::text IS NULL OR s.signal = %(signal)s)
  AND (s.recovered_at IS NULL OR (s.resolution = 'reordered' AND s.recovered_at > %(answered_since)s))
  AND NOT EXISTS (
      SELECT
      FROM outcomes o
      CROSS JOIN unnest(o.signals, o.episodes) AS won (signal, episode)
      WHERE o.organization = s.organization
        AND o.account = s.account
        AND o.kind = 'won_back'
        AND won.signal = s.signal
        AND won.episode = s.episode
        AND NOT EXISTS (
            SELECT
            FROM outcomes u
            WHERE u.organization = o.organization
              AND u.account = o.account
              AND u.kind = 'undone'
              AND u.about = o.outcome
        )
  )
ORDER BY s.type, s.signal
"""

EPISODE = """
SELECT
    episode,
    recovered_at IS NULL
FROM signals
WHERE organization = %(organization)s
  AND account = %(account)s
  AND signal = %(signal)s
"""

INSERT = """
INSERT INTO outcomes (
    organization, outcome, account, signal, episode, kind, at, actor, paused_until, reason,
    monthly_value_cents, signals, episodes, about, snapshot
) VALUES (
    %(organization)s, %(outcome)s, %(account)s, %(signal)s, %(episode)s, %(kind)s, %(at)s, %(actor)s, %(paused_until)s, %(reason)s,
    %(monthly_value_cents)s, %(signals)s, %(episodes)s, %(about)s, %(snapshot)s
)
ON CONFLICT DO NOTHING
"""

SET_ACCOUNT = """
UPDATE accounts
SET last_contact_at = %(last_contact_at)s,
    paused_until = %(paused_until)s,
    lost_at = %(lost_at)s,
    outcome = %(outcome)s
WHERE organization = %(organization)s
  AND account = %(account)s
"""

SET_SIGNAL = """
UPDATE signals
SET outcome_episode = %(episode)s,
    paused_until = %(paused_until)s,
    lost_at = %(lost_at)s
WHERE organization = %(organization)s
  AND signal = %(signal)s
"""

# The next order clears what was lost, and ends the hiding of what was claimed: a positive one,
# dated on the day of the action or later, accepted after it. It runs behind the merge, which waits
# for whoever is writing an action on one of its accounts.
ANSWER = """
WITH answered AS (
    SELECT
        a.organization,
        a.account,
        a.outcome,
        first_order.order_id,
        first_order.accepted_at
    FROM accounts a
    JOIN outcomes o ON o.organization = a.organization AND o.outcome = a.outcome AND o.kind IN ('lost', 'won_back')
    JOIN organizations g ON g.organization = a.organization
    CROSS JOIN LATERAL (
        SELECT
            order_id,
            accepted_at
        FROM orders
        WHERE organization = a.organization
          AND account = a.account
          AND NOT cancelled
          AND accepted_at > o.at
          AND counts_on >= (o.at AT TIME ZONE g.timezone)::date
          AND EXISTS (SELECT FROM unnest(revenues_cents) AS cents WHERE cents > 0)
        ORDER BY accepted_at, order_id
        LIMIT 1
    ) first_order
    WHERE a.outcome IS NOT NULL
      AND EXISTS (SELECT FROM staged_orders s WHERE s.organization = a.organization AND s.account = a.account)
),
told AS (
    INSERT INTO outcomes (organization, outcome, account, kind, at, actor, about)
    SELECT
        organization, outcome || ':answered', account, 'answered', accepted_at, 'order ' || order_id, outcome
    FROM answered
    ON CONFLICT DO NOTHING
)
UPDATE accounts a
SET lost_at = NULL,
    paused_until = NULL,
    outcome = NULL
FROM answered
WHERE a.organization = answered.organization
  AND a.account = answered.account
"""

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
    s.type,
    s.od,
    s.grade,
    EXISTS (
        SELECT
        FROM unnest(o.signals, o.episodes) AS won (signal, episode)
        JOIN episodes e ON e.organization = o.organization AND e.signal = won.signal AND e.episode = won.episode
        WHERE e.resolution = 'reordered'
    ) AS confirmed,
    answer.actor AS answered_by,
    u.at AS undone_at,
    u.actor AS undone_by
FROM outcomes o
LEFT JOIN accounts a ON a.organization = o.organization AND a.account = o.account
LEFT JOIN signals s ON s.organization = o.organization AND s.signal = o.signal
LEFT JOIN outcomes u ON u.organization = o.organization AND u.outcome = o.outcome || ':undone'
LEFT JOIN outcomes answer ON answer.organization = o.organization AND answer.outcome = o.outcome || ':answered'
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
ORDER BY o.at, o.outcome
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


def lock_account(
    connection: db.Connection, organization: str, account: str
) -> dict[str, Any] | None:
    """The account as it stands, until the end of the transaction; None where there is none."""
    row = connection.execute(
        LOCK_ACCOUNT, {"organization": organization, "account": account}
    ).fetchone()
    if row is None:
        return None
    return dict(
        zip(("name", "enrollment", "last_contact_at", "paused_until", "lost_at"), row, strict=True)
    )


def actions(connection: db.Connection, organization: str, account: str) -> list[Action]:
    """All of the account and its signals, the oldest first."""
    with connection.cursor(row_factory=class_row(Action)) as cursor:
        return cursor.execute(
            ACTIONS, {"organization": organization, "account": account}
        ).fetchall()


def open_to_win(
    connection: db.Connection,
    organization: str,
    account: str,
    *,
    signal: str | None,
    answered_since: datetime,
) -> list[Saved]:
    """What can be said to be won back, of the account or of one signal."""
    values = {
        "organization": organization,
        "account": account,
        "signal": signal,
        "answered_since": answered_since,
    }
    with connection.cursor(row_factory=class_row(Saved)) as cursor:
        return cursor.execute(OPEN_TO_WIN, values).fetchall()


def episode(
    connection: db.Connection, organization: str, account: str, signal: str
) -> tuple[int, bool] | None:
    """(episode, active) of a signal of the account."""
    row = connection.execute(
        EPISODE, {"organization": organization, "account": account, "signal": signal}
    ).fetchone()
    return (int(row[0]), bool(row[1])) if row else None


def insert(
    connection: db.Connection, organization: str, account: str, action: Action, **more: Any
) -> bool:
    """False: this very action is there already (a click that came twice)."""
    values: dict[str, Any] = {
        "organization": organization,
        "account": account,
        "outcome": action.outcome,
        "kind": action.kind,
        "at": action.at,
        "actor": action.actor,
        "signal": action.signal,
        "episode": action.episode,
        "paused_until": action.paused_until,
        "about": action.about,
        "reason": None,
        "monthly_value_cents": None,
        "signals": [],
        "episodes": [],
        "snapshot": {},
    }
    values |= more
    return (
        connection.execute(INSERT, values | {"snapshot": Jsonb(values["snapshot"])}).rowcount == 1
    )


def set_account(
    connection: db.Connection, organization: str, account: str, standing: Standing
) -> None:
    """The columns that digests, drafts and lists go by."""
    connection.execute(
        SET_ACCOUNT,
        {
            "organization": organization,
            "account": account,
            "last_contact_at": standing.last_contact_at,
            "paused_until": standing.paused_until,
            "lost_at": standing.lost_at,
            "outcome": standing.outcome,
        },
    )


def set_signal(
    connection: db.Connection, organization: str, signal: str, episode: int, standing: Standing
) -> None:
    """The same of one signal in one episode."""
    connection.execute(
        SET_SIGNAL,
        {
            "organization": organization,
            "signal": signal,
            "episode": episode,
            "paused_until": standing.paused_until,
            "lost_at": standing.lost_at,
        },
    )


def answer(connection: db.Connection) -> None:
    """Let the orders that are staged answer what was lost or claimed."""
    connection.execute(ANSWER, prepare=False)


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
    connection: db.Connection, organization: str, *, since: datetime, until: datetime
) -> list[OutcomeRow]:
    """What was done in that time and not taken back."""
    return _rows(
        connection, OF_MONTH, {"organization": organization, "since": since, "until": until}
    )


def _rows(connection: db.Connection, which: str, values: Mapping[str, Any]) -> list[OutcomeRow]:
    with connection.cursor(row_factory=class_row(OutcomeRow)) as cursor:
        return cursor.execute(STANDING + which, values).fetchall()
