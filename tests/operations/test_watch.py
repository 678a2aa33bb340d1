"""What the leading clock measures from outside, on real Kafka and PostgreSQL."""

import json
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from prometheus_client import REGISTRY

from services.signals.clock import measures
from services.signals.store import run_requests
from services.signals.store.measures import UNARCHIVED, Unarchived
from shared import clock, db, kafka, metrics
from shared.errors import Retryable
from shared.settings import settings
from shared.topics import ERP_ORDERS, WRITE_PROBE
from tests.eventually import eventually
from tests.stack_fixtures import Stack

SETTINGS = (
    "INSERT INTO settings_versions (organization, version, settings, saved_by) "
    "VALUES (%s, 1, '{}', 'test')"
)


@pytest.fixture
def watcher(stack: Stack) -> measures.Watcher:
    return measures.Watcher(admin=AdminClient({"bootstrap.servers": settings().kafka}))


def look(watcher: measures.Watcher) -> None:
    """Once; a broker that has just begun is asked again, as the clock does."""

    def once() -> bool:
        with db.connect() as connection:
            connection.autocommit = True
            watcher.look(connection)
        return True

    eventually(once, ignoring=Retryable, what="a broker that answers")


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_a_position_that_stands_still_while_records_wait_is_measured(
    watcher: measures.Watcher,
) -> None:
    publisher = kafka.Publisher()
    end = publisher.publish(ERP_ORDERS.name, b"{}", partition=0) + 1
    publisher.close()
    with db.connect() as connection:
        db.position(connection, consumer="halted", topic=ERP_ORDERS.name, partition=0)
    place = {"consumer": "halted", "topic": ERP_ORDERS.name, "partition": "0"}
    look(watcher)
    assert value("winback_unread_records", **place) == end
    assert value("winback_stuck_seconds", **place) == 0

    def stuck() -> float | None:
        look(watcher)
        return value("winback_stuck_seconds", **place)

    eventually(stuck, what="seconds that it stands still")
    with db.connect() as connection, connection.transaction():
        assert db.move_position(
            connection, consumer="halted", topic=ERP_ORDERS.name, partition=0, expected=0,
            next_offset=end
        )  # fmt: skip
    look(watcher)
    assert (value("winback_unread_records", **place), value("winback_stuck_seconds", **place)) == (
        0,
        0,
    )
    with db.connect() as connection:
        connection.execute("DELETE FROM positions WHERE consumer = 'halted'")


def test_brokers_replicas_and_the_detectors_offset_are_measured(watcher: measures.Watcher) -> None:
    look(watcher)
    assert value("winback_kafka_brokers") == 1
    for state in ("under_replicated", "below_min_isr", "offline"):
        assert value("winback_kafka_partitions", state=state) == 0
    assert (
        value("winback_unread_records", consumer="detector", topic="orders", partition="0")
        is not None
    )
    assert value("winback_dead_letter_offset", topic="orders-dead") is not None
    assert abs(value("winback_clock_skew_seconds") or 99) < 5


def test_the_oldest_run_that_is_not_complete_is_measured(
    watcher: measures.Watcher, organization: str
) -> None:
    with db.connect() as connection, connection.transaction():
        connection.execute(SETTINGS, (organization,))
        asked = clock.now() - timedelta(minutes=20)
        number = run_requests.request(
            connection, organization, as_of=clock.now().date(), reason="manual", requested_at=asked
        )
    look(watcher)
    oldest, pending = value("winback_run_oldest_pending_seconds"), value("winback_runs_pending")
    assert oldest is not None and oldest >= 1200
    assert pending is not None and pending >= 1
    with db.connect() as connection:
        connection.execute(
            "DELETE FROM runs WHERE organization = %s AND number = %s", (organization, number)
        )


def test_what_was_measured_of_an_organization_goes_with_it(
    watcher: measures.Watcher, organization: str
) -> None:
    with db.connect() as connection:
        connection.execute("INSERT INTO feeds VALUES (%s, now(), current_date)", (organization,))
    metrics.AUDIT_DIFFERENCES.labels(organization).set(2)
    look(watcher)
    assert (
        abs(
            (value("winback_last_order_timestamp_seconds", organization=organization) or 0)
            - clock.now().timestamp()
        )
        < 60
    )
    assert value("winback_audit_differences", organization=organization) == 2
    with db.connect() as connection:
        connection.execute("DELETE FROM organizations WHERE organization = %s", (organization,))
    look(watcher)
    assert value("winback_last_order_timestamp_seconds", organization=organization) is None
    assert value("winback_audit_differences", organization=organization) is None


