"""The second opinion: which signals should be active, from the orders as PostgreSQL has them, by
rules written in SQL.

firing        the signals that fire on a day under some settings, with all figures
differences   the active signals held against that, as of the latest complete run, in one snapshot

The rules are in `audit.sql`, written from the product's description and sharing none with the
detector, nor with the dry run, which has them over columns (docs/decisions/15-rules-four-times.md).
Accounts that an order touched after the run are left out and counted: their signals may rightly
have closed since.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple

import msgspec
from psycopg.rows import dict_row

from services.signals.store.orders import DISTINCT_ODS
from shared import kafka, metrics
from shared.db import Connection
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.sizes import TaughtSizes, read_od
from shared.domain.thresholds import DetectionSettings
from shared.errors import NotFound, Retryable
from shared.ids import signal_id
from shared.topics import ORDERS

Figures = Mapping[str, int | str]

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

FOR_ONE_LARGE_QUERY = """
SELECT
    set_config('jit', 'off', true),
    set_config('work_mem', '128MB', true)
"""

DISTINCT_GRADES = """
SELECT DISTINCT line.grade
FROM orders
CROSS JOIN LATERAL unnest(orders.grades) AS line (grade)
WHERE orders.organization = %s
  AND line.grade IS NOT NULL
"""

ORGANIZATION = "SELECT 1 FROM organizations WHERE organization = %s"

LATEST_RUN = """
SELECT
    runs.number,
    runs.as_of,
    runs.settings_version,
    runs.source_offset,
    runs.median_share,
    settings_versions.settings
FROM runs
JOIN settings_versions ON settings_versions.organization = runs.organization
                      AND settings_versions.version = runs.settings_version
WHERE runs.organization = %s
  AND runs.completed_at IS NOT NULL
ORDER BY runs.number DESC
LIMIT 1
"""

# Events of a run are persisted before its completion is, perhaps in another batch: then this
# snapshot shows half of it.
UNDER_WAY = """
SELECT number
FROM runs
WHERE organization = %(organization)s
  AND number > %(number)s
  AND published_at IS NOT NULL
  AND completed_at IS NULL
UNION ALL
SELECT run
FROM signals
WHERE organization = %(organization)s
  AND run > %(number)s
LIMIT 1
"""

# Orders and signals come in by two topics, each at its own pace.
ORDERS_PERSISTED = """
SELECT min(next_offset)
FROM positions
WHERE topic = %s
  AND partition = %s
"""

TOUCHED = """
SELECT account
FROM accounts
WHERE organization = %s
  AND touched_offset > %s
"""

COUNT_ACCOUNTS = "SELECT count(*) FROM accounts WHERE organization = %s"

ACTIVE = """
SELECT
    signal,
    account,
    type,
    od,
    grade,
    as_of,
    settings_version,
    run,
    lifetime_revenue_cents,
    figures
FROM signals
WHERE organization = %s
  AND recovered_at IS NULL
