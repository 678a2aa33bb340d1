"""Migrations and topics, side by side; ends when both are done and every partition
can be read and written.

The supervisor tries again when it fails:  python -m winback.stack.schema
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from shared.errors import Misconfigured, Retryable, WinbackError

LEADERS_SECONDS = 30.0


def main() -> int:
    from shared import broker, db, logins

    with ThreadPoolExecutor(2) as both:
        migrated, created = both.submit(db.migrate), both.submit(create_topics)
    try:
        migrated.result()
        logins.set_passwords()
        broker.note()
        print(
            f"applied {len(migrated.result())} migrations, created {len(created.result())} topics"
        )
    except WinbackError as error:
        print(f"winback: {error}", file=sys.stderr)
        return 2 if isinstance(error, Misconfigured) else 3
    return 0


def create_topics() -> list[str]:
    """A new partition has a leader a moment after its topic was created. Raises Retryable when it
    has none for long.
    """
    from confluent_kafka import KafkaException, TopicPartition
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._listoffsets import OffsetSpec

    from shared import kafka, kafka_access

    created = kafka.create_topics()
    admin = AdminClient(kafka_access.client())
    end = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the library's stubs say nothing
    until = time.monotonic() + LEADERS_SECONDS
    while True:
        try:
            topics = admin.list_topics(timeout=10).topics.items()
            ends = {
                TopicPartition(name, number): end
                for name, topic in topics
                for number in topic.partitions
            }
            for answer in admin.list_offsets(ends, request_timeout=5).values():
                answer.result()
            return created
        except KafkaException as error:
            if time.monotonic() > until:
                raise Retryable(
                    f"not every partition has a leader: {error.args[0].str()}"
                ) from None
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
