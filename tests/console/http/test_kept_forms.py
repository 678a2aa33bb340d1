"""What was typed into a form whose session ended is in it again after signing in: for the same
person, in the same browser, once.
"""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from services.signals.actions import kept_forms as actions
from services.signals.actions import sign_in
from services.signals.console.http import kept_forms
from services.signals.console.http.forms import Posted, csrf_token
from services.signals.console.http.refilling import refilled
from services.signals.persist import handlers
from services.signals.store import organizations
from shared import clock, db
from tests.console.conftest import BASE, COOKIE, Browser, MakeBrowser
from tests.signals.builders import block, order

LETTER = 'Dear Ana,\n\n<b>5½"</b> & J-55: Žďár — “ready”?\n'
TYPED = {"email": "new@door.example", "role": "admin"}


def signed_in_again(browser: Browser, connection: db.Connection, email: str = "") -> None:
    with connection.transaction():
        link = sign_in.make_link(connection, email or browser.email, BASE)
    assert browser.post(urlsplit(link).path).status_code == 303


def ended(connection: db.Connection, browser: Browser) -> None:
    connection.execute("DELETE FROM sessions WHERE email = %s", (browser.email,))


def test_what_was_typed_is_in_the_form_again_once(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ida = browser(tenant)
    ended(connection, ida)
    said = ida.post(f"/o/{tenant}/settings/members/invite", TYPED)
    assert said.status_code == 401 and "What you typed is kept for an hour" in said.text
    signed_in_again(ida, connection)
    page = ida.get(f"/o/{tenant}/settings/members").text
    assert 'value="new@door.example"' in page and "it is in the form again" in page
    assert '<option value="admin" selected>' in page
    assert "new@door.example" not in ida.get(f"/o/{tenant}/settings/members").text


def test_settings_of_many_fields_and_an_outcome_are_filled_again(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    with connection.transaction():
        handlers.handle_orders(connection, [block(order(tenant, "SO-1", account="A/7"), offset=1)])
    for to, form, page, expected in (
        ("settings", {"dormant.gap_days": "123"}, "settings", 'value="123"'),
        (
            "outcomes",
            {"account": "A/7", "kind": "lost", "reason": "price"},
            "outcomes/lost/A%2F7",
            " checked>",
        ),
    ):
        ida = browser(tenant)
        ended(connection, ida)
        ida.post(f"/o/{tenant}/{to}", form)
        signed_in_again(ida, connection)
        filled = ida.get(f"/o/{tenant}/{page}").text
        assert expected in filled and "it is in the form again" in filled, to


def test_where_the_page_has_no_such_form_what_was_typed_stands_on_it(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ida = browser(tenant)
    ended(connection, ida)
    ida.post(f"/o/{tenant}/views/delete", {"view": "<i>v-1</i>"})
    signed_in_again(ida, connection)
    page = ida.get(f"/o/{tenant}/accounts").text
    assert "Nothing of it is saved" in page and "&lt;i&gt;v-1&lt;/i&gt;" in page


def test_htmx_is_sent_to_sign_in_and_what_was_typed_is_kept(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ida = browser(tenant)
    ended(connection, ida)
    here = f"/o/{tenant}/settings/members"
    headers = {
        "HX-Request": "true",
        "HX-Current-URL": str(ida.client.base_url.join(here)),
        "Sec-Fetch-Site": "same-origin",
    }
    token = {"csrf": csrf_token(ida.client.cookies[COOKIE])}
    said = ida.client.post(f"{here}/invite", data=TYPED | token, headers=headers)
    assert (said.status_code, said.text) == (401, "")
    assert "next=" in said.headers["hx-redirect"]
    signed_in_again(ida, connection)
    assert 'value="new@door.example"' in ida.get(here).text


def test_nobody_else_gets_it(browser: MakeBrowser, connection: db.Connection, tenant: str) -> None:
    """Neither who signs in next in this browser, nor who has the cookie elsewhere."""
    ida, other = browser(tenant), browser(tenant)
    ended(connection, ida)
    ida.post(f"/o/{tenant}/settings/members/invite", TYPED)
    stolen = ida.client.cookies.get(kept_forms.COOKIE)
    assert stolen
    other.client.cookies.set(kept_forms.COOKIE, stolen)
    assert "new@door.example" not in other.get(f"/o/{tenant}/settings/members").text
    with connection.transaction():
        organizations.set_member(connection, tenant, "next@example.com", "owner")
    signed_in_again(ida, connection, "next@example.com")
    assert "new@door.example" not in ida.get(f"/o/{tenant}/settings/members").text


def test_it_cannot_be_read_in_the_database(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    ida = browser(tenant)
    ended(connection, ida)
    ida.post(f"/o/{tenant}/settings/members/invite", TYPED)
    (row,) = connection.execute(
        "SELECT kept, person, typed FROM kept_forms WHERE organization = %s", (tenant,)
    ).fetchall()
    cookie = ida.client.cookies.get(kept_forms.COOKIE) or "?"
    for value in map(bytes, row):
        assert b"door" not in value and ida.email.encode() not in value
        assert cookie.encode() not in value


def test_who_signs_out_leaves_nothing_behind(browser: MakeBrowser, tenant: str) -> None:
    ida = browser(tenant)
    assert ida.client.cookies.get(kept_forms.PERSON)
    ida.post("/sign-out")
    assert not ida.client.cookies.get(kept_forms.PERSON)
    said = ida.post(f"/o/{tenant}/settings/members/invite", TYPED)
    assert said.status_code == 401 and "What you typed" not in said.text


def test_only_browsers_that_were_signed_in_can_have_something_kept(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    forged = browser()
    for value in ("00" * 32, "00" * 32 + ".x", "x" * 5_000):
        forged.client.cookies.set(kept_forms.PERSON, value)
        forged.post(f"/o/{tenant}/settings/members/invite", TYPED)
    assert count(connection, tenant) == 0


def test_what_is_kept_is_bounded_and_ends(
    browser: MakeBrowser, connection: db.Connection, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ida = browser(tenant)
    ended(connection, ida)
    to = f"/o/{tenant}/settings/members/invite"
    said = ida.post(to, {"email": "x" * actions.MOST_BYTES})
    assert said.status_code == 401 and count(connection, tenant) == 0
    for number in range(actions.MOST_OF_PERSON + 3):
        ida.post(to, {"email": f"n{number}@door.example"})
    assert count(connection, tenant) == actions.MOST_OF_PERSON
    assert ida.post("/o/no-such/settings/members/invite", TYPED).status_code == 401
    later = clock.now() + actions.LASTS + timedelta(minutes=1)
    connection.execute(
        "UPDATE kept_forms SET expires_at = expires_at - %s WHERE organization = %s",
        (later - clock.now(), tenant),
    )
    signed_in_again(ida, connection)
    assert "door.example" not in ida.get(f"/o/{tenant}/settings/members").text


def count(connection: db.Connection, tenant: str) -> int:
    row = connection.execute(
        "SELECT count(*) FROM kept_forms WHERE organization = %s", (tenant,)
    ).fetchone()
    assert row is not None
    return int(row[0])


# -- the page that is filled -----------------------------------------------------------------------

PAGE = """<!doctype html><html><body>
<main id="main" class="page">
<details><summary>More</summary>
<form method="post" action="/o/a/letters"><input type="hidden" name="csrf" value="new"><input
  type="hidden" name="step" value="1"><textarea name="body">old &amp; kept</textarea></form>
<form method="post" action="/o/a/letters"><input type="hidden" name="csrf" value="new">
<input type="hidden" name="step" value="2"><textarea name="body">other</textarea>
<select name="day"><option>Monday</option><option selected>Friday</option></select>
<input type="checkbox" name="on" value="a" checked><input type="checkbox" name="on" value="b">
<input name="line" value="1"><input name="line" value="2"><input name="rest" value="as it was">
</form></details>
<form method="get" action="/o/a/letters"><input name="body" value="search"></form>
</main></body></html>"""


def test_a_form_is_filled_whatever_fields_it_has() -> None:
    typed = Posted(
        [
            *(("csrf", "old"), ("step", "2"), ("body", LETTER), ("day", "Monday"), ("on", "b")),
            *(("line", 'say "x"'), ("line", "")),
        ]
    )
    page = refilled(PAGE, "/o/a/letters", typed)
    assert "old &amp; kept" in page and ">other<" not in page, "the form of the step that was sent"
    assert (
        "Dear Ana,\n\n&lt;b&gt;5½&quot;&lt;/b&gt; &amp; J-55: Žďár — “ready”?\n</textarea>" in page
    )
    assert "<option selected>Monday" in page and "<option>Friday" in page
    assert 'value="a">' in page and 'value="b" checked>' in page
    assert 'name="line" value="say &quot;x&quot;">' in page and 'name="line" value="">' in page
    assert 'value="as it was"' in page and 'value="search"' in page and 'value="new"' in page
    assert "<details open>" in page


def test_a_page_without_the_form_is_as_it_was_but_for_the_word() -> None:
    page = refilled(PAGE, "/o/a/elsewhere", Posted([("csrf", "old"), ("name", "<x>")]))
    begin, end = page.index('<div class="errs"'), page.index("</div>") + len("</div>")
    assert (page[: begin - 1] + page[end:]) == PAGE
    assert "<dd><bdi>&lt;x&gt;</bdi></dd>" in page and "csrf" not in page[begin:end]
