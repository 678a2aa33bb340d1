"""Orders of raw topics come once: batches, failures and crashes in any order,
against a log that only grows.

Kafka and PostgreSQL are lists and dicts here, so that a hundred crashes cost nothing; what
decides is the real `Once`. The same on the real ones is tests/ingest/test_raw_topics.py, and
`winback chaos run raw-topics`.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.ingest.once import Ends, Key, Mark, Once, Span, span_of
from shared.cutting import Parts, record_sha256, smaller
from shared.outage import Place

PLACE: Place = ("raw", 0)
OUT = (0, 1)  # partitions of `orders`
LIMITS = (900, 5_000, 600_000)  # bytes that the dead-letter topic takes


@dataclass
class Log:
    """`orders`: a list a partition; a fence is an entry of its own."""

    entries: dict[int, list[tuple[Span | None, list[Key]]]] = field(
        default_factory=lambda: {number: [] for number in OUT}
    )

    def ends(self) -> Ends:
        return {number: len(these) for number, these in self.entries.items()}

    def fenced(self) -> Ends:
        ends = self.ends()
        for these in self.entries.values():
            these.append((None, []))
        return ends

    def blocks(self, first: Ends, ends: Ends) -> Iterator[tuple[Span, list[Key]]]:
        for number, end in ends.items():
            for span, keys in self.entries[number][first[number] : end]:
                if span is not None:
                    yield span, keys

    def keys(self) -> "Counter[Key]":
        return Counter(key for these in self.entries.values() for _, keys in these for key in keys)


@dataclass
class Kept:
    """PostgreSQL: the mark, and the position."""

    mark: Mark | None = None
    position: int = 0

    def find(self, place: Place) -> Mark | None:
        return self.mark

    def set(self, place: Place, mark: Mark) -> None:
        self.mark = mark

    def rest(self, place: Place, *, owner: str, position: int) -> None:
        if self.mark is not None and self.mark.owner == owner and self.position == position:
            self.mark = Mark(owner=None, ends=self.mark.ends)


class Processes(RuleBasedStateMachine):
    """One raw partition; processes come, take batches of any length,
    and end in order or at any step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.raw: list[list[Key] | None] = []  # a record: its orders, or None where it is poison
        self.sizes: dict[int, tuple[int, int]] = {}
        self.log, self.kept, self.dead = Log(), Kept(), Counter[int]()
        self.now = 0.0
        self.process()

    def process(self) -> None:
        self.once = Once(self.log, self.kept, lambda name: 7, now=lambda: self.now)

    @rule(orders=st.integers(0, 3))
    def send(self, orders: int) -> None:
        """A raw record with so many orders; the same order may come in
        several, as an ERP sends it again.
        """
        number = len(self.raw)
        self.raw.append([("acme", f"O-{(number + one) % 4}", 1, "same") for one in range(orders)])

    @rule(value=st.integers(0, 700_000), headers=st.integers(0, 700_000))
    def send_poison(self, value: int, headers: int) -> None:
        """Of any size."""
        self.sizes[len(self.raw)] = (value, headers)
        self.raw.append(None)

    @precondition(lambda self: self.kept.position < len(self.raw))
    @rule(
        length=st.integers(1, 5),
        stops_after=st.sampled_from(
            ("nothing", "begin", "one block", "blocks", "dead letters", "taken")
        ),
        is_crash=st.booleans(),
        limit=st.sampled_from(LIMITS),
    )
    def take(self, length: int, stops_after: str, is_crash: bool, limit: int) -> None:
        """A batch as erp.py takes it: it fails, the process dies after a step, or it is done."""
        first = self.kept.position
        next_ = min(len(self.raw), first + length)
        owner = None if self.kept.mark is None else self.kept.mark.owner
        if self._steps(first, next_, owner, stops_after, limit):
            self.kept.position = next_
        elif is_crash:
            self.process()

    def _steps(
        self, first: int, next_: int, owner: str | None, stops_after: str, limit: int
    ) -> bool:
        span = self.once.begin(PLACE, first, next_, owner=owner)
        assert span_of(span.as_header()[1]) == span
        if stops_after == "begin":
            return False
        batch = self.raw[first:next_]
        missing = self.once.missing(PLACE, ((key, key) for orders in batch for key in orders or []))
        for count, number in enumerate(OUT):
            if keys := [key for key in missing if int(key[1][2:]) % len(OUT) == number]:
                self.log.entries[number].append((span, keys))
            if stops_after == "one block" and count == 0:
                return False
        if stops_after == "blocks":
            return False
        for offset, orders in enumerate(batch, start=first):
            if orders is None:
                self.put_aside(offset, limit)
        if stops_after == "dead letters":
            return False
        self.once.taken(PLACE, next_)
        return stops_after != "taken"

    def put_aside(self, offset: int, limit: int) -> None:
        """The first that fits; one always does."""
        value, headers = self.sizes[offset]
        whole = Parts(key=b"k", value=b"v" * value, headers=[("h", b"h" * headers)])
        fitting = next(parts for parts in smaller(whole) if size(parts) <= limit)
        assert bool(fitting.cut) == (size(whole) > limit)
        assert whole.value is not None and whole.value.startswith(fitting.value or b"")
        assert record_sha256(whole.key, whole.value, whole.headers) != record_sha256(
            b"", whole.value, whole.headers
        )
        self.dead[offset] += 1

    @rule()
    def rest(self) -> None:
        """Idle, or the partition goes to another process in order."""
        self.once.at_rest([PLACE])

    @rule()
    def another_process(self) -> None:
        """Killed between two batches."""
        self.process()

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        """Marks move on."""
        self.now += seconds

    @rule(number=st.sampled_from(OUT))
    def others_write(self, number: int) -> None:
        """HTTP brings the same order at any time: its block is of no raw record."""
        self.log.entries[number].append((None, []))

    @invariant()
    def no_order_is_there_more_often_than_it_was_sent(self) -> None:
        sent = Counter(key for orders in self.raw for key in orders or [])
        assert not self.log.keys() - sent

    @invariant()
    def all_before_the_position_is_in(self) -> None:
        taken = Counter(key for orders in self.raw[: self.kept.position] for key in orders or [])
        assert not taken - self.log.keys()
        assert all(
            self.dead[offset] for offset in range(self.kept.position) if self.raw[offset] is None
        )

    def teardown(self) -> None:
        """All the rest goes through: every order exactly as often as it was sent."""
        while self.kept.position < len(self.raw):
            self.take(3, "", False, LIMITS[0])
        assert self.log.keys() == Counter(key for orders in self.raw for key in orders or [])


def size(parts: Parts) -> int:
    """Of what is the record's own."""
    return (
        len(parts.key or b"")
        + len(parts.value or b"")
        + sum(len(name) + len(value) for name, value in parts.headers)
    )


Processes.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestProcesses = Processes.TestCase
