"""What came of accounts: rows that are only ever added, and the columns of accounts and signals
that follow from them.
"""

from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from shared import db
from shared.domain.outcomes import Action, Saved, Standing, brought_cents
from shared.domain.thresholds import DetectionSettings

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

# What may have been won back: active, or answered by an order lately; and not yet
# said to be won by someone.
OPEN_TO_WIN = """
SELECT
    s.signal,
    s.episode,
    s.type,
    s.od,
    s.grade,
    s.figures,
    s.recovered_at IS NOT NULL AS answered,
    s.recovered_by AS order,
    v.settings,
    o.ods,
    o.grades,
    o.revenues_cents
FROM signals s
LEFT JOIN orders o ON o.organization = s.organization AND o.order_id = s.recovered_by
LEFT JOIN settings_versions v ON v.organization = s.organization AND v.version = s.settings_version
WHERE s.organization = %(organization)s
  AND s.account = %(account)s
  AND (%(signal)s::text IS NULL OR s.signal = %(signal)s)
  AND (
      s.recovered_at IS NULL
      OR (s.resolution = 'reordered' AND s.recovered_at > %(answered_since)s)
  )
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
    monthly_value_cents, signals, episodes, about, snapshot, note, follow_up_on
) VALUES (
    %(organization)s, %(outcome)s, %(account)s, %(signal)s, %(episode)s, %(kind)s, %(at)s,
    %(actor)s, %(paused_until)s, %(reason)s, %(monthly_value_cents)s, %(signals)s, %(episodes)s,
    %(about)s, %(snapshot)s, %(note)s, %(follow_up_on)s
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
    JOIN outcomes o
        ON o.organization = a.organization
       AND o.outcome = a.outcome
       AND o.kind IN ('lost', 'won_back')
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
      AND EXISTS (
          SELECT
          FROM staged_orders s
          WHERE s.organization = a.organization
            AND s.account = a.account
      )
),
told AS (
    INSERT INTO outcomes (organization, outcome, account, kind, at, actor, about)
    SELECT
        organization, outcome || ':answered', account, 'answered', accepted_at,
        'order ' || order_id, outcome
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
    """What can be said to be won back, of the account or of one signal; what an order answered with
    what that order brought.
    """
    values = {
        "organization": organization,
        "account": account,
        "signal": signal,
        "answered_since": answered_since,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        return [_saved(row) for row in cursor.execute(OPEN_TO_WIN, values)]


def _saved(row: dict[str, Any]) -> Saved:
    settings = msgspec.convert(row["settings"] or {}, DetectionSettings)
    brought = None
    if row["revenues_cents"] is not None:
        lines = zip(row["ods"], row["grades"], row["revenues_cents"], strict=True)
        brought = brought_cents(row["type"], (row["od"], row["grade"]), lines, settings)
    return Saved(
        signal=row["signal"],
        episode=row["episode"],
        type=row["type"],
        figures=row["figures"],
        answered=row["answered"],
        history_days=settings.lapse.history_days,
        order=row["order"],
        answered_cents=brought,
    )


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
        "note": None,
        "follow_up_on": None,
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
