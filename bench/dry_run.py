"""How long the dry run of settings takes at 20,000 accounts, against DuckDB evaluating the same
lines from Parquet.

    pip install duckdb
    python -m bench.dry_run [--accounts 20000] [--orders 300000] [--rounds 3]

Fills one organization (bench-dry-run) in the database of WINBACK_DATABASE_URL, unless it is there
already. A round is: the first try of a console that has just begun (orders read from PostgreSQL,
then all three cards), DuckDB from the file, five tries more with other windows and floors, a replay
of four quarters. Answers are checked first: what a try flags is what DuckDB's rules fire. Medians,
wall and CPU seconds (of this process; PostgreSQL's own are not in it). `winback organization delete
bench-dry-run --yes` removes it.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg

from services.signals.store import trials
from services.signals.trial import dry_run
from services.signals.trial.columns import EPOCH, Ledger
from shared import db
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings, checked

ORGANIZATION = "bench-dry-run"
AS_OF = date(2026, 11, 23)
TARGET_RATIO = 2.0

FILL = (
    "INSERT INTO organizations (organization, name, currency, timezone) "
    "VALUES (%(organization)s, 'Bench', 'USD', 'UTC')",
    "INSERT INTO accounts (organization, account) "
    "SELECT %(organization)s, 'A-' || n FROM generate_series(1, %(accounts)s) AS n",
    """
    INSERT INTO orders (
        organization, order_id, account, ordered_on, counts_on, revision, content, cancelled,
        products, ods, grades, quantities, revenues_cents, accepted_at, source_offset, net_cents,
        is_activity
    )
    SELECT
        %(organization)s, 'SO-' || n, 'A-' || a, day, day, 1, '\\x00', n %% 200 = 0,
        ARRAY['pipe', 'pipe', 'pipe', 'pipe'],
        ARRAY[
            ods[1 + (n + a) %% 12],
            ods[1 + (n / 3 + a) %% 12],
            ods[1 + a %% 12],
            ods[1 + (a * 5) %% 12]
        ],
        ARRAY[
            grades[1 + (n + a) %% 6],
            grades[1 + a %% 6],
            grades[1 + a %% 6],
            grades[1 + (a * 3) %% 6]
        ],
        ARRAY['1', '1', '1', '1'],
        ARRAY[n * 37 %% 900000 - 20000, n * 41 %% 500000, n * 43 %% 700000, n * 47 %% 100000],
        now(), n, 0, true
    FROM (
        SELECT
            n,
            a,
            date '2026-11-20'
                - (n * 104729 %% 900)::int
                - CASE WHEN a %% 10 = 0 THEN 120 ELSE 0 END AS day
        FROM (
            SELECT n, (1 + n * 7919 %% %(accounts)s)::int AS a
            FROM generate_series(1::bigint, %(orders)s) AS n
        ) AS numbered
    ) AS dated
    CROSS JOIN (
        SELECT
            ARRAY[
                '5 1/2', '5.5', '4.5', '9 5/8', '7', '2 7/8',
                '2.375', '13 3/8', '6.625', NULL, '168.3 mm', '10.75'
            ] AS ods,
            ARRAY['J55', 'J-55', 'L80', 'P110', NULL, 'N80'] AS grades
    ) AS texts
    """,
)

# The three rules over lines that were read already (od, grade as inches and grade names), as
# product.md 2 says them.
DUCKDB = """
WITH account AS (
    SELECT account, sum(cents) AS lifetime, max(day) FILTER (cents > 0) AS last_on
    FROM '{file}'
    WHERE day <= $day
    GROUP BY account
),
combo AS (
    SELECT
        account, od, grade, max(day) FILTER (cents > 0) AS last_on,
        sum(cents) FILTER (day > $day - $history) AS earned,
        count(DISTINCT date_trunc('month', date '1970-01-01' + day))
            FILTER (cents > 0 AND day > $day - $history) AS active_months
    FROM '{file}'
    WHERE day <= $day
      AND (od IS NOT NULL OR grade IS NOT NULL)
    GROUP BY account, od, grade
),
spend AS (
    SELECT
        account, sum(cents) AS total,
        coalesce(sum(cents) FILTER (od::decimal(9, 3) >= $od::decimal(9, 3)), 0) AS specialty
    FROM '{file}'
    WHERE day > $day - $window
      AND day <= $day
    GROUP BY account
)
SELECT 'dormant', account, NULL, NULL
FROM account
WHERE $day - last_on >= $gap
  AND lifetime >= $lifetime
UNION ALL
SELECT 'lapse', account, od, grade
FROM combo
JOIN account USING (account)
WHERE $day - account.last_on < $gap
  AND $day - combo.last_on >= $lapse
  AND earned >= $earned
  AND active_months >= $months
UNION ALL
SELECT 'cherry_picking', account, NULL, NULL
FROM spend
WHERE total > 0
  AND total >= $spend
  AND specialty * 100 > total * $share
