"""The second opinion: its SQL against the oracle, and that it finds what is
wrong, and nothing else.
"""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from services.signals.second_opinion.audit import Difference, Key, differences, firing
from shared import db
from shared.domain.thresholds import CherryPicking, DetectionSettings, Dormant, Lapse
from shared.errors import NotFound, Retryable
from shared.events import Line, Order, RunRequested
from shared.ids import signal_id
from tests.oracle import histories, rules
from tests.oracle.histories import FIRST_DAY
from tests.oracle.oracle import Oracle
from tests.stack_fixtures import Organizations, Stack

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TODAY = date(2026, 6, 1)
# offset of the run's record; below every real one, since positions are shared with other tests
LAST_RUN_AT = -1
TOUCHED_LATER = 0

INSERT_ORDER = """
INSERT INTO orders (
    organization, order_id, account, ordered_on, counts_on, revision, content, cancelled,
    products, ods, grades, quantities, revenues_cents, accepted_at, source_offset
)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0)
"""

INSERT_ACCOUNTS = """
INSERT INTO accounts (organization, account)
SELECT DISTINCT organization, account
FROM orders
WHERE organization = %s
"""

INSERT_RUN = """
INSERT INTO runs (
    organization, number, as_of, settings_version, reason, requested_at, published_at, completed_at,
    source_offset, median_share
)
VALUES (%s, %s, %s, 1, 'manual', %s, %s, %s, %s, %s)
"""

INSERT_SIGNAL = """
INSERT INTO signals (
    organization, signal, account, type, od, grade, detected_at, last_seen_at, episode, opened_on,
    as_of, settings_version, run, lifetime_revenue_cents, figures, source_offset
)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1, %s, %s, 1, 1, %s, %s, 0)
"""

TOUCH = "UPDATE accounts SET touched_offset = %s WHERE organization = %s AND account = %s"


# -- the rules -------------------------------------------------------------------------------------


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    received=st.lists(histories.orders(), min_size=5, max_size=25),
    many=st.one_of(st.just([]), histories.crowds(), histories.floods()),
    day=st.integers(5, 60),
    thresholds=histories.settings(),
    dear=st.booleans(),
)
def test_the_sql_and_the_oracle_fire_the_same_signals_with_the_same_figures(
    stack: Stack,
    received: list[Order],
    many: list[Order],
    day: int,
    thresholds: DetectionSettings,
    dear: bool,
) -> None:
    as_of = FIRST_DAY + timedelta(days=day)
    oracle = Oracle()
    sent = [*received, *many]
    oracle.record(
        histories.block([histories.dear(order) for order in sent] if dear else sent), at=NOON
    )
    with db.connect() as connection:
        insert_organizations(connection, histories.ORGANIZATIONS)
        for organization in histories.ORGANIZATIONS:
            counting = oracle.orders(organization)
            insert_orders(connection, organization, counting)
            fires = said(firing(connection, organization, as_of, thresholds))
            assert fires == by_oracle(counting, as_of, thresholds)
        connection.rollback()


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(histories.crowded())
def test_the_sql_has_the_oracles_median_of_a_crowd(
    stack: Stack, crowd: tuple[list[Order], RunRequested, RunRequested]
) -> None:
    orders, *runs = crowd
    with db.connect() as connection:
        insert_organizations(connection, [orders[0].organization])
        insert_orders(connection, orders[0].organization, orders)
        for run in runs:
            fires = said(firing(connection, run.organization, run.as_of, run.settings))
            assert fires == by_oracle(orders, run.as_of, run.settings)
        connection.rollback()


def test_a_given_median_takes_the_place_of_the_computed_one(organization: str) -> None:
    picker = bought("A", 10, Line(revenue_cents=90_00, od="7"), Line(revenue_cents=1_00, od="4.5"))
    with db.connect() as connection:
        insert_orders(connection, organization, [picker])
        computed, given_half = (
            firing(connection, organization, TODAY, only_c(), median)[0].figures[
                "estimated_upside_cents"
            ]
            for median in (None, Fraction(1, 2))
        )
    assert computed == 21_50  # 80 %, since others are too few: 90.00 × 0.2 / 0.8 − 1.00
    assert given_half == 89_00


