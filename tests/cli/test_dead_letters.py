"""`winback dead-letters` against real Kafka: aside and back, nothing of a record is lost."""

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, TopicPartition

from shared import aside, kafka, records
from shared.records import record_of
from shared.settings import settings
from shared.topics import CONTACTS, ERP_ORDERS, ORDERS, SIGNALS, Topic, dead_letters_of
from tests.stack_fixtures import Stack

pytestmark = pytest.mark.usefixtures("stack")
HEADERS: kafka.Headers = [
    ("ce_id", b"e-1"),
    ("ce_type", b"winback.OrdersAccepted.v1"),
    ("dead_reason", b"the sender's own"),
]


@pytest.fixture
def publisher(stack: Stack) -> Iterator[kafka.Publisher]:
    opened = kafka.Publisher()
    yield opened
    opened.close()


def put_aside(
    publisher: kafka.Publisher, value: bytes | None, *, topic: str = ORDERS.name, partition: int = 2
) -> str:
    """As the consume loop does it. Returns the dead letter's id."""
    record = records.Record(
        topic=topic, partition=partition, offset=17, at=datetime(2026, 11, 23, tzinfo=UTC),
        key=b"acme", value=value, headers=HEADERS, event=None,
    )  # fmt: skip
    offset = aside.dead_letter(
        publisher, record, reason=f"value: {uuid.uuid4()}", consumer="signals"
    )
    return f"{dead_letters_of(topic)}/0/{offset}"


def last_of(topic: str, partition: int) -> records.Record:
    """The newest record of a partition."""
    consumer = Consumer({"bootstrap.servers": settings().kafka, "group.id": "winback-test"})
    consumer.assign([TopicPartition(topic, partition, kafka.end_offset(topic, partition) - 1)])
    message = consumer.poll(10)
    consumer.close()
    assert message is not None and message.error() is None
    return record_of(message)


def test_a_dead_letter_is_listed_with_where_it_came_from_and_why(
    stack: Stack, publisher: kafka.Publisher
) -> None:
    id_ = put_aside(publisher, b"{broken")
    (listed,) = [
        row
        for row in json.loads(stack.winback("dead-letters", "list", "--json").stdout)
        if row["id"] == id_
    ]
    assert listed.pop("reason").startswith("value: ")
    assert datetime.fromisoformat(listed.pop("at")).tzinfo is not None
    assert listed == {
        "id": id_,
        "topic": "orders",
        "partition": 2,
        "offset": 17,
        "consumer": "signals",
        "organization": None,
        "replayed_at": None,
        "cut": "",
        "ends": 0,
        "size": 7,
        "sha256": hashlib.sha256(b"{broken").hexdigest(),
    }
    assert id_ in stack.winback("dead-letters", "list", "--topic", "orders").stdout
    assert id_ not in stack.winback("dead-letters", "list", "--topic", "signals-dead").stdout


def test_show_gives_the_original_bytes_and_headers(
    stack: Stack, publisher: kafka.Publisher
) -> None:
    value = b'{"order":"\x1b[2J\xff\x00"}'
    id_ = put_aside(publisher, value)
    shown = json.loads(stack.winback("dead-letters", "show", id_, "--json").stdout)
    assert base64.b64decode(shown["value_base64"]) == value
    assert base64.b64decode(shown["key_base64"]) == b"acme"
    assert shown["headers"] == [[name, text.decode()] for name, text in HEADERS]


def test_what_is_shown_cannot_steer_the_terminal(stack: Stack, publisher: kafka.Publisher) -> None:
    shown = stack.winback(
        "dead-letters", "show", put_aside(publisher, b"\x1b[2J\xe2\x80\xae")
    ).stdout
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "\\x1b[2J" in shown


@pytest.mark.parametrize("topic", [ORDERS, SIGNALS, ERP_ORDERS, CONTACTS])
def test_replay_puts_the_very_record_back_where_it_came_from(
    stack: Stack, publisher: kafka.Publisher, topic: Topic
) -> None:
    value = f"{{broken {uuid.uuid4()}".encode()
    id_ = put_aside(publisher, value, topic=topic.name, partition=3)
    stack.winback("dead-letters", "replay", id_)
    back = last_of(topic.name, 3)
    assert (back.value, back.key, back.headers) == (value, b"acme", HEADERS)


def test_a_tombstone_goes_back_as_a_tombstone(stack: Stack, publisher: kafka.Publisher) -> None:
    stack.winback(
        "dead-letters", "replay", put_aside(publisher, None, topic=CONTACTS.name, partition=1)
    )
    assert last_of(CONTACTS.name, 1).value is None


def test_a_dead_letter_is_replayed_once_unless_asked_again(
    stack: Stack, publisher: kafka.Publisher
) -> None:
    id_ = put_aside(publisher, b"{broken")
    before = kafka.end_offset(ORDERS.name, 2)
    first = json.loads(stack.winback("dead-letters", "replay", id_, "--json").stdout)
    second = json.loads(stack.winback("dead-letters", "replay", id_, "--json").stdout)
    assert first == [{"id": id_, "status": "replayed", "to": f"orders/2@{before}"}]
    assert second == [{"id": id_, "status": "was replayed before"}]
    assert kafka.end_offset(ORDERS.name, 2) == before + 1
    stack.winback("dead-letters", "replay", id_, "--again")
    assert kafka.end_offset(ORDERS.name, 2) == before + 2
    (listed,) = [
        row
        for row in json.loads(stack.winback("dead-letters", "list", "--json").stdout)
        if row["id"] == id_
    ]
    assert listed["replayed_at"] is not None


def test_all_dead_letters_of_a_topic_are_replayed_together(
    stack: Stack, publisher: kafka.Publisher
) -> None:
    ids = {put_aside(publisher, b"{broken", topic=SIGNALS.name, partition=0) for _ in range(3)}
    results = json.loads(
        stack.winback("dead-letters", "replay", "--topic", "signals", "--json").stdout
    )
    assert {result["id"] for result in results if result["status"] == "replayed"} >= ids


@pytest.mark.parametrize(
    "words",
    [
        ("show", "orders-dead/0/999999"),
        ("show", "orders-dead/7/0"),
        ("show", "orders/0/1"),
        ("show", f"orders-dead/0/{'9' * 5_000}"),
        ("show", "nonsense"),
        ("list", "--topic", "nonsense"),
        ("replay",),
        ("replay", "orders-dead/0/0", "--all"),
    ],
)
def test_wrong_use_is_said_in_one_line(stack: Stack, words: tuple[str, ...]) -> None:
    done = stack.winback("dead-letters", *words, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("winback: ") and done.stderr.count("\n") == 1


def test_without_kafka_the_exit_code_says_that_something_is_not_there(stack: Stack) -> None:
    elsewhere = replace(stack, env=stack.env | {"WINBACK_KAFKA": "127.0.0.1:1"})
    done = elsewhere.winback("dead-letters", "list", check=False)
    assert done.returncode == 3
    assert (
        done.stderr.startswith("winback: Kafka cannot be reached at 127.0.0.1:1")
        and done.stderr.count("\n") == 1
    )