def test_disks_are_measured_and_one_that_is_not_there_stops_nothing(
    watcher: measures.Watcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(
        "WINBACK_WATCHED_DISKS", json.dumps({"here": str(tmp_path), "gone": str(tmp_path / "gone")})
    )
    settings.cache_clear()
    look(watcher)
    settings.cache_clear()
    size = value("winback_disk_size_bytes", disk="here")
    free = value("winback_disk_free_bytes", disk="here")
    assert size is not None and free is not None and 0 < free <= size
    assert value("winback_disk_size_bytes", disk="gone") is None


def test_who_leads_no_more_takes_back_what_it_measured(watcher: measures.Watcher) -> None:
    look(watcher)
    measures.take_back()
    assert value("winback_kafka_partitions", state="offline") is None
    assert (
        value("winback_unread_records", consumer="detector", topic="orders", partition="0") is None
    )
    assert value("winback_run_oldest_pending_seconds") == 0


def test_the_age_of_backups_is_measured_and_before_the_first_that_of_the_installation(
    watcher: measures.Watcher,
) -> None:
    with psycopg.connect(settings().database_url) as connection:
        connection.execute("DELETE FROM backups")
        (made,) = connection.execute("SELECT min(applied_at) FROM migrations").fetchone() or ()
    look(watcher)
    for store in ("kafka", "postgres"):
        assert value("winback_backup_timestamp_seconds", store=store) == made.timestamp()
    with psycopg.connect(settings().database_url) as connection:
        connection.execute(
            "INSERT INTO backups (store, what, finished_at) VALUES "
            "('kafka', 'backup', '2026-01-05 10:00Z'), ('kafka', 'backup', '2026-01-04 10:00Z'), "
            "('kafka', 'restore', '2026-01-06 10:00Z')"
        )
    look(watcher)
    assert value("winback_backup_timestamp_seconds", store="kafka") == 1767607200
    restored = value("winback_history_timestamp_seconds")
    assert restored is not None and restored >= 1767693600
    with psycopg.connect(settings().database_url) as connection:
        connection.execute("DELETE FROM backups")


def test_kafka_is_seen_to_take_a_record(watcher: measures.Watcher) -> None:
    metrics.KAFKA_WRITTEN_AT.set(0)
    publisher = kafka.Publisher()
    before = kafka.end_offset(WRITE_PROBE, 0)
    measures.write(publisher)
    publisher.close()
    assert kafka.end_offset(WRITE_PROBE, 0) == before + 1
    written = value("winback_kafka_written_timestamp_seconds")
    assert written is not None and abs(written - clock.now().timestamp()) < 30


def test_a_record_that_kafka_does_not_take_leaves_the_time_as_it_was(stack: Stack) -> None:
    metrics.KAFKA_WRITTEN_AT.set(7)
    nobody = kafka.Publisher(extra={"bootstrap.servers": "127.0.0.1:1", "delivery.timeout.ms": 300})
    measures.write(nobody)
    nobody.close()
    assert value("winback_kafka_written_timestamp_seconds") == 7


def test_changes_wait_for_the_archive_from_the_first_one_on() -> None:
    """Without a change after the newest segment nothing waits, however long ago that was."""
    watcher = measures.Watcher(admin=None)  # type: ignore[arg-type]  # it asks nobody
    seen = [
        (None, 0.0),
        (waiting("A", 100), 0.0),
        (waiting("A", 9_000), 0.0),
        (waiting("A", 90_000), 60.0),
        (waiting("B", 90_000), 0.0),
        (waiting("B", 90_000), 60.0),
        (waiting("B", 200), 0.0),
    ]
    now = iter(range(0, 1000, 60))
    assert [watcher._waits(found, next(now)) for found, _ in seen] == [each for _, each in seen]


def waiting(last: str, length: int) -> Unarchived:
    return Unarchived(last=last, bytes=length)


def test_postgresql_says_how_much_is_not_archived(stack: Stack) -> None:
    """Archiving is off here: nothing is to be archived. How far the log is beyond a segment is
    worked out by the statement that the clock uses.
    """
    with db.connect() as connection:
        assert connection.execute(UNARCHIVED).fetchone() is None
        beyond = UNARCHIVED.replace(
            "FROM pg_stat_archiver",
            "FROM (SELECT pg_walfile_name(pg_current_wal_lsn()) AS last_archived_wal) AS newest",
        ).replace("WHERE current_setting('archive_mode') <> 'off'\n  AND", "WHERE")
        row = connection.execute(beyond.encode()).fetchone()
    assert row is not None
    assert -(2**24) <= int(row[1]) <= 0  # within the very segment that is named
