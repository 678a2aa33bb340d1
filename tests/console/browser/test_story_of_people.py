"""Three people's jobs: a manager on Monday, a rep on a phone, an owner on day one."""

import re
import secrets
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from shared import clock
from tests.console.browser import world as w
from tests.console.browser.conftest import Person, said
from tests.console.browser.world import ZONE, World
from tests.eventually import eventually

pytestmark = pytest.mark.usefixtures("services")

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True}


def today(world: World) -> str:
    return f"/o/{world.organization}"


def due(page: Page) -> Any:
    return page.get_by_role("region", name=re.compile("^Due"))


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_manager_notes_a_call_and_finds_it_due(
    person: Person, world: World, scripts: bool
) -> None:
    page = person(java_script_enabled=scripts)
    page.goto(today(world))
    expect(page.get_by_role("table", name="A row per owner")).to_contain_text("Together")
    page.goto(world.path(f"accounts/{w.COPPER}"))
    row = page.get_by_role("row").filter(has_text="Copper Mesa")
    if scripts:
        expect(row).not_to_contain_text("reached out")
    page.get_by_text("Reached out…").click()
    note = f"J55 comes mill-direct until January {secrets.token_hex(2)}"
    page.get_by_label("Note, one line").first.fill(note)
    page.get_by_label("Call again on").first.fill(clock.today(ZONE).isoformat())
    page.get_by_role("button", name="Reached out", exact=True).click()
    expect(said(page, "Reached out to Copper Mesa")).to_be_visible()
    # row, badge and drawer changed together
    expect(row).to_contain_text("reached out")
    expect(page.get_by_role("region", name="Outcomes")).to_contain_text(note)
    page.goto(today(world))
    mine = due(page).get_by_role("listitem").filter(has_text=note)
    mine.get_by_role("button", name=re.compile("^Done")).click()
    expect(said(page, "Done: Copper Mesa")).to_be_visible()
    expect(page.get_by_text(note)).to_have_count(0)
    page.goto(world.path(f"accounts/{w.COPPER}"))
    page.get_by_role("button", name=re.compile("^Undo: Reached out")).first.click()
    expect(said(page, "Undone: reached out")).to_be_visible()


def test_an_order_brings_an_account_back_and_what_it_brought_is_what_was_won(
    person: Person, world: World
) -> None:
    page = person("admin")
    sent = world.order(w.LONG, dollars="777.00")
    world.send(sent)
    back = page.get_by_role("region", name=re.compile("^Came back")).get_by_role("listitem")

    def is_there() -> bool:
        page.goto(today(world))
        return back.filter(has_text=sent["order"]).count() > 0

    eventually(is_there)
    expect(back.filter(has_text=sent["order"])).to_contain_text("by itself")
    page.goto(world.path() + "?state=back")
    page.get_by_role("link", name="Consolidated").click()
    page.get_by_text("Won back…").click()
    expect(page.get_by_label("What the order brought")).to_have_attribute("placeholder", "$777")
    page.get_by_role("button", name="Won back", exact=True).click()
    expect(page.get_by_role("region", name="Outcomes")).to_contain_text("$777")
    page.goto(world.path("summary"))
    expect(
        page.get_by_role("region", name=re.compile("^Came back"))
        .get_by_role("row")
        .filter(has_text="Consolidated")
    ).to_contain_text("confirmed")


def test_a_rep_on_a_phone_sees_their_own_and_calls_from_the_first_screen(
    person: Person, world: World
) -> None:
    world.stack.winback(
        "member", "owner", world.organization, "dk", "--email", world.people["member"],
    )  # fmt: skip
    page = person("member", **PHONE)
    page.goto(today(world))
    expect(page.get_by_role("link", name=re.compile("^Mine"))).to_have_attribute(
        "aria-current", "true"
    )
    calls = page.locator(".calls > li")
    names = calls.locator("h3 a").all_inner_texts()
    assert names and "Salt Fork Resources" not in names  # of another owner
    call = calls.first.get_by_role("link", name=re.compile("^Call "))
    expect(call).to_have_attribute("href", re.compile(r"^tel:\+?\d+"))
    expect(call).to_be_in_viewport()
    first = names[0]
    calls.first.get_by_role("button", name=f"Reached out to {first}").click()
    expect(said(page, f"Reached out to {first}")).to_be_visible()
    expect(calls.first.locator("h3")).not_to_contain_text(first)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(said(page, "Undone: reached out")).to_be_visible()
    page.goto(world.path(f"accounts/{w.PERMIAN}"))
    expect(page.get_by_role("link", name=re.compile("^Call ")).first).to_be_in_viewport()


def test_an_owner_on_day_one_needs_no_shell(person: Person, world: World) -> None:
    organization = f"day-one-{secrets.token_hex(3)}"
    world.stack.winback(
        "organization", "create", organization, "--name", "Day One", "--currency", "USD",
        "--timezone", ZONE, "--no-schedules",
    )  # fmt: skip
    world.stack.winback("member", "add", organization, world.people["owner"], "--role", "owner")
    page = person()
    page.goto(f"/o/{organization}")
    page.get_by_role("button", name="Make a token, with a call to copy").click()
    token = page.get_by_label(re.compile("^The token ")).input_value()
    call = page.get_by_role("group", name="A call that sends an order").inner_text()
    assert f"Bearer {token}" in call and "/v1/orders" in call
    order = {
        "order": "SO-1",
        "account": "A-1",
        "ordered_on": "2025-01-31",
        "lines": [{"product": "P", "revenue": "250000.00"}],
    }
    ingest = f"{world.stack.service('ingest')['url']}/v1/orders"
    answer = httpx.post(ingest, json=order, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 202, answer.text

    def says(text: str) -> None:
        def is_there() -> bool:
            page.goto(f"/o/{organization}")
            return page.get_by_text(text).count() > 0

        eventually(is_there)

    says("1 order of 1 account loaded, no run yet.")
    page.get_by_role("button", name="Run now").click()
    expect(said(page, "Run 1 of")).to_be_visible()
    says("Run 1 is complete.")
    expect(page.get_by_role("region", name="See signals")).to_contain_text("Done:")
    expect(page.locator(".calls > li").first).to_contain_text("No order for")
    expect(page.get_by_role("button", name="Send me one now")).to_be_visible()
