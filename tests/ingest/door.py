"""An ingest process of its own, tokens for it, and what it put into Kafka."""

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from confluent_kafka import Consumer, TopicPartition

from services.ingest.access import token_hash
from shared import db, kafka
from shared.events import Order, OrdersAccepted, OrdersRecord
from shared.records import Record, record_of
from shared.settings import settings
from shared.topics import ORDERS
from tests.eventually import eventually
from tests.stack_fixtures import Stack
from winback.stack import processes

START_SECONDS = 120.0
EVERY_SCOPE = ("orders:write", "accounts:write", "contacts:write")

_READ: dict[
    tuple[str, int, int], list[Record]
] = {}  # topic, its id (it may be made anew), partition

INSERT_TOKEN = """
INSERT INTO tokens (token_hash, organization, name, scopes)
VALUES (%s, %s, %s, %s)
"""


def make_token(organization: str, scopes: Iterable[str] = EVERY_SCOPE) -> str:
    """A token of the organization."""
    token = f"wb_{uuid.uuid4().hex}"
    with db.connect() as connection:
        connection.execute(
            INSERT_TOKEN, (token_hash(token), organization, uuid.uuid4().hex, list(scopes))
        )
    return token


@dataclass(kw_only=True)
class Ingest:
    """`winback serve ingest` on a port of its own, against `stack`."""

    stack: Stack
    env: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    url: str = ""
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
    )

    def start(self, *, ready: bool = True) -> None:
        """Until it is ready, or answers at all."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = os.environ | self.stack.env | {"WINBACK_INGEST_PORT": str(port)} | self.env
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services.ingest"],
            env=environment,
            preexec_fn=processes.die_with_parent,
        )
        self.url = f"http://127.0.0.1:{port}"
        eventually(
            lambda: self._answers(200 if ready else 503),
            seconds=START_SECONDS,
            running=self.process,
            what="an ingest that is ready" if ready else "an ingest that answers",
        )

    def kill(self) -> None:
        """kill -9, as a machine would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def post(
        self,
        kind: str,
        body: Any,
        *,
        token: str,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        wait: float = 30,
    ) -> httpx.Response:
        """`body`: bytes as they are, or a value that becomes JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = (
            {"Authorization": f"Bearer {token}"}
            | ({} if key is None else {"Idempotency-Key": key})
            | (headers or {})
        )
        return self.client.post(
            f"{self.url}/v1/{kind}", content=content, headers=sent, timeout=wait
        )

    def _answers(self, status: int) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == status
        except httpx.TransportError:
            return False


def problem_fields(answer: httpx.Response) -> set[str]:
    """The fields that a problem names."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return {error["field"] for error in problem["errors"]}


def landed(organization: str) -> list[Order]:
    """Every order of the organization in the log, in its order, again and
    again as often as it is there.
    """
    decoder = msgspec.json.Decoder(OrdersRecord)
    found: list[Order] = []
    for record in records(ORDERS.name, kafka.partition_of(organization)):
        try:
            event = decoder.decode(record.value or b"")
        except msgspec.DecodeError:
            continue  # another test's poison: all tests share one log
        if isinstance(event, OrdersAccepted):
            found += [order for order in event.orders if order.organization == organization]
    return found


def records(topic: str, partition: int) -> list[Record]:
    """All of a partition, up to its end now. What was read before is kept: all
    tests share the log, and it grows.
    """
    found = _READ.setdefault((topic, kafka.topic_ids(topic)[topic], partition), [])
    consumer = Consumer(
        {
            "bootstrap.servers": settings().kafka,
            "group.id": f"look-{uuid.uuid4()}",
            "enable.auto.commit": False,
        }
    )
    try:
        low, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        consumer.assign([TopicPartition(topic, partition, found[-1].offset + 1 if found else low)])

        def all_read() -> bool:
            left = end - (found[-1].offset + 1 if found else low)
            # it waits for as many as it is asked for
            for message in consumer.consume(min(left, 1000), 0.5) if left > 0 else []:
                assert message.error() is None, message.error()
                found.append(record_of(message))
            return left <= 0

        eventually(all_read, what=f"all of {topic}/{partition} up to {end}", pause=0)
        return list(found)
    finally:
        consumer.close()
