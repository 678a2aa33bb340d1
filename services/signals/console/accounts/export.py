"""The accounts of a view as CSV: all of its rows, page by page."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from services.signals.console.accounts.address import read_address
from services.signals.console.accounts.row import in_digest
from services.signals.console.http.csv_export import ROWS_A_PAGE, download
from services.signals.console.http.organization import head_of, organization_of
from services.signals.store import accounts, owner_people
from services.signals.store.account_paging import Place
from services.signals.store.accounts import ListedRow
from shared import clock, db
from shared.domain.money import minor_places

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

EXPORTED = (
    "account", "name", "owner", "dormant", "lapse", "cherry_picking", "enrollment", "in_digest",
    "last_ordered_on", "lifetime", "at_stake", "currency", "last_contact_at",
    "paused_until", "lost_at",
)  # fmt: skip


@router.get("/o/{organization}/accounts.csv")
def export(request: Request, organization: str) -> Response:
    """All rows of the view, each as it is when its page is read."""
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        own = owner_people.of_member(connection, organization, who.email)
    address, now = read_address(organization, request.query_params), clock.now()

    def read(
        connection: db.Connection, place: Place | None
    ) -> tuple[list[Sequence[object]], Place | None]:
        found = accounts.page(
            connection,
            organization,
            sort=address.sort,
            descending=address.descending,
            narrowed=address.narrowed(own),
            place=place,
            limit=ROWS_A_PAGE,
            now=now,
        )
        goes_on = len(found) == ROWS_A_PAGE
        return (
            [_exported(row, head.currency, now) for row in found],
            address.behind(found[-1], 1).place if goes_on else None,
        )

    name = f"accounts-{organization}-{clock.today(head.timezone).isoformat()}"
    return download(request, who, organization, "accounts", name, EXPORTED, read)


def _exported(row: ListedRow, currency: str, now: datetime) -> list[Any]:
    places = minor_places(currency)
    return [
        row.account,
        row.name or "",
        row.owner or "",
        row.dormant,
        row.lapse,
        row.cherry_picking,
        row.enrollment,
        "yes" if in_digest(row, now) else "no",
        row.last_ordered_on or "",
        Decimal(row.lifetime_cents).scaleb(-places),
        Decimal(row.at_stake_cents).scaleb(-places),
        currency,
        *(
            "" if at is None else at.isoformat(timespec="seconds")
            for at in (row.last_contact_at, row.paused_until, row.lost_at)
        ),
    ]
