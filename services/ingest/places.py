"""What ingest has room for: bodies that arrive, requests that it works on, bytes in memory. Counted
for each organization, then over all, so that none can take what another one needs.

    arriving -> its body is whole -> working on it -> answered

A body that is not there yet takes no place: whoever begins hundreds of them is told so alone.
"""

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from services.ingest.batcher import Overloaded
from shared.settings import settings

MOST_BODIES_BYTES = 256_000_000  # of all requests, also while they arrive
MOST_BODIES_BYTES_OF_ONE = MOST_BODIES_BYTES // 2  # organization
LARGE_AT_ONCE = 1  # large bodies of an organization that are read at a time: each keeps a core busy


@dataclass
class Places:
    """Lives in the event loop; `Held` is the part of one request."""

    asking: int = 0  # who they are
    working: int = 0
    bodies_bytes: int = 0
    arriving_of: Counter[str] = field(default_factory=Counter)
    working_of: Counter[str] = field(default_factory=Counter)
    bytes_of: Counter[str] = field(default_factory=Counter)
    large_of: dict[str, asyncio.Semaphore] = field(default_factory=dict)


@dataclass
class Held:
    """What one request takes of them; `release` gives all of it back, whatever happened."""

    places: Places
    organization: str = ""
    size_bytes: int = 0
    state: str = ""  # asking, arriving, working

    def ask(self) -> None:
        """Whose request it is has to be looked up. Raises Overloaded."""
        if self.places.asking >= settings().ingest_max_requests:
            raise Overloaded
        self.places.asking += 1
        self.state = "asking"

    def arrive(self, organization: str) -> None:
        """Its body is waited for. Raises Overloaded."""
        self._leave()
        if self.places.arriving_of[organization] >= _most_of_one():
            raise Overloaded("as many bodies of your organization are under way as may be")
        self.organization, self.state = organization, "arriving"
        self.places.arriving_of[organization] += 1

    def add(self, size_bytes: int) -> None:
        """So many bytes more are in memory. Raises Overloaded."""
        self.size_bytes += size_bytes
        self.places.bodies_bytes += size_bytes
        self.places.bytes_of[self.organization] += size_bytes
        if self.places.bytes_of[self.organization] > MOST_BODIES_BYTES_OF_ONE:
            raise Overloaded("the bodies of your organization are as large as they may be together")
        if self.places.bodies_bytes > MOST_BODIES_BYTES:
            raise Overloaded

    def admit(self) -> None:
        """The body is whole: take a place. Those that wait in line longer than a client waits are
        answered in vain, so the line is short. Raises Overloaded.
        """
        if self.places.working_of[self.organization] >= _most_of_one():
            raise Overloaded("as many requests of your organization are worked on as may be")
        if self.places.working >= settings().ingest_max_requests:
            raise Overloaded
        self._leave()
        self.state = "working"
        self.places.working += 1
        self.places.working_of[self.organization] += 1

    def turn(self, *, large: bool) -> AbstractAsyncContextManager[None]:
        """Around what keeps a core busy: the large bodies of an organization take turns."""
        if not large:
            return nullcontext()
        return self.places.large_of.setdefault(self.organization, asyncio.Semaphore(LARGE_AT_ONCE))

    def release(self) -> None:
        """All of it."""
        self._leave()
        self.places.bodies_bytes -= self.size_bytes
        self.places.bytes_of[self.organization] -= self.size_bytes
        self.size_bytes = 0
        for counted in (self.places.arriving_of, self.places.working_of, self.places.bytes_of):
            if not counted[self.organization]:
                del counted[self.organization]
        if self.organization not in self.places.working_of:
            self.places.large_of.pop(self.organization, None)

    def _leave(self) -> None:
        match self.state:
            case "asking":
                self.places.asking -= 1
            case "arriving":
                self.places.arriving_of[self.organization] -= 1
            case "working":
                self.places.working -= 1
                self.places.working_of[self.organization] -= 1
        self.state = ""


def _most_of_one() -> int:
    return min(settings().ingest_max_requests_of_one, settings().ingest_max_requests)
