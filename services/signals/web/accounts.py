"""The accounts table: a page by sort and filter, enrollment changed in place, columns, the same rows as CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from services.signals.store import accounts, pages, settings
from services.signals.store.accounts import ListedRow, ListTotals, Sort, TopSignal
from services.signals.store.pages import Head
from services.signals.web import views
from services.signals.web.access import NotHere, app_pool, organization_of
from services.signals.web.doors import local_path
from services.signals.web.forms import Form, flash
from services.signals.web.listing import Address, read_address
from services.signals.web.problems import Wrong
from services.signals.web.rendering import render
from shared import clock, db
from shared.domain.enrollment import INCLUDED, Enrollment, inclusion
from shared.domain.identifiers import wrong_id
from shared.domain.money import minor_places
from shared.events import Combo, SignalType
from shared.wording import combo_words, money, percent, plain_name, short_day, short_money

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

ROWS_A_PAGE = 50
COLUMNS_COOKIE = "winback_columns"
COLUMNS_LAST = timedelta(days=365)
COLUMNS: dict[str, str] = {
    "own": "Owner",
    "wb": "Win-Back",
    "enr": "Enrollment",
    "gap": "Since order",
    "life": "Lifetime",
    "stake": "At stake",
    "con": "Last contact",
}
SORT_NAMES: dict[Sort, str] = {"stake": "at stake", "lifetime": "lifetime", "last_order": "last order", "name": "name"}
ENROLLMENTS: dict[Enrollment, tuple[str, str]] = {
    "auto": ("Auto", "while a signal is active"),
    "yes": ("Yes", "in every digest"),
    "no": ("No", "in none"),
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
EXPORTED = (
    "account", "name", "owner", "dormant", "lapse", "cherry_picking", "enrollment", "in_digest", "last_ordered_on",
    "lifetime", "at_stake", "currency", "last_contact_at", "paused_until", "lost_at",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BadgeView:
    """One type on an account. state: "", "co" (reached out), "lo" (lost). items: (what, how long, revenue) of the largest."""

    type: SignalType
    letter: str
    times: str
    state: str
    words: str
    title: str
    items: list[tuple[str, str, str]]


@dataclass(frozen=True, kw_only=True)
class EnrollmentView:
    """How an account is pinned, and whether that puts it into the next digest."""

    account: str
    pinned: Enrollment
    pin: str
    answer: str
    choices: list[tuple[Enrollment, str, str]]


@dataclass(frozen=True, kw_only=True)
class RowView:
    """An account as a row."""

    account: str
    path: str
    name: str
    owner: str
    badges: list[BadgeView]
    enrollment: EnrollmentView
    since: str
    since_exact: str
    typical: str
    lifetime: str
    lifetime_exact: str
    stake: str
    stake_exact: str
    contact: str
    contact_exact: str
    contact_note: str


@dataclass(frozen=True, kw_only=True)
class TableView:
    """The page's left side, with or without a drawer beside it."""

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
    columns: frozenset[str]
    choices: list[tuple[str, str, bool]]
    owners: list[tuple[str, str, bool]]
    pins: list[tuple[str, str, bool]]
    narrowed_by: list[tuple[str, str]]
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
        table = table_of(connection, request, organization, head)
    return render(request, "accounts.html", visitor=who, organization=organization, head=head, table=table, drawer=None)


@router.get("/o/{organization}/accounts.csv")
def export(request: Request, organization: str) -> Response:
    """All rows of the view, as they are read. Spreadsheets take no cell for a formula."""
    with organization_of(request, organization) as (_, connection):
        head = head_of(connection, organization)
    address, now = read_address(organization, request.query_params), clock.now()

    def lines() -> Iterator[str]:
        yield "\ufeff" + _csv(EXPORTED)
        with db.organization_transaction(app_pool(request), organization) as connection:
            found = accounts.everything(
                connection, organization, sort=address.sort, descending=address.descending, narrowed=address.narrowed, now=now
            )
            for row in found:
                yield _csv(_exported(row, head.currency, now))

    name = f"accounts-{organization}-{clock.today(head.timezone).isoformat()}.csv"
    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"},
    )


@router.post("/o/{organization}/columns")
def choose_columns(request: Request, organization: str, form: Form) -> Response:
    """Which columns this browser shows."""
    with organization_of(request, organization):
        pass
    hidden = [name for name in COLUMNS if name not in form.all("column")]
    answer = RedirectResponse(back_to(form.get("back", ""), organization), status_code=303)
    answer.set_cookie(
        COLUMNS_COOKIE, ".".join(hidden), max_age=int(COLUMNS_LAST.total_seconds()), httponly=True, samesite="lax", path="/"
    )
    return answer


