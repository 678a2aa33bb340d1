"""What a digest says: sections by type, what is new, what is at stake (product.md 5).

`compose` takes what one complete run saw and is still active, and what the digest before it said.
The same input is the same digest: nothing here knows the time or the reader.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from shared.domain.enrollment import INCLUDED, Enrollment, inclusion
from shared.domain.money import saturated
from shared.events import Combo, DormantFigures, Figures, LapseFigures, SignalType

SECTION_ACCOUNTS = 25
ACCOUNT_COMBOS = 5
ALWAYS_ACCOUNTS = 25

SECTION_TYPES: tuple[SignalType, ...] = ("dormant", "lapse", "cherry_picking")

State = Literal["new", "still", "back"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An account as the digest knows it; without a name it shows its id."""

    account: str
    name: str | None = None
    owner: str | None = None
    enrollment: Enrollment = "auto"
    paused_until: datetime | None = None
    lost_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveSignal:
    """A signal that the run saw and that is still active; lifetime revenue is its
    account's, as the run saw it.

    paused_until, lost_at: by an outcome of this signal alone (product.md 7).
    """

    signal: str
    account: str
    type: SignalType
    combo: Combo | None
    episode: int
    lifetime_revenue_cents: int
    figures: Figures
    paused_until: datetime | None = None
    lost_at: datetime | None = None

    @property
    def at_stake_cents(self) -> int:
        """What a year of it was, or could be, worth."""
        if isinstance(self.figures, DormantFigures):
            return self.figures.last_year_revenue_cents
        if isinstance(self.figures, LapseFigures):
            return self.figures.lapsed_revenue_cents
        return self.figures.estimated_upside_cents


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a digest leaves for the next one to compare with.

    signals: every signal that it included, shown or cut, with its episode. earlier: those that
      digests before it had included, active all along, but left out of it (a pause).
    """

    as_of: date
    recoverable_revenue_cents: int
    signals: Mapping[str, int] = field(default_factory=dict)
    earlier: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One signal in a row."""

    signal: ActiveSignal
    state: State


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One account in a section. at_stake_cents is that of all its signals of this type; `more` of
    them are not in `items`.
    """

    account: Account
    lifetime_revenue_cents: int
    at_stake_cents: int
    items: tuple[Item, ...]
    more: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One type. `total` accounts, of which `rows` are shown; `new` counts
    signals, of cut accounts too.

    counted_cents is its part of the recoverable revenue: over all sections it adds up,
    each account counted once.
    """

    type: SignalType
    total: int
    new: int
    counted_cents: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """All of it. `accounts` with signals are counted once each, shown or cut; `overlapping` of them
    stand in two sections (A and B exclude each other).

    change_cents: against the digest before, None for the first. largest: the two with the most at
      stake. always: *Always included*, accounts without a signal; always_more of them are not
      listed. shown: for the next digest.
    """

    as_of: date
    recoverable_revenue_cents: int
    change_cents: int | None
    accounts: int
    overlapping: int
    new: int
    sections: tuple[Section, ...]
    largest: tuple[tuple[Account, int], ...]
    always: tuple[Account, ...]
    always_more: int
    shown: Shown

    @property
    def heartbeat(self) -> bool:
        """Nobody to call: a short mail says that all is well."""
        return not self.sections


def compose(
    *,
    as_of: date,
    at: datetime,
    signals: Iterable[ActiveSignal],
    accounts: Mapping[str, Account],
    previous: Shown | None,
) -> Digest:
    """The digest of a run.

    `signals` are all active ones, those of left-out accounts too; `accounts` has at least theirs
    and all pinned to Yes; `at` decides whether a pause is over.
    """
    included = {key: account for key, account in accounts.items() if _is_included(account, at)}
    active = list(signals)
    listed = [
        signal for signal in active if signal.account in included and not is_hidden(signal, at)
    ]
    items = [Item(signal=signal, state=_state(signal, previous)) for signal in listed]
    stakes = at_stake_by_account(item.signal for item in items)
    by_type = {
        type_: [item for item in items if item.signal.type == type_] for type_ in SECTION_TYPES
    }
    dormant = {item.signal.account for item in by_type["dormant"]}
    sections = tuple(
        _section(type_, mine, included, counted_elsewhere=dormant if type_ != "dormant" else set())
        for type_, mine in by_type.items()
        if mine
    )
    recoverable = saturated(sum(stakes.values()))
    largest = sorted(stakes, key=lambda account: (-stakes[account], account))[:2]
    always = sorted(
        (a for a in included.values() if a.enrollment == "yes" and a.account not in stakes),
        key=_by_name,
    )
    return Digest(
        as_of=as_of,
        recoverable_revenue_cents=recoverable,
        change_cents=None if previous is None else recoverable - previous.recoverable_revenue_cents,
        accounts=len(stakes),
        overlapping=sum(section.total for section in sections) - len(stakes),
        new=sum(section.new for section in sections),
        sections=sections,
        largest=tuple((included[account], stakes[account]) for account in largest),
        always=tuple(always[:ALWAYS_ACCOUNTS]),
        always_more=max(0, len(always) - ALWAYS_ACCOUNTS),
        shown=Shown(
            as_of=as_of,
            recoverable_revenue_cents=recoverable,
            signals={item.signal.signal: item.signal.episode for item in items},
            earlier=_left_out(active, listed, previous),
        ),
    )


