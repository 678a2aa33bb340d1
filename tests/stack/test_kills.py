"""kill -9 of the real servers: they are back, with all that they had confirmed."""

import smtplib
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


def test_all_are_back_with_what_they_had_confirmed_when_all_are_killed_at_once(
    own_stack: Stack,
) -> None:
    publisher = kafka.Publisher()
    offset = publisher.publish("orders", b"before", partition=1)
    with db.connect() as connection:
        connection.execute("INSERT INTO positions VALUES ('test', 'orders', 0, 42)")
    host, port = settings().smtp_url.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port), timeout=10) as client:
        client.sendmail("a@example.com", ["kept@example.com"], "Subject: kept\r\n\r\nbody\r\n")

    killed = {name: own_stack.kill(name) for name in ("kafka", "postgres", "smtp")}
    for name, pid in killed.items():
        own_stack.wait_ready(name, other_than=pid)

    assert publisher.publish("orders", b"after", partition=1) == offset + 1
    publisher.close()
    assert read("orders", 1, offset, count=2) == [b"before", b"after"]
    with db.connect() as connection:
        row = connection.execute(
            "SELECT next_offset FROM positions WHERE consumer = 'test'"
        ).fetchone()
    assert row == (42,)
    assert [mail["subject"] for mail in own_stack.mailbox.mails(to="kept@example.com")] == ["kept"]
    assert own_stack.status()["ready"]


def read(topic: str, partition: int, offset: int, *, count: int) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": settings().kafka,
            "group.id": "test-kills",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, partition, offset)])
    messages = consumer.consume(count, 20)
    consumer.close()
    return [value for message in messages if (value := message.value()) is not None]
