"""The orders read model: which version counts, what touches an account, the log said again."""

import random
from datetime import date, timedelta

import pytest

from services.signals.persist import handlers
from shared import db
from shared.domain.money import LARGEST_SUM_CENTS, saturated
from shared.domain.orders import Version, counting
from shared.events import Line, Order
from tests.signals.builders import ACCEPTED_AT, block, order, rows, tables

DAY = date(2026, 3, 1)


def take(connection: db.Connection, *orders: Order, offset: int = 0) -> None:
    with connection.transaction():
        handlers.handle_orders(connection, [block(*orders, offset=offset)])


def counting_orders(
    connection: db.Connection, organization: str
) -> dict[str, tuple[int, str, date]]:
    found = rows(
        connection,
        "SELECT order_id, revision, encode(content, 'hex'), counts_on FROM orders "
        "WHERE organization = %s",
        organization,
    )
    return {
        order_id: (revision, content, counts_on) for order_id, revision, content, counts_on in found
    }


def test_an_order_is_kept_with_its_lines_as_sent(connection: db.Connection, tenant: str) -> None:
    lines = (
        Line(revenue_cents=150_000, product="casing", od='5 1/2"', grade="J-55", quantity="40"),
        Line(revenue_cents=-500),
        Line(revenue_cents=-500),
    )
    take(
        connection, order(tenant, "SO-1", lines=lines, account_name="Permian", owner="dk"), offset=4
    )
    assert rows(
        connection,
        "SELECT account, products, ods, grades, quantities, revenues_cents, cancelled, "
        "accepted_at, source_offset FROM orders WHERE organization = %s",
        tenant,
    ) == [
        (
            "A1",
            ["casing", None, None],
            ['5 1/2"', None, None],
            ["J-55", None, None],
            ["40", None, None],
            [150_000, -500, -500],
            False,
            ACCEPTED_AT,
            4,
        )
    ]
    assert rows(
        connection,
        "SELECT account, name, owner, revision, touched_offset FROM accounts "
        "WHERE organization = %s",
        tenant,
    ) == [("A1", "Permian", "dk", -1, 4)]
    assert rows(
        connection,
        "SELECT last_accepted_at, last_ordered_on FROM feeds WHERE organization = %s",
        tenant,
    ) == [(ACCEPTED_AT, DAY)]


@pytest.mark.parametrize("seed", range(12))
def test_the_merge_and_the_rule_agree_on_any_versions_in_any_order_and_any_blocks(
    connection: db.Connection, tenant: str, seed: int
) -> None:
    chance = random.Random(seed)
    versions = [
        order(
            tenant,
            f"SO-{chance.randrange(4)}",
            revision=chance.randrange(3),
            content=chance.choice("abc"),
            revision_given=chance.random() < 0.7,
            counts_on=DAY + timedelta(days=chance.randrange(3)),
            account=chance.choice(["A1", "A2"]),
        )
        for _ in range(40)
    ]
    expected: dict[str, Version] = {}
    for version in versions:
        old = expected.get(version.order)
        new = Version(version.revision, version.content, version.counts_on, version.revision_given)
        verdict = counting(old, new)
        if verdict == "new":
            expected[version.order] = new
        elif verdict == "earlier_day":
            assert old is not None
            expected[version.order] = old._replace(counts_on=new.counts_on)
    place = 0
    while place < len(versions):
        size = chance.randrange(1, 12)
        take(connection, *versions[place : place + size], offset=place)
        place += size
    assert counting_orders(connection, tenant) == {
        name: (version.revision, str(version.content), version.counts_on)
        for name, version in expected.items()
    }


def test_versions_with_revisions_end_the_same_however_they_arrive(
    connection: db.Connection, tenant: str
) -> None:
    versions = [
        order(tenant, "SO-1", revision=1, content="a"),
        order(tenant, "SO-1", revision=2, content="b", account="A2"),
        order(tenant, "SO-1", revision=2, content="c", account="A3", cancelled=True),
        order(
            tenant, "SO-1", revision=2, content="b", account="A2", counts_on=DAY - timedelta(days=1)
        ),
    ]
    ends = set()
    for arrival in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2, 1]):
        connection.execute("DELETE FROM orders WHERE organization = %s", (tenant,))
        for place in arrival:
            take(connection, versions[place], offset=place)
        ends.add(
            rows(
                connection,
                "SELECT account, revision, cancelled, counts_on FROM orders "
                "WHERE organization = %s",
                tenant,
            )[0]
        )
    assert len(ends) == 1


