"""A sales manager's Monday: find who needs a call, see why, say what came of it; by mouse, by keys
alone, and without scripts.
"""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser import world as w
from tests.console.browser.conftest import Person, said
from tests.console.browser.world import World
from tests.eventually import eventually

pytestmark = pytest.mark.usefixtures("services")


def rows(page: Page) -> list[str]:
    return page.locator(".ledger tbody").get_by_role("rowheader").all_inner_texts()


def test_one_signs_in_by_the_link_in_a_mail_and_out_again(person: Person, world: World) -> None:
    page = person(None, expecting=("status of 401", "status of 410"))
    page.goto(world.path("accounts"))
    email = world.people["admin"]
    page.get_by_label("Your mail address").fill(email)
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    eventually(lambda: any("Sign in" in mail["subject"] for mail in world.mailbox.mails(email)))
    text = next(mail["text"] for mail in world.mailbox.mails(email) if "Sign in" in mail["subject"])
    link = re.search(r"https?://\S+", text)
    assert link is not None
    page.goto(world.console + link[0][link[0].index("/sign-in/") :])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    page.get_by_text("admin-").first.click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.goto(world.path("accounts"))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(world.console + link[0][link[0].index("/sign-in/") :])
    expect(page.get_by_role("heading", name="does not work any more")).to_be_visible()


def test_a_click_after_the_session_ended_leads_to_sign_in_and_back_to_the_page(
    person: Person, world: World
) -> None:
    page = person("member", expecting=("status of 401",))
    here = world.path(f"accounts/{w.TWIN}?only=dormant")
    page.goto(here)
    page.context.clear_cookies()
    reach_out(page)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.locator('input[name="next"]').input_value() == here


def reach_out(page: Page) -> None:
    page.get_by_text("Reached out…").click()
    page.get_by_role("button", name="Reached out", exact=True).click()


def test_the_table_sorts_filters_searches_and_pages(person: Person, world: World) -> None:
    page = person()
    page.goto(world.path())
    expect(page.get_by_text("need a call")).to_be_visible()
    page.get_by_role("columnheader", name="Account").get_by_role("link").click()
    by_name = rows(page)
    assert by_name == sorted(by_name, key=str.casefold) and len(by_name) == 50
    page.get_by_role("link", name="Next 50").click()
    expect(page.get_by_text(re.compile(r"51–\d+ of \d+"))).to_be_visible()
    assert not set(rows(page)) & set(by_name)
    page.get_by_role("link", name="Previous 50").click()
    assert rows(page) == by_name
    page.get_by_role("link", name=re.compile("^Lapse")).click()
    lapsed = rows(page)
    assert "Permian Supply" in lapsed and "Caprock Energy Services" not in lapsed
    page.get_by_text("Owner", exact=True).first.click()
    page.get_by_role("link", name="dk", exact=True).click()
    assert set(rows(page)) <= set(lapsed) and "Ironwood Casing Crews" not in rows(page)
    page.get_by_role("link", name=re.compile("owner dk")).click()
    assert rows(page) == lapsed
    page.goto(world.path())
    page.keyboard.press("/")
    page.get_by_role("searchbox").fill("permian")
    page.keyboard.press("Enter")
    page.get_by_role("main").get_by_role("link", name="All accounts with").click()
    page.wait_for_url("**accounts?q=permian*")
    assert rows(page) == ["Permian Supply"]


def test_columns_are_chosen_and_stay(person: Person, world: World) -> None:
    page = person()
    page.goto(world.path())
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Lifetime").uncheck()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="Lifetime")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("columnheader", name="Lifetime")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="At stake")).to_have_count(1)


