"""The accounts table: sorts, filters, paging, search, enrollment in place, CSV;
the drawer of an account.
"""

import csv
import io
import re
from datetime import date, timedelta
from html import unescape
from urllib.parse import quote

import pytest

from services.signals.persist import handlers
from shared import db
from shared.events import Combo, ContactChanged, Line
from tests.console.conftest import Browser, MakeBrowser, text_of
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

LAPSED = Combo(od="5.5", grade="J55")


@pytest.fixture
def acme(connection: db.Connection, tenant: str) -> str:
    """Three accounts with signals, one of them back; names that try things; a
    hundred and twenty without.
    """
    days = [date(2026, 3, 1) - timedelta(days=30 * n) for n in range(6)]
    names = {
        "A1": "<script>alert(1)</script>",
        "A/2": "شركة الأنابيب",
        "A3": "=Caprock Pipe",
        "A4": None,
    }
    orders = [
        order(
            tenant,
            f"SO-{account}-{n}",
            account=account,
            account_name=name,
            owner="dk" if account == "A1" else "mp",
            on=day,
        )
        for account, name in names.items()
        for n, day in enumerate(days)
    ]
    orders += [
        order(
            tenant,
            f"N-{n:03}",
            account=f"N{n:03}",
            account_name=f"Midstream {n % 7}",
            lines=[Line(revenue_cents=100 * (n % 5))],
        )
        for n in range(120)
    ]
    events = [
        signal_event("opened", tenant, offset=3, account="A1"),
        signal_event("opened", tenant, offset=3, account="A/2", combo=LAPSED),
        signal_event("opened", tenant, offset=3, account="A/2", combo=Combo(od="7", grade=None)),
        signal_event("opened", tenant, offset=3, account="A3"),
        completed(tenant, 1, offset=3),
        recovered(tenant, offset=4, account="A3"),
    ]
    with connection.transaction():
        handlers.handle_orders(
            connection,
            [block(*orders, offset=1), record("orders", requested(tenant, 1), tenant, 3)],
        )
        handlers.handle_signals(
            connection,
            [record("signals", event, tenant, place) for place, event in enumerate(events)],
        )
    return tenant


def listed(browser: Browser, path: str) -> list[str]:
    """The accounts of a page, top to bottom."""
    page = browser.get(path)
    assert page.status_code == 200, page.text
    return re.findall(r'<th role="rowheader"[^>]*><a href="[^"]*/accounts/([^"?]*)', page.text)


def test_the_table_says_what_is_at_stake_first(browser: MakeBrowser, acme: str) -> None:
    page = browser(acme).get(f"/o/{acme}/accounts")
    said = text_of(page)
    assert (
        "2 need a call" in said and "All 124" in said and "Dormant 1" in said and "Lapse 1" in said
    )
    assert "<script>alert" not in page.text and "&lt;script&gt;alert(1)" in page.text
    assert "B: Product lapse, 2 combinations" in said and "5 1/2 J55" in said
    assert "Auto · Yes" in said and "Auto · No" in said
    assert "1–50 of 124" in said
    assert len(page.text) < 60_000


@pytest.mark.parametrize(
    "sort",
    ["name", "-name", "last_order", "-last_order", "lifetime", "-lifetime", "stake", "-stake"],
)
def test_every_sort_pages_to_the_end_and_back_without_leaving_out_or_repeating_any(
    browser: MakeBrowser, acme: str, sort: str
) -> None:
    one = browser(acme)
    path: str | None = f"/o/{acme}/accounts?sort={sort}"
    pages: list[list[str]] = []
    last = ""
    while path:
        last = path
        page = one.get(path).text
        pages.append(listed(one, path))
        found = re.search(r'href="([^"]*)" rel="next"', page)
        path = found[1].replace("&amp;", "&") if found else None
    seen = [account for page in pages for account in page]
    assert [len(page) for page in pages] == [50, 50, 24] and len(set(seen)) == 124
    back = re.search(r'href="([^"]*)" rel="prev"', one.get(last).text)
    assert back and listed(one, back[1].replace("&amp;", "&")) == pages[1]


def test_filters_and_search_hold_together_and_travel_in_the_address(
    browser: MakeBrowser, acme: str
) -> None:
    one, path = browser(acme), f"/o/{acme}/accounts"
    assert listed(one, f"{path}?only=dormant") == ["A1"]
    assert listed(one, f"{path}?only=call") == ["A%2F2", "A1"] or listed(
        one, f"{path}?only=call"
    ) == ["A1", "A%2F2"]
    assert listed(one, f"{path}?owner=mp&only=lapse") == ["A%2F2"]
    assert listed(one, f"{path}?owner=nobody") == []
    assert listed(one, f"{path}?q={quote('الأنا')}") == ["A%2F2"]
    assert listed(one, f"{path}?q=caprock+pi") == ["A3"]
    assert (
        listed(one, f"{path}?q=n01&sort=name")[:3] == ["N010", "N011", "N012"]
        or len(listed(one, f"{path}?q=n01")) == 10
    )
    assert len(listed(one, f"{path}?q=midstream")) == 50
    assert listed(one, f"{path}?q=%25") == []
    for odd in (
        "sort=x",
        "only=x",
        "enrollment=x",
        "after=x",
        "after=W10",
        "before=%00",
        "q=%00",
        f"q={'x' * 5000}",
        "owner=%ED%A0%80",
    ):
        assert one.get(f"{path}?{odd}").status_code == 200, odd


