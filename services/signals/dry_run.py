"""The dry run: what settings would flag before they are saved, held against today's signals, and replayed over last year.

The heavy part, each account's past on a day, depends on none of the numbers that people try but the lengths of windows, so it
is kept for some minutes: typing another threshold costs no query.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

from services.signals.store import trials
from shared import db
from shared.domain.history import Combo
from shared.domain.thresholds import DetectionSettings
from shared.domain.trial import Candidate, Past, Subject, came_back, candidates, quarter_ends
from shared.events import SignalType

TYPES: tuple[SignalType, ...] = ("dormant", "lapse", "cherry_picking")
WITHOUT_ASKING_ACCOUNTS = 100_000  # above this it runs only on a button
REPLAYED_UNASKED_ACCOUNTS = 20_000
SECONDS_WHILE_TYPING = 3.0  # a card
SECONDS_ON_A_BUTTON = 60.0
KEPT_SECONDS = 300.0
KEPT_PASTS = 500_000  # accounts, or combos of them, over all that is kept: some 300 bytes each


class TooSlow(Exception):
    """The orders are too many for the time that was given."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One card: its candidates, and what saving would open and close."""

    type: SignalType
    candidates: list[Candidate]
    flagged: set[Subject]
    active: set[Subject]

    @property
    def new(self) -> set[Subject]:
        """Flagged, and not active today."""
        return self.flagged - self.active

    @property
    def gone(self) -> set[Subject]:
        """Active today, and not flagged."""
        return self.active - self.flagged


@dataclass(frozen=True, kw_only=True)
class Quarter:
    """What would have been flagged on its last day, and what came back unaided within 90 days."""

    ended_on: date
    flagged: set[Subject]
    back: set[Subject]


def tried(
    connection: db.Connection, organization: str, settings: DetectionSettings, *, as_of: date, run: int, seconds: float
) -> dict[SignalType, Tried]:
    """Each card as if it were switched on. One whose orders take too long is not there; the others are."""
    active: dict[str, set[Subject]] = {type_: set() for type_ in TYPES}
    for account, type_, od, grade in trials.active(connection, organization):
        active[type_].add(Subject(account, Combo(od, grade) if type_ == "lapse" else None))
    found: dict[SignalType, Tried] = {}
    for type_ in TYPES:
        with suppress(TooSlow), _patience(connection, seconds):
            pasts = _pasts(connection, organization, type_, settings, as_of=as_of, run=run)
            of_type = candidates(type_, pasts, settings)
            found[type_] = Tried(
                type=type_,
                candidates=of_type,
                flagged={one.subject for one in of_type if one.is_flagged},
                active=active[type_],
            )
    return found


def replayed(
    connection: db.Connection, organization: str, settings: DetectionSettings, *, as_of: date, run: int, seconds: float
) -> dict[SignalType, list[Quarter]]:
    """The last four quarters under these settings, by the orders as they are known now. Raises TooSlow."""
    found: dict[SignalType, list[Quarter]] = {type_: [] for type_ in TYPES}
    with _patience(connection, seconds):
        for type_ in TYPES:
            for ended_on in quarter_ends(as_of):
                pasts = _pasts(connection, organization, type_, settings, as_of=ended_on, run=run)
                of_type = candidates(type_, pasts, settings)
                flagged = {one.subject for one in of_type if one.is_flagged}
                found[type_].append(Quarter(ended_on=ended_on, flagged=flagged, back=came_back(of_type, ended_on)))
    return found


@contextmanager
def _patience(connection: db.Connection, seconds: float) -> Iterator[None]:
    try:
        with connection.transaction():
            trials.set_patience(connection, seconds)
            yield
    except psycopg.errors.QueryCanceled:
        raise TooSlow from None


def _pasts(
    connection: db.Connection, organization: str, type_: SignalType, settings: DetectionSettings, *, as_of: date, run: int
) -> list[Past]:
    reading: tuple[Any, ...] = (tuple(sorted(settings.sizes.items())), tuple(sorted(settings.grade_aliases.items())))
    key: tuple[Any, ...] = (organization, run, as_of, type_)
    if type_ == "dormant":
        return _kept.get(key, lambda: trials.account_pasts(connection, organization, as_of))
    if type_ == "lapse":
        key = (*key, *reading, settings.lapse.history_days)
        return _kept.get(key, lambda: trials.combo_pasts(connection, organization, as_of, settings))
    key = (*key, reading[0], settings.cherry_picking.window_days, settings.cherry_picking.minimum_od)
    return _kept.get(key, lambda: trials.spend_pasts(connection, organization, as_of, settings))


class _Kept:
    """What was read lately, the least used forgotten first. Keys begin with the organization."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[Any, ...], tuple[float, list[Past]]] = OrderedDict()

    def get(self, key: tuple[Any, ...], read: Callable[[], list[Past]]) -> list[Past]:
        with self._lock:
            at, pasts = self._found.get(key, (0.0, []))
            if at and time.monotonic() - at < KEPT_SECONDS:
                self._found.move_to_end(key)
                return pasts
        pasts = read()
        with self._lock:
            self._found[key] = (time.monotonic(), pasts)
            while len(self._found) > 1 and sum(max(1, len(kept)) for _, kept in self._found.values()) > KEPT_PASTS:
                self._found.popitem(last=False)
        return pasts


_kept = _Kept()
