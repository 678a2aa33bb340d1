"""The headers that each record of ours carries: CloudEvents attributes, the trace, the requests."""

from collections.abc import Iterable

import msgspec

from shared import clock, request_ids, tracing

Headers = list[tuple[str, bytes]]


def headers_of(
    event: msgspec.Struct,
    *,
    source: str,
    event_id: str | None = None,
    requests: Iterable[str] | None = None,
) -> Headers:
    """CloudEvents attributes for an event (binary mode of the Kafka protocol binding), and where it
    comes from: traces, and `requests` (else what is current).
    """
    kind = type(event).__name__
    return [
        ("ce_id", (event_id or str(getattr(event, "id", "")) or kind).encode()),
        ("ce_type", f"winback.{kind}.v1".encode()),
        ("ce_source", f"/winback/{source}".encode()),
        ("ce_time", clock.now().isoformat().encode()),
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
        *tracing.record_headers(),
        *request_ids.record_headers(requests),
    ]
