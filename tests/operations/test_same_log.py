"""A log that ends before what was seen of it, or is another one, is told in a sentence; else
nothing is.
"""

import uuid

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared import clock, db, kafka, same_log, same_log_store
from shared.errors import OtherLog
from shared.records import Record
from shared.same_log_store import Known, Log, Logs
from shared.settings import settings
from tests.eventually import eventually
from tests.stack_fixtures import Stack

THERE = Logs(topics={"orders": Log(topic_id=7, ends={0: 100, 1: 5})})


def test_a_log_that_reaches_as_far_as_was_seen_is_the_same() -> None:
    known = [
        Known(topic="orders", partition=0, topic_id=7, next_offset=100),
        Known(topic="orders", partition=1, next_offset=4),
        Known(topic="not-there-yet", partition=0, topic_id=3, next_offset=9),
    ]
    assert same_log.difference(THERE, known) == ""


def test_a_log_that_was_seen_and_is_not_there_is_told() -> None:
    known = [Known(topic="gone", partition=0, topic_id=3, next_offset=9, is_noted=True)]
    assert same_log.difference(THERE, known).startswith("gone is not there, but Winback saw it")


def test_a_log_that_ends_before_a_position_is_told_with_both_offsets() -> None:
    known = [Known(topic="orders", partition=1, next_offset=6, whose="PostgreSQL has read up to")]
    said = same_log.difference(THERE, known)
    assert said.startswith("orders/1 ends at 5, but PostgreSQL has read up to 6: Kafka came back")


def test_a_topic_of_another_id_is_told_however_far_it_reaches() -> None:
    known = [Known(topic="orders", partition=0, topic_id=8, next_offset=0)]
    assert same_log.difference(THERE, known).startswith("orders was deleted and made anew")


def record(value: bytes, *, key: bytes | None = None) -> Record:
    at = clock.now().replace(microsecond=0)
    return Record(
        topic="t", partition=0, offset=3, at=at, key=key, value=value, headers=[], event=None
    )


def test_a_record_is_known_by_its_key_and_value_wherever_one_ends() -> None:
    assert same_log.hash_of(record(b"ab")) == same_log.hash_of(record(b"ab"))
    assert same_log.hash_of(record(b"ab")) != same_log.hash_of(record(b"ac"))
    assert same_log.hash_of(record(b"b", key=b"a")) != same_log.hash_of(record(b"", key=b"ab"))


def anew(topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": settings().kafka})
    if topic in admin.list_topics(timeout=10).topics:
        admin.delete_topics([topic])[topic].result(30)
        eventually(lambda: topic not in admin.list_topics(timeout=10).topics, what="its end")
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    eventually(lambda: topic in admin.list_topics(timeout=10).topics, what="the topic")


def test_what_was_seen_of_a_log_is_kept_and_held_against_it(stack: Stack) -> None:
    topic, client = f"same-{uuid.uuid4().hex[:8]}", same_log.admin()
    anew(topic)
    publisher = kafka.Publisher()
    publisher.publish(topic, b"one", partition=0)
    with db.connect() as connection:
        there = same_log.require(client, connection, [topic])
        assert there.topics[topic].ends == {0: 1}
        # as the broker that comes back older would look: less than was seen
        connection.execute("UPDATE logs SET next_offset = 9 WHERE topic = %s", (topic,))
        with pytest.raises(OtherLog, match=f"{topic}/0 ends at 1, but Winback saw it reach 9"):
            same_log.require(client, connection, [topic])
        same_log_store.forget(connection, topic)
        same_log.require(client, connection, [topic])
    anew(topic)
    with db.connect() as connection, pytest.raises(OtherLog, match="deleted and made anew"):
        same_log.require(client, connection, [topic])
    publisher.close()


def test_a_log_that_was_replaced_and_has_grown_since_is_told_by_the_record_read_last(
    stack: Stack,
) -> None:
    topic, consumer = f"grown-{uuid.uuid4().hex[:8]}", f"test-{uuid.uuid4().hex[:8]}"
    anew(topic)
    publisher = kafka.Publisher()
    for value in (b"one", b"two", b"three"):
        publisher.publish(topic, value, partition=0)
    [(_, two)] = same_log.read_at({(topic, 0): 1})
    assert two is not None
    with db.connect() as connection:
        db.position(connection, consumer=consumer, topic=topic, partition=0)
        for last, expected, next_offset in (
            ((1, same_log.hash_of(two)), 0, 2),
            ((1, b"another"), 2, 2),
        ):
            assert db.move_position(
                connection, consumer=consumer, topic=topic, partition=0,
                expected=expected, next_offset=next_offset, last=last,
            )  # fmt: skip
            if last[1] == b"another":
                with pytest.raises(OtherLog, match=f"{topic}/0 has another record at 1"):
                    same_log.require_last_read(connection, consumer, [topic], [(topic, 0)])
            else:
                same_log.require_last_read(connection, consumer, [topic], [(topic, 0)])
    publisher.close()


def test_a_publisher_takes_no_yes_from_a_log_that_went_back(stack: Stack) -> None:
    topic = f"back-{uuid.uuid4().hex[:8]}"
    anew(topic)
    publisher = kafka.Publisher()
    publisher.publish(topic, b"one", partition=0)
    publisher.reaches({(topic, 0): 5})
    with pytest.raises(OtherLog, match=f"{topic}/0 took a record at 1, but reached 5 before"):
        publisher.publish(topic, b"two", partition=0)
    publisher.close()
