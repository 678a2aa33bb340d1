"""Produce -> consume on the same broker, nothing in between: the least that an order's way through
Kafka can take.

python -m bench.peers.echo TOPIC COUNT PER_SECOND

Prints the latencies in seconds as a JSON list. A few records go there and back first,
unmeasured: who connects for the first time waits for the broker's list of topics, and our side
has long been connected.
"""

import json
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

from shared.settings import settings

FIRST = 10


def main() -> None:
    topic, count, per_second = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    consumer = Consumer(
        {"bootstrap.servers": settings().kafka, "group.id": "bench-echo", "fetch.wait.max.ms": 20}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    producer = Producer(
        {
            "bootstrap.servers": settings().kafka,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
        }
    )
    sent: list[float] = []

    def back() -> int:
        while True:
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                return int(message.value() or b"0")

    for _ in range(FIRST):
        producer.produce(topic, b"0", partition=0)
        producer.flush()
        back()

    def send() -> None:
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            sent.append(time.monotonic())
            producer.produce(topic, str(number).encode(), partition=0)
            producer.poll(0)
        producer.flush()

    sending = threading.Thread(target=send)
    sending.start()
    taken: list[float] = []
    while len(taken) < count:
        number = back()
        taken.append(time.monotonic() - sent[number])
    sending.join()
    consumer.close()
    print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main()