def at_stake_by_account(signals: Iterable[ActiveSignal]) -> dict[str, int]:
    """An account's A, or else the sum of its others: each account counts once."""
    by_account: dict[str, list[ActiveSignal]] = {}
    for signal in signals:
        by_account.setdefault(signal.account, []).append(signal)
    return {
        account: saturated(sum(signal.at_stake_cents for signal in _counted(mine)))
        for account, mine in by_account.items()
    }


def _counted(signals: Sequence[ActiveSignal]) -> list[ActiveSignal]:
    """Of one account's signals those that its stake is made of."""
    return [signal for signal in signals if signal.type == "dormant"] or list(signals)


def is_hidden(signal: ActiveSignal, at: datetime) -> bool:
    """Given up, or paused by what somebody did about it."""
    return signal.lost_at is not None or (
        signal.paused_until is not None and at < signal.paused_until
    )


def _is_included(account: Account, at: datetime) -> bool:
    why = inclusion(
        enrollment=account.enrollment,
        lost_at=account.lost_at,
        paused_until=account.paused_until,
        at=at,
    )
    return why in INCLUDED


def _state(signal: ActiveSignal, previous: Shown | None) -> State:
    """Still: the last digest had this episode. Back: a later episode, or one that was left out
    meanwhile. New: the rest.
    """
    if previous is not None and previous.signals.get(signal.signal) == signal.episode:
        return "still"
    if signal.episode > 1 or (
        previous is not None and previous.earlier.get(signal.signal) == signal.episode
    ):
        return "back"
    return "new"


def _left_out(
    active: Iterable[ActiveSignal], listed: Iterable[ActiveSignal], previous: Shown | None
) -> dict[str, int]:
    if previous is None:
        return {}
    known = {**previous.earlier, **previous.signals}
    shown = {s.signal for s in listed}
    return {
        s.signal: s.episode
        for s in active
        if s.signal not in shown and known.get(s.signal) == s.episode
    }


def _section(
    type_: SignalType,
    items: Sequence[Item],
    accounts: Mapping[str, Account],
    *,
    counted_elsewhere: Set[str],
) -> Section:
    """counted_elsewhere: accounts whose stake is another section's."""
    by_account: dict[str, list[Item]] = {}
    for item in items:
        by_account.setdefault(item.signal.account, []).append(item)
    rows = sorted(
        (_row(accounts[account], mine) for account, mine in by_account.items()),
        key=lambda row: (-row.lifetime_revenue_cents, row.account.account),
    )
    return Section(
        type=type_,
        total=len(rows),
        new=sum(item.state == "new" for item in items),
        counted_cents=saturated(
            sum(row.at_stake_cents for row in rows if row.account.account not in counted_elsewhere)
        ),
        rows=tuple(rows[:SECTION_ACCOUNTS]),
    )


def _row(account: Account, items: Sequence[Item]) -> Row:
    ordered = sorted(items, key=_by_lapsed_revenue)
    return Row(
        account=account,
        lifetime_revenue_cents=ordered[0].signal.lifetime_revenue_cents,
        at_stake_cents=saturated(sum(item.signal.at_stake_cents for item in ordered)),
        items=tuple(ordered[:ACCOUNT_COMBOS]),
        more=max(0, len(ordered) - ACCOUNT_COMBOS),
    )


def _by_name(account: Account) -> tuple[str, str]:
    return (account.name or account.account).casefold(), account.account


def _by_lapsed_revenue(item: Item) -> tuple[int, bool, Decimal, bool, str]:
    """The largest first, then by OD in inches, then by grade; what has none comes last."""
    combo = item.signal.combo or Combo(od=None, grade=None)
    return (
        -item.signal.at_stake_cents,
        combo.od is None,
        Decimal(combo.od or 0),
        combo.grade is None,
        combo.grade or "",
    )
