"""Restoring: only the end of the partition ends it. A broker that is away in the middle must not
pass for an empty changelog.
"""

from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from services.detector import restore
from services.detector.checkpoint import CheckpointStore
from shared import kafka
from shared.settings import settings
from shared.topics import STATE_CHANGELOG
from tests.stack_fixtures import Stack


@pytest.mark.parametrize(
    "code", [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError.LEADER_NOT_AVAILABLE]
)
def test_a_broker_that_is_away_reaches_nothing(code: int) -> None:
    assert restore.reached(an_event(code), KafkaError(code)) == 0


def test_the_end_of_the_partition_reaches_its_offset() -> None:
    assert (
        restore.reached(
            an_event(KafkaError._PARTITION_EOF, offset=17), KafkaError(KafkaError._PARTITION_EOF)
        )
        == 17
    )


@pytest.mark.parametrize("code", restore.LOST)
def test_a_changelog_that_is_gone_stops_the_restore(code: int) -> None:
    with pytest.raises(KafkaException):
        restore.reached(an_event(code), KafkaError(code))


def test_a_changelog_that_ends_with_markers_is_restored_to_its_end(
    stack: Stack, tmp_path: Path
) -> None:
    partition = settings().partitions - 1
    producer = Producer({"bootstrap.servers": settings().kafka, "transactional.id": "test-restore"})
    producer.init_transactions()
    producer.begin_transaction()
    for number in range(3):
        producer.produce(STATE_CHANGELOG, b"value", b"xtest-restore-%d" % number, partition)
    producer.commit_transaction()
    producer.begin_transaction()
    producer.produce(STATE_CHANGELOG, b"never", b"xtest-restore-0", partition)
    producer.flush()
    producer.abort_transaction()
    database = restore.opened(tmp_path / "state")
    restore.catch_up(
        database,
        topic=STATE_CHANGELOG,
        partition=partition,
        servers=settings().kafka,
        offset_key=CheckpointStore.offset_key,
    )
    assert [database.get(b"xtest-restore-%d" % number) for number in range(3)] == [b"value"] * 3
    assert (
        int(database.get(CheckpointStore.offset_key))
        == kafka.end_offset(STATE_CHANGELOG, partition) - 1
    )
    database.close()


def an_event(code: int, offset: int = 0) -> Message:
    """As librdkafka hands it over."""
    return Message(topic=STATE_CHANGELOG, partition=0, offset=offset, error=KafkaError(code))
