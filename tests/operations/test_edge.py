"""What stands at the edge of every server: the names that it is asked by, caches, https alone."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared import http
from shared.settings import settings


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """said(base_url=..., allowed_hosts=...)."""

    def be(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"WINBACK_{name.upper()}", value)
        settings.cache_clear()

    yield be
    settings.cache_clear()


async def fine(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def asked(
    app: Any, path: str = "/o/acme/accounts", hosts: tuple[str, ...] = ("winback.example",)
) -> tuple[int, dict[bytes, bytes]]:
    """(status, headers)."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode("latin-1")) for host in hosts]
    asyncio.run(app({"type": "http", "path": path, "headers": headers}, None, send))
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        (("winback.example",), 200),
        (("WINBACK.example:443",), 200),
        (("other.example:8080",), 200),
        (("127.0.0.1:8080",), 200),
        (("[::1]:8080",), 200),
        (("evil.example",), 421),
        (("winback.example.evil.example",), 421),
        (("winback.example@evil.example",), 421),
        (("winback.example", "evil.example"), 421),
        ((), 421),
        (("[",), 421),
    ],
)
def test_the_console_answers_by_its_own_names_alone(
    said: Callable[..., None], hosts: tuple[str, ...], status: int
) -> None:
    said(base_url="https://winback.example", allowed_hosts="other.example, third.example")
    app = http.Hosts(fine, http.console_hosts)
    assert asked(app, hosts=hosts)[0] == status
    for path in ("/healthz", "/livez", "/readyz", "/metrics"):
        assert asked(app, path, hosts=("10.0.0.7:8080",))[0] == 200


def test_ingest_answers_by_any_name_until_some_are_said(said: Callable[..., None]) -> None:
    app = http.Hosts(fine, http.named_hosts)
    said(allowed_hosts="")
    assert asked(app, hosts=("anything",))[0] == 200
    said(allowed_hosts="orders.example")
    assert [asked(app, hosts=(host,))[0] for host in ("anything", "orders.example")] == [421, 200]


def test_with_https_browsers_are_told_to_come_by_nothing_else(said: Callable[..., None]) -> None:
    app = http.Headers(fine)
    said(base_url="http://127.0.0.1:8080")
    assert b"strict-transport-security" not in asked(app)[1]
    said(base_url="https://winback.example")
    assert asked(app)[1][b"strict-transport-security"] == b"max-age=31536000"


def test_what_systems_are_answered_is_kept_by_no_cache(said: Callable[..., None]) -> None:
    app = http.Headers(fine)
    assert asked(app, "/v1/signals")[1][b"cache-control"] == b"no-store"
    assert b"cache-control" not in asked(app, "/static/tokens.css")[1]
