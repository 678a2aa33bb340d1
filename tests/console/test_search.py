"""One box over accounts, orders, people and products."""

import re
from datetime import UTC, date, datetime

import pytest

from services.signals.persist import handlers
from services.signals.store import goods
from shared import db
from shared.events import ContactChanged, Line
from tests.console.conftest import Browser, MakeBrowser
from tests.signals.builders import block, order, record, rows
from tests.signals.conftest import make_tenant

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def line(product: str, od: str | None, grade: str | None) -> Line:
    return Line(revenue_cents=10_000, product=product, od=od, grade=grade)


@pytest.fixture
def shop(connection: db.Connection, tenant: str) -> str:
    lines = [
        line("Casing BTC", '9 5/8"', "P-110"),
        line("Casing BTC", "9.625", "P110"),
        line("Tubing EUE", "2 3/8", "L80 13Cr"),
        line("Löschwasser-Rohr", None, None),
    ]
    with connection.transaction():
        sent = [
            order(tenant, "SO-100", account="A1", account_name="Müller Röhren", lines=lines),
            order(tenant, "SO-1001", account="A2", account_name="Permian Supply", lines=lines[:1]),
            order(tenant, "so/7?x", account="A2", lines=lines[2:3], cancelled=True),
        ]
        handlers.handle_orders(connection, [block(*sent, offset=1, accepted_at=AT)])
        person = ContactChanged(
            organization=tenant,
            contact="C-1",
            account="A2",
            revision=1,
            name="José Núñez",
            email="jose@permian.example",
            primary=True,
        )
        handlers.handle_contacts(connection, [record("contacts", person, tenant, 2)])
    return tenant


def found(browser: Browser, organization: str, typed: str) -> dict[str, list[tuple[str, str]]]:
    """kind -> (what is shown, where it leads)."""
    page = browser.get(f"/o/{organization}/search", params={"q": typed}).text
    kinds: dict[str, list[tuple[str, str]]] = {}
    for title, body in re.findall(r'<h2 id="found-\d+">(\w+)</h2>(.*?)</section>', page, re.DOTALL):
        kinds[title] = [
            (" ".join(re.sub(r"<[^>]+>", " ", text).split()), to)
            for to, text in re.findall(r'<a href="([^"]+)">(.*?)</a>', body, re.DOTALL)
        ]
    return kinds


@pytest.mark.parametrize(
    ("typed", "kind", "shown"),
    [
        *((one, "Accounts", "Müller Röhren A1") for one in ("muller", "ROHREN", "a1")),
        *(
            (one, "People", "José Núñez jose@permian.example · Permian Supply")
            for one in ("nunez",)
        ),
        ("jose@permian.example", "People", "José Núñez jose@permian.example · Permian Supply"),
        *((one, "Products", "9 5/8 P110 Casing BTC") for one in ("9 5/8 P110", 'p-110 9-5/8"')),
        *((one, "Products", "9 5/8 P110 Casing BTC") for one in ("casing", "9.625 casing", "btc")),
        *((one, "Products", "2 3/8 L80-13CR Tubing EUE") for one in ("L80 13cr", "2 3/8 tub")),
        *((one, "Products", "Löschwasser-Rohr") for one in ("loschwasser", "rohr")),
    ],
)
def test_each_kind_is_found_as_people_type_it(
    browser: MakeBrowser, shop: str, typed: str, kind: str, shown: str
) -> None:
    kinds = found(browser(shop, "member"), shop, typed)
    assert kinds[kind][0][0] == shown
    if kind == "Products":
        assert [text for text, _ in kinds[kind]] == [shown], "texts that mean the same are one"


def test_an_order_is_found_by_the_beginning_of_its_number_in_any_case(
    browser: MakeBrowser, shop: str
) -> None:
    ana = browser(shop)
    for typed in ("so-100", "SO-100", "So-1"):
        numbers = [text.split()[0] for text, _ in found(ana, shop, typed)["Orders"]]
        assert numbers == ["SO-100", "SO-1001"]
    assert found(ana, shop, "SO-1001")["Orders"][0][0].startswith("SO-1001 Permian Supply")
    ((shown, to),) = found(ana, shop, "so/7")["Orders"]
    assert shown.endswith("cancelled") and ana.get(to).status_code == 200


def test_what_was_found_leads_on(browser: MakeBrowser, shop: str) -> None:
    ana = browser(shop)
    for typed, kind in (("muller", "Accounts"), ("casing", "Products"), ("jose", "People")):
        for _, to in found(ana, shop, typed)[kind]:
            assert ana.get(to.replace("&amp;", "&")).status_code == 200, to
    page = ana.get(found(ana, shop, "9 5/8 P110")["Products"][0][1].replace("&amp;", "&")).text
    assert "SO-1001" in page and "SO-100<" in page and "so/7" not in page


@pytest.mark.parametrize("typed", ["", "zzz", "%", "'", "\x00", "☃", "x" * 3000, "<script>"])
def test_nothing_found_is_a_page_too(browser: MakeBrowser, shop: str, typed: str) -> None:
    page = browser(shop).get(f"/o/{shop}/search", params={"q": typed})
    assert page.status_code == (422 if len(typed) > 2_000 else 200)
    assert "<script>alert" not in page.text and "<section" not in page.text


def test_htmx_gets_the_results_alone(browser: MakeBrowser, shop: str) -> None:
    part = browser(shop).get(
        f"/o/{shop}/search", params={"q": "casing"}, headers={"HX-Request": "true"}
    )
    assert "<html" not in part.text and "All results" in part.text


def test_what_is_another_organizations_is_not_found(
    browser: MakeBrowser, connection: db.Connection, shop: str
) -> None:
    other = make_tenant(connection)
    ana = browser(other)
    for typed in ("muller", "SO-100", "jose", "9 5/8 P110"):
        assert found(ana, other, typed) == {}


def test_a_person_that_is_erased_or_renamed_is_found_no_more(
    browser: MakeBrowser, connection: db.Connection, shop: str
) -> None:
    ana = browser(shop)
    connection.execute(
        "UPDATE contacts SET name = 'Eva Braun-Díaz' WHERE organization = %s", (shop,)
    )
    assert "People" in found(ana, shop, "diaz") and "People" not in found(ana, shop, "nunez")
    connection.execute("DELETE FROM contacts WHERE organization = %s", (shop,))
    assert "People" not in found(ana, shop, "diaz")


def test_goods_that_a_transaction_lost_are_noted_again(
    connection: db.Connection, tenant: str
) -> None:
    """What a process noted is only known once it is seen there."""
    sent = [order(tenant, "SO-1", on=date(2026, 3, 1), lines=[line("Lost pipe", "7", "J55")])]
    with pytest.raises(ZeroDivisionError), connection.transaction():
        goods.note(connection, sent)
        raise ZeroDivisionError
    for _ in range(2):
        with connection.transaction():
            goods.note(connection, sent)
    kept = "SELECT product, words FROM goods WHERE organization = %s"
    assert rows(connection, kept, tenant) == [("Lost pipe", " 7 lost pipe j55")]