def test_a_view_is_saved_with_its_columns_opened_and_deleted_and_everybody_s_is_everybody_s(
    person: Person, world: World
) -> None:
    page, name = person("admin"), "West, by name"
    page.goto(world.path() + "?sort=name&owner=dk")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Last contact").uncheck()
    page.get_by_role("button", name="Show these").click()
    page.get_by_text("Views", exact=True).click()
    page.get_by_label("Save as").fill(name)
    page.get_by_label("for everybody").check()
    page.get_by_role("button", name="Save this view").click()
    expect(said(page, f"Saved as {name}, for everybody")).to_be_visible()
    shown = rows(page)
    theirs = person("member")
    theirs.goto(world.path())
    theirs.get_by_text("Views", exact=True).click()
    theirs.get_by_role("link", name=name).click()
    theirs.wait_for_url("**owner=dk*")
    assert rows(theirs) == shown
    expect(theirs.get_by_role("columnheader", name="Last contact")).to_have_count(0)
    theirs.get_by_text("Views", exact=True).press("Enter")
    expect(theirs.get_by_role("link", name=name)).to_have_attribute("aria-current", "true")
    expect(theirs.get_by_role("button", name=f"Delete the view {name}")).to_have_count(0)
    page.get_by_text("Views", exact=True).click()
    page.get_by_role("button", name=f"Delete the view {name}").click()
    expect(said(page, f"Deleted the view {name}")).to_be_visible()
    assert rows(page) == shown
    page.get_by_text("Views", exact=True).click()
    expect(page.get_by_role("link", name=name)).to_have_count(0)


def test_a_badge_tells_its_three_largest_on_hover_and_on_focus(
    person: Person, world: World
) -> None:
    page = person()
    page.goto(world.path() + "?q=permian")
    tip = page.get_by_text("9 5/8 P110")
    expect(tip).not_to_be_visible()
    page.locator("tbody .b").first.hover()
    expect(tip).to_be_visible()
    expect(page.get_by_text("2 7/8 L80")).to_be_visible()
    page.mouse.move(0, 0)
    expect(tip).not_to_be_visible()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Permian Supply")).to_be_focused()
    expect(tip).to_be_visible()


def test_enrollment_changes_in_its_place(person: Person, world: World) -> None:
    page = person("member")
    page.goto(world.path() + "?q=horsehead")
    place = page.url
    cell = page.get_by_role("cell").filter(has_text="Auto ·")
    cell.locator("summary").click()
    page.get_by_role("button", name=re.compile("^No")).click()
    expect(page.locator(".enr summary").first).to_have_text("No")
    expect(page.locator(".enr summary").first).to_be_focused()
    assert page.url == place
    page.reload()
    expect(page.locator(".enr summary").first).to_have_text("No")
    page.locator(".enr summary").first.click()
    page.get_by_role("button", name=re.compile("^Auto")).click()
    expect(page.locator(".enr summary").first).to_have_text("Auto · Yes")


def test_the_view_is_a_file_too(person: Person, world: World, tmp_path: Path) -> None:
    page = person()
    page.goto(world.path() + "?only=dormant")
    shown = rows(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    download.value.save_as(tmp_path / "accounts.csv")
    found = list(
        csv.DictReader((tmp_path / "accounts.csv").read_text(encoding="utf-8-sig").splitlines())
    )
    assert [one["name"] for one in found] == shown and {one["currency"] for one in found} == {"USD"}


def test_the_drawer_opens_by_click_and_by_enter_back_closes_it_and_focus_returns(
    person: Person, world: World
) -> None:
    page = person()
    page.goto(world.path())
    link = page.get_by_role("link", name="Permian Supply")
    for by_key in (False, True):
        if by_key:
            link.press("Enter")
        else:
            link.click()
        drawer = page.get_by_role("complementary", name="Permian Supply")
        expect(drawer).to_be_focused()
        assert f"/accounts/{w.PERMIAN}" in page.url
        expect(drawer.get_by_role("heading", name="Win-Back signals")).to_be_visible()
        expect(drawer.get_by_text("silent for").first).to_be_visible()
        expect(drawer.get_by_role("img").first).to_have_attribute(
            "aria-label", re.compile("Orders with")
        )
        expect(drawer.get_by_text("What clears it.").first).to_be_visible()
        page.go_back()
        expect(drawer).to_have_count(0)
        expect(link).to_be_focused()
    link.click()
    expect(page.get_by_role("complementary", name="Permian Supply")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)
    expect(link).to_be_focused()


def test_beside_a_drawer_the_other_rows_come_when_they_are_asked_for_and_keep_the_place(
    person: Person, world: World
) -> None:
    page = person(viewport={"width": 1600, "height": 500})
    page.goto(world.path() + "?sort=name")
    names = rows(page)
    page.get_by_role("link", name=names[30], exact=True).click()
    expect(page.get_by_role("complementary")).to_be_focused()
    own = page.locator("tbody tr[aria-current]")
    expect(own).to_contain_text(names[30])
    assert len(rows(page)) < 50
    page.get_by_role("link", name="Rows before these").click()
    expect(page.get_by_role("link", name="Rows before these")).to_have_count(0)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.get_by_role("link", name="Rows behind these")).to_have_count(0)
    assert rows(page) == names
    expect(own).to_contain_text(names[30])


