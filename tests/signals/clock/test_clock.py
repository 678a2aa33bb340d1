"""The clock with a time of the test's own: slots, catch-ups, runs held back by imports, ticks,
several clocks.
"""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from services.signals.actions import runs
from services.signals.actions.actor import COMMAND_LINE
from services.signals.clock import __main__, auditor, firing
from services.signals.persist import handlers
from services.signals.store import run_requests, slots
from shared import db, kafka, metrics
from shared.errors import Rejected
from shared.events import DigestDue, RunRequested, SequencesDue
from shared.health import Readiness
from shared.settings import settings
from shared.topics import DIGEST_TICKS, ORDERS, SEQUENCE_TICKS
from tests.signals.builders import completed, record, rows, signal_event
from tests.signals.conftest import make_tenant

At = Callable[[datetime], None]
SLOTS = (
    "SELECT kind, slot_at, run, dropped FROM slots "
    "WHERE organization = %s ORDER BY slot_at, kind DESC"
)
RUNS = (
    "SELECT number, as_of, reason, published_at IS NOT NULL, held_back FROM runs "
    "WHERE organization = %s ORDER BY number"
)
HOLD = """
INSERT INTO imports (organization, import_id, kind, files, accepted_ms, started_at, lease_until)
VALUES (%s, 'i-1', 'orders', '{}', 0, now(), now() + interval '1 minute')
"""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(
    connection: db.Connection,
    organization: str,
    kind: slots.Kind,
    *,
    since: datetime,
    frequency: str = "daily",
    hour: int = 5,
) -> None:
    slots.set_schedule(
        connection,
        organization,
        kind,
        frequency=frequency,
        hour=hour,
        anchor_on=date(2026, 1, 5),
        since=since,
    )


def read(topic: str, partition: int, offset: int) -> list[Any]:
    """The events of a partition from an offset on."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings().kafka,
            "group.id": "test-look",
            "enable.auto.commit": False,
        }
    )
    place = TopicPartition(topic, partition, offset)
    end = consumer.get_watermark_offsets(place, timeout=10)[1]
    consumer.assign([place])
    found: list[Any] = []
    while len(found) < end - offset:
        found += [
            msgspec.json.decode(message.value() or b"null")
            for message in consumer.consume(100, 1.0)
        ]
    consumer.close()
    return found


def ticks_since(topic: str, offset: int, organization: str) -> list[Any]:
    return [tick for tick in read(topic, 0, offset) if tick["organization"] == organization]


def finish(connection: db.Connection, organization: str, number: int, *, offset: int = 1) -> None:
    """The detector's completion arrives."""
    with connection.transaction():
        handlers.handle_signals(
            connection,
            [
                record(
                    "signals", completed(organization, number, offset=offset), organization, number
                )
            ],
        )


def test_a_nightly_slot_asks_for_a_run_of_that_day_in_the_organizations_zone(
    connection: db.Connection, tenant: str, at: At
) -> None:
    schedule(connection, tenant, "nightly", since=utc("2026-01-06 12:00"))
    at(utc("2026-01-07 10:59:59"))
    firing.fire_due(connection)
    assert rows(connection, SLOTS, tenant) == []
    at(utc("2026-01-07 11:00"))
    firing.fire_due(connection)
    firing.fire_due(connection)
    assert rows(connection, SLOTS, tenant) == [("nightly", utc("2026-01-07 11:00"), 1, None)]
    assert rows(connection, RUNS, tenant) == [(1, date(2026, 1, 7), "nightly", False, None)]


@pytest.mark.parametrize(
    ("since", "fired"),
    [
        # 2:00 is skipped on the 8th
        ("2026-03-06 12:00", ["2026-03-07 08:00", "2026-03-08 08:00", "2026-03-09 07:00"]),
        # 1:00 to 2:00 comes twice on the 1st
        ("2026-10-30 12:00", ["2026-10-31 07:00", "2026-11-01 08:00", "2026-11-02 08:00"]),
    ],
)
def test_a_changed_clock_neither_skips_a_slot_nor_fires_one_twice(
    connection: db.Connection, tenant: str, at: At, since: str, fired: list[str]
) -> None:
    schedule(connection, tenant, "nightly", since=utc(since), hour=2)
    moment = utc(since)
    while moment < utc(fired[-1]) + timedelta(hours=6):
        at(moment)
        firing.fire_due(connection)
        moment += timedelta(minutes=15)
    assert rows(connection, SLOTS, tenant) == [
        ("nightly", utc(at_), n, None) for n, at_ in enumerate(fired, start=1)
    ]