@router.post("/o/{organization}/enrollment")
def set_enrollment(request: Request, organization: str, form: Form) -> Response:
    """`auto`, `yes` or `no` is the pressed button's name, the account its value; scripts get only the cell back."""
    pressed = [(pin, form[pin]) for pin in ENROLLMENTS if pin in form]
    if len(pressed) != 1:
        raise Wrong("enrollment", "must be one of auto, yes and no")
    chosen, account = pressed[0]
    if wrong_id(account):
        raise NotHere
    now = clock.now()
    with organization_of(request, organization) as (who, connection):
        was = accounts.set_enrollment(connection, organization, account, chosen)
        if was is None:
            raise NotHere
        if was != chosen:
            settings.note(
                connection,
                organization,
                at=now,
                actor=who.email,
                action="enrollment",
                subject=f"account {account}",
                detail={"from": was, "to": chosen},
            )
        row = accounts.find(connection, organization, account)
    assert row is not None
    if request.headers.get("hx-request") == "true":
        return render(request, "parts/enrollment.html", enrollment=enrollment_view(row, now), organization=organization)
    answer = RedirectResponse(back_to(form.get("back", ""), organization), status_code=303)
    if was != chosen:
        flash(request, answer, f"{plain_name(row.name or account)}: enrollment {ENROLLMENTS[row.enrollment][0]}")
    return answer


def table_of(connection: db.Connection, request: Request, organization: str, head: Head) -> TableView:
    """The table that the request's address asks for."""
    address, now = read_address(organization, request.query_params), clock.now()
    rows = accounts.page(
        connection,
        organization,
        sort=address.sort,
        descending=address.descending,
        narrowed=address.narrowed,
        place=address.place,
        limit=ROWS_A_PAGE + 1,
        now=now,
    )
    forwards = address.place is None or address.place.is_after
    more = len(rows) > ROWS_A_PAGE
    shown = rows[:ROWS_A_PAGE] if forwards else rows[-ROWS_A_PAGE:]
    first = address.number if forwards else max(1, address.number - len(shown))
    names = [row.account for row in shown]
    tops = accounts.top_signals(connection, organization, names)
    gaps = accounts.typical_gaps(connection, organization, names)
    totals = accounts.totals(connection, organization, now=now)
    total = accounts.count(connection, organization, address.narrowed, now=now)
    everyone = (
        total if address.narrowed == accounts.Filter() else accounts.count(connection, organization, accounts.Filter(), now=now)
    )
    has_previous = (more if not forwards else address.place is not None) and bool(shown)
    has_following = (more if forwards else True) and bool(shown)
    hidden = request.cookies.get(COLUMNS_COOKIE, "").split(".")
    columns = frozenset(name for name in COLUMNS if name not in hidden)
    return TableView(
        call=f"{totals.call:,}",
        call_noun="needs a call" if totals.call == 1 else "need a call",
        call_path=address.to(only="call", owner=None, enrollment=None, q="").path,
        recoverable=short_money(totals.recoverable_cents, head.currency),
        recoverable_exact=money(totals.recoverable_cents, head.currency),
        fresh="" if head.last_accepted_at is None else short_ago(now - head.last_accepted_at),
        fresh_exact="" if head.last_accepted_at is None else exact_time(head.last_accepted_at, head.timezone),
        tabs=_tabs(address, totals, everyone, head),
        heads=_heads(address, columns),
        sorts=[(name, address.sorted_by(sort).path, sort == address.sort) for sort, name in SORT_NAMES.items()],
        sort_name=SORT_NAMES[address.sort],
        caption=f"Accounts by {SORT_NAMES[address.sort]}, {'descending' if address.descending else 'ascending'}",
        rows=[_row(row, address, tops, gaps, head, now) for row in shown],
        columns=columns,
        choices=[(name, label, name in columns) for name, label in COLUMNS.items()],
        owners=[
            (plain_name(name), address.to(owner=None if name == address.owner else name).path, name == address.owner)
            for name in accounts.owners(connection, organization)
        ],
        pins=[
            (label, address.to(enrollment=None if pin == address.enrollment else pin).path, pin == address.enrollment)
            for pin, (label, _) in ENROLLMENTS.items()
        ],
        narrowed_by=_narrowed_by(address),
        q=address.q,
        here=address.path,
        back=f"{request.url.path}{address.query}",
        path=f"/o/{organization}/accounts",
        csv_path=f"/o/{organization}/accounts.csv{address.to().query}",
        range=_range(first, len(shown), total),
        previous=address.before(shown[0], first).path if has_previous else "",
        following=address.behind(shown[-1], first + len(shown)).path if has_following else "",
        is_empty=not shown,
        has_orders=head.last_accepted_at is not None,
    )


