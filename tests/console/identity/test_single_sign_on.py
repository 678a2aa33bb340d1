"""Single sign-on against a provider that runs beside: who is let in, and which of its
answers are not believed.
"""

import html
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from services.signals.actions import members
from services.signals.actions.actor import COMMAND_LINE
from services.signals.store import organizations
from shared import db
from shared.settings import settings
from tests.cli.test_tenants_and_runs import winback
from tests.console.conftest import Browser, MakeBrowser, text_of
from tests.eventually import eventually
from tests.repo.tree import ROOT
from tests.signals.conftest import make_tenant

CLIENT, SECRET = "winback-console", "a-secret-of-more-than-thirty-two-letters"


@dataclass(frozen=True)
class Provider:
    """A running one."""

    url: str

    def sign_in(self, location: str, email: str, lie: str = "") -> str:
        """What a person does at its page: the address that it sends the browser
        back to, without the host.
        """
        assert location.startswith(f"{self.url}/authorize?")
        assert httpx.get(location).status_code == 200
        back = httpx.post(location, data={"email": email, "lie": lie})
        assert back.status_code == 303
        parts = urlsplit(back.headers["location"])
        return f"{parts.path}?{parts.query}"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    callback = "http://127.0.0.1:8080/sign-in/oidc/callback"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.console.identity.provider",
            str(port),
            CLIENT,
            SECRET,
            callback,
        ],
        cwd=ROOT,
    )
    provider = Provider(f"http://127.0.0.1:{port}")
    try:
        eventually(
            lambda: httpx.get(f"{provider.url}/keys"),
            ignoring=httpx.ConnectError,
            running=process,
            what="a provider that listens",
        )
        yield provider
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture
def provider(running: Provider, stack: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """The console is told of it."""
    for name, value in {
        "OIDC_ISSUER": running.url, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET,
        "OIDC_NAME": "Acme ID", "BASE_URL": "http://127.0.0.1:8080",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"WINBACK_{name}", value)
    settings.cache_clear()
    yield running
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def ana(connection: db.Connection, tenant: str) -> str:
    """A member's address."""
    email = f"kim@{tenant}.example.com"
    organizations.set_member(connection, tenant, email, "member")
    return email


def begun(browser: Browser, next: str = "/") -> str:
    """The provider's address that the console sends the browser to."""
    sent = browser.get("/sign-in/oidc", params={"next": next})
    assert sent.status_code == 303
    return str(sent.headers["location"])


def test_a_member_signs_in_and_comes_to_the_page_that_was_asked_for(
    browser: MakeBrowser, provider: Provider, tenant: str, ana: str
) -> None:
    person = browser()
    asked = person.get(f"/o/{tenant}/accounts")
    assert "Sign in with Acme ID" in text_of(asked)
    assert f'href="/sign-in/oidc?next=/o/{tenant}/accounts"' in asked.text
    done = person.get(provider.sign_in(begun(person, f"/o/{tenant}/accounts"), ana.upper()))
    assert (done.status_code, done.headers["location"]) == (303, f"/o/{tenant}/accounts")
    assert person.get(f"/o/{tenant}/accounts").status_code == 200
    assert not any("oidc" in cookie.name for cookie in person.client.cookies.jar)


def test_the_query_comes_along_by_the_provider_too(
    browser: MakeBrowser, provider: Provider, tenant: str, ana: str
) -> None:
    person = browser()
    wanted = f"/o/{tenant}/accounts?only=dormant&sort=-lifetime&q=M%C3%BCller+%26+" + "x" * 1_800
    way = re.search(r'href="(/sign-in/oidc[^"]*)"', person.get(wanted).text)
    assert way is not None
    begun_at = person.get(html.unescape(way[1])).headers["location"]
    done = person.get(provider.sign_in(begun_at, ana))
    assert (done.status_code, done.headers["location"]) == (303, wanted)


def test_who_is_no_member_is_not_let_in(
    browser: MakeBrowser, provider: Provider, connection: db.Connection, tenant: str
) -> None:
    person, email = browser(), f"nobody@{tenant}.example.com"
    said = person.get(provider.sign_in(begun(person), email))
    assert said.status_code == 403 and f"{email} is a member of no organization here" in text_of(
        said
    )
    assert person.get(f"/o/{tenant}/accounts").status_code == 401
    assert connection.execute(
        "SELECT count(*) FROM sessions WHERE email = %s", (email,)
    ).fetchone() == (0,)


@pytest.mark.parametrize(
    "lie",
    [
        "nonce", "no nonce", "audience", "party", "issuer", "expired", "unverified", "unsigned",
        "shared secret", "another key", "no subject", "kelvin",
    ],
)  # fmt: skip
def test_an_id_token_that_lies_signs_nobody_in(
    browser: MakeBrowser,
    provider: Provider,
    connection: db.Connection,
    tenant: str,
    ana: str,
    lie: str,
) -> None:
    person = browser()
    said = person.get(provider.sign_in(begun(person), ana, lie))
    assert said.status_code == 403 and "Not signed in:" in text_of(said)
    assert person.get(f"/o/{tenant}/accounts").status_code == 401
    assert connection.execute(
        "SELECT count(*) FROM sessions WHERE email = %s", (ana,)
    ).fetchone() == (0,)


def test_an_address_that_the_provider_gave_to_another_person_signs_nobody_in(
    browser: MakeBrowser, provider: Provider, connection: db.Connection, tenant: str, ana: str
) -> None:
    first, other, again = browser(), browser(), browser()
    assert first.get(provider.sign_in(begun(first), ana)).status_code == 303
    said = other.get(provider.sign_in(begun(other), ana, "another person"))
    assert said.status_code == 403 and "gave your mail address to another account" in text_of(said)
    assert other.get(f"/o/{tenant}/accounts").status_code == 401
    assert again.get(provider.sign_in(begun(again), ana)).status_code == 303
    winback("sessions", "end", ana, "--unpin")
    assert first.get(f"/o/{tenant}/accounts").status_code == 401
    assert other.get(provider.sign_in(begun(other), ana, "another person")).status_code == 303


def test_with_the_last_membership_the_provider_s_word_for_an_address_ends(
    browser: MakeBrowser, provider: Provider, connection: db.Connection, tenant: str, ana: str
) -> None:
    first, other = browser(), browser()
    assert first.get(provider.sign_in(begun(first), ana)).status_code == 303
    with connection.transaction():
        members.remove(connection, tenant, ana, by=COMMAND_LINE)
        organizations.set_member(connection, tenant, ana, "member")
    assert other.get(provider.sign_in(begun(other), ana, "another person")).status_code == 303


def test_another_state_signs_nobody_in(
    browser: MakeBrowser, provider: Provider, tenant: str, ana: str
) -> None:
    person = browser()
    good = provider.sign_in(begun(person), ana)
    state = parse_qs(urlsplit(good).query)["state"][0]
    said = person.get(good.replace(state, state[::-1]))
    assert said.status_code == 403 and "begin again" in text_of(said)
    assert person.get(good).status_code == 403  # what was remembered is gone


def test_an_address_made_in_another_browser_signs_nobody_in(
    browser: MakeBrowser, provider: Provider, tenant: str, ana: str
) -> None:
    theirs = provider.sign_in(begun(browser()), ana)
    victim = browser()
    assert victim.get(theirs).status_code == 403
    begun(victim)
    assert victim.get(theirs).status_code == 403
    assert victim.get(f"/o/{tenant}/accounts").status_code == 401


def test_a_code_works_once(browser: MakeBrowser, provider: Provider, tenant: str, ana: str) -> None:
    person = browser()
    location = begun(person)
    remembered = person.client.cookies.get("winback_oidc")
    good = provider.sign_in(location, ana)
    assert person.get(good).status_code == 303
    person.client.cookies.set("winback_oidc", remembered or "", domain="127.0.0.1", path="/")
    said = person.get(good)
    assert said.status_code == 403 and "refused the code" in text_of(said)


def test_a_person_who_thinks_better_of_it_reads_so(
    browser: MakeBrowser, provider: Provider
) -> None:
    person = browser()
    said = person.get(provider.sign_in(begun(person), "deny"))
    assert said.status_code == 403 and "the provider said no (access_denied)" in text_of(said)


def test_another_provider_s_answer_is_not_taken(
    browser: MakeBrowser, provider: Provider, ana: str
) -> None:
    person = browser()
    good = provider.sign_in(begun(person), ana)
    assert "another provider answered" in text_of(person.get(good.replace("iss=http", "iss=https")))


def test_a_new_key_of_the_provider_s_is_found(
    browser: MakeBrowser, provider: Provider, ana: str
) -> None:
    person = browser()
    location = begun(person)
    assert httpx.post(f"{provider.url}/rotate").status_code == 204
    assert person.get(provider.sign_in(location, ana)).status_code == 303


def test_it_leads_to_pages_of_ours_alone(
    browser: MakeBrowser, provider: Provider, ana: str
) -> None:
    for elsewhere in (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/o/others/accounts",
    ):
        person = browser()
        assert (
            person.get(provider.sign_in(begun(person, elsewhere), ana)).headers["location"] == "/"
        )


def test_a_provider_that_is_away_is_said_to_be(
    browser: MakeBrowser, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WINBACK_OIDC_ISSUER", f"http://127.0.0.1:{taken.getsockname()[1]}")
        settings.cache_clear()
        said = browser().get("/sign-in/oidc")
    assert said.status_code == 502 and "the provider does not answer" in text_of(said)


def test_a_session_is_of_all_organizations_of_the_address(
    browser: MakeBrowser, provider: Provider, connection: db.Connection, tenant: str, ana: str
) -> None:
    other, foreign = make_tenant(connection), make_tenant(connection)
    organizations.set_member(connection, other, ana, "admin")
    person = browser()
    assert person.get(provider.sign_in(begun(person), ana)).status_code == 303
    assert [person.get(f"/o/{one}/accounts").status_code for one in (tenant, other, foreign)] == [
        200,
        200,
        404,
    ]


def test_without_a_provider_there_is_no_such_page(browser: MakeBrowser) -> None:
    assert "/sign-in/oidc" not in browser().get("/sign-in").text
    assert [
        browser().get(path).status_code
        for path in ("/sign-in/oidc", "/sign-in/oidc/callback?state=x&code=y")
    ] == [404, 404]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"OIDC_ISSUER": "http://id.example.com", "OIDC_CLIENT_ID": "x"},
            "WINBACK_OIDC_ISSUER: .*https",
        ),
        (
            {"OIDC_ISSUER": "https://id.example.com/?a=b", "OIDC_CLIENT_ID": "x"},
            "WINBACK_OIDC_ISSUER: .*query",
        ),
        ({"OIDC_ISSUER": "https://id.example.com"}, "WINBACK_OIDC_CLIENT_ID: .*beside"),
        (
            {"OIDC_ISSUER": "https://id.example.com", "OIDC_CLIENT_ID": "x", "SECRET": ""},
            "WINBACK_OIDC_CLIENT_ID: .*WINBACK_SECRET",
        ),
    ],
)
def test_settings_that_cannot_be_stop_the_process(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], reason: str
) -> None:
    from shared.errors import Misconfigured

    with monkeypatch.context() as patched:
        for name, value in {"SECRET": "x" * 32, **given}.items():
            patched.setenv(f"WINBACK_{name}", value)
        settings.cache_clear()
        with pytest.raises(Misconfigured, match=reason):
            settings()
    settings.cache_clear()