"""


def fill(accounts: int, orders: int) -> None:
    """The organization; nothing where it is there."""
    with db.connect() as connection:
        if connection.execute(
            "SELECT 1 FROM organizations WHERE organization = %s", (ORGANIZATION,)
        ).fetchone():
            return
        for statement in FILL:
            connection.execute(
                statement.encode(),
                {"organization": ORGANIZATION, "accounts": accounts, "orders": orders},
            )
    from shared.settings import settings

    with psycopg.connect(settings().database_url, autocommit=True) as owner:
        owner.execute("VACUUM (ANALYZE) orders")


def settings_of(number: int) -> DetectionSettings:
    """Other windows and floors for each number; 0 has the defaults."""
    return checked(
        {
            "dormant": {
                "gap_days": 90 + number,
                "minimum_lifetime_revenue_cents": 10_000_000 - 100_000 * number,
            },
            "lapse": {
                "history_days": 365 + 10 * number,
                "minimum_revenue_cents": 1_500_000 - 10_000 * number,
                "minimum_months": 2,
            },
            "cherry_picking": {"window_days": 365 + 10 * number, "share_percent": str(80 - number)},
        }
    )


def write_lines(connection: db.Connection, file: Path, settings: DetectionSettings) -> int:
    """The lines as Parquet, their texts read."""
    ledger = Ledger.read(trials.orders(connection, ORGANIZATION))
    sizes, aliases = TaughtSizes(settings.sizes), TaughtGrades(settings.grade_aliases)
    ods = pl.Series("od", [read_od(text, sizes).value for text in ledger.ods], dtype=pl.String)
    grades = pl.Series(
        "grade", [read_grade(text, aliases) for text in ledger.grades], dtype=pl.String
    )
    lines = ledger.lines.select(
        pl.Series("account", ledger.accounts).gather(ledger.lines["account"]),
        "day",
        ods.gather(ledger.lines["od"]),
        grades.gather(ledger.lines["grade"]),
        "cents",
    )
    lines.write_parquet(file)
    return lines.height


def duckdb_fires(reader: Any, file: Path, settings: DetectionSettings) -> set[tuple[Any, ...]]:
    """(type, account, od, grade) of everything that fires."""
    values = {
        "day": AS_OF.toordinal() - EPOCH,
        "gap": settings.dormant.gap_days,
        "lifetime": settings.dormant.minimum_lifetime_revenue_cents,
        "lapse": settings.lapse.lapse_days,
        "history": settings.lapse.history_days,
        "earned": settings.lapse.minimum_revenue_cents,
        "months": settings.lapse.minimum_months,
        "window": settings.cherry_picking.window_days,
        "spend": settings.cherry_picking.minimum_revenue_cents,
        "od": settings.cherry_picking.minimum_od,
        "share": float(settings.cherry_picking.share_percent),
    }
    return set(reader.execute(DUCKDB.format(file=file), values).fetchall())


def try_out(connection: db.Connection, number: int) -> set[tuple[Any, ...]]:
    """The same, by the dry run."""
    found = dry_run.tried(
        connection, ORGANIZATION, settings_of(number), as_of=AS_OF, run=1, seconds=120
    )
    return {
        (type_, subject.account, *(subject.combo or (None, None)))
        for type_, card in found.items()
        for subject in card.flagged
    }


def timed(what: Callable[[], Any]) -> tuple[float, float]:
    """(wall, CPU) seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    what()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Fill, check, measure, print; exit 1 where the ratio is above the target."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--accounts", type=int, default=20_000)
    given.add_argument("--orders", type=int, default=300_000)
    given.add_argument("--rounds", type=int, default=3)
    options = given.parse_args()
    fill(options.accounts, options.orders)
    found: dict[str, list[tuple[float, float]]] = {
        "first try": [],
        "DuckDB": [],
        "each further try": [],
        "replay": [],
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        db.pool("winback_app") as pool,
        duckdb.connect() as reader,
    ):
        file = Path(folder) / "lines.parquet"
        with db.organization_transaction(pool, ORGANIZATION) as connection:
            lines = write_lines(connection, file, settings_of(0))
            fires = try_out(connection, 0)
            assert fires == duckdb_fires(reader, file, settings_of(0)), "the answers differ"
            for _ in range(options.rounds):
                dry_run._kept = dry_run._Kept()
                found["first try"].append(timed(lambda: try_out(connection, 0)))
                found["DuckDB"].append(timed(lambda: duckdb_fires(reader, file, settings_of(0))))
                found["each further try"] += [
                    timed(partial(try_out, connection, number)) for number in range(1, 6)
                ]
                found["replay"].append(
                    timed(
                        lambda: dry_run.replayed(
                            connection,
                            ORGANIZATION,
                            settings_of(0),
                            as_of=AS_OF,
                            run=1,
                            seconds=120,
                        )
                    )
                )
    print(
        f"{options.accounts:,} accounts, {options.orders:,} orders, "
        f"{lines:,} lines that count, {len(fires):,} flagged"
    )
    print(f"{'':18}{'wall s':>9}{'CPU s':>9}{'x DuckDB':>10}")
    medians = {name: statistics.median(wall for wall, _ in times) for name, times in found.items()}
    for name, times in found.items():
        cpu = statistics.median(cpu for _, cpu in times)
        print(f"{name:18}{medians[name]:9.2f}{cpu:9.2f}{medians[name] / medians['DuckDB']:10.2f}")
    ratio = {name: round(wall / medians["DuckDB"], 2) for name, wall in medians.items()}
    print(
        json.dumps(
            {
                "accounts": options.accounts,
                "lines": lines,
                "seconds": medians,
                "ratio": ratio,
                "target_ratio": TARGET_RATIO,
            }
        )
    )
    raise SystemExit(max(ratio["first try"], ratio["each further try"]) > TARGET_RATIO)


if __name__ == "__main__":
    main()
