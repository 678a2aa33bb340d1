"""What a page weighs: usable on a slow phone, and nothing of it comes from elsewhere (conftest.py
watches that in every test).
"""

import pytest
from playwright.sync_api import Response

from tests.console.browser.conftest import Person
from tests.console.browser.pages import Look, go, looks
from tests.console.browser.world import World
from tests.stack_fixtures import Stack

MOST_HTML_BYTES = 60_000
MOST_CSS_BYTES = 30 * 1024

HEAVIEST = (
    "accounts",
    "today",
    "drawer-two-types",
    "drawer-lapse",
    "settings-member",
    "digest-settings",
    "members",
    "orders",
    "health",
    "summary",
)


@pytest.mark.parametrize(
    "look", [look for look in looks() if look.name in HEAVIEST], ids=lambda look: look.name
)
def test_a_page_and_its_styles_are_light(
    person: Person, world: World, services: Stack, look: Look
) -> None:
    page = person(look.role)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # a builtin it cannot wrap
    go(page, look, world)
    styles = {
        answer.url: len(answer.body())
        for answer in answers
        if answer.request.resource_type == "stylesheet"
    }
    assert sum(styles.values()) <= MOST_CSS_BYTES, styles
    html = next(answer for answer in answers if answer.request.resource_type == "document")
    assert len(html.body()) <= MOST_HTML_BYTES
