"""Outcomes: the three actions at the drawer's foot, undoing them, what was done so far.

In the account's route: `outcomes=panel(…)`; in its template: `{% include "parts/outcomes.html" %}`.
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import outcomes as actions
from services.signals.console.http.access import NotHere, Visitor
from services.signals.console.http.forms import Form, Posted, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.paths import account_path, back_to
from services.signals.store import account as accounts
from services.signals.store import outcome_rows
from services.signals.store.account import AccountRow, SignalRow
from services.signals.store.head import Head
from services.signals.store.outcome_rows import OutcomeRow
from shared import clock, db
from shared.domain.identifiers import wrong_id
from shared.domain.outcomes import (
    KINDS,
    PAUSE_DAYS,
    REASONS,
    UNDO_HOURS,
    Reason,
    monthly_value_cents,
)
from shared.domain.typed_numbers import NotANumber, NumberStyle, read_amount
from shared.errors import FieldError, NotFound, Rejected
from shared.events import Combo
from shared.ids import derived
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

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

REASON_NAMES: dict[Reason | None, str] = {
    "price": "price",
    "competitor": "competitor",
    "went_quiet": "went quiet",
    "other": "other",
    None: "no reason given",
}
LARGEST_MONTH_CENTS = 10**13
TYPED = ("kind", "signal", "reason", "monthly_value")


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
    typed: dict[str, str] = field(default_factory=lambda: dict.fromkeys(TYPED, ""))
    errors: dict[str, str] = field(default_factory=dict)


@router.get("/o/{organization}/outcomes/{kind}/{account:path}")
def ask(request: Request, organization: str, kind: str, account: str) -> Response:
    """A page with the form of one outcome, where the digest's links lead. It notes nothing:
    scanners follow links.
    """
    if kind not in KINDS or wrong_id(account):
        raise NotHere
    with organization_of(request, organization) as (who, connection):
        typed = dict.fromkeys(TYPED, "") | {"kind": kind}
        return _page(request, organization, account, who, connection, typed=typed, errors={})


@router.post("/o/{organization}/outcomes")
def act(request: Request, organization: str, form: Form) -> Response:
    """Note an outcome; the account's page says so and offers to undo it."""
    account = form.get("account", "")
    if wrong_id(account):
        raise NotHere
    try:
        with organization_of(request, organization) as (who, connection):
            head = head_of(connection, organization)
            wish = read_wish(form, organization, who, head)
            by = who.acting_in(organization)
            action = actions.act(connection, organization, wish, by=by, at=clock.now())
            name = plain_name(_account(connection, organization, account).name or account)
            noted = outcomes.find(connection, organization, action.outcome)
    except NotFound:
        raise NotHere from None
    except Rejected as error:
        return _again(request, organization, account, form, error)
    value = noted.monthly_value_cents if noted else None
    worth = "" if value is None else f" for {exact_money(value, head.style)} a month"
    until = (
        ""
        if action.paused_until is None
        else f": off the digest until {_day(action.paused_until, head)}"
    )
    said = {
        "reached_out": f"Reached out to {name}{until}.",
        "won_back": f"Won back {name}{worth}{until}.",
        "lost": f"Lost {name}.",
    }
    undo = f"/o/{organization}/outcomes/{action.outcome}/undo"
    if request.headers.get("hx-request"):
        return _part(request, organization, account, said={"text": said[action.kind], "undo": undo})
    answer = RedirectResponse(_back(form, organization, account), status_code=303)
    flash(request, answer, said[action.kind], undo=undo)
    return answer


@router.post("/o/{organization}/outcomes/{outcome}/undo")
def undo(request: Request, organization: str, outcome: str, form: Form) -> Response:
    """Take an outcome back."""
    if wrong_id(outcome):
        raise NotHere
    try:
        with organization_of(request, organization) as (who, connection):
            row = actions.undo(
                connection,
                organization,
                outcome,
                by=who.acting_in(organization),
                at=clock.now(),
            )
        said, account = (
            f"Undone: {OUTCOME_NAMES[row.kind].lower()}, {plain_name(row.name or row.account)}.",
            row.account,
        )
    except NotFound:
        raise NotHere from None
    except Rejected as error:
        said = f"Not undone: {error.errors[0].reason}."
        with organization_of(request, organization) as (_, connection):
            found = outcome_rows.find(connection, organization, outcome)
        account = found.account if found else ""
    if request.headers.get("hx-request"):
        return _part(request, organization, account, said={"text": said, "undo": None})
    answer = RedirectResponse(_back(form, organization, account), status_code=303)
    flash(request, answer, said)
    return answer


def read_wish(form: Posted, organization: str, who: Visitor, head: Head) -> actions.Wish:
    """What the form says. Raises Rejected with the fields that are wrong."""
    kind = next((kind for kind in KINDS if kind == form.get("kind")), None)
    reason = next((reason for reason in REASONS if reason == form.get("reason")), None)
    if kind is None:
        raise Rejected(FieldError(field="kind", reason="the kind must be one of the three"))
    if form.get("reason", "") not in ("", *REASONS):
        raise Rejected(FieldError(field="reason", reason="the reason is none of those offered"))
    signal = form.get("signal") or None
    if signal is not None and wrong_id(signal):
        raise Rejected(FieldError(field="signal", reason="the signal is none of those offered"))
    return actions.Wish(
        outcome=derived(
            "outcome", organization, who.email, form.get("once") or secrets.token_hex(16)
        ),
        account=form.get("account", ""),
        kind=kind,
        signal=signal,
        reason=reason,
        monthly_value_cents=_monthly(form.get("monthly_value", ""), head.style)
        if kind == "won_back"
        else None,
    )


