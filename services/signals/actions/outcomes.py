"""What people do about an account or a signal, and undoing it: lock the account, read, decide,
write, note it in the audit log.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from services.signals.actions.actor import Actor, note
from services.signals.actions.telling import tell
from services.signals.store import follow_ups, outcome_rows, outcomes
from services.signals.store.outcome_rows import OutcomeRow
from shared import db
from shared.domain.outcomes import (
    ANSWERED_WITHIN_DAYS,
    UNDO_HOURS,
    Action,
    Kind,
    Reason,
    Role,
    Saved,
    may_undo,
    monthly_value_cents,
    pause_ends,
    standing,
    won,
)
from shared.errors import FieldError, NotFound, Rejected
from shared.ids import derived
from shared.letter_events import OutcomeRecorded, OutcomeUndone

WORDS: dict[Kind, str] = {"reached_out": "reached out", "won_back": "won back", "lost": "lost"}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants noted. `outcome` is the id that its form was given: sent
    twice, it is done once.

    monthly_value_cents: None takes the default. signal: None is the account as a whole. note: one
      line (`checked_note`). follow_up_on: the day on which the actor calls again.
    """

    outcome: str
    account: str
    kind: Kind
    signal: str | None = None
    reason: Reason | None = None
    monthly_value_cents: int | None = None
    note: str | None = None
    follow_up_on: date | None = None


def act(
    connection: db.Connection, organization: str, wish: Wish, *, by: Actor, at: datetime
) -> Action:
    """Note it. Raises NotFound for an account or signal that is not there, Rejected for what cannot
    be said of it.
    """
    before = outcomes.lock_account(connection, organization, wish.account)
    if before is None:
        raise NotFound(f"no account {wish.account}")
    episode = _episode(connection, organization, wish)
    saved: list[Saved] = []
    value = None
    if wish.kind == "won_back":
        saved = won(open_to_win(connection, organization, wish.account, signal=wish.signal, at=at))
        if not saved:
            raise Rejected(
                FieldError(
                    field="kind",
                    reason="there is no signal here that could be won back, or it was already",
                )
            )
        value = (
            monthly_value_cents(saved)
            if wish.monthly_value_cents is None
            else wish.monthly_value_cents
        )
    action = Action(
        outcome=wish.outcome,
        kind=wish.kind,
        at=at,
        actor=by.name,
        signal=wish.signal,
        episode=episode,
        paused_until=None if wish.kind == "lost" else pause_ends(at),
    )
    snapshot = _snapshot(before, saved)
    more: dict[str, Any] = {
        "reason": wish.reason if wish.kind == "lost" else None,
        "monthly_value_cents": value,
        "signals": [signal.signal for signal in saved],
        "episodes": [signal.episode for signal in saved],
        "snapshot": snapshot,
        "note": wish.note,
        "follow_up_on": wish.follow_up_on,
    }
    if outcomes.insert(connection, organization, wish.account, action, **more):
        _follow(connection, organization, wish.account, action)
        if wish.follow_up_on is not None:
            follow_ups.add(
                connection,
                organization,
                follow_up=derived("follow-up", organization, wish.outcome),
                account=wish.account,
                due_on=wish.follow_up_on,
                note=wish.note,
                email=by.name,
                outcome=wish.outcome,
                at=at,
            )
        detail = {
            "outcome": wish.outcome,
            "reason": more["reason"],
            "monthly_value_cents": value,
            "note": wish.note,
            "follow_up_on": wish.follow_up_on.isoformat() if wish.follow_up_on else None,
            "before": snapshot,
        }
        _note(connection, organization, by, action, wish.account, WORDS[wish.kind], detail)
        tell(
            connection,
            organization,
            by,
            OutcomeRecorded,
            at=at,
            account=wish.account,
            outcome=wish.outcome,
            kind=wish.kind,
            signal=wish.signal,
        )
    return action


