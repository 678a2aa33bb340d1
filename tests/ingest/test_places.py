"""Places of ingest: one organization fills its own share, and none of another's."""

import asyncio
import gzip
import json
import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from services.ingest import access, places
from services.ingest.access import Access
from services.ingest.batcher import Overloaded
from services.ingest.places import Held, Places
from shared import db
from shared.settings import settings
from tests.eventually import eventually
from tests.ingest.door import Ingest, make_token
from tests.ingest.test_acceptance import ORDER
from tests.stack_fixtures import Stack


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three places, of which two are for one organization."""
    monkeypatch.setenv("WINBACK_INGEST_MAX_REQUESTS", "3")
    monkeypatch.setenv("WINBACK_INGEST_MAX_REQUESTS_OF_ONE", "2")
    settings.cache_clear()
    yield
    settings.cache_clear()


def arriving(counted: Places, organization: str) -> Held:
    held = Held(counted)
    held.ask()
    held.arrive(organization)
    return held


def working(counted: Places, organization: str) -> Held:
    held = arriving(counted, organization)
    held.admit()
    return held


def test_bodies_that_arrive_take_no_place_and_are_counted_by_organization(few: None) -> None:
    counted = Places()
    begun = [arriving(counted, "one"), arriving(counted, "one")]
    with pytest.raises(Overloaded, match="bodies of your organization"):
        arriving(counted, "one")
    others = [working(counted, "two"), working(counted, "two"), working(counted, "three")]
    for held in begun + others:
        held.release()
    assert counted == Places()


def test_the_places_of_one_organization_are_not_all(few: None) -> None:
    counted = Places()
    taken = [working(counted, "one"), working(counted, "one")]
    late = arriving(counted, "one")
    with pytest.raises(Overloaded, match="requests of your organization"):
        late.admit()
    taken.append(working(counted, "two"))
    with pytest.raises(Overloaded):
        working(counted, "three")
    for held in [*taken, late]:
        held.release()
        held.release()  # twice is once
    working(counted, "one").release()


def test_bytes_of_bodies_are_counted_by_organization(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_BODIES_BYTES", 1_000)
    monkeypatch.setattr(places, "MOST_BODIES_BYTES_OF_ONE", 500)
    counted = Places()
    one, two, three = (arriving(counted, name) for name in ("one", "two", "three"))
    one.add(500)
    with pytest.raises(Overloaded, match="as large as they may be"):
        arriving(counted, "one").add(1)
    two.add(400)
    with pytest.raises(Overloaded, match=r"^$"):
        three.add(400)


def test_large_bodies_of_one_organization_take_turns_and_another_s_waits_for_none() -> None:
    counted = Places()

    async def story() -> None:
        first, second, other = (working(counted, name) for name in ("one", "one", "two"))
        async with first.turn(large=True):
            waiting = asyncio.create_task(entered(second))
            await entered(other)
            assert not waiting.done()
        await waiting

    async def entered(held: Held) -> None:
        async with held.turn(large=True):
            pass

    asyncio.run(asyncio.wait_for(story(), 10))


def test_guessed_tokens_push_no_known_one_out_of_memory(
    stack: Stack, organization: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MOST_REMEMBERED", 3)
    with db.pool("winback_app") as pool:
        found = Access(pool)
        assert found.find(token) is not None
        for number in range(7):
            assert found.find(f"guess-{number}") is None
        assert found.remembered(token) is not None


# -- the whole door --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(stack: Stack) -> Iterator[Ingest]:
    """Ingest with three places, of which two are for one organization."""
    running = Ingest(
        stack=stack,
        env={
            "WINBACK_INGEST_MAX_REQUESTS": "3",
            "WINBACK_INGEST_MAX_REQUESTS_OF_ONE": "2",
            "WINBACK_HTTP_BODY_LEAST_RATE": "1000000",
        },
    )
    running.start()
    yield running
    assert running.stop() == 0


def begin(ingest: Ingest, token: str) -> socket.socket:
    """A request whose body never comes; it is waited for."""
    place = urlsplit(ingest.url)
    wire = socket.create_connection((place.hostname, place.port), timeout=30)
    wire.sendall(
        "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 1000\r\n"
        "Expect: 100-continue\r\n\r\n".encode()
    )
    return wire


def test_whoever_fills_ingest_with_unfinished_bodies_locks_nobody_else_out(
    small: Ingest, organizations: Callable[..., str]
) -> None:
    greedy, other = make_token(organizations()), make_token(organizations())
    wires = [begin(small, greedy) for _ in range(6)]
    try:
        heads = [wire.recv(4096)[:12] for wire in wires]
        assert sorted(heads) == [b"HTTP/1.1 100"] * 2 + [b"HTTP/1.1 429"] * 4
        assert small.post("orders", ORDER, token=other).status_code == 202
        answer = small.post("orders", ORDER, token=greedy)
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        assert "your organization" in answer.json()["detail"]
        slow = next(wire for wire, head in zip(wires, heads, strict=True) if b"100" in head)
        slow.settimeout(30)
        answered = slow.recv(4096)  # it brings nothing: it is told so, long before 120 s
        assert answered.startswith(b"HTTP/1.1 408 ") and b"slower than 1000000 bytes" in answered
    finally:
        for wire in wires:
            wire.close()
    eventually(
        lambda: small.post("orders", ORDER, token=greedy).status_code == 202,
        what="places that are free again",
    )


def test_a_large_body_goes_in_by_its_turn(small: Ingest, organizations: Callable[..., str]) -> None:
    token = make_token(organizations())
    many = [ORDER | {"order": f"L{number}"} for number in range(400)]
    body = gzip.compress(json.dumps(many).encode())
    answer = small.post("orders", body, token=token, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 202
