"""An account's drawer: beside the table where there is room, a page on a phone. Its
primary contact is chosen here.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import contacts
from services.signals.actions import follow_ups as follow_up_actions
from services.signals.console.accounts import outcomes_view
from services.signals.console.accounts.badges import BadgeView, badges
from services.signals.console.accounts.contacts import (
    ContactsView,
    FormView,
    contacts_view,
    returned,
)
from services.signals.console.accounts.history import EntryView, history
from services.signals.console.accounts.row import EnrollmentView, enrollment_view
from services.signals.console.accounts.table import TableView, table_of
from services.signals.console.accounts.why import SignalCard, cards, earliest
from services.signals.console.http.access import NotHere, Refused, Visitor
from services.signals.console.http.forms import Form, by_field, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.paths import account_path, back_to, back_to_table, path_of
from services.signals.console.words import REASONS, STOPPED, moment, owner_words, shown_of
from services.signals.store import account as store
from services.signals.store import account_history as past
from services.signals.store import accounts, follow_ups, owner_people
from services.signals.store.account import OrderRow, SignalRow
from services.signals.store.follow_ups import NoteRow
from services.signals.store.head import Head
from shared import clock
from shared.domain.identifiers import wrong_id
from shared.domain.typed_numbers import NumberStyle
from shared.errors import Rejected
from shared.ids import derived
from shared.wording import (
    counted,
    exact_day,
    exact_time,
    money,
    plain_name,
    short_day,
    whole_money,
)

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

ORDERS_SHOWN = 12
CARDS_SHOWN = 10
WHYS_SHOWN = 3  # of the cards, at once; the others' are an address away


@dataclass(frozen=True, kw_only=True)
class OrderView:
    """One order as a row."""

    order: str
    day: str
    lines: str
    net: str
    note: str


@dataclass(frozen=True, kw_only=True)
class NoteView:
    """What somebody wrote down; delete_path is empty for who may not."""

    body: str
    by: str
    when: str
    when_exact: str
    delete_path: str


@dataclass(frozen=True, kw_only=True)
class DrawerView:
    """Everything of one account, top to bottom. cards_pages: range, the page before and behind.
    whys: signals whose why the page carries, and whether it is open.
    """

    account: str
    path: str
    name: str
    owner: str
    close_path: str
    here: str
    previous_path: str
    next_path: str
    enrollment: EnrollmentView
    badges: list[BadgeView]
    facts: list[tuple[str, str, str]]
    cards: list[SignalCard]
    cards_count: str
    cards_pages: tuple[str, str, str] | None
    whys: dict[str, bool]
    why_path: str
    orders: list[OrderView]
    orders_line: str
    contacts: ContactsView
    enrolled: list[dict[str, str]]
    history: list[EntryView]
    notes: list[NoteView]
    notes_path: str
    note_once: str
    note_typed: str
    note_error: str


@router.get("/o/{organization}/accounts/{account:path}")
def account_page(request: Request, organization: str, account: str) -> Response:
    """The drawer with the table that the address asks for beside it."""
    if wrong_id(account):
        raise NotHere
    return _page(request, organization, account)


def _page(
    request: Request,
    organization: str,
    account: str,
    *,
    contact_form: FormView | None = None,
    note: tuple[str, str] = ("", ""),
    status_code: int = 200,
) -> Response:
    now = clock.now()
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        row = accounts.find(connection, organization, account)
        plain = store.find(connection, organization, account)
        if row is None or plain is None:
            raise NotHere
        table = table_of(connection, request, organization, head, who, beside=account)
        path = f"{path_of(request)}{table.query}{'&' if table.query else '?'}"
        active_count = store.count_active(connection, organization, account)
        skip = _skipped(request.query_params.get("from", ""), active_count)
        found = store.signals_of(connection, organization, account, skip=skip)
        active = [signal for signal in found if signal.recovered_at is None][:CARDS_SHOWN]
        versions = past.versions(
            connection, organization, (signal.settings_version for signal in active)
        )
        since = earliest(active, versions)
        behind = past.orders_behind(connection, organization, account, after=since) if since else []
        usual = past.median_shares(connection, organization, [signal.run for signal in active])
        gap = accounts.typical_gaps(connection, organization, [account]).get(account)
        first_on, orders_count = past.facts(connection, organization, account)
        here = account_path(organization, account) + "".join(table.back.partition("?")[1:])
        before, behind_it = _neighbours(table, account)
        drawer = DrawerView(
            account=account,
            path=account_path(organization, account),
            name=plain_name(row.name or account),
            owner=owner_words(row.owner, owner_people.people(connection, organization))
            or "nobody yet",
            close_path=table.here,
            here=here,
            previous_path=before,
            next_path=behind_it,
            enrollment=enrollment_view(row, now),
            badges=badges(row, [], head, now),
            facts=_facts(row, gap, first_on, orders_count, head, now),
            cards=[],
            whys=_whys(active, request.query_params.get("why")),
            why_path=f"{path}{f'from={skip + 1}&' if skip else ''}why=",
            cards_count=f"{active_count:,}" if active_count else "",
            cards_pages=_pages(f"{path}from=", skip, active_count),
            orders=_orders(
                store.orders_of(connection, organization, account, limit=ORDERS_SHOWN), head, now
            ),
            orders_line=shown_of(min(ORDERS_SHOWN, orders_count), orders_count),
            contacts=contacts_view(
                organization,
                account,
                store.contacts_of(connection, organization, account),
                here=here,
                asked=request.query_params.get("contact") if contact_form is None else None,
                now=now,
                form=contact_form,
            ),
            enrolled=[
                _enrolled(one, organization, head)
                for one in past.enrollments(connection, organization, account)
            ],
            history=history(connection, organization, account, head),
            notes=[
                _note(row, organization, who, head)
                for row in follow_ups.notes_of(connection, organization, account)
            ],
            notes_path=f"{account_path(organization, account)}/notes",
            note_once=secrets.token_hex(16),
            note_typed=note[0],
            note_error=note[1],
        )
        panel = outcomes_view.panel(
            connection,
            organization,
            plain,
            found,
            who=who,
            head=head,
            back=drawer.here,
            next_path=drawer.next_path,
        )
    # all of it is read: nobody waits for a connection meanwhile
    drawn = cards(active, behind, versions, usual, row.last_ordered_on, head)
    return render(
        request,
        "accounts.html",
        status_code=status_code,
        visitor=who,
        organization=organization,
        head=head,
        table=table,
        drawer=replace(drawer, cards=drawn),
        outcomes=panel,
    )


@router.post("/o/{organization}/accounts/{account:path}/primary")
def choose_primary(request: Request, organization: str, account: str, form: Form) -> Response:
    """Whom drafts write to, whatever records say."""
    contact = form.get("contact", "")
    if wrong_id(account) or wrong_id(contact):
        raise NotHere
    with organization_of(request, organization) as (who, connection):
        by = who.acting_in(organization)
        contacts.choose_primary(connection, organization, account, contact, by=by)
    answer = RedirectResponse(back_to_table(form.get("back", ""), organization), status_code=303)
    flash(request, answer, "Primary contact changed: new drafts write to them")
    return answer


@router.post("/o/{organization}/accounts/{account:path}/contacts")
def put_contact(request: Request, organization: str, account: str, form: Form) -> Response:
    """Add somebody, or change whom `contact` names."""
    contact, once = form.get("contact", ""), form.get("once") or secrets.token_hex(16)
    if wrong_id(account) or (contact and wrong_id(contact)):
        raise NotHere
    back = back_to(
        form.get("back", ""), organization, otherwise=account_path(organization, account)
    )
    try:
        person = contacts.read_person(form)
        with organization_of(request, organization) as (who, connection):
            by, is_primary = who.acting_in(organization), form.get("primary") == "yes"
            key = (connection, organization, account)
            if contact:
                seen = form.get("edition", "")
                contacts.change(*key, contact, person, seen=seen, is_primary=is_primary, by=by)
            else:
                made = derived("contact", organization, account, who.email, once)
                contacts.add(*key, made, person, is_primary=is_primary, by=by)
    except Rejected as refused:
        came_back = returned(organization, account, form, by_field(refused), back=back)
        return _page(request, organization, account, contact_form=came_back, status_code=422)
    answer = RedirectResponse(f"{back}#contacts", status_code=303)
    name = plain_name(person.name or person.email or person.phone or "")
    flash(request, answer, f"{name} {'changed' if contact else 'added'}")
    return answer


@router.post("/o/{organization}/accounts/{account:path}/notes")
def write_note(request: Request, organization: str, account: str, form: Form) -> Response:
    """Something to know about the account, for whoever opens it next."""
    if wrong_id(account):
        raise NotHere
    back = back_to(
        form.get("back", ""), organization, otherwise=account_path(organization, account)
    )
    try:
        with organization_of(request, organization) as (who, connection):
            once = form.get("once") or secrets.token_hex(16)
            follow_up_actions.write_note(
                connection,
                organization,
                account,
                derived("note", organization, account, who.email, once),
                form.get("note", ""),
                by=who.acting_in(organization),
                at=clock.now(),
            )
    except Rejected as refused:
        came_back = (form.get("note", ""), refused.errors[0].reason)
        return _page(request, organization, account, note=came_back, status_code=422)
    answer = RedirectResponse(f"{back}#notes", status_code=303)
    flash(request, answer, "Note written")
    return answer


@router.post("/o/{organization}/notes/{note}/delete")
def delete_note(request: Request, organization: str, note: str, form: Form) -> Response:
    """By who wrote it, or an owner or admin."""
    if wrong_id(note):
        raise NotHere
    try:
        with organization_of(request, organization) as (who, connection):
            by = who.acting_in(organization)
            row = follow_up_actions.delete_note(connection, organization, note, by=by)
    except Rejected as refused:
        raise Refused(403, refused.errors[0].reason) from None
    otherwise = account_path(organization, row.account)
    back = back_to(form.get("back", ""), organization, otherwise=otherwise)
    answer = RedirectResponse(f"{back}#notes", status_code=303)
    flash(request, answer, "Note deleted")
    return answer


def _note(row: NoteRow, organization: str, who: Visitor, head: Head) -> NoteView:
    when, when_exact = moment(row.at, head.timezone)
    may = row.actor == who.email or who.governs(organization)
    return NoteView(
        body=plain_name(row.body),
        by=plain_name(row.actor),
        when=when,
        when_exact=when_exact,
        delete_path=f"/o/{organization}/notes/{row.note}/delete" if may else "",
    )


def _neighbours(table: TableView, account: str) -> tuple[str, str]:
    """The addresses of the rows before and behind the account's, where the page has them."""
    paths = [row.path for row in table.rows]
    at = next((n for n, row in enumerate(table.rows) if row.account == account), None)
    if at is None:
        return "", paths[0] if paths else ""
    return paths[at - 1] if at else "", paths[at + 1] if at + 1 < len(paths) else ""


