"""Outcomes as the drawer's foot shows them: how the account stands, what can be noted, what was
done so far.

In the account's route: `outcomes=panel(…)`; in its template: `{% include "parts/outcomes.html" %}`.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.signals.actions import outcomes as actions
from services.signals.console.http.access import Visitor
from services.signals.console.paths import account_path
from services.signals.console.words import day_of
from services.signals.store import follow_ups, outcome_rows
from services.signals.store.account import AccountRow, SignalRow
from services.signals.store.head import Head
from services.signals.store.outcome_rows import OutcomeRow
from shared import clock, db
from shared.domain.outcomes import (
    PAUSE_DAYS,
    REASONS,
    Reason,
    Saved,
    monthly_value_cents,
    won,
)
from shared.events import Combo
from shared.wording import (
    OUTCOME_NAMES,
    age,
    combo_words,
    exact_money,
    exact_time,
    money,
    plain_name,
    short_day,
)

REASON_NAMES: dict[Reason | None, str] = {
    "price": "price",
    "competitor": "competitor",
    "went_quiet": "went quiet",
    "other": "other",
    None: "no reason given",
}
TYPED = ("kind", "signal", "reason", "monthly_value", "note", "follow_up_on")


@dataclass(frozen=True, kw_only=True)
class AboutView:
    """What an action can be about: the account, or one lapse of it. estimate: a month of it, as a
    won_back would note it.
    """

    signal: str
    name: str
    estimate: str


@dataclass(frozen=True, kw_only=True)
class DoneView:
    """One thing that was done."""

    words: str
    state: str
    by: str
    when: str
    when_exact: str
    undo_path: str
    is_undone: bool
    note: str
    follow_up: str


@dataclass(frozen=True, kw_only=True)
class FollowUpView:
    """A call that somebody promised."""

    follow_up: str
    day: str
    note: str
    who: str


@dataclass(frozen=True, kw_only=True)
class OutcomesView:
    """Everything that the partial shows. `typed` and `errors` are of a form that came back."""

    account: str
    path: str
    back: str
    once: str
    stands: str
    pause_until: str
    abouts: list[AboutView]
    reasons: list[tuple[str, str]]
    done: list[DoneView]
    can_win: bool
    symbol: str
    answered_by: str
    follow_ups: list[FollowUpView]
    next_path: str
    in_drawer: bool
    typed: dict[str, str] = field(default_factory=lambda: dict.fromkeys(TYPED, ""))
    errors: dict[str, str] = field(default_factory=dict)


def panel(
    connection: db.Connection,
    organization: str,
    account: AccountRow,
    signals: list[SignalRow],
    *,
    who: Visitor,
    head: Head,
    back: str | None = None,
    next_path: str = "",
) -> OutcomesView:
    """Of one account; `signals`: those that an action may be about. back: the drawer's
    address, None where there is no drawer. next_path: of the account that is offered next.
    """
    at = clock.now()
    today = clock.today(head.timezone)
    rows = outcome_rows.of_account(connection, organization, account.account)
    to_win = actions.open_to_win(connection, organization, account.account, at=at)
    by_signal = {one.signal: [one] for one in to_win}
    abouts = [_about(None, won(to_win), head)]
    abouts += [
        _about(signal, by_signal.get(signal.signal, []), head)
        for signal in signals
        if signal.type == "lapse" and signal.recovered_at is None
    ]
    return OutcomesView(
        account=account.account,
        path=f"/o/{organization}/outcomes",
        back=back or account_path(organization, account.account),
        once=secrets.token_hex(16),
        stands=_stands(account, rows, head, at),
        pause_until=day_of(at + timedelta(days=PAUSE_DAYS), head.timezone),
        abouts=abouts,
        reasons=[(reason or "", REASON_NAMES[reason]) for reason in (None, *REASONS)],
        done=[done_view(row, organization=organization, who=who, head=head, at=at) for row in rows],
        can_win=any(about.estimate for about in abouts),
        symbol=head.currency,
        answered_by=plain_name(next((one.order or "" for one in to_win if one.answered), "")),
        follow_ups=[
            FollowUpView(
                follow_up=row.follow_up,
                day=short_day(row.due_on, seen_from=today),
                note=plain_name(row.note or ""),
                who=row.email,
            )
            for row in follow_ups.of_account(connection, organization, account.account)
        ],
        next_path=next_path,
        in_drawer=back is not None,
    )


def _about(signal: SignalRow | None, found: list[Saved], head: Head) -> AboutView:
    return AboutView(
        signal=signal.signal if signal else "",
        name=combo_words(Combo(od=signal.od, grade=signal.grade))
        if signal
        else "The whole account",
        estimate=exact_money(monthly_value_cents(found), head.style) if found else "",
    )


def done_view(
    row: OutcomeRow, *, organization: str, who: Visitor, head: Head, at: datetime
) -> DoneView:
    """As a line of the account's history."""
    about = (
        f" {combo_words(Combo(od=row.od, grade=row.grade))}"
        if row.signal and row.type == "lapse"
        else ""
    )
    words = f"{OUTCOME_NAMES[row.kind]}{about}"
    if row.kind == "won_back":
        words += f", {money(row.monthly_value_cents or 0, head.currency, head.locale)} a month"
    if row.kind == "lost":
        words += f": {REASON_NAMES[row.reason]}"
    may = actions.may_undo_row(row, who.acting_in(organization), at)
    return DoneView(
        words=words,
        state=_state(row, at),
        by=row.actor,
        when=f"{age(at - row.at)} ago",
        when_exact=exact_time(row.at, head.timezone),
        undo_path=f"/o/{organization}/outcomes/{row.outcome}/undo" if may else "",
        is_undone=row.undone_at is not None,
        note=plain_name(row.note or ""),
        follow_up=short_day(row.follow_up_on, seen_from=at.date()) if row.follow_up_on else "",
    )


def _state(row: OutcomeRow, at: datetime) -> str:
    if row.undone_at is not None:
        return f"undone by {row.undone_by}"
    if row.kind == "won_back":
        return "confirmed" if row.confirmed else "claimed"
    if row.kind == "lost" and row.answered_by:
        return f"cleared by {row.answered_by}"
    if row.paused_until is not None and at < row.paused_until:
        return "paused"
    return ""


def _stands(account: AccountRow, rows: list[OutcomeRow], head: Head, at: datetime) -> str:
    """The account's state, in a sentence; nothing where nothing was done."""
    if account.lost_at is not None:
        reason = next(
            (
                REASON_NAMES[row.reason]
                for row in rows
                if row.kind == "lost" and row.at == account.lost_at
            ),
            "",
        )
        return (
            f"Lost since {day_of(account.lost_at, head.timezone)}"
            f"{f' ({reason})' if reason else ''}. The next order clears it."
        )
    if account.paused_until is not None and at < account.paused_until:
        return f"Off the digest until {day_of(account.paused_until, head.timezone)}."
    return ""