def undo(
    connection: db.Connection,
    organization: str,
    outcome: str,
    *,
    by: Actor,
    at: datetime,
) -> OutcomeRow:
    """Take it back: what stood before stands again. Raises NotFound, Rejected for whoever may not,
    or may not any more.
    """
    row = outcome_rows.find(connection, organization, outcome)
    if row is None:
        raise NotFound("no such outcome")
    before = outcomes.lock_account(connection, organization, row.account) or {}
    done = outcomes.actions(connection, organization, row.account)
    action = next(one for one in done if one.outcome == outcome)
    if row.undone_at is not None or any(
        one.kind == "undone" and one.about == outcome for one in done
    ):
        raise Rejected(FieldError(field="undo", reason="it was undone already"))
    if not _may_undo(action, done, by, at):
        reason = (
            f"only {action.actor} may undo it, for {UNDO_HOURS} hours; an owner or admin always"
        )
        raise Rejected(FieldError(field="undo", reason=reason))
    taken_back = Action(
        outcome=f"{outcome}:undone",
        kind="undone",
        at=at,
        actor=by.name,
        signal=action.signal,
        episode=action.episode,
        about=outcome,
    )
    snapshot = _snapshot(before, [])
    outcomes.insert(connection, organization, row.account, taken_back, snapshot=snapshot)
    follow_ups.end_of_outcome(connection, organization, outcome, at=at, by=by.name)
    _follow(connection, organization, row.account, taken_back)
    detail = {
        "outcome": outcome,
        "of": action.actor,
        "at": action.at.isoformat(),
        "before": snapshot,
    }
    _note(
        connection, organization, by, taken_back, row.account, f"undid {WORDS[action.kind]}", detail
    )
    tell(connection, organization, by, OutcomeUndone, at=at, account=row.account, outcome=outcome)
    return row


def may_undo_row(row: OutcomeRow, by: Actor, at: datetime) -> bool:
    """Whether `undo` would let them, so that pages offer it to nobody else."""
    action = Action(outcome=row.outcome, kind=row.kind, at=row.at, actor=row.actor)
    return row.undone_at is None and _may_undo(action, [action], by, at)


def _may_undo(action: Action, done: list[Action], by: Actor, at: datetime) -> bool:
    role: Role = "owner" if by.role == "operator" else by.role
    return may_undo(action, done, actor=by.name, role=role, at=at)


def open_to_win(
    connection: db.Connection,
    organization: str,
    account: str,
    *,
    signal: str | None = None,
    at: datetime,
) -> list[Saved]:
    """What can be said to be won back at that moment, of the account or of one signal; what someone
    who says so speaks of is `won` of it.
    """
    since = at - timedelta(days=ANSWERED_WITHIN_DAYS)
    return outcomes.open_to_win(
        connection, organization, account, signal=signal, answered_since=since
    )


def _episode(connection: db.Connection, organization: str, wish: Wish) -> int | None:
    if wish.signal is None:
        return None
    found = outcomes.episode(connection, organization, wish.account, wish.signal)
    if found is None:
        raise NotFound(f"no signal {wish.signal} of {wish.account}")
    episode, is_active = found
    if not is_active and wish.kind != "won_back":
        raise Rejected(
            FieldError(
                field="kind", reason="the signal is over: nothing is left to be done about it"
            )
        )
    return episode


def _follow(connection: db.Connection, organization: str, account: str, action: Action) -> None:
    """Account and signal as all of their actions say."""
    done = outcomes.actions(connection, organization, account)
    outcomes.set_account(connection, organization, account, standing(done))
    if action.signal is not None and action.episode is not None:
        of_signal = standing(done, signal=action.signal, episode=action.episode)
        outcomes.set_signal(connection, organization, action.signal, action.episode, of_signal)


def _snapshot(before: dict[str, Any], saved: list[Saved]) -> dict[str, Any]:
    """How it was, as JSON has it."""
    kept = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in before.items()
    }
    return kept | {
        "signals": [
            {"signal": one.signal, "episode": one.episode, "figures": one.figures} for one in saved
        ]
    }


def _note(
    connection: db.Connection,
    organization: str,
    by: Actor,
    action: Action,
    account: str,
    words: str,
    detail: dict[str, Any],
) -> None:
    subject = (
        f"account {account}"
        if action.signal is None
        else f"account {account}, signal {action.signal}"
    )
    note(connection, organization, by, words, subject, detail, at=action.at)
