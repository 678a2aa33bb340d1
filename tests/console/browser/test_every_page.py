"""Every page in every state: axe finds nothing to mend, nothing sticks out of the screen; light and dark, phone and desk."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.console.browser.conftest import Person
from tests.console.browser.pages import Look, go, looks
from tests.console.browser.world import World
from tests.stack_fixtures import Stack

WIDTHS = (1280, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

# Rows and lines repeat one template: the first ones are looked at; under an open menu none, since it covers parts of them. What
# changes with width and scheme is looked at again there.
RUN_AXE = """
async (rules) => (await axe.run(
  {exclude: [[".ledger tbody tr:nth-child(n+16)"], [".hist"], [".filters:has(> details[open]) ~ form .ledger"]]},
  {iframes: false, resultTypes: ["violations"], ...(rules ? {runOnly: rules} : {})},
)).violations.map(
  (found) => `${found.id}: ${found.nodes.map((node) => node.target.join(" ") + " " + node.failureSummary).join("; ").slice(0, 600)}`
)
"""
BY_SCREEN = ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"]
STICKS_OUT = """
() => document.documentElement.scrollWidth > innerWidth
  ? [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
      .map((one) => `${one.tagName}.${one.className} ${Math.round(one.getBoundingClientRect().right)}`).slice(0, 5)
  : []
"""


@pytest.mark.parametrize("look", looks(), ids=lambda look: look.name)
def test_axe_finds_nothing_and_nothing_sticks_out(person: Person, world: World, services: Stack, look: Look) -> None:
    page = person(look.role, expecting=look.expecting)
    go(page, look, world)
    page.evaluate(AXE_SCRIPT)
    assert list(_violations(page)) == []


def _violations(page: Page) -> Iterator[tuple[int, str, Any]]:
    rules = None  # all of them, once
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(RUN_AXE, rules)
            rules = BY_SCREEN
            if found:
                yield width, scheme, found
        out = page.evaluate(STICKS_OUT)
        if out:
            yield width, "sticks out", out