def _row(
    row: ListedRow, address: Address, tops: Sequence[TopSignal], gaps: dict[str, tuple[int, int]], head: Head, now: datetime
) -> RowView:
    today = now.astimezone(ZoneInfo(head.timezone)).date()
    contact, contact_exact, note = contact_words(row, head, now)
    return RowView(
        account=row.account,
        path=address.account_path(row.account),
        name=plain_name(row.name or row.account),
        owner=plain_name(row.owner or ""),
        badges=badges(row, [top for top in tops if top.account == row.account], head, now),
        enrollment=enrollment_view(row, now),
        since=days_since(row.last_ordered_on, today),
        since_exact="" if row.last_ordered_on is None else exact_day(row.last_ordered_on),
        typical=f"({gaps[row.account][0]} d)" if row.account in gaps else "",
        lifetime=short_money(row.lifetime_cents, head.currency),
        lifetime_exact=money(row.lifetime_cents, head.currency),
        stake=short_money(row.at_stake_cents, head.currency) if row.at_stake_cents else "",
        stake_exact=money(row.at_stake_cents, head.currency),
        contact=contact,
        contact_exact=contact_exact,
        contact_note=note,
    )


def badges(row: ListedRow, tops: Sequence[TopSignal], head: Head, now: datetime) -> list[BadgeView]:
    """A badge a type that is active, with its largest signals."""
    is_paused = row.paused_until is not None and now < row.paused_until
    state, said = ("lo", ", lost") if row.lost_at is not None else ("co", ", reached out") if is_paused else ("", "")
    found = []
    times_of: dict[SignalType, int] = {"dormant": row.dormant, "lapse": row.lapse, "cherry_picking": row.cherry_picking}
    for type_, times in times_of.items():
        if not times:
            continue
        name = views.TYPES[type_]
        found.append(
            BadgeView(
                type=type_,
                letter=views.LETTERS[type_],
                times=f"×{times}" if times > 1 else "",
                state=state,
                words=f"{views.LETTERS[type_]}: {name}{f', {times} combinations' if times > 1 else ''}{said}",
                title=name if times <= accounts.TOP_ITEMS else f"{name}, the largest {accounts.TOP_ITEMS} of {times}",
                items=[_item(top, head.currency) for top in tops if top.type == type_],
            )
        )
    return found


def _item(top: TopSignal, currency: str) -> tuple[str, str, str]:
    figures = top.figures
    if top.type == "dormant":
        return "All orders", f"none for {figures['days_inactive']} d", money(figures["last_year_revenue_cents"], currency)
    if top.type == "lapse":
        silent = f"silent {figures['days_silent']} d"
        return combo_words(Combo(od=top.od, grade=top.grade)), silent, money(figures["lapsed_revenue_cents"], currency)
    return "Specialty", percent(figures["specialty_share_bps"]), money(figures["estimated_upside_cents"], currency)


def enrollment_view(row: ListedRow, now: datetime) -> EnrollmentView:
    """Auto says what it comes to."""
    included = in_digest(row, now)
    return EnrollmentView(
        account=row.account,
        pinned=row.enrollment,
        pin="Auto · " if row.enrollment == "auto" else "",
        answer="Yes" if (included if row.enrollment == "auto" else row.enrollment == "yes") else "No",
        choices=[(pin, label, note) for pin, (label, note) in ENROLLMENTS.items()],
    )


def in_digest(row: ListedRow, now: datetime) -> bool:
    """Whether the next digest shows it."""
    why = inclusion(enrollment=row.enrollment, lost_at=row.lost_at, paused_until=row.paused_until, at=now)
    return why in INCLUDED and (why == "always" or row.dormant + row.lapse + row.cherry_picking > 0)


