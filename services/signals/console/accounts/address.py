"""What the address of the accounts table says: sort, filters, place; and
addresses that change one of them.
"""

import base64
import binascii
import json
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, get_args
from urllib.parse import quote, urlencode

from starlette.datastructures import QueryParams

from services.signals.store.account_filter import Filter, Only, State
from services.signals.store.account_paging import Place, Sort
from services.signals.store.accounts import ListedRow
from shared.domain.enrollment import Enrollment

LONGEST = 200
COLUMNS: dict[str, str] = {
    "own": "Owner",
    "wb": "Win-Back",
    "enr": "Enrollment",
    "gap": "Since order",
    "life": "Lifetime",
    "stake": "At stake",
    "con": "Last contact",
}
NO_COLUMNS = "none"  # but the account itself
DESCENDING: dict[Sort, bool] = {
    "name": False,
    "last_order": False,
    "lifetime": True,
    "stake": True,
}  # until turned around


@dataclass(frozen=True, kw_only=True)
class Address:
    """A view of the table. What cannot be read is left out: an old link still
    shows a table. `number`: of the first row. `columns`: those beside the account;
    None leaves them to the browser.
    """

    organization: str
    sort: Sort = "stake"
    descending: bool = True
    only: Only | None = None
    owner: str | None = None
    enrollment: Enrollment | None = None
    mine: bool = False
    state: State | None = None
    digest: str | None = None
    q: str = ""
    columns: frozenset[str] | None = None
    place: Place | None = None
    number: int = 1

    def narrowed(self, own: tuple[str, ...] = ()) -> Filter:
        """As the store takes it; `own`: the owners' codes of whoever asks."""
        return Filter(
            only=self.only,
            owner=self.owner,
            enrollment=self.enrollment,
            words=(self.q,) if self.q else (),
            owners=own if self.mine else None,
            state=self.state,
            digest=self.digest,
        )

    @property
    def query(self) -> str:
        """With its question mark; empty where all is as usual."""
        said: dict[str, str] = {}
        if self.sort != "stake" or not self.descending:
            said["sort"] = ("-" if self.descending else "") + self.sort
        said |= {
            name: value
            for name, value in (
                ("only", self.only),
                ("owner", self.owner),
                ("enrollment", self.enrollment),
                ("mine", "yes" if self.mine else ""),
                ("state", self.state),
                ("digest", self.digest),
                ("q", self.q),
            )
            if value
        }
        if self.columns is not None:
            said["columns"] = (
                ".".join(name for name in COLUMNS if name in self.columns) or NO_COLUMNS
            )
        if self.place is not None:
            said["before" if not self.place.is_after else "after"] = _write(self.place, self.number)
        return f"?{urlencode(said, quote_via=quote)}" if said else ""

    @property
    def path(self) -> str:
        """Of the page."""
        return f"/o/{self.organization}/accounts{self.query}"

    def account_path(self, account: str) -> str:
        """Of an account's drawer beside this view."""
        return f"/o/{self.organization}/accounts/{quote(account, safe='')}{self.query}"

    def to(self, **changes: Any) -> "Address":
        """The same from its first row, with something else in it."""
        return replace(self, **({"place": None, "number": 1} | changes))

    def sorted_by(self, sort: Sort) -> "Address":
        """By this column; again, the other way around."""
        return self.to(
            sort=sort, descending=not self.descending if sort == self.sort else DESCENDING[sort]
        )

    def behind(self, row: ListedRow, number: int) -> "Address":
        """The rows that follow `row`."""
        return self.to(
            place=Place(value=_plain(row.key), account=row.account, is_after=True), number=number
        )

    def before(self, row: ListedRow, number: int) -> "Address":
        """The rows that come before `row`."""
        return self.to(
            place=Place(value=_plain(row.key), account=row.account, is_after=False), number=number
        )


def read_address(organization: str, query: QueryParams) -> Address:
    """Out of an address's query."""
    said = query.get("sort", "-stake")
    sort = said.removeprefix("-")
    address = Address(
        organization=organization,
        sort=sort if sort in get_args(Sort) else "stake",  # type: ignore[arg-type]  # it is one of them
        descending=said.startswith("-") if sort in get_args(Sort) else True,
        only=query.get("only") if query.get("only") in get_args(Only) else None,  # type: ignore[arg-type]  # likewise
        enrollment=query.get("enrollment")
        if query.get("enrollment") in get_args(Enrollment)
        else None,  # type: ignore[arg-type] # likewise
        owner=_text(query.get("owner", "")) or None,
        mine=query.get("mine") == "yes",
        state=query.get("state") if query.get("state") in get_args(State) else None,  # type: ignore[arg-type]  # likewise
        digest=_text(query.get("digest", "")) or None,
        q=_text(query.get("q", "")).strip(),
        columns=_columns(query.get("columns", "")),
    )
    for name, is_after in (("after", True), ("before", False)):
        found = _read(query.get(name, ""), address.sort, is_after)
        if found is not None:
            return replace(address, place=found[0], number=found[1])
    return address


def _columns(said: str) -> frozenset[str] | None:
    """None where it names no column that there is."""
    named = frozenset(said.split(".")) & COLUMNS.keys()
    return frozenset(named) if named or said == NO_COLUMNS else None


def _text(value: str) -> str:
    """What PostgreSQL takes for text."""
    return value.replace("\x00", "").encode("utf-8", "ignore").decode()[:LONGEST]


def _plain(key: Any) -> str | int:
    return key.isoformat() if isinstance(key, date) else key if isinstance(key, int) else str(key)


def _write(place: Place, number: int) -> str:
    text = json.dumps(
        [place.value, place.account, number], ensure_ascii=False, separators=(",", ":")
    )
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, sort: Sort, is_after: bool) -> tuple[Place, int] | None:
    """A place and the number of its page's first row; None for what is
    none of ours, or of another sort.
    """
    if not cursor or len(cursor) > 2_000:
        return None
    try:
        value, account, number = json.loads(
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        )
        if not isinstance(account, str) or not isinstance(number, int) or not 0 < number < 10**9:
            return None
        if sort in ("lifetime", "stake"):
            fits = isinstance(value, int) and abs(value) < 2**63
        else:
            fits = isinstance(value, str) and (sort == "name" or bool(date.fromisoformat(value)))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        return None
    if (
        not fits
        or _text(account) != account[:LONGEST]
        or (isinstance(value, str) and "\x00" in value)
    ):
        return None
    return Place(value=value, account=account, is_after=is_after), number
