"""The accounts table: a page by sort and filter, and which columns this browser shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.console.accounts.address import COLUMNS, Address, read_address
from services.signals.console.accounts.row import (
    ENROLLMENTS,
    RowView,
    row_view,
)
from services.signals.console.accounts.saved_views import ViewView, entries
from services.signals.console.http.access import Visitor
from services.signals.console.http.forms import Form
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.paths import back_to_table, path_of
from services.signals.console.words import owner_words, short_ago
from services.signals.store import accounts, owner_people
from services.signals.store.account_filter import BACK_DAYS, Filter, State
from services.signals.store.account_paging import Sort
from services.signals.store.accounts import Counted, ListTotals
from services.signals.store.head import Head
from services.signals.store.owner_people import OwnerPerson
from shared import clock, db
from shared.events import SignalType
from shared.wording import TYPE_LETTERS, TYPE_NAMES, exact_time, money, plain_name, short_money

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

ROWS_A_PAGE = 50
# of them beside a drawer at first: the page stays light; the others come on demand
ROWS_BESIDE = 15
COLUMNS_COOKIE = "winback_columns"
COLUMNS_LAST = timedelta(days=365)
SORT_NAMES: dict[Sort, str] = {
    "stake": "at stake",
    "lifetime": "lifetime",
    "last_order": "last order",
    "name": "name",
}
STATE_NAMES: dict[State, str] = {
    "paused": "Paused",
    "claimed": "Claimed",
    "lost": "Lost",
    "back": f"Came back in {BACK_DAYS} days",
}
TAB_NAMES = TYPE_NAMES | {"lapse": "Lapse"}


@dataclass(frozen=True, kw_only=True)
class TableView:
    """The page's left side, with or without a drawer beside it. earlier, later: the first and the
    last row that are shown, where the page has more before or behind them, which `whole` gives.
    """

    call: str
    call_noun: str
    call_path: str
    recoverable: str
    recoverable_exact: str
    fresh: str
    fresh_exact: str
    tabs: list[dict[str, Any]]
    heads: list[dict[str, Any]]
    sorts: list[tuple[str, str, bool]]
    sort_name: str
    caption: str
    rows: list[RowView]
    earlier: int | None
    later: int | None
    whole: str
    columns: frozenset[str]
    choices: list[tuple[str, str, bool]]
    mine: str
    is_mine: bool
    states: list[tuple[str, str, bool]]
    owners: list[tuple[str, str, bool]]
    pins: list[tuple[str, str, bool]]
    narrowed_by: list[tuple[str, str]]
    views: list[ViewView]
    query: str
    own_columns: str
    q: str
    here: str
    back: str
    path: str
    csv_path: str
    range: str
    previous: str
    following: str
    is_empty: bool
    has_orders: bool


@router.get("/o/{organization}/accounts")
def accounts_page(request: Request, organization: str) -> Response:
    """The table alone."""
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        table = table_of(connection, request, organization, head, who)
    return render(
        request,
        "accounts.html",
        visitor=who,
        organization=organization,
        head=head,
        table=table,
        drawer=None,
    )


@router.post("/o/{organization}/columns")
def choose_columns(request: Request, organization: str, form: Form) -> Response:
    """Which columns this browser shows, where a view does not say it."""
    with organization_of(request, organization):
        pass
    hidden = [name for name in COLUMNS if name not in form.all("column")]
    answer = RedirectResponse(back_to_table(form.get("back", ""), organization), status_code=303)
    answer.set_cookie(
        COLUMNS_COOKIE,
        ".".join(hidden),
        max_age=int(COLUMNS_LAST.total_seconds()),
        httponly=True,
        samesite="lax",
        path="/",
    )
    return answer


def table_of(
    connection: db.Connection,
    request: Request,
    organization: str,
    head: Head,
    who: Visitor,
    *,
    beside: str | None = None,
) -> TableView:
    """The table that the request's address asks for; beside an account's
    drawer the rows around that account.
    """
    address, now = read_address(organization, request.query_params), clock.now()
    own = owner_people.of_member(connection, organization, who.email)
    people = owner_people.people(connection, organization)
    narrowed = address.narrowed(own)
    rows = accounts.page(
        connection,
        organization,
        sort=address.sort,
        descending=address.descending,
        narrowed=narrowed,
        place=address.place,
        limit=ROWS_A_PAGE + 1,
        now=now,
    )
    forwards = address.place is None or address.place.is_after
    more = len(rows) > ROWS_A_PAGE
    shown = rows[:ROWS_A_PAGE] if forwards else rows[-ROWS_A_PAGE:]
    first = address.number if forwards else max(1, address.number - len(shown))
    names = [row.account for row in shown]
    start, end = (
        _around(beside, names)
        if beside is not None and request.query_params.get("rows") != "all"
        else (0, len(shown))
    )
    tops = accounts.top_signals(connection, organization, names[start:end])
    gaps = accounts.typical_gaps(connection, organization, names[start:end])
    totals = accounts.totals(connection, organization, now=now)
    total = accounts.count(connection, organization, narrowed, now=now)
    everyone = (
        total
        if narrowed == Filter()
        else accounts.count(connection, organization, Filter(), now=now)
    )
    has_previous = (more if not forwards else address.place is not None) and bool(shown)
    has_following = (more if forwards else True) and bool(shown)
    columns = _columns(address, request)
    return TableView(
        call=f"{totals.call:,}",
        call_noun="needs a call" if totals.call == 1 else "need a call",
        call_path=address.to(
            only="call", owner=None, enrollment=None, q="", mine=False, state=None, digest=None
        ).path,
        recoverable=short_money(totals.recoverable_cents, head.currency, head.locale),
        recoverable_exact=money(totals.recoverable_cents, head.currency, head.locale),
        fresh="" if head.last_accepted_at is None else short_ago(now - head.last_accepted_at),
        fresh_exact=""
        if head.last_accepted_at is None
        else exact_time(head.last_accepted_at, head.timezone),
        tabs=_tabs(address, totals, everyone, head),
        heads=_heads(address, columns),
        sorts=[
            (name, address.sorted_by(sort).path, sort == address.sort)
            for sort, name in SORT_NAMES.items()
        ],
        sort_name=SORT_NAMES[address.sort],
        caption=f"Accounts by {SORT_NAMES[address.sort]}, "
        f"{'descending' if address.descending else 'ascending'}",
        rows=[
            row_view(row, number, address, tops, gaps, head, now, people=people)
            for number, row in enumerate(shown[start:end], start + 1)
        ],
        earlier=start + 1 if start else None,
        later=end if end < len(shown) else None,
        whole=f"{path_of(request)}{address.query}{'&' if address.query else '?'}rows=all",
        columns=columns,
        choices=[(name, label, name in columns) for name, label in COLUMNS.items()],
        mine=address.to(mine=not address.mine).path if own else "",
        is_mine=address.mine,
        states=[
            (
                label,
                address.to(state=None if state == address.state else state).path,
                state == address.state,
            )
            for state, label in STATE_NAMES.items()
        ],
        owners=[
            (
                owner_words(name, people),
                address.to(owner=None if name == address.owner else name).path,
                name == address.owner,
            )
            for name in accounts.owners(connection, organization)
        ],
        pins=[
            (
                label,
                address.to(enrollment=None if pin == address.enrollment else pin).path,
                pin == address.enrollment,
            )
            for pin, label in ENROLLMENTS.items()
        ],
        narrowed_by=_narrowed_by(address, people),
        views=entries(connection, address, who),
        query=address.to(columns=columns).query,
        own_columns=address.to(columns=None).path,
        q=address.q,
        here=address.path,
        back=f"{path_of(request)}{address.query}",
        path=f"/o/{organization}/accounts",
        csv_path=f"/o/{organization}/accounts.csv{address.to().query}",
        range=_range(first, len(shown), total),
        previous=address.before(shown[0], first).path if has_previous else "",
        following=address.behind(shown[-1], first + len(shown)).path if has_following else "",
        is_empty=not shown,
        has_orders=head.last_accepted_at is not None,
    )


def _columns(address: Address, request: Request) -> frozenset[str]:
    """Those that the address names, as a saved view's does; else this browser's own."""
    if address.columns is not None:
        return address.columns
    hidden = request.cookies.get(COLUMNS_COOKIE, "").split(".")
    return frozenset(name for name in COLUMNS if name not in hidden)


def _around(account: str, names: list[str]) -> tuple[int, int]:
    """(start, end) of the rows that stand beside the account's drawer:
    with it about in their middle.
    """
    at = names.index(account) if account in names else 0
    start = max(0, min(at - ROWS_BESIDE // 2, len(names) - ROWS_BESIDE))
    return start, min(len(names), start + ROWS_BESIDE)


def _tabs(
    address: Address, totals: ListTotals, everyone: Counted, head: Head
) -> list[dict[str, Any]]:
    counts: dict[SignalType, int] = {
        "dormant": totals.dormant,
        "lapse": totals.lapse,
        "cherry_picking": totals.cherry_picking,
    }
    # the latest run counted all
    some = everyone.number if everyone.is_all else max(everyone.number, head.accounts or 0)
    found: list[dict[str, Any]] = [
        {"name": "All", "letter": "", "count": f"{some:,}", "only": None}
    ]
    found += [
        {
            "name": TAB_NAMES[only],
            "letter": TYPE_LETTERS[only],
            "count": f"{number:,}",
            "only": only,
        }
        for only, number in counts.items()
    ]
    return [
        tab | {"path": address.to(only=tab["only"]).path, "is_chosen": tab["only"] == address.only}
        for tab in found
    ]


def _heads(address: Address, columns: frozenset[str]) -> list[dict[str, Any]]:
    found: list[tuple[str, str, str, Sort | None]] = [
        ("acc", "Account", "", "name"),
        ("own", "Owner", "", None),
        ("wb", "Win-Back", "", None),
        ("enr", "Enrollment", "", None),
        ("gap", "Since order", "(typical)", "last_order"),
        ("life", "Lifetime", "", "lifetime"),
        ("stake", "At stake", "", "stake"),
        ("con", "Last contact", "", None),
    ]
    return [
        {
            "name": name,
            "label": label,
            "note": note,
            "path": address.sorted_by(sort).path if sort else "",
            "sorted": ("descending" if address.descending else "ascending")
            if sort == address.sort
            else "",
        }
        for name, label, note, sort in found
        if name == "acc" or name in columns
    ]


def _narrowed_by(address: Address, people: Mapping[str, OwnerPerson]) -> list[tuple[str, str]]:
    """(what, the address without it)."""
    found = []
    if address.mine:
        found.append(("mine", address.to(mine=False).path))
    if address.digest is not None:
        found.append(("of one digest", address.to(digest=None).path))
    if address.state is not None:
        found.append((STATE_NAMES[address.state].lower(), address.to(state=None).path))
    if address.only == "call":
        found.append(("need a call", address.to(only=None).path))
    if address.owner is not None:
        found.append((f"owner {owner_words(address.owner, people)}", address.to(owner=None).path))
    if address.enrollment is not None:
        found.append(
            (f"enrollment {ENROLLMENTS[address.enrollment]}", address.to(enrollment=None).path)
        )
    if address.q:
        found.append((f"“{plain_name(address.q)}”", address.to(q="").path))
    return found


def _range(first: int, shown: int, total: Counted) -> str:
    if not shown:
        return ""
    last = first + shown - 1
    some = f"{total.number:,}" if total.is_all else f"more than {max(total.number, last):,}"
    return f"{first:,}–{last:,} of {some}"
