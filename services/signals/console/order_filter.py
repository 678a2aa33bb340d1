"""What the address of the orders table says: filters, sort, place; and what it means in an
organization: names of accounts, texts of sizes and grades.
"""

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, get_args
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams

from services.signals.console.paths import orders_path
from services.signals.store import accounts, goods, settings
from services.signals.store.account_filter import Filter
from services.signals.store.live import NewOrder
from services.signals.store.order_listing import MOST_ACCOUNTS, Narrowed, Place, Sort
from shared import clock, db
from shared.domain.grades import TaughtGrades, read_grade
from shared.domain.sizes import TaughtSizes, read_od

LONGEST = 200
FILTERS = ("account", "owner", "from", "to", "size", "grade", "product")
NOBODY = ("",)  # no account, no text is called so
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, kw_only=True)
class OrderFilter:
    """As it was typed; days and sizes that cannot be read say so on the page (`wrong`)."""

    organization: str
    account: str = ""
    owner: str = ""
    first_on: str = ""
    last_on: str = ""
    size: str = ""
    grade: str = ""
    product: str = ""
    sort: Sort | None = None
    after: Place | None = None

    @property
    def said(self) -> dict[str, str]:
        """The filters that are set, by their names in the address."""
        values = (
            *(self.account, self.owner, self.first_on, self.last_on),
            *(self.size, self.grade, self.product),
        )
        return {name: value for name, value in zip(FILTERS, values, strict=True) if value}

    @property
    def is_live(self) -> bool:
        """All orders as they come in."""
        return not self.said and self.sort is None

    @property
    def order(self) -> Sort:
        """What it is sorted by, where it does not show what comes in."""
        return self.sort or "day"

    def path(self, **changes: Any) -> str:
        """The address with something else in it, from its first row."""
        other = replace(self, **({"after": None} | changes))
        query = dict(other.said)
        if other.sort is not None:
            query["sort"] = other.sort
        if other.after is not None:
            query["after"] = f"{other.after.value}~{other.after.order}"
        text = urlencode(query, quote_via=quote)
        return orders_path(self.organization) + (f"?{text}" if text else "")

    def behind(self, row: NewOrder) -> str:
        """The address of the rows that follow."""
        value = row.net_cents if self.order == "net" else row.counts_on
        return self.path(after=Place(value=value, order=row.order_id))


def read_filter(organization: str, query: QueryParams) -> OrderFilter:
    """Out of an address's query. What no filter can be is left out: an old link shows a table."""
    texts = {name: _text(query.get(name, "")) for name in FILTERS}
    sort = query.get("sort")
    found = OrderFilter(
        organization=organization,
        account=texts["account"],
        owner=texts["owner"],
        first_on=texts["from"],
        last_on=texts["to"],
        size=texts["size"],
        grade=texts["grade"],
        product=texts["product"],
        sort=sort if sort in get_args(Sort) else None,  # type: ignore[arg-type]  # it is one of them
    )
    return replace(found, after=_place(query.get("after", ""), found.order))


def narrowed(connection: db.Connection, filter_: OrderFilter) -> tuple[Narrowed, dict[str, str]]:
    """(what to ask the store for, what cannot be read: filter -> why)."""
    organization, wrong = filter_.organization, dict[str, str]()
    days: dict[str, date | None] = {}
    for name, text in (("from", filter_.first_on), ("to", filter_.last_on)):
        days[name] = _day(text)
        if text and days[name] is None:
            wrong[name] = "needs a day such as 2026-03-31"
    ods = grades = None
    if filter_.size or filter_.grade:
        _, saved = settings.latest(connection, organization)
        if filter_.size:
            value = read_od(filter_.size, TaughtSizes(saved.sizes)).value
            if value is None:
                wrong["size"] = "cannot be read as a size, such as 9 5/8"
            else:
                ods = tuple(goods.sizes(connection, organization, saved).get(value, NOBODY))
        if filter_.grade:
            grade = read_grade(filter_.grade, TaughtGrades(saved.grade_aliases)) or ""
            grades = tuple(goods.grades(connection, organization, saved).get(grade, NOBODY))
    return (
        Narrowed(
            accounts=_accounts(connection, organization, filter_.account),
            owner=filter_.owner or None,
            first_on=days["from"],
            last_on=days["to"],
            ods=ods,
            grades=grades,
            product=filter_.product or None,
        ),
        wrong,
    )


def _accounts(connection: db.Connection, organization: str, typed: str) -> tuple[str, ...] | None:
    """The account with this id, else those with these words."""
    if not typed:
        return None
    if accounts.find(connection, organization, typed) is not None:
        return (typed,)
    rows = accounts.page(
        connection,
        organization,
        sort="name",
        descending=False,
        narrowed=Filter(words=(typed,)),
        place=None,
        limit=MOST_ACCOUNTS,
        now=clock.now(),
    )
    return tuple(row.account for row in rows) or NOBODY


def _text(value: str) -> str:
    return value.replace("\x00", "").encode("utf-8", "ignore").decode().strip()[:LONGEST]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _place(cursor: str, sort: Sort) -> Place | None:
    value, _, order = cursor.partition("~")
    if not order or len(order) > LONGEST or _text(order) != order.strip():
        return None
    if sort == "net":
        fits = _NUMBER.fullmatch(value) is not None and abs(int(value)) < 2**63
        return Place(value=int(value), order=order) if fits else None
    found = _day(value)
    return None if found is None else Place(value=found, order=order)
