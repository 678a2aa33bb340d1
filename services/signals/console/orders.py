"""Orders, each with the state of its account: as they come in, live where the browser can, or
narrowed down; and one order with its lines.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, cast
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from services.signals.console import live as streaming
from services.signals.console.http.access import NotHere
from services.signals.console.http.forms import stored
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.problems import like
from services.signals.console.http.rendering import render
from services.signals.console.order_filter import OrderFilter, narrowed, read_filter
from services.signals.console.paths import account_path, order_path, orders_path
from services.signals.console.words import short_ago
from services.signals.store import accounts, live, order_listing, settings
from services.signals.store.head import Head
from services.signals.store.live import Answered, NewOrder
from services.signals.store.order_listing import WholeOrder
from shared import clock, db
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.sizes import TaughtSizes, read_od
from shared.events import Combo, SignalType
from shared.wording import (
    TYPE_LETTERS,
    TYPE_NAMES,
    combo_words,
    count,
    counted,
    exact_day,
    exact_time,
    money,
    plain_name,
    short_day,
    size,
)

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

ORDERS_A_PAGE = 50
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Place = Annotated[
    str, like(r"\d{1,17}~.{1,200}", "is no place among the orders; go on with “Older orders”")
]


@dataclass(frozen=True, kw_only=True)
class BadgeView:
    """A badge with its word beside it. Shape and letter say the type, a tick that it came back."""

    letter: str
    words: str
    is_back: bool = False


@dataclass(frozen=True, kw_only=True)
class OrderView:
    """One row. key: another one where the row is news again."""

    key: str
    order: str
    order_path: str
    account: str
    account_path: str
    owner: str
    badges: list[BadgeView]
    when: str
    when_exact: str
    day: str
    lines: str
    net: str
    note: str


@dataclass(frozen=True, kw_only=True)
class LineView:
    """A line of an order. size: as it is read; size_sent, where that is another text."""

    product: str
    size: str
    size_sent: str
    grade: str
    grade_sent: str
    quantity: str
    revenue: str


@router.get("/o/{organization}/orders")
def orders(
    request: Request,
    organization: str,
    before: Annotated[Place | None, Query()] = None,
) -> Response:
    """As they came in, the newest first: a page behind the first one stands still. Narrowed down,
    by their day or their net.
    """
    asked = read_filter(organization, request.query_params)
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        counter = live.counter(connection, organization)
        wrong: dict[str, str] = {}
        looked_to = None
        is_cut = False
        if asked.is_live:
            rows = _as_they_came(connection, organization, head, before)
        else:
            wanted, wrong = narrowed(connection, asked)
            listing = order_listing.page(
                connection,
                organization,
                wanted,
                sort=asked.order,
                place=asked.after,
                limit=ORDERS_A_PAGE + 1,
            )
            rows, looked_to, is_cut = listing.rows, listing.looked_to, listing.is_cut
        accounts_ = [row.account for row in rows]
        active = live.active_types(connection, organization, accounts_)
        ended = live.answered(connection, organization, [row.order_id for row in rows], accounts_)
        owners = accounts.owners(connection, organization)
    shown, at = rows[:ORDERS_A_PAGE], clock.now()
    next_page = None
    if len(rows) > ORDERS_A_PAGE:
        next_page = (
            _next_page(organization, shown[-1]) if asked.is_live else asked.behind(shown[-1])
        )
    return render(
        request,
        "parts/orders.html" if request.headers.get("hx-request") else "orders.html",
        visitor=who,
        organization=organization,
        head=head,
        head_line=_head_line(head, at),
        counter=counter,
        is_first=asked.is_live and before is None,
        is_live=asked.is_live,
        asked=asked,
        wrong=wrong,
        owners=owners,
        sorts=_sorts(asked),
        plain_path=orders_path(organization),
        next_page=next_page,
        looked_to=None if looked_to is None else exact_day(cast(date, looked_to.value)),
        further=None if looked_to is None else asked.path(after=looked_to),
        is_cut=is_cut,
        most_sorted=count(order_listing.MOST_SORTED),
        orders=[
            order_view(
                row,
                active.get(row.account, {}),
                ended.get(row.order_id, []),
                organization=organization,
                head=head,
                at=at,
            )
            for row in shown
        ],
    )


@router.get("/o/{organization}/order/{order:path}")
def order(request: Request, organization: str, order: str) -> Response:
    """An order with its lines."""
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        found = order_listing.find(connection, organization, stored(order))
        if found is None:
            raise NotHere("order")
        _, saved = settings.latest(connection, organization)
        active = live.active_types(connection, organization, [found.account])
        ended = live.answered(connection, organization, [found.order_id], [found.account])
    sizes, aliases = TaughtSizes(saved.sizes), TaughtGrades(saved.grade_aliases)
    shown = order_view(
        NewOrder(
            order_id=found.order_id,
            account=found.account,
            name=found.name,
            owner=found.owner,
            accepted_at=found.accepted_at,
            counts_on=found.counts_on,
            cancelled=found.cancelled,
            lines=len(found.revenues_cents),
            net_cents=found.net_cents,
        ),
        active.get(found.account, {}),
        ended.get(found.order_id, []),
        organization=organization,
        head=head,
        at=clock.now(),
    )
    return render(
        request,
        "order.html",
        visitor=who,
        organization=organization,
        head=head,
        path=orders_path(organization),
        order=shown,
        dated=exact_day(found.ordered_on),
        counts_on=exact_day(found.counts_on) if found.counts_on != found.ordered_on else "",
        theirs=OrderFilter(organization=organization, account=found.account).path(),
        lines=[
            _line_view(found, place, sizes, aliases, head)
            for place in range(len(found.revenues_cents))
        ],
    )


def _as_they_came(
    connection: db.Connection, organization: str, head: Head, before: str | None
) -> list[NewOrder]:
    until, order_id = head.last_accepted_at or clock.now(), None
    if before is not None:
        micros, _, order_id = before.partition("~")
        until = EPOCH + timedelta(microseconds=int(micros))
    return live.newest_orders(
        connection, organization, until=until, before=order_id, limit=ORDERS_A_PAGE + 1
    )


def _sorts(asked: OrderFilter) -> list[tuple[str, str, bool]]:
    """(what it is sorted by, its address, whether it is)."""
    found = [("By day", asked.path(sort="day"), not asked.is_live and asked.order == "day")]
    found.append(("Largest first", asked.path(sort="net"), asked.order == "net"))
    if not asked.said:
        found.insert(0, ("As they come in", asked.path(sort=None), asked.is_live))
    return found


def _line_view(
    found: WholeOrder, place: int, sizes: TaughtSizes, aliases: TaughtGrades, head: Head
) -> LineView:
    od, grade = found.ods[place], found.grades[place]
    read, named = read_od(od, sizes).value, read_grade(grade, aliases)
    return LineView(
        product=found.products[place] or "",
        size=size(read) if read is not None else "",
        size_sent=od if od and od not in (read, read and size(read)) else "",
        grade=named or "",
        grade_sent=grade if grade and grade != named else "",
        quantity=found.quantities[place] or "",
        revenue=money(found.revenues_cents[place], head.currency, head.locale),
    )


@router.get("/o/{organization}/orders/live")
def orders_live(request: Request, organization: str) -> Response:
    """The stream of its counter."""
    return streaming.stream(request, organization)


def order_view(
    row: NewOrder,
    active: dict[SignalType, int],
    ended: list[Answered],
    *,
    organization: str,
    head: Head,
    at: datetime,
) -> OrderView:
    """With the activity of its account: dormant, product lapse, cherry-picking, or else active."""
    back = [
        BadgeView(letter=TYPE_LETTERS[one.type], words=_back_words(one), is_back=True)
        for one in ended
    ]
    open_ = [
        BadgeView(
            letter=TYPE_LETTERS[type_],
            words=name if active[type_] == 1 else f"{name} ×{active[type_]}",
        )
        for type_, name in TYPE_NAMES.items()
        if type_ in active
    ]
    return OrderView(
        key=f"{row.order_id}{'+' if ended else ''}",
        order=row.order_id,
        order_path=order_path(organization, row.order_id),
        account=plain_name(row.name or row.account),
        account_path=account_path(organization, row.account),
        owner=plain_name(row.owner or ""),
        badges=back + open_,
        when=short_ago(at - row.accepted_at),
        when_exact=exact_time(row.accepted_at, head.timezone),
        day=short_day(row.counts_on, seen_from=at.date()),
        lines=counted(row.lines, "line"),
        net=money(row.net_cents, head.currency, head.locale),
        note="cancelled" if row.cancelled else "",
    )


def _back_words(one: Answered) -> str:
    what = (
        combo_words(Combo(od=one.od, grade=one.grade))
        if one.type == "lapse"
        else TYPE_NAMES[one.type].lower()
    )
    return f"{what}: came back"


def _head_line(head: Head, at: datetime) -> str:
    return (
        "No orders yet"
        if head.last_accepted_at is None
        else f"orders up to {short_ago(at - head.last_accepted_at)}"
    )


def _next_page(organization: str, last: NewOrder) -> str:
    micros = int((last.accepted_at - EPOCH) / timedelta(microseconds=1))
    return (
        f"/o/{quote(organization, safe='')}/orders?before={micros}~{quote(last.order_id, safe='')}"
    )
