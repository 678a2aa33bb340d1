"""What came of an account or of one of its signals: reached out, won back, lost (product.md 7).

What people did is kept as it was done, undoing too; how things stand is read from that
(`standing`). Nothing here touches the three times of a signal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from shared.domain.history import Readings
from shared.domain.money import saturated
from shared.domain.thresholds import DetectionSettings
from shared.events import SignalType

Kind = Literal["reached_out", "won_back", "lost", "undone", "answered"]
Reason = Literal["price", "competitor", "went_quiet", "other"]
Role = Literal["owner", "admin", "member"]

# what people do; the two others follow from it
KINDS: tuple[Kind, ...] = ("reached_out", "won_back", "lost")
REASONS: tuple[Reason, ...] = ("price", "competitor", "went_quiet", "other")

PAUSE_DAYS = 14
UNDO_HOURS = 24
ANSWERED_WITHIN_DAYS = 90  # so long after an order came it can be said whose doing it was
MONTHS_A_YEAR = 12
YEAR_DAYS = 365
MOST_QUIET_BPS = 5_000  # above this share of the losses the summary has a hint


@dataclass(frozen=True, kw_only=True)
class Action:
    """One row of an account's outcomes. `signal` and `episode` where it is about one signal alone.

    undone: `about` names the action that it takes back. answered: an order answered the action that
      `about` names: what was lost is lost no more, what was claimed needs no more hiding.
    """

    outcome: str
    kind: Kind
    at: datetime
    actor: str
    signal: str | None = None
    episode: int | None = None
    paused_until: datetime | None = None
    about: str | None = None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What holds of an account, or of one signal: who is talked to, who is left
    alone, who is given up.

    outcome: the action that the pause or the loss comes from, None where there is none.
    """

    last_contact_at: datetime | None = None
    paused_until: datetime | None = None
    lost_at: datetime | None = None
    outcome: str | None = None


def standing(
    actions: Iterable[Action], *, signal: str | None = None, episode: int | None = None
) -> Standing:
    """How the account stands after `actions` (of all of it, the oldest first), or its
    signal in one episode.

    Whoever reaches out about a signal has talked to the account, so that counts for both; pause and
    loss hold for what they were said of. A signal that fires again starts anew.
    """
    done = list(actions)
    undone = {action.about for action in done if action.kind == "undone"}
    answered = {action.about for action in done if action.kind == "answered"}
    now = Standing()
    for action in done:
        if action.kind not in KINDS or action.outcome in undone:
            continue
        contact = action.at if action.kind == "reached_out" else now.last_contact_at
        if (action.signal, action.episode) != (signal, episode):
            now = replace(now, last_contact_at=contact)
        elif action.outcome in answered:
            now = Standing(last_contact_at=contact)
        elif action.kind == "lost":
            now = Standing(last_contact_at=contact, lost_at=action.at, outcome=action.outcome)
        elif action.kind == "reached_out" and now.lost_at is not None:
            # what was given up and is talked to again stays given up
            now = replace(now, last_contact_at=contact)
        else:
            now = Standing(
                last_contact_at=contact, paused_until=action.paused_until, outcome=action.outcome
            )
    return now


def pause_ends(at: datetime) -> datetime:
    """When whoever was talked to, or said to be back, may be listed again."""
    return at + timedelta(days=PAUSE_DAYS)


# -- undo ------------------------------------------------------------------------------------------


def may_undo(
    action: Action, actions: Iterable[Action], *, actor: str, role: Role, at: datetime
) -> bool:
    """Its actor for 24 hours, owners and admins always; once."""
    if action.kind not in KINDS or any(
        other.kind == "undone" and other.about == action.outcome for other in actions
    ):
        return False
    return role in ("owner", "admin") or (
        action.actor == actor and at - action.at <= timedelta(hours=UNDO_HOURS)
    )


