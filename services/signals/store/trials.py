"""What thresholds are tried out on: each account's past as of a day, from the orders, in one statement a type.

No threshold is in these statements but the lengths of windows, so that one answer serves every other number that is typed.
`back_on` looks beyond the day: the first order in the 90 days after it, for replays of quarters that are over.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

from psycopg.rows import dict_row

from services.signals.audit import DISTINCT_GRADES, DISTINCT_ODS, FOR_ONE_LARGE_QUERY
from shared import db
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.history import NEVER, Combo, ComboStanding, Standing
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings
from shared.domain.trial import Past

SET_PATIENCE = "SELECT set_config('statement_timeout', %s, true)"

ACCOUNT_PASTS = """
WITH days AS (
    SELECT
        account,
        counts_on AS day,
        sum(net_cents) AS net,
        bool_or(is_activity) AS is_activity
    FROM orders
    WHERE organization = %(organization)s
      AND counts_on <= %(as_of)s::date + 90
      AND NOT cancelled
    GROUP BY account, counts_on
),
stepped AS (
    SELECT
        account,
        day,
        net,
        is_activity,
        day - lag(day) OVER (PARTITION BY account, is_activity ORDER BY day) AS gap
    FROM days
)
SELECT
    account,
    sum(net) FILTER (WHERE day <= %(as_of)s)::bigint AS lifetime,
    max(day) FILTER (WHERE is_activity AND day <= %(as_of)s) AS last_on,
    CASE WHEN count(gap) FILTER (WHERE is_activity AND day <= %(as_of)s) >= 2
         THEN percentile_disc(0.5) WITHIN GROUP (ORDER BY gap) FILTER (WHERE is_activity AND day <= %(as_of)s) END AS typical_days,
    min(day) FILTER (WHERE is_activity AND day > %(as_of)s) AS back_on
FROM stepped
GROUP BY account
HAVING bool_or(is_activity AND day <= %(as_of)s)
"""

HISTORY = """
WITH od_readings AS (
    SELECT
        raw,
        od,
        od::numeric >= %(minimum_od)s::numeric AS is_specialty
    FROM unnest(%(od_texts)s::text[], %(ods)s::text[]) AS reading (raw, od)
),
grade_readings AS (
    SELECT raw, grade
    FROM unnest(%(grade_texts)s::text[], %(grades)s::text[]) AS reading (raw, grade)
),
history AS MATERIALIZED (
    SELECT
        bought.account,
        bought.day,
        od_readings.od,
        grade_readings.grade,
        coalesce(od_readings.is_specialty, false) AS is_specialty,
        sum(bought.net) AS net,
        bool_or(bought.is_activity) AS is_activity
    FROM (
        SELECT
            orders.account,
            orders.counts_on AS day,
            line.od,
            line.grade,
            sum(line.cents) AS net,
            bool_or(line.cents > 0) AS is_activity
        FROM orders
        CROSS JOIN LATERAL unnest(orders.ods, orders.grades, orders.revenues_cents) AS line (od, grade, cents)
        WHERE orders.organization = %(organization)s
          AND orders.counts_on > %(as_of)s::date - %(days)s
          AND orders.counts_on <= %(as_of)s::date + 90
          AND NOT orders.cancelled
        GROUP BY orders.account, orders.counts_on, line.od, line.grade
    ) AS bought
    LEFT JOIN od_readings ON od_readings.raw = bought.od
    LEFT JOIN grade_readings ON grade_readings.raw = bought.grade
    GROUP BY 1, 2, 3, 4, 5
)
"""

COMBO_PASTS = (
    HISTORY
    + """,
account AS (
    SELECT
        account,
        max(counts_on) AS last_on
    FROM orders
    WHERE organization = %(organization)s
      AND counts_on <= %(as_of)s
      AND is_activity
      AND NOT cancelled
    GROUP BY account
),
stepped AS (
    SELECT
        account,
        day,
        od,
        grade,
        net,
        is_activity,
        day - lag(day) OVER (PARTITION BY account, od, grade, is_activity ORDER BY day) AS gap
    FROM history
    WHERE od IS NOT NULL
       OR grade IS NOT NULL
)
SELECT
    account,
    account.last_on AS account_last_on,
    od,
    grade,
    max(day) FILTER (WHERE is_activity AND day <= %(as_of)s) AS last_on,
    sum(net) FILTER (WHERE day <= %(as_of)s)::bigint AS earned,
    count(DISTINCT date_trunc('month', day)) FILTER (WHERE is_activity AND day <= %(as_of)s) AS months,
    CASE WHEN count(gap) FILTER (WHERE is_activity AND day <= %(as_of)s) >= 2
         THEN percentile_disc(0.5) WITHIN GROUP (ORDER BY gap) FILTER (WHERE is_activity AND day <= %(as_of)s) END AS typical_days,
    min(day) FILTER (WHERE is_activity AND day > %(as_of)s) AS back_on
FROM stepped
JOIN account USING (account)
GROUP BY account, account.last_on, od, grade
HAVING bool_or(is_activity AND day <= %(as_of)s)
"""
)

SPEND_PASTS = (
    HISTORY
    + """
SELECT
    account,
    sum(net) FILTER (WHERE day <= %(as_of)s)::bigint AS spend,
    coalesce(sum(net) FILTER (WHERE is_specialty AND day <= %(as_of)s), 0)::bigint AS specialty,
    min(day) FILTER (WHERE is_activity AND NOT is_specialty AND day > %(as_of)s) AS back_on
