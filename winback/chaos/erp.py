"""Telling a story to a running system, as an ERP would: over HTTP, one request after the other,
again until it is acknowledged.

A retry repeats its Idempotency-Key. One organization is told by one thread, so the log has
its orders in the story's order, whatever is killed meanwhile; several organizations side
by side make the load.
"""

import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import psycopg

from services.signals.actions import runs, settings, tenants, tokens
from services.signals.actions.actor import Actor
from services.signals.progress import run as waiting
from services.signals.store import settings as settings_store
from shared import clock, db
from shared.errors import Retryable
from winback.chaos.history import History
from winback.chaos.stories import Batch, RawOrder, Run, Save, Step

ANSWER_SECONDS = 15.0  # a client's patience with one request
AGAIN_SECONDS = 0.3
PATIENCE_SECONDS = 240.0  # with one step; a system that does not come back in that time has failed
ACTOR = Actor(name="chaos", role="operator")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Of one request. status 0: no answer came."""

    status: int
    body: Any
    retry_after: str | None
    seconds: float


def post(
    port: int,
    token: str,
    path: str,
    body: bytes,
    *,
    key: str | None,
    seconds: float = ANSWER_SECONDS,
) -> Answer:
    """One request over a fresh connection. Raises nothing that a fault could cause."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request(
            "POST", path, body, headers | ({"Idempotency-Key": key} if key is not None else {})
        )
        got = connection.getresponse()
        content = got.read()
    except (OSError, http.client.HTTPException):
        return Answer(status=0, body=None, retry_after=None, seconds=time.monotonic() - began)
    finally:
        connection.close()
    said = json.loads(content) if content.startswith((b"{", b"[")) else None
    return Answer(
        status=got.status,
        body=said,
        retry_after=got.headers.get("Retry-After"),
        seconds=time.monotonic() - began,
    )


@dataclass
class Teller:
    """Tells one organization's story. `pause`: seconds between two steps."""

    organization: str
    token: str
    ports: tuple[int, ...]  # of ingest: where one does not answer, the next is asked
    history: History
    pause: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    failure: BaseException | None = None
    slowest: float = 0.0  # seconds until any answer
    thread: threading.Thread | None = None
    acknowledged_at: list[float] = field(default_factory=list)  # monotonic: when requests were

    def begin(self, steps: Iterable[Step]) -> None:
        """In a thread, until `end` or the steps are over."""

        def tell() -> None:
            try:
                self.tell(steps)
            except BaseException as error:  # whatever it is: the harness says it at the end
                self.failure = error

        self.thread = threading.Thread(target=tell, name=f"teller-{self.organization}", daemon=True)
        self.thread.start()

    def end(self) -> None:
        """After the step under way. Raises what the thread could not go on with."""
        self.stop.set()
        if self.thread is not None:
            self.thread.join(PATIENCE_SECONDS + 60)
        if self.failure is not None:
            raise self.failure

    def tell(self, steps: Iterable[Step]) -> None:
        """Here and now."""
        for step in steps:
            if self.stop.is_set():
                return
            self.tell_one(step)
            self.history.steps.append(step)
            self.stop.wait(self.pause)

    def tell_one(self, step: Step) -> None:
        """Until it is acknowledged. Raises Retryable when that takes PATIENCE_SECONDS."""
        if isinstance(step, Batch):
            self.send(step.orders)
        elif isinstance(step, Run):
            self.run(step)
        else:
            self.save(step)

    def send(self, orders: tuple[RawOrder, ...]) -> None:
        """One request, with one key, until 202."""
        if not orders:
            return
        body, key = json.dumps({"orders": orders}).encode(), uuid.uuid4().hex
        until = time.monotonic() + PATIENCE_SECONDS
        attempt = 0
        while True:
            answer = post(
                self.ports[attempt % len(self.ports)], self.token, "/v1/orders", body, key=key
            )
            attempt += 1
            self.slowest = max(self.slowest, answer.seconds)
            self.history.answered(str(answer.status or "lost"))
            if answer.status == 202:
                refused = [
                    result
                    for result in answer.body["results"]
                    if result["status"] not in ("accepted", "duplicate")
                ]
                assert not refused, f"the story was refused: {refused[:3]}"
                self.history.accepted(orders)
                self.acknowledged_at.append(time.monotonic())
                return
            assert answer.status in (0, 429, 500, 503), f"{answer.status}: {answer.body}"
            if answer.status in (429, 503) and answer.retry_after is None:
                self.history.without_retry_after += 1
            if time.monotonic() > until:
                raise Retryable(
                    f"not acknowledged within {PATIENCE_SECONDS:.0f} s: "
                    f"{answer.status} {answer.body}"
                )
            time.sleep(AGAIN_SECONDS)

    def run(self, step: Run) -> None:
        """Ask, and wait until it is complete and persisted."""

        def ask() -> int:
            with db.connect() as connection:
                number, _ = runs.ask(connection, self.organization, as_of=step.as_of, by=ACTOR)
            return number

        number = insist(ask)
        waiting.wait_for_run(self.organization, number, timeout_seconds=PATIENCE_SECONDS)
        self.history.runs.append(number)

    def save(self, step: Save) -> None:
        """A version that repeats the counting one is none."""

        def save() -> tuple[int, dict[str, Any]]:
            with db.connect() as connection:
                saved = settings.save(connection, self.organization, step.patch, by=ACTOR)
                _, whole = settings_store.latest(connection, self.organization)
            return saved.version, msgspec.to_builtins(whole)

        version, whole = insist(save)
        self.history.settings[version] = whole


def insist(ask: Callable[[], T]) -> T:
    """Call again while PostgreSQL or Kafka is away. Raises Retryable after PATIENCE_SECONDS."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except (psycopg.OperationalError, psycopg.InterfaceError, Retryable) as error:
            if time.monotonic() > until:
                raise Retryable(str(error)) from None
            time.sleep(AGAIN_SECONDS)


def organization(
    name: str, *, timezone: str = "UTC", schedules: bool = False
) -> tuple[History, str]:
    """A tenant of its own, and an ERP token. Returns its empty history and the token."""
    with db.connect() as connection:
        tenants.create_organization(
            connection,
            name,
            name=f"Chaos {name}",
            currency="USD",
            timezone=timezone,
            with_schedules=schedules,
            by=ACTOR,
        )
        token = tokens.create(
            connection, name, name="chaos", scopes=["orders:write", "signals:read"], by=ACTOR
        )
    history = History(name)
    history.settings[1] = insist(lambda: _settings(name))
    return history, token


def _settings(name: str) -> dict[str, Any]:
    with db.connect() as connection:
        _, whole = settings_store.latest(connection, name)
    builtins: dict[str, Any] = msgspec.to_builtins(whole)
    return builtins


def now_ms() -> int:
    """For names that no earlier run of the harness used."""
    return clock.now_ms()
