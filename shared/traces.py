"""What `tracing` does where traces are on: spans by the semantic conventions for messaging, to a
collector over OTLP/HTTP.

A block is one record of many requests: its span is a child of the first one's, and linked with the
others, both ways. A batch of records is a span in each of their traces, and one of its own, linked
with all of them, which is the current one. Baggage, which a caller could fill with anything, is not
passed on; paths and queries of requests, which hold tokens and what people look for, do not leave.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from importlib.metadata import version
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.carriers import Carrier, Headers

MOST_TRACES = 100  # of a batch that get a span each; further ones are linked alone
# for a batch of spans, tries included: a collector that is away holds up no process that ends
EXPORT_SECONDS = 2.0
ADDRESSES = ("url.path", "url.query")

_W3C = TraceContextTextMapPropagator()
_MAIL_HEADER = re.compile(rb"(?m)^Traceparent: ([0-9a-f-]{55})\r$")


class WithoutAddresses(SpanProcessor):
    """Of a request its route is told (`http.route`), not what stands in its place."""

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Attributes can be overwritten, not removed."""
        for name in ADDRESSES:
            if name in (span.attributes or {}):
                span.set_attribute(name, "REDACTED")


class Traces:
    """Of one process, until it ends; what is left is sent then."""

    def __init__(self, process: str, *, endpoint: str, share: float) -> None:
        about = {
            "service.name": f"winback-{process}",
            "service.namespace": "winback",
            "service.version": version("winback"),
            "service.instance.id": str(uuid.uuid4()),
        }
        self.provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)), resource=Resource.create(about)
        )
        self.provider.add_span_processor(WithoutAddresses())
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS
        )
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self.provider.get_tracer("winback", about["service.version"])
        # trace -> the span of what is handled
        self._taken: ContextVar[Mapping[int, Span]] = ContextVar("taken")

    def install(self) -> None:
        """For the libraries of this process: FastAPI makes a span of each request then."""
        trace.set_tracer_provider(self.provider)

    def doing(self, name: str, about: Mapping[str, str]) -> AbstractContextManager[Span]:
        return self._tracer.start_as_current_span(
            name, attributes={f"winback.{key}": value for key, value in about.items()}
        )

    @contextmanager
    def sending(self, topic: str, causes: Sequence[Span]) -> Iterator[Span]:
        first = (
            next((span for span in causes if span.is_recording()), causes[0]) if causes else None
        )
        others = [span for span in causes if span is not first]
        with self._tracer.start_as_current_span(
            f"send {topic}",
            context=None if first is None else trace.set_span_in_context(first),
            kind=SpanKind.PRODUCER,
            attributes=_about("send", topic),
            links=[Link(span.get_span_context()) for span in others],
        ) as sent:
            for span in others:
                span.add_link(sent.get_span_context())
            yield sent

    @contextmanager
    def taking(self, consumer: str, records: Sequence[Carrier]) -> Iterator[None]:
        topic = records[0].topic
        name = f"process {topic}"
        about = _about("process", topic) | {
            "messaging.consumer.group.name": f"winback-{consumer}",
            "messaging.destination.partition.id": str(records[0].partition),
            "messaging.kafka.offset": records[0].offset,
        }
        if len(records) > 1:
            about["messaging.batch.message_count"] = len(records)
        origins: dict[int, Context] = {}
        for record in records:
            context = _origin(record.headers)
            if (origin := _context_of(context)).is_valid:
                origins.setdefault(origin.trace_id, context)
        with ExitStack() as spans:
            batch = None
            if len(origins) != 1:
                links = [Link(_context_of(context)) for context in origins.values()]
                batch = self._tracer.start_span(
                    name, context=Context(), kind=SpanKind.CONSUMER, attributes=about, links=links
                )
            taken = {
                trace_id: spans.enter_context(
                    self._tracer.start_as_current_span(
                        name,
                        context=context,
                        kind=SpanKind.CONSUMER,
                        attributes=about,
                        links=[] if batch is None else [Link(batch.get_span_context())],
                    )
                )
                for trace_id, context in list(origins.items())[:MOST_TRACES]
            }
            if batch is not None:
                spans.enter_context(trace.use_span(batch, end_on_exit=True))
            before = self._taken.set(taken)
            try:
                yield
            finally:
                self._taken.reset(before)

    def of(self, record: Carrier) -> AbstractContextManager[Any]:
        span = self._taken.get({}).get(_context_of(_origin(record.headers)).trace_id)
        return nullcontext() if span is None else trace.use_span(span)

    def mailing(self, message: bytes) -> AbstractContextManager[Span]:
        found = _MAIL_HEADER.search(message, 0, message.find(b"\r\n\r\n") + 2)
        context = _W3C.extract(
            {"traceparent": found[1].decode()} if found else {}, context=Context()
        )
        return self._tracer.start_as_current_span(
            "send mail", context=context, kind=SpanKind.CLIENT
        )

    def here(self) -> Span | None:
        span = trace.get_current_span()
        return span if span.get_span_context().is_valid else None

    def record_headers(self) -> Headers:
        return [(name, value.encode()) for name, value in _carried().items()]

    def mail_headers(self) -> dict[str, str]:
        carried = _carried()
        return {"Traceparent": carried["traceparent"]} if carried else {}

    def ids(self) -> dict[str, str]:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {
            "trace_id": trace.format_trace_id(context.trace_id),
            "span_id": trace.format_span_id(context.span_id),
        }


def _about(operation: str, topic: str) -> dict[str, str | int]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": topic,
    }


def _carried() -> dict[str, str]:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier


def _origin(headers: Headers) -> Context:
    carrier = {name: value.decode("latin-1") for name, value in headers if name in _W3C.fields}
    return _W3C.extract(carrier, context=Context())


def _context_of(context: Context) -> trace.SpanContext:
    return trace.get_current_span(context).get_span_context()
