"""Win-Back settings: who may change them, what comes back when they cannot be, the dry run against
the second opinion.
"""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.signals.console.settings import detection, detection_form
from services.signals.persist import handlers
from services.signals.second_opinion import audit
from services.signals.store import settings
from services.signals.trial import dry_run
from shared import db
from shared.domain.thresholds import DEFAULTS, DetectionSettings, checked
from shared.events import Line
from shared.wording import number_style
from tests.console.conftest import MakeBrowser, text_of
from tests.signals.builders import block, completed, order, record, requested, rows, signal_event
from tests.signals.conftest import make_tenant

AS_OF = date(2026, 3, 2)
NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
At = Callable[[datetime], None]


def put_orders(
    connection: db.Connection,
    organization: str,
    lines: Sequence[tuple[str, date, str | None, str | None, int]],
) -> None:
    """(account, day, od, grade, dollars), an order each; then a complete run of AS_OF."""
    orders = [
        order(
            organization,
            f"SO-{number}",
            account=account,
            account_name=f"Name of {account}",
            on=day,
            lines=[Line(revenue_cents=dollars * 100, product="pipe", od=od, grade=grade)],
        )
        for number, (account, day, od, grade, dollars) in enumerate(lines)
    ]
    with connection.transaction():
        handlers.handle_orders(
            connection,
            [
                block(*orders, offset=1),
                record("orders", requested(organization, 1, as_of=AS_OF), organization, 2),
            ],
        )
        done = completed(organization, 1, offset=2, as_of=AS_OF)
        handlers.handle_signals(connection, [record("signals", done, organization, 9)])


@pytest.fixture
def acme(connection: db.Connection, tenant: str, at: At) -> str:
    """Silent for 60, 95 and 200 days with $150,000 each; one small account; signals are active on
    95 and, wrongly now, on 60.
    """
    at(NOW)
    ages = {"Q60": 60, "Q95": 95, "Q200": 200}
    lines = [
        (account, AS_OF - timedelta(days=days), "5 1/2", "J-55", 150_000)
        for account, days in ages.items()
    ]
    put_orders(
        connection, tenant, [*lines, ("SMALL", AS_OF - timedelta(days=300), None, None, 500)]
    )
    with connection.transaction():
        events = [
            signal_event("opened", tenant, offset=2, account=account) for account in ("Q60", "Q95")
        ]
        handlers.handle_signals(
            connection,
            [record("signals", event, tenant, 10 + place) for place, event in enumerate(events)],
        )
    return tenant


def typed(settings_: DetectionSettings = DEFAULTS, **more: str) -> dict[str, str]:
    """The form as a browser sends it; `dormant__gap_days="75"` types into a field."""
    return (
        detection_form.typed_of(settings_, number_style("USD"))
        | {"version": "1"}
        | {k.replace("__", "."): v for k, v in more.items()}
    )


def version(connection: db.Connection, organization: str) -> tuple[int, DetectionSettings]:
    return settings.latest(connection, organization)


def dry(page: str, type_: str) -> str:
    """What one card's dry run says, as text."""
    part = page.split(f'id="dry-{type_}"')[1].split("</svg>")[0].split("</div>")[0]

    class Part:
        text = "<p" + part

    return text_of(Part())  # type: ignore[arg-type] # it has a text, which is all that is read


# -- saving ----------------------------------------------------------------------------------------


