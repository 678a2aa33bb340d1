"""Orders as they come, thresholds, the digest, drafts, people, tokens, the log, the summary,
health, other organizations.
"""

import re
import secrets

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser import world as w
from tests.console.browser.conftest import Person, said
from tests.console.browser.world import World
from tests.eventually import eventually

pytestmark = pytest.mark.usefixtures("services")

LIVE_MS = 30_000
# what ingest answers to no order, with a token that may send some and with one that is none
NOTHING_TO_TAKE, UNKNOWN = (
    422,
    401,
)


def test_an_order_and_the_recovery_it_brings_appear_without_a_reload(
    person: Person, world: World
) -> None:
    page = person()
    page.goto(world.path("orders"))
    expect(page.get_by_text("· live")).to_be_visible()
    page.evaluate("window.stayed = true")
    everyday, back = (
        world.order(w.HEALTHY),
        world.order(w.ARABIC, od="7", grade="P110", dollars="9000.00"),
    )
    world.send(everyday)
    expect(page.get_by_role("row").filter(has_text=everyday["order"])).to_be_visible(
        timeout=LIVE_MS
    )
    world.send(back)
    expect(page.get_by_role("row").filter(has_text=back["order"])).to_contain_text(
        "came back", timeout=LIVE_MS
    )
    assert page.evaluate("window.stayed") is True


def test_a_threshold_is_tried_as_one_types_saved_told_in_the_history_and_reset(
    person: Person, world: World
) -> None:
    page = person()
    page.goto(world.path("settings"))
    gap = page.get_by_role("textbox", name="Inactivity gap")
    gap.fill("75")
    dormant = page.get_by_role("region", name="Fully dormant")
    expect(dormant.get_by_text("75 days:")).to_be_visible()
    expect(page.get_by_text("1 change in Fully dormant")).to_be_visible()
    page.get_by_role("button", name="Save and run now").click()
    expect(said(page, "Saved")).to_be_visible()
    expect(gap).to_have_value("75")
    expect(page.get_by_role("region", name="Saved versions")).to_contain_text("90 days to 75 days")
    expect(page.get_by_role("region", name="Saved versions")).to_contain_text(world.people["owner"])
    page.get_by_role("button", name="Reset inactivity gap to 90").click()
    expect(gap).to_have_value("90")
    page.get_by_role("button", name="Save and run now").click()
    expect(page.get_by_role("region", name="Saved versions")).to_contain_text("75 days to 90 days")


def test_what_cannot_be_is_told_beside_its_field_and_what_was_typed_stays(
    person: Person, world: World
) -> None:
    page = person(expecting=("status of 422",))
    page.goto(world.path("settings"))
    page.get_by_role("textbox", name="History window").fill("60")
    page.get_by_role("textbox", name="Specialty share above").fill("120")
    page.get_by_role("button", name="Save and run now").click()
    expect(page.get_by_role("alert").first).to_contain_text("2 fields need another value")
    for label, typed in (("History window", "60"), ("Specialty share above", "120")):
        field = page.get_by_role("textbox", name=label)
        expect(field).to_have_value(typed)
        expect(field).to_have_attribute("aria-invalid", "true")


def test_a_member_reads_the_thresholds_and_changes_none(person: Person, world: World) -> None:
    page = person("member")
    page.goto(world.path("settings"))
    expect(page.get_by_text("Owners and admins change these")).to_be_visible()
    expect(page.get_by_role("textbox", name="Inactivity gap")).to_be_disabled()
    expect(page.get_by_role("button", name="Save and run now")).to_have_count(0)
    page.get_by_text("member-").first.click()
    expect(page.get_by_role("link", name="Health")).to_have_count(0)


def test_the_digest_is_set_up_previewed_and_sent_to_oneself(person: Person, world: World) -> None:
    page = person("admin")
    page.goto(world.path("settings/digest"))
    page.get_by_label("How often").select_option(label="every day")
    expect(page.get_by_text(re.compile("in 1 day|tomorrow|in .* hours")).first).to_be_visible()
    page.get_by_role("checkbox", name=world.people["admin"]).check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("checkbox", name=world.people["admin"])).to_be_checked()
    expect(page.frame_locator("iframe").get_by_text("recoverable").first).to_be_visible()
    page.get_by_text("As plain text").click()
    expect(page.locator("pre")).to_contain_text("recoverable")
    page.get_by_role("button", name="Send me a test").click()
    expect(said(page, "on its way")).to_be_visible()
    eventually(
        lambda: any(
            "to call" in mail["subject"] for mail in world.mailbox.mails(world.people["admin"])
        )
    )


def test_a_draft_is_edited_previewed_and_archived(person: Person, world: World) -> None:
    page = person("member")
    page.goto(world.path("sequences"))
    page.get_by_role("link", name=re.compile("^Cherry-picking")).click()
    expect(page.get_by_text("nothing is sent until someone launches it")).to_be_visible()
    page.get_by_label("Subject").first.fill("About {bought}, for {contact_name}")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_label("Subject").first).to_have_value("About {bought}, for {contact_name}")
    tabs = page.get_by_role("navigation", name="Draft")
    tabs.get_by_role("link", name="Contacts").click()
    page.get_by_role("region", name="Contacts").get_by_role("link", name="Preview").first.click()
    expect(
        page.get_by_role("region", name="Preview").get_by_text("for Purchasing").first
    ).to_be_visible()
    tabs.get_by_role("link", name="Skipped").click()
    expect(page.get_by_role("region", name="Skipped")).to_be_visible()
    tabs.get_by_role("link", name="Activity").click()
    expect(page.get_by_role("region", name="Activity")).to_contain_text(world.people["member"])
    page.get_by_role("button", name=re.compile("^Archive")).click()
    expect(said(page, "Archived")).to_be_visible()
    page.goto(world.path("sequences") + "?state=archived")
    page.get_by_role("link", name=re.compile("^Cherry-picking")).click()
    page.get_by_role("button", name=re.compile("^Bring back")).click()


