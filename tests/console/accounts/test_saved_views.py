"""Saved views of the accounts table: whose they are, that they stay links, and who
takes them away again.
"""

import re
from html import unescape

import pytest

from services.signals.actions import members
from services.signals.actions.actor import COMMAND_LINE
from services.signals.persist import handlers
from services.signals.store import saved_views
from shared import db
from tests.console.conftest import Browser, MakeBrowser, text_of
from tests.signals.builders import block, order
from tests.signals.conftest import make_tenant


@pytest.fixture
def acme(connection: db.Connection, tenant: str) -> str:
    with connection.transaction():
        handlers.handle_orders(
            connection, [block(order(tenant, "SO-1", account="A1", owner="dk"), offset=1)]
        )
    return tenant


def views(browser: Browser, organization: str, query: str = "") -> list[tuple[str, str]]:
    """(name, address) of each entry of the menu."""
    menu = (
        browser.get(f"/o/{organization}/accounts{query}")
        .text.split('<details class="menu end f-more views">')[1]
        .split("</details>")[0]
    )
    return [
        (unescape(name), unescape(path))
        for path, name in re.findall(r'<a href="([^"]*)"[^>]*><bdi>(.*?)</bdi>', menu)
    ]


def id_of(connection: db.Connection, organization: str, name: str) -> str:
    row = connection.execute(
        "SELECT view FROM saved_views WHERE organization = %s AND name = %s", (organization, name)
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_a_view_is_the_table_s_own_address_with_a_name(browser: MakeBrowser, acme: str) -> None:
    ana = browser(acme, "member")
    saved = ana.post(
        f"/o/{acme}/views",
        {
            "name": "  My  lapses ",
            "query": "?sort=-lifetime&only=lapse&owner=dk&q=permian&columns=con.wb.junk"
            "&after=x&junk=1",
        },
    )
    kept = f"/o/{acme}/accounts?sort=-lifetime&only=lapse&owner=dk&q=permian&columns=wb.con"
    assert (saved.status_code, saved.headers["location"]) == (303, kept)
    assert "Saved as My lapses." in text_of(ana.get(kept))
    assert views(ana, acme) == [("My lapses", kept)]
    entry = ana.get(kept).text.split("My lapses")[0].rsplit("<a ", 1)[1]
    assert 'aria-current="true"' in entry
    assert (
        'aria-current="true"'
        not in ana.get(f"/o/{acme}/accounts").text.split("My lapses")[0].rsplit("<a ", 1)[1]
    )


def columns_of(browser: Browser, path: str) -> list[str]:
    found = re.findall(r'<th role="columnheader"[^>]*>(?:<a[^>]*>)?([^<]*)', browser.get(path).text)
    return [head.strip() for head in found]


def test_a_view_shows_its_own_columns_whatever_a_browser_shows_else(
    browser: MakeBrowser, acme: str
) -> None:
    ana, bob = browser(acme, "member"), browser(acme, "member")
    table = f"/o/{acme}/accounts"
    ana.post(f"/o/{acme}/columns", {"column": ["wb", "stake"], "back": table})
    query = re.search(
        r'action="/o/[^"]*/views">.*?name="query" value="([^"]*)"',
        ana.get(f"{table}?sort=name").text,
        re.DOTALL,
    )
    assert query is not None
    saved = ana.post(
        f"/o/{acme}/views", {"name": "Calls", "query": unescape(query[1]), "everybody": "yes"}
    )
    view = saved.headers["location"]
    assert view == f"{table}?sort=name&columns=wb.stake" and views(bob, acme) == [("Calls", view)]
    assert (
        columns_of(bob, view) == ["Account", "Win-Back", "At stake"]
        and len(columns_of(bob, table)) == 8
    )
    turned = re.search(
        r'<th role="columnheader"[^>]*><a href="([^"]*)">Account', bob.get(view).text
    )
    assert turned is not None and turned[1] == f"{table}?sort=-name&amp;columns=wb.stake"
    back = re.search(r'/columns">.*?name="back" value="([^"]*)"', bob.get(view).text, re.DOTALL)
    assert back is not None and unescape(back[1]) == f"{table}?sort=name"
    ana.post(f"/o/{acme}/columns", {"back": table})
    query = re.search(
        r'action="/o/[^"]*/views">.*?name="query" value="([^"]*)"', ana.get(table).text, re.DOTALL
    )
    assert query is not None and unescape(query[1]) == "?columns=none"
    assert (
        columns_of(bob, f"{table}?columns=none") == ["Account"]
        and len(columns_of(bob, f"{table}?columns=what")) == 8
    )


def test_a_view_is_its_member_s_alone_unless_it_is_for_everybody(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    ana, bob, other = browser(acme, "member"), browser(acme, "member"), make_tenant(connection)
    ana.post(f"/o/{acme}/views", {"name": "Mine", "query": "?only=call"})
    ana.post(f"/o/{acme}/views", {"name": "Ours", "query": "?only=dormant", "everybody": "yes"})
    assert [name for name, _ in views(ana, acme)] == ["Mine", "Ours"]
    assert [name for name, _ in views(bob, acme)] == ["Ours"]
    assert views(browser(other), other) == []
    for name in ("Mine", "Ours"):
        there = browser(other).post(
            f"/o/{other}/views/delete", {"view": id_of(connection, acme, name)}
        )
        assert there.status_code == 404
    assert (
        bob.post(f"/o/{acme}/views/delete", {"view": id_of(connection, acme, "Mine")}).status_code
        == 404
    )
    assert browser(other).post(f"/o/{acme}/views", {"name": "x", "query": ""}).status_code == 404
    assert ana.cross_post(f"/o/{acme}/views", {"name": "x", "query": ""}).status_code == 403


def test_a_name_saved_again_takes_the_other_s_place(browser: MakeBrowser, acme: str) -> None:
    ana = browser(acme, "member")
    ana.post(f"/o/{acme}/views", {"name": "Calls", "query": "?only=call"})
    ana.post(f"/o/{acme}/views", {"name": "calls", "query": "?only=call&owner=dk"})
    assert views(ana, acme) == [("calls", f"/o/{acme}/accounts?only=call&owner=dk")]


def test_everybody_s_view_is_changed_and_deleted_by_who_saved_it_or_who_governs(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    ana, bob, admin = browser(acme, "member"), browser(acme, "member"), browser(acme, "admin")
    ana.post(f"/o/{acme}/views", {"name": "Ours", "query": "?only=call", "everybody": "yes"})
    view = id_of(connection, acme, "Ours")
    taken = bob.post(
        f"/o/{acme}/views", {"name": "ours", "query": "?only=lapse", "everybody": "yes"}
    )
    assert "somebody else's view for everybody" in unescape(
        text_of(bob.get(taken.headers["location"]))
    )
    assert bob.post(f"/o/{acme}/views/delete", {"view": view}).status_code == 403
    assert views(bob, acme) == [("Ours", f"/o/{acme}/accounts?only=call")]
    gone = admin.post(f"/o/{acme}/views/delete", {"view": view, "query": "?only=call"})
    assert (gone.status_code, gone.headers["location"]) == (303, f"/o/{acme}/accounts?only=call")
    assert views(ana, acme) == []
    said = connection.execute(
        "SELECT actor, action FROM audit_log "
        "WHERE organization = %s AND subject = 'view Ours' ORDER BY at",
        (acme,),
    ).fetchall()
    assert said == [(ana.email, "saved"), (admin.email, "deleted")]


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "a\u202eb"])
def test_a_name_that_cannot_be_is_told_so(browser: MakeBrowser, acme: str, name: str) -> None:
    ana = browser(acme, "member")
    back = ana.post(f"/o/{acme}/views", {"name": name, "query": "?only=call"})
    assert back.headers["location"] == f"/o/{acme}/accounts?only=call"
    assert (
        "Not saved: a view's name" in unescape(text_of(ana.get(back.headers["location"])))
        and views(ana, acme) == []
    )


def test_there_is_an_end_to_views(
    browser: MakeBrowser, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_views, "MOST", 2)
    ana = browser(acme, "member")
    for name in ("a", "b", "c", "B"):
        ana.post(f"/o/{acme}/views", {"name": name, "query": ""})
    assert [name for name, _ in views(ana, acme)] == ["a", "B"]


def test_who_is_removed_takes_their_own_views_along(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    ana = browser(acme, "member")
    ana.post(f"/o/{acme}/views", {"name": "Mine", "query": ""})
    ana.post(f"/o/{acme}/views", {"name": "Ours", "query": "", "everybody": "yes"})
    with connection.transaction():
        members.remove(connection, acme, ana.email, by=COMMAND_LINE)
    assert [name for name, _ in views(browser(acme), acme)] == ["Ours"]
    assert [name for name, _ in views(browser(acme, "member", email=ana.email), acme)] == ["Ours"]


def test_a_hostile_name_and_query_stay_text(browser: MakeBrowser, acme: str) -> None:
    ana = browser(acme, "member")
    ana.post(
        f"/o/{acme}/views",
        {"name": "<script>alert(1)</script>", "query": '?q="><img src=x>&sort=name'},
    )
    page = ana.get(f"/o/{acme}/accounts").text
    assert "<script>alert" not in page and "<img src=x" not in page
    assert views(ana, acme)[0][0] == "<script>alert(1)</script>"
