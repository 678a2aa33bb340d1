"""Each order of a raw topic is in `orders` once, whatever ends this process and whenever.

Publishing to Kafka and moving a position in PostgreSQL are two steps, and a process can die
between them. So a mark says from where on in `orders` that may lie which no position knows of.
Who takes a partition up behind one that did not end in order looks there before it publishes
anything, and leaves out what it finds:

    a block   says in a header which raw records it is of (`Span`)
    a mark    (PostgreSQL) has an owner while something may be under way; at rest it has none,
              and nobody looks
    a fence   is a block without orders: once it is confirmed, all that was sent before it can
              be read

While a batch is published its transaction holds the lock on the partition's position, so nobody
else is at it. Nothing is written per batch; a mark moves on every MARK_SECONDS, which bounds how
much is looked through after a crash.
"""

import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from shared.outage import Place

MARK_SECONDS = 10.0
HEADER = "raw_records"
_SPAN = re.compile(
    rb"(?P<topic>[A-Za-z0-9._-]+)#(?P<id>\d+)/(?P<partition>\d+)@(?P<first>\d+)-(?P<next>\d+)"
)

Key = tuple[str, str, int, str]  # organization, order, revision, content
Ends = dict[int, int]  # partition of `orders` -> an offset
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The raw records of one batch: from offset `first` up to `next`.
    `topic_id`: a topic made anew is another.
    """

    topic: str
    topic_id: int
    partition: int
    first: int
    next: int

    def as_header(self) -> tuple[str, bytes]:
        """(name, value) for the blocks of this batch."""
        return (
            HEADER,
            f"{self.topic}#{self.topic_id}/{self.partition}@{self.first}-{self.next}".encode(),
        )


def span_of(header: bytes) -> Span | None:
    """What `as_header` wrote; None for what is none."""
    found = _SPAN.fullmatch(header)
    if found is None:
        return None
    numbers = {name: int(found[name]) for name in ("partition", "first", "next")}
    return Span(topic=found["topic"].decode(), topic_id=int(found["id"]), **numbers)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """If it has an owner, `orders` may have blocks from `ends` on that no position knows of."""

    owner: str | None
    ends: Ends


class OrdersLog(Protocol):
    """The topic `orders`. All raise Retryable."""

    def ends(self) -> Ends:
        """Behind the last record of each partition."""

    def fenced(self) -> Ends:
        """As `ends`, after a fence in each partition."""

    def blocks(self, first: Ends, ends: Ends) -> Iterator[tuple[Span, list[Key]]]:
        """Every block of raw records between the two, and its orders."""


class Marks(Protocol):
    """What PostgreSQL keeps of a partition. Each call is a transaction of its own."""

    def find(self, place: Place) -> Mark | None:
        """None where nobody ever took the partition."""

    def set(self, place: Place, mark: Mark) -> None:
        """From now on."""

    def rest(self, place: Place, *, owner: str, position: int) -> None:
        """No owner any more, where it is still `owner`'s and the
        partition's saved position is `position`.
        """


@dataclass(kw_only=True)
class _Under:
    """A partition that is ours. `next`: behind the last batch that was taken
    whole; None while one is under way.
    """

    topic_id: int
    already: Counter[Key] = field(default_factory=Counter)
    covered: int = 0  # the records before this offset may be in `already`
    next: int | None = None
    marked_at: float = 0.0


class Once:
    """Of one raw topic. Used by its thread alone."""

    def __init__(
        self,
        log: OrdersLog,
        marks: Marks,
        topic_id: Callable[[str], int],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._marks, self._topic_id, self._now = log, marks, topic_id, now
        self._owner = uuid.uuid4().hex
        self._under: dict[Place, _Under] = {}

    def begin(self, place: Place, first: int, next_: int, *, owner: str | None) -> Span:
        """Before anything of the records from `first` up to `next_` is
        published: the span of their blocks.

        owner: of the mark, read under the lock on the position, which is at `first`. Where it
        is not known what became of the last attempt, ours or another process's, `orders` is
        looked through. Raises Retryable.
        """
        under = self._under.pop(place, None)
        if under is None or under.next is None or first < under.next or owner != self._owner:
            under = self._look(place, first)
        elif first >= under.covered and self._now() - under.marked_at >= MARK_SECONDS:
            self._mark(
                place, under, self._log.ends()
            )  # nothing is under way: what follows lies behind
        under.next = None
        self._under[place] = under
        return Span(
            topic=place[0], topic_id=under.topic_id, partition=place[1], first=first, next=next_
        )

    def missing(self, place: Place, orders: Iterable[tuple[Key, T]]) -> list[T]:
        """Those that are not in `orders` yet."""
        already = self._under[place].already
        found = []
        for key, order in orders:
            if already[key] > 0:
                already[key] -= 1
            else:
                found.append(order)
        return found

    def taken(self, place: Place, next_: int) -> None:
        """All up to `next_` is confirmed, and its position is about to move."""
        self._under[place].next = next_

    def at_rest(self, places: Iterable[Place]) -> None:
        """Nothing of these is under way: who takes them up next need not look."""
        for place in places:
            under = self._under.pop(place, None)
            if under is not None and under.next is not None and under.next >= under.covered:
                self._marks.rest(place, owner=self._owner, position=under.next)

    def _look(self, place: Place, first: int) -> _Under:
        """What lies in `orders` already of records from `first` on."""
        under = _Under(topic_id=self._topic_id(place[0]))
        mark = self._marks.find(place)
        if mark is None or mark.owner is None:
            self._mark(place, under, self._log.ends())
            return under
        for span, keys in self._log.blocks(mark.ends, self._log.fenced()):
            if (span.topic_id, span.partition) == (under.topic_id, place[1]) and span.next > first:
                under.already.update(keys)
                under.covered = max(under.covered, span.next)
        self._mark(
            place, under, mark.ends
        )  # from the same place on, until all that was found is passed
        return under

    def _mark(self, place: Place, under: _Under, ends: Ends) -> None:
        self._marks.set(place, Mark(owner=self._owner, ends=ends))
        under.marked_at = self._now()
