"""A client that sends or takes nothing holds nothing for long."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvicorn

from shared import http
from shared.settings import settings
from tests.eventually import eventually


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tenth of a second for whoever takes nothing; 100,000 bytes a second of a body."""
    monkeypatch.setenv("WINBACK_HTTP_WRITE_SECONDS", "0.1")
    monkeypatch.setenv("WINBACK_HTTP_BODY_LEAST_RATE", "100000")
    monkeypatch.setattr(http, "SLOW_AFTER_SECONDS", 0.1)
    settings.cache_clear()
    yield
    settings.cache_clear()


def read(pieces: list[tuple[float, bytes]]) -> int:
    """Bytes that came of a body whose pieces come after so many seconds each."""

    async def stream() -> AsyncIterator[bytes]:
        for seconds, piece in pieces:
            await asyncio.sleep(seconds)
            yield piece

    async def all_of_it() -> int:
        return sum([len(piece) async for piece in http.body_in_time(stream())])

    return asyncio.run(asyncio.wait_for(all_of_it(), 20))


def test_a_body_that_comes_slower_than_the_least_rate_is_refused(hasty: None) -> None:
    with pytest.raises(TimeoutError, match="slower than 100000 bytes a second"):
        read([(0.02, b"x" * 10)] * 1_000)


def test_a_body_that_was_fast_at_first_may_pause_as_long_as_its_rate_allows(hasty: None) -> None:
    assert read([(0.0, b"x" * 50_000), (0.4, b"x")]) == 50_001


def test_no_rate_is_asked_for_where_none_is_set(
    hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINBACK_HTTP_BODY_LEAST_RATE", "0")
    settings.cache_clear()
    assert read([(0.2, b"x"), (0.2, b"x")]) == 2


def test_a_client_that_takes_nothing_of_its_answer_is_cut(hasty: None) -> None:
    ended = threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.create_task(_disconnected(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 60_000, "more_body": True})
            await asyncio.sleep(0)
        ended.set()

    async def _disconnected(receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    server = uvicorn.Server(http.config(endless, 0))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with socket.create_connection(listening.getsockname(), timeout=30) as wire:
                wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                eventually(ended.is_set, what="an answer that nobody takes any more")
        finally:
            server.should_exit = True
            thread.join(30)
