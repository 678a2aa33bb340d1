"""A session that ended while a page was open: signing in leads back to the page with the form."""

import re

import pytest

from services.signals.console import app
from services.signals.persist import handlers
from shared import db
from tests.console.conftest import Browser, MakeBrowser
from tests.console.identity.test_sign_in import next_of
from tests.console.routes import routes_of
from tests.signals.builders import block, order

# Where a form is sent to, what it says, and the page that it stands on; below /o/{organization}.
FORMS: list[tuple[str, dict[str, str], str]] = [
    ("accounts/A%2F7/primary", {"contact": "C-1"}, "accounts/A%2F7"),
    (
        "accounts/A%2F7/primary",
        {"contact": "C-1", "back": "accounts/A%2F7?q=x"},
        "accounts/A%2F7?q=x",
    ),
    ("accounts/A%2F7/contacts", {"name": "Ana"}, "accounts/A%2F7"),
    ("accounts/A%2F7/notes", {"note": "x"}, "accounts/A%2F7"),
    ("notes/n-1/delete", {"back": "accounts/A%2F7"}, "accounts/A%2F7"),
    ("runs", {}, ""),
    ("follow-ups/f-1", {"do": "done"}, ""),
    ("settings/owners", {"owner": "dk"}, "settings/owners"),
    ("columns", {}, "accounts"),
    ("columns", {"back": "accounts?sort=name&q=M%C3%BCller"}, "accounts?sort=name&q=M%C3%BCller"),
    ("enrollment", {"no": "A/7"}, "accounts"),
    ("enrollment", {"account": "A/7", "to": "no"}, "accounts"),
    ("health/audit", {}, "health"),
    ("health/dead-letters", {"id": "x"}, "health"),
    ("outcomes", {"account": "A/7", "kind": "lost", "reason": "price"}, "outcomes/lost/A%2F7"),
    ("outcomes", {"account": "A/7", "kind": "sold"}, "accounts"),
    ("outcomes", {"account": "A/7", "back": "accounts/A%2F7?q=x"}, "accounts/A%2F7?q=x"),
    ("outcomes/o-1/undo", {}, "accounts"),
    ("sequences/s-1", {"edition": "1"}, "sequences/s-1"),
    ("sequences/s-1/launch", {"do": "launch"}, "sequences/s-1"),
    ("sequences/s-1/move", {"do": "pause"}, "sequences/s-1"),
    ("sequences/s-1/people", {"do": "remove"}, "sequences/s-1"),
    ("settings/sending", {"replies": "door"}, "settings/sending"),
    ("settings/sending/go-on", {"sender": ""}, "settings/sending"),
    ("settings/sending/prove", {}, "settings/sending"),
    ("settings/sending/prove/t", {}, "settings/sending"),
    ("settings", {"dormant.gap_days": "120"}, "settings"),
    ("settings/try", {}, "settings"),
    ("settings/replay", {}, "settings"),
    ("settings/sizes", {"sizes": "x"}, "settings/sizes"),
    ("settings/aliases", {"spelling": "N80Q", "grade": "N80-Q"}, "settings"),
    ("settings/digest", {}, "settings/digest"),
    ("settings/digest/next", {}, "settings/digest"),
    ("settings/digest/test", {}, "settings/digest"),
    ("settings/digest/own", {"own": "yes"}, "settings/digest"),
    ("settings/digest/again", {}, "settings/digest"),
    ("settings/members/invite", {"email": "new@example.com"}, "settings/members"),
    ("settings/members/role", {"email": "new@example.com"}, "settings/members"),
    ("settings/members/remove", {"email": "new@example.com"}, "settings/members"),
    ("settings/members/withdraw", {"email": "new@example.com"}, "settings/members"),
    ("settings/tokens", {"name": "erp"}, "settings/tokens"),
    ("settings/tokens/rotate", {"name": "erp"}, "settings/tokens"),
    ("settings/tokens/revoke", {"name": "erp"}, "settings/tokens"),
    ("views", {"name": "Mine"}, "accounts"),
    ("views/delete", {"view": "v-1"}, "accounts"),
]


def filled(form: dict[str, str], organization: str) -> dict[str, str]:
    """`back` is an address of the organization."""
    return {
        name: f"/o/{organization}/{value}" if name == "back" else value
        for name, value in form.items()
    }


@pytest.mark.parametrize("cookie", [True, False])
def test_every_form_leads_back_to_its_page(
    browser: MakeBrowser, connection: db.Connection, tenant: str, cookie: bool
) -> None:
    with connection.transaction():
        handlers.handle_orders(connection, [block(order(tenant, "SO-1", account="A/7"), offset=1)])
    member, gone = browser(tenant), browser(tenant)
    connection.execute("DELETE FROM sessions WHERE email = %s", (gone.email,))
    if not cookie:
        gone.client.cookies.clear()
    for to, form, page in FORMS:
        said = gone.post(f"/o/{tenant}/{to}", filled(form, tenant))
        assert (said.status_code, next_of(said)) == (401, f"/o/{tenant}/{page}".rstrip("/")), to
        if not page.startswith("sequences/"):  # there is none
            assert member.get(f"/o/{tenant}/{page}".rstrip("/")).status_code == 200, page


def test_no_form_is_forgotten() -> None:
    routes = {
        path
        for method, path in routes_of(app.build(None))  # type: ignore[arg-type] # nothing is asked
        if method == "POST" and path.startswith("/o/")
    }
    tried = {
        path
        for path in routes
        if any(re.fullmatch(_pattern(path), f"/o/acme/{to}") for to, _, _ in FORMS)
    }
    assert tried == routes


def _pattern(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "[^/]+", path)


def test_a_form_of_another_organization_s_page_leads_to_its_own(
    browser: MakeBrowser, tenant: str
) -> None:
    for back in ("/o/other/accounts", "//evil.example", "javascript:alert(1)"):
        said = browser().post(f"/o/{tenant}/enrollment", {"back": back})
        assert next_of(said) == f"/o/{tenant}/accounts"


def test_a_part_of_a_page_sends_the_browser_to_sign_in_and_back_to_the_page(
    browser: MakeBrowser, tenant: str
) -> None:
    nobody = browser()
    here = f"/o/{tenant}/accounts/A-7?only=lapse&q=M%C3%BCller"
    for asked in (
        nobody.client.get(f"/o/{tenant}/accounts/A-7?why=s-1", headers=_htmx(nobody, here)),
        nobody.client.post(f"/o/{tenant}/outcomes", headers=_htmx(nobody, here)),
    ):
        assert asked.status_code == 401 and asked.text == ""
        page = nobody.get(asked.headers["hx-redirect"])
        assert (page.status_code, next_of(page)) == (200, here)


def test_a_part_of_a_page_of_elsewhere_leads_to_our_own(browser: MakeBrowser, tenant: str) -> None:
    nobody = browser()
    elsewhere = {"HX-Request": "true", "HX-Current-URL": f"https://evil.example/o/{tenant}/health"}
    asked = nobody.client.get(f"/o/{tenant}/summary?month=2026-08", headers=elsewhere)
    page = nobody.get(asked.headers["hx-redirect"])
    assert next_of(page) == f"/o/{tenant}/summary?month=2026-08"


def _htmx(browser: Browser, path: str) -> dict[str, str]:
    base = str(browser.client.base_url).rstrip("/")
    return {"HX-Request": "true", "HX-Current-URL": base + path}
