"""The broker of the benchmark: topics filled, read back and forgotten, so that every round starts
from the same log.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.measured_process import Failed
from shared.settings import settings
from shared.topics import MEGABYTE

Record = tuple[bytes | None, bytes]  # key, value
LARGEST = {
    "max.message.bytes": str(4 * MEGABYTE),
    "retention.ms": "-1",
    "message.timestamp.after.max.ms": str(2**63 - 1),
}
NOT_YET = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError._TIMED_OUT,
    KafkaError.NON_EMPTY_GROUP,
}
QUIET = {"log_level": 0}  # what goes wrong is raised
# the time of every record that is filled in: a round repeats the one before
STAMP_MS = 1_782_907_200_000


class Broker:
    """Asks and tells the broker that the settings name."""

    def __init__(self) -> None:
        self._servers = settings().kafka
        self._admin = AdminClient({"bootstrap.servers": self._servers, **QUIET})

    def make(self, name: str, *, partitions: int, config: Mapping[str, str] | None = None) -> None:
        """An empty topic of that name, whatever there was."""
        self.drop([name])
        topic = NewTopic(name, partitions, 1, config={**LARGEST, **(config or {})})
        until = time.monotonic() + 30
        while True:
            try:
                self._admin.create_topics([topic])[name].result()
                return
            except KafkaException as error:
                if (
                    error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS
                    or time.monotonic() > until
                ):
                    raise
                time.sleep(0.1)  # the broker still deletes

    def drop(self, names: Iterable[str]) -> None:
        """No such topics any more: the broker does not list them either. It is told without a look
        at its list, which may not have a topic yet that was made a moment ago.
        """
        wanted = set(names)
        for future in (
            self._admin.delete_topics(list(wanted), operation_timeout=30).values() if wanted else ()
        ):
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        until = time.monotonic() + 30
        while left := wanted & set(self._admin.list_topics(timeout=30).topics):
            if time.monotonic() > until:
                raise Failed(f"the broker does not let go of {sorted(left)}")
            time.sleep(0.02)

    def names(self, start: str) -> list[str]:
        """Topics that begin so."""
        return [
            name for name in self._admin.list_topics(timeout=30).topics if name.startswith(start)
        ]

    def forget_group(self, group: str) -> None:
        """The group has consumed nothing."""
        # a broker that never had a group makes its topic for them first
        until = time.monotonic() + 90
        while True:
            try:
                self._admin.delete_consumer_groups([group], request_timeout=5)[group].result()
                return
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.GROUP_ID_NOT_FOUND:
                    return
                if code not in NOT_YET or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def fill(self, topic: str, records: Sequence[Sequence[Record]]) -> int:
        """A list of records a partition. Returns their bytes."""
        producer = Producer(
            {
                "bootstrap.servers": self._servers,
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
                "message.max.bytes": 4 * MEGABYTE,
                "queue.buffering.max.kbytes": 1 << 20,
                "queue.buffering.max.messages": 2_000_000,
                **QUIET,
            }
        )
        failed: list[str] = []

        def delivered(error: KafkaError | None, _message: Any) -> None:
            if error is not None:
                failed.append(error.str())

        size = 0
        for number, some in enumerate(records):
            for key, value in some:
                producer.produce(
                    topic, value, key, partition=number, timestamp=STAMP_MS, on_delivery=delivered
                )
                size += len(value)
                producer.poll(0)
        if producer.flush(120) or failed:
            raise Failed(f"{topic} could not be filled: {failed[:1]}")
        return size

    def ends(self, topic: str) -> dict[int, int]:
        """Partition -> the offset behind its last record."""
        consumer = self._consumer("bench-look")
        try:
            partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
            return {
                p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30)[1]
                for p in partitions
            }
        finally:
            consumer.close()

    def wait_committed(
        self, group: str, topic: str, ends: Mapping[int, int], *, seconds: float = 300
    ) -> None:
        """Until the group has committed everything up to `ends`: what it did is durable."""
        wanted = [TopicPartition(topic, p) for p, end in ends.items() if end > 0]
        until = time.monotonic() + seconds
        while True:
            asked = self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, wanted)]
            )
            found = asked[group].result().topic_partitions
            if all(one.offset >= ends[one.partition] for one in found):
                return
            if time.monotonic() > until:
                raise Failed(
                    f"{group} did not commit {topic}: "
                    f"{[(one.partition, one.offset) for one in found]}"
                )
            time.sleep(0.01)

    def follow(self, topic: str) -> "Follower":
        """Reads the topic from its beginning."""
        return Follower(self._consumer("bench-follow"), topic)

    def values(self, topic: str) -> list[bytes]:
        """Every value in the topic, by partition."""
        return [value for _, value in self.records(topic)]

    def records(self, topic: str, *, most: int = 500) -> Iterator[Record]:
        """Everything in the topic, by partition, at `most` so many at a time; what transactions
        left open or aborted is not.
        """
        for partition, end in self.ends(topic).items():
            consumer, at = self._consumer("bench-read"), 0
            consumer.assign([TopicPartition(topic, partition, 0)])
            while at < end:
                for message in consumer.consume(most, 0.2):
                    error, value, offset = message.error(), message.value(), message.offset()
                    assert offset is not None
                    if error is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        at = max(at, offset)
                        continue
                    assert value is not None
                    yield message.key(), value
                    at = offset + 1
            consumer.close()

    def members(self, group: str) -> int:
        """Members that have partitions of a group that is stable; 0 for one that is not."""
        try:
            found = self._admin.describe_consumer_groups([group])[group].result()
        except KafkaException as error:
            if error.args[0].code() not in NOT_YET:
                raise
            return 0
        if found.state != ConsumerGroupState.STABLE:
            return 0
        return sum(bool(member.assignment.topic_partitions) for member in found.members)

    def _consumer(self, group: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                "fetch.error.backoff.ms": 50,
                "topic.metadata.refresh.interval.ms": 1000,
                **QUIET,
            }
        )


class Follower:
    """Values of a topic as they come, from all its partitions."""

    def __init__(self, consumer: Consumer, topic: str) -> None:
        self._consumer = consumer
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])

    def values(self, *, wait_seconds: float = 0.02) -> list[bytes]:
        """What came since the last call."""
        found = []
        for message in self._consumer.consume(5000, wait_seconds):
            value = message.value()
            if message.error() is None and value is not None:
                found.append(value)
        return found

    def close(self) -> None:
        self._consumer.close()