@pytest.mark.parametrize(
    ("minimum_od", "share_percent", "size"),
    [("6__0", "80", "7"), ("6", "8__0", "7"), ("6", "80", "7__0")],
)
def test_numbers_kept_before_they_were_strict_fire_nothing_and_stop_nothing(
    organization: str, minimum_od: str, share_percent: str, size: str
) -> None:
    picker = bought("A", 10, Line(revenue_cents=90_00, od="7"))
    kept = msgspec.structs.replace(
        only_c(),
        sizes={"7": size},
        cherry_picking=msgspec.structs.replace(
            only_c().cherry_picking, minimum_od=minimum_od, share_percent=share_percent
        ),
    )
    with db.connect() as connection:
        insert_orders(connection, organization, [picker])
        assert firing(connection, organization, TODAY, kept) == []


# -- the comparison --------------------------------------------------------------------------------


def test_signals_as_the_rules_want_them_have_no_differences(organization: str) -> None:
    report = audited(organization)
    assert (report.run, report.as_of, report.settings_version) == (1, TODAY, 1)
    assert (report.active, report.accounts, report.touched, report.differences) == (3, 3, 0, [])


def test_a_figure_changed_by_hand_is_reported_with_both_values(organization: str) -> None:
    report = audited(
        organization,
        "UPDATE signals SET figures = figures || '{\"days_inactive\": 7}' "
        "WHERE organization = %s AND type = 'dormant'",
    )
    assert report.differences == [
        Difference(kind="differs", key=DORMANT, field="days_inactive", signals=7, audit=100),
    ]
    assert str(report.differences[0]) == "gone dormant: days_inactive is 7, should be 100"


@pytest.mark.parametrize(
    ("column", "value", "was"),
    [
        ("lifetime_revenue_cents", 1, 500_00),
        ("settings_version", 9, 1),
        ("as_of", date(2026, 5, 31), TODAY),
        ("run", 0, 1),
    ],
)
def test_a_column_changed_by_hand_is_reported(
    organization: str, column: str, value: Any, was: Any
) -> None:
    plant = f"UPDATE signals SET {column} = '{value}' WHERE organization = %s AND type = 'dormant'"
    report = audited(organization, plant)
    assert report.differences == [
        Difference(kind="differs", key=DORMANT, field=column, signals=value, audit=was)
    ]


def test_a_signal_that_recovered_by_hand_is_missing(organization: str) -> None:
    plant = (
        "UPDATE signals SET recovered_at = now(), resolution = 'correction' "
        "WHERE organization = %s AND type = 'lapse'"
    )
    report = audited(organization, plant)
    assert report.differences == [Difference(kind="missing", key=LAPSE)]
    assert str(report.differences[0]) == "lapsing lapse 5.5 J55: should be active and is not"


def test_a_signal_that_should_not_be_active_is_unexpected(organization: str) -> None:
    report = audited(
        organization, "UPDATE signals SET od = '7' WHERE organization = %s AND type = 'lapse'"
    )
    assert report.differences == [
        Difference(kind="missing", key=LAPSE),
        Difference(kind="unexpected", key=LAPSE._replace(od="7")),
    ]


def test_an_account_that_an_order_touched_later_is_left_out_and_counted(organization: str) -> None:
    report = audited(
        organization,
        "DELETE FROM signals WHERE organization = %s AND type = 'dormant'",
        touched=["gone"],
    )
    assert (report.touched, report.differences) == (1, [])


def test_the_median_itself_is_audited_while_no_order_came_later(organization: str) -> None:
    changed = (
        "UPDATE signals SET figures = figures || '{\"estimated_upside_cents\": 1}' "
        "WHERE organization = %s AND type LIKE 'c%%'"
    )
    report = audited(organization, changed)
    assert [(d.field, d.signals) for d in report.differences] == [("estimated_upside_cents", 1)]


