"""Numbers that people type into the console: each goes through the one reader, and what was taken
is shown back.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

import httpx
import pytest

from services.signals.actions.launching import sending_settings
from services.signals.persist import handlers
from services.signals.store import settings
from shared import db
from tests.console.conftest import Browser, MakeBrowser, text_of
from tests.console.test_every_route import SENDING
from tests.repo.tree import ROOT
from tests.signals.builders import block, completed, order, record, requested, rows, signal_event
from tests.signals.conftest import make_tenant

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
TEMPLATES = ROOT / "services/signals/console/templates"
LIFETIME = "dormant.minimum_lifetime_revenue_cents"
At = Callable[[datetime], None]

# Every field of every form where something is typed or chosen, and how it is read. A number has a
# reader, and tests below.
FIELDS = {
    ("layout.html", "q"): "text",
    ("orders.html", "account"): "text",
    ("orders.html", "owner"): "one of those offered",
    ("orders.html", "from"): "day",
    ("orders.html", "to"): "day",
    ("orders.html", "size"): "size",
    ("orders.html", "grade"): "text",
    ("orders.html", "product"): "text",
    ("parts/accounts.html", "name"): "text",
    ("parts/contacts.html", "{{ field }}"): "text",
    ("parts/contacts.html", "newsletter"): "one of those offered",
    ("parts/drawer.html", "note"): "text",
    ("parts/outcomes.html", "follow_up_on"): "day",
    ("parts/outcomes.html", "note"): "text",
    ("parts/outcomes.html", "signal"): "one of those offered",
    ("parts/outcomes.html", "monthly_value"): "number",
    ("search.html", "q"): "text",
    ("sequence.html", "wait-{{ step.number }}"): "number",
    ("sequence.html", "subject-{{ step.number }}"): "text",
    ("sequence.html", "body-{{ step.number }}"): "text",
    ("sequence_launch.html", "confirmed"): "text",
    ("settings.html", "{{ field.key }}"): "number",
    ("settings_audit.html", "actor"): "one of those offered",
    ("settings_audit.html", "action"): "one of those offered",
    ("settings_audit.html", "subject"): "text",
    ("settings_audit.html", "since"): "day",
    ("settings_audit.html", "until"): "day",
    ("settings_digest.html", "frequency"): "one of those offered",
    ("settings_digest.html", "weekday"): "one of those offered",
    ("settings_digest.html", "hour"): "one of those offered",
    ("settings_members.html", "role"): "one of those offered",
    ("settings_members.html", "email"): "text",
    ("settings_owners.html", "{{ field }}"): "text",
    ("settings_owners.html", "email"): "one of those offered",
    ("settings_owners.html", "name"): "text",
    ("settings_sending.html", "{{ key }}"): "number",
    ("settings_sending.html", "closing_days"): "day",  # and more of them
    ("settings_sending.html", "country"): "text",
    ("settings_sending.html", "postal_address"): "text",
    ("settings_sending.html", "region"): "text",
    ("settings_sizes.html", "sizes"): "number",  # in each line
    ("settings_sizes.html", "grade_aliases"): "text",
    ("settings_tokens.html", "name"): "text",
    ("sign_in.html", "code"): "text",
    ("signed_out.html", "email"): "text",
    ("today.html", "follow_up_on"): "day",
}
FIELD = re.compile(r"<(input|textarea|select)\b((?:\{\{.*?\}\}|\{%.*?%\}|[^>])*)>", re.DOTALL)
UNTYPED = re.compile(r'type="(?:hidden|checkbox|radio)"|\breadonly value=')


@pytest.fixture
def acme(connection: db.Connection, tenant: str, at: At) -> str:
    """In dollars, and in American English; Caprock is dormant, and was worth $50,000 a year."""
    at(NOW)
    with connection.transaction():
        bought = order(
            tenant,
            "SO-A1",
            account="A1",
            account_name="Caprock",
            on=date(2025, 12, 1),
            counts_on=date(2025, 12, 1),
        )
        handlers.handle_orders(
            connection, [block(bought, offset=1), record("orders", requested(tenant, 1), tenant, 2)]
        )
        events = [
            signal_event("opened", tenant, offset=2, account="A1"),
            completed(tenant, 1, offset=2),
        ]
        handlers.handle_signals(
            connection,
            [record("signals", event, tenant, place) for place, event in enumerate(events)],
        )
    return tenant


@pytest.fixture
def draft(connection: db.Connection, acme: str) -> str:
    """Two letters, three business days apart; its path."""
    connection.execute(
        "INSERT INTO sequences (organization, sequence, digest, signal_type, name, drafted_at)"
        " VALUES (%s, 's-1', 'd-1', 'lapse', 'Product lapse, 2 Mar', now())",
        (acme,),
    )
    connection.execute(
        "INSERT INTO sequence_steps (organization, sequence, position, wait_days, subject, body)"
        " VALUES (%(acme)s, 's-1', 1, 0, 'first', 'first'), (%(acme)s, 's-1', 2, 3, 'second', "
        "'second')",
        {"acme": acme},
    )
    return f"/o/{acme}/sequences/s-1"


def german(connection: db.Connection, organization: str) -> None:
    connection.execute(
        "UPDATE organizations SET currency = 'EUR', locale = 'de_DE' WHERE organization = %s",
        (organization,),
    )


def shown_form(page: httpx.Response) -> dict[str, str]:
    """The detection settings as the page has them in its fields."""
    inputs = re.findall(
        r'<input [^>]*name="([a-z_.]+)" inputmode="decimal"[^>]*value="([^"]*)"', page.text
    )
    switches = re.findall(r'name="([a-z_]+\.enabled)" value="on"[^>]* checked', page.text)
    version = re.search(r'name="version" value="(\d+)"', page.text)
    assert version is not None
    return dict(inputs) | dict.fromkeys(switches, "on") | {"version": version[1]}


def save(browser: Browser, organization: str, **typed: str) -> httpx.Response:
    """What the page shows, with some of it typed over."""
    there = shown_form(browser.get(f"/o/{organization}/settings"))
    return browser.post(
        f"/o/{organization}/settings",
        there | {key.replace("__", "."): text for key, text in typed.items()},
    )


def lifetime_cents(connection: db.Connection, organization: str) -> int:
    return settings.latest(connection, organization)[1].dormant.minimum_lifetime_revenue_cents


# -- no field is forgotten -------------------------------------------------------------------------


def test_every_field_that_takes_a_number_is_known_to_be_one() -> None:
    found, numeric = set(), set()
    for path in TEMPLATES.rglob("*.html"):
        for _, attributes in FIELD.findall(path.read_text()):
            name = re.search(r'\bname="([^"]*)"', attributes)
            if UNTYPED.search(attributes) or name is None:
                continue
            found.add((str(path.relative_to(TEMPLATES)), name[1]))
            if "inputmode=" in attributes or re.search(r'type="(?:number|range)"', attributes):
                numeric.add((str(path.relative_to(TEMPLATES)), name[1]))
            assert 'type="number"' not in attributes, (
                "browsers read it in their own locale: say inputmode"
            )
    assert found == set(FIELDS), (
        "say how each field is read; a number goes through shared/domain/typed_numbers.py"
    )
    assert numeric <= {field for field, how in FIELDS.items() if how == "number"}


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("dormant.gap_days", "3.650", "3.650 can be read as 3.65 or as 3,650"),
        (LIFETIME, "100.000", "100.000 can be read as 100 or as 100,000: write 100 or 100,000"),
        ("lapse.lapse_days", "9,0", "9,0 can be read as 9 or as 90"),
        ("lapse.history_days", "3,65", "3,65 can be read as 3.65 or as 365"),
        (
            "lapse.minimum_revenue_cents",
            "12,5",
            "12,5 can be read as 12.5 or as 125: write 12.5 or 125",
        ),
        ("lapse.minimum_months", "1,2", "1,2 can be read as 1.2 or as 12"),
        ("cherry_picking.minimum_od", "5,5", "5,5 can be read as 5.5 or as 55"),
        ("cherry_picking.share_percent", "8,0", "8,0 can be read as 8 or as 80"),
        (
            "cherry_picking.minimum_revenue_cents",
            "1.234",
            "1.234 can be read as 1.234 or as 1,234: write 1,234, or at most 2 decimals",
        ),
        ("cherry_picking.window_days", "3,65", "3,65 can be read as 3.65 or as 365"),
        ("monthly_value", "100.000", "100.000 can be read as 100 or as 100,000"),
        ("wait-2", "1,0", "1,0 can be read as 1 or as 10"),
        ("sizes", "6 SCH 40 = 6,6", "6 SCH 40: 6,6 can be read as 6.6 or as 66"),
        ("organization_daily", "15,0", "15,0 can be read as 15 or as 150"),
    ],
)
def test_what_has_two_readings_is_refused_in_every_field_and_stays_typed(
    browser: MakeBrowser,
    connection: db.Connection,
    acme: str,
    draft: str,
    field: str,
    text: str,
    says: str,
) -> None:
    owner = browser(acme)
    if field == "monthly_value":
        answer = owner.post(
            f"/o/{acme}/outcomes", {"account": "A1", "kind": "won_back", "once": "x", field: text}
        )
    elif field == "wait-2":
        steps = {"subject-1": "first", "body-1": "first", "subject-2": "second", "body-2": "second"}
        answer = owner.post(
            draft, steps | {"edition": "1", "do": "save", "wait-1": "0", field: text}
        )
    elif field == "sizes":
        answer = owner.post(
            f"/o/{acme}/settings/sizes", {"version": "1", "sizes": text, "grade_aliases": ""}
        )
    elif field == "organization_daily":
        answer = owner.post(f"/o/{acme}/settings/sending", SENDING | {field: text})
    else:
        answer = save(owner, acme, **{field: text})
    assert answer.status_code == 422 and says in text_of(answer)
    assert f'value="{text}"' in answer.text or f">{text}</textarea>" in answer.text
    assert settings.latest(connection, acme)[0] == 1
    assert rows(connection, "SELECT 1 FROM outcomes WHERE organization = %s", acme) == []
    assert rows(
        connection,
        "SELECT wait_days FROM sequence_steps WHERE organization = %s ORDER BY position",
        acme,
    ) == [(0,), (3,)]


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cents", "toast"),
    [
        ("100.000,00", 10_000_000, None),  # as it was
        ("120.000,50", 12_000_050, "minimum lifetime revenue: $100,000 to $120,000.50"),
        ("$ 120,000", 12_000_000, "minimum lifetime revenue: $100,000 to $120,000"),
        ("12.5", 1_250, "minimum lifetime revenue: $100,000 to $12.50"),
    ],
)
def test_an_amount_in_dollars_is_stored_as_it_is_shown_back(
    browser: MakeBrowser,
    connection: db.Connection,
    acme: str,
    text: str,
    cents: int,
    toast: str | None,
) -> None:
    owner = browser(acme)
    assert save(owner, acme, **{LIFETIME: text}).status_code == 303
    assert lifetime_cents(connection, acme) == cents
    assert (toast or "Nothing was changed") in text_of(owner.get(f"/o/{acme}/settings"))


@pytest.mark.parametrize(
    ("text", "cents", "toast"),
    [
        ("100.000,00", 10_000_000, None),
        ("100.000", 10_000_000, None),
        ("120.000", 12_000_000, "minimum lifetime revenue: 100.000 € to 120.000 €"),
        ("12,5", 1_250, "minimum lifetime revenue: 100.000 € to 12,50 €"),
        ("1,234.56", 123_456, "minimum lifetime revenue: 100.000 € to 1.234,56 €"),
    ],
)
def test_an_amount_in_euros_is_read_and_said_as_in_germany(
    browser: MakeBrowser,
    connection: db.Connection,
    acme: str,
    text: str,
    cents: int,
    toast: str | None,
) -> None:
    german(connection, acme)
    owner = browser(acme)
    assert save(owner, acme, **{LIFETIME: text}).status_code == 303
    assert lifetime_cents(connection, acme) == cents
    assert (toast or "Nothing was changed") in text_of(owner.get(f"/o/{acme}/settings"))


def test_what_the_page_shows_saves_as_nothing_changed(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    owner = browser(acme)
    save(
        owner,
        acme,
        **{
            LIFETIME: "1,234.56",
            "cherry_picking.minimum_od": "6.625",
            "cherry_picking.share_percent": "33.3",
        },
    )
    sizes = {"version": "2", "sizes": "6 SCH 40 = 6.625", "grade_aliases": "GR-B = B"}
    assert owner.post(f"/o/{acme}/settings/sizes", sizes).status_code == 303
    german(connection, acme)
    there = shown_form(owner.get(f"/o/{acme}/settings"))
    wanted = {
        LIFETIME: "1.234,56",
        "cherry_picking.minimum_od": "6,625",
        "cherry_picking.share_percent": "33,3",
        "version": "3",
    }
    assert there | wanted == there
    save(owner, acme)
    assert "Nothing was changed" in text_of(owner.get(f"/o/{acme}/settings"))
    page = owner.get(f"/o/{acme}/settings/sizes").text
    assert "6 SCH 40 = 6,625</textarea>" in page
    owner.post(f"/o/{acme}/settings/sizes", sizes | {"version": "3", "sizes": "6 SCH 40 = 6,625"})
    assert settings.latest(connection, acme) == (3, settings.latest(connection, acme)[1])
    assert settings.latest(connection, acme)[1].sizes == {"6 SCH 40": "6.625"}


def test_the_same_amount_in_another_writing_is_no_change(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    owner = browser(acme)
    default = 'id="dormant-minimum_lifetime_revenue_cents-d">default $100,000</span>'
    for text in ("100,000", "100000", "$100,000.00", "100.000,00"):
        there = shown_form(owner.get(f"/o/{acme}/settings"))
        page = owner.post(f"/o/{acme}/settings/try", there | {LIFETIME: text})
        assert default in page.text, text
    page = owner.post(f"/o/{acme}/settings/try", there | {LIFETIME: "1,00,000"})
    assert default not in page.text and "reset" in page.text


def test_what_an_amount_may_be_is_said_in_the_currency_and_the_locale(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    owner = browser(acme)
    for text in ("10,000,000,000,000.01", "-5", "a lot"):
        answer = save(owner, acme, **{LIFETIME: text})
        assert "Must be an amount such as 50,000, from $0 to $10,000,000,000,000." in text_of(
            answer
        ), text
    german(connection, acme)
    answer = save(owner, acme, **{LIFETIME: "eine Menge"})
    assert "Must be an amount such as 50.000, from 0 € to 10.000.000.000.000 €." in text_of(answer)
    assert "default 100.000 €" in text_of(answer)
    answer = save(owner, acme, **{LIFETIME: "$5"})
    assert "Must be in EUR, or without a currency." in text_of(answer)


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        (
            "cherry_picking.minimum_od",
            "9.625",
            "9.625 can be read as 9,625 or as 9.625: write 9,625",
        ),
        ("cherry_picking.share_percent", "33.333", "33.333 can be read as 33,333 or as 33.333"),
        ("dormant.gap_days", "9.000", "9.000 can be read as 9 or as 9.000: write 9."),
        ("lapse.minimum_months", "6.000", "6.000 can be read as 6 or as 6.000: write 6."),
        ("sizes", "9 CSG = 9.625", "9 CSG: 9.625 can be read as 9,625 or as 9.625"),
    ],
)
def test_what_is_beyond_a_field_in_its_locale_alone_is_refused_with_both_readings(
    browser: MakeBrowser, connection: db.Connection, acme: str, field: str, text: str, says: str
) -> None:
    german(connection, acme)
    owner = browser(acme)
    if field == "sizes":
        typed = {"version": "1", "sizes": text, "grade_aliases": ""}
        answer = owner.post(f"/o/{acme}/settings/sizes", typed)
    else:
        answer = save(owner, acme, **{field: text})
    assert answer.status_code == 422 and says in text_of(answer)
    assert settings.latest(connection, acme)[0] == 1


def test_how_many_letters_is_read_as_in_germany_and_an_address_s_lines_are_kept_as_they_were(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    german(connection, acme)
    owner, path = browser(acme), f"/o/{acme}/settings/sending"
    typed = SENDING | {"organization_daily": "1.500", "postal_address": "1 Road\r\nMidland"}
    assert owner.post(path, typed).status_code == 303
    assert sending_settings(connection, acme).organization_daily == 1_500
    assert sending_settings(connection, acme).postal_address == "1 Road\nMidland"
    assert owner.post(path, typed).status_code == 303
    assert "Nothing changed" in text_of(owner.get(path))


def test_a_form_of_sending_that_says_nothing_of_answers_leaves_them_as_they_are(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    owner, path = browser(acme), f"/o/{acme}/settings/sending"
    assert owner.post(path, SENDING).status_code == 303
    cut = {key: value for key, value in SENDING.items() if key != "replies"}
    assert owner.post(path, cut).status_code == 422
    assert sending_settings(connection, acme).replies == "by_hand"


# -- outcomes --------------------------------------------------------------------------------------


def win(browser: Browser, organization: str, text: str) -> httpx.Response:
    return browser.post(
        f"/o/{organization}/outcomes",
        {"account": "A1", "kind": "won_back", "once": "x", "monthly_value": text},
    )


def won_cents(connection: db.Connection, organization: str) -> list[int]:
    return [
        row[0]
        for row in rows(
            connection,
            "SELECT monthly_value_cents FROM outcomes WHERE organization = %s",
            organization,
        )
    ]


@pytest.mark.parametrize(
    ("is_german", "text", "cents", "toast"),
    [
        (
            False,
            "1,200.50",
            120_050,
            "Won back Caprock for $1,200.50 a month: off the digest until 17 Mar.",
        ),
        (False, "100.000,00", 10_000_000, "Won back Caprock for $100,000 a month"),
        (False, "", 416_667, "Won back Caprock for $4,166.67 a month"),
        (True, "100.000,00", 10_000_000, "Won back Caprock for 100.000 € a month"),
        (True, "100.000", 10_000_000, "Won back Caprock for 100.000 € a month"),
        (True, "12,5", 1_250, "Won back Caprock for 12,50 € a month"),
    ],
)
def test_the_monthly_value_that_was_recorded_is_said(
    browser: MakeBrowser,
    connection: db.Connection,
    acme: str,
    is_german: bool,
    text: str,
    cents: int,
    toast: str,
) -> None:
    if is_german:
        german(connection, acme)
    owner = browser(acme)
    assert win(owner, acme, text).status_code == 303
    assert won_cents(connection, acme) == [cents]
    assert toast in text_of(owner.get(f"/o/{acme}/accounts/A1")).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("100.000", "100.000 can be read as 100 or as 100,000: write 100 or 100,000"),
        ("12,5", "12,5 can be read as 12.5 or as 125: write 12.5 or 125"),
        ("0.001", "must have at most 2 decimals"),
        ("€5", "must be in USD, or without a currency"),
        ("100,000,000,000.01", "must be at most $100,000,000,000"),
        ("-5", "must be a number such as 1,234.50"),
        ("1e5", "must be a number such as 1,234.50"),
        ("５", "must be a number such as 1,234.50"),
        ("½", "must be a number such as 1,234.50"),
        ("a\x00b", "must be a number such as 1,234.50"),
        ("a\u202eb", "must be a number such as 1,234.50"),
        ("9" * 30, "has more than 24 digits"),
        ("9" * 40, "is longer than 32 characters"),
        ("9" * 5_000, "is longer than 32 characters"),
    ],
)
def test_a_monthly_value_that_cannot_be_is_refused_in_plain_words(
    browser: MakeBrowser, connection: db.Connection, acme: str, text: str, says: str
) -> None:
    answer = win(browser(acme), acme, text)
    assert (
        answer.status_code == 422 and says in text_of(answer) and "minor units" not in answer.text
    )
    assert won_cents(connection, acme) == []


def test_the_currency_keeps_its_capitals_at_the_head_of_the_page(
    browser: MakeBrowser, acme: str
) -> None:
    assert "Must be in USD, or without a currency" in text_of(win(browser(acme), acme, "€5"))


def test_the_estimate_in_the_field_reads_back_as_itself(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    german(connection, acme)
    page = browser(acme).get(f"/o/{acme}/accounts/A1").text
    assert 'placeholder="4.166,67\u00a0€"' in page
    assert win(browser(acme), acme, "4.166,67\u00a0€").status_code == 303
    assert won_cents(connection, acme) == [416_667]


def test_an_organization_writes_as_in_the_united_states_unless_told_otherwise(
    connection: db.Connection,
) -> None:
    made = make_tenant(connection)
    assert rows(connection, "SELECT locale FROM organizations WHERE organization = %s", made) == [
        ("en_US",)
    ]
