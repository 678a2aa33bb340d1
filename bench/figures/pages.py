"""What people wait for: a page of the accounts table, a dry run of settings (`bench.accounts` and `bench.dry_run`)."""

import statistics
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import get_args

import duckdb

from bench import accounts as table
from bench import dry_run as trial
from bench.figure import Found, Measured, Plain, Side, Target, timed
from bench.rig import Rig
from bench.watched import Failed
from services.signals import dry_run
from services.signals.store.account_pages import ALONE, Filter, Sort, page_statements
from shared import db

TABLE_ACCOUNTS = 1_000_000
TRIAL_ACCOUNTS, TRIAL_ORDERS = 20_000, 300_000


def pages(rig: Rig) -> list[Found]:
    """Every filter with every sort: what the page asks PostgreSQL for against its own statement alone."""
    count = max(2_000, int(TABLE_ACCOUNTS * rig.scale))
    table.fill(count)
    times: list[float] = []
    alone: list[float] = []
    with db.pool("winback_app") as pool:
        for narrowed in table.FILTERS.values():
            for sort in get_args(Sort):
                found, _ = table.timed(pool, sort, narrowed, None)
                times += found
                alone += by_itself(pool, sort, narrowed)
    slowest = f"{len(table.FILTERS)} filters × {len(get_args(Sort))} sorts, {count:,} accounts"
    mine, reference = _p95(times), _p95(alone)
    return [
        Plain(
            figure="pages", title="Accounts page against its SQL alone, p95", value=mine / reference, bound=3, unit="×",
            note=f"{slowest}; {mine:.1f} against {reference:.1f} ms; the page asks for badges, gaps, counts, owners too",
        ),
        Plain(
            figure="pages", title="Accounts page, p95", value=mine, bound=table.TARGET_MS, unit="ms", note=slowest,
        ),
    ]  # fmt: skip


def by_itself(pool: object, sort: Sort, narrowed: Filter) -> list[float]:
    """Milliseconds of the statement that finds the fifty rows."""
    found = []
    for _ in range(table.ROUNDS):
        with db.organization_transaction(pool, table.ORGANIZATION) as connection:  # type: ignore[arg-type] # the pool above
            statements = page_statements(connection, table.ORGANIZATION, sort, sort != "name", narrowed, None, datetime.now(UTC))
            began = time.perf_counter()
            connection.execute(ALONE)
            for statement, values in statements:
                if len(connection.execute(statement, values | {"limit": 51}).fetchall()) >= 51:
                    break
            found.append(1000 * (time.perf_counter() - began))
    return found


def trials(rig: Rig) -> list[Found]:
    """Another try of thresholds in the console against DuckDB over the same lines; answers compared first."""
    people, orders = max(200, int(TRIAL_ACCOUNTS * rig.scale)), max(3_000, int(TRIAL_ORDERS * rig.scale))
    trial.fill(people, orders)
    with ExitStack() as opened:
        file = Path(opened.enter_context(tempfile.TemporaryDirectory())) / "lines.parquet"
        pool, reader = opened.enter_context(db.pool("winback_app")), opened.enter_context(duckdb.connect())
        connection = opened.enter_context(db.organization_transaction(pool, trial.ORGANIZATION))
        lines = trial.write_lines(connection, file, trial.settings_of(0))
        if trial.try_out(connection, 0) != trial.duckdb_fires(reader, file, trial.settings_of(0)):
            raise Failed("the dry run and DuckDB differ")
        number = 0

        def further() -> Measured:
            nonlocal number
            number = number % 20 + 1
            return timed(lambda: len(trial.try_out(connection, number)))

        def first() -> Measured:
            dry_run._kept = dry_run._Kept()
            return timed(lambda: len(trial.try_out(connection, 0)))

        reference = Side(
            name="DuckDB over the same lines",
            run=partial(timed, lambda: len(trial.duckdb_fires(reader, file, trial.settings_of(0)))),
            target=Target(compares="time", bound=2, moonshot=0.2),
        )
        note = f"{people:,} accounts, {orders:,} orders, {lines:,} lines"
        found: list[Found] = [
            *rig.rounds.compare(
                "trials", title="Dry run, a further try", unit="s", ours=Side(name="dry run", run=further), references=[reference],
                note=note,
            ),
            *rig.rounds.compare(
                "trials", title="Dry run, the first try", unit="s", ours=Side(name="dry run", run=first), references=[reference],
                note=f"{note}; it reads the orders from PostgreSQL, DuckDB has them in a file",
            ),
        ]  # fmt: skip
    return found


def _p95(samples: list[float]) -> float:
    return statistics.quantiles(samples, n=20)[-1]