def test_an_estimate_is_held_against_the_median_of_the_run_once_that_cannot_be_recomputed(
    organizations: Organizations,
) -> None:
    changed = (
        "UPDATE signals SET figures = figures || '{\"estimated_upside_cents\": 89000}' "
        "WHERE organization = %s AND type LIKE 'c%%'"
    )
    right = audited(organizations(), changed, touched=["gone"], median_share="1/2")
    wrong = audited(organizations(), changed, touched=["gone"], median_share="3/4")
    assert right.differences == []
    assert [(d.field, d.signals, d.audit) for d in wrong.differences] == [
        ("estimated_upside_cents", 89000, 29000)
    ]


def test_without_a_complete_run_nothing_may_be_active(organizations: Organizations) -> None:
    quiet, loud = organizations(), organizations()
    with db.connect() as connection:
        assert differences(connection, quiet).differences == []
    report = audited(
        loud,
        "UPDATE runs SET completed_at = NULL, published_at = NULL WHERE organization = %s",
        run_of_signals=0,
    )
    assert report.run is None
    assert {difference.kind for difference in report.differences} == {"unexpected"}


@pytest.mark.parametrize(
    "plant",
    [
        "UPDATE signals SET run = 2 WHERE organization = %s AND type = 'dormant'",
        "INSERT INTO runs (organization, number, as_of, settings_version, reason, requested_at, "
        "published_at) VALUES (%s, 2, '2026-06-02', 1, 'manual', now(), now())",
        f"UPDATE runs SET source_offset = {10**12} WHERE organization = %s",
    ],
    ids=["signals of a later run", "a run under way", "orders on their way"],
)
def test_half_of_a_run_is_no_difference_but_asked_for_again(organization: str, plant: str) -> None:
    with pytest.raises(Retryable):
        audited(organization, plant)


def test_a_run_that_is_held_back_hides_nothing(organization: str) -> None:
    held_back = (
        "INSERT INTO runs (organization, number, as_of, settings_version, reason, requested_at)"
        " VALUES (%s, 2, '2026-06-02', 1, 'manual', now())"
    )
    assert audited(organization, held_back).differences == []


def test_an_organization_that_is_not_there_is_not_found(stack: Stack) -> None:
    with db.connect() as connection, pytest.raises(NotFound):
        differences(connection, "nobody")


# -- the command line ------------------------------------------------------------------------------


def test_the_exit_code_says_what_was_found(stack: Stack, organization: str) -> None:
    prepare(organization)
    clean = stack.winback("audit", "--organization", organization)
    assert (
        clean.stdout
        == "0 differences: 3 active signals of 3 accounts as of 2026-06-01 (run 1, settings 1)\n"
    )
    assert (
        stack.winback("audit", "--organization", organization, "--as-of", "2026-06-01").returncode
        == 0
    )

    other_day = stack.winback(
        "audit", "--organization", organization, "--as-of", "2026-05-31", check=False
    )
    assert (other_day.returncode, other_day.stdout) == (2, "")
    assert "the latest run is of 2026-06-01" in other_day.stderr
    assert stack.winback("audit", "--organization", "nobody", check=False).returncode == 2

    with db.connect() as connection:
        connection.execute(
            "DELETE FROM signals WHERE organization = %s AND type = 'lapse'", (organization,)
        )
    found = stack.winback("audit", "--organization", organization, "--json", check=False)
    assert found.returncode == 1
    printed = json.loads(found.stdout)
    assert printed["differences"] == [
        {
            "kind": "missing",
            "account": "lapsing",
            "type": "lapse",
            "combo": {"od": "5.5", "grade": "J55"},
        }
    ]


# -- an organization with a signal of each type ----------------------------------------------------

DORMANT = Key("gone", "dormant", None, None)
LAPSE = Key("lapsing", "lapse", "5.5", "J55")


def each_type() -> list[Order]:
    return [
        bought("gone", 100, Line(revenue_cents=500_00, od="4.5")),
        bought("lapsing", 100, Line(revenue_cents=500_00, od="5 1/2", grade="J-55")),
        bought("lapsing", 1, Line(revenue_cents=500_00, od="4.5")),
        bought("picking", 1, Line(revenue_cents=900_00, od="168.3 mm"), Line(revenue_cents=10_00)),
    ]


