"""The dry run: what settings would flag before they are saved, held against today's signals, and
replayed over last year.

The orders are read once into columns (`trial/columns.py`) and kept: what is typed then costs no
reading, and after a minute or another run only the accounts that orders touched since are read
again. Several requests for one organization wait for one reading. A try is over as soon as the same
person's next one begins.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import psycopg

from services.signals.store import trials
from services.signals.trial.candidates import Candidates, candidates
from services.signals.trial.columns import Ambiguous, Ledger
from shared import db
from shared.domain.history import Combo
from shared.domain.look_alikes import Proposal, proposals, with_alias
from shared.domain.thresholds import DetectionSettings
from shared.domain.trial import Subject, quarter_ends
from shared.events import SignalType
from shared.settings import settings

TYPES: tuple[SignalType, ...] = ("dormant", "lapse", "cherry_picking")
WITHOUT_ASKING_ACCOUNTS = 100_000  # above this it runs only on a button
REPLAYED_UNASKED_ACCOUNTS = 20_000
# above this their first reading is behind the page that is opened, not in front of it
READ_AHEAD_ACCOUNTS = 5_000
SECONDS_WHILE_TYPING = 3.0
SECONDS_TO_READ = 20.0
SECONDS_ON_A_BUTTON = 60.0
FRESH_SECONDS = 60.0  # so long a ledger is taken as it is, unless there was a run
KEPT_SECONDS = 3600.0  # so long it follows what changes; then it is read anew
MOST_ALIASES = 5  # that are proposed at a time
FOLLOWED_SHARE = 5  # where more than one account in so many was touched, reading all is no dearer


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
    candidates: Candidates
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


def is_read(organization: str) -> bool:
    """Whether a try costs no reading of all orders."""
    return _kept.has(organization)


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
        of_type = candidates(type_, ledger, settings, as_of)
        found[type_] = Tried(
            type=type_, candidates=of_type, flagged=of_type.flagged(), active=active[type_]
        )
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
    """The last four quarters under these settings, by the orders as they are known now. Raises
    TooSlow, Superseded.
    """
    ledger = _kept.get(connection, organization, run=run, seconds=seconds)
    found: dict[SignalType, list[Quarter]] = {type_: [] for type_ in TYPES}
    for type_ in TYPES:
        for ended_on in quarter_ends(as_of):
            if turn is not None:
                turn.go_on()
            of_type = candidates(type_, ledger, settings, ended_on, look="behind")
            found[type_].append(
                Quarter(ended_on=ended_on, flagged=of_type.flagged(), back=of_type.back())
            )
    return found


@dataclass(frozen=True, kw_only=True)
class TriedAlias:
    """A proposal, and the signals that taking it would open and close, of the types that are on."""

    proposal: Proposal
    opens: dict[SignalType, set[Subject]]
    closes: dict[SignalType, set[Subject]]


def tried_aliases(
    connection: db.Connection,
    organization: str,
    saved: DetectionSettings,
    *,
    as_of: date,
    run: int,
    seconds: float,
) -> list[TriedAlias]:
    """Aliases to propose, each tried under the saved settings; the first few of them. Raises
    TooSlow.
    """
    ledger = _kept.get(connection, organization, run=run, seconds=seconds)
    found = proposals(ledger.spans(saved))[:MOST_ALIASES]
    if not found:
        return []
    before = _flagged(ledger, saved, as_of)
    answers = []
    for one in found:
        after = _flagged(ledger, with_alias(saved, one), as_of)
        answers.append(
            TriedAlias(
                proposal=one,
                opens={type_: after[type_] - before[type_] for type_ in before},
                closes={type_: before[type_] - after[type_] for type_ in before},
            )
        )
    return answers


def _flagged(
    ledger: Ledger, settings: DetectionSettings, as_of: date
) -> dict[SignalType, set[Subject]]:
    """Of the types that are on."""
    return {
        type_: candidates(type_, ledger, settings, as_of).flagged()
        for type_ in TYPES
        if getattr(settings, type_).enabled
    }


@dataclass
class _Place:
    """An organization's ledger, up to which position it was read and when, and the lock that its
    readers wait at.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    ledger: Ledger | None = None
    position: tuple[str, int] = ("", -1)
    run: int = -1
    followed_at: float = 0.0
    read_at: float = 0.0

    def is_fresh(self, run: int) -> bool:
        return (
            self.ledger is not None
            and self.run == run
            and time.monotonic() - self.followed_at <= FRESH_SECONDS
        )


class _Kept:
    """What was read lately, the least used forgotten first. `most_bytes`: of all ledgers together;
    None as the setting says.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def get(
        self, connection: db.Connection, organization: str, *, run: int, seconds: float
    ) -> Ledger:
        """Of the orders as of the latest run, or a minute old at most. Raises TooSlow."""
        with self._lock:
            place = self._places.setdefault(organization, _Place())
            self._places.move_to_end(organization)
        began = time.monotonic()
        if not place.lock.acquire(timeout=seconds):
            raise TooSlow
        try:
            if not place.is_fresh(run):
                with _patience(connection, max(0.001, seconds - (time.monotonic() - began))):
                    _follow(connection, organization, place)
                place.run = run
            ledger = place.ledger
        finally:
            place.lock.release()
        assert ledger is not None, "a place that was followed has a ledger"
        self._forget()
        return ledger

    def has(self, organization: str) -> bool:
        """Whether a ledger is there to be followed; without waiting for who reads."""
        place = self._places.get(organization)
        return place is not None and place.ledger is not None

    def _forget(self) -> None:
        most = (
            settings().dry_run_memory_mb * 2**20 if self._most_bytes is None else self._most_bytes
        )
        with self._lock:
            sizes = {
                name: place.ledger.size_bytes
                for name, place in self._places.items()
                if place.ledger is not None
            }
            for name in list(sizes)[:-1]:
                if sum(sizes.values()) <= most:
                    break
                del sizes[name], self._places[name]


def _follow(connection: db.Connection, organization: str, place: _Place) -> None:
    """The place's ledger as PostgreSQL has the orders now. What is written between the two
    statements is read twice, once now.
    """
    now = time.monotonic()
    position = trials.position(connection, organization)
    ledger, (made, offset) = place.ledger, place.position
    changed: list[str] | None = None
    if (
        ledger is not None
        and made == position[0]
        and offset <= position[1]
        and now - place.read_at <= KEPT_SECONDS
    ):
        changed = trials.touched(connection, organization, offset)
    if ledger is None or changed is None or len(changed) * FOLLOWED_SHARE > len(ledger.accounts):
        place.ledger, place.read_at = _read(connection, organization, None), now
    elif changed:
        place.ledger = ledger.replaced(changed, _read(connection, organization, changed))
    place.position, place.followed_at = position, now


def _read(connection: db.Connection, organization: str, accounts: list[str] | None) -> Ledger:
    try:
        return Ledger.read(trials.orders(connection, organization, accounts))
    except Ambiguous:
        return Ledger.read(trials.orders(connection, organization, accounts, with_separators=True))


@contextmanager
def _patience(connection: db.Connection, seconds: float) -> Iterator[None]:
    try:
        with connection.transaction():
            trials.set_patience(connection, seconds)
            yield
    except psycopg.errors.QueryCanceled:
        raise TooSlow from None


_kept = _Kept()
