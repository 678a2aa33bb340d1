"""What the accounts table sorts by is, after any stream of orders and signals, what a recomputation
over the tables says.
"""

import random
from datetime import date, timedelta

from services.signals.persist import handlers
from shared import db
from shared.events import Line
from tests.signals.builders import block, order, record, recovered, rows, signal_event

KEPT = """
SELECT
    account, first_ordered_on, last_ordered_on, lifetime_cents, dormant, lapse, cherry_picking,
    at_stake_cents
FROM accounts
WHERE organization = %s
ORDER BY account
"""

RECOMPUTED = """
SELECT
    a.account,
    (
        SELECT min(o.counts_on)
        FROM orders o
        WHERE (o.organization, o.account) = (a.organization, a.account)
          AND NOT o.cancelled
          AND EXISTS (SELECT FROM unnest(o.revenues_cents) c WHERE c > 0)
    ),
    (
        SELECT max(o.counts_on)
        FROM orders o
        WHERE (o.organization, o.account) = (a.organization, a.account)
          AND NOT o.cancelled
          AND EXISTS (SELECT FROM unnest(o.revenues_cents) c WHERE c > 0)
    ),
    coalesce(
        (
            SELECT sum(c)
            FROM orders o, unnest(o.revenues_cents) c
            WHERE (o.organization, o.account) = (a.organization, a.account)
              AND NOT o.cancelled
        ),
        0
    )
FROM accounts a
WHERE a.organization = %s
ORDER BY a.account
"""


def test_facts_of_accounts_follow_orders_that_come_move_shrink_and_are_cancelled(
    connection: db.Connection, tenant: str
) -> None:
    chance = random.Random(11)
    revisions: dict[str, int] = {}
    for offset in range(1, 40):
        some = []
        for _ in range(chance.randint(1, 12)):
            name = f"SO-{chance.randint(1, 25)}"
            revisions[name] = revisions.get(name, 0) + chance.choice((0, 1, 1, 1))
            lines = [
                Line(revenue_cents=chance.choice((-5_000, 0, 10_000, 25_000)), product="pipe")
                for _ in range(chance.randint(1, 3))
            ]
            some.append(
                order(
                    tenant, name, account=f"A{chance.randint(1, 4)}", revision=revisions[name],
                    content=str(chance.random()),
                    on=date(2026, 1, 1) + timedelta(days=chance.randint(0, 60)),
                    cancelled=chance.random() < 0.2, lines=lines,
                )
            )  # fmt: skip
        with connection.transaction():
            handlers.handle_orders(connection, [block(*some, offset=offset)])
        assert [row[:4] for row in rows(connection, KEPT, tenant)] == rows(
            connection, RECOMPUTED, tenant
        )


def test_what_is_at_stake_follows_signals_also_when_they_come_before_the_orders(
    connection: db.Connection, tenant: str
) -> None:
    events = [
        signal_event("opened", tenant, offset=1, account="A1"),
        signal_event("opened", tenant, offset=1, account="A2"),
        recovered(tenant, offset=2, account="A2"),
    ]
    with connection.transaction():
        handlers.handle_signals(
            connection,
            [record("signals", event, tenant, place) for place, event in enumerate(events)],
        )
    figures = {
        str(row[0]): row[1]
        for row in rows(
            connection, "SELECT account, figures FROM signals WHERE organization = %s", tenant
        )
    }
    assert [row[4:] for row in rows(connection, KEPT, tenant)] == [
        (1, 0, 0, figures["A1"]["last_year_revenue_cents"]),
        (0, 0, 0, 0),
    ]


def test_words_of_an_account_follow_its_name(connection: db.Connection, tenant: str) -> None:
    words = "SELECT word FROM account_words WHERE organization = %s ORDER BY word"
    for revision, name in enumerate(
        ("Permian Supply", "Permian-Basin شركة", "Permian-Basin شركة"), start=1
    ):
        with connection.transaction():
            handlers.handle_orders(
                connection,
                [
                    block(
                        order(tenant, "SO-1", revision=revision, account_name=name), offset=revision
                    )
                ],
            )
    assert [row[0] for row in rows(connection, words, tenant)] == ["a1", "basin", "permian", "شركة"]