def test_reached_out_is_undone_by_the_toast(person: Person, world: World) -> None:
    page = person("member")
    page.goto(world.path(f"accounts/{w.TWIN}"))
    reach_out(page)
    toast = page.locator(".toast").filter(has_text="Reached out to Twin Buttes")
    expect(toast).to_contain_text("off the digest until")
    toast.get_by_role("button", name="Undo").click()
    expect(said(page, "Undone: reached out")).to_be_visible()
    page.goto(world.path() + "?q=twin")
    expect(page.locator(".enr summary").first).to_have_text("Auto · Yes")


def test_won_back_with_a_value_is_undone_later_and_counts_in_the_summary(
    person: Person, world: World
) -> None:
    page = person()
    page.goto(world.path(f"accounts/{w.NORTH_DRAW}"))
    page.get_by_text("Won back…").click()
    page.get_by_label("Monthly value").fill("4,321")
    page.get_by_role("button", name="Won back", exact=True).click()
    expect(said(page, "Won back North Draw")).to_be_visible()
    page.goto(world.path("summary"))
    expect(page.get_by_role("row").filter(has_text="North Draw").first).to_contain_text("$4,321")
    page.goto(world.path(f"accounts/{w.NORTH_DRAW}"))
    page.get_by_role("button", name=re.compile("^Undo: .*[Ww]on back")).first.click()
    expect(said(page, "Undone: won back")).to_be_visible()


def test_lost_with_its_reason_leaves_the_calls_and_is_in_the_history(
    person: Person, world: World
) -> None:
    page = person()
    page.goto(world.path(f"accounts/{w.SANDHILL}"))
    page.get_by_text("Lost…").click()
    page.get_by_role("radio", name="Competitor").check()
    page.get_by_role("button", name="Lost", exact=True).click()
    expect(said(page, "Lost Sandhill")).to_be_visible()
    page.goto(world.path() + "?only=call")
    assert "Sandhill Well Service" not in rows(page)
    page.goto(world.path("settings/audit") + f"?subject={w.SANDHILL}")
    expect(page.get_by_role("row").filter(has_text="lost").first).to_contain_text("competitor")


def test_the_next_order_clears_lost(person: Person, world: World) -> None:
    page = person()
    page.goto(world.path(f"accounts/{w.GULF}"))
    page.get_by_text("Lost…").click()
    page.get_by_role("radio", name="Price").check()
    page.get_by_role("button", name="Lost", exact=True).click()
    expect(said(page, "Lost Gulf")).to_be_visible()
    page.reload()
    lost = page.get_by_text("The next order clears it.", exact=False).and_(
        page.get_by_text("Lost since")
    )
    expect(lost).to_be_visible()
    sent = world.order(w.GULF)
    world.send(sent)

    def is_cleared() -> bool:
        page.reload()
        return lost.count() == 0

    eventually(is_cleared)
    expect(
        page.get_by_role("region", name="Outcomes").get_by_text(f"cleared by order {sent['order']}")
    ).to_be_visible()


