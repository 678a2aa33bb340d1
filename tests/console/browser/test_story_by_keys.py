"""Each task of the console by keys alone: Tab goes to what is needed, Enter, the space bar and
letters do it.
"""

import re
import secrets

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.browser import world as w
from tests.console.browser.conftest import Person, said
from tests.console.browser.world import World

pytestmark = pytest.mark.usefixtures("services")

MOST_TABS = 400
IS_FOCUSED = "element => element === document.activeElement"


def to(page: Page, target: Locator) -> None:
    """Press Tab until it has the focus; it must be seen there."""
    expect(target).to_be_visible()
    for _ in range(MOST_TABS):
        if target.evaluate(IS_FOCUSED):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {target}")


def press(
    page: Page, name: str | re.Pattern[str], *, exact: bool = True, role: str = "button"
) -> None:
    """Go to the first button, or link, of that name and press Enter."""
    to(page, page.get_by_role(role, name=name, exact=exact).first)  # type: ignore[arg-type]  # one of two roles
    page.keyboard.press("Enter")


def write(page: Page, label: str, text: str) -> None:
    """Into the first field of that label, over what is there."""
    to(page, page.get_by_label(label).first)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def open_menu(page: Page, summary: Locator) -> None:
    to(page, summary)
    page.keyboard.press("Enter")


def test_signing_in_and_choosing_an_organization(person: Person, world: World) -> None:
    page = person(None)
    page.goto(world.sign_in_link(world.people["owner"]))
    press(page, "Sign in")
    expect(page.get_by_role("heading", name="Organizations")).to_be_visible()
    press(page, world.name, role="link")
    expect(page.get_by_role("heading", name="To call")).to_be_visible()
    open_menu(page, page.get_by_label(re.compile("choose another")))
    press(page, re.compile("^Fresh Start"), exact=False, role="link")
    expect(page.get_by_role("heading", name="Send orders")).to_be_visible()
    open_menu(page, page.locator("summary").filter(has_text="owner-").first)
    press(page, "Sign out")
    expect(page).to_have_url(re.compile("/sign-in|signed-out|/$"))


def test_the_table_its_columns_views_and_enrollment(person: Person, world: World) -> None:
    page, view = person("admin"), f"By keys {secrets.token_hex(3)}"
    page.goto(world.path())
    press(page, re.compile("^Lapse"), exact=False, role="link")
    page.wait_for_url("**only=lapse*")
    open_menu(page, page.locator("summary").filter(has_text="Columns").first)
    to(page, page.get_by_label("Owner", exact=True).first)
    page.keyboard.press("Space")
    press(page, "Show these")
    expect(page.get_by_role("columnheader", name="Owner")).to_have_count(0)
    open_menu(page, page.locator("summary").filter(has_text="Views").first)
    write(page, "Save as", view)
    press(page, "Save this view")
    expect(said(page, f"Saved as {view}")).to_be_visible()
    open_menu(page, page.locator("summary").filter(has_text="Views").first)
    press(page, f"Delete the view {view}")
    expect(said(page, f"Deleted the view {view}")).to_be_visible()
    page.goto(world.path() + "?q=horsehead")
    cell = page.locator(".enr summary").first
    for choice in ("No", "Auto"):
        open_menu(page, cell)
        press(page, re.compile(f"^{choice}"), exact=False)
        expect(cell).to_have_text(re.compile(f"^{choice}"))


def test_an_outcome_and_its_undo(person: Person, world: World) -> None:
    page = person()
    page.goto(world.path(f"accounts/{w.SANDHILL}"))
    open_menu(page, page.locator("summary").filter(has_text="Lost…"))
    to(page, page.get_by_role("radio").and_(page.locator(":checked")))  # one stop for all of them
    page.keyboard.press("ArrowDown")
    press(page, "Lost")
    expect(said(page, "Lost Sandhill")).to_be_visible()
    press(page, re.compile("^Undo: .*[Ll]ost"), exact=False)
    expect(said(page, "Undone: lost")).to_be_visible()


def test_a_threshold_is_changed_and_reset(person: Person, world: World) -> None:
    page = person()
    page.goto(world.path("settings"))
    write(page, "Inactivity gap", "89")
    press(page, "Save and run now")
    expect(said(page, "Saved")).to_be_visible()
    expect(page.get_by_label("Inactivity gap").first).to_have_value("89")
    press(page, "Reset inactivity gap to 90")
    press(page, "Save and run now")
    expect(page.get_by_role("region", name="Saved versions")).to_contain_text("89 days to 90 days")


def test_the_digest_and_a_draft(person: Person, world: World) -> None:
    page = person("member")
    page.goto(world.path("settings/digest"))
    box = page.get_by_role("checkbox", name=world.people["member"])
    for checked in (True, False):
        to(page, box)
        page.keyboard.press("Space")
        press(page, "Save")
        expect(said(page, "Saved")).to_be_visible()
        expect(box).to_be_checked(checked=checked)
    press(page, "Send me a test")
    expect(said(page, "on its way")).to_be_visible()
    page.goto(world.path("sequences"))
    press(page, re.compile("^Product lapse"), exact=False, role="link")
    write(page, "Subject", "Still there, {contact_name}?")
    press(page, "Save")
    expect(page.get_by_label("Subject").first).to_have_value("Still there, {contact_name}?")
    press(page, "Skipped", role="link", exact=False)
    expect(page.get_by_role("region", name="Skipped")).to_be_visible()


def test_people_the_log_the_month_and_health(person: Person, world: World) -> None:
    email, page = f"rep-{secrets.token_hex(3)}@pipe.example", person()
    page.goto(world.path("settings/members"))
    write(page, "Mail address", email)
    press(page, "Invite")
    expect(said(page, f"{email} is asked by mail")).to_be_visible()
    theirs = person(None)
    theirs.goto(world.invitation_to(email))
    press(theirs, "Accept")
    expect(theirs.get_by_text("a link is on its way")).to_be_visible()
    page.reload()
    open_menu(page, page.get_by_label(f"Remove {email}…"))
    press(page, f"Remove {email}")
    expect(page.get_by_role("rowheader").filter(has_text=email)).to_have_count(0)
    page.goto(world.path("settings/audit"))
    write(page, "To what", f"member {email}")
    press(page, "Show")
    expect(page.get_by_role("rowheader").first).to_contain_text(email)
    page.goto(world.path("summary"))
    press(page, "The month before", role="link")
    expect(page.get_by_text("Nothing was noted")).to_be_visible()
    page.goto(world.path("health"))
    press(page, "Audit now")
    expect(said(page, re.compile("Audited: 0 differences|Not audited"))).to_be_visible()
