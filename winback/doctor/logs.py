"""Kafka's logs as the doctor sees them: are they the ones that positions are of?"""

import psycopg

from shared import db, same_log, same_log_store
from shared.errors import Retryable
from shared.topics import TOPICS
from winback.doctor.findings import Finding, judged, note

CONSUMERS = ("signals", "digest", "sequences", "ingest-erp")  # that keep positions in PostgreSQL


def finding() -> Finding:
    """Whether the logs are those that positions are of, and reach as far as they were seen to."""
    name = "kafka logs"
    try:
        with db.connect() as connection:
            topics = [topic.name for topic in TOPICS]
            remembered = same_log_store.known(connection, topics, consumers=CONSUMERS)
        there = same_log.look(same_log.admin(), topics)
    except (psycopg.Error, Retryable):
        return note(
            name,
            "whether they are the ones that were read is not known",
            "PostgreSQL and Kafka must both be there for that.",
        )
    reason = same_log.difference(there, remembered)
    return judged(
        name,
        not reason,
        reason or "they reach as far as was read",
        "Nothing is taken until that is mended: docs/operations.md#logdiffers.",
    )
