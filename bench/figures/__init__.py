"""Every figure by its name, in the order of the report. A figure takes a rig and
returns what it found.

The number is the share of the full workload that it is measured at: the largest that lets all
figures, three rounds and a profile each, end within half an hour on two quiet cores.
"""

from collections.abc import Callable, Sequence

from bench.figure import Found
from bench.figures import detector, digests, ingest, live, pages, persist, state, work
from bench.rig import Rig

Measure = Callable[[Rig], Sequence[Found]]

FIGURES: dict[str, tuple[Measure, float, str]] = {
    "drain": (
        detector.drain,
        1,
        "detector drain against a confluent-kafka loop with the same rules",
    ),
    "streams": (detector.streams, 1, "detector drain against Kafka Streams, default and cached"),
    "naive": (detector.naive, 1, "detector drain against naive Faust"),
    "workers": (
        state.workers,
        0.3,
        "detector drain by two and four workers, over one, two and four partitions, against one",
    ),
    "cache": (state.cache, 1, "detector drain with a state larger than the cache"),
    "skew": (state.skew, 1, "detector drain where 1 % of the accounts have 30 % of the orders"),
    "runs": (work.runs, 1, "runs over all accounts against DuckDB, and with 1 % due"),
    "growth": (
        work.growth,
        0.5,
        "how the detector's cost grows with orders, accounts, organizations",
    ),
    "restore": (
        state.restored,
        1,
        "restore of a wiped state, start without one, bytes of changelog",
    ),
    "import": (ingest.import_, 1, "file to Kafka against Polars and librdkafka"),
    "sink": (
        persist.sink,
        1,
        "orders to PostgreSQL against a bare COPY, and the bytes they take there",
    ),
    "backfill": (
        persist.backfill,
        1,
        "file to detected and persisted against the slowest stage alone",
    ),
    "http": (live.ingest, 1, "orders over HTTP against a route that parses and returns"),
    "latency": (
        live.latency,
        1,
        "an order's 2xx to its recovery in PostgreSQL, and in the console",
    ),
    "digests": (digests.digests, 1, "digests rendered and handed over against the same bytes sent"),
    "pages": (pages.pages, 1, "a page of the accounts table against its SQL alone"),
    "trials": (pages.trials, 1, "a dry run of settings against DuckDB"),
}