def test_what_a_member_noted_is_undone_by_an_admin(person: Person, world: World) -> None:
    theirs = person("member")
    theirs.goto(world.path(f"accounts/{w.CAPROCK}"))
    reach_out(theirs)
    expect(said(theirs, "Reached out to Caprock")).to_be_visible()
    page = person("admin")
    page.goto(world.path(f"accounts/{w.CAPROCK}"))
    outcomes = page.get_by_role("region", name="Outcomes")
    expect(outcomes).to_contain_text(world.people["member"])
    outcomes.get_by_role("button", name=re.compile("^Undo: .*[Rr]eached out")).first.click()
    expect(said(page, "Undone: reached out")).to_be_visible()
    theirs.reload()
    expect(
        theirs.get_by_role("region", name="Outcomes").get_by_role(
            "button", name=re.compile("^Undo")
        )
    ).to_have_count(0)


def test_another_contact_becomes_the_primary_one(person: Person, world: World) -> None:
    page = person("member")
    page.goto(world.path(f"accounts/{w.IRONWOOD}"))
    contacts = page.get_by_role("region", name="Contacts")
    for name in ("Operations", "Purchasing"):
        contacts.get_by_role("button", name=f"Make {name} the primary contact").click()
        expect(said(page, "Primary contact changed")).to_be_visible()
        expect(contacts.get_by_role("listitem").filter(has_text=name)).to_contain_text("Primary")
        expect(
            contacts.get_by_role("button", name=f"Make {name} the primary contact")
        ).to_have_count(0)


def test_a_wrong_value_stands_beside_its_field_and_is_kept(person: Person, world: World) -> None:
    page = person(expecting=("status of 422",))
    page.goto(world.path(f"accounts/{w.IRONWOOD}"))
    page.get_by_text("Won back…").click()
    page.get_by_label("Monthly value").fill("a lot")
    page.get_by_role("button", name="Won back", exact=True).click()
    expect(page.get_by_label("Monthly value")).to_have_value("a lot")
    expect(page.get_by_label("Monthly value")).to_have_attribute("aria-invalid", "true")


def test_the_main_path_by_keys_alone(person: Person, world: World) -> None:
    page = person()
    page.goto(world.path() + "?only=dormant")
    names = rows(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    for key, name in (("j", names[0]), ("j", names[1]), ("k", names[0])):
        page.keyboard.press(key)
        expect(page.get_by_role("link", name=name)).to_be_focused()
    page.keyboard.press("e")
    expect(page.get_by_role("button", name=re.compile("^Auto")).first).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary")).to_be_focused()
    page.keyboard.press("Escape")
    page.wait_for_url("**/accounts?only=dormant")
    expect(page.get_by_role("complementary")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("caprock")
    expect(page.locator("#found a").first).to_contain_text("Caprock Energy Services")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#found a").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Caprock Energy Services")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("caprock")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Search")).to_be_visible()
    expect(
        page.get_by_role("main").get_by_role("link", name="Caprock Energy Services").first
    ).to_be_visible()


def test_all_of_it_without_scripts(person: Person, world: World) -> None:
    page = person(java_script_enabled=False)
    page.goto(world.path() + "?only=dormant&sort=name")
    page.get_by_role("link", name="Caprock Energy Services").click()
    expect(page.get_by_role("complementary", name="Caprock Energy Services")).to_be_visible()
    reach_out(page)
    expect(said(page, "Reached out to Caprock")).to_be_visible()
    page.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(said(page, "Undone: reached out")).to_be_visible()
    page.get_by_role("link", name="Close Caprock").click()
    page.locator("tr").filter(has_text="Caprock").locator(".enr summary").click()
    page.locator("tr").filter(has_text="Caprock").get_by_role(
        "button", name=re.compile("^Yes")
    ).click()
    expect(said(page, "enrollment Yes")).to_be_visible()
    page.goto(world.path("settings"))
    page.get_by_role("textbox", name="Inactivity gap").fill("80")
    page.get_by_role("button", name="Try", exact=True).last.click()
    expect(page.get_by_role("textbox", name="Inactivity gap")).to_have_value("80")
    expect(page.get_by_text("Would flag").or_(page.get_by_text("Flags")).first).to_be_visible()
