"""A consumer that joins a group and has its partitions: nothing else.

python -m bench.peers.bare_group GROUP TOPIC
"""

import signal
import sys
import threading

from confluent_kafka import Consumer, TopicPartition

from shared.settings import settings


def main() -> None:
    group, topic = sys.argv[1:3]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    consumer = Consumer(
        {"bootstrap.servers": settings().kafka, "group.id": group, "auto.offset.reset": "latest"}
    )

    def assigned(client: Consumer, places: list[TopicPartition]) -> None:
        client.assign(places)
        print("ready", flush=True)

    consumer.subscribe([topic], on_assign=assigned)
    while not stop.is_set():
        consumer.poll(0.1)
    consumer.close()


if __name__ == "__main__":
    main()
