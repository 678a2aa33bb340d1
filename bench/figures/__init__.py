"""Every figure by its name, in the order of the report. A figure takes a rig and returns what it found."""

from collections.abc import Callable, Sequence

from bench.figure import Found
from bench.figures import detector, digests, ingest, live, pages, persist, state, work
from bench.rig import Rig

Measure = Callable[[Rig], Sequence[Found]]

FIGURES: dict[str, tuple[Measure, str]] = {
    "drain": (detector.drain, "detector drain against a confluent-kafka loop with the same rules"),
    "streams": (detector.streams, "detector drain against Kafka Streams, default and cached"),
    "naive": (detector.naive, "detector drain against naive Faust"),
    "workers": (state.workers, "detector drain by two and four workers against one"),
    "cache": (state.cache, "detector drain with a state larger than the cache"),
    "skew": (state.skew, "detector drain where 1 % of the accounts have 30 % of the orders"),
    "runs": (work.runs, "runs over all accounts against DuckDB, and with 1 % due"),
    "growth": (work.growth, "how the detector's cost grows with orders, accounts, organizations"),
    "restore": (state.restored, "restore of a wiped state, start without one, bytes of changelog"),
    "import": (ingest.import_, "file to Kafka against Polars and librdkafka"),
    "sink": (persist.sink, "orders to PostgreSQL against a bare COPY, and the bytes they take there"),
    "backfill": (persist.backfill, "file to detected and persisted against the slowest stage alone"),
    "http": (live.ingest, "orders over HTTP against a route that parses and returns"),
    "latency": (live.latency, "an order's 2xx to its recovery in PostgreSQL, and in the console"),
    "digests": (digests.digests, "digests rendered and handed over against the same bytes sent"),
    "pages": (pages.pages, "a page of the accounts table against its SQL alone"),
    "trials": (pages.trials, "a dry run of settings against DuckDB"),
}
