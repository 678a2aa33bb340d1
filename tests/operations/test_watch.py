"""What the leading clock measures from outside, on real Kafka and PostgreSQL."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from prometheus_client import REGISTRY

from services.signals.clock import measures
from services.signals.store import run_requests
from shared import clock, db, kafka, metrics
from shared.errors import Retryable
from shared.settings import settings
from shared.topics import ERP_ORDERS
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