def _facts(
    row: accounts.ListedRow,
    gap: tuple[int, int] | None,
    first_on: date | None,
    orders: int,
    head: Head,
    now: datetime,
) -> list[tuple[str, str, str]]:
    """(label, value, note) of the four figures that come first."""
    today = now.astimezone(ZoneInfo(head.timezone)).date()
    last = row.last_ordered_on
    return [
        (
            "Last order",
            "none"
            if last is None
            else "today"
            if last >= today
            else f"{(today - last).days:,} d ago",
            "" if last is None else exact_day(last),
        ),
        (
            "Typical gap",
            f"{gap[0]} d" if gap else "–",
            f"median of {gap[1]:,}" if gap else "too few orders",
        ),
        (
            "Lifetime",
            money(row.lifetime_cents, head.currency, head.locale),
            f"since {exact_day(first_on)}" if first_on else counted(orders, "order"),
        ),
        (
            "At stake",
            money(row.at_stake_cents, head.currency, head.locale) if row.at_stake_cents else "–",
            _at_stake_of(row),
        ),
    ]


def _whys(signals: Sequence[SignalRow], asked: str | None) -> dict[str, bool]:
    """The first ones', of which the very first is open, and the one
    that is asked for, which is open.
    """
    return {
        signal.signal: signal.signal == asked or number == 0
        for number, signal in enumerate(signals)
        if number < WHYS_SHOWN or signal.signal == asked
    }


