"""The pages of an organization: its signals, an account, its draft sequences."""

from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.store import pages
from services.signals.web import outcomes, views
from services.signals.web.access import NotHere, organization_of, visitor
from services.signals.web.rendering import render
from shared import clock
from shared.domain.identifiers import wrong_id
from shared.events import SignalType
from shared.wording import plain_name, short_day

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

T = TypeVar("T")

SIGNALS_A_PAGE = 50
ORDERS_SHOWN = 50


@router.get("/")
def home(request: Request) -> Response:
    """The organizations of whoever is signed in; straight on where there is one."""
    who = visitor(request)
    if len(who.memberships) == 1:
        return RedirectResponse(f"/o/{who.memberships[0][0]}/accounts", status_code=303)
    return render(request, "home.html", visitor=who)


@router.get("/o/{organization}")
def organization(organization: str) -> Response:
    """Its first page."""
    return RedirectResponse(f"/o/{organization}/accounts", status_code=303)


@router.get("/o/{organization}/signals")
def signals(
    request: Request,
    organization: str,
    type: Annotated[SignalType | None, Query()] = None,
    state: Annotated[str, Query(pattern="^(active|recovered)$")] = "active",
    after: Annotated[str | None, Query(pattern=r"^-?\d{1,18}~[0-9a-f-]{36}$")] = None,
) -> Response:
    """Active signals by lifetime revenue, or the newest recoveries."""
    with organization_of(request, organization) as (who, connection):
        head = _found(pages.head(connection, organization))
        counts = pages.counts(connection, organization)
        if state == "recovered":
            rows = pages.recovered_signals(connection, organization, limit=SIGNALS_A_PAGE)
        else:
            place = (int(after.split("~")[0]), after.split("~")[1]) if after else None
            rows = pages.active_signals(connection, organization, type_=type, after=place, limit=SIGNALS_A_PAGE + 1)
    more = rows[SIGNALS_A_PAGE - 1] if len(rows) > SIGNALS_A_PAGE else None
    today = clock.today(head.timezone)
    return render(
        request,
        "signals.html",
        visitor=who,
        organization=organization,
        head=head,
        head_line=views.head_line(head, counts["accounts"], clock.now()),
        tabs=views.tabs(organization, counts, chosen=state if state == "recovered" else type),
        signals=[views.signal_view(row, organization=organization, head=head, today=today) for row in rows[:SIGNALS_A_PAGE]],
        recovered=state == "recovered",
        next_page=views.next_page(organization, type, f"{more.lifetime_revenue_cents}~{more.signal}") if more else None,
    )


@router.get("/o/{organization}/accounts/{account:path}")
def account(request: Request, organization: str, account: str) -> Response:
    """Facts, signals with a sentence each, contacts, the newest orders."""
    if wrong_id(account):
        raise NotHere
    with organization_of(request, organization) as (who, connection):
        head = _found(pages.head(connection, organization))
        row = _found(pages.account(connection, organization, account))
        totals = pages.totals(connection, organization, account)
        found = pages.signals_of(connection, organization, account)
        orders = pages.orders_of(connection, organization, account, limit=ORDERS_SHOWN)
        contacts = pages.contacts_of(connection, organization, account)
        done = outcomes.panel(connection, organization, row, found, who=who, head=head)
    today = clock.today(head.timezone)
    shown = [views.signal_view(signal, organization=organization, head=head, today=today) for signal in found]
    return render(
        request,
        "account.html",
        visitor=who,
        organization=organization,
        head=head,
        account=row,
        name=plain_name(row.name or row.account),
        facts=views.account_facts(row, totals, head=head, today=today),
        active=[signal for signal in shown if signal.is_active],
        recovered=[signal for signal in shown if not signal.is_active],
        orders=[views.order_view(order, currency=head.currency, today=today) for order in orders],
        orders_line=views.shown_of(len(orders), totals.orders),
        contacts=contacts,
        outcomes=done,
    )


@router.get("/o/{organization}/sequences")
def sequences(request: Request, organization: str) -> Response:
    """The newest drafts."""
    with organization_of(request, organization) as (who, connection):
        head = _found(pages.head(connection, organization))
        rows = pages.sequences(connection, organization)
    zone, today = ZoneInfo(head.timezone), clock.today(head.timezone)
    return render(
        request,
        "sequences.html",
        visitor=who,
        organization=organization,
        head=head,
        sequences=[
            {
                "path": f"/o/{organization}/sequences/{row.sequence}",
                "name": row.name,
                "type": views.TYPES[row.signal_type],
                "state": row.state,
                "drafted": short_day(row.drafted_at.astimezone(zone).date(), seen_from=today),
            }
            for row in rows
        ],
    )


@router.get("/o/{organization}/sequences/{sequence}")
def sequence(request: Request, organization: str, sequence: str) -> Response:
    """A draft: its steps, who is enrolled, who was skipped and why."""
    if wrong_id(sequence):
        raise NotHere
    with organization_of(request, organization) as (who, connection):
        head = _found(pages.head(connection, organization))
        row = _found(pages.sequence(connection, organization, sequence))
        steps = pages.steps(connection, organization, sequence)
        enrolled = pages.enrolled(connection, organization, sequence)
    today = clock.today(head.timezone)
    people = [(entry.state, views.enrolled_view(entry, organization=organization)) for entry in enrolled]
    return render(
        request,
        "sequence.html",
        visitor=who,
        organization=organization,
        head=head,
        sequence=row,
        type_name=views.TYPES[row.signal_type],
        letter=views.LETTERS[row.signal_type],
        drafted=short_day(row.drafted_at.astimezone(ZoneInfo(head.timezone)).date(), seen_from=today),
        steps=[views.step_view(step) for step in steps],
        enrolled=[view for state, view in people if state != "skipped"],
        skipped=[view for state, view in people if state == "skipped"],
    )


def _found(thing: T | None) -> T:
    if thing is None:
        raise NotHere
    return thing
