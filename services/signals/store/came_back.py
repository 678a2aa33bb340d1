"""What orders brought back: episodes that ended `reordered`, each with its order and what was done
before it.
"""

from collections.abc import Sequence
from datetime import date, datetime

from psycopg.rows import class_row

from shared import db
from shared.domain.came_back import TOUCH_DAYS, Recovery

MOST = 2_000  # of a list

RECOVERIES = """
SELECT
    s.account,
    a.name,
    a.owner,
    e.signal,
    e.episode,
    s.type,
    s.od,
    s.grade,
    coalesce(o.counts_on, e.closed_on) AS ordered_on,
    e.closed_at AS at,
    e.recovered_by AS order,
    o.net_cents AS order_cents,
    e.figures,
    coalesce((v.settings -> 'lapse' ->> 'history_days')::int, 365) AS history_days,
    touch.at AS touched_at,
    touch.actor AS touched_by,
    EXISTS (
        SELECT
        FROM outcomes w
        CROSS JOIN unnest(w.signals, w.episodes) AS said (signal, episode)
        WHERE w.organization = e.organization
          AND w.account = s.account
          AND w.kind = 'won_back'
          AND said.signal = e.signal
          AND said.episode = e.episode
          AND NOT EXISTS (
              SELECT
              FROM outcomes u
              WHERE u.organization = w.organization
                AND u.outcome = w.outcome || ':undone'
          )
    ) AS won
FROM (
    SELECT *
    FROM episodes
    WHERE organization = %(organization)s
      AND resolution = 'reordered'
      AND closed_at >= %(since)s
      AND closed_at < %(until)s
    ORDER BY closed_at DESC
    LIMIT %(most)s
) e
JOIN signals s USING (organization, signal)
JOIN accounts a ON a.organization = s.organization AND a.account = s.account
LEFT JOIN orders o ON o.organization = e.organization AND o.order_id = e.recovered_by
LEFT JOIN settings_versions v
    ON v.organization = s.organization AND v.version = s.settings_version
LEFT JOIN LATERAL (
    SELECT at, actor
    FROM outcomes t
    WHERE t.organization = e.organization
      AND t.account = s.account
      AND t.kind IN ('reached_out', 'won_back')
      AND t.at <= e.closed_at
      AND t.at > e.closed_at - make_interval(days => %(touch_days)s)
      AND NOT EXISTS (
          SELECT
          FROM outcomes u
          WHERE u.organization = t.organization
            AND u.outcome = t.outcome || ':undone'
      )
    ORDER BY at DESC
    LIMIT 1
) touch ON true
WHERE (%(owners)s::text[] IS NULL OR a.owner = ANY(%(owners)s))
ORDER BY e.closed_at DESC, s.account, e.signal
"""

# Accounts, each once in a week.
BY_WEEK = """
SELECT
    date_trunc('week', e.closed_at AT TIME ZONE %(zone)s)::date AS week,
    count(DISTINCT s.account)
FROM episodes e
JOIN signals s USING (organization, signal)
WHERE e.organization = %(organization)s
  AND e.resolution = 'reordered'
  AND e.closed_at >= %(since)s
GROUP BY week
"""

BY_MONTH = BY_WEEK.replace("'week'", "'month'")


def recoveries(
    connection: db.Connection,
    organization: str,
    *,
    since: datetime,
    until: datetime,
    owners: Sequence[str] | None = None,
) -> list[Recovery]:
    """Of that time, the newest first; of the accounts of those owners, None: of all."""
    values = {
        "organization": organization,
        "since": since,
        "until": until,
        "owners": None if owners is None else list(owners),
        "touch_days": TOUCH_DAYS,
        "most": MOST,
    }
    with connection.cursor(row_factory=class_row(Recovery)) as cursor:
        return cursor.execute(RECOVERIES, values).fetchall()


def by_week(
    connection: db.Connection, organization: str, *, since: datetime, zone: str
) -> dict[date, int]:
    """The Monday of each week -> accounts that came back in it."""
    return _counts(connection, BY_WEEK, organization, since, zone)


def by_month(
    connection: db.Connection, organization: str, *, since: datetime, zone: str
) -> dict[date, int]:
    """The first of each month -> accounts that came back in it."""
    return _counts(connection, BY_MONTH, organization, since, zone)


def _counts(
    connection: db.Connection, statement: str, organization: str, since: datetime, zone: str
) -> dict[date, int]:
    values = {"organization": organization, "since": since, "zone": zone}
    return {row[0]: int(row[1]) for row in connection.execute(statement.encode(), values)}