def test_saving_keeps_a_version_notes_who_did_it_and_asks_for_a_run(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    admin = browser(acme, "admin")
    answer = admin.post(
        f"/o/{acme}/settings",
        typed(dormant__gap_days="75", dormant__minimum_lifetime_revenue_cents="120,000"),
    )
    assert (answer.status_code, answer.headers["location"]) == (303, f"/o/{acme}/settings")
    number, saved = version(connection, acme)
    assert (number, saved.dormant.gap_days, saved.dormant.minimum_lifetime_revenue_cents) == (
        2,
        75,
        12_000_000,
    )
    asked = rows(
        connection,
        "SELECT reason, as_of FROM runs WHERE organization = %s AND completed_at IS NULL",
        acme,
    )
    assert asked == [("settings", AS_OF)]
    noted = rows(
        connection,
        "SELECT actor, action, subject, detail FROM audit_log WHERE organization = %s ORDER BY at",
        acme,
    )
    assert noted[0] == (
        admin.email,
        "changed",
        "settings",
        {
            "dormant.gap_days": {"from": 90, "to": 75},
            "dormant.minimum_lifetime_revenue_cents": {"from": 10_000_000, "to": 12_000_000},
        },
    )
    page = text_of(admin.get(f"/o/{acme}/settings"))
    assert "Saved as version 2" in page
    assert f"2 {admin.email} Fully dormant, inactivity gap: 90 days to 75 days" in page
    assert "minimum lifetime revenue: $100,000 to $120,000" in page


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("JPY", "120,000", 120_000), ("KWD", "120.500", 120_500)]
)
def test_money_is_typed_in_the_currency_of_the_organization(
    browser: MakeBrowser,
    connection: db.Connection,
    acme: str,
    currency: str,
    amount: str,
    minor: int,
) -> None:
    connection.execute(
        "UPDATE organizations SET currency = %s WHERE organization = %s", (currency, acme)
    )
    owner = browser(acme)
    sent = (
        typed()
        | detection_form.typed_of(DEFAULTS, number_style(currency))
        | {"lapse.minimum_revenue_cents": amount}
    )
    assert owner.post(f"/o/{acme}/settings", sent).status_code == 303
    assert version(connection, acme)[1].lapse.minimum_revenue_cents == minor
    assert f'value="{amount}"' in owner.get(f"/o/{acme}/settings").text


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("dormant.gap_days", "0", "Must be a whole number from 1 to 3,650"),
        ("dormant.gap_days", "ninety", "Must be a whole number from 1 to 3,650"),
        ("dormant.gap_days", "", "Must not be empty"),
        ("dormant.gap_days", "9" * 30, "Must be a whole number"),
        ("dormant.gap_days", "９０", "Must be a whole number"),
        ("dormant.minimum_lifetime_revenue_cents", "-5", "Must be an amount such as 50,000"),
        ("dormant.minimum_lifetime_revenue_cents", "1e9", "Must be an amount such as 50,000"),
        ("dormant.minimum_lifetime_revenue_cents", "0.001", "Must have at most 2 decimals"),
        ("lapse.history_days", "60", "Must be longer than the lapse window of 90 days"),
        ("lapse.minimum_months", "121", "Must be a whole number from 1 to 120"),
        ("cherry_picking.share_percent", "101", "Must be a percentage above 0 and at most 100"),
        ("cherry_picking.minimum_od", "NaN", "Must be inches such as 6 or 5.5"),
        ("cherry_picking.minimum_od", '"><script>', "Must be inches such as 6 or 5.5"),
    ],
)
def test_what_cannot_be_stands_beside_its_field_and_in_the_summary_and_stays_typed(
    browser: MakeBrowser, connection: db.Connection, acme: str, field: str, text: str, says: str
) -> None:
    owner = browser(acme)
    sent = typed(lapse__enabled="on") | {field: text}
    answer = owner.post(f"/o/{acme}/settings", sent)
    assert answer.status_code == 422
    identity = field.replace(".", "-")
    beside = answer.text.split(f'id="{identity}-e"')[1].split("</p>")[0]
    assert says in beside
    summary = answer.text.split('class="errs"')[1].split("</div>")[0]
    assert f'href="#{identity}"' in summary and "autofocus" in summary and "Not saved" in summary
    shown = answer.text.split(f'id="{identity}" ')[1].split(">")[0]
    assert 'aria-invalid="true"' in shown and "<script>" not in answer.text
    assert text == "" or f'value="{text}"' in shown or text == '"><script>'
    assert 'name="lapse.enabled" value="on" aria-labelledby="h-lapse" checked' in answer.text, (
        "the rest stays too"
    )
    assert version(connection, acme)[0] == 1
    assert "No dry run until" in text_of(answer)


