"""The recent orders, each with the state of its account; live where the browser can."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from services.signals.console import live as streaming
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.problems import like
from services.signals.console.http.rendering import render
from services.signals.console.paths import account_path
from services.signals.console.words import short_ago
from services.signals.store import live
from services.signals.store.head import Head
from services.signals.store.live import Answered, NewOrder
from shared import clock
from shared.events import Combo, SignalType
from shared.wording import (
    TYPE_LETTERS,
    TYPE_NAMES,
    combo_words,
    counted,
    exact_time,
    money,
    plain_name,
    short_day,
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


@router.get("/o/{organization}/orders")
def orders(
    request: Request,
    organization: str,
    before: Annotated[Place | None, Query()] = None,
) -> Response:
    """The newest first. A page behind the first one stands still."""
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        counter = live.counter(connection, organization)
        until = head.last_accepted_at or clock.now()
        order_id = None
        if before is not None:
            micros, _, order_id = before.partition("~")
            until = EPOCH + timedelta(microseconds=int(micros))
        rows = live.newest_orders(
            connection, organization, until=until, before=order_id, limit=ORDERS_A_PAGE + 1
        )
        accounts = [row.account for row in rows]
        active = live.active_types(connection, organization, accounts)
        ended = live.answered(connection, organization, [row.order_id for row in rows], accounts)
    shown, at = rows[:ORDERS_A_PAGE], clock.now()
    return render(
        request,
        "parts/orders.html" if request.headers.get("hx-request") else "orders.html",
        visitor=who,
        organization=organization,
        head=head,
        head_line=_head_line(head, at),
        counter=counter,
        is_first=before is None,
        next_page=_next_page(organization, shown[-1]) if len(rows) > ORDERS_A_PAGE else None,
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
