"""Every page in every state: axe finds nothing to mend, nothing sticks out of the screen; light and
dark, phone and desk.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from tests.console.browser.chromium import Watched
from tests.console.browser.pages import Look, go, looks
from tests.console.browser.world import World
from tests.stack_fixtures import Stack

PageOf = Callable[[str | None], tuple[Watched, Page]]
WIDTHS, HEIGHT = (1280, 390), 900
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

# Rows and lines repeat one template: the first ones are looked at; under an open menu none, since
# it covers parts of them; beside a drawer only in one look. What changes with width and scheme is
# looked at again there, the rules of a scheme in both.
RUN_AXE = """
async ([rules, left_out]) => (await axe.run(
  {exclude: [[".ledger tbody tr:nth-child(n+10)"], [".mini tbody tr:nth-child(n+5)"], [".hist"],
    [".filters:has(> details[open]) ~ form .ledger"], ...left_out]},
  {iframes: false, resultTypes: ["violations"], ...(rules ? {runOnly: rules} : {})},
)).violations.map(
  ({id, nodes}) => {
    const said = nodes.map((node) => node.target.join(" ") + " " + node.failureSummary);
    return `${id}: ${said.join("; ").slice(0, 600)}`;
  }
)
"""
BESIDE_A_DRAWER, LOOKED_AT_WITH_IT = ".split > .list", "drawer-lapse"
BY_WIDTH = ["target-size", "scrollable-region-focusable"]
BY_SCHEME = ["color-contrast", "link-in-text-block"]
STICKS_OUT = """
() => {
  if (document.documentElement.scrollWidth <= innerWidth) return [];
  const right = (one) => one.getBoundingClientRect().right;
  return [...document.querySelectorAll("body *")]
    .filter((one) => right(one) > innerWidth + 1)
    .map((one) => `${one.tagName}.${one.className} ${Math.round(right(one))}`)
    .slice(0, 5);
}
"""


@pytest.fixture(scope="module")
def shared_page(chromium_: Browser, world: World, signed_in: dict[str, Any]) -> Iterator[PageOf]:
    """One page a role for all looks: contexts, styles and scripts are not what they are about."""
    made: dict[str | None, tuple[Watched, Page]] = {}

    def of(role: str | None) -> tuple[Watched, Page]:
        if role not in made:
            watched = Watched(
                chromium_, world.console, storage_state=None if role is None else signed_in[role]
            )
            made[role] = watched, watched.page()
        return made[role]

    yield of
    for watched, _ in made.values():
        watched.context.close()


@pytest.mark.parametrize("look", looks(), ids=lambda look: look.name)
def test_axe_finds_nothing_and_nothing_sticks_out(
    shared_page: PageOf, world: World, services: Stack, look: Look
) -> None:
    watched, page = shared_page(look.role)
    watched.begin(look.expecting)
    page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    page.emulate_media(color_scheme=SCHEMES[0])
    go(page, look, world)
    page.evaluate(AXE_SCRIPT)
    assert (
        list(_violations(page, [] if look.name == LOOKED_AT_WITH_IT else [[BESIDE_A_DRAWER]])) == []
    )
    assert watched.wrong() == []


def _violations(page: Page, left_out: list[list[str]]) -> Iterator[tuple[int, str, Any]]:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            if scheme != SCHEMES[0]:
                rules: list[str] | None = BY_SCHEME
            else:
                rules = None if width == WIDTHS[0] else BY_WIDTH + BY_SCHEME
            found = page.evaluate(RUN_AXE, [rules, left_out])
            if found:
                yield width, scheme, found
        out = page.evaluate(STICKS_OUT)
        if out:
            yield width, "sticks out", out
