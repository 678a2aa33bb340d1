"""One's own sessions: seen in a list, ended one by one; a new one at each sign-in; and what ends
with a membership, and what does not.
"""

import re
import threading
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from services.signals.actions import members, sign_in, tenants
from services.signals.actions.actor import COMMAND_LINE
from services.signals.console.identity.browsers import UNKNOWN, short_name
from services.signals.store import organizations
from shared import db, security
from tests.console.conftest import BASE, COOKIE, Browser, MakeBrowser, text_of
from tests.eventually import eventually
from tests.signals.builders import rows
from tests.signals.conftest import make_tenant

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def link_for(connection: db.Connection, email: str) -> str:
    return urlsplit(sign_in.make_link(connection, email, BASE)).path


def secret_of(browser: Browser) -> str:
    return browser.client.cookies[COOKIE]


def is_in(browser: Browser, tenant: str) -> bool:
    return browser.get(f"/o/{tenant}/settings/members").status_code == 200


# -- the page --------------------------------------------------------------------------------------


def test_one_s_sessions_are_listed_with_this_one_marked_and_any_other_can_be_ended(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    here = browser(tenant)
    there = browser()
    there.client.headers["User-Agent"] = FIREFOX
    assert there.post(link_for(connection, here.email)).status_code == 303
    page = here.get("/sessions")
    assert page.status_code == 200 and "another program this one" in text_of(page)
    assert "Firefox on Linux" in text_of(page)
    (session,) = re.findall(r'name="session" value="([^"]+)"', page.text)
    with capture_logs() as lines:
        assert here.post("/sessions/end", {"session": session}).headers["location"] == "/sessions"
    assert [line["event_kind"] for line in lines if line["event"] == "security"] == [
        "session ended"
    ]
    assert [is_in(here, tenant), is_in(there, tenant)] == [True, False]
    assert "Firefox" not in here.get("/sessions").text


@pytest.mark.parametrize("session", ["", "x", "\x00", "0" * 32, "é" * 36])
def test_a_session_that_is_none_of_one_s_own_is_not_there(
    browser: MakeBrowser, tenant: str, session: str
) -> None:
    assert browser(tenant).post("/sessions/end", {"session": session}).status_code == 404


def test_nobody_ends_another_person_s_session(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    one, other = browser(tenant), browser(tenant)
    ((session,),) = rows(
        connection, "SELECT session::text FROM sessions WHERE email = %s", other.email
    )
    assert one.post("/sessions/end", {"session": session}).status_code == 404
    assert is_in(other, tenant) and other.email not in one.get("/sessions").text


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/126.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("Firefox/1 <script>alert(1)</script>", "Firefox"),
        ("curl/8.5.0", UNKNOWN),
        ("", UNKNOWN),
        ("x" * 100_000 + "Firefox/1", UNKNOWN),
    ],
)
def test_a_browser_is_named_in_words_of_ours(user_agent: str, said: str) -> None:
    assert short_name(user_agent) == said


# -- signing in ------------------------------------------------------------------------------------


def test_each_sign_in_makes_a_new_session_and_ends_the_browser_s_one_before(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ana = browser(tenant)
    before = secret_of(ana)
    assert ana.post(link_for(connection, ana.email)).status_code == 303
    assert secret_of(ana) != before and is_in(ana, tenant)
    ana.client.cookies.clear()
    ana.client.cookies.set(COOKIE, before)
    assert not is_in(ana, tenant)


def test_a_link_lasts_ten_minutes(connection: db.Connection, tenant: str) -> None:
    email = f"ana@{tenant}.example.com"
    organizations.set_member(connection, tenant, email, "member")
    sign_in.make_link(connection, email, BASE)
    ((lasts,),) = rows(
        connection, "SELECT expires_at - now() FROM sign_in_links WHERE email = %s", email
    )
    assert timedelta(minutes=9) < lasts <= timedelta(minutes=10)


def test_a_link_is_void_once_another_one_was_used(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ana, bo = browser(tenant), browser(tenant)
    used, left, of_bo = (link_for(connection, one.email) for one in (ana, ana, bo))
    assert browser().post(used).status_code == 303
    assert browser().post(left).status_code == 410
    assert browser().post(of_bo).status_code == 303


def test_signing_out_everywhere_makes_links_void_that_were_not_used(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ana = browser(tenant)
    link = link_for(connection, ana.email)
    with capture_logs() as lines:
        ana.post("/sign-out", {"everywhere": "yes"})
    assert browser().post(link).status_code == 410
    (line,) = [line for line in lines if line["event"] == "security"]
    assert line["event_kind"] == "signed out everywhere"
    assert line["person"] == security.name_in_logs(ana.email) and ana.email not in str(lines)


def test_signing_in_and_a_refusal_are_security_lines_in_the_log(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ana = browser(tenant)
    link = link_for(connection, ana.email)
    security._said_at.clear()  # a refusal within the second before would hold this one's line back
    with capture_logs() as lines:
        for status in (303, 410):
            assert browser().post(link).status_code == status
    assert [line["event_kind"] for line in lines if line["event"] == "security"] == [
        "signed in",
        "sign-in refused",
    ]
    assert link.rpartition("/")[2] not in str(lines)


# -- what ends with a membership -------------------------------------------------------------------


def test_who_is_removed_from_one_organization_stays_signed_in_to_another(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    other, owner, ana = make_tenant(connection), browser(tenant), browser(tenant, "member")
    organizations.set_member(connection, other, ana.email, "member")
    link = link_for(connection, ana.email)
    assert is_in(ana, tenant) and is_in(ana, other)
    owner.post(f"/o/{tenant}/settings/members/remove", {"email": ana.email})
    assert [is_in(ana, tenant), is_in(ana, other)] == [False, True]
    again = browser()
    assert again.post(link).status_code == 303
    assert [is_in(again, tenant), is_in(again, other)] == [False, True]


def test_with_the_last_membership_sessions_and_links_end(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    owner, ana = browser(tenant), browser(tenant, "member")
    link = link_for(connection, ana.email)
    owner.post(f"/o/{tenant}/settings/members/remove", {"email": ana.email})
    organizations.set_member(connection, tenant, ana.email, "member")
    assert not is_in(ana, tenant)
    assert browser().post(link).status_code == 410


def test_with_an_organization_the_sessions_of_its_people_end_but_for_members_of_another(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    other = make_tenant(connection)
    ana, bo = browser(other, "member"), browser(other, "member")
    organizations.set_member(connection, tenant, bo.email, "member")
    with connection.transaction():
        tenants.delete_organization(connection, other, by=COMMAND_LINE)
    assert [one.get("/").status_code for one in (ana, bo)] == [401, 303]


def is_waiting(connection: db.Connection) -> bool:
    """Somebody waits for a person."""
    return rows(
        connection, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    ) == [(True,)]


def test_two_organizations_that_remove_one_person_at_once_leave_no_session(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    other, ana = make_tenant(connection), browser(tenant, "member")
    organizations.set_member(connection, other, ana.email, "member")
    organizations.set_member(connection, other, "owner@example.com", "owner")
    with db.connect() as first:
        members.remove(first, tenant, ana.email, by=COMMAND_LINE)  # not committed yet

        def remove_too() -> None:
            with db.connect() as second:
                members.remove(second, other, ana.email, by=COMMAND_LINE)

        racing = threading.Thread(target=remove_too)
        racing.start()
        eventually(lambda: is_waiting(connection) or not racing.is_alive(), what="the second")
    racing.join(30)
    assert rows(connection, "SELECT count(*) FROM sessions WHERE email = %s", ana.email) == [(0,)]
