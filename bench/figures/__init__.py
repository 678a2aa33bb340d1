"""Every figure by its name, in the order of the report. A figure takes a rig and returns what it found."""

from collections.abc import Callable, Sequence

from bench.figure import Found
from bench.figures import detector, ingest, state
from bench.rig import Rig

Measure = Callable[[Rig], Sequence[Found]]

FIGURES: dict[str, tuple[Measure, str]] = {
    "drain": (detector.drain, "detector drain against a confluent-kafka loop with the same rules"),
    "streams": (detector.streams, "detector drain against Kafka Streams, default and cached"),
    "naive": (detector.naive, "detector drain against naive Faust"),
    "workers": (state.workers, "detector drain by two and four workers against one"),
    "cache": (state.cache, "detector drain with a state larger than the cache"),
    "skew": (state.skew, "detector drain where 1 % of the accounts have 30 % of the orders"),
    "restore": (state.restored, "restore of a wiped state, start without one, bytes of changelog"),
    "import": (ingest.import_, "file to Kafka against Polars and librdkafka"),
}
