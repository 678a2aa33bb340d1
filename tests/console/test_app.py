"""The console's pages and GET /v1: who sees what, what hostile input meets,
one-time links, unsubscribing.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from services.signals.actions import members, tokens
from services.signals.actions.actor import COMMAND_LINE
from services.signals.actions.sign_in import make_link
from services.signals.console.api.routes import read_cursor, write_cursor
from services.signals.console.http.forms import csrf_token
from services.signals.console.http.problems import Wrong
from services.signals.persist import handlers
from services.signals.store import organizations
from shared import db
from shared.events import Combo
from shared.mail import unsubscribe_token
from tests.signals.builders import (
    block,
    completed,
    order,
    record,
    recovered,
    requested,
    rows,
    signal_event,
)
from tests.signals.conftest import make_tenant
from tests.signals.serving import console_served
from tests.stack_fixtures import Stack

BASE = "http://127.0.0.1"  # of links; the browser asks for their paths


@pytest.fixture(scope="module")
def address(stack: Stack) -> Iterator[str]:
    """The console, served as its process does."""
    with console_served() as served:
        yield served


@pytest.fixture
def console(address: str) -> Iterator[httpx.Client]:
    """A browser that has not been here."""
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture
def acme(connection: db.Connection) -> str:
    """An organization with orders, a run, two active signals and a recovered one;
    names that try things.
    """
    organization = make_tenant(connection)
    names = {"A1": "<script>alert(1)</script>", "A/2": "شركة الأنابيب", "A3": "Caprock"}
    with connection.transaction():
        handlers.handle_orders(
            connection,
            [
                block(
                    *(
                        order(organization, f"SO-{a}", account=a, account_name=name)
                        for a, name in names.items()
                    ),
                    offset=1,
                ),
                record("orders", requested(organization, 1), organization, 2),
            ],
        )
        events = [
            signal_event("opened", organization, offset=2, account="A1", lifetime=30_000_000),
            signal_event(
                "opened", organization, offset=2, account="A/2", combo=Combo(od="5.5", grade=None)
            ),
            signal_event("opened", organization, offset=2, account="A3"),
            completed(organization, 1, offset=2),
            recovered(organization, offset=3, account="A3"),
        ]
        handlers.handle_signals(
            connection,
            [record("signals", event, organization, place) for place, event in enumerate(events)],
        )
    return organization


def sign_in(console: httpx.Client, connection: db.Connection, organization: str) -> None:
    """As a member of it alone."""
    email = f"ana@{organization}.example.com"
    with connection.transaction():
        organizations.set_member(connection, organization, email, "owner")
        link = make_link(connection, email, BASE)
    assert console.post(urlsplit(link).path).status_code == 303


def token(connection: db.Connection, organization: str, *scopes: str) -> dict[str, str]:
    with connection.transaction():
        made = tokens.create(
            connection, organization, name="-".join(scopes), scopes=list(scopes), by=COMMAND_LINE
        )
    return {"Authorization": f"Bearer {made}"}


def test_where_mails_lead_to_are_the_accounts_with_the_signal(
    console: httpx.Client, connection: db.Connection, acme: str
) -> None:
    sign_in(console, connection, acme)
    led = console.get(f"/o/{acme}/signals?type=lapse")
    assert (led.status_code, led.headers["location"]) == (303, f"/o/{acme}/accounts?only=lapse")
    page = console.get(led.headers["location"])
    assert page.status_code == 200 and f'href="/o/{acme}/accounts/A%2F2?only=lapse"' in page.text
    account = console.get(f"/o/{acme}/accounts/A%2F2")
    assert (
        account.status_code == 200 and "شركة الأنابيب" in account.text and "SO-A/2" in account.text
    )
    assert page.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'self'"
    )
    assert page.headers["cache-control"] == "private, no-store"


def test_each_page_of_the_console_answers(
    console: httpx.Client, connection: db.Connection, acme: str
) -> None:
    sign_in(console, connection, acme)
    connection.execute(
        "INSERT INTO sequences (organization, sequence, digest, signal_type, name, drafted_at)"
        " VALUES (%s, 's-1', 'd-1', 'lapse', 'Product lapse', now())",
        (acme,),
    )
    connection.execute(
        "INSERT INTO sequence_steps (organization, sequence, position, wait_days, subject, body) "
        "VALUES (%s, 's-1', 1, 0, 'About {lapsed}', "
        "'Hello {contact_name},\n\nhave requirements changed?')",
        (acme,),
    )
    connection.execute(
        "INSERT INTO enrollments (organization, sequence, account, contact, state, reason, "
        "enrolled_at, digest, signal_type, seen_at) "
        "VALUES (%s, 's-1', 'A/2', '', 'skipped', 'no-contact', now(), 'd-1', 'lapse', now())",
        (acme,),
    )
    draft = console.get(f"/o/{acme}/sequences/s-1?tab=skipped")
    assert "About {lapsed}" in draft.text and "No primary contact" in draft.text
    for path, status in {
        "/": 303,
        f"/o/{acme}": 200,
        f"/o/{acme}/sequences": 200,
        "/docs": 200,
        "/openapi.json": 200,
        "/healthz": 200,
        "/readyz": 200,
        "/metrics": 200,
        "/static/components.css": 200,
        "/nothing": 404,
        f"/o/{acme}/accounts/nobody": 404,
        f"/o/{acme}/accounts/a%00b": 404,
        f"/o/{acme}/sequences/a%00b": 404,
        f"/o/{acme}/signals?type=x": 422,
    }.items():
        assert (path, console.get(path).status_code) == (path, status)


def test_pages_are_for_members_who_are_signed_in(
    console: httpx.Client, connection: db.Connection, acme: str
) -> None:
    other = make_tenant(connection)
    assert console.get(f"/o/{acme}/accounts").status_code == 401
    sign_in(console, connection, other)
    for path in ("accounts", "accounts/A1", "sequences", "sequences/s-1"):
        assert console.get(f"/o/{acme}/{path}").status_code == 404
    assert console.get(f"/o/{other}/accounts").status_code == 200
    with connection.transaction():
        organizations.set_member(connection, other, "bo@example.com", "owner")
        members.remove(connection, other, f"ana@{other}.example.com", by=COMMAND_LINE)
    assert console.get(f"/o/{other}/accounts").status_code == 401  # the session ended


def test_a_sign_in_link_works_once_and_only_by_its_button(
    console: httpx.Client, connection: db.Connection, acme: str
) -> None:
    with connection.transaction():
        organizations.set_member(connection, acme, "ana@example.com", "owner")
        link = urlsplit(make_link(connection, "ana@example.com", BASE)).path
    for _ in range(2):  # a scanner follows it
        assert "ana@example.com" in console.get(link).text
    assert console.get(f"/o/{acme}/accounts").status_code == 401
    done = console.post(link)
    assert done.status_code == 303
    assert all(
        part in done.headers["set-cookie"] for part in ("HttpOnly", "SameSite=lax", "Path=/")
    )
    assert console.get(f"/o/{acme}/accounts").status_code == 200
    assert console.post(link).status_code == 410
    assert console.get(link).status_code == 410
    assert console.get("/sign-in/nonsense%00").status_code == 410
    console.post("/sign-out", data={"csrf": csrf_token(console.cookies["winback_session"])})
    assert console.get(f"/o/{acme}/accounts").status_code == 401


def test_a_sign_in_link_ends_by_itself(
    console: httpx.Client, connection: db.Connection, acme: str
) -> None:
    with connection.transaction():
        organizations.set_member(connection, acme, "ana@example.com", "owner")
        link = urlsplit(make_link(connection, "ana@example.com", BASE)).path
    connection.execute(
        "UPDATE sign_in_links SET expires_at = now() - interval '1 second' "
        "WHERE email = 'ana@example.com'"
    )
    assert console.post(link).status_code == 410


def test_unsubscribing_acts_on_the_post_alone_and_needs_only_its_token(
    console: httpx.Client, connection: db.Connection, acme: str
) -> None:
    path = f"/unsubscribe/{unsubscribe_token(acme, 'ana@example.com')}"
    suppressed = "SELECT email, reason FROM published_suppressions WHERE organization = %s"
    assert "ana@example.com" in console.get(path).text
    assert rows(connection, suppressed, acme) == []
    for _ in range(2):
        assert console.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert rows(connection, suppressed, acme) == [("ana@example.com", "unsubscribed")]
    assert console.post(path[:-2]).status_code == 404
    assert (
        console.post(f"/unsubscribe/{unsubscribe_token('gone', 'ana@example.com')}").status_code
        == 200
    )


def test_systems_page_through_their_own_signals(
    console: httpx.Client, connection: db.Connection, acme: str
) -> None:
    own = token(connection, acme, "signals:read")
    found, cursor = [], None
    while True:
        answer = console.get(
            "/v1/signals", headers=own, params={"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        found += answer["signals"]
        cursor = answer["next"]
        if cursor is None:
            break
    assert sorted(signal["account"] for signal in found) == ["A/2", "A1", "A3"]
    assert {signal["organization"] for signal in found} == {acme}
    active = console.get("/v1/signals?active=true&type=lapse&type=dormant", headers=own).json()[
        "signals"
    ]
    assert sorted(signal["account"] for signal in active) == ["A/2", "A1"]
    account = console.get("/v1/accounts/A%2F2", headers=own).json()
    assert (account["lifetime_revenue_cents"], account["orders"], len(account["signals"])) == (
        10_000,
        1,
        1,
    )

    other = token(connection, make_tenant(connection), "signals:read")
    assert console.get("/v1/signals", headers=other).json() == {"signals": [], "next": None}
    assert console.get("/v1/accounts/A1", headers=other).status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=1001", 422),
        ("limit=x", 422),
        ("type=Z", 422),
        ("cursor=%00", 422),
        ("cursor=bm9uc2Vuc2U=", 422),
        ("account=a%00b", 422),
        ("account=%F0%9F%94%A5", 200),
        ("unknown=1", 200),
    ],
)
def test_a_parameter_that_cannot_be_right_is_named(
    console: httpx.Client, connection: db.Connection, acme: str, query: str, status: int
) -> None:
    answer = console.get(f"/v1/signals?{query}", headers=token(connection, acme, "signals:read"))
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["field"].split(".")[0] for error in answer.json()["errors"]] == [
            query.split("=")[0]
        ]


def test_a_token_opens_only_what_its_scope_says(
    console: httpx.Client, connection: db.Connection, acme: str
) -> None:
    assert console.get("/v1/signals").status_code == 401
    assert (
        console.get("/v1/signals", headers={"Authorization": "Bearer wb_nonsense"}).status_code
        == 401
    )
    assert (
        console.get("/v1/signals", headers=token(connection, acme, "orders:write")).status_code
        == 403
    )
    own = token(connection, acme, "signals:read")
    connection.execute("UPDATE tokens SET revoked_at = now() WHERE organization = %s", (acme,))
    assert console.get("/v1/signals", headers=own).status_code == 401


def test_a_cursor_of_another_organization_is_none_of_ours() -> None:
    signal = "7b6e3f0e-8a3c-5f43-9f5e-1d2c3b4a5f60"
    cursor = write_cursor(signal, "acme")
    assert read_cursor(cursor, "acme") == signal
    for foreign in (write_cursor(signal, "other"), cursor + "!", "x", "", signal):
        with pytest.raises(Wrong, match="cursor"):
            read_cursor(foreign, "acme")
