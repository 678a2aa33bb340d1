"""Signals, episodes and runs from the detector's events: the arc of a signal, repeats, late words
of a frozen detector.
"""

import random
from datetime import date, timedelta

from msgspec.structs import replace

from services.signals.persist import handlers
from services.signals.store import listing
from shared import db
from shared.domain.money import LARGEST_SUM_CENTS
from shared.events import Combo, RunCompleted, SignalEvent
from shared.ids import signal_id
from tests.signals.builders import (
    ACCEPTED_AT,
    completed,
    record,
    recovered,
    requested,
    rows,
    signal_event,
    tables,
)

J55 = Combo(od="5.5", grade="J55")


def say(
    connection: db.Connection, *events: SignalEvent | RunCompleted, first_offset: int = 0
) -> None:
    """In one batch."""
    with connection.transaction():
        handlers.handle_signals(
            connection,
            [
                record("signals", event, event.organization, first_offset + place)
                for place, event in enumerate(events)
            ],
        )


def arc(tenant: str) -> list[SignalEvent | RunCompleted]:
    """Opened, seen, recovered, reopened, seen: a lapse beside it, and the completions of runs."""
    return [
        signal_event("opened", tenant, offset=10),
        signal_event("opened", tenant, offset=10, combo=J55, account="A2"),
        completed(tenant, 1, offset=10),
        signal_event(
            "seen", tenant, offset=20, run=2, as_of=date(2026, 3, 5), opened_on=date(2026, 3, 2)
        ),
        signal_event(
            "seen",
            tenant,
            offset=20,
            run=2,
            as_of=date(2026, 3, 5),
            opened_on=date(2026, 3, 2),
            combo=J55,
            account="A2",
        ),
        completed(tenant, 2, offset=20, as_of=date(2026, 3, 5)),
        recovered(tenant, offset=25),
        signal_event("opened", tenant, offset=30, episode=2, run=3, as_of=date(2026, 7, 1)),
        recovered(
            tenant,
            offset=30,
            combo=J55,
            account="A2",
            resolution="superseded",
            closed_on=date(2026, 7, 1),
            order_id=None,
        ),
        completed(tenant, 3, offset=30, as_of=date(2026, 7, 1)),
    ]


def test_a_signal_that_recovers_and_fires_again_is_the_same_row_with_two_episodes(
    connection: db.Connection, tenant: str
) -> None:
    for event in arc(tenant):
        say(connection, event)
    dormant, lapse = listing.signals(connection, tenant)
    minute = {
        n: (ACCEPTED_AT + timedelta(minutes=n)).isoformat().replace("+00:00", "Z")
        for n in (10, 20, 25, 30)
    }
    assert dormant == {
        "signal": signal_id(tenant, "A1", "dormant", None, None),
        "organization": tenant,
        "account": "A1",
        "type": "dormant",
        "detected_at": minute[10],
        "last_seen_at": minute[30],
        "recovered_at": None,
        "resolution": None,
        "episode": 2,
        "opened_on": "2026-07-01",
        "as_of": "2026-07-01",
        "settings_version": 1,
        "figures": {
            "days_inactive": 120,
            "last_ordered_on": "2025-12-01",
            "lifetime_revenue_cents": 20_000_000,
            "last_year_revenue_cents": 5_000_000,
        },
        "episodes": [
            {
                "opened_on": "2026-03-02",
                "closed_on": "2026-03-09",
                "closed_at": minute[25],
                "resolution": "reordered",
            },
            {"opened_on": "2026-07-01", "closed_on": None, "closed_at": None, "resolution": None},
        ],
    }
    assert lapse["combo"] == {"od": "5.5", "grade": "J55"}
    assert (lapse["recovered_at"], lapse["resolution"], lapse["last_seen_at"]) == (
        minute[30],
        "superseded",
        minute[20],
    )
    # of the last run that saw it, not of the one that closed it
    assert lapse["as_of"] == "2026-03-05"


def test_all_events_in_one_batch_end_as_one_by_one(connection: db.Connection, tenant: str) -> None:
    for event in arc(tenant):
        say(connection, event)
    one_by_one = tables(connection, tenant)
    for table in ("episodes", "signals", "runs"):
        connection.execute(f"DELETE FROM {table} WHERE organization = %s".encode(), (tenant,))
    say(connection, *arc(tenant))
    assert tables(connection, tenant) == one_by_one


