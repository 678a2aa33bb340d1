"""Outcomes: the three actions at the drawer's foot, and undoing them."""

import secrets
from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import outcomes as actions
from services.signals.console.accounts.outcomes_view import TYPED, OutcomesView, panel
from services.signals.console.http.access import NotHere, Visitor
from services.signals.console.http.forms import Form, Posted, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.paths import account_path, back_to
from services.signals.console.today.calls import CallView, calls
from services.signals.console.words import day_of
from services.signals.store import account as accounts
from services.signals.store import accounts as listed
from services.signals.store import outcome_rows, owner_people
from services.signals.store.account import AccountRow
from services.signals.store.head import Head
from shared import clock, db
from shared.domain.follow_ups import checked_day, checked_note
from shared.domain.identifiers import wrong_id
from shared.domain.outcomes import (
    KINDS,
    REASONS,
)
from shared.domain.typed_numbers import NotANumber, NumberStyle, read_amount
from shared.errors import FieldError, NotFound, Rejected
from shared.ids import derived
from shared.wording import OUTCOME_NAMES, exact_money, plain_name

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

LARGEST_MONTH_CENTS = 10**13


@router.get("/o/{organization}/outcomes/{kind}/{account:path}")
def ask(request: Request, organization: str, kind: str, account: str) -> Response:
    """A page with the form of one outcome, where the digest's links lead. It notes
    nothing: scanners follow links.
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
            noted = outcome_rows.find(connection, organization, action.outcome)
    except NotFound:
        raise NotHere from None
    except Rejected as error:
        return _again(request, organization, account, form, error)
    value = noted.monthly_value_cents if noted else None
    worth = "" if value is None else f" for {exact_money(value, head.style)} a month"
    until = (
        ""
        if action.paused_until is None
        else f": off the digest until {day_of(action.paused_until, head.timezone)}"
    )
    said = {
        "reached_out": f"Reached out to {name}{until}.",
        "won_back": f"Won back {name}{worth}{until}.",
        "lost": f"Lost {name}.",
    }
    undo = f"/o/{organization}/outcomes/{action.outcome}/undo"
    if request.headers.get("hx-target") == "outcomes":
        return _part(request, organization, account, said={"text": said[action.kind], "undo": undo})
    to = _back(form, organization, account)
    if form.get("go") == "next":
        to = back_to(form.get("next", ""), organization, otherwise=to)
    answer = RedirectResponse(to, status_code=303)
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
    if request.headers.get("hx-target") == "outcomes":
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
        note=checked_note(form.get("note", "")),
        follow_up_on=checked_day(form.get("follow_up_on", ""), today=clock.today(head.timezone)),
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


# -- answers ---------------------------------------------------------------------------------------


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
    if typed["kind"] not in KINDS:
        typed["kind"] = KINDS[0]  # some form has to hold what was typed
    if request.headers.get("hx-request"):
        answer = _part(request, organization, account, said=None, typed=typed, errors=errors)
        answer.headers["HX-Retarget"] = answer.headers["HX-Reselect"] = "#outcomes"
        answer.headers["HX-Reswap"] = "outerHTML"
        answer.headers["HX-Push-Url"] = "false"
        return answer
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
        one=_call(connection, organization, account),
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


def _call(connection: db.Connection, organization: str, account: str) -> CallView:
    """The account as Today says it: what is the matter, what is at stake, whom to call."""
    row = listed.find(connection, organization, account)
    if row is None:
        raise NotHere
    people = owner_people.people(connection, organization)
    head = head_of(connection, organization)
    return calls(connection, organization, [row], people, head, clock.now())[0]


def _account(connection: db.Connection, organization: str, account: str) -> AccountRow:
    row = accounts.find(connection, organization, account)
    if row is None:
        raise NotHere
    return row


def _back(form: Posted, organization: str, account: str) -> str:
    """Where the form says it came from; else the account's page."""
    otherwise = account_path(organization, account)
    return back_to(form.get("back", ""), organization, otherwise=otherwise)
