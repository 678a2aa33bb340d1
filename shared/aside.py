"""Putting a record aside: its original bytes in the dead letters, with where they came from and
why.
"""

import structlog

from shared import clock, cutting, metrics
from shared.errors import NoTopic, Retryable, TooLarge
from shared.kafka import Headers, Publisher, create_dead_letters
from shared.records import Record
from shared.topics import dead_letters_of

log = structlog.get_logger()

NEVER_READ = (
    "value",
    "key",
    "headers",
)  # what a dead letter lacks whose record nobody could unpack


def dead_letter(
    publisher: Publisher,
    record: Record,
    *,
    reason: str,
    consumer: str,
    organization: str = "",
    ends: int = 0,
) -> int:
    """Put the original bytes aside, confirmed, with where they came from and why. Returns its
    offset there. Raises Retryable.

    What fits nowhere whole is cut, ever shorter, until it fits (`shared.cutting`), and its hash and
    place say what it was; of what could not even be unpacked only the place is known.
    `organization`: whose it is, where more than the record itself says so (its token); else empty.
    `ends`: how often it ended a process, of one that is put aside for that (shared/quarantine.py).
    Headers dead_topic, dead_partition, dead_offset, dead_reason, dead_consumer, dead_organization,
    dead_at, dead_ends, dead_size, dead_sha256, dead_record_sha256 and dead_cut come first, then the
    record's own: all of them always, so that a sender's header of such a name says nothing.
    """
    headers = [(name, value or b"") for name, value in record.headers]
    about: Headers = [
        ("dead_topic", record.topic.encode()),
        ("dead_partition", str(record.partition).encode()),
        ("dead_offset", str(record.offset).encode()),
        ("dead_consumer", consumer.encode()),
        ("dead_organization", organization.encode()),
        ("dead_at", clock.now().isoformat().encode()),
        ("dead_ends", str(ends).encode()),
        ("dead_size", str(len(record.value or b"")).encode()),
        ("dead_sha256", cutting.value_sha256(record.value).encode()),
        (
            "dead_record_sha256",
            b""
            if record.unreadable
            else cutting.record_sha256(record.key, record.value, headers).encode(),
        ),
    ]
    whole = cutting.Parts(
        key=record.key,
        value=record.value,
        headers=headers,
        cut=NEVER_READ if record.unreadable else (),
    )
    at, cut = _put_aside(publisher, record.topic, about, reason, whole)
    metrics.DEAD_LETTERS.labels(record.topic, consumer).inc()
    if ends:
        metrics.QUARANTINED.labels(record.topic, consumer).inc()
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    log.warning("dead letter", **place, reason=reason[:500], cut=list(cut))
    return at


def _put_aside(
    publisher: Publisher, topic: str, about: Headers, reason: str, whole: cutting.Parts
) -> tuple[int, tuple[str, ...]]:
    """(its offset, what was cut). Raises Retryable where not even a record with nothing of its own
    goes in.
    """
    refused: Retryable | None = None
    for parts in cutting.smaller(whole):
        why = [
            ("dead_reason", reason[: parts.reason_characters].encode(errors="replace")),
            ("dead_cut", ", ".join(parts.cut).encode()),
        ]
        try:
            return _publish_aside(
                publisher, topic, parts, [*about, *why, *parts.headers]
            ), parts.cut
        except TooLarge as error:
            refused = error
    assert refused is not None
    raise refused


def _publish_aside(publisher: Publisher, topic: str, parts: cutting.Parts, headers: Headers) -> int:
    """Where there is no topic for dead letters, it is made."""
    try:
        return publisher.publish(
            dead_letters_of(topic), parts.value, key=parts.key, headers=headers
        )
    except NoTopic:
        create_dead_letters(topic)
        return publisher.publish(
            dead_letters_of(topic), parts.value, key=parts.key, headers=headers
        )
