"""Who may what, on every route of ingest; tests/repo/test_routes.py
fails where a route has no entry.
"""

from typing import Any

import httpx
import pytest

from shared import db
from tests.console.routes import Route
from tests.ingest.door import EVERY_SCOPE, Ingest, landed, make_token
from tests.stack_fixtures import Organizations

ORDER = {
    "order": "SO-1",
    "account": "A1",
    "ordered_on": "2026-03-01",
    "lines": [{"product": "pipe", "revenue": "10.00"}],
}
BODIES: dict[Route, dict[str, Any]] = {
    Route("POST", "/v1/orders"): ORDER,
    Route("POST", "/v1/accounts"): {"account": "A1", "name": "Permian Supply"},
    Route("POST", "/v1/contacts"): {
        "contact": "C1",
        "account": "A1",
        "email": "ana@permian.example",
    },
}
OPEN = {
    Route("GET", path)
    for path in ("/openapi.json", "/docs", "/healthz", "/livez", "/readyz", "/metrics")
}


@pytest.mark.parametrize("route", sorted(OPEN), ids=str)
def test_what_is_open_says_nothing_of_anybody(
    ingest: Ingest, organization: str, token: str, route: Route
) -> None:
    assert ingest.post("orders", ORDER, token=token).status_code == 202
    answer = httpx.get(f"{ingest.url}{route.path}", timeout=30)
    assert answer.status_code == 200
    assert (
        organization not in answer.text or route.path == "/metrics"
    )  # Prometheus tells feeds apart by it


@pytest.mark.parametrize("route", sorted(BODIES), ids=str)
def test_only_a_token_with_the_scope_of_the_route_is_let_in(
    ingest: Ingest, organization: str, route: Route
) -> None:
    own = f"{route.path.rsplit('/', 1)[1]}:write"

    def ask(authorization: str) -> int:
        headers = {"Authorization": authorization} if authorization else {}
        return httpx.post(
            f"{ingest.url}{route.path}", json=BODIES[route], headers=headers, timeout=30
        ).status_code

    revoked = make_token(organization)
    with db.connect() as connection:
        connection.execute(
            "UPDATE tokens SET revoked_at = now() WHERE name = (SELECT name FROM tokens WHERE "
            "organization = %s)",
            (organization,),
        )
    others = [scope for scope in (*EVERY_SCOPE, "signals:read") if scope != own]
    assert {
        "nobody": ask(""),
        "a token that is none": ask("Bearer wb_no-such-token"),
        "revoked": ask(f"Bearer {revoked}"),
        "every other scope": ask(f"Bearer {make_token(organization, others)}"),
        "the scope": ask(f"Bearer {make_token(organization, [own])}"),
    } == {
        "nobody": 401,
        "a token that is none": 401,
        "revoked": 401,
        "every other scope": 403,
        "the scope": 202,
    }


def test_an_order_lands_in_the_organization_of_the_token_whatever_it_names(
    ingest: Ingest, organizations: Organizations
) -> None:
    mine, theirs = organizations(), organizations()
    assert ingest.post("orders", ORDER, token=make_token(theirs)).status_code == 202
    assert (
        ingest.post("orders", ORDER | {"account": "A2"}, token=make_token(mine)).status_code == 202
    )
    refused = ingest.post(
        "orders", ORDER | {"order": "SO-2", "organization": theirs}, token=make_token(mine)
    )
    assert refused.status_code == 422 and "organization" in refused.text
    assert [(order.order, order.account) for order in landed(theirs)] == [("SO-1", "A1")]
    assert [(order.order, order.account) for order in landed(mine)] == [("SO-1", "A2")]
