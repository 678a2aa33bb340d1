"""Polars reads the whole file, librdkafka produces the bytes that an import of it gives: no rule,
no grouping, no check.

python -m bench.peers.bare_import FILE BLOCKS TOPIC
"""

import sys
from pathlib import Path

import polars as pl
from confluent_kafka import Producer

from shared.settings import settings
from shared.topics import MEGABYTE


def main() -> None:
    file, blocks, topic = sys.argv[1:4]
    frame = pl.read_csv(file, infer_schema=False)
    assert frame.height > 0
    data = Path(blocks).read_bytes()
    producer = Producer(
        {
            "bootstrap.servers": settings().kafka,
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": 5,
            "message.max.bytes": 4 * MEGABYTE,
            "queue.buffering.max.kbytes": 1 << 20,
        }
    )
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        producer.produce(topic, data[at + 4 : at + 4 + size], partition=0)
        producer.poll(0)
        at += 4 + size
    assert producer.flush(120) == 0


if __name__ == "__main__":
    main()
