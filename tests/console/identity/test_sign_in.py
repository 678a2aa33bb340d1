"""Signing in by a mailed link, signing out, sessions that end, and forms that only
our own pages can send.
"""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from services.signals.actions import members, sign_in, tenants
from services.signals.actions.actor import COMMAND_LINE
from services.signals.store import organizations
from shared import clock, db, metrics
from shared.settings import settings
from tests.console.conftest import MakeBrowser, text_of
from tests.eventually import eventually
from tests.signals.conftest import make_tenant
from tests.stack_fixtures import Mailbox


def test_a_member_gets_a_link_by_mail_and_comes_to_the_page_that_was_asked_for(
    browser: MakeBrowser, connection: db.Connection, tenant: str, mailbox: Mailbox
) -> None:
    ana, email = browser(), f"ana@{tenant}.example.com"
    organizations.set_member(connection, tenant, email, "member")
    asked = ana.get(f"/o/{tenant}/accounts")
    assert asked.status_code == 401 and f'name="next" value="/o/{tenant}/accounts"' in asked.text
    said = ana.post("/sign-in", {"email": f" {email.upper()} ", "next": f"/o/{tenant}/accounts"})
    assert said.status_code == 200 and "Look into your mail" in said.text
    link = urlsplit(mailed_link(mailbox, email))
    assert ana.get(f"{link.path}?{link.query}").status_code == 200
    done = ana.post(link.path, {"next": f"/o/{tenant}/accounts"})
    assert (done.status_code, done.headers["location"]) == (303, f"/o/{tenant}/accounts")
    assert ana.get(f"/o/{tenant}/accounts").status_code == 200


@pytest.mark.parametrize(
    ("asked", "lands"),
    [
        ("accounts?only=dormant&sort=-lifetime&q=M%C3%BCller+%26+S%C3%B6hne", None),
        ("accounts/A%2F2%3F?q=%E9%92%A2%E7%AE%A1&sort=name", None),
        ("summary?month=2026-08", None),
        ("signals?type=dormant", "accounts?only=dormant"),  # as digests lead
    ],
)
def test_signing_in_returns_to_the_very_address(
    browser: MakeBrowser,
    connection: db.Connection,
    tenant: str,
    mailbox: Mailbox,
    asked: str,
    lands: str | None,
) -> None:
    ana, email = browser(), f"ana@{tenant}.example.com"
    organizations.set_member(connection, tenant, email, "member")
    page = ana.client.get(f"/o/{tenant}/{asked}", follow_redirects=True)
    assert page.status_code == 401
    ana.post("/sign-in", {"email": email, "next": next_of(page)})
    link = urlsplit(mailed_link(mailbox, email))
    page = ana.get(f"{link.path}?{link.query}")
    done = ana.post(link.path, {"next": next_of(page)})
    assert (done.status_code, done.headers["location"]) == (303, f"/o/{tenant}/{lands or asked}")


def test_a_link_that_no_line_of_a_mail_holds_leads_to_the_page_without_its_query(
    browser: MakeBrowser, connection: db.Connection, tenant: str, mailbox: Mailbox
) -> None:
    ana, email = browser(), f"ana@{tenant}.example.com"
    organizations.set_member(connection, tenant, email, "member")
    ana.post("/sign-in", {"email": email, "next": f"/o/{tenant}/accounts?q={'钢' * 100}"})
    link = urlsplit(mailed_link(mailbox, email))
    assert next_of(ana.get(f"{link.path}?{link.query}")) == f"/o/{tenant}/accounts"


