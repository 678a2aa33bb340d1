"""A collector of traces that keeps what it is sent: OTLP over HTTP, as every process exports it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.eventually import eventually


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One span. Ids are hex; `links` are (trace, span)."""

    service: str
    name: str
    kind: str
    trace: str
    span: str
    parent: str
    links: frozenset[tuple[str, str]]
    about: Mapping[str, str]
    failed: bool


class Collector:
    """What has arrived so far."""

    def __init__(self) -> None:
        self.url = ""
        self._spans: dict[str, list[Seen]] = {}
        self._said: list[str] = []
        self._lock = threading.Lock()

    def take(self, body: bytes) -> None:
        """One request's."""
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self._said.append(str(request))
        for resource in request.resource_spans:
            names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    seen = _seen(names["service.name"], span)
                    with self._lock:
                        self._spans.setdefault(seen.trace, []).append(seen)

    def said(self) -> str:
        """All of it as text, events and stack traces too."""
        with self._lock:
            return "\n".join(self._said)

    def of(self, trace: str) -> list[Seen]:
        """The spans of a trace, as they arrived."""
        with self._lock:
            return list(self._spans.get(trace, []))

    def named(self, name: str) -> list[Seen]:
        """The spans of any trace."""
        with self._lock:
            return [span for spans in self._spans.values() for span in spans if span.name == name]

    def wait_for(
        self, trace: str, done: Callable[[list[Seen]], bool], *, seconds: float = 60.0
    ) -> list[Seen]:
        """The spans of a trace once they are as they should be: each process sends its
        own, every few seconds.
        """
        eventually(lambda: done(self.of(trace)), seconds=seconds, what=f"all spans of {trace}")
        return self.of(trace)


def _seen(service: str, span: Span) -> Seen:
    return Seen(
        service=service,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        span=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        about={
            pair.key: pair.value.string_value or str(pair.value.int_value)
            for pair in span.attributes
        },
        failed=span.status.code == 2,
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A running one, at `url`."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert (self.path, self.headers["Content-Type"]) == (
                "/v1/traces",
                "application/x-protobuf",
            )
            collector.take(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="collector", daemon=True)
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
