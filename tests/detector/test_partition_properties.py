"""The detector's rolling state says what the oracle says, whatever comes, however often, and
wherever it is cut off.

Why this exists: the state is packed, folded incrementally, paged, evaluated only where something
can change, and cut off by kills. The oracle has none of that. Both are fed the same histories, and
everything that is said must be equal.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.detector.partition import Partition
from shared.events import (
    Order,
    OrdersAccepted,
    RunCompleted,
    RunRequested,
    SignalOpened,
    SignalRecovered,
    SignalSeen,
    SignalsRecord,
)
from tests.oracle import histories
from tests.oracle.histories import ORGANIZATIONS, Pause, Step
from tests.oracle.oracle import Oracle
from tests.oracle.projection import Projection
from tests.oracle.rules import Key

pytestmark = pytest.mark.slow

patient = settings(  # 100 examples; --hypothesis-profile=fuzz: 5,000
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)


class Disk(dict[bytes, bytes]):
    """Stands for the local disk and the changelog: what was flushed survives."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return ((key, self[key]) for key in sorted(self) if key.startswith(prefix))


class Detector:
    """A partition over such a disk, and all that it said."""

    def __init__(self) -> None:
        self.said = Projection()
        self._disk = Disk()
        self._partition = Partition(self._disk)
        self._unsaved: list[tuple[int, OrdersAccepted | RunRequested]] = []

    def record(self, event: OrdersAccepted | RunRequested, offset: int) -> list[SignalsRecord]:
        """One record of the log; everything it causes is out at once, before it is saved."""
        self._unsaved.append((offset, event))
        events = self._partition.apply(event, offset=offset, at=histories.at(offset))
        self.said.take(events)
        return events

    def flush(self, keep: int) -> None:
        """A checkpoint."""
        self._disk.update(self._partition.flush(keep))
        self._unsaved.clear()

    def restart(self) -> None:
        """A kill: what was not saved is gone, and its records come again. What they
        caused was already said.
        """
        self._partition = Partition(self._disk)
        for offset, event in self._unsaved:
            self.said.take(self._partition.apply(event, offset=offset, at=histories.at(offset)))


def play(steps: Sequence[Step]) -> tuple[Detector, Oracle]:
    """The same history down both ways."""
    detector, oracle = Detector(), Oracle()
    for offset, step in enumerate(steps):
        if isinstance(step, Pause):
            if step.kind == "flush":
                detector.flush(step.keep)
            else:
                detector.restart()
        else:
            detector.record(step, offset)
            oracle.record(step, at=histories.at(offset))
    return detector, oracle


@patient
@given(histories.histories())
def test_rolling_state_says_what_recomputation_from_scratch_says(steps: list[Step]) -> None:
    detector, oracle = play(steps)
    for organization in ORGANIZATIONS:
        assert detector.said.signals(organization) == oracle.signals(organization)


@patient
@given(histories.histories())
def test_sums_beyond_what_is_kept_are_the_oracles(steps: list[Step]) -> None:
    """And nothing stops at them: not the state when it is written, nor the figures on the wire."""
    detector, oracle = play([dear(step) for step in steps])
    for organization in ORGANIZATIONS:
        assert detector.said.signals(organization) == oracle.signals(organization)


def dear(step: Step) -> Step:
    if not isinstance(step, OrdersAccepted):
        return step
    return replace(step, orders=tuple(histories.dear(order) for order in step.orders))


@patient
@given(histories.quiet())
def test_what_days_alone_open_and_close_is_found_without_looking_at_everybody(
    steps: list[Step],
) -> None:
    detector, oracle = play(steps)
    assert detector.said.signals(ORGANIZATIONS[0]) == oracle.signals(ORGANIZATIONS[0])


@patient
@given(histories.crowded())
def test_shares_and_estimates_of_a_crowd_are_the_oracles(
    crowd: tuple[list[Order], RunRequested, RunRequested],
) -> None:
    orders, first, second = crowd
    middle = len(orders) // 2
    detector, oracle = play(
        [histories.block(orders[:middle]), first, histories.block(orders[middle:]), second]
    )
    assert detector.said.signals(first.organization) == oracle.signals(first.organization)


@patient
@given(histories.histories(revisions_given=True, pauses=False), st.randoms(use_true_random=False))
def test_what_is_active_after_a_run_depends_on_the_set_of_orders_alone(
    steps: list[Step], chance: Random
) -> None:
    runs = [step for step in steps if isinstance(step, RunRequested)]
    orders = [order for step in steps if isinstance(step, OrdersAccepted) for order in step.orders]
    straight, shuffled = Detector(), Detector()
    first: list[OrdersAccepted | RunRequested] = [histories.block(orders), *runs]
    for offset, event in enumerate(first):
        straight.record(event, offset)

    orders += chance.sample(orders, k=len(orders) // 3)  # some come twice
    chance.shuffle(orders)
    rest: list[OrdersAccepted | RunRequested] = list(runs)
    while orders:
        some = [orders.pop() for _ in range(min(len(orders), chance.randrange(1, 5)))]
        rest.insert(chance.randrange(len(rest) + 1), histories.block(some))
    again = [replace(run, number=run.number + len(runs)) for run in last_of_each(runs)]
    for offset, event in enumerate([*rest, *again]):
        shuffled.record(event, offset)
        if chance.random() < 0.2:
            shuffled.flush(keep=1)

    for organization in ORGANIZATIONS:
        assert active(shuffled, organization) == active(straight, organization)


@patient
@given(histories.histories(revisions_given=True))
def test_orders_that_come_again_change_nothing_and_say_nothing(steps: list[Step]) -> None:
    detector, _ = play(steps)
    for offset, step in enumerate(steps, start=len(steps)):
        if isinstance(step, OrdersAccepted):
            assert detector.record(step, offset) == []


@patient
@given(histories.histories(pauses=False))
def test_a_run_counts_what_it_says_and_completes_last(steps: list[Step]) -> None:
    detector = Detector()
    numbers: dict[str, int] = {}
    for offset, step in enumerate(steps):
        assert not isinstance(step, Pause)
        events = detector.record(step, offset)
        if not isinstance(step, RunRequested):
            assert not any(isinstance(event, RunCompleted) for event in events)
            continue
        *said, completed = events
        assert isinstance(completed, RunCompleted)
        assert completed.source_offset == offset
        counted = Counter(type(event) for event in said)
        assert counted == Counter(
            {
                SignalOpened: completed.opened,
                SignalSeen: completed.seen,
                SignalRecovered: completed.recovered,
            }
        )
        assert completed.repeated == (step.number <= numbers.get(step.organization, 0))
        assert not (completed.repeated and said)
        numbers[step.organization] = max(step.number, numbers.get(step.organization, 0))


def last_of_each(runs: list[RunRequested]) -> list[RunRequested]:
    """The latest run of each organization."""
    return list({run.organization: run for run in runs}.values())


def active(
    detector: Detector, organization: str
) -> dict[Key, tuple[date, int, dict[str, int | date]]]:
    """What a run leaves: which signals, and their figures."""
    signals = detector.said.signals(organization)
    return {
        key: (one.as_of, one.lifetime_revenue_cents, one.figures)
        for key, one in signals.items()
        if one.active
    }
