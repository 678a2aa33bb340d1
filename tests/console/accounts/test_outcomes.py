"""Outcomes through the console, the sink and the command line: what they hide, what clears them,
who takes them back.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from services.signals.console.http.forms import csrf_token
from services.signals.persist import handlers
from shared import db
from shared.events import Combo
from shared.ids import signal_id
from tests.console.conftest import Browser, MakeBrowser, text_of
from tests.signals.builders import (
    block,
    completed,
    order,
    record,
    recovered,
    requested,
    rows,
    signal_event,
)
from tests.signals.conftest import make_tenant
from winback.cli import app as winback

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
J55 = Combo(od="5.5", grade="J55")
At = Callable[[datetime], None]


@pytest.fixture
def acme(connection: db.Connection, tenant: str, at: At) -> str:
    """Caprock is dormant, Permian has lost two lines."""
    at(NOW)
    with connection.transaction():
        accounts = {"A1": "Caprock", "A2": "Permian Supply"}
        orders = [
            order(
                tenant,
                f"SO-{a}",
                account=a,
                account_name=name,
                on=date(2025, 12, 1),
                counts_on=date(2025, 12, 1),
            )
            for a, name in accounts.items()
        ]
        handlers.handle_orders(
            connection,
            [block(*orders, offset=1), record("orders", requested(tenant, 1), tenant, 2)],
        )
        events = [
            signal_event("opened", tenant, offset=2, account="A1"),
            signal_event("opened", tenant, offset=2, account="A2", combo=J55),
            signal_event("opened", tenant, offset=2, account="A2", combo=Combo(od="7", grade=None)),
            completed(tenant, 1, offset=2),
        ]
        handlers.handle_signals(
            connection,
            [record("signals", event, tenant, place) for place, event in enumerate(events)],
        )
    return tenant


def act(
    browser: Browser,
    organization: str,
    kind: str,
    account: str = "A1",
    once: str = "x",
    **more: Any,
) -> None:
    done = browser.post(
        f"/o/{organization}/outcomes", {"account": account, "kind": kind, "once": once} | more
    )
    assert done.status_code == 303, done.text


def account_row(
    connection: db.Connection, organization: str, account: str = "A1"
) -> dict[str, datetime | None]:
    found = rows(
        connection,
        "SELECT last_contact_at, paused_until, lost_at FROM accounts "
        "WHERE organization = %s AND account = '" + account + "'",
        organization,
    )
    return dict(zip(("last_contact_at", "paused_until", "lost_at"), found[0], strict=True))


def kinds(connection: db.Connection, organization: str) -> list[str]:
    return [
        row[0]
        for row in rows(
            connection,
            "SELECT kind FROM outcomes WHERE organization = %s ORDER BY at, outcome",
            organization,
        )
    ]


def arrives(
    connection: db.Connection, organization: str, *, accepted_at: datetime, on: date, **more: Any
) -> None:
    with connection.transaction():
        sent = order(organization, "SO-9", account="A1", on=on, counts_on=on, **more)
        handlers.handle_orders(connection, [block(sent, offset=9, accepted_at=accepted_at)])


def test_reaching_out_pauses_for_two_weeks_and_says_so(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    ana = browser(acme, "member")
    act(ana, acme, "reached_out")
    assert account_row(connection, acme) == {
        "last_contact_at": NOW,
        "paused_until": NOW + timedelta(days=14),
        "lost_at": None,
    }
    page = text_of(ana.get(f"/o/{acme}/accounts/A1"))
    assert "Reached out to Caprock: off the digest until 17 Mar." in page and "Undo" in page
    audit = rows(
        connection,
        "SELECT actor, action, subject, detail -> 'before' ->> 'enrollment' FROM audit_log"
        " WHERE organization = %s AND action = 'reached out'",
        acme,
    )
    assert audit == [(ana.email, "reached out", "account A1", "auto")]


@pytest.mark.parametrize("kind", ["reached_out", "won_back", "lost"])
def test_the_digests_link_asks_and_notes_nothing_by_itself(
    browser: MakeBrowser, connection: db.Connection, acme: str, kind: str
) -> None:
    ana = browser(acme, "member")
    page = ana.get(f"/o/{acme}/outcomes/{kind}/A2")
    assert page.status_code == 200 and "Permian Supply" in text_of(page)
    assert re.search(rf'<details[^>]* open>.*?name="kind" value="{kind}"', page.text, re.DOTALL)
    assert kinds(connection, acme) == []
    act(ana, acme, kind, account="A2")
    assert kinds(connection, acme) == [kind]


def test_the_digests_link_is_for_members_and_of_what_there_is(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    path = f"/o/{acme}/outcomes/lost/A2"
    signed_out, outsider, ana = (
        browser(),
        browser(make_tenant(connection), "owner"),
        browser(acme, "member"),
    )
    asked = signed_out.get(path)
    assert asked.status_code == 401 and f'name="next" value="{path}"' in asked.text
    assert outsider.get(path).status_code == 404
    assert [
        ana.get(f"/o/{acme}/outcomes/{rest}").status_code
        for rest in ("lost/A99", "undone/A2", "lost/")
    ] == [404, 404, 404]


def test_a_click_that_comes_twice_is_done_once(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    ana = browser(acme)
    for _ in range(2):
        act(ana, acme, "lost", reason="price")
    assert kinds(connection, acme) == ["lost"]


def test_the_undo_of_the_toast_takes_it_back_and_is_a_row_too(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    ana = browser(acme, "member")
    act(ana, acme, "lost", reason="price")
    page = ana.get(f"/o/{acme}/accounts/A1").text
    undo = page.split('action="/o/' + acme + "/outcomes/")[1].split('"')[0]
    assert ana.post(f"/o/{acme}/outcomes/{undo}").status_code == 303
    assert account_row(connection, acme)["lost_at"] is None
    assert kinds(connection, acme) == ["lost", "undone"]
    assert "Not undone: it was undone already." in _after(ana, acme, undo)


def _after(browser: Browser, organization: str, undo: str) -> str:
    browser.post(f"/o/{organization}/outcomes/{undo}")
    return text_of(browser.get(f"/o/{organization}/accounts/A1"))


def test_only_its_actor_or_an_admin_undoes_it(
    browser: MakeBrowser, connection: db.Connection, acme: str, at: At
) -> None:
    ana, bo, owner = browser(acme, "member"), browser(acme, "member"), browser(acme, "admin")
    act(ana, acme, "lost")
    undo = (
        rows(connection, "SELECT outcome FROM outcomes WHERE organization = %s", acme)[0][0]
        + "/undo"
    )
    bo.post(f"/o/{acme}/outcomes/{undo}")
    assert kinds(connection, acme) == ["lost"]
    assert f"/outcomes/{undo}" not in bo.get(f"/o/{acme}/accounts/A1").text
    at(NOW + timedelta(hours=25))
    ana.post(f"/o/{acme}/outcomes/{undo}")
    assert kinds(connection, acme) == ["lost"]
    owner.post(f"/o/{acme}/outcomes/{undo}")
    assert kinds(connection, acme) == ["lost", "undone"]


def test_the_next_order_clears_lost(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    act(browser(acme), acme, "lost", reason="went_quiet")
    arrives(connection, acme, accepted_at=NOW + timedelta(minutes=5), on=date(2026, 3, 3))
    assert account_row(connection, acme)["lost_at"] is None
    assert kinds(connection, acme) == ["lost", "answered"]


@pytest.mark.parametrize(
    "what",
    [
        {"accepted_at": NOW - timedelta(minutes=5), "on": date(2026, 3, 3)},
        {"accepted_at": NOW + timedelta(minutes=5), "on": date(2026, 2, 1)},
        {"accepted_at": NOW + timedelta(minutes=5), "on": date(2026, 3, 3), "cancelled": True},
    ],
    ids=["accepted before", "dated before", "cancelled"],
)
def test_an_order_that_is_no_answer_leaves_lost(
    browser: MakeBrowser, connection: db.Connection, acme: str, what: dict[str, Any]
) -> None:
    act(browser(acme), acme, "lost")
    arrives(connection, acme, **what)
    assert account_row(connection, acme)["lost_at"] == NOW


def test_won_back_is_claimed_until_an_order_answers(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    ana = browser(acme)
    act(ana, acme, "won_back")
    assert account_row(connection, acme)["paused_until"] == NOW + timedelta(days=14)
    page = text_of(ana.get(f"/o/{acme}/accounts/A1"))
    assert "Won back, $4,167 a month claimed" in page  # $50,000 last year by 12
    summary = text_of(ana.get(f"/o/{acme}/summary?month=2026-03"))
    assert "Claimed" in summary
    arrives(connection, acme, accepted_at=NOW + timedelta(minutes=5), on=date(2026, 3, 3))
    with connection.transaction():
        handlers.handle_signals(connection, [record("signals", recovered(acme, offset=9), acme, 9)])
    assert "Won back, $4,167 a month confirmed" in text_of(ana.get(f"/o/{acme}/accounts/A1"))
    assert account_row(connection, acme)["paused_until"] is None


def test_nobody_wins_the_same_signal_twice(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    act(browser(acme), acme, "won_back", monthly_value="1,200.50")
    again = browser(acme).post(
        f"/o/{acme}/outcomes", {"account": "A1", "kind": "won_back", "once": "y"}
    )
    assert again.status_code == 422 and "it was already" in again.text
    found = rows(
        connection, "SELECT monthly_value_cents FROM outcomes WHERE organization = %s", acme
    )
    assert found == [(120_050,)]


def test_one_lapse_is_hidden_and_the_other_stays(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    signal = signal_id(acme, "A2", "lapse", "5.5", "J55")
    act(browser(acme), acme, "lost", "A2", signal=signal, reason="competitor")
    seen = rows(
        connection,
        "SELECT od, lost_at IS NOT NULL FROM published_signals "
        "WHERE organization = %s AND account = 'A2' ORDER BY od",
        acme,
    )
    assert seen == [("5.5", True), ("7", False)]
    assert account_row(connection, acme, "A2")["lost_at"] is None


def test_a_wrong_value_stands_beside_its_field(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    page = browser(acme).post(
        f"/o/{acme}/outcomes",
        {"account": "A1", "kind": "won_back", "once": "x", "monthly_value": "a lot"},
    )
    assert page.status_code == 422
    assert 'value="a lot"' in page.text and "must be a number such as 1,234.50" in page.text
    assert kinds(connection, acme) == []


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"account": "A1", "kind": "sold"}, 422),
        ({"account": "A1", "kind": "lost", "reason": "weather"}, 422),
        ({"account": "A1", "kind": "lost", "signal": "x"}, 404),
        ({"account": "A1", "kind": "won_back", "monthly_value": "-5"}, 422),
        ({"account": "A1", "kind": "won_back", "monthly_value": "9" * 40}, 422),
        ({"account": "nobody", "kind": "lost"}, 404),
        ({"account": "a\x00b", "kind": "lost"}, 404),
        ({}, 404),
    ],
)
def test_a_form_that_cannot_be_right_changes_nothing(
    browser: MakeBrowser, connection: db.Connection, acme: str, form: dict[str, str], status: int
) -> None:
    assert browser(acme).post(f"/o/{acme}/outcomes", form).status_code == status
    assert kinds(connection, acme) == []


def test_other_organizations_and_other_sites_note_nothing(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    assert (
        browser().post(f"/o/{acme}/outcomes", {"account": "A1", "kind": "lost"}).status_code == 401
    )
    assert (
        browser(acme)
        .cross_post(f"/o/{acme}/outcomes", {"account": "A1", "kind": "lost"})
        .status_code
        == 403
    )
    assert kinds(connection, acme) == []


def test_htmx_gets_the_part_alone_and_the_toast(browser: MakeBrowser, acme: str) -> None:
    ana = browser(acme)
    form = {"account": "A1", "kind": "reached_out", "once": "x"}
    session = ana.client.cookies.get("winback_session")
    assert session
    part = ana.client.post(
        f"/o/{acme}/outcomes",
        data=form | {"csrf": csrf_token(session)},
        headers={"HX-Request": "true", "HX-Target": "outcomes"},
    )
    assert part.status_code == 200 and "<html" not in part.text
    assert 'hx-swap-oob="true"' in part.text and "Reached out to Caprock" in part.text


def test_an_administrator_undoes_from_the_command_line(
    browser: MakeBrowser, connection: db.Connection, acme: str
) -> None:
    act(browser(acme), acme, "lost")
    runner = CliRunner()
    said = runner.invoke(winback, ["undo", "--organization", acme, "--account", "A1", "--dry-run"])
    assert said.exit_code == 0 and "would undo: lost on A1" in said.output
    assert runner.invoke(winback, ["undo", "--organization", acme]).exit_code == 0
    assert account_row(connection, acme)["lost_at"] is None
    assert runner.invoke(winback, ["undo", "--organization", acme]).exit_code != 0