def _skipped(asked: str, active: int) -> int:
    """Of the active signals, those before the page that begins with number `asked`."""
    first = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 1
    return min(max(0, first - 1), max(0, active - 1)) // CARDS_SHOWN * CARDS_SHOWN


def _pages(path: str, skip: int, active: int) -> tuple[str, str, str] | None:
    """(range, the page before, the page behind) where one page has not all of them."""
    if active <= CARDS_SHOWN:
        return None
    behind = skip + CARDS_SHOWN
    return (
        f"{skip + 1:,}–{min(behind, active):,} of {active:,}",
        f"{path}{skip + 1 - CARDS_SHOWN}" if skip else "",
        f"{path}{behind + 1}" if behind < active else "",
    )


def _at_stake_of(row: accounts.ListedRow) -> str:
    if row.dormant:
        return "its last year"
    parts = [counted(row.lapse, "lapsed product")] if row.lapse else []
    return ", ".join(parts + (["upside"] if row.cherry_picking else [])) or "no active signal"


def _orders(rows: Sequence[OrderRow], head: Head, now: datetime) -> list[OrderView]:
    today = now.astimezone(ZoneInfo(head.timezone)).date()
    return [order_view(row, style=head.style, today=today) for row in rows]


def order_view(row: OrderRow, *, style: NumberStyle, today: date) -> OrderView:
    """A cancelled order counts nowhere."""
    return OrderView(
        order=row.order_id,
        day=short_day(row.counts_on, seen_from=today),
        lines=counted(row.lines, "line"),
        net=whole_money(row.net_cents, style),
        note="cancelled" if row.cancelled else "",
    )


def _enrolled(row: past.EnrollmentRow, organization: str, head: Head) -> dict[str, str]:
    reason = REASONS.get(row.reason or "", STOPPED.get(row.reason or "", row.reason or ""))
    state = {
        "enrolled": f"In, sequence is {row.sequence_state}",
        "active": f"Written to, sequence is {row.sequence_state}",
        "held": "Letters are held",
        "task": "Your turn: did an answer come?",
        "skipped": f"Skipped: {reason}",
        "stopped": f"Stopped: {reason}",
        "finished": "Through, without an answer",
    }
    day = row.enrolled_at.astimezone(ZoneInfo(head.timezone)).date()
    return {
        "path": f"/o/{organization}/sequences/{row.sequence}",
        "name": plain_name(row.name),
        "state": state.get(row.state, row.state.capitalize()),
        "since": short_day(day, seen_from=clock.today(head.timezone)),
        "since_exact": exact_time(row.enrolled_at, head.timezone),
    }
