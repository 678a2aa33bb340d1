"""What no dead-letter topic takes whole, topics of one's own, and orders that are in
`orders` once, whatever fails between.
"""

import json
import os
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.ingest import erp
from services.ingest.access import Access
from shared import aside, db, kafka
from shared.dead_letters import DeadLetter, letter_of
from shared.errors import Retryable
from shared.kafka import Headers, Publisher, Sent
from shared.settings import settings
from shared.topics import ERP_ORDERS, LARGEST_DEAD_LETTER_BYTES, MEGABYTE, dead_letters_of
from tests.eventually import eventually
from tests.ingest.door import Ingest, landed, records
from tests.stack_fixtures import Stack

ORDER = {
    "order": "O-1",
    "account": "A-1",
    "ordered_on": "2026-03-30",
    "lines": [{"product": "P", "revenue": "10.00"}],
}


def put(
    topic: str,
    value: bytes,
    headers: Sequence[tuple[str, bytes]] = (),
    codec: str = "zstd",
    key: bytes | None = None,
) -> int:
    """As a connector with limits of its own sends it, into partition 0; its offset."""
    offsets: list[int | None] = []
    producer = Producer(
        {
            "bootstrap.servers": settings().kafka,
            "compression.type": codec,
            "message.max.bytes": 400 * MEGABYTE,
        }
    )
    producer.produce(
        topic,
        value,
        key,
        partition=0,
        headers=list(headers),
        on_delivery=lambda error, m: offsets.append(-1 if error else m.offset()),
    )
    assert producer.flush(60) == 0 and offsets[0] is not None and offsets[0] >= 0, "not taken"
    return offsets[0]


def bearer(token: str) -> Headers:
    return [("authorization", f"Bearer {token}".encode())]


def order(name: str) -> bytes:
    return json.dumps(ORDER | {"order": name}).encode()


def letters(topic: str) -> dict[int, DeadLetter]:
    """By the offset in partition 0; none while there is no topic for them."""
    if (
        dead_letters_of(topic)
        not in AdminClient({"bootstrap.servers": settings().kafka}).list_topics(timeout=10).topics
    ):
        return {}
    found = map(letter_of, records(dead_letters_of(topic), 0))
    return {letter.offset: letter for letter in found if letter.partition == 0}


def letter(topic: str, offset: int) -> DeadLetter:
    return eventually(lambda: letters(topic)[offset], what="a dead letter", ignoring=KeyError)


def make_topic(name: str, *, partitions: int = 1, largest_bytes: int = 4 * MEGABYTE) -> None:
    admin = AdminClient({"bootstrap.servers": settings().kafka})
    topic = NewTopic(name, partitions, 1, config={"max.message.bytes": str(largest_bytes)})
    admin.create_topics([topic])[name].result()


def own_topic() -> str:
    return f"raw-{uuid.uuid4().hex[:8]}"


def told_of(stack: Stack, topic: str, token: str, *more: str) -> Stack:
    """The stack whose verbs know these raw topics."""
    tokens = json.dumps(dict.fromkeys((topic, *more), token))
    return Stack(stack.home, stack.env | {"WINBACK_ERP_TOKENS": tokens}, stack.supervisor)


def names(organization: str) -> list[str]:
    return [one.order for one in landed(organization)]


# -- what is too large -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size",
    [4 * MEGABYTE - 300, 6 * MEGABYTE, LARGEST_DEAD_LETTER_BYTES + 1, 60 * MEGABYTE],
    ids=lambda size: f"{size:,}",
)
def test_a_record_that_is_larger_than_any_limit_is_put_aside_and_its_neighbours_go_in(
    ingest: Ingest, organization: str, token: str, size: int
) -> None:
    poison = json.dumps({"order": "BIG", "pad": "x" * size}).encode()[:size]
    put(ERP_ORDERS.name, order("before"), bearer(token))
    offset = put(ERP_ORDERS.name, poison, bearer(token))
    put(ERP_ORDERS.name, order("after"), bearer(token))
    found = letter(ERP_ORDERS.name, offset)
    eventually(lambda: len(names(organization)) == 2)
    assert names(organization) == ["before", "after"]
    assert (found.size, found.sha256) == (size, sha256(poison).hexdigest())
    assert found.organization == organization
    if found.cut:
        assert found.cut == "value" and poison.startswith(found.value or b"?")
    else:
        assert found.value == poison


