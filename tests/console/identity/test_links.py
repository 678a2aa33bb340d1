"""A link is of the browser that asked for it: elsewhere it wants the code which that one shows. And
how many are mailed, whoever asks.
"""

import re
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from services.signals.actions import sign_in
from services.signals.console.identity import sign_in_mail
from services.signals.store import organizations
from shared import clock, db, mail_limits
from shared.errors import Rejected
from tests.console.conftest import Browser, MakeBrowser, text_of
from tests.console.identity.test_sign_in import mailed_link
from tests.eventually import eventually
from tests.signals.builders import rows
from tests.stack_fixtures import Mailbox


def asked(browser: Browser, email: str, mailbox: Mailbox) -> tuple[str, str]:
    """(the path of the link, the code) of what this browser asks for."""
    page = browser.post("/sign-in", {"email": email})
    code = re.search(r"<strong[^>]*>([A-Z2-9]{4}-[A-Z2-9]{4})</strong>", page.text)
    assert page.status_code == 200 and code is not None
    return urlsplit(mailed_link(mailbox, email)).path, code[1]


def is_in(answer: httpx.Response) -> bool:
    return answer.status_code == 303 and "winback_session" in answer.headers["set-cookie"]


@pytest.fixture
def ana(connection: db.Connection, tenant: str) -> str:
    email = f"ana@{tenant}.example.com"
    organizations.set_member(connection, tenant, email, "member")
    return email


def test_the_browser_that_asked_needs_no_code(
    browser: MakeBrowser, ana: str, mailbox: Mailbox
) -> None:
    here = browser()
    path, _ = asked(here, ana, mailbox)
    assert 'name="code"' not in here.get(path).text
    assert is_in(here.post(path))


def test_another_browser_needs_the_code_which_the_first_one_shows(
    browser: MakeBrowser, ana: str, mailbox: Mailbox
) -> None:
    here, there = browser(), browser()
    path, code = asked(here, ana, mailbox)
    page = there.get(path)
    assert page.status_code == 200 and 'name="code"' in page.text
    assert code not in page.text and code not in str(mailbox.mails(to=ana)[0]["text"])
    for wrong in ({}, {"code": ""}, {"code": "AAAA-AAAA"}):
        said = there.post(path, wrong)
        assert said.status_code == 422 and "not the code" in text_of(said)
    assert is_in(there.post(path, {"code": f" {code.lower().replace('-', ' ')}"}))


def test_a_code_that_was_wrong_five_times_is_never_right(
    browser: MakeBrowser, ana: str, mailbox: Mailbox
) -> None:
    here, there = browser(), browser()
    path, code = asked(here, ana, mailbox)
    for _ in range(sign_in.MOST_CODES):
        assert there.post(path, {"code": "AAAA-AAAA"}).status_code == 422
    assert there.post(path, {"code": code}).status_code == 422
    assert is_in(here.post(path))  # whoever asked is not locked out by others who try


def test_a_code_is_of_one_link(browser: MakeBrowser, ana: str, mailbox: Mailbox) -> None:
    here, there = browser(), browser()
    first, _ = asked(here, ana, mailbox)
    mailbox.clear()
    _, code = asked(here, ana, mailbox)
    assert there.post(first, {"code": code}).status_code == 422
    assert is_in(here.post(first))  # and a browser may have asked twice


def test_a_link_of_the_command_line_is_of_no_browser(
    browser: MakeBrowser, connection: db.Connection, ana: str
) -> None:
    link = urlsplit(sign_in.make_link(connection, ana, "http://x")).path
    assert is_in(browser().post(link))


def test_tries_at_once_are_as_many_tries(connection: db.Connection, ana: str) -> None:
    asked_here = sign_in.asked_by(None)
    link = sign_in.make_link(connection, ana, "", asked=asked_here).split("/")[-1]
    together, right = threading.Barrier(8), []

    def attempt(code: str) -> None:
        with db.connect() as own:
            together.wait(10)
            right.append(sign_in.is_right_code(own, link, code))

    threads = [threading.Thread(target=attempt, args=("AAAA-AAAA",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert right == [False] * 8
    assert rows(connection, "SELECT wrong_codes FROM sign_in_links WHERE email = %s", ana) == [(5,)]


# -- how many --------------------------------------------------------------------------------------


def test_whoever_asks_for_links_of_another_s_address_locks_them_out_of_nothing(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    known = browser(tenant)
    stranger = browser()
    links = "SELECT count(*) FROM sign_in_links WHERE email = %s AND used_at IS NULL"

    def ask(who: Browser, email: str, times: int, then: int) -> None:
        for _ in range(times):
            who.post("/sign-in", {"email": email})
        eventually(lambda: rows(connection, links, email) == [(then,)], what=f"{then} links")

    ask(stranger, known.email, sign_in_mail.MOST_OPEN + 3, sign_in_mail.MOST_OPEN)
    ask(known, known.email, 1, sign_in_mail.MOST_OPEN + 1)
    # the cookie says so of one address, and of nobody else's
    other = browser(tenant)
    ask(known, other.email, sign_in_mail.MOST_OPEN + 3, sign_in_mail.MOST_OPEN)
    ask(other, other.email, 1, sign_in_mail.MOST_OPEN + 1)


def test_mails_at_once_are_counted_once_each_and_the_limit_holds(
    connection: db.Connection, tenant: str
) -> None:
    now, together = clock.now(), threading.Barrier(12)
    taken: list[bool] = []

    def take() -> None:
        with db.connect() as own:
            together.wait(10)
            try:
                mail_limits.take(
                    own,
                    "digest by hand",
                    now=now,
                    person=f"p@{tenant}",
                    address=f"a@{tenant}",
                    organization=tenant,
                )
                taken.append(True)
            except Rejected:
                taken.append(False)

    threads = [threading.Thread(target=take) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(taken) == [False] * 2 + [True] * 10


def test_a_mail_that_one_limit_refuses_counts_for_none_and_a_new_span_begins_at_nothing(
    connection: db.Connection, tenant: str
) -> None:
    now = datetime(2026, 3, 2, 10, 59, tzinfo=UTC)

    def invite(address: str, at: datetime = now) -> None:
        mail_limits.take(
            connection, "invitation", now=at, person=tenant, address=address, organization=tenant
        )

    for _ in range(3):
        invite(f"a@{tenant}")
    for _ in range(30):
        with pytest.raises(Rejected, match="this address had 3 such mails this day"):
            invite(f"a@{tenant}")
    for number in range(17):
        invite(f"{number}@{tenant}")
    with pytest.raises(Rejected, match="you had 20 such mails this hour"):
        invite(f"x@{tenant}")
    invite(f"x@{tenant}", at=now + timedelta(minutes=1))
    with pytest.raises(Rejected):
        invite(f"a@{tenant}", at=now + timedelta(minutes=1))
    invite(f"a@{tenant}", at=now + timedelta(days=1))


def test_who_asks_for_the_digest_too_often_is_told_so(browser: MakeBrowser, tenant: str) -> None:
    ana = browser(tenant)
    for _ in range(10):
        assert ana.post(f"/o/{tenant}/settings/digest/test").status_code == 303
    answer = ana.post(f"/o/{tenant}/settings/digest/test")
    assert answer.status_code == 429 and "you had 10 such mails this hour" in text_of(answer)