def test_enrollment_changes_in_its_cell_with_a_script_and_by_a_redirect_without(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    one, path = browser(acme, "member"), f"/o/{acme}/enrollment"
    done = one.post(path, {"no": "A/2", "back": f"/o/{acme}/accounts?only=lapse"})
    assert (done.status_code, done.headers["location"]) == (303, f"/o/{acme}/accounts?only=lapse")
    page = one.get(done.headers["location"])
    assert "enrollment No" in text_of(page) and "1 needs a call" in text_of(page)
    assert "enrollment No" not in text_of(one.get(done.headers["location"])), "it is said once"
    cell = one.client.post(
        path,
        data={"csrf": page.text.split('name="csrf" value="')[1].split('"')[0], "yes": "A/2"},
        headers={"Sec-Fetch-Site": "same-origin", "HX-Request": "true"},
    )
    assert (
        cell.status_code == 200
        and cell.text.strip().endswith("</details>")
        and "<html" not in cell.text
    )
    log = (
        "SELECT actor, action, subject, detail FROM audit_log "
        "WHERE organization = %s AND action = 'enrollment' ORDER BY at"
    )
    assert rows(connection, log, acme) == [
        (one.email, "enrollment", "account A/2", {"from": "auto", "to": "no"}),
        (one.email, "enrollment", "account A/2", {"from": "no", "to": "yes"}),
    ]
    assert one.post(path, {"no": "nobody"}).status_code == 404
    assert one.post(path, {"maybe": "A/2"}).status_code == 422
    assert one.cross_post(path, {"no": "A/2"}).status_code == 403
    elsewhere = one.post(path, {"yes": "A/2", "back": "https://evil.example/o/x/accounts"})
    assert elsewhere.headers["location"] == f"/o/{acme}/accounts"


def test_columns_are_this_browser_s_choice(browser: MakeBrowser, acme: str) -> None:
    one = browser(acme)
    done = one.post(
        f"/o/{acme}/columns", {"column": ["wb", "stake"], "back": f"/o/{acme}/accounts"}
    )
    assert done.status_code == 303
    heads = re.findall(
        r'<th role="columnheader"[^>]*>(?:<a[^>]*>)?([^<]*)', one.get(f"/o/{acme}/accounts").text
    )
    assert [head.strip() for head in heads] == ["Account", "Win-Back", "At stake"]


def test_the_export_has_every_row_of_the_view_and_no_formula(
    browser: MakeBrowser, acme: str
) -> None:
    one = browser(acme)
    answer = one.get(f"/o/{acme}/accounts.csv?sort=name")
    assert (
        answer.headers["content-type"].startswith("text/csv")
        and "attachment" in answer.headers["content-disposition"]
    )
    lines = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(lines) == 124
    caprock = next(line for line in lines if line["account"] == "A3")
    assert (caprock["name"], caprock["lifetime"], caprock["currency"]) == (
        "'=Caprock Pipe",
        "600.00",
        "USD",
    )
    assert [
        line["account"]
        for line in csv.DictReader(
            io.StringIO(one.get(f"/o/{acme}/accounts.csv?only=dormant").text[1:])
        )
    ] == ["A1"]


def test_the_drawer_explains_every_signal(browser: MakeBrowser, acme: str) -> None:
    one = browser(acme)
    page = one.get(f"/o/{acme}/accounts/A%2F2?only=lapse&sort=name")
    said = text_of(page)
    assert (
        page.status_code == 200
        and 'class="drawer"' in page.text
        and 'aria-current="true"><th role="rowheader"' in page.text
    )
    assert "Account’s own last order" in said and "under 90" in said
    assert (
        "5 1/2 J55 silent for 90 days" in said
        and "What clears it. An order line of 5 1/2 J55 above zero" in said
    )
    assert "at least 90" in said and "version 1" in said
    assert "SO-A/2-5" in said and "6 orders" in said, "the lines behind it, with their sum"
    assert page.text.count('<svg class="strip"') == 2
    assert f'href="/o/{acme}/accounts?sort=name&amp;only=lapse" aria-label="Close' in page.text
    assert "5 1/2 J55 opened" in said
    assert "style=" not in page.text and "onclick" not in page.text
    back = text_of(one.get(f"/o/{acme}/accounts/A3"))
    assert "None active." in back and "Dormant: came back with SO-1" in back
    for path in ("nobody", "a%00b", "%ED%A0%80"):
        assert one.get(f"/o/{acme}/accounts/{path}").status_code == 404


def test_a_primary_contact_that_people_chose_outdoes_later_records(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    def contact(name: str, revision: int, *, primary: bool) -> None:
        event = ContactChanged(
            organization=acme,
            contact=name,
            account="A1",
            revision=revision,
            email=f"{name}@example.com",
            name=name,
            primary=primary,
        )
        with connection.transaction():
            handlers.handle_contacts(connection, [record("contacts", event, acme, revision)])

    contact("ana", 1, primary=True)
    contact("ben", 2, primary=False)
    one = browser(acme, "member")
    assert "Make ben the primary contact" in one.get(f"/o/{acme}/accounts/A1").text
    done = one.post(
        f"/o/{acme}/accounts/A1/primary", {"contact": "ben", "back": f"/o/{acme}/accounts/A1"}
    )
    assert (done.status_code, done.headers["location"]) == (303, f"/o/{acme}/accounts/A1")
    contact("ana", 3, primary=True)
    primary = "SELECT contact FROM contacts WHERE organization = %s AND is_primary"
    assert rows(connection, primary, acme) == [("ben",)]
    assert "Primary contact ben, by" in text_of(one.get(f"/o/{acme}/accounts/A1"))
    assert one.post(f"/o/{acme}/accounts/A1/primary", {"contact": "nobody"}).status_code == 404
    assert one.post(f"/o/{acme}/accounts/A3/primary", {"contact": "ben"}).status_code == 404


def test_nothing_of_it_is_there_for_others(
    browser: MakeBrowser, acme: str, connection: db.Connection
) -> None:
    from tests.signals.conftest import make_tenant

    other = browser(make_tenant(connection))
    for path in ("accounts", "accounts.csv", "accounts/A1"):
        assert other.get(f"/o/{acme}/{path}").status_code == 404
    for path, data in {
        "enrollment": {"no": "A1"},
        "columns": {},
        "accounts/A1/primary": {"contact": "ana"},
    }.items():
        assert other.post(f"/o/{acme}/{path}", data).status_code == 404
    assert rows(
        connection,
        "SELECT enrollment FROM accounts WHERE organization = %s AND account = 'A1'",
        acme,
    ) == [("auto",)]
    assert browser().get(f"/o/{acme}/accounts").status_code == 401


def test_an_organization_without_orders_says_what_to_do_first(
    browser: MakeBrowser, tenant: str
) -> None:
    said = text_of(browser(tenant).get(f"/o/{tenant}/accounts"))
    assert (
        "Three steps to the first signals" in said
        and f"winback import orders orders.csv --organization {tenant}" in said
    )


def test_a_drawer_has_the_rows_around_its_own_beside_it_and_all_of_them_on_demand(
    browser: MakeBrowser, acme: str
) -> None:
    ana = browser(acme)
    page = listed(ana, f"/o/{acme}/accounts?sort=name")
    for opened, start in ((page[0], 0), (page[25], 18), (page[49], 35)):
        drawer = f"/o/{acme}/accounts/{opened}?sort=name"
        beside = listed(ana, drawer)
        assert beside == page[start : start + 15] and opened in beside
        text = ana.get(drawer).text
        assert re.findall(r'<tr role="row" id="r(\d+)"', text) == [
            str(n) for n in range(start + 1, start + 16)
        ]
        assert ("Rows before these" in text, "Rows behind these" in text) == (start > 0, start < 35)
        assert listed(ana, f"{drawer}&rows=all") == page
    assert listed(ana, f"/o/{acme}/accounts/{page[0]}?q=nothing-like-it") == []


def test_a_drawer_of_many_signals_tells_the_first_in_full_and_each_other_when_asked(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    combos = [Combo(od=od, grade=None) for od in ("4.5", "5", "5.5", "7", "9.625")]
    events = [signal_event("opened", acme, offset=9, account="A4", combo=combo) for combo in combos]
    with connection.transaction():
        handlers.handle_signals(
            connection,
            [record("signals", event, acme, 20 + place) for place, event in enumerate(events)],
        )
    ana, drawer = browser(acme), f"/o/{acme}/accounts/A4?sort=name"
    text = ana.get(drawer).text
    cards = re.findall(r'<div class="sig" id="s-([^"]+)">', text)
    assert len(cards) == 5 and text.count("What clears it.") == 3 == text.count(
        '<svg class="strip"'
    )
    links = re.findall(r'<a class="why" href="([^"]+)"', text)
    assert [link.split("why=")[1] for link in links] == [f"{card}#s-{card}" for card in cards[3:]]
    asked = ana.get(unescape(links[1])).text
    assert asked.count("What clears it.") == 4
    assert '<details class="why" open>' in asked.split(f'id="s-{cards[4]}"')[1]
    assert ana.get(f"{drawer}&why=nothing-like-it").text.count("What clears it.") == 3