def test_what_is_no_text_and_does_not_shrink_is_put_aside_as_it_was(
    ingest: Ingest, token: str
) -> None:
    poison = os.urandom(4 * MEGABYTE - 1000)
    assert (
        letter(ERP_ORDERS.name, put(ERP_ORDERS.name, poison, bearer(token), "none")).value == poison
    )


def test_headers_and_keys_of_megabytes_are_put_aside_too(
    ingest: Ingest, organization: str, token: str
) -> None:
    large: Headers = [
        *bearer(token),
        ("x-trace", b"t" * 20 * MEGABYTE),
        ("x-more", b"m" * 20 * MEGABYTE),
    ]
    offset = put(ERP_ORDERS.name, b"{", large, key=b"k" * 2 * MEGABYTE)
    put(ERP_ORDERS.name, order("after"), bearer(token))
    found = letter(ERP_ORDERS.name, offset)
    assert found.cut == "key, headers" and found.value == b"{" and found.headers == bearer(token)
    eventually(lambda: names(organization) == ["after"])


def test_what_was_cut_is_shown_as_cut_and_replayed_whole(
    stack: Stack, ingest: Ingest, token: str
) -> None:
    poison = b"[" + b" " * (LARGEST_DEAD_LETTER_BYTES + 1)
    offset = put(ERP_ORDERS.name, poison, bearer(token))
    found = letter(ERP_ORDERS.name, offset)
    shown = stack.winback("dead-letters", "show", found.id).stdout
    assert "cut" in shown and sha256(poison).hexdigest() in shown
    assert stack.winback("dead-letters", "replay", found.id).stdout.startswith(
        f"{found.id}  replayed "
    )
    again = next(
        one
        for one in records(ERP_ORDERS.name, 0)[::-1]
        if one.offset > offset and one.value == poison
    )
    assert again.headers == bearer(token)


def test_what_was_cut_and_is_kept_no_more_is_not_replayed_in_part(
    stack: Stack, publisher: Publisher
) -> None:
    """The place holds another record: the topic was made anew, or something else was put there."""
    offset = put(ERP_ORDERS.name, b"another")
    (there,) = (one for one in records(ERP_ORDERS.name, 0) if one.offset == offset)
    for far, why in ((0, "another record lies at"), (10**9, "is kept at")):
        lost = replace(there, value=b"x" * 60 * MEGABYTE, offset=offset + far)
        at = aside.dead_letter(publisher, lost, reason="body: none", consumer="ingest-erp")
        before = kafka.end_offset(ERP_ORDERS.name, 0)
        done = stack.winback("dead-letters", "replay", f"erp-orders-dead/0/{at}", check=False)
        assert done.returncode == 3 and "cannot be replayed" in done.stdout and why in done.stdout
        assert kafka.end_offset(ERP_ORDERS.name, 0) == before


@pytest.mark.parametrize("limit", [400_000, 20_000, 2_500])
def test_a_dead_letter_topic_of_any_limit_takes_what_is_put_aside(
    publisher: Publisher, limit: int
) -> None:
    topic = own_topic()
    make_topic(topic)
    make_topic(dead_letters_of(topic), largest_bytes=limit)
    offset = put(
        topic, os.urandom(900_000), [("x", os.urandom(50_000))], "none", key=os.urandom(5_000)
    )
    (record,) = records(topic, 0)
    aside.dead_letter(publisher, record, reason="r" * 5_000, consumer="ingest-erp")
    assert "value" in letter(topic, offset).cut


# -- topics of one's own ---------------------------------------------------------------------------


@pytest.fixture
def publisher(stack: Stack) -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


@contextmanager
def reading(stack: Stack, tokens: dict[str, str]) -> Iterator[Ingest]:
    running = Ingest(stack=stack, env={"WINBACK_ERP_TOKENS": json.dumps(tokens)})
    running.start()
    try:
        yield running
    finally:
        assert running.stop() == 0


