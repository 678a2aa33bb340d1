"""Every figure by its name, in the order of the report. A figure takes a rig and returns what it found."""

from collections.abc import Callable, Sequence

from bench.figure import Found
from bench.figures import detector, ingest
from bench.rig import Rig

Measure = Callable[[Rig], Sequence[Found]]

FIGURES: dict[str, tuple[Measure, str]] = {
    "drain": (detector.drain, "detector drain against a confluent-kafka loop with the same rules"),
    "streams": (detector.streams, "detector drain against Kafka Streams, default and cached"),
    "naive": (detector.naive, "detector drain against naive Faust"),
    "import": (ingest.import_, "file to Kafka against Polars and librdkafka"),
}
