"""Offsets mean something in one topic only: a topic that was deleted and made anew is noticed, and
nothing is passed by.
"""

import uuid

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared import db, kafka
from shared.settings import settings
from tests.eventually import eventually
from tests.stack_fixtures import Stack


def position(consumer: str, topic: str) -> int:
    with db.connect() as connection:
        return db.position(connection, consumer=consumer, topic=topic, partition=0)


def follow(consumer: str, topic: str, topic_id: int, *, start_over: bool) -> bool:
    with db.connect() as connection:
        return db.follow_topic(
            connection, consumer=consumer, topic=topic, topic_id=topic_id, start_over=start_over
        )


def with_position(consumer: str, topic: str, at: int) -> None:
    with db.connect() as connection:
        db.position(connection, consumer=consumer, topic=topic, partition=0)
        db.move_position(
            connection, consumer=consumer, topic=topic, partition=0, expected=0, next_offset=at
        )


def test_a_topic_has_another_id_when_it_is_made_anew(stack: Stack) -> None:
    name = f"anew-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": settings().kafka})
    ids = []
    for _ in range(2):
        admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
        eventually(lambda: name in admin.list_topics(timeout=10).topics, what="the topic")
        ids.append(kafka.topic_ids(name)[name])
        admin.delete_topics([name])[name].result(30)
        eventually(lambda: name not in admin.list_topics(timeout=10).topics, what="its end")
    assert ids[0] != ids[1]
    assert all(0 < one < 2**63 for one in ids)


def test_positions_are_kept_while_the_topic_is_the_same(stack: Stack) -> None:
    consumer = f"test-{uuid.uuid4().hex}"
    with_position(consumer, "orders", 42)
    assert follow(consumer, "orders", 7, start_over=False)  # the first that is seen
    assert follow(consumer, "orders", 7, start_over=False)
    assert position(consumer, "orders") == 42


def test_positions_of_another_topic_stop_a_consumer_whose_rows_hang_on_them_and_change_nothing(
    stack: Stack,
) -> None:
    consumer = f"test-{uuid.uuid4().hex}"
    with_position(consumer, "orders", 42)
    follow(consumer, "orders", 7, start_over=False)
    assert not follow(consumer, "orders", 8, start_over=False)
    assert not follow(consumer, "orders", 8, start_over=False)  # at every start again
    assert position(consumer, "orders") == 42


def test_positions_of_another_topic_begin_anew_where_nothing_hangs_on_them(stack: Stack) -> None:
    consumer = f"test-{uuid.uuid4().hex}"
    with_position(consumer, "signals", 42)
    follow(consumer, "signals", 7, start_over=True)
    assert not follow(consumer, "signals", 8, start_over=True)
    assert follow(consumer, "signals", 8, start_over=True)
    assert position(consumer, "signals") == 0