"""


class Key(NamedTuple):
    """What a signal is about: one type on an account, or on one combo of it."""

    account: str
    type: str
    od: str | None
    grade: str | None

    @property
    def combo(self) -> str:
        """For people: `5.5 J55`, nothing for a whole account."""
        return f"{self.od or 'no size'} {self.grade or 'no grade'}" if self.type == "lapse" else ""


@dataclass(frozen=True, kw_only=True)
class Firing:
    """One signal that fires; `figures` as in the JSON of a signal."""

    key: Key
    lifetime_revenue_cents: int
    figures: Figures


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One point on which the detector (`signals`) and the second opinion (`audit`) differ.

    missing: should be active and is not. unexpected: is active and should not be. differs: `field`
      has another value.
    """

    kind: Literal["missing", "unexpected", "differs"]
    key: Key
    field: str | None = None
    signals: Any = None
    audit: Any = None

    def __str__(self) -> str:
        subject = " ".join(filter(None, (self.key.account, self.key.type, self.key.combo)))
        if self.kind == "missing":
            return f"{subject}: should be active and is not"
        if self.kind == "unexpected":
            return f"{subject}: is active and should not be"
        return f"{subject}: {self.field} is {self.signals}, should be {self.audit}"


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What was held against what. With no complete run, `run` is None and nothing may be active."""

    organization: str
    run: int | None = None
    as_of: date | None = None
    settings_version: int | None = None
    active: int = 0
    accounts: int = 0
    touched: int = 0
    differences: list[Difference] = field(default_factory=list)


class Run(NamedTuple):
    """The latest complete run. `source_offset`: of its record in `orders`."""

    number: int
    as_of: date
    settings_version: int
    source_offset: int
    median_share: str | None
    settings: DetectionSettings


def differences(connection: Connection, organization: str) -> AuditReport:
    """Hold the active signals against the second opinion, in one snapshot, and set the metric.

    `connection` must not be in a transaction. Raises NotFound, and Retryable where the snapshot
    shows half of a run (ask again in a moment; `winback wait` waits for it).
    """
    with connection.transaction():
        connection.execute(SNAPSHOT)
        report = _report(connection, organization)
    metrics.AUDIT_DIFFERENCES.labels(organization).set(len(report.differences))
    return report


def firing(
    connection: Connection,
    organization: str,
    as_of: date,
    settings: DetectionSettings,
    median: Fraction | None = None,
) -> list[Firing]:
    """Every signal that fires as of a day under these settings, from the
    orders that PostgreSQL has.

    `median` takes the place of the median specialty share in C's estimate, which
    otherwise is computed.
    """
    connection.execute(FOR_ONE_LARGE_QUERY)
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_rules(), _parameters(connection, organization, as_of, settings, median))
        return [
            Firing(
                key=Key(row["account"], row["type"], row["od"], row["grade"]),
                lifetime_revenue_cents=int(row["lifetime"]),
                figures=row["figures"],
            )
            for row in cursor
        ]


@cache
def _rules() -> bytes:
    return resources.files(__package__).joinpath("audit.sql").read_bytes()


def _parameters(
    connection: Connection,
    organization: str,
    as_of: date,
    settings: DetectionSettings,
    median: Fraction | None,
) -> dict[str, Any]:
    sizes, aliases = TaughtSizes(settings.sizes), TaughtGrades(settings.grade_aliases)
    ods = {
        text: read_od(text, sizes).value
        for (text,) in connection.execute(DISTINCT_ODS, (organization,))
    }
    grades = {
        text: read_grade(text, aliases)
        for (text,) in connection.execute(DISTINCT_GRADES, (organization,))
    }
    return {
        "organization": organization,
        "as_of": as_of,
        "od_texts": list(ods),
        "ods": list(ods.values()),
        "grade_texts": list(grades),
        "grades": list(grades.values()),
        "dormant_enabled": settings.dormant.enabled,
        "gap_days": settings.dormant.gap_days,
        "minimum_lifetime": settings.dormant.minimum_lifetime_revenue_cents,
        "lapse_enabled": settings.lapse.enabled,
        "lapse_days": settings.lapse.lapse_days,
        "history_days": settings.lapse.history_days,
        "minimum_lapsed": settings.lapse.minimum_revenue_cents,
        "minimum_months": settings.lapse.minimum_months,
        "cherry_picking_enabled": settings.cherry_picking.enabled,
        "window_days": settings.cherry_picking.window_days,
        "minimum_spend": settings.cherry_picking.minimum_revenue_cents,
        "minimum_od": settings.cherry_picking.specialty_from,
        "share_percent": settings.cherry_picking.share_above,
        "median_numerator": None if median is None else median.numerator,
        "median_denominator": None if median is None else median.denominator,
    }


def _report(connection: Connection, organization: str) -> AuditReport:
    if connection.execute(ORGANIZATION, (organization,)).fetchone() is None:
        raise NotFound(f"there is no organization {organization}")
    run = _latest_run(connection, organization)
    under_way = connection.execute(
        UNDER_WAY, {"organization": organization, "number": run.number if run else 0}
    ).fetchone()
    if under_way is not None:
        raise Retryable(f"run {under_way[0]} of {organization} is under way: `winback wait` first")
    active = list(_active(connection, organization))
    if run is None:
        unexpected = [Difference(kind="unexpected", key=row["key"]) for row in active]
        return AuditReport(organization=organization, active=len(active), differences=unexpected)
    _require_orders_up_to(connection, organization, run)

    touched = {
        account for (account,) in connection.execute(TOUCHED, (organization, run.source_offset))
    }
    # what it was is gone with the touched orders
    median = Fraction(run.median_share) if touched and run.median_share else None
    fires = firing(connection, organization, run.as_of, run.settings, median)
    accounts = connection.execute(COUNT_ACCOUNTS, (organization,)).fetchone()
    assert accounts is not None
    return AuditReport(
        organization=organization,
        run=run.number,
        as_of=run.as_of,
        settings_version=run.settings_version,
        active=len(active),
        accounts=accounts[0],
        touched=len(touched),
        differences=sorted(
            _compare(
                organization,
                run,
                {row["key"]: row for row in active if row["key"].account not in touched},
                {found.key: found for found in fires if found.key.account not in touched},
            ),
            key=str,
        ),
    )


def _latest_run(connection: Connection, organization: str) -> Run | None:
    row = connection.execute(LATEST_RUN, (organization,)).fetchone()
    if row is None:
        return None
    number, as_of, settings_version, source_offset, median_share, settings = row
    return Run(
        number,
        as_of,
        settings_version,
        source_offset,
        median_share,
        msgspec.convert(settings, DetectionSettings),
    )


def _require_orders_up_to(connection: Connection, organization: str, run: Run) -> None:
    row = connection.execute(
        ORDERS_PERSISTED, (ORDERS.name, kafka.partition_of(organization))
    ).fetchone()
    persisted = 0 if row is None or row[0] is None else int(row[0])
    if persisted <= run.source_offset:
        raise Retryable(
            f"orders of {organization} before run {run.number} are still on their "
            "way: `winback wait` first"
        )


def _active(connection: Connection, organization: str) -> Iterator[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(ACTIVE, (organization,))
        for row in cursor:
            yield row | {"key": Key(row["account"], row["type"], row["od"], row["grade"])}


def _compare(
    organization: str,
    run: Run,
    active: Mapping[Key, Mapping[str, Any]],
    fires: Mapping[Key, Firing],
) -> Iterable[Difference]:
    for key in fires.keys() - active.keys():
        yield Difference(kind="missing", key=key)
    for key in active.keys() - fires.keys():
        yield Difference(kind="unexpected", key=key)
    for key in active.keys() & fires.keys():
        row, found = active[key], fires[key]
        expected: dict[str, Any] = {
            "signal": signal_id(organization, *key),
            "as_of": run.as_of,
            "settings_version": run.settings_version,
            "run": run.number,
            "lifetime_revenue_cents": found.lifetime_revenue_cents,
        }
        for name, value in expected.items():
            if row[name] != value:
                yield Difference(
                    kind="differs", key=key, field=name, signals=row[name], audit=value
                )
        for name, figure in found.figures.items():
            if row["figures"].get(name) != figure:
                yield Difference(
                    kind="differs",
                    key=key,
                    field=name,
                    signals=row["figures"].get(name),
                    audit=figure,
                )