def test_an_outage_of_three_days_is_answered_by_one_catch_up(
    connection: db.Connection, tenant: str, at: At
) -> None:
    schedule(connection, tenant, "nightly", since=utc("2026-01-06 12:00"))
    at(utc("2026-01-07 11:00"))
    firing.fire_due(connection)
    at(utc("2026-01-10 16:00"))
    firing.fire_due(connection)
    firing.fire_due(connection)
    assert rows(connection, SLOTS, tenant) == [
        ("nightly", utc("2026-01-07 11:00"), 1, None),
        ("nightly", utc("2026-01-10 11:00"), 2, None),
    ]
    assert [row[1] for row in rows(connection, RUNS, tenant)] == [
        date(2026, 1, 7),
        date(2026, 1, 10),
    ]


def test_a_catch_up_is_dropped_where_the_next_slot_is_near(
    connection: db.Connection, tenant: str, at: At
) -> None:
    schedule(connection, tenant, "nightly", since=utc("2026-01-06 12:00"))
    at(utc("2026-01-10 23:30"))
    firing.fire_due(connection)
    at(utc("2026-01-11 11:00"))
    firing.fire_due(connection)
    assert rows(connection, SLOTS, tenant) == [
        ("nightly", utc("2026-01-10 11:00"), None, "the next one is near"),
        ("nightly", utc("2026-01-11 11:00"), 1, None),
    ]


