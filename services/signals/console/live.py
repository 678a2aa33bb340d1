"""Server-sent events: a counter that moves when something came. Pages fetch their
part again; nothing else is sent.

One question a second to PostgreSQL for each organization that somebody looks at, however
many do. Streams are bounded, look again and again whether their visitor may still be there,
and end when the process does.
"""

import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

import anyio
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from services.signals.console.http.access import NotHere, NotSignedIn, app_pool
from services.signals.console.http.organization import organization_of
from services.signals.store import live
from shared import db

MOST_STREAMS = 200  # of one process
MOST_OF_A_PERSON = 8
LOOK_SECONDS = 1.0
# so that nothing in between takes a quiet stream for a dead one; and the visitor is checked
BEAT_SECONDS = 15.0
RETRY_MS = 3_000


class Streams:
    """Who listens, and what each organization's counter was lately."""

    def __init__(self) -> None:
        self._people: Counter[str] = Counter()
        self._known: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self.closing = threading.Event()

    def enter(self, person: str) -> bool:
        """False: there are too many."""
        with self._lock:
            if self._people.total() >= MOST_STREAMS or self._people[person] >= MOST_OF_A_PERSON:
                return False
            self._people[person] += 1
            return True

    def leave(self, person: str) -> None:
        """Its place is free."""
        with self._lock:
            self._people[person] -= 1
            if not self._people[person]:
                del self._people[person]

    def counter(self, organization: str, read: Callable[[], str]) -> str:
        """As `read` says, at most once a second."""
        with self._lock:
            at, known = self._known.get(organization, (float("-inf"), ""))
        if time.monotonic() - at < LOOK_SECONDS:
            return known
        fresh = read()
        with self._lock:
            self._known[organization] = (time.monotonic(), fresh)
        return fresh


def stream(request: Request, organization: str) -> Response:
    """`data:` is the counter: at once, and whenever it moves."""
    with organization_of(request, organization) as (who, _):
        person = who.email
    streams: Streams = request.app.state.streams
    if streams.closing.is_set() or not streams.enter(person):
        return Response(
            "too many pages listen\n",
            status_code=503,
            media_type="text/plain",
            headers={"Retry-After": "30"},
        )
    return StreamingResponse(
        _events(request, organization, streams, person),
        media_type="text/event-stream",
        headers={"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    request: Request, organization: str, streams: Streams, person: str
) -> AsyncIterator[str]:
    def read() -> str:
        with db.organization_transaction(app_pool(request), organization) as connection:
            return live.counter(connection, organization)

    def still_here() -> None:
        with organization_of(request, organization):
            pass

    said, beat = "", time.monotonic()
    try:
        yield f"retry: {RETRY_MS}\n\n"
        while not streams.closing.is_set() and not await request.is_disconnected():
            try:
                now = await run_in_threadpool(streams.counter, organization, read)
                if time.monotonic() - beat > BEAT_SECONDS:
                    await run_in_threadpool(still_here)
                    beat = time.monotonic()
                    yield ": still here\n\n"
            except (OperationalError, PoolTimeout):
                now = said  # it comes back, or the page does
            except (NotHere, NotSignedIn):
                return
            if now != said:
                said = now
                yield f"data: {now}\n\n"
            await anyio.sleep(LOOK_SECONDS)
    finally:
        streams.leave(person)
