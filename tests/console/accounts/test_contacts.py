"""People at an account: whom one calls from its drawer, how they are added and changed there."""

import html
import re

import httpx
import pytest

from services.signals.persist import handlers
from shared import db
from shared.events import ContactChanged
from tests.console.conftest import Browser, MakeBrowser, text_of
from tests.signals.builders import block, order, record, rows

STANDS = """
SELECT name, phone, title, is_primary
FROM contacts
WHERE organization = %s
ORDER BY name
"""


@pytest.fixture
def acme(connection: db.Connection, tenant: str) -> str:
    """An account without anybody."""
    with connection.transaction():
        handlers.handle_orders(connection, [block(order(tenant, "SO-1", account="A/1"), offset=1)])
    return tenant


@pytest.fixture
def dana(browser: MakeBrowser, acme: str) -> Browser:
    return browser(acme, "member")


def record_says(connection: db.Connection, organization: str, revision: int, phone: str) -> None:
    event = ContactChanged(
        organization=organization,
        contact="C-1",
        account="A/1",
        revision=revision,
        name="Ana Ruiz",
        phone=phone,
        primary=True,
    )
    with connection.transaction():
        handlers.handle_contacts(connection, [record("contacts", event, organization, revision)])


def form_of(page: httpx.Response) -> dict[str, str]:
    """The fields of the form as they stand on the page."""
    form = re.search(r'<form class="stack person".*?</form>', page.text, re.DOTALL)
    assert form is not None, text_of(page)
    inputs = re.findall(r'<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"', form[0])
    return {name: html.unescape(value) for name, value in inputs if name not in ("csrf", "primary")}


def test_the_primary_contact_stands_on_top_to_be_called_and_written_to(
    connection: db.Connection, acme: str, dana: Browser
) -> None:
    path = f"/o/{acme}/accounts/A%2F1"
    assert "Nobody to call is known here." in text_of(dana.get(path))
    record_says(connection, acme, 1, "+1 (432) 555-0142 ext. 7")
    page = dana.get(path).text
    top = page[page.index('class="who"') : page.index("Win-Back signals")]
    assert 'href="tel:+14325550142;ext=7"' in top and "Ana Ruiz" in top
    assert "mailto:" not in top


def test_somebody_is_added_once_and_is_primary_where_nobody_was(
    connection: db.Connection, acme: str, dana: Browser
) -> None:
    path = f"/o/{acme}/accounts/A%2F1"
    form = form_of(dana.get(f"{path}?contact="))
    said = form | {"name": "Bo Li", "phone": "915 555 0100", "title": "Buyer", "primary": "yes"}
    for _ in range(2):
        assert dana.post(f"{path}/contacts", said).headers["location"] == f"{path}#contacts"
    assert rows(connection, STANDS, acme) == [("Bo Li", "915 555 0100", "Buyer", True)]
    page = dana.get(path)
    assert 'href="tel:9155550100"' in page.text
    assert "Added contact (name, phone, title), by" in text_of(page)


def test_what_was_changed_here_stays_until_the_erp_says_another_thing(
    connection: db.Connection, acme: str, dana: Browser
) -> None:
    record_says(connection, acme, 1, "111 1111")
    path = f"/o/{acme}/accounts/A%2F1"
    form = form_of(dana.get(f"{path}?contact=C-1"))
    assert form["phone"] == "111 1111"
    assert dana.post(f"{path}/contacts", form | {"phone": "222 2222"}).status_code == 303
    record_says(connection, acme, 2, "111 1111")
    assert [row[1] for row in rows(connection, STANDS, acme)] == ["222 2222"]
    assert "changed here" in text_of(dana.get(path))
    record_says(connection, acme, 3, "333 3333")
    assert [row[1] for row in rows(connection, STANDS, acme)] == ["333 3333"]


def test_a_form_that_is_older_than_the_contact_overwrites_nothing(
    connection: db.Connection, acme: str, dana: Browser
) -> None:
    record_says(connection, acme, 1, "111 1111")
    path = f"/o/{acme}/accounts/A%2F1"
    form = form_of(dana.get(f"{path}?contact=C-1"))
    record_says(connection, acme, 2, "333 3333")
    answer = dana.post(f"{path}/contacts", form | {"title": "Buyer"})
    assert answer.status_code == 422 and "was changed meanwhile" in text_of(answer)
    assert rows(connection, STANDS, acme) == [("Ana Ruiz", "333 3333", None, True)]


def test_each_wrong_field_is_named_and_what_was_typed_stays(
    connection: db.Connection, acme: str, dana: Browser
) -> None:
    path = f"/o/{acme}/accounts/A%2F1/contacts"
    typed = {
        "name": "Bo Li",
        "phone": "call me",
        "email": "bo at x",
        "zone": "Chicago",
        "country": "USA",
        "language": "English",
    }
    answer = dana.post(path, typed)
    assert answer.status_code == 422
    for field, text in typed.items():
        assert f'value="{text}"' in answer.text
        assert ('aria-describedby="contact-' + field in answer.text) == (field != "name")
    assert "at least" in text_of(dana.post(path, {"title": "Buyer"}))
    assert rows(connection, STANDS, acme) == []