FROM history
GROUP BY account
HAVING sum(net) FILTER (WHERE day <= %(as_of)s) > 0
"""
)

ACTIVE = """
SELECT
    account,
    type,
    od,
    grade
FROM signals
WHERE organization = %s
  AND recovered_at IS NULL
"""

NAMES = """
SELECT
    account,
    coalesce(name, account)
FROM accounts
WHERE organization = %s
  AND account = ANY(%s)
"""


def set_patience(connection: db.Connection, seconds: float) -> None:
    """No statement of the transaction takes longer: psycopg.errors.QueryCanceled."""
    connection.execute(FOR_ONE_LARGE_QUERY)
    connection.execute(SET_PATIENCE, (f"{int(seconds * 1000)}ms",))


def account_pasts(connection: db.Connection, organization: str, as_of: date) -> list[Past]:
    """Lifetime and last activity: for A."""
    return [
        Past(
            account=row["account"],
            standing=_standing(as_of, row["last_on"], lifetime_cents=int(row["lifetime"] or 0)),
            typical_days=_known(None, row["typical_days"]),
            back_on=_known(None, row["back_on"]),
        )
        for row in _rows(connection, ACCOUNT_PASTS, {"organization": organization, "as_of": as_of})
    ]


def combo_pasts(connection: db.Connection, organization: str, as_of: date, settings: DetectionSettings) -> list[Past]:
    """Each account with its combos inside the history window: for B. What was silent all through it cannot be flagged."""
    found: dict[str, tuple[Standing, dict[Combo | None, int], dict[Combo | None, date]]] = {}
    parameters = _reading(connection, organization, as_of, settings) | {"days": settings.lapse.history_days}
    for row in _rows(connection, COMBO_PASTS, parameters):
        if row["account"] not in found:
            found[row["account"]] = (_standing(as_of, row["account_last_on"]), {}, {})
        standing, typical, back = found[row["account"]]
        combo = Combo(od=row["od"], grade=row["grade"])
        standing.combos[combo] = ComboStanding(
            last=row["last_on"].toordinal(), revenue_cents=int(row["earned"]), months=set(range(row["months"]))
        )
        typical.update(_known(combo, row["typical_days"]))
        back.update(_known(combo, row["back_on"]))
    return [
        Past(account=account, standing=standing, typical_days=typical, back_on=back)
        for account, (standing, typical, back) in found.items()
    ]


def spend_pasts(connection: db.Connection, organization: str, as_of: date, settings: DetectionSettings) -> list[Past]:
    """Each account's spend inside the window, and how much of it went on specialty sizes: for C."""
    parameters = _reading(connection, organization, as_of, settings) | {"days": settings.cherry_picking.window_days}
    return [
        Past(
            account=row["account"],
            standing=_standing(as_of, None, spend_cents=int(row["spend"]), specialty_cents=int(row["specialty"])),
            back_on=_known(None, row["back_on"]),
        )
        for row in _rows(connection, SPEND_PASTS, parameters)
    ]


def active(connection: db.Connection, organization: str) -> list[tuple[str, str, str | None, str | None]]:
    """(account, type, od, grade) of each active signal."""
    return [(str(row[0]), str(row[1]), row[2], row[3]) for row in connection.execute(ACTIVE, (organization,))]


def names(connection: db.Connection, organization: str, accounts: list[str]) -> dict[str, str]:
    """account -> name."""
    return {str(row[0]): str(row[1]) for row in connection.execute(NAMES, (organization, accounts))}


def unread_texts(connection: db.Connection, organization: str, settings: DetectionSettings) -> list[str]:
    """Size texts of the orders that cannot be read for certain under the settings."""
    sizes = TaughtSizes(settings.sizes)
    return sorted(str(text) for (text,) in connection.execute(DISTINCT_ODS, (organization,)) if read_od(text, sizes).value is None)


def _reading(connection: db.Connection, organization: str, as_of: date, settings: DetectionSettings) -> dict[str, Any]:
    sizes, aliases = TaughtSizes(settings.sizes), TaughtGrades(settings.grade_aliases)
    ods = {text: read_od(text, sizes).value for (text,) in connection.execute(DISTINCT_ODS, (organization,))}
    grades = {text: read_grade(text, aliases) for (text,) in connection.execute(DISTINCT_GRADES, (organization,))}
    return {
        "organization": organization,
        "as_of": as_of,
        "minimum_od": settings.cherry_picking.minimum_od,
        "od_texts": list(ods),
        "ods": list(ods.values()),
        "grade_texts": list(grades),
        "grades": list(grades.values()),
    }


def _rows(connection: db.Connection, statement: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        yield from cursor.execute(statement.encode(), parameters)


def _standing(
    as_of: date, last_on: date | None, *, lifetime_cents: int = 0, spend_cents: int = 0, specialty_cents: int = 0
) -> Standing:
    return Standing(
        on=as_of.toordinal(),
        last=last_on.toordinal() if last_on else 0,
        lifetime_cents=lifetime_cents,
        combos={},
        spend_cents=spend_cents,
        specialty_cents=specialty_cents,
        next_change=NEVER,
    )


def _known(key: Combo | None, value: Any) -> dict[Combo | None, Any]:
    return {} if value is None else {key: value}
