"""`winback digest preview|send` as people call it."""

import json
import socket
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from shared import kafka
from shared.ids import derived
from tests.digest import rows
from tests.digest.samples import cherry_picking, dormant, lapse
from tests.stack_fixtures import Mailbox, Stack

MONDAY = date(2026, 11, 23)


@pytest.fixture
def flagged(organization: str) -> str:
    """An organization with a complete run and a signal of each type."""
    rows.run(organization, 1, as_of=MONDAY)
    rows.account(organization, "A-1", name="Caprock Energy Services", owner="dk")
    for seen in (
        dormant("A-1", last_year=700),
        lapse("B-1", lapsed=300),
        lapse("B-1", "7", None, lapsed=400),
        cherry_picking("C-1", upside=50),
    ):
        rows.signal(organization, seen, run=1, as_of=MONDAY)
    return organization


def preview(stack: Stack, organization: str) -> Any:
    return json.loads(
        stack.winback("digest", "preview", "--organization", organization, "--json").stdout
    )


def test_preview_as_json_is_what_interfaces_md_says(stack: Stack, flagged: str) -> None:
    shown = preview(stack, flagged)

    assert {name: shown[name] for name in ("as_of", "heartbeat", "recoverable_revenue_cents")} == {
        "as_of": "2026-11-23",
        "heartbeat": False,
        "recoverable_revenue_cents": 1450,
    }
    assert [(section["type"], section["total"]) for section in shown["sections"]] == [
        ("dormant", 1),
        ("lapse", 1),
        ("cherry_picking", 1),
    ]
    [row] = shown["sections"][1]["rows"]
    assert (row["account"], row["lifetime_revenue_cents"]) == ("B-1", 20_000_000)
    assert row["signals"][0] == {
        "signal": derived("signal", flagged, "B B-1 7 None"),
        "type": "lapse",
        "combo": {"od": "7", "grade": None},
        "state": "new",
        "at_stake_cents": 400,
        "figures": {
            "days_silent": 94,
            "last_ordered_on": "2026-08-21",
            "lapsed_revenue_cents": 400,
            "distinct_months": 5,
        },
    }
    assert "combo" not in shown["sections"][0]["rows"][0]["signals"][0]


def test_preview_prints_the_mail_and_writes_its_parts(
    stack: Stack, flagged: str, tmp_path: Path
) -> None:
    printed = stack.winback("digest", "preview", "--organization", flagged).stdout
    html, text = tmp_path / "digest.html", tmp_path / "digest.txt"
    silent = stack.winback(
        "digest", "preview", "--organization", flagged, "--html", str(html), "--text", str(text)
    ).stdout

    assert printed.startswith("Subject: No order yet · 3 accounts to call\n\n*** No order yet.")
    assert "Caprock Energy Services" in html.read_text()
    assert "Caprock Energy Services" in text.read_text()
    assert silent == ""


def test_preview_without_a_complete_run_is_a_heartbeat_that_says_so(
    stack: Stack, organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY, complete=False)
    shown = preview(stack, organization)

    assert (
        shown["heartbeat"],
        shown["as_of"],
        shown["sections"],
        shown["recoverable_revenue_cents"],
    ) == (True, None, [], 0)
    assert (
        "The check is not complete."
        in stack.winback("digest", "preview", "--organization", organization).stdout
    )


def test_an_organization_that_does_not_exist_is_wrong_use(stack: Stack) -> None:
    assert (
        stack.winback("digest", "preview", "--organization", "nobody", check=False).returncode == 2
    )
    assert stack.winback("digest", "send", "--organization", "nobody", check=False).returncode == 2


def test_send_waits_until_every_recipient_has_it_and_asks_for_drafts(
    stack: Stack, flagged: str, mailbox: Mailbox
) -> None:
    emails = sorted((rows.address(), rows.address()))
    for email in emails:
        rows.recipient(flagged, email)
    before = kafka.end_offset("sequence-ticks", 0)
    sent = json.loads(stack.winback("digest", "send", "--organization", flagged, "--json").stdout)

    assert [(mail["email"], mail["state"]) for mail in sent["mails"]] == [
        (email, "sent") for email in emails
    ]
    assert sent["recoverable_revenue_cents"] == 1450
    assert kafka.end_offset("sequence-ticks", 0) == before + 1
    [mail] = mailbox.mails(to=emails[0])
    assert derived("sequence", flagged, sent["digest"], "dormant") in mail["html"]
    assert (
        derived("sequence", flagged, sent["digest"], "dormant")
        in stack.winback("digest", "preview", "--organization", flagged).stdout
    )
    assert [
        one["state"]
        for section in preview(stack, flagged)["sections"]
        for row in section["rows"]
        for one in row["signals"]
    ] == ["new"] * 4


def test_send_to_one_address_is_nobody_else_s_digest(
    stack: Stack, flagged: str, mailbox: Mailbox
) -> None:
    recipient, other = rows.address(), rows.address()
    rows.recipient(flagged, recipient)
    before = kafka.end_offset("sequence-ticks", 0)
    printed = stack.winback("digest", "send", "--organization", flagged, "--to", other).stdout

    assert f"sent       {other}\n" in printed
    assert mailbox.mails(to=recipient) == []
    [mail] = mailbox.mails(to=other)
    assert "/sequences/" not in mail["html"]
    assert kafka.end_offset("sequence-ticks", 0) == before


def test_send_says_who_did_not_get_it(stack: Stack, flagged: str, mailbox: Mailbox) -> None:
    email = rows.address()
    rows.recipient(flagged, email)
    mailbox.answer(email, "550 5.1.1 no such user")
    done = stack.winback("digest", "send", "--organization", flagged, check=False)

    assert done.returncode == 1
    assert f"bounced    {email}: 550 5.1.1 no such user\n" in done.stdout


def test_send_without_recipients_says_so(stack: Stack, flagged: str) -> None:
    done = stack.winback("digest", "send", "--organization", flagged, check=False)

    assert done.returncode == 1
    assert "has no recipients" in done.stdout


def test_send_plans_nothing_while_the_mail_server_is_not_there(
    stack: Stack, flagged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    rows.recipient(flagged, rows.address())
    nowhere = Stack(
        stack.home, stack.env | {"WINBACK_SMTP_URL": f"smtp://127.0.0.1:{port}"}, stack.supervisor
    )
    done = nowhere.winback("digest", "send", "--organization", flagged, check=False)

    assert done.returncode == 3
    assert done.stderr.startswith(f"winback: the mail server 127.0.0.1:{port} does not take mail")
    assert preview(stack, flagged)["new"] == 4
