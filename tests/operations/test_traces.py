"""One trace from an order to the recovery that it brings, and one from a digest's time to the mail,
as a collector gets them.
"""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry import context
from opentelemetry.trace import Span, format_span_id, format_trace_id

from shared import clock
from shared.records import Record
from shared.traces import Traces
from tests.collector import Collector, Seen
from tests.eventually import eventually
from tests.operations.world import World
from tests.stack_fixtures import Stack

SLOT = """
INSERT INTO slots (organization, kind, slot_at, fired_at, run)
VALUES (%s, 'digest', now(), now(), 1)
"""


@pytest.fixture
def world(services: Stack) -> Iterator[World]:
    made = World(services)
    yield made
    made.close()


def path_of(spans: list[Seen], last: Seen) -> list[tuple[str, str]]:
    """(service, name) of a span and of all above it, the topmost first."""
    by_id = {span.span: span for span in spans}
    found = [last]
    while found[-1].parent in by_id:
        found.append(by_id[found[-1].parent])
    return [(span.service.removeprefix("winback-"), span.name) for span in reversed(found)]


def paths_of(spans: list[Seen]) -> set[str]:
    """Every way through a trace, as words."""
    return {
        " > ".join(f"{service}: {name}" for service, name in path_of(spans, span)) for span in spans
    }


def lines_of(stack: Stack, service: str, trace: str) -> list[dict[str, str]]:
    """What a service logged within a trace."""
    lines = (stack.home.logs / f"{service}.log").read_text().splitlines()
    return [json.loads(line) for line in lines if trace in line]


# -- through the running system --------------------------------------------------------------------


def test_an_order_is_followed_from_its_request_to_the_recovery_in_postgresql(
    services: Stack, collector: Collector, world: World
) -> None:
    assert world.post(revenue="250000.00", days_ago=200) == 202
    services.winback("wait", "--organization", world.organization)
    services.winback("run", "--organization", world.organization, "--wait")
    trace, caller = secrets.token_hex(16), secrets.token_hex(8)
    assert world.post(headers={"traceparent": f"00-{trace}-{caller}-01"}) == 202

    way = (
        "ingest: POST /v1/orders > ingest: send orders > detector: "
        "process orders > signals: process signals"
    )
    spans = collector.wait_for(trace, lambda spans: way in paths_of(spans))
    assert "ingest: POST /v1/orders > ingest: send orders > signals: process orders" in paths_of(
        spans
    )
    recovered = json.loads(
        services.winback("signals", "--organization", world.organization, "--json").stdout
    )
    assert recovered["resolution"] == "reordered"

    by_name = {(span.service, span.name): span for span in spans}
    request = by_name["winback-ingest", "POST /v1/orders"]
    assert (request.parent, request.kind) == (caller, "SERVER")
    assert request.about["http.route"] == "/v1/orders"
    assert request.about["url.path"] == "REDACTED"
    sent, taken = (
        by_name["winback-ingest", "send orders"],
        by_name["winback-detector", "process orders"],
    )
    assert (sent.kind, taken.kind) == ("PRODUCER", "CONSUMER")
    assert taken.about["messaging.system"] == "kafka"
    assert (
        taken.about["messaging.destination.name"]
        == sent.about["messaging.destination.name"]
        == "orders"
    )
    assert taken.about["messaging.consumer.group.name"] == "winback-detector"


def test_a_digest_is_followed_from_its_tick_to_the_mail_and_its_drafts(
    services: Stack, collector: Collector, world: World
) -> None:
    email = f"traced-{world.organization}@example.com"
    services.winback("member", "add", world.organization, email, "--role", "owner", "--digest")
    assert world.post(revenue="250000.00", days_ago=200) == 202
    services.winback("wait", "--organization", world.organization)
    services.winback("run", "--organization", world.organization, "--wait")
    world.execute(SLOT, world.organization)

    mails = eventually(lambda: services.mailbox.mails(to=email), what="the mail")
    _, trace, span, _ = dict(mails[0]["headers"])["Traceparent"].split("-")
    wanted = {
        "clock: digest due > clock: send digest-ticks > digest: "
        "process digest-ticks > digest: send mail",
        "clock: digest due > clock: send sequence-ticks > sequences: "
        "process sequence-ticks > signals: process sequences",
    }
    spans = collector.wait_for(trace, lambda spans: wanted <= paths_of(spans))
    assert next(one for one in spans if one.name == "process digest-ticks").span == span
    assert [line["event"] for line in lines_of(services, "digest", trace)] == [
        "digest planned",
        "mail",
    ]
    assert {line["span_id"] for line in lines_of(services, "digest", trace)} == {
        one.span for one in spans if one.service == "winback-digest"
    }