def test_who_is_removed_is_out_at_once(person: Person, world: World) -> None:
    email = f"rep-{secrets.token_hex(3)}@pipe.example"
    page = person()
    page.goto(world.path("settings/members"))
    page.get_by_label("Mail address").fill(email)
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("row").filter(has_text=email)).to_be_visible()
    theirs = person(None, expecting=("status of 401",))
    theirs.goto(world.invitation_to(email))
    theirs.get_by_role("button", name="Accept").click()
    expect(theirs.get_by_text("a link is on its way")).to_be_visible()
    page.reload()
    page.get_by_label(f"Role of {email}").select_option("admin")
    page.get_by_role("row").filter(has_text=email).get_by_role("button", name="Change").click()
    expect(page.get_by_label(f"Role of {email}")).to_have_value("admin")
    theirs.goto(world.sign_in_link(email))
    theirs.get_by_role("button", name="Sign in").click()
    expect(theirs.get_by_role("heading", name="To call")).to_be_visible()
    page.get_by_label(f"Remove {email}…").click()
    page.get_by_role("button", name=f"Remove {email}", exact=True).click()
    expect(page.get_by_role("rowheader").filter(has_text=email)).to_have_count(0)
    theirs.reload()
    expect(theirs.get_by_role("heading", name="Sign in")).to_be_visible()


def make_token(page: Page, world: World) -> tuple[str, str]:
    """(its name, the token as the page shows it)."""
    name = f"edi-{secrets.token_hex(3)}"
    page.goto(world.path("settings/tokens"))
    page.get_by_label("Which system uses it").fill(name)
    page.get_by_role("button", name="Make the token").click()
    return name, page.get_by_label(f"The token {name}").input_value()


def test_a_token_is_shown_once(person: Person, world: World) -> None:
    page = person("admin")
    name, token = make_token(page, world)
    assert token.startswith("wb_")
    page.goto(world.path("settings/tokens"))
    assert token not in page.content()
    expect(page.get_by_role("row").filter(has_text=name)).to_be_visible()


def test_a_token_is_rotated_and_the_one_before_stops(person: Person, world: World) -> None:
    page = person("admin")
    name, first = make_token(page, world)
    assert world.answer_to(first) == NOTHING_TO_TAKE
    page.get_by_label(f"Rotate or revoke {name}…").press("Enter")
    page.get_by_role("button", name=f"Rotate {name}", exact=True).press("Enter")
    shown = page.get_by_label(f"The token {name}")
    expect(shown).not_to_have_value(first)
    second = shown.input_value()
    assert world.answer_to(second) == NOTHING_TO_TAKE
    eventually(lambda: world.answer_to(first) == UNKNOWN)  # ingest knows a token for some seconds
    page.goto(world.path("settings/tokens"))
    page.get_by_label(f"Rotate or revoke {name}…").click()
    page.get_by_role("button", name=f"Revoke {name}", exact=True).click()
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("revoked")
    eventually(lambda: world.answer_to(second) == UNKNOWN)


def test_what_an_erp_sent_wrong_says_why_on_the_health_page_and_goes_in_again(
    person: Person, world: World
) -> None:
    world.put_into_raw_topic(world.order(w.HEALTHY) | {"currency": "EUR"})
    page = person("admin")
    wrong = page.get_by_role("row").filter(has_text="currency: ")

    def is_there() -> bool:
        page.goto(world.path("health?look=true"))
        return wrong.count() > 0

    eventually(is_there)
    wrong.get_by_role("button", name=re.compile("^Replay")).first.click()
    expect(said(page, "Replayed: erp-orders-dead/")).to_be_visible()
    expect(wrong.filter(has_text="replayed").first).to_be_visible()


def test_the_log_is_narrowed_and_exported(person: Person, world: World) -> None:
    page = person("member")
    page.goto(world.path("settings/audit"))
    page.get_by_label("To what").fill("token erp")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("rowheader").first).to_contain_text("token erp")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) >= 2 and all("token erp" in line for line in lines[1:])


def test_the_month_is_a_page_and_a_file(person: Person, world: World) -> None:
    page = person("member")
    page.goto(world.path("summary"))
    expect(page.get_by_role("term").filter(has_text="Came back")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    page.get_by_role("link", name="The month before").click()
    expect(page.get_by_text("Nothing was noted")).to_be_visible()


def test_health_says_how_the_pipeline_is_and_agrees_with_the_second_opinion(
    person: Person, world: World
) -> None:
    page = person()
    page.goto(world.path("health"))
    expect(
        page.get_by_role("rowheader", name="Orders not yet looked at by the detector")
    ).to_be_visible()
    page.get_by_role("button", name="Audit now").click()
    expect(said(page, re.compile("Audited: 0 differences|Not audited"))).to_be_visible()


def test_another_organization_is_one_click_away_and_starts_with_three_steps(
    person: Person, world: World
) -> None:
    page = person()
    page.goto(world.path())
    page.get_by_label(re.compile("choose another")).click()
    page.get_by_role("link", name=re.compile(world.empty)).click()
    expect(page.get_by_role("heading", name="Send orders")).to_be_visible()


def test_names_that_are_no_markup_stay_text(person: Person, world: World) -> None:
    order = world.order(f"X-{secrets.token_hex(3)}")
    world.send(order | {"account_name": "<img src=x onerror=alert(1)>"})
    page = person()
    page.goto(world.path("orders"))
    row = page.get_by_role("row").filter(has_text=order["order"])
    expect(row).to_contain_text("<img src=x", timeout=LIVE_MS)