THRESHOLDS = DetectionSettings(
    dormant=Dormant(minimum_lifetime_revenue_cents=100_00),
    lapse=Lapse(enabled=True, minimum_revenue_cents=100_00, minimum_months=1),
    cherry_picking=CherryPicking(enabled=True, minimum_revenue_cents=100_00),
)


def only_c() -> DetectionSettings:
    return DetectionSettings(
        dormant=Dormant(enabled=False),
        cherry_picking=CherryPicking(enabled=True, minimum_revenue_cents=1_00),
    )


def bought(account: str, days_ago: int, *lines: Line) -> Order:
    return histories.version(
        organization="",
        order=f"{account} {days_ago}",
        account=account,
        ordered_on=TODAY - timedelta(days=days_ago),
        revision=1,
        cancelled=False,
        lines=lines,
    )


def prepare(organization: str, *, median_share: str = "4/5", run_of_signals: int = 1) -> None:
    """Orders, one complete run, and the signals that it should have left."""
    with db.connect() as connection:
        insert_orders(connection, organization, each_type())
        connection.execute(INSERT_ACCOUNTS, (organization,))
        connection.execute(
            "INSERT INTO settings_versions (organization, version, settings, saved_by) "
            "VALUES (%s, 1, %s, 'test')",
            (organization, Jsonb(msgspec.to_builtins(THRESHOLDS))),
        )
        connection.execute(
            INSERT_RUN, (organization, 1, TODAY, NOON, NOON, NOON, LAST_RUN_AT, median_share)
        )
        for key, found in by_oracle(each_type(), TODAY, THRESHOLDS).items():
            lifetime, figures = found
            connection.execute(
                INSERT_SIGNAL,
                (
                    organization,
                    signal_id(organization, *key),
                    *key,
                    NOON,
                    NOON,
                    TODAY,
                    TODAY,
                    lifetime,
                    Jsonb(figures),
                ),
            )
        connection.execute(
            "UPDATE signals SET run = %s WHERE organization = %s", (run_of_signals, organization)
        )


def audited(
    organization: str,
    plant: str | None = None,
    *,
    touched: Sequence[str] = (),
    median_share: str = "4/5",
    run_of_signals: int = 1,
) -> Any:
    """What the audit says once `plant` has changed something by hand, and orders have
    touched some accounts.
    """
    prepare(organization, median_share=median_share, run_of_signals=run_of_signals)
    with db.connect() as connection:
        if plant is not None:
            connection.execute(plant.encode(), (organization,))
        for account in touched:
            connection.execute(TOUCH, (TOUCHED_LATER, organization, account))
    with db.connect() as connection:
        return differences(connection, organization)


def insert_organizations(connection: db.Connection, organizations: Sequence[str]) -> None:
    for organization in organizations:
        connection.execute(
            "INSERT INTO organizations (organization, name, currency, timezone) "
            "VALUES (%s, %s, 'USD', 'UTC')",
            (organization, organization),
        )


def insert_orders(connection: db.Connection, organization: str, orders: Sequence[Order]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            INSERT_ORDER,
            [
                (
                    organization,
                    order.order,
                    order.account,
                    order.ordered_on,
                    order.counts_on,
                    order.revision,
                    bytes.fromhex(order.content),
                    order.cancelled,
                    [line.product for line in order.lines],
                    [line.od for line in order.lines],
                    [line.grade for line in order.lines],
                    [line.quantity for line in order.lines],
                    [line.revenue_cents for line in order.lines],
                    NOON,
                )
                for order in orders
            ],
        )


def by_oracle(
    orders: Sequence[Order], as_of: date, thresholds: DetectionSettings
) -> dict[Key, tuple[int, dict[str, Any]]]:
    """What the oracle says, in JSON's words."""
    return {
        Key(*key): (found.lifetime_revenue_cents, msgspec.to_builtins(found.figures))
        for key, found in rules.firing(orders, on=as_of, settings=thresholds).items()
    }


def said(fires: Sequence[Any]) -> dict[Key, tuple[int, dict[str, Any]]]:
    return {found.key: (found.lifetime_revenue_cents, dict(found.figures)) for found in fires}