def test_an_import_is_followed_and_a_run_is_a_trace_of_its_own(
    services: Stack, collector: Collector, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("order,account,ordered_on,revenue\nSO-1,A,2026-01-05,100.00\n")
    traced = Stack(
        services.home, services.env | {"WINBACK_OTLP_ENDPOINT": collector.url}, services.supervisor
    )
    traced.winback("import", "orders", str(file), "--organization", world.organization)
    services.winback("run", "--organization", world.organization, "--wait")

    imported = next(
        span
        for span in collector.named("import orders")
        if span.about["winback.organization"] == world.organization
    )
    collector.wait_for(
        imported.trace,
        lambda spans: "import: import orders > detector: process orders" in paths_of(spans),
    )
    ran = [
        line
        for line in lines_of(services, "detector", world.organization)
        if line["event"] == "run completed"
    ]
    collector.wait_for(
        ran[0]["trace_id"],
        lambda spans: (
            "clock: send orders > detector: process orders > signals: process signals"
            in paths_of(spans)
        ),
    )


# -- blocks and batches ----------------------------------------------------------------------------


@pytest.fixture
def traces(collector: Collector) -> Iterator[Traces]:
    made = Traces(f"test-{secrets.token_hex(4)}", endpoint=collector.url, share=1.0)
    yield made
    made.provider.shutdown()


@contextmanager
def request(traces: Traces) -> Iterator[Span]:
    """Something that nothing caused; another one may be under way."""
    token = context.attach(context.Context())
    with traces.doing("request", {}) as span:
        yield span
    context.detach(token)


def record_of(traces: Traces, offset: int) -> Record:
    """As it is read: of what is current."""
    return Record(
        topic="orders",
        partition=0,
        offset=offset,
        at=clock.now(),
        key=None,
        value=None,
        headers=traces.record_headers(),
        event=None,
    )


def seen(traces: Traces, collector: Collector, name: str) -> list[Seen]:
    traces.provider.force_flush()
    service = traces.provider.resource.attributes["service.name"]
    return [span for span in collector.named(name) if span.service == service]


def place(span: Span) -> tuple[str, str]:
    return format_trace_id(span.get_span_context().trace_id), format_span_id(
        span.get_span_context().span_id
    )


def test_a_block_of_two_requests_is_a_child_of_one_and_linked_with_the_other_both_ways(
    traces: Traces, collector: Collector
) -> None:
    with (
        request(traces) as first,
        request(traces) as second,
        traces.sending("orders", [first, second]),
    ):
        pass

    (sent,) = seen(traces, collector, "send orders")
    assert (sent.trace, sent.parent) == place(first)
    assert sent.links == {place(second)}
    assert {(one.trace, one.span): one.links for one in seen(traces, collector, "request")} == {
        place(first): frozenset(),
        place(second): {(sent.trace, sent.span)},
    }


def test_a_batch_is_a_span_in_each_of_its_traces_and_one_that_is_linked_with_all(
    traces: Traces, collector: Collector
) -> None:
    with request(traces) as first:
        records = [record_of(traces, 0), record_of(traces, 1)]
    with request(traces) as second:
        records.append(record_of(traces, 2))

    with traces.taking("signals", records):
        with traces.of(records[2]), traces.doing("one of them", {}):
            pass
        with traces.doing("all of them", {}):
            pass

    spans = seen(traces, collector, "process orders")
    batch = next(span for span in spans if not span.parent)
    assert batch.links == {place(first), place(second)}
    assert batch.about["messaging.batch.message_count"] == "3"
    own = {(span.trace, span.parent): span for span in spans if span is not batch}
    assert own.keys() == batch.links
    assert all(span.links == {(batch.trace, batch.span)} for span in own.values())
    assert [span.parent for span in seen(traces, collector, "one of them")] == [
        own[place(second)].span
    ]
    assert [span.parent for span in seen(traces, collector, "all of them")] == [batch.span]


def test_records_of_one_trace_are_one_span_in_it(traces: Traces, collector: Collector) -> None:
    with request(traces) as only:
        records = [record_of(traces, number) for number in range(3)]
    with traces.taking("signals", records), traces.of(records[1]):
        pass
    (span,) = seen(traces, collector, "process orders")
    assert ((span.trace, span.parent), span.links) == (place(only), frozenset())


def test_what_fails_is_seen_to_fail_in_every_trace(traces: Traces, collector: Collector) -> None:
    records = []
    for number in range(2):
        with request(traces):
            records.append(record_of(traces, number))
    with pytest.raises(RuntimeError), traces.taking("signals", records):
        raise RuntimeError("no")
    assert [span.failed for span in seen(traces, collector, "process orders")] == [True] * 3


def test_of_no_trace_that_began_elsewhere_more_is_told_than_its_beginner_wants(
    traces: Traces, collector: Collector
) -> None:
    silent = replace(
        record_of(traces, 0), headers=[("traceparent", f"00-{'a' * 32}-{'b' * 16}-00".encode())]
    )
    with traces.taking("signals", [silent]):
        assert traces.ids()["trace_id"] == "a" * 32
    assert seen(traces, collector, "process orders") == []


@pytest.mark.parametrize(
    "header", [b"", b"00", b"\xff\x00", f"00-{'0' * 32}-{'b' * 16}-01".encode()]
)
def test_a_header_that_is_none_begins_a_trace(
    traces: Traces, collector: Collector, header: bytes
) -> None:
    with traces.taking(
        "ingest-erp", [replace(record_of(traces, 0), headers=[("traceparent", header)])]
    ):
        pass
    assert [span.parent for span in seen(traces, collector, "process orders")] == [""]


# -- off, and a collector that is away -------------------------------------------------------------


def test_where_no_collector_is_named_nothing_is_loaded_and_nothing_said() -> None:
    script = """
import sys
from shared import logs, tracing
logs.configure("test")
with tracing.taking("x", []), tracing.sending("orders"), tracing.mailing(b""), tracing.doing("x"):
    assert (tracing.here(), tracing.record_headers()) == (None, [])
    assert (tracing.mail_headers(), tracing.ids()) == ({}, {})
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    plain = {name: value for name, value in os.environ.items() if name != "WINBACK_OTLP_ENDPOINT"}
    subprocess.run([sys.executable, "-P", "-c", script], env=plain, check=True, timeout=60)


def test_a_collector_that_is_away_holds_up_nothing() -> None:
    script = """
from shared import logs, tracing
logs.configure("test")
for _ in range(10):
    with tracing.doing("x"):
        pass
"""
    began = time.monotonic()
    away = os.environ | {"WINBACK_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], env=away, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert time.monotonic() - began < 20  # a service has 30 s to end
    assert all(json.loads(line)["service"] == "test" for line in done.stderr.splitlines())