def test_a_page_of_an_organization_of_others_is_not_gone_to(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    other, email = make_tenant(connection), f"ana@{tenant}.example.com"
    organizations.set_member(connection, tenant, email, "member")
    for wanted, lands in ((other, "/"), (tenant, f"/o/{tenant}/accounts")):
        with connection.transaction():
            link = sign_in.make_link(connection, email, "http://127.0.0.1")
        done = browser().post(urlsplit(link).path, {"next": f"/o/{wanted}/accounts"})
        assert done.headers["location"] == lands


def test_organizations_go_by_their_names(
    browser: MakeBrowser, connection: db.Connection, tenant: str, mailbox: Mailbox
) -> None:
    ana = browser(tenant, "member")
    named = {
        f"{tenant}-{place}": name for place, name in (("a", "zinc & sons"), ("b", "Borealis Steel"))
    }
    for organization, name in named.items():
        with connection.transaction():
            tenants.create_organization(
                connection,
                organization,
                name=name,
                currency="USD",
                timezone="UTC",
                with_schedules=False,
                by=COMMAND_LINE,
            )
            organizations.set_member(connection, organization, ana.email, "admin")
    home, switcher = ana.get("/").text, ana.get(f"/o/{tenant}/accounts").text
    assert "<title>Organizations · Winback</title>" in home
    for page in (home, switcher.partition("</details>")[0]):
        shown = re.findall(r'href="/o/([^/"]+)"(?: aria-current="true")?><bdi>([^<]*)</bdi>', page)
        assert shown == [
            (tenant, "Acme"),
            (f"{tenant}-b", "Borealis Steel"),
            (f"{tenant}-a", "zinc &amp; sons"),
        ]
    ana.post("/sign-in", {"email": ana.email})
    mailed_link(mailbox, ana.email)
    mail = mailbox.mails(to=ana.email)[0]
    assert f"as {ana.email}: Acme, Borealis Steel and zinc & sons." in " ".join(
        str(mail["text"]).split()
    )
    assert "zinc &amp; sons" in str(mail["html"])


def test_who_is_no_member_reads_the_same_and_gets_nothing(
    browser: MakeBrowser, tenant: str, mailbox: Mailbox
) -> None:
    nobody, email = browser(), f"nobody@{tenant}.example.com"
    said = nobody.post("/sign-in", {"email": email})
    assert said.status_code == 200 and "Look into your mail" in said.text
    member = browser(tenant)
    nobody.post("/sign-in", {"email": member.email})
    mailed_link(mailbox, member.email)  # the mail that was asked for after it
    assert mailbox.mails(to=email) == []


def test_an_address_that_cannot_be_is_told_so_and_kept(browser: MakeBrowser) -> None:
    said = browser().post("/sign-in", {"email": 'x"><script>@'})
    assert said.status_code == 422 and 'aria-invalid="true"' in said.text
    assert 'value="x&#34;&gt;&lt;script&gt;@"' in said.text


def test_a_link_leads_to_pages_of_ours_alone(browser: MakeBrowser) -> None:
    for elsewhere in (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/o/x\r\nSet-Cookie: a=b",
    ):
        assert (
            'name="next" value="/"'
            in browser().post("/sign-in", {"email": "a", "next": elsewhere}).text
        )


def test_signing_out_everywhere_ends_every_session(browser: MakeBrowser, tenant: str) -> None:
    here = browser(tenant)
    there = browser(tenant, email=here.email)
    assert here.post("/sign-out", {"everywhere": "yes"}).status_code == 303
    assert [one.get(f"/o/{tenant}/accounts").status_code for one in (here, there)] == [401, 401]


def test_a_session_ends_when_its_person_is_removed(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    gone = browser(tenant, "member")
    with connection.transaction():
        members.remove(connection, tenant, gone.email, by=COMMAND_LINE)
    assert gone.get(f"/o/{tenant}/accounts").status_code == 401


def test_a_session_that_nobody_uses_ends(
    browser: MakeBrowser, tenant: str, connection: db.Connection, at: Callable[..., None]
) -> None:
    idle, now = browser(tenant), clock.now()
    at(now + timedelta(days=2))
    assert idle.get(f"/o/{tenant}/accounts").status_code == 200
    at(now + timedelta(days=4))
    assert idle.get(f"/o/{tenant}/accounts").status_code == 200
    at(now + timedelta(days=7, minutes=1))
    assert idle.get(f"/o/{tenant}/accounts").status_code == 401


def test_a_form_needs_its_session_s_token_and_comes_from_our_own_pages(
    browser: MakeBrowser, tenant: str
) -> None:
    one, other = browser(tenant), browser(tenant)
    token = one.get(f"/o/{tenant}/accounts").text.split('name="csrf" value="')[1].split('"')[0]
    for answer in (
        one.client.post("/sign-out"),
        one.client.post("/sign-out", data={"csrf": "x"}),
        other.client.post("/sign-out", data={"csrf": token}),
        one.cross_post("/sign-out", {"csrf": token}),
        one.client.post("/sign-out", data={"csrf": token}, headers={"Sec-Fetch-Site": "same-site"}),
        one.client.post(
            "/sign-out", data={"csrf": token}, headers={"Origin": "https://evil.example"}
        ),
    ):
        assert answer.status_code == 403 and "Not done" in text_of(answer)
    assert one.client.post("/sign-out", data={"csrf": "x" * 300_000}).status_code == 413
    assert (
        one.client.post(
            "/sign-out", data={"csrf": token}, headers={"Sec-Fetch-Site": "same-origin"}
        ).status_code
        == 303
    )


def test_over_https_the_cookie_is_this_host_s_alone(
    browser: MakeBrowser, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINBACK_BASE_URL", "https://winback.example.com")
    settings.cache_clear()
    try:
        made = browser(tenant)
        made.post("/sign-in", {"email": made.email})
        cookies = list(made.client.cookies.jar)
        assert {cookie.name for cookie in cookies} == {
            "__Host-winback_session",
            "__Host-winback_person",
            "__Host-winback_asked",
        }
        for cookie in cookies:
            assert (cookie.secure, cookie.path, cookie.domain_specified) == (True, "/", False)
            assert cookie.has_nonstandard_attr("HttpOnly")
            assert cookie.get_nonstandard_attr("SameSite") == "lax"
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_what_came_of_a_link_s_mail_is_counted(
    browser: MakeBrowser,
    connection: db.Connection,
    tenant: str,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def asked(name: str, answer: str = "") -> dict[str, float]:
        before, email = counted(), f"{name}@{tenant}.example.com"
        organizations.set_member(connection, tenant, email, "member")
        mailbox.answer(email, answer)
        browser().post("/sign-in", {"email": email})
        return eventually(
            lambda: {key: now - before[key] for key, now in counted().items() if now != before[key]}
        )

    assert asked("sent") == {"sent": 1}
    assert asked("gone", "550 5.1.1 unknown") == {"refused": 1}
    assert asked("busy", "450 4.2.1 busy") == {"failed": 1}
    monkeypatch.setenv("WINBACK_SMTP_URL", "smtp://127.0.0.1:1")
    settings.cache_clear()
    assert asked("away") == {"failed": 1}
    settings.cache_clear()


def counted() -> dict[str, float]:
    return {
        outcome: metrics.SIGN_IN_MAILS.labels(outcome)._value.get()
        for outcome in ("sent", "refused", "failed")
    }


def mailed_link(mailbox: Mailbox, email: str) -> str:
    """Out of the newest mail, once there is one."""
    mail, *_ = eventually(lambda: mailbox.mails(to=email), what=f"a mail to {email}")
    return next(line for line in str(mail["text"]).splitlines() if "/sign-in/" in line)


def next_of(page: httpx.Response) -> str:
    """The page that comes after, as the form of a page keeps it."""
    found = re.search(r'name="next" value="([^"]*)"', page.text)
    assert found is not None
    return html.unescape(found[1])
