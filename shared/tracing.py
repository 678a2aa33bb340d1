"""Traces (OpenTelemetry): what a request, an import or a digest's time leads to, through every
process. Off by default.

    request, import, tick -> record (header `traceparent`) -> who takes it
    -> record, or mail (header `Traceparent`)

This is what handlers call. Without WINBACK_OTLP_ENDPOINT every function returns at once, and
nothing of the SDK is imported; with it shared/traces.py does the work.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from shared.carriers import Carrier, Headers
from shared.settings import settings

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from shared.traces import Traces

_NOTHING: AbstractContextManager[Any] = nullcontext()

_on: "Traces | None" = None


def configure(process: str) -> None:
    """Switch traces on where a collector is named. Once a process;
    `logs.configure` does it for services.
    """
    global _on
    if _on is None and settings().otlp_endpoint:
        from shared.traces import Traces

        _on = Traces(process, endpoint=settings().otlp_endpoint, share=settings().trace_share)
        _on.install()


# -- what happens ----------------------------------------------------------------------------------


def doing(name: str, **about: str) -> AbstractContextManager[Any]:
    """A piece of work that nothing before it caused, or a part of what is current."""
    return _NOTHING if _on is None else _on.doing(name, about)


def sending(topic: str, causes: "Sequence[Span]" = ()) -> AbstractContextManager[Any]:
    """A record is made and handed over. causes: the spans (`here`) that it comes of; none: what is
    current, or nothing.
    """
    return _NOTHING if _on is None else _on.sending(topic, causes)


def taking(consumer: str, records: Sequence[Carrier]) -> AbstractContextManager[Any]:
    """Records of one partition are handled together."""
    return _NOTHING if _on is None else _on.taking(consumer, records)


def of(record: Carrier) -> AbstractContextManager[Any]:
    """Within `taking`: this one of the records is handled by itself."""
    return _NOTHING if _on is None else _on.of(record)


def mailing(message: bytes) -> AbstractContextManager[Any]:
    """A mail is handed over; its own header says what it comes of."""
    return _NOTHING if _on is None else _on.mailing(message)


# -- where we are ----------------------------------------------------------------------------------


def here() -> "Span | None":
    """The current span, to be a cause of what is sent later."""
    return None if _on is None else _on.here()


def record_headers() -> Headers:
    """What a record that is sent now says of where it comes from."""
    return [] if _on is None else _on.record_headers()


def mail_headers() -> dict[str, str]:
    """The same for a mail."""
    return {} if _on is None else _on.mail_headers()


def ids() -> Mapping[str, str]:
    """`trace_id` and `span_id` of the current span, for logs."""
    return {} if _on is None else _on.ids()
