"""What every HTTP server of the project is made of: uvicorn, with bounds on time and with refusals
that a machine can read.

A request whose head does not arrive in time has its connection closed; one that is no HTTP gets
`application/problem+json` too. Bodies are read by the routes, within `body_in_time`. `Headers` says
on every answer what a browser may do with it.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from fastapi.telemetry import TelemetryConfig
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.request_ids import RequestIds
from shared.settings import settings

DRAIN_SECONDS = 20
HSTS_SECONDS = 31_536_000  # a year
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# by an address, within the network
PROBED = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})
SLOW_AFTER_SECONDS = 5.0  # from then on a body has a least rate

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# uvicorn closes the connection of a request that raised: who is told so opens another one, instead
# of sending into a closed one.
LAST = {"Connection": "close"}

# asked all the time, or open all the time
NOT_TRACED = re.compile(r"/(healthz|livez|readyz|metrics|static/.*)|.*/live")

# What FastAPI itself does where traces are on (shared/tracing.py): a span for a
# request, and nothing else.
TELEMETRY: TelemetryConfig = {
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
    "exclude": lambda scope: NOT_TRACED.fullmatch(scope["path"]) is not None,
}


def config(app: Any, port: int) -> uvicorn.Config:
    """How every server here is run."""
    return uvicorn.Config(
        RequestIds(app),
        host=settings().host,
        port=port,
        http=Careful,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


class Careful(H11Protocol):
    """HTTP/1.1 that waits for nobody for ever, for the head of a request or for room to write to,
    and says what is wrong in the form of all other refusals.
    """

    _head: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._head = self.loop.call_later(settings().http_head_seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._go_on()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """What is written waits for the client: not for ever."""
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(settings().http_write_seconds, self._cut)

    def resume_writing(self) -> None:
        """It took most of what waited."""
        self._go_on()
        super().resume_writing()

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._forget()

    def on_response_complete(self) -> None:
        """The next request has as long, from its first byte on (`data_received`)."""
        self._forget()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._head = self.loop.call_later(settings().http_head_seconds, self._give_up)
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Of a request that is no HTTP; a body that stops being one leaves no way to say it."""
        if self.cycle is not None and (self.cycle.response_started or self.cycle.response_complete):
            self.transport.close()
            return
        reason = "is no valid HTTP/1.1"
        errors = [{"field": "request", "reason": reason}]
        problem = {
            "type": "about:blank",
            "title": "Bad request",
            "status": 400,
            "detail": f"the request {reason}",
            "errors": errors,
        }
        body = json.dumps(problem).encode()
        head = [
            "HTTP/1.1 400 Bad Request",
            "content-type: application/problem+json",
            f"content-length: {len(body)}",
        ]
        head += [
            "connection: close",
            *(f"{name.lower()}: {value}" for name, value in HEADERS.items()),
        ]
        self.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        self.transport.close()

    def _give_up(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self.transport.close()

    def _cut(self) -> None:
        self._stuck = None
        self.transport.abort()  # what waits is not sent any more

    def _go_on(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _forget(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


async def body_in_time(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a body. Raises TimeoutError, with why, where the whole of it takes longer than
    WINBACK_HTTP_BODY_SECONDS, or it comes slower than WINBACK_HTTP_BODY_LEAST_RATE.
    """
    loop, rate, taken_bytes = asyncio.get_running_loop(), settings().http_body_least_rate, 0
    began = loop.time()
    until = began + settings().http_body_seconds
    while True:
        slow = began + SLOW_AFTER_SECONDS + taken_bytes / rate if rate else until
        try:
            # around the waiting alone: who reads may leave at any piece
            async with asyncio.timeout_at(min(until, slow)):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise TimeoutError(
                f"did not arrive within {settings().http_body_seconds:g} s"
                if until <= slow
                else f"arrived slower than {rate} bytes a second"
            ) from None
        taken_bytes += len(piece)
        yield piece


class Headers:
    """ASGI: the answers of `app` with `headers`, where they do not have them already. What systems
    are answered is kept by no cache; where people come by https, browsers come by nothing else.
    """

    def __init__(self, app: Any, headers: Mapping[str, str] = HEADERS) -> None:
        self.app = app
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = list(self.headers)
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            more.append((b"cache-control", b"no-store"))
        if urlsplit(settings().base_url).scheme == "https":
            more.append((b"strict-transport-security", f"max-age={HSTS_SECONDS}".encode()))

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in more if pair[0] not in there),
                ]
            await send(message)

        await self.app(scope, receive, with_headers)


class Hosts:
    """ASGI: whoever asks by a name that is not ours is told 421, whatever they ask: another site's
    name that leads here (DNS rebinding), a proxy that passes on any.
    """

    def __init__(self, app: Any, names: Callable[[], frozenset[str]]) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        names = self.names()
        if (
            scope["type"] != "http"
            or scope["path"] in PROBED
            or not names
            or host_of(scope["headers"]) in names
        ):
            await self.app(scope, receive, send)
            return
        problem = {
            "type": "about:blank",
            "title": "Not here",
            "status": 421,
            "detail": "the Host is none of this installation: see WINBACK_ALLOWED_HOSTS",
            "errors": [{"field": "Host", "reason": "is none of this installation"}],
        }
        body = json.dumps(problem).encode()
        head = HEADERS | {"Content-Type": "application/problem+json", "Connection": "close"}
        await send(
            {
                "type": "http.response.start",
                "status": 421,
                "headers": [(name.lower().encode(), value.encode()) for name, value in head.items()]
                + [(b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})


def host_of(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The one name of a request, without its port; empty where there is none, or several."""
    found = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(found) != 1:
        return ""
    try:
        return urlsplit(f"//{found[0]}").hostname or ""
    except ValueError:
        return ""


def named_hosts() -> frozenset[str]:
    """WINBACK_ALLOWED_HOSTS; nothing where any name will do."""
    said = settings().allowed_hosts.replace(",", " ").split()
    return frozenset(name.lower() for name in said) | (LOOPBACK if said else frozenset())


def console_hosts() -> frozenset[str]:
    """Of the base address, and what is named beside it; and this machine's own."""
    base = urlsplit(settings().base_url).hostname or ""
    return named_hosts() | LOOPBACK | {base}