def test_members_read_and_cannot_change(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    member = browser(acme, "member")
    page = member.get(f"/o/{acme}/settings")
    assert page.status_code == 200
    inputs = [
        part.split(">")[0]
        for part in page.text.split("<input ")[1:]
        if 'name="dormant.' in part or 'name="lapse.' in part
    ]
    assert len(inputs) == 8 and all("disabled" in one for one in inputs)
    assert "Save and run now" not in page.text and "2 accounts" in text_of(page)
    for path in ("settings", "settings/sizes"):
        assert member.post(f"/o/{acme}/{path}", typed()).status_code == 403
    assert version(connection, acme)[0] == 1


def test_only_our_own_page_and_only_members_change_settings(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    owner, stranger, nobody = browser(acme), browser(make_tenant(connection)), browser()
    for path in ("settings", "settings/try", "settings/replay", "settings/sizes"):
        assert owner.cross_post(f"/o/{acme}/{path}", typed()).status_code == 403
        assert owner.client.post(f"/o/{acme}/{path}", data=typed()).status_code == 403, (
            "without the token"
        )
        assert stranger.post(f"/o/{acme}/{path}", typed()).status_code == 404
        assert nobody.post(f"/o/{acme}/{path}", typed()).status_code in (303, 401)
    assert stranger.get(f"/o/{acme}/settings").status_code == 404
    assert version(connection, acme)[0] == 1


def test_who_saved_second_is_told_and_overwrites_only_knowingly(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    first, second = browser(acme), browser(acme, "admin")
    assert first.post(f"/o/{acme}/settings", typed(dormant__gap_days="75")).status_code == 303
    answer = second.post(f"/o/{acme}/settings", typed(dormant__gap_days="120"))
    assert answer.status_code == 409 and "somebody else saved first" in text_of(answer)
    assert 'value="120"' in answer.text and 'name="version" value="2"' in answer.text
    assert version(connection, acme)[1].dormant.gap_days == 75
    assert (
        second.post(f"/o/{acme}/settings", typed(dormant__gap_days="120", version="2")).status_code
        == 303
    )
    assert version(connection, acme)[1].dormant.gap_days == 120


def test_reset_types_the_default_and_saves_nothing(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    owner = browser(acme)
    page = owner.post(
        f"/o/{acme}/settings/try",
        typed(dormant__gap_days="75", lapse__lapse_days="30", reset="dormant.gap_days"),
    )
    assert page.status_code == 200
    assert (
        'name="dormant.gap_days" inputmode="decimal" autocomplete="off" maxlength="32" value="90"'
        in page.text
    )
    assert (
        'name="lapse.lapse_days" inputmode="decimal" autocomplete="off" maxlength="32" value="30"'
        in page.text
    )
    assert version(connection, acme)[0] == 1
    assert owner.get(f"/o/{acme}/settings/try").status_code == 303


# -- the dry run -----------------------------------------------------------------------------------


def test_the_dry_run_says_how_many_which_are_new_and_which_would_go(
    browser: MakeBrowser, acme: str
) -> None:
    owner = browser(acme)
    page = owner.get(f"/o/{acme}/settings")
    assert "Would flag 2 accounts (1 new, 1 would go)" in dry(page.text, "dormant")
    assert "Name of Q200" in page.text and "Name of Q60" in page.text
    wider = owner.post(f"/o/{acme}/settings/try", typed(dormant__gap_days="50"))
    assert "Would flag 3 accounts (1 new, 0 would go)" in dry(wider.text, "dormant")
    assert "Saving starts a run: 1 signal would open, 0 would close." in text_of(wider)
    off = typed(dormant__gap_days="50")
    del off["dormant.enabled"]
    assert "Off. Switched on, it would flag 3 accounts (2 active today would go)" in dry(
        owner.post(f"/o/{acme}/settings/try", off).text, "dormant"
    )
    assert "No candidates" not in page.text and "SMALL" not in page.text


def test_with_htmx_only_the_parts_that_change_come_back(browser: MakeBrowser, acme: str) -> None:
    owner = browser(acme)
    parts = owner.client.post(
        f"/o/{acme}/settings/try",
        data=typed(dormant__gap_days="50", csrf=csrf(owner.get(f"/o/{acme}/settings").text)),
        headers={"HX-Request": "true", "Sec-Fetch-Site": "same-origin"},
    )
    assert parts.status_code == 200 and "<html" not in parts.text and "<input" not in parts.text
    assert parts.text.count('hx-swap-oob="true"') == 10 + 3 + 1
    replay = owner.client.post(
        f"/o/{acme}/settings/replay",
        data=typed(csrf=csrf(owner.get(f"/o/{acme}/settings").text)),
        headers={"HX-Request": "true", "Sec-Fetch-Site": "same-origin"},
    )
    assert replay.text.count('hx-swap-oob="true"') == 3 and "<html" not in replay.text


def csrf(page: str) -> str:
    return page.split('name="csrf" value="')[1].split('"')[0]


@pytest.mark.parametrize("seed", range(4))
def test_the_dry_run_flags_exactly_what_the_second_opinion_fires(
    connection: db.Connection, tenant: str, seed: int
) -> None:
    made = random.Random(seed)
    ods, grades = ("5 1/2", "7", "9 5/8", "6 SCH 40", None), ("J-55", "L80", "gr. b", None)
    lines = [
        (
            f"A{made.randrange(25)}",
            AS_OF - timedelta(days=made.randrange(500)),
            made.choice(ods),
            made.choice(grades),
            made.choice((-500, 0, 900, 4_000, 30_000)),
        )
        for _ in range(600)
    ]
    put_orders(connection, tenant, lines)
    for _ in range(12):
        lapse_days = made.randrange(1, 120)
        patch: dict[str, Any] = {
            "dormant": {
                "gap_days": made.randrange(1, 90),
                "minimum_lifetime_revenue_cents": made.randrange(0, 20_000_000),
            },
            "lapse": {
                "enabled": True,
                "lapse_days": lapse_days,
                "history_days": lapse_days + made.randrange(1, 400),
                "minimum_revenue_cents": made.randrange(0, 4_000_000),
                "minimum_months": made.randrange(1, 4),
            },
            "cherry_picking": {
                "enabled": True,
                "window_days": made.randrange(30, 500),
                "minimum_revenue_cents": made.randrange(0, 5_000_000),
                "minimum_od": made.choice(("6", "7", "6.625")),
                "share_percent": made.choice(("20", "33.3", "50", "80")),
            },
            "sizes": made.choice(({}, {"6 SCH 40": "6.625"})),
        }
        tried = checked(patch)
        found = dry_run.tried(connection, tenant, tried, as_of=AS_OF, run=1, seconds=30)
        flagged = {
            (
                subject.account,
                type_,
                subject.combo.od if subject.combo else None,
                subject.combo.grade if subject.combo else None,
            )
            for type_, card in found.items()
            for subject in card.flagged
        }
        with connection.transaction():
            fires = {tuple(one.key) for one in audit.firing(connection, tenant, AS_OF, tried)}
        assert flagged == fires


def test_a_gap_that_most_accounts_exceed_between_two_orders_is_warned_of(
    browser: MakeBrowser, connection: db.Connection, tenant: str, at: At
) -> None:
    at(NOW)
    lines = [
        (f"R{account}", AS_OF - timedelta(days=92 * step + account), None, None, 60_000)
        for account in range(8)
        for step in range(5)
    ]
    put_orders(connection, tenant, lines)
    owner = browser(tenant)
    assert "Half of these accounts order every 92 days or slower" in text_of(
        owner.get(f"/o/{tenant}/settings")
    )
    assert "Half of these" not in text_of(
        owner.post(f"/o/{tenant}/settings/try", typed(dormant__gap_days="180"))
    )


def test_the_replay_counts_who_was_flagged_at_each_quarters_end_and_who_came_back(
    browser: MakeBrowser, connection: db.Connection, tenant: str, at: At
) -> None:
    at(NOW)
    put_orders(
        connection,
        tenant,
        [
            ("BACK", date(2025, 1, 5), None, None, 200_000),
            ("BACK", date(2025, 7, 20), None, None, 10),  # silent on 30 June, back within 90 days
            ("GONE", date(2025, 1, 5), None, None, 200_000),
        ],
    )
    owner = browser(tenant)
    page = text_of(owner.post(f"/o/{tenant}/settings/replay", typed()))
    assert "Replayed Q1 2025 Q2 2025 Q3 2025 Q4 2025 Year" in page
    assert "Flagged 0 2 1 2 2 Came back by themselves 0 1 0 0 1" in page


def test_a_dry_run_that_takes_too_long_says_so_and_leaves_the_page_as_it_is(
    browser: MakeBrowser, connection: db.Connection, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "SECONDS_WHILE_TYPING", 0.2)
    owner = browser(acme)
    with connection.transaction():  # whoever reads orders waits
        connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        page = owner.get(f"/o/{acme}/settings")
    assert (
        page.status_code == 200
        and detection.TOO_SLOW in text_of(page)
        and "Saved versions" in page.text
    )
    assert "Would flag 2 accounts" in text_of(owner.post(f"/o/{acme}/settings/try", typed()))


def test_above_a_hundred_thousand_accounts_the_dry_run_waits_for_its_button(
    browser: MakeBrowser, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "WITHOUT_ASKING_ACCOUNTS", 3)
    owner = browser(acme)
    assert detection.ONLY_ON_ASKING in text_of(owner.get(f"/o/{acme}/settings"))
    assert "Would flag 2 accounts" in text_of(owner.post(f"/o/{acme}/settings/try", typed()))


def test_a_large_organization_s_page_is_there_at_once_and_asks_for_the_reading_of_its_orders_itself(
    browser: MakeBrowser, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "READ_AHEAD_ACCOUNTS", 0)
    owner = browser(acme)
    first = owner.get(f"/o/{acme}/settings")
    assert detection.READING in text_of(first) and 'hx-trigger="load, input' in first.text
    asked = owner.client.post(
        f"/o/{acme}/settings/try",
        data=typed(csrf=csrf(first.text)),
        headers={"HX-Request": "true", "Sec-Fetch-Site": "same-origin"},
    )
    assert "Would flag 2 accounts" in text_of(asked)
    for again in (owner, browser(acme, "member")):
        page = again.get(f"/o/{acme}/settings")
        assert (
            detection.READING not in text_of(page)
            and 'hx-trigger="load' not in page.text
            and "2 accounts" in text_of(page)
        )


def test_members_try_nothing_so_their_page_reads_itself(
    browser: MakeBrowser, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "READ_AHEAD_ACCOUNTS", 0)
    assert "2 accounts" in text_of(browser(acme, "member").get(f"/o/{acme}/settings"))


def test_without_orders_the_page_says_what_is_to_come(browser: MakeBrowser, tenant: str) -> None:
    assert detection.NO_ORDERS in text_of(browser(tenant).get(f"/o/{tenant}/settings"))


# -- sizes and grades ------------------------------------------------------------------------------


def test_sizes_and_grades_are_taught_line_by_line(
    browser: MakeBrowser, connection: db.Connection, tenant: str, at: At
) -> None:
    at(NOW)
    put_orders(
        connection,
        tenant,
        [("A1", AS_OF, "6 SCH 40", "GR B", 100), ("A1", AS_OF, "5,5", None, 100)],
    )
    owner = browser(tenant)
    page = text_of(owner.get(f"/o/{tenant}/settings/sizes"))
    assert "5,5" in page and "6 SCH 40" in page.split("cannot be read")[1]
    sent = {
        "version": "1",
        "sizes": "6 SCH 40 = 6.625\r\n5,5\t5.5\r\n\r\n",
        "grade_aliases": "GR-B = B\nX = X-52",
    }
    assert owner.post(f"/o/{tenant}/settings/sizes", sent).status_code == 303
    saved = version(connection, tenant)[1]
    assert (saved.sizes, saved.grade_aliases) == (
        {"6 SCH 40": "6.625", "5,5": "5.5"},
        {"GR-B": "B", "X": "X-52"},
    )
    assert "Every size text in your orders can be read" in text_of(
        owner.get(f"/o/{tenant}/settings/sizes")
    )
    assert msgspec.structs.replace(saved, sizes={}, grade_aliases={"GR-B": "B"}) == DEFAULTS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("6 SCH 40", "line 1: must be a text, =, and what it is read as"),
        ("6 SCH 40 = six", "6 SCH 40: must be inches such as 6.625, above 0 and below 1000"),
        ("A = 5\nA = 6", "line 2: A is in the table twice"),
        ("A\x00 = 5", "line 1: has characters that cannot be shown"),
    ],
)
def test_a_table_that_cannot_be_comes_back_as_it_was_typed(
    browser: MakeBrowser, connection: db.Connection, tenant: str, text: str, says: str
) -> None:
    answer = browser(tenant).post(
        f"/o/{tenant}/settings/sizes", {"version": "1", "sizes": text, "grade_aliases": "GR-B = B"}
    )
    assert answer.status_code == 422 and says in text_of(answer)
    assert text.split("\n")[0].split("\x00")[0] in answer.text.split("<textarea")[1]
    assert version(connection, tenant)[0] == 1