def test_a_repeat_touches_no_account_and_a_move_touches_both(
    connection: db.Connection, tenant: str
) -> None:
    take(connection, order(tenant, "SO-1"), order(tenant, "SO-2", account="A2"), offset=1)
    take(connection, order(tenant, "SO-1"), offset=2)  # the same again
    take(connection, order(tenant, "SO-2", account="A2", revision=0, content="older"), offset=3)
    touched = (
        "SELECT account, touched_offset FROM accounts WHERE organization = %s ORDER BY account"
    )
    assert rows(connection, touched, tenant) == [("A1", 1), ("A2", 1)]
    take(connection, order(tenant, "SO-1", account="A3", revision=2, content="moved"), offset=4)
    assert rows(connection, touched, tenant) == [("A1", 4), ("A2", 1), ("A3", 4)]


def test_an_order_without_a_revision_that_repeats_what_counts_changes_nothing(
    connection: db.Connection, tenant: str
) -> None:
    take(connection, order(tenant, "SO-1", revision=1_000, revision_given=False), offset=1)
    before = tables(connection, tenant)
    take(connection, order(tenant, "SO-1", revision=2_000, revision_given=False), offset=2)
    assert tables(connection, tenant) == before


def test_an_order_names_an_account_only_until_a_record_does(
    connection: db.Connection, tenant: str
) -> None:
    take(connection, order(tenant, "SO-1", account_name="From an order", owner="dk"), offset=1)
    connection.execute(
        "UPDATE accounts SET name = 'From its record', name_revision = 5, revision = 5 "
        "WHERE organization = %s",
        (tenant,),
    )
    take(connection, order(tenant, "SO-2", account_name="Another", owner="rs"), offset=2)
    assert rows(connection, "SELECT name, owner FROM accounts WHERE organization = %s", tenant) == [
        ("From its record", "rs")
    ]


def test_several_versions_of_one_order_in_one_batch_are_merged_one_after_the_other(
    connection: db.Connection, tenant: str
) -> None:
    versions = [
        order(tenant, "SO-1", revision=n, content=str(n), account=f"A{n}") for n in (1, 3, 2)
    ]
    take(connection, *versions, offset=9)
    assert rows(
        connection, "SELECT account, revision FROM orders WHERE organization = %s", tenant
    ) == [("A3", 3)]
    touched = (
        "SELECT account, touched_offset FROM accounts WHERE organization = %s ORDER BY account"
    )
    assert rows(connection, touched, tenant) == [("A1", 9), ("A2", -1), ("A3", 9)]


def test_orders_of_an_unknown_organization_are_passed_by(
    connection: db.Connection, tenant: str
) -> None:
    from shared import kafka

    partition = kafka.partition_of(tenant)
    gone = next(
        name for name in (f"gone-{n}" for n in range(1000)) if kafka.partition_of(name) == partition
    )
    take(connection, order(tenant, "SO-1"), order(gone, "SO-1"))
    assert rows(
        connection, "SELECT organization FROM orders WHERE organization IN (%s, %s)", tenant, gone
    ) == [(tenant,)]


def test_a_lifetime_beyond_64_bits_is_kept_at_the_largest_and_exact_when_orders_go(
    connection: db.Connection, tenant: str
) -> None:
    """Such orders were accepted once: 5,000 lines of 10**15 minor units each."""
    dear = [Line(revenue_cents=10**15)] * 5_000
    take(connection, order(tenant, "SO-1"), *(order(tenant, f"D-{n}", lines=dear) for n in "123"))
    assert lifetime(connection, tenant) == LARGEST_SUM_CENTS
    for number in "123":
        gone = order(tenant, f"D-{number}", revision=2, content="gone", cancelled=True)
        take(connection, gone, offset=int(number))
    assert lifetime(connection, tenant) == 10_000
    backed = [Line(revenue_cents=-(10**15))] * 5_000
    take(connection, *(order(tenant, f"B-{n}", lines=backed) for n in "123"), offset=4)
    assert lifetime(connection, tenant) == -LARGEST_SUM_CENTS


def lifetime(connection: db.Connection, organization: str) -> int:
    query = "SELECT lifetime_cents FROM accounts WHERE organization = %s"
    return int(rows(connection, query, organization)[0][0])


@pytest.mark.parametrize("edge", [0, LARGEST_SUM_CENTS, 2**63, 10**40])
def test_the_database_and_the_rules_saturate_alike(connection: db.Connection, edge: int) -> None:
    for cents in (edge - 1, edge, edge + 1, -edge - 1, -edge, 1 - edge):
        ((found,),) = rows(connection, "SELECT saturated(%s)", cents)
        assert int(found) == saturated(cents)
    assert rows(connection, "SELECT saturated(NULL)") == [(None,)]
