"""Forgetting in Kafka: of a key whose last record has no value, compaction keeps nothing."""

from collections.abc import Iterable

from shared import kafka
from shared.ids import record_key


def publish(organization: str, ids: Iterable[tuple[str, str]]) -> None:
    """One for each (topic, id); returns when Kafka has them all. Raises Retryable."""
    partition = kafka.partition_of(organization)
    publisher = kafka.Publisher(linger_ms=5)
    try:
        publisher.confirm(
            [
                publisher.send(topic, None, key=record_key(organization, id_), partition=partition)
                for topic, id_ in ids
            ]
        )
    finally:
        publisher.close()
