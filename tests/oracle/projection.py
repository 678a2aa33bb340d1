"""What the detector's events add up to, in the words of the oracle: the plainest reader of topic
`signals` there can be.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from shared.events import RunCompleted, SignalOpened, SignalRecovered, SignalSeen, SignalsRecord
from shared.ids import signal_id
from tests.oracle.oracle import Episode, Signal
from tests.oracle.rules import Key


class Projection:
    """Signals by organization and key. An event that comes again says what it said before, and
    changes nothing.
    """

    def __init__(self) -> None:
        self.completed: list[RunCompleted] = []
        self._signals: dict[str, dict[Key, Signal]] = {}
        self._taken: dict[str, SignalsRecord] = {}

    def signals(self, organization: str) -> dict[Key, Signal]:
        return self._signals.setdefault(organization, {})

    def take(self, events: Iterable[SignalsRecord]) -> None:
        """The next events of the topic."""
        for event in events:
            if event.id in self._taken:
                assert same(self._taken[event.id], event), (
                    f"one id, two events: {self._taken[event.id]}, {event}"
                )
                continue
            self._taken[event.id] = event
            if isinstance(event, RunCompleted):
                self.completed.append(event)
            else:
                self._take(event)

    def _take(self, event: SignalOpened | SignalSeen | SignalRecovered) -> None:
        combo = (None, None) if event.combo is None else (event.combo.od, event.combo.grade)
        key = Key(event.account, event.signal_type, *combo)
        assert event.signal == signal_id(event.organization, *key)
        signals = self.signals(event.organization)
        if isinstance(event, SignalRecovered):
            signal = signals[key]
            close(signal.episodes[-1], event)
        else:
            assert event.run is not None
            signal = signals.setdefault(key, first_seen(key, event))
            if isinstance(event, SignalOpened):
                assert not signal.episodes or not signal.active, "opened twice"
                signal.episodes.append(Episode(opened_on=event.opened_on, opened_at=event.at))
            assert signal.active, "seen while recovered"
            signal.last_seen_at, signal.as_of, signal.run = event.at, event.as_of, event.run
            signal.settings_version = event.settings_version
            signal.lifetime_revenue_cents, signal.figures = (
                event.lifetime_revenue_cents,
                figures_of(event),
            )
        assert event.episode == len(signal.episodes)
        assert event.opened_on == signal.opened_on


def close(episode: Episode, event: SignalRecovered) -> None:
    assert episode.closed_on is None, "recovered twice"
    assert (event.order is None) != (event.run is None), "an order or a run closes"
    episode.closed_on, episode.closed_at = event.closed_on, event.at
    episode.resolution, episode.closed_by = event.resolution, event.order


def first_seen(key: Key, event: SignalOpened | SignalSeen) -> Signal:
    assert event.run is not None
    return Signal(
        key=key,
        detected_at=event.at,
        last_seen_at=event.at,
        as_of=event.as_of,
        settings_version=event.settings_version,
        run=event.run,
        lifetime_revenue_cents=event.lifetime_revenue_cents,
        figures=figures_of(event),
    )


def figures_of(event: SignalOpened | SignalSeen) -> dict[str, int | date]:
    assert event.figures.__struct_config__.tag == event.signal_type
    figures: dict[str, Any] = msgspec.structs.asdict(event.figures)
    return figures


def same(one: SignalsRecord, other: SignalsRecord) -> bool:
    """How long a run took, how many accounts it had to look at, and that it was
    asked again may differ.
    """
    if isinstance(one, RunCompleted) and isinstance(other, RunCompleted):
        return (one.organization, one.number, one.at) == (
            other.organization,
            other.number,
            other.at,
        ) or other.repeated
    return one == other
