"""One stack, one Chromium, and people who are signed in.

chromium_    the browser, for all tests of this folder
world        the demo's distributor in the running stack (world.py)
person       person("member") -> a page of a context of its own, signed in; person(None) of nobody.
             Options as Playwright's `new_context` takes them (viewport, color_scheme,
             java_script_enabled …). When the test ends, no page of it may have asked another
             origin, nor made the browser complain: the Content-Security-Policy holds.
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.console.browser import world as worlds
from tests.console.browser.chromium import Watched, chromium
from tests.console.browser.world import World
from tests.stack_fixtures import Stack


class Person(Protocol):
    """Makes a page for a person; `expecting`: what the browser will complain of,
    since the test provokes it.
    """

    def __call__(
        self, role: str | None = "owner", *, expecting: tuple[str, ...] = (), **options: Any
    ) -> Page: ...


def said(page: Page, text: str | re.Pattern[str]) -> Locator:
    """The words of the toast; the live region around them has no size of its own."""
    return page.get_by_role("status").get_by_text(text)


@pytest.fixture(scope="package")
def chromium_() -> Iterator[Browser]:
    """Ends with this folder's tests: Playwright keeps an event loop in the thread, which others
    need for their own.
    """
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def world(stack_with_services: Stack, tmp_path_factory: pytest.TempPathFactory) -> World:
    return worlds.build(stack_with_services, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="package")
def signed_in(chromium_: Browser, world: World) -> dict[str, Any]:
    """role -> what a browser keeps once that person has signed in."""
    kept = {}
    for role, email in world.people.items():
        context = chromium_.new_context(base_url=world.console)
        page = context.new_page()
        page.goto(world.sign_in_link(email))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**/o/{world.organization}" if role != "owner" else world.console + "/")
        kept[role] = context.storage_state()
        context.close()
    return kept


@pytest.fixture
def person(chromium_: Browser, world: World, signed_in: dict[str, Any]) -> Iterator[Person]:
    made: list[Watched] = []

    def make(
        role: str | None = "owner", *, expecting: tuple[str, ...] = (), **options: Any
    ) -> Page:
        state = None if role is None else signed_in[role]
        watched = Watched(
            chromium_,
            world.console,
            **({"storage_state": state, "viewport": {"width": 1280, "height": 900}} | options),
        )
        watched.expected.update(expecting)
        made.append(watched)
        return watched.page()

    yield make
    wrong = [one for watched in made for one in watched.wrong()]
    for watched in made:
        watched.context.close()
    assert wrong == []
