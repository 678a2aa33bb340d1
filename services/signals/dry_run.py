"""The dry run: what settings would flag before they are saved, held against today's signals, and replayed over last year.

The orders are read once into columns (`services.signals.ledger`) and kept for some minutes: what is typed then costs no query.
Several requests for one organization wait for one reading. A try is over as soon as the same person's next one begins.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import psycopg

from services.signals.ledger import Ambiguous, Ledger
from services.signals.store import trials
from shared import db
from shared.domain.history import Combo
from shared.domain.thresholds import DetectionSettings
from shared.domain.trial import Candidate, Subject, came_back, candidates, quarter_ends
from shared.events import SignalType

TYPES: tuple[SignalType, ...] = ("dormant", "lapse", "cherry_picking")
WITHOUT_ASKING_ACCOUNTS = 100_000  # above this it runs only on a button
REPLAYED_UNASKED_ACCOUNTS = 20_000
READ_AHEAD_ACCOUNTS = 5_000  # above this their first reading is behind the page that is opened, not in front of it
SECONDS_WHILE_TYPING = 3.0
SECONDS_TO_READ = 20.0
SECONDS_ON_A_BUTTON = 60.0
KEPT_SECONDS = 300.0
KEPT_BYTES = 512 * 2**20  # of all ledgers together; the least used go first


class TooSlow(Exception):
    """The orders are too many for the time that was given."""


class Superseded(Exception):
    """The same person tries something else by now: nobody waits for this answer."""


@dataclass(frozen=True)
class Turn:
    """Whose try it is, and the which of theirs."""

    who: tuple[str, str]
    number: int

    def go_on(self) -> None:
        """Raises Superseded."""
        if _turns.get(self.who, self.number) != self.number:
            raise Superseded


_turns: dict[tuple[str, str], int] = {}
_turns_lock = threading.Lock()


def next_turn(organization: str, person: str) -> Turn:
    """From now on the person's earlier tries are over."""
    with _turns_lock:
        number = _turns.get((organization, person), 0) + 1
        _turns[organization, person] = number
    return Turn((organization, person), number)


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


def is_read(organization: str, *, run: int) -> bool:
    """Whether a try costs no reading of orders."""
    return _kept.has(organization, run)


def tried(
    connection: db.Connection,
    organization: str,
    settings: DetectionSettings,
    *,
    as_of: date,
    run: int,
    seconds: float,
    turn: Turn | None = None,
) -> dict[SignalType, Tried]:
    """Each card as if it were switched on. Raises TooSlow, Superseded."""
    ledger = _kept.get(connection, organization, run=run, seconds=seconds)
    active: dict[str, set[Subject]] = {type_: set() for type_ in TYPES}
    for account, type_, od, grade in trials.active(connection, organization):
        active[type_].add(Subject(account, Combo(od, grade) if type_ == "lapse" else None))
    found: dict[SignalType, Tried] = {}
    for type_ in TYPES:
        if turn is not None:
            turn.go_on()
        of_type = candidates(type_, ledger.pasts(type_, settings, as_of), settings)
        flagged = {one.subject for one in of_type if one.is_flagged}
        found[type_] = Tried(type=type_, candidates=of_type, flagged=flagged, active=active[type_])
    return found


def replayed(
    connection: db.Connection,
    organization: str,
    settings: DetectionSettings,
    *,
    as_of: date,
    run: int,
    seconds: float,
    turn: Turn | None = None,
) -> dict[SignalType, list[Quarter]]:
    """The last four quarters under these settings, by the orders as they are known now. Raises TooSlow, Superseded."""
    ledger = _kept.get(connection, organization, run=run, seconds=seconds)
    found: dict[SignalType, list[Quarter]] = {type_: [] for type_ in TYPES}
    for type_ in TYPES:
        for ended_on in quarter_ends(as_of):
            if turn is not None:
                turn.go_on()
            of_type = candidates(type_, ledger.pasts(type_, settings, ended_on, look="behind"), settings)
            flagged = {one.subject for one in of_type if one.is_flagged}
            found[type_].append(Quarter(ended_on=ended_on, flagged=flagged, back=came_back(of_type, ended_on)))
    return found


@dataclass
class _Place:
    """An organization's ledger, and the lock that its readers wait at."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    run: int = -1
    read_at: float = 0.0
    ledger: Ledger | None = None

    def is_fresh(self, run: int) -> bool:
        return self.ledger is not None and self.run == run and time.monotonic() - self.read_at <= KEPT_SECONDS


class _Kept:
    """What was read lately, the least used forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def get(self, connection: db.Connection, organization: str, *, run: int, seconds: float) -> Ledger:
        """Of the orders since the latest run, or a few minutes old at most. Raises TooSlow."""
        with self._lock:
            place = self._places.setdefault(organization, _Place())
            self._places.move_to_end(organization)
        began = time.monotonic()
        if not place.lock.acquire(timeout=seconds):
            raise TooSlow
        try:
            if place.ledger is None or not place.is_fresh(run):
                left = max(0.001, seconds - (time.monotonic() - began))
                place.ledger, place.run, place.read_at = _read(connection, organization, left), run, time.monotonic()
            ledger = place.ledger
        finally:
            place.lock.release()
        self._forget()
        return ledger

    def has(self, organization: str, run: int) -> bool:
        """Without waiting for who reads."""
        place = self._places.get(organization)
        return place is not None and place.is_fresh(run)

    def _forget(self) -> None:
        with self._lock:
            sizes = {name: place.ledger.size_bytes for name, place in self._places.items() if place.ledger is not None}
            for name in list(sizes)[:-1]:
                if sum(sizes.values()) <= KEPT_BYTES:
                    break
                del sizes[name], self._places[name]


def _read(connection: db.Connection, organization: str, seconds: float) -> Ledger:
    with _patience(connection, seconds):
        try:
            return Ledger(trials.orders(connection, organization))
        except Ambiguous:
            return Ledger(trials.orders(connection, organization, with_separators=True))


@contextmanager
def _patience(connection: db.Connection, seconds: float) -> Iterator[None]:
    try:
        with connection.transaction():
            trials.set_patience(connection, seconds)
            yield
    except psycopg.errors.QueryCanceled:
        raise TooSlow from None


_kept = _Kept()