def test_clocks_that_run_at_once_fire_a_slot_once(
    connection: db.Connection, tenant: str, at: At
) -> None:
    schedule(connection, tenant, "nightly", since=utc("2026-01-06 12:00"))
    schedule(connection, tenant, "digest", since=utc("2026-01-06 12:00"))
    at(utc("2026-01-07 11:00"))
    barrier = threading.Barrier(4)

    def one_clock() -> None:
        with db.connect() as own:
            own.autocommit = True
            barrier.wait()
            firing.fire_due(own)

    threads = [threading.Thread(target=one_clock) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(rows(connection, SLOTS, tenant)) == [
        ("digest", utc("2026-01-07 11:00"), 2, None),
        ("nightly", utc("2026-01-07 11:00"), 1, None),
    ]


def test_runs_go_into_the_log_in_their_order_one_in_flight_at_a_time(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str
) -> None:
    with connection.transaction():
        runs.ask(connection, tenant, as_of=date(2026, 3, 2), by=COMMAND_LINE)
        runs.ask(connection, tenant, as_of=date(2026, 3, 9), by=COMMAND_LINE)
    partition = kafka.partition_of(tenant)
    start = kafka.end_offset(ORDERS.name, partition)
    for _ in range(3):
        firing.publish_runs(connection, publisher)
    assert [row[3] for row in rows(connection, RUNS, tenant)] == [True, False]
    finish(connection, tenant, 1)
    firing.publish_runs(connection, publisher)
    found = [
        msgspec.convert(event, RunRequested)
        for event in read(ORDERS.name, partition, start)
        if event.get("organization") == tenant
    ]
    assert [(event.number, event.as_of, event.settings_version) for event in found] == [
        (1, date(2026, 3, 2), 1),
        (2, date(2026, 3, 9), 1),
    ]


def test_a_run_takes_the_settings_that_count_when_it_goes_out(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str
) -> None:
    from services.signals.actions import settings as configuration

    with connection.transaction():
        runs.ask(connection, tenant, as_of=date(2026, 3, 2), by=COMMAND_LINE)
        configuration.save(connection, tenant, {"dormant": {"gap_days": 60}}, by=COMMAND_LINE)
    partition = kafka.partition_of(tenant)
    start = kafka.end_offset(ORDERS.name, partition)
    firing.publish_runs(connection, publisher)
    event = next(
        event
        for event in read(ORDERS.name, partition, start)
        if event.get("organization") == tenant
    )
    assert (event["settings_version"], event["settings"]["dormant"]["gap_days"]) == (2, 60)
    assert rows(
        connection, "SELECT settings_version FROM runs WHERE organization = %s", tenant
    ) == [(2,)]


def test_an_import_in_flight_holds_runs_back_until_its_lease_ends(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str
) -> None:
    connection.execute(HOLD, (tenant,))
    with connection.transaction():
        runs.ask(connection, tenant, as_of=date(2026, 3, 2), by=COMMAND_LINE)
    firing.publish_runs(connection, publisher)
    assert rows(connection, RUNS, tenant) == [(1, date(2026, 3, 2), "manual", False, "import i-1")]
    connection.execute(
        "UPDATE imports SET lease_until = now() - interval '1 second' WHERE organization = %s",
        (tenant,),
    )
    firing.publish_runs(connection, publisher)
    assert rows(connection, RUNS, tenant)[0][3] is True


def test_a_run_that_was_held_back_for_two_hours_starts_anyway_and_says_so(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str
) -> None:
    connection.execute(HOLD, (tenant,))
    with connection.transaction():
        runs.ask(connection, tenant, as_of=date(2026, 3, 2), by=COMMAND_LINE)
    connection.execute(
        "UPDATE runs SET requested_at = requested_at - interval '2 hours' WHERE organization = %s",
        (tenant,),
    )
    firing.publish_runs(connection, publisher)
    assert rows(connection, RUNS, tenant) == [
        (1, date(2026, 3, 2), "manual", True, "import i-1: started anyway after two hours")
    ]


def test_a_run_for_a_day_before_the_latest_one_is_refused(
    connection: db.Connection, tenant: str
) -> None:
    with connection.transaction():
        runs.ask(connection, tenant, as_of=date(2026, 3, 2), by=COMMAND_LINE)
        assert runs.ask(connection, tenant, as_of=date(2026, 3, 2), by=COMMAND_LINE) == (
            2,
            date(2026, 3, 2),
        )
    with pytest.raises(Rejected, match="2026-03-02"), connection.transaction():
        runs.ask(connection, tenant, as_of=date(2026, 3, 1), by=COMMAND_LINE)


def test_a_digest_s_ticks_go_out_when_its_run_is_complete(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str, at: At
) -> None:
    schedule(
        connection, tenant, "digest", since=utc("2026-01-06 12:00"), frequency="weekly", hour=8
    )
    digests, sequences = (
        kafka.end_offset(DIGEST_TICKS.name, 0),
        kafka.end_offset(SEQUENCE_TICKS.name, 0),
    )
    at(utc("2026-01-12 14:00"))
    firing.fire_due(connection)
    firing.send_ticks(connection, publisher)
    assert ticks_since(DIGEST_TICKS.name, digests, tenant) == []
    finish(connection, tenant, 1)
    at(utc("2026-01-12 14:01"))
    for _ in range(2):
        firing.send_ticks(connection, publisher)
    (due,) = (
        msgspec.convert(tick, DigestDue) for tick in ticks_since(DIGEST_TICKS.name, digests, tenant)
    )
    (drafts,) = (
        msgspec.convert(tick, SequencesDue)
        for tick in ticks_since(SEQUENCE_TICKS.name, sequences, tenant)
    )
    assert (due.run, due.why, due.slot_at, due.next_at) == (
        1,
        None,
        utc("2026-01-12 14:00"),
        utc("2026-01-19 14:00"),
    )
    assert (drafts.digest, drafts.slot, drafts.run) == (due.digest, due.slot, 1)


def test_a_tick_that_goes_out_again_names_the_same_slot(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str, at: At
) -> None:
    """The clock died between Kafka and PostgreSQL."""
    schedule(connection, tenant, "digest", since=utc("2026-01-06 12:00"))
    start = kafka.end_offset(DIGEST_TICKS.name, 0)
    at(utc("2026-01-07 11:00"))
    firing.fire_due(connection)
    finish(connection, tenant, 1)
    firing.send_ticks(connection, publisher)
    connection.execute("UPDATE slots SET ticked_at = NULL WHERE organization = %s", (tenant,))
    firing.send_ticks(connection, publisher)
    first, again = ticks_since(DIGEST_TICKS.name, start, tenant)
    assert first == again


def test_without_a_complete_run_a_heartbeat_says_why_and_the_digest_follows_in_a_day_or_never(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str, at: At
) -> None:
    other = make_tenant(connection)
    start = kafka.end_offset(DIGEST_TICKS.name, 0)
    for organization in (tenant, other):
        schedule(
            connection,
            organization,
            "digest",
            since=utc("2026-01-06 12:00"),
            frequency="weekly",
            hour=8,
        )
    at(utc("2026-01-12 14:00"))
    firing.fire_due(connection)
    at(utc("2026-01-12 15:59"))
    firing.send_ticks(connection, publisher)
    assert ticks_since(DIGEST_TICKS.name, start, tenant) == []
    at(utc("2026-01-12 16:00"))
    for _ in range(2):
        firing.send_ticks(connection, publisher)
    (heartbeat,) = ticks_since(DIGEST_TICKS.name, start, tenant)
    assert (heartbeat["run"], heartbeat["why"]) == (None, "the run has not started")

    finish(connection, tenant, 1)
    at(utc("2026-01-13 13:59"))
    firing.send_ticks(connection, publisher)
    digest = ticks_since(DIGEST_TICKS.name, start, tenant)[1]
    assert digest["run"] == 1
    assert {digest["slot"], digest["digest"]}.isdisjoint({heartbeat["slot"], heartbeat["digest"]})

    at(utc("2026-01-13 14:01"))
    firing.send_ticks(connection, publisher)
    finish(connection, other, 1)
    firing.send_ticks(connection, publisher)
    assert [tick["run"] for tick in ticks_since(DIGEST_TICKS.name, start, other)] == [None]
    assert [row[3] for row in rows(connection, SLOTS, other)] == ["no complete run within 24 hours"]


def test_one_clock_leads_and_another_takes_over_when_its_session_ends(
    connection: db.Connection, publisher: kafka.Publisher, tenant: str
) -> None:
    def clock_process(stop: threading.Event) -> threading.Thread:
        thread = threading.Thread(
            target=__main__.run, args=(publisher, stop, Readiness(), threading.Event())
        )
        thread.start()
        return thread

    def leaders() -> list[int]:
        held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = %s"
        return [row[0] for row in rows(connection, held, run_requests.CLOCK_LOCK % 2**32)]

    def wait_until(done: Callable[[], bool]) -> None:
        until = datetime.now(UTC) + timedelta(seconds=20)
        while not done():
            assert datetime.now(UTC) < until
            threading.Event().wait(0.02)

    stops = [threading.Event(), threading.Event()]
    threads = [clock_process(stop) for stop in stops]
    wait_until(lambda: len(leaders()) == 1)
    with connection.transaction():
        runs.ask(connection, tenant, as_of=date(2026, 3, 2), by=COMMAND_LINE)
    wait_until(lambda: bool(rows(connection, RUNS, tenant)[0][3]))
    former = leaders()[0]
    with psycopg.connect(settings().database_url) as owner:
        owner.execute("SELECT pg_terminate_backend(%s)", (former,))
    wait_until(lambda: leaders() not in ([], [former]))
    finish(connection, tenant, 1)
    with connection.transaction():
        runs.ask(connection, tenant, as_of=date(2026, 3, 3), by=COMMAND_LINE)
    wait_until(lambda: bool(rows(connection, RUNS, tenant)[1][3]))
    for stop in stops:
        stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_the_second_opinion_is_asked_once_after_each_nightly_run(
    connection: db.Connection, tenant: str, at: At
) -> None:
    schedule(connection, tenant, "nightly", since=utc("2026-01-06 12:00"))
    at(utc("2026-01-07 11:00"))
    firing.fire_due(connection)
    audited: dict[str, int] = {}
    stop = threading.Event()
    auditor.audit_new(connection, audited, stop)
    assert tenant not in audited
    finish(connection, tenant, 1, offset=-1)  # before all that is persisted
    auditor.audit_new(connection, audited, stop)
    assert audited[tenant] == 1
    with connection.transaction():  # what no order explains
        handlers.handle_signals(
            connection, [record("signals", signal_event("opened", tenant, offset=1), tenant, 1)]
        )
    auditor.audit_new(connection, audited, stop)
    assert metrics.AUDIT_DIFFERENCES.labels(tenant)._value.get() == 0  # not asked again
    auditor.audit_new(connection, {}, stop)
    assert metrics.AUDIT_DIFFERENCES.labels(tenant)._value.get() == 1
