"""A tenant of the running services, and what can be done to it and to them."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec
import psycopg

from shared import clock, kafka
from shared.events import DigestDue, Order, OrdersAccepted
from shared.settings import settings
from shared.topics import DIGEST_TICKS, ORDERS
from tests.children import stopped
from tests.stack_fixtures import Stack


class World:
    """One organization without schedules, with a token."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.organization = f"org-{uuid.uuid4().hex[:12]}"
        stack.winback(
            "organization",
            "create",
            self.organization,
            "--name",
            "Drill",
            "--currency",
            "USD",
            "--timezone",
            "UTC",
            "--no-schedules",
        )
        made = stack.winback(
            "token",
            "create",
            self.organization,
            "--name",
            "erp",
            "--scope",
            "orders:write",
            "--json",
        )
        self.token: str = json.loads(made.stdout)["token"]
        self.publisher = kafka.Publisher()

    def post(
        self,
        *,
        revenue: str = "100.00",
        days_ago: int = 0,
        account: str = "A-1",
        seconds: float = 30.0,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """One order over HTTP. Returns the status."""
        day = (clock.now() - timedelta(days=days_ago)).date().isoformat()
        order = {
            "order": uuid.uuid4().hex,
            "account": account,
            "ordered_on": day,
            "lines": [{"product": "P", "revenue": revenue}],
        }
        request = urllib.request.Request(
            f"{self.stack.service('ingest')['url']}/v1/orders",
            data=json.dumps(order).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                **(headers or {}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def mail(self, to: str, *, slot_at: datetime | None = None) -> None:
        """A digest (a heartbeat: it has no run) to one address alone."""
        slot = uuid.uuid4().hex
        due = DigestDue(
            organization=self.organization, slot=slot, digest=slot, slot_at=slot_at or clock.now(),
            run=None, only_to=to
        )  # fmt: skip
        self.publisher.publish(DIGEST_TICKS.name, msgspec.json.encode(due), partition=0)

    def order_of_nobody(self) -> None:
        """An order of an organization that does not exist."""
        template = msgspec.json.decode(ORDER, type=Order)
        name = f"gone-{self.organization}"
        block = OrdersAccepted(
            accepted_at=clock.now(), orders=(msgspec.structs.replace(template, organization=name),)
        )
        self.publisher.publish(
            ORDERS.name, msgspec.json.encode(block), partition=kafka.partition_of(name)
        )

    def nightly(self) -> None:
        """A run as the schedule asks for it, with the audit that follows; until it is complete."""
        self.stack.winback("wait", "--organization", self.organization)
        self.execute(NIGHTLY, self.organization, self.organization)
        self.stack.winback("wait", "--organization", self.organization)

    def execute(self, statement: str, *parameters: object) -> None:
        """One statement of an operator's, committed."""
        with psycopg.connect(settings().database_url) as connection:
            connection.execute(statement.encode(), parameters)

    def close(self) -> None:
        """Nothing of it is left: no feed to be stale, no run to be late."""
        self.publisher.close()
        self.execute("DELETE FROM organizations WHERE organization = %s", self.organization)


NIGHTLY = """
INSERT INTO runs (organization, number, as_of, settings_version, reason, requested_at)
SELECT %s, coalesce(max(number), 0) + 1, current_date, 1, 'nightly', now()
FROM runs
WHERE organization = %s
"""

ORDER = b"""
{"organization": "x", "order": "1", "account": "A",
"ordered_on": "2026-01-05", "counts_on": "2026-01-05", "revision": 1,
"content": "00000000000000000000000000000000000000000000000000000000000000aa",
"lines": [{"revenue_cents": 100}]}
"""


@contextmanager
def frozen(stack: Stack, *names: str) -> Iterator[None]:
    """They live and do nothing, as a machine that swaps."""
    with stopped(*(stack.service(name)["pid"] for name in names)):
        yield


@contextmanager
def again_and_again(what: Callable[[], object], *, every: float) -> Iterator[None]:
    """Beside the block, until it ends."""
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(every):
            what()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


@contextmanager
def slowed(stack: Stack, name: str) -> Iterator[None]:
    """It has a fifth of the machine's time, however fast the machine is."""

    def nap() -> None:
        with frozen(stack, name):
            time.sleep(0.4)

    with again_and_again(nap, every=0.1):
        yield
