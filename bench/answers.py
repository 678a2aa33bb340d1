"""What must come out of a workload, and what did: signals as plain tuples, so that every peer can
be held against them.

The expected ones are DuckDB's, over the raw lines: product.md 2 as SQL, sharing no code with the
detector. The estimate of C's upside is left out (peers need not know it); everything else of a
figure is compared to the cent and the day.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import duckdb
import msgspec
import polars as pl

from bench.measured_process import Failed
from bench.workload import Workload
from shared.domain.thresholds import DetectionSettings

Answer = tuple[
    str, str, str, str, str, tuple[int, ...]
]  # organization, account, type, od, grade, figures


RULES = """
WITH lines AS (
    SELECT * FROM read_parquet($file)
),
active AS (
    SELECT
        organization, account,
        max(counts_on) FILTER (WHERE revenue_cents > 0) AS last_on,
        sum(revenue_cents) AS lifetime,
        sum(revenue_cents) FILTER (WHERE counts_on > $as_of - $window_days) AS spend,
        coalesce(
            sum(revenue_cents) FILTER (
                WHERE counts_on > $as_of - $window_days
                  AND od::decimal(9, 3) >= $minimum_od
            ),
            0
        ) AS specialty
    FROM lines
    WHERE counts_on <= $as_of
    GROUP BY organization, account
),
dormant AS (
    SELECT
        organization, account, 'dormant' AS type, '' AS od, '' AS grade,
        [$as_of - last_on, lifetime, (
            SELECT coalesce(sum(l.revenue_cents), 0)
            FROM lines l
            WHERE l.organization = a.organization
              AND l.account = a.account
              AND l.counts_on > a.last_on - 365
              AND l.counts_on <= a.last_on
        )] AS figures
    FROM active a
    WHERE $as_of - last_on >= $gap_days
      AND lifetime >= $minimum_lifetime
),
combos AS (
    SELECT
        organization, account, od, grade,
        max(counts_on) FILTER (WHERE revenue_cents > 0) AS combo_on,
        sum(revenue_cents) FILTER (WHERE counts_on > $as_of - $history_days) AS earned,
        count(DISTINCT date_trunc('month', counts_on))
            FILTER (WHERE counts_on > $as_of - $history_days AND revenue_cents > 0) AS months
    FROM lines
    WHERE counts_on <= $as_of
    GROUP BY organization, account, od, grade
),
lapsed AS (
    SELECT
        organization, account, 'lapse' AS type, od, grade,
        [$as_of - combo_on, earned, months] AS figures
    FROM combos
    JOIN active USING (organization, account)
    WHERE $as_of - last_on < $gap_days
      AND $as_of - combo_on >= $lapse_days
      AND earned >= $minimum_revenue
      AND months >= $minimum_months
),
picking AS (
    SELECT
        organization, account, 'cherry_picking' AS type, '' AS od, '' AS grade,
        [specialty, spend] AS figures
    FROM active
    WHERE spend >= $minimum_spend
      AND spend > 0
      AND specialty * 100 > spend * $share_percent::integer
)
SELECT * FROM dormant
UNION ALL
SELECT * FROM lapsed
UNION ALL
SELECT * FROM picking
"""


def write_lines(workload: Workload, path: Path) -> None:
    """The lines of the counting versions, those of cancelled orders left out, as Parquet."""
    rows = [
        (
            order.organization,
            order.account,
            order.counts_on,
            line.od,
            line.grade,
            line.revenue_cents,
        )
        for order in workload.counting
        if not order.cancelled
        for line in order.lines
    ]
    names = ("organization", "account", "counts_on", "od", "grade", "revenue_cents")
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(path)


def evaluated(file: Path, settings: DetectionSettings, as_of: date) -> set[Answer]:
    """One full evaluation by DuckDB over the Parquet file."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            RULES,
            {
                "file": str(file),
                "as_of": as_of,
                "gap_days": settings.dormant.gap_days,
                "minimum_lifetime": settings.dormant.minimum_lifetime_revenue_cents,
                "history_days": settings.lapse.history_days,
                "lapse_days": settings.lapse.lapse_days,
                "minimum_revenue": settings.lapse.minimum_revenue_cents,
                "minimum_months": settings.lapse.minimum_months,
                "window_days": settings.cherry_picking.window_days,
                "minimum_spend": settings.cherry_picking.minimum_revenue_cents,
                "minimum_od": settings.cherry_picking.minimum_od,
                "share_percent": settings.cherry_picking.share_percent,
            },
        ).fetchall()
    return {
        (name, account, type_, od, grade, tuple(figures))
        for name, account, type_, od, grade, figures in rows
    }


class Seen(msgspec.Struct):
    """What is read of a record of `signals`, ours or a peer's."""

    type: str
    organization: str
    account: str = ""
    signal_type: str = ""
    combo: dict[str, str | None] | None = None
    figures: dict[str, int | str] | None = None


_decode = msgspec.json.Decoder(Seen).decode
_FIGURES = {
    "dormant": ("days_inactive", "lifetime_revenue_cents", "last_year_revenue_cents"),
    "lapse": ("days_silent", "lapsed_revenue_cents", "distinct_months"),
    "cherry_picking": ("specialty_revenue_cents", "total_revenue_cents"),
}


class Gathered:
    """Signals, and the organizations whose run is completed, as they come. A worker that takes its
    partitions up again repeats what it had not saved, a completion too: who counted records would
    believe that all is answered while a partition is not.
    """

    def __init__(self) -> None:
        self.signals: set[Answer] = set()
        self._completed: set[str] = set()

    @property
    def completed(self) -> int:
        """How many organizations are answered."""
        return len(self._completed)

    def take(self, values: Iterable[bytes]) -> None:
        for value in values:
            seen = _decode(value)
            if seen.type == "RunCompleted":
                self._completed.add(seen.organization)
            elif seen.type == "SignalOpened":
                assert seen.figures is not None
                combo = seen.combo or {}
                figures = tuple(int(seen.figures[name]) for name in _FIGURES[seen.signal_type])
                self.signals.add(
                    (
                        seen.organization,
                        seen.account,
                        seen.signal_type,
                        combo.get("od") or "",
                        combo.get("grade") or "",
                        figures,
                    )
                )

    def must_be(self, expected: set[Answer], who: str) -> None:
        """Raises Failed where a time would be of a wrong answer."""
        if self.signals != expected:
            missing, surplus = sorted(expected - self.signals), sorted(self.signals - expected)
            raise Failed(
                f"{who} answers wrongly: {len(missing)} missing {missing[:2]}, "
                f"{len(surplus)} too many {surplus[:2]}, of {len(expected)}"
            )
