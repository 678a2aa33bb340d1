"""One box over accounts, order numbers, people and products. A page by itself; with htmx the
results alone, as one types.
"""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.paths import account_path, accounts_path, order_path
from services.signals.store import accounts, goods, search, settings
from services.signals.store.account_filter import Filter
from services.signals.store.head import Head
from shared import clock, db
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.product_words import product_words
from shared.domain.sizes import TaughtSizes, read_od
from shared.wording import money, plain_name, short_day, size

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

LONGEST = 200
SHOWN, SHOWN_AS_TYPED = 12, 5  # of a kind: on the page, below the box
MOST_GOODS = 500  # that are looked at, to say which sizes and grades there are


@dataclass(frozen=True, kw_only=True)
class FoundView:
    """One result: what it is called, what else tells it apart, where it leads."""

    name: str
    note: str
    path: str


@dataclass(frozen=True, kw_only=True)
class KindView:
    """The results of a kind; `all_path`: of accounts, the table of all that were found."""

    title: str
    found: list[FoundView]
    all_path: str


@router.get("/o/{organization}/search")
def find(
    request: Request, organization: str, q: Annotated[str, Query(max_length=2_000)] = ""
) -> Response:
    """By kind; an empty box says what can be typed."""
    typed = q.replace("\x00", "").encode("utf-8", "ignore").decode().strip()[:LONGEST]
    as_typed = bool(request.headers.get("hx-request"))
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        kinds = (
            _kinds(connection, organization, head, typed, SHOWN_AS_TYPED if as_typed else SHOWN)
            if typed
            else []
        )
    return render(
        request,
        "parts/found.html" if as_typed else "search.html",
        visitor=who,
        organization=organization,
        head=head,
        q=typed,
        kinds=[kind for kind in kinds if kind.found],
        page=f"{_page(organization)}?{urlencode({'q': typed})}",
        as_typed=as_typed,
    )


def _kinds(
    connection: db.Connection, organization: str, head: Head, typed: str, most: int
) -> list[KindView]:
    return [
        _accounts(connection, organization, typed, most),
        _products(connection, organization, typed, most),
        _orders(connection, organization, head, typed, most),
        _people(connection, organization, typed, most),
    ]


def _accounts(connection: db.Connection, organization: str, typed: str, most: int) -> KindView:
    rows = accounts.page(
        connection,
        organization,
        sort="stake",
        descending=True,
        narrowed=Filter(words=(typed,)),
        place=None,
        limit=most,
        now=clock.now(),
    )
    said = urlencode({"q": typed}, quote_via=quote)
    return KindView(
        title="Accounts",
        found=[
            FoundView(
                name=plain_name(one.name or one.account),
                note=" · ".join(filter(None, (one.account, plain_name(one.owner or "")))),
                path=account_path(organization, one.account),
            )
            for one in rows
        ],
        all_path=f"{accounts_path(organization)}?{said}",
    )


def _orders(
    connection: db.Connection, organization: str, head: Head, typed: str, most: int
) -> KindView:
    today = clock.today(head.timezone)
    return KindView(
        title="Orders",
        found=[
            FoundView(
                name=one.order_id,
                note=" · ".join(
                    (
                        plain_name(one.name or one.account),
                        short_day(one.counts_on, seen_from=today),
                        "cancelled"
                        if one.cancelled
                        else money(one.net_cents, head.currency, head.locale),
                    )
                ),
                path=order_path(organization, one.order_id),
            )
            for one in search.orders(connection, organization, typed, most=most)
        ],
        all_path="",
    )


def _people(connection: db.Connection, organization: str, typed: str, most: int) -> KindView:
    return KindView(
        title="People",
        found=[
            FoundView(
                name=plain_name(one.name or one.email or one.contact),
                note=" · ".join(
                    filter(None, (one.email, plain_name(one.account_name or one.account)))
                ),
                path=account_path(organization, one.account),
            )
            for one in search.people(connection, organization, typed, most=most)
        ],
        all_path="",
    )


def _products(connection: db.Connection, organization: str, typed: str, most: int) -> KindView:
    """Each leads to its orders."""
    _, saved = settings.latest(connection, organization)
    taught, aliases = TaughtSizes(saved.sizes), TaughtGrades(saved.grade_aliases)
    ods = goods.sizes(connection, organization, saved)
    grades = goods.grades(connection, organization, saved)
    said = product_words(typed, ods=ods, grades=grades, sizes=taught, aliases=aliases)
    rows = goods.find(
        connection,
        organization,
        ods=None if said.od is None else ods[said.od],
        grades=None if said.grade is None else grades[said.grade],
        typed=said.rest,
        most=MOST_GOODS,
    )
    found: dict[tuple[str, str, str], FoundView] = {}
    for od_text, grade_text, product in rows:
        od = read_od(od_text, taught).value
        grade = read_grade(grade_text, aliases)
        words = [size(od) if od else od_text, grade or ""]
        name = " ".join(filter(None, words)) or product
        query = {"size": od or "", "grade": grade or "", "product": product}
        key = (od or "", grade or "", product)
        found.setdefault(
            key,
            FoundView(
                name=name,
                note="" if name == product else product,
                path=f"/o/{quote(organization, safe='')}/orders?"
                + urlencode({name: text for name, text in query.items() if text}),
            ),
        )
    views = sorted(found.items(), key=lambda one: one[0])
    return KindView(title="Products", found=[view for _, view in views[:most]], all_path="")


def _page(organization: str) -> str:
    return f"/o/{quote(organization, safe='')}/search"
