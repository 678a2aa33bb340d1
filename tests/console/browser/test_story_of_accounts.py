"""The accounts table as people use it: signed in by a link, columns chosen, badges read, enrollment changed, a mistake kept."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser import world as w
from tests.console.browser.conftest import Person
from tests.console.browser.world import World

pytestmark = pytest.mark.usefixtures("services")


def rows(page: Page) -> list[str]:
    return page.locator("tbody").get_by_role("rowheader").all_inner_texts()


def test_one_signs_in_by_the_link_in_a_mail_and_out_again(person: Person, world: World) -> None:
    page = person(None, expecting=("status of 401", "status of 410"))
    page.goto(world.path("accounts"))
    email = world.people["admin"]
    page.get_by_label("Your mail address").fill(email)
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    w.wait_for(lambda: any("Sign in" in mail["subject"] for mail in world.mailbox.mails(email)))
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


def test_a_badge_tells_its_three_largest_on_hover_and_on_focus(person: Person, world: World) -> None:
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


def test_a_wrong_value_stands_beside_its_field_and_is_kept(person: Person, world: World) -> None:
    page = person(expecting=("status of 422",))
    page.goto(world.path(f"accounts/{w.IRONWOOD}"))
    page.get_by_text("Won back…").click()
    page.get_by_label("Monthly value").fill("a lot")
    page.get_by_role("button", name="Won back", exact=True).click()
    expect(page.get_by_label("Monthly value")).to_have_value("a lot")
    expect(page.get_by_label("Monthly value")).to_have_attribute("aria-invalid", "true")