def _monthly(text: str, style: NumberStyle) -> int | None:
    """None takes the estimate. Raises Rejected."""
    if not text.strip():
        return None
    try:
        cents = read_amount(text, style)
    except NotANumber as error:
        raise Rejected(FieldError(field="monthly_value", reason=str(error))) from None
    if cents > LARGEST_MONTH_CENTS:
        raise Rejected(
            FieldError(
                field="monthly_value",
                reason=f"must be at most {exact_money(LARGEST_MONTH_CENTS, style)}",
            )
        )
    return cents


# -- what is shown ------------------------------------------------------------------------------------------------------------


def panel(
    connection: db.Connection,
    organization: str,
    account: AccountRow,
    signals: list[SignalRow],
    *,
    who: Visitor,
    head: Head,
) -> OutcomesView:
    """Of one account; `signals` are all of its signals."""
    at = clock.now()
    rows = outcome_rows.of_account(connection, organization, account.account)
    abouts = [_about(connection, organization, account.account, None, head, at)]
    abouts += [
        _about(connection, organization, account.account, signal, head, at)
        for signal in signals
        if signal.type == "lapse" and signal.recovered_at is None
    ]
    return OutcomesView(
        account=account.account,
        path=f"/o/{organization}/outcomes",
        back=account_path(organization, account.account),
        once=secrets.token_hex(16),
        stands=_stands(account, rows, head, at),
        pause_until=_day(at + timedelta(days=PAUSE_DAYS), head),
        abouts=abouts,
        reasons=[(reason or "", REASON_NAMES[reason]) for reason in (None, *REASONS)],
        done=[done_view(row, organization=organization, who=who, head=head, at=at) for row in rows],
        can_win=any(about.estimate for about in abouts),
        symbol=head.currency,
    )


def _about(
    connection: db.Connection,
    organization: str,
    account: str,
    signal: SignalRow | None,
    head: Head,
    at: datetime,
) -> AboutView:
    found = actions.open_to_win(
        connection, organization, account, signal=signal.signal if signal else None, at=at
    )
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
    mine = row.actor == who.email and at - row.at <= timedelta(hours=UNDO_HOURS)
    may = row.undone_at is None and (mine or who.governs(organization))
    return DoneView(
        words=words,
        state=_state(row, at),
        by=row.actor,
        when=f"{age(at - row.at)} ago",
        when_exact=exact_time(row.at, head.timezone),
        undo_path=f"/o/{organization}/outcomes/{row.outcome}/undo" if may else "",
        is_undone=row.undone_at is not None,
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
            f"Lost since {_day(account.lost_at, head)}{f' ({reason})' if reason else ''}. The "
            "next order clears it."
        )
    if account.paused_until is not None and at < account.paused_until:
        return f"Off the digest until {_day(account.paused_until, head)}."
    return ""


# -- answers ------------------------------------------------------------------------------------------------------------------


def _part(
    request: Request,
    organization: str,
    account: str,
    *,
    said: dict[str, str | None] | None,
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    with organization_of(request, organization) as (who, connection):
        view = _view(connection, organization, account, who, typed=typed, errors=errors)
    return render(
        request, "parts/outcomes_swap.html", organization=organization, outcomes=view, flash=said
    )


def _again(
    request: Request, organization: str, account: str, form: Posted, error: Rejected
) -> Response:
    """The form, with what was typed and what is wrong with it."""
    errors = {one.field: one.reason for one in error.errors}
    typed = {key: form.get(key, "") for key in TYPED}
    if request.headers.get("hx-request"):
        return _part(request, organization, account, said=None, typed=typed, errors=errors)
    with organization_of(request, organization) as (who, connection):
        return _page(request, organization, account, who, connection, typed=typed, errors=errors)


def _page(
    request: Request,
    organization: str,
    account: str,
    who: Visitor,
    connection: db.Connection,
    *,
    typed: dict[str, str],
    errors: dict[str, str],
) -> Response:
    """The form of `typed`'s kind, open, on a page of its own."""
    row = _account(connection, organization, account)
    return render(
        request,
        "outcome.html",
        status_code=422 if errors else 200,
        visitor=who,
        organization=organization,
        head=head_of(connection, organization),
        name=plain_name(row.name or row.account),
        outcomes=_view(connection, organization, account, who, typed=typed, errors=errors),
    )


def _view(
    connection: db.Connection,
    organization: str,
    account: str,
    who: Visitor,
    *,
    typed: dict[str, str] | None,
    errors: dict[str, str] | None,
) -> OutcomesView:
    head, row = head_of(connection, organization), _account(connection, organization, account)
    shown = panel(
        connection,
        organization,
        row,
        accounts.signals_of(connection, organization, account),
        who=who,
        head=head,
    )
    return replace(shown, typed=typed or shown.typed, errors=errors or {})


def _account(connection: db.Connection, organization: str, account: str) -> AccountRow:
    row = accounts.find(connection, organization, account)
    if row is None:
        raise NotHere
    return row


def _back(form: Posted, organization: str, account: str) -> str:
    """Where the form says it came from; else the account's page."""
    otherwise = account_path(organization, account)
    return back_to(form.get("back", ""), organization, otherwise=otherwise)


def _day(at: datetime, head: Head) -> str:
    zone = ZoneInfo(head.timezone)
    return short_day(at.astimezone(zone).date(), seen_from=clock.today(head.timezone))