def contact_words(row: ListedRow, head: Head, now: datetime) -> tuple[str, str, str]:
    """(how long ago, exactly, what holds since): the note is of a pause or a loss."""
    zone = ZoneInfo(head.timezone)
    today = now.astimezone(zone).date()
    if row.lost_at is not None:
        note = "lost"
    elif row.paused_until is not None and now < row.paused_until:
        note = f"to {short_day(row.paused_until.astimezone(zone).date(), seen_from=today)}"
    else:
        note = ""
    if row.last_contact_at is None:
        return "", "", note
    days = (today - row.last_contact_at.astimezone(zone).date()).days
    return "today" if days <= 0 else f"{days} d ago", exact_time(row.last_contact_at, head.timezone), note


def days_since(day: date | None, today: date) -> str:
    """12 d, or nothing."""
    return "" if day is None else f"{max(0, (today - day).days):,} d"


def short_ago(length: timedelta) -> str:
    """2 min ago."""
    minutes = int(max(length, timedelta()) / timedelta(minutes=1))
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440:,} d ago"


def exact_time(at: datetime, timezone: str) -> str:
    """23 Nov 2026, 07:58 CST."""
    local = at.astimezone(ZoneInfo(timezone))
    return f"{exact_day(local.date())}, {local:%H:%M %Z}"


def exact_day(day: date) -> str:
    """23 Nov 2026."""
    return short_day(day, seen_from=date.min)


def back_to(path: str, organization: str) -> str:
    """Where a form says that it came from, within the organization."""
    own = f"/o/{organization}/accounts"
    plain, question, query = path.partition("?")
    if local_path(plain) != plain or not (plain == own or plain.startswith(f"{own}/")):
        return own
    return f"{plain}{question}{query}" if query.isascii() and query.isprintable() else plain


def head_of(connection: db.Connection, organization: str) -> Head:
    """Raises NotHere."""
    head = pages.head(connection, organization)
    if head is None:
        raise NotHere
    return head


def _tabs(address: Address, totals: ListTotals, everyone: int, head: Head) -> list[dict[str, Any]]:
    counts: dict[SignalType, tuple[str, int]] = {
        "dormant": ("Dormant", totals.dormant),
        "lapse": ("Lapse", totals.lapse),
        "cherry_picking": ("Cherry-picking", totals.cherry_picking),
    }
    some = everyone if everyone <= accounts.MOST_COUNTED else max(everyone, head.accounts or 0)  # the latest run counted all
    found: list[dict[str, Any]] = [{"name": "All", "letter": "", "count": f"{some:,}", "only": None}]
    found += [
        {"name": name, "letter": views.LETTERS[only], "count": f"{number:,}", "only": only}
        for only, (name, number) in counts.items()
    ]
    return [tab | {"path": address.to(only=tab["only"]).path, "is_chosen": tab["only"] == address.only} for tab in found]


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
            "sorted": ("descending" if address.descending else "ascending") if sort == address.sort else "",
        }
        for name, label, note, sort in found
        if name == "acc" or name in columns
    ]


def _narrowed_by(address: Address) -> list[tuple[str, str]]:
    """(what, the address without it)."""
    found = []
    if address.only == "call":
        found.append(("need a call", address.to(only=None).path))
    if address.owner is not None:
        found.append((f"owner {plain_name(address.owner)}", address.to(owner=None).path))
    if address.enrollment is not None:
        found.append((f"enrollment {ENROLLMENTS[address.enrollment][0]}", address.to(enrollment=None).path))
    if address.q:
        found.append((f"“{plain_name(address.q)}”", address.to(q="").path))
    return found


def _range(first: int, shown: int, total: int) -> str:
    if not shown:
        return ""
    some = f"{total:,}" if total <= accounts.MOST_COUNTED else f"more than {accounts.MOST_COUNTED:,}"
    return f"{first:,}–{first + shown - 1:,} of {some}"


def _csv(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()


def _exported(row: ListedRow, currency: str, now: datetime) -> list[Any]:
    places = minor_places(currency)
    return [
        _safe(row.account),
        _safe(row.name or ""),
        _safe(row.owner or ""),
        row.dormant,
        row.lapse,
        row.cherry_picking,
        row.enrollment,
        "yes" if in_digest(row, now) else "no",
        row.last_ordered_on or "",
        Decimal(row.lifetime_cents).scaleb(-places),
        Decimal(row.at_stake_cents).scaleb(-places),
        currency,
        *("" if at is None else at.isoformat(timespec="seconds") for at in (row.last_contact_at, row.paused_until, row.lost_at)),
    ]


def _safe(text: str) -> str:
    """Text that a spreadsheet reads as text."""
    return f"'{text}" if text.startswith(FORMULA) else text