# -- what it is worth ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A signal that may have been won back, with the figures of the last run that saw it. answered:
    `order` ended it. answered_cents: what that order brought of it, None where nobody knows.
    """

    signal: str
    episode: int
    type: SignalType
    figures: Mapping[str, Any]
    answered: bool = False
    history_days: int = YEAR_DAYS
    order: str | None = None
    answered_cents: int | None = None


def won(signals: Sequence[Saved]) -> list[Saved]:
    """What someone speaks of who says that it was won back: what orders have answered lately, or
    else what is still open.
    """
    return [signal for signal in signals if signal.answered] or list(signals)


def monthly_value_cents(signals: Sequence[Saved]) -> int:
    """What a month of it is worth, unless someone knows better: of the account's A, or else the sum
    of the others.

    What an order answered is worth what that order brought: nobody is said to be back for more than
    they bought. Else A: last year's revenue by 12. B: lapsed revenue by the months of the history
    window (365 days are 12). C: upside by 12. Half up, to the cent, once for each signal.
    """
    counted = [signal for signal in signals if signal.type == "dormant"] or signals
    return saturated(sum(_monthly_cents(signal) for signal in counted))


def brought_cents(
    type_: SignalType,
    combo: tuple[str | None, str | None],
    lines: Iterable[tuple[str | None, str | None, int]],
    settings: DetectionSettings,
) -> int:
    """What an order's lines (raw OD, raw grade, cents) brought of what a signal is about, net: of
    an A all of it, of a B the combo's, of a C the standard goods.
    """
    readings = Readings(settings)
    held = list(lines)
    readings.extend([(od, grade) for od, grade, _ in held])
    cents = 0
    for place, (_, _, line_cents) in enumerate(held):
        if type_ == "lapse":
            counts = readings.combos[place] == combo
        else:
            counts = type_ == "dormant" or not readings.specialty[place]
        cents += line_cents if counts else 0
    return max(0, saturated(cents))


def _monthly_cents(signal: Saved) -> int:
    if signal.answered_cents is not None:
        return signal.answered_cents
    figures = signal.figures
    if signal.type == "dormant":
        month = Decimal(figures["last_year_revenue_cents"]) / MONTHS_A_YEAR
    elif signal.type == "lapse":
        month = (
            Decimal(figures["lapsed_revenue_cents"])
            * YEAR_DAYS
            / (MONTHS_A_YEAR * signal.history_days)
        )
    else:
        month = Decimal(figures["estimated_upside_cents"]) / MONTHS_A_YEAR
    return max(0, int(month.quantize(Decimal(1), rounding=ROUND_HALF_UP)))


# -- the month -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Counted:
    """An action that counts in a month: it was not undone. confirmed: an order answered what it
    says was won back.
    """

    kind: Kind
    monthly_value_cents: int = 0
    reason: Reason | None = None
    confirmed: bool = False


@dataclass(frozen=True, kw_only=True)
class Month:
    """Saves and losses of a month; values are of one month of business each."""

    reached_out: int
    saves: int
    confirmed: int
    confirmed_cents: int
    claimed: int
    claimed_cents: int
    losses: int
    losses_by_reason: Mapping[Reason | None, int]

    @property
    def mostly_quiet(self) -> bool:
        """More than half of what was lost just went quiet: calling sooner might have helped."""
        return self.losses_by_reason.get("went_quiet", 0) * 10_000 > self.losses * MOST_QUIET_BPS


def month(actions: Iterable[Counted]) -> Month:
    """What a month's actions add up to."""
    done = list(actions)
    saves = [action for action in done if action.kind == "won_back"]
    confirmed = [action for action in saves if action.confirmed]
    lost = [action.reason for action in done if action.kind == "lost"]
    claimed_cents = sum(action.monthly_value_cents for action in saves if not action.confirmed)
    return Month(
        reached_out=sum(action.kind == "reached_out" for action in done),
        saves=len(saves),
        confirmed=len(confirmed),
        confirmed_cents=sum(action.monthly_value_cents for action in confirmed),
        claimed=len(saves) - len(confirmed),
        claimed_cents=claimed_cents,
        losses=len(lost),
        losses_by_reason={
            reason: lost.count(reason) for reason in (*REASONS, None) if reason in lost
        },
    )