def test_what_the_detector_says_twice_or_late_changes_nothing(
    connection: db.Connection, tenant: str
) -> None:
    say(connection, *arc(tenant))
    before = tables(connection, tenant)
    events = arc(tenant)
    say(connection, *events, first_offset=100)
    assert tables(connection, tenant) == before
    chance = random.Random(5)
    for _ in range(20):
        say(connection, *chance.sample(events, chance.randrange(1, len(events))), first_offset=200)
        assert tables(connection, tenant) == before


def test_a_word_about_a_signal_that_nobody_opened_here_is_kept_if_it_says_active(
    connection: db.Connection, tenant: str
) -> None:
    say(connection, recovered(tenant, offset=5, account="A8"))
    say(connection, signal_event("seen", tenant, offset=6, account="A9"))
    assert [signal["account"] for signal in listing.signals(connection, tenant)] == ["A9"]


def test_whichever_topic_is_read_first_a_run_ends_as_the_same_row(
    connection: db.Connection, tenant: str
) -> None:
    """A consumer that reads the log again can meet the answer before what it answers."""
    asked = [
        record("orders", requested(tenant, 1), tenant, 40),
        record("orders", requested(tenant, 1), tenant, 44),
    ]
    answers = [completed(tenant, 1, offset=40), completed(tenant, 1, offset=44, repeated=True)]
    with connection.transaction():
        handlers.handle_orders(connection, asked)
    say(connection, *answers)
    request_first = tables(connection, tenant)["runs"]
    connection.execute("DELETE FROM runs WHERE organization = %s", (tenant,))

    say(connection, *answers)
    with connection.transaction():
        handlers.handle_orders(connection, asked)
    assert tables(connection, tenant)["runs"] == request_first


def test_a_run_s_completion_is_kept_once_and_a_repeat_completes_only_what_is_pending(
    connection: db.Connection, tenant: str
) -> None:
    with connection.transaction():
        handlers.handle_orders(
            connection,
            [
                record("orders", requested(tenant, 1), tenant, 40),
                record("orders", requested(tenant, 1), tenant, 44),
            ],
        )
    published = (
        "SELECT number, source_offset, completed_at IS NOT NULL, accounts FROM runs "
        "WHERE organization = %s ORDER BY number"
    )
    assert rows(connection, published, tenant) == [(1, 40, False, None)]
    say(connection, completed(tenant, 1, offset=40), completed(tenant, 1, offset=44, repeated=True))
    assert rows(connection, published, tenant) == [(1, 40, True, 7)]
    with connection.transaction():
        handlers.handle_orders(connection, [record("orders", requested(tenant, 2), tenant, 50)])
    say(connection, completed(tenant, 2, offset=51, repeated=True))
    assert rows(connection, published, tenant) == [(1, 40, True, 7), (2, 50, True, 0)]


def test_twenty_thousand_events_of_a_run_are_saved_in_bulk(
    connection: db.Connection, tenant: str
) -> None:
    import time

    events = [signal_event("opened", tenant, offset=10, account=f"A{n}") for n in range(20_000)]
    started = time.monotonic()
    for place in range(0, len(events), 500):
        say(connection, *events[place : place + 500])
    assert time.monotonic() - started < 60
    assert rows(connection, "SELECT count(*) FROM signals WHERE organization = %s", tenant) == [
        (20_000,)
    ]


def test_what_is_at_stake_beyond_64_bits_is_kept_at_the_largest(
    connection: db.Connection, tenant: str
) -> None:
    lapses = [
        signal_event("opened", tenant, offset=place, combo=Combo(od=od, grade=None))
        for place, od in enumerate(("5.5", "6", "7"))
    ]
    say(
        connection,
        *(
            replace(one, figures=replace(one.figures, lapsed_revenue_cents=LARGEST_SUM_CENTS))
            for one in lapses
        ),
    )
    query = "SELECT at_stake_cents FROM accounts WHERE organization = %s"
    assert rows(connection, query, tenant) == [(LARGEST_SUM_CENTS,)]
