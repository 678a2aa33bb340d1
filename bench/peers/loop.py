"""A plain confluent-kafka loop with the detector's own rules and state, and nothing of Faust.

    python -m bench.peers.loop GROUP STATE

Consume blocks, fold, and at the detector's own pace: signals confirmed, changelog confirmed, one
RocksDB batch a partition, offsets committed. It keeps the order of writes, and leaves out the
fence: a second owner is not refused.
"""

import gc
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import rocksdict
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.detector.checkpoint import Pace, RocksPartition
from services.detector.partition import Partition
from shared.events import OrdersRecord, RunRequested
from shared.settings import settings
from shared.topics import MEGABYTE, ORDERS, SIGNALS

decode = msgspec.json.Decoder(OrdersRecord).decode
encode = msgspec.json.Encoder().encode


def main() -> None:
    group, folder = sys.argv[1], Path(sys.argv[2])
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the detector sets it
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    servers, partitions = settings().kafka, settings().partitions
    changelog = f"{group}-changelog"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(changelog, partitions, 1, config={"cleanup.policy": "compact"})])[
        changelog
    ].result()
    options = {
        "bootstrap.servers": servers,
        "enable.idempotence": True,
        "acks": "all",
        "message.max.bytes": 4 * MEGABYTE,
    }
    producer = Producer(options | {"linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 20,
        }
    )
    databases: dict[int, rocksdict.Rdict] = {}
    states: dict[int, Partition] = {}
    next_offsets: dict[int, int] = {}

    def assigned(_client: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            path = folder / str(place.partition)
            path.mkdir(parents=True)
            databases[place.partition] = rocksdict.Rdict(
                str(path), rocksdict.Options(raw_mode=True)
            )
            states[place.partition] = Partition(RocksPartition(databases[place.partition]))
        print("ready", flush=True)

    consumer.subscribe([ORDERS.name], on_assign=assigned)
    pace = Pace(settings().checkpoint_seconds)

    def save() -> None:
        began = time.monotonic()
        producer.flush()
        for number in next_offsets:
            batch = rocksdict.WriteBatch(raw_mode=True)
            for key, value in states[number].flush(
                settings().detector_cache_accounts // len(states)
            ):
                producer.produce(changelog, value, key, partition=number)
                batch.put(key, value)
            producer.flush()
            databases[number].write(batch)
        consumer.commit(
            offsets=[TopicPartition(ORDERS.name, n, at) for n, at in next_offsets.items()],
            asynchronous=False,
        )
        next_offsets.clear()
        pace.ended(time.monotonic() - began)

    while running:
        for message in consumer.consume(100, 0.05):
            number, offset, value = message.partition(), message.offset(), message.value()
            assert number is not None and offset is not None and value is not None
            event = decode(value)
            at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
            for caused in states[number].apply(event, offset=offset, at=at):
                producer.produce(SIGNALS.name, encode(caused), partition=number)
                producer.poll(0)
            next_offsets[number] = offset + 1
            if isinstance(event, RunRequested) or pace.is_due():
                save()
        if next_offsets and pace.is_due():
            save()
    consumer.close()


if __name__ == "__main__":
    main()
