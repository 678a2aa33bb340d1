"""GET /v1/signals and /v1/accounts/{id}: for systems, with a token that has signals:read."""

import base64
import binascii
import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from services.signals.console.api.shapes import AccountAnswer, SignalsPage, answers
from services.signals.console.http.access import NotHere, organization_of_token
from services.signals.console.http.problems import Wrong
from services.signals.store import account as accounts
from services.signals.store import listing
from shared.domain.identifiers import wrong_id
from shared.events import SignalType

router = APIRouter(prefix="/v1", tags=["signals"])

MOST_SIGNALS = 1000
_ID = re.compile(r"[0-9a-f-]{36}")


@router.get(
    "/signals", summary="Signals, page by page", responses=answers(SignalsPage, 401, 403, 422, 503)
)
def signals(
    request: Request,
    active: Annotated[bool, Query(description="Leave out recovered ones.")] = False,
    account: Annotated[str | None, Query(description="Of this account alone.")] = None,
    type: Annotated[
        list[SignalType] | None, Query(description="Of these types; may be repeated.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_SIGNALS)] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> JSONResponse:
    """`{"signals": […], "next": cursor or null}`, in the order of their ids, which never change.

    A page holds `limit` signals; what opens or recovers in between shows on
    the pages that are still to come.
    """
    if account is not None and (reason := wrong_id(account)):
        raise Wrong("account", reason)
    with organization_of_token(request) as (organization, connection):
        after = read_cursor(cursor, organization) if cursor is not None else None
        found = listing.page_of_signals(
            connection,
            organization,
            after=after,
            limit=limit + 1,
            active=active,
            account=account,
            types=type,
        )
    more = len(found) > limit
    return JSONResponse(
        {
            "signals": found[:limit],
            "next": write_cursor(found[limit - 1]["signal"], organization) if more else None,
        }
    )


@router.get(
    "/accounts/{account:path}",
    summary="One account",
    responses=answers(AccountAnswer, 401, 403, 404, 503),
)
def account(request: Request, account: str) -> JSONResponse:
    """The account, what it bought in all, and its active signals."""
    with organization_of_token(request) as (organization, connection):
        row = None if wrong_id(account) else accounts.find(connection, organization, account)
        if row is None:
            raise NotHere("account")
        totals = accounts.totals(connection, organization, account)
        found = list(listing.signals(connection, organization, active=True, account=account))
    answer: dict[str, Any] = {
        "organization": organization,
        "account": row.account,
        "name": row.name,
        "owner": row.owner,
        "enrollment": row.enrollment,
        "orders": totals.orders,
        "lifetime_revenue_cents": totals.lifetime_revenue_cents,
        "last_activity_on": totals.last_activity_on.isoformat()
        if totals.last_activity_on
        else None,
        "last_contact_at": row.last_contact_at.isoformat() if row.last_contact_at else None,
        "signals": found,
    }
    return JSONResponse(answer)


def write_cursor(signal: str, organization: str) -> str:
    """Opaque to whoever accounts. It names its organization, so that no other one's is taken for a
    place in its own signals.
    """
    return base64.urlsafe_b64encode(f"{organization} {signal}".encode()).decode()


def read_cursor(cursor: str, organization: str) -> str:
    """Raises Wrong."""
    try:
        whose, _, signal = (
            base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().partition(" ")
        )
    except (binascii.Error, ValueError):
        raise Wrong("cursor", "is none of ours") from None
    if whose != organization or not _ID.fullmatch(signal):
        raise Wrong("cursor", "is none of ours")
    return signal
