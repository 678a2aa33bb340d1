"""What people wait for: a page of the accounts table, a dry run of settings
(`bench.accounts` and `bench.dry_run`).
"""

import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, get_args

import duckdb

from bench import accounts as table
from bench import dry_run as trial
from bench.figure import Found, Measured, Plain, Side, Target, timed
from bench.measured_process import Failed
from bench.rig import Rig
from services.signals.store.account_filter import Filter
from services.signals.store.account_paging import ALONE, Sort, ways
from services.signals.trial import dry_run
from shared import db

TABLE_ACCOUNTS = 1_000_000
PLANS = "performance-accounts-page.txt"  # beside the report
TRIAL_ACCOUNTS, TRIAL_ORDERS = 20_000, 300_000


def pages(rig: Rig) -> list[Found]:
    """Every filter with every sort: what the page asks PostgreSQL for against the statement that
    finds its fifty rows, alone.
    """
    count = max(2_000, int(TABLE_ACCOUNTS * rig.scale))
    table.fill(count)
    every = [(name, sort) for name in table.FILTERS for sort in get_args(Sort)]
    times: dict[tuple[str, Sort], list[float]] = {one: [] for one in every}
    with db.pool("winback_app") as pool:

        def page() -> float:
            for name, sort in every:
                times[name, sort].append(table.asked(pool, sort, table.FILTERS[name])[0])
            return len(every)

        def ours() -> Measured:
            return replace(timed(page), seconds=_p95([of[-1] for of in times.values()]) / 1000)

        def alone() -> Measured:
            return Measured(
                units=1,
                seconds=_p95([by_itself(pool, sort, table.FILTERS[name]) for name, sort in every])
                / 1000,
            )

        ours(), alone()  # what is read from then on is in memory
        found: list[Found] = [
            *rig.rounds.compare(
                "pages",
                title="Accounts page, 50 of 1,000,000, p95",
                unit="s",
                ours=Side(name="all that the page asks for", run=ours),
                references=[
                    Side(
                        name="its SQL alone",
                        run=alone,
                        target=Target(compares="time", bound=3, moonshot=1.5),
                    )
                ],
                note=f"{count:,} accounts; p95 of {len(table.FILTERS)} filters × "
                f"{len(get_args(Sort))} sorts; the page asks for badges, "
                "gaps, counts and owners too",
            )
        ]
        typical = {one: statistics.median(of) for one, of in times.items()}
        slowest = sorted(every, key=lambda one: -typical[one])
        told = "; ".join(
            f"{name} by {sort} {typical[name, sort]:.0f} ms" for name, sort in slowest[:4]
        )
        took: dict[str, float] = {}
        table.asked(pool, slowest[0][1], table.FILTERS[slowest[0][0]], took=took)
        questions = ", ".join(
            f"{question} {milliseconds:.0f}" for question, milliseconds in took.items()
        )
        unsearched = next(one for one in slowest if not table.FILTERS[one[0]].words)
        for title, value, note in (
            (
                "Accounts page, the slowest of all filters and sorts without a search",
                typical[unsearched],
                f"{count:,} accounts; {unsearched[0]} by {unsearched[1]}",
            ),
            (
                "Accounts page, the slowest of all searches, filters and sorts",
                typical[slowest[0]],
                "nobody searched for it in the minute before; "
                f"{told}; the first by its questions, ms: {questions}; plans: {PLANS}",
            ),
            (
                "Accounts page, median of all searches, filters and sorts",
                statistics.median(typical.values()),
                f"{count:,} accounts",
            ),
        ):
            found.append(
                Plain(
                    figure="pages",
                    title=title,
                    value=value,
                    bound=table.TARGET_MS,
                    unit="ms",
                    note=note,
                )
            )
        if rig.report is not None:
            chosen = dict.fromkeys(
                [*(("all", sort) for sort in get_args(Sort)), unsearched, *slowest[:4]]
            )
            plans = [
                f"-- {name}, by {sort}\n{table.explained(pool, sort, table.FILTERS[name])}\n"
                for name, sort in chosen
            ]
            rig.report.with_name(PLANS).write_text("\n".join(plans))
    return found


def by_itself(pool: Any, sort: Sort, narrowed: Filter) -> float:
    """Milliseconds of the statement that finds the fifty rows."""
    with db.organization_transaction(pool, table.ORGANIZATION) as connection:
        asked = ways(
            connection, table.ORGANIZATION, sort, sort != "name", narrowed, None, datetime.now(UTC)
        )
        began = time.perf_counter()
        connection.execute(ALONE)
        for way in asked:
            if len(connection.execute(way.statement, way.values | {"limit": 51}).fetchall()) >= 51:
                break
        return 1000 * (time.perf_counter() - began)


def trials(rig: Rig) -> list[Found]:
    """Another try of thresholds in the console against DuckDB over the same lines;
    answers compared first.
    """
    people, orders = (
        max(200, int(TRIAL_ACCOUNTS * rig.scale)),
        max(3_000, int(TRIAL_ORDERS * rig.scale)),
    )
    trial.fill(people, orders)
    with ExitStack() as opened:
        file = Path(opened.enter_context(tempfile.TemporaryDirectory())) / "lines.parquet"
        pool, reader = (
            opened.enter_context(db.pool("winback_app")),
            opened.enter_context(duckdb.connect()),
        )
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
                "trials", title="Dry run, a further try", unit="s",
                ours=Side(name="dry run", run=further), references=[reference],
                note=note,
            ),
            *rig.rounds.compare(
                "trials", title="Dry run, the first try", unit="s",
                ours=Side(name="dry run", run=first), references=[reference],
                note=f"{note}; it reads the orders from PostgreSQL, DuckDB has them in a file",
            ),
        ]  # fmt: skip
    return found


def _p95(samples: list[float]) -> float:
    return statistics.quantiles(samples, n=20)[-1]