def test_what_is_larger_unpacked_than_the_client_takes_is_put_aside_by_its_place(
    stack: Stack, organization: str, token: str
) -> None:
    topic = own_topic()
    make_topic(topic)
    told = told_of(stack, topic, token)
    with reading(stack, {topic: token}):
        put(topic, order("before"))
        offset = put(topic, b"[" + b" " * 150 * MEGABYTE)
        put(topic, order("after"))
        found = letter(topic, offset)
        eventually(lambda: names(organization) == ["before", "after"])
        assert "cannot be unpacked" in found.reason
        assert (found.cut, found.value) == ("value, key, headers", None)
        assert "could not be unpacked" in told.winback("dead-letters", "show", found.id).stdout
        replayed = told.winback("dead-letters", "replay", found.id, check=False)
        assert replayed.returncode == 3 and "could not be unpacked" in replayed.stdout


def test_records_packed_together_beyond_what_the_client_takes_are_put_aside_one_by_one(
    stack: Stack, organization: str, token: str
) -> None:
    topic = own_topic()
    make_topic(topic)
    together = Producer(
        {
            "bootstrap.servers": settings().kafka,
            "compression.type": "zstd",
            "message.max.bytes": 500 * MEGABYTE,
            "batch.size": 400 * MEGABYTE,
            "linger.ms": 2_000,
        }
    )
    with reading(stack, {topic: token}):
        for _ in range(3):
            together.produce(topic, b"[" + b" " * 60 * MEGABYTE, partition=0)
        assert together.flush(60) == 0
        put(topic, order("after"))
        eventually(lambda: names(organization) == ["after"])
        assert sorted(letters(topic)) == [0, 1, 2]


def test_a_topic_that_is_not_there_stops_no_other_is_named_and_is_taken_up_when_it_comes(
    stack: Stack, organization: str, token: str
) -> None:
    missing = own_topic()
    with reading(stack, {missing: token}) as running:
        put(ERP_ORDERS.name, order("of-another-topic"), bearer(token))
        eventually(lambda: names(organization) == ["of-another-topic"])
        eventually(lambda: missing in httpx.get(f"{running.url}/readyz").text)
        assert (
            httpx.get(f"{running.url}/readyz").status_code == 200
        )  # HTTP and the other topics are taken
        make_topic(missing)
        put(missing, order("of-the-late-topic"))
        eventually(lambda: "of-the-late-topic" in names(organization))
        eventually(lambda: missing not in httpx.get(f"{running.url}/readyz").text)


def test_a_wrong_record_of_a_topic_of_ones_own_is_put_aside_listed_shown_and_replayed(
    stack: Stack, organization: str, token: str
) -> None:
    """Its dead-letter topic is made by whoever needs it first."""
    topic = own_topic()
    make_topic(topic)
    with reading(stack, {topic: token}):
        offset = put(topic, b"no json")
        put(topic, order("next"))
        found = letter(topic, offset)
        eventually(lambda: names(organization) == ["next"])
    told = told_of(stack, topic, token)
    assert found.id in told.winback("dead-letters", "list", "--topic", topic).stdout
    assert "no json" in told.winback("dead-letters", "show", found.id).stdout
    assert "replayed" in told.winback("dead-letters", "replay", found.id).stdout


def test_topics_makes_raw_topics_of_ones_own_with_their_dead_letters_and_leaves_what_is_there(
    stack: Stack, token: str
) -> None:
    new, old = own_topic(), own_topic()
    make_topic(old)
    make_topic(dead_letters_of(old), largest_bytes=MEGABYTE)
    told = told_of(stack, new, token, old)
    assert {f"created {new}", f"created {new}-dead"} <= set(
        told.winback("topics").stdout.splitlines()
    )
    assert told.winback("topics").stdout == "nothing to create\n"
    topics = AdminClient({"bootstrap.servers": settings().kafka}).list_topics(timeout=10).topics
    assert (len(topics[new].partitions), len(topics[old].partitions)) == (settings().partitions, 1)
    assert (
        put(dead_letters_of(old), os.urandom(6 * MEGABYTE), codec="none") == 0
    )  # its limit was raised


# -- once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
def test_the_header_of_the_token_is_taken_in_any_case(
    ingest: Ingest, organization: str, token: str, name: str
) -> None:
    put(ERP_ORDERS.name, order("O-1"), [(name, f"Bearer {token}".encode())])
    eventually(lambda: names(organization) == ["O-1"])


