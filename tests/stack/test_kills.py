"""kill -9 of the real servers: they are back, with all that they had confirmed."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from shared import db, kafka
from shared.settings import settings
from tests.stack_fixtures import Stack, pointed_to, start_stack, stop_stack

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    """Others would not like to see theirs killed."""
    started = start_stack("--without-services")
    with pointed_to(started):
        yield started
    stop_stack(started.home, started.supervisor)


def test_kafka_is_back_with_every_confirmed_record(own_stack: Stack) -> None:
    publisher = kafka.Publisher()
    offset = publisher.publish("orders", b"before", partition=1)
    own_stack.wait_ready("kafka", other_than=own_stack.kill("kafka"), seconds=20)
    assert publisher.publish("orders", b"after", partition=1) == offset + 1
    publisher.close()
    assert read("orders", 1, offset, count=2) == [b"before", b"after"]


def test_postgresql_is_back_with_every_committed_row(own_stack: Stack) -> None:
    with db.connect() as connection:
        connection.execute("INSERT INTO positions VALUES ('test', 'orders', 0, 42)")
    own_stack.wait_ready("postgres", other_than=own_stack.kill("postgres"), seconds=20)
    with db.connect() as connection:
        row = connection.execute("SELECT next_offset FROM positions WHERE consumer = 'test'").fetchone()
    assert row == (42,)


def test_the_mail_sink_is_back_with_every_mail(own_stack: Stack) -> None:
    import smtplib

    host, port = settings().smtp_url.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port), timeout=10) as client:
        client.sendmail("a@example.com", ["kept@example.com"], "Subject: kept\r\n\r\nbody\r\n")
    own_stack.wait_ready("smtp", other_than=own_stack.kill("smtp"))
    assert [mail["subject"] for mail in own_stack.mailbox.mails(to="kept@example.com")] == ["kept"]


def test_all_of_it_comes_back_when_everything_is_killed_at_once(own_stack: Stack) -> None:
    names = ("kafka", "postgres", "smtp")
    killed = {name: own_stack.kill(name) for name in names}
    for name in names:
        own_stack.wait_ready(name, other_than=killed[name], seconds=20)
    assert own_stack.status()["ready"]


def read(topic: str, partition: int, offset: int, *, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": settings().kafka, "group.id": "test-kills", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, offset)])
    messages = consumer.consume(count, 20)
    consumer.close()
    return [value for message in messages if (value := message.value()) is not None]