class Failing(Publisher):
    """A publisher whose dead letters, or the answers to whose blocks, get lost `times` times."""

    def __init__(self, *, dead_letters: int = 0, answers: int = 0) -> None:
        super().__init__()
        self.dead_letters, self.answers = dead_letters, answers

    def publish(self, topic: str, value: bytes | None, **more: Any) -> int:
        if topic.endswith("-dead") and self.dead_letters:
            self.dead_letters -= 1
            raise Retryable("a dead letter was not confirmed")
        return super().publish(topic, value, **more)

    def confirm(self, sends: Any, **more: Any) -> None:
        super().confirm(sends, **more)
        mine = [one for one in sends if isinstance(one, Sent)]
        if mine and self.answers and threading.current_thread().name.startswith("raw-"):
            self.answers -= 1
            raise Retryable("the answer was lost")


@contextmanager
def reading_here(
    topic: str, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, token: str
) -> Iterator[erp.RawTopics]:
    """The raw topics, read by this process."""
    monkeypatch.setenv("WINBACK_ERP_TOKENS", json.dumps({topic: token}))
    settings.cache_clear()
    stop = threading.Event()
    with db.pool("winback_app") as app_pool, db.pool("winback_worker", most=4) as pool:
        raw = erp.RawTopics(
            worker_pool=pool, access=Access(app_pool), publisher=publisher, stop=stop
        )
        thread = threading.Thread(target=raw.run)
        thread.start()
        try:
            yield raw
        finally:
            stop.set()
            thread.join(30)
            publisher.close()
    settings.cache_clear()


@pytest.mark.parametrize(
    "faults", [{"dead_letters": 3}, {"answers": 2}, {"dead_letters": 2, "answers": 2}]
)
def test_good_orders_beside_a_wrong_one_are_in_orders_once_however_often_the_batch_is_tried(
    organization: str, token: str, monkeypatch: pytest.MonkeyPatch, faults: dict[str, int]
) -> None:
    topic = own_topic()
    make_topic(topic)
    for number in range(20):
        put(topic, order(f"O-{number}"))
    last = put(topic, json.dumps([ORDER, ORDER | {"order": "O-2", "lines": []}]).encode())
    with reading_here(topic, Failing(**faults), monkeypatch, token):
        letter(topic, last)
        eventually(lambda: at(topic) == last + 1)
    assert Counter(names(organization)) == Counter(
        [f"O-{number}" for number in range(20)] + ["O-1"]
    )


def at(topic: str) -> int:
    with db.connect() as connection:
        return db.position(connection, consumer=erp.CONSUMER, topic=topic, partition=0)


def test_a_partition_that_fails_says_so_while_its_neighbours_go_on(
    organization: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = own_topic()
    make_topic(topic, partitions=2)
    bad = put(topic, b"no json")
    with reading_here(topic, Failing(dead_letters=10**9), monkeypatch, token) as raw:
        producer = Producer({"bootstrap.servers": settings().kafka})
        for number in range(5):
            producer.produce(topic, order(f"O-{number}"), partition=1)
        assert producer.flush(20) == 0
        eventually(lambda: len(names(organization)) == 5)
        said = eventually(raw.standing.why)
        assert said.startswith(f"{topic}/0 stands at {bad} ") and said.endswith(
            ": a dead letter was not confirmed"
        )
    assert len(names(organization)) == 5


def test_who_takes_over_after_a_crash_leaves_out_what_is_in_orders_already(
    organization: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process publishes and never moves its position; the second begins at the
    same records, two runs in a row.
    """
    topic = own_topic()
    make_topic(topic)
    for number in range(10):
        last = put(topic, order(f"O-{number}") if number != 4 else b"no json")
    for _ in range(2):
        with reading_here(topic, Failing(dead_letters=10**9), monkeypatch, token):
            eventually(lambda: len(names(organization)) >= 9)
    assert at(topic) == 0
    with reading_here(topic, Publisher(), monkeypatch, token):
        eventually(lambda: at(topic) == last + 1)
    assert Counter(names(organization)) == Counter(
        f"O-{number}" for number in range(10) if number != 4
    )
