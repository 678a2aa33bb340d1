"""The digest's page: recipients from members alone, the schedule and its next firings,
a test, what went out.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime

import msgspec
import pytest

from services.digest import handlers as digest
from services.signals.clock import firing as ticking
from services.signals.persist import handlers
from services.signals.store import slots
from shared import db, kafka
from shared.domain.cadence import Schedule
from shared.events import DigestDue
from shared.settings import settings
from tests.console.conftest import MakeBrowser, text_of
from tests.signals.builders import completed, record, requested, rows
from tests.signals.conftest import make_tenant

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)  # Tuesday, 09:00 in Chicago
At = Callable[[datetime], None]
RECIPIENTS = "SELECT email, added_by FROM digest_recipients WHERE organization = %s ORDER BY email"
WEEKLY = {"frequency": "weekly", "hour": "8", "weekday": "0"}


def test_recipients_are_members_and_nobody_else(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    member, other = browser(tenant, "member"), browser(tenant, "member")
    path = f"/o/{tenant}/settings/digest"
    assert member.post(path, WEEKLY | {"recipient": [member.email, other.email]}).status_code == 303
    assert rows(connection, RECIPIENTS, tenant) == sorted(
        [(member.email, member.email), (other.email, member.email)]
    )
    answer = member.post(path, WEEKLY | {"recipient": [member.email, "stranger@example.com"]})
    assert answer.status_code == 422 and "stranger@example.com is no member" in text_of(answer)
    assert len(rows(connection, RECIPIENTS, tenant)) == 2, "both or neither"
    assert other.post(path, WEEKLY | {"recipient": [member.email]}).status_code == 303
    assert rows(connection, RECIPIENTS, tenant) == [(member.email, member.email)], (
        "who stays keeps who added them"
    )
    noted = rows(
        connection,
        "SELECT detail FROM audit_log "
        "WHERE organization = %s AND subject = 'digest recipients' ORDER BY at",
        tenant,
    )
    assert noted[-1] == ({"added": [], "removed": [other.email]},)


@pytest.mark.parametrize(
    ("sent", "anchor"),
    [
        ({"frequency": "daily", "hour": "8", "weekday": "0"}, date(2026, 3, 4)),
        ({"frequency": "daily", "hour": "10", "weekday": "0"}, date(2026, 3, 3)),
        ({"frequency": "3-days", "hour": "8", "weekday": "5"}, date(2026, 3, 4)),
        ({"frequency": "weekly", "hour": "8", "weekday": "1"}, date(2026, 3, 10)),
        ({"frequency": "weekly", "hour": "10", "weekday": "1"}, date(2026, 3, 3)),
        ({"frequency": "2-weeks", "hour": "7", "weekday": "4"}, date(2026, 3, 6)),
    ],
)
def test_a_schedule_fires_first_on_the_next_day_that_fits(
    browser: MakeBrowser,
    connection: db.Connection,
    tenant: str,
    at: At,
    sent: dict[str, str],
    anchor: date,
) -> None:
    at(NOW)
    member = browser(tenant, "member")
    assert member.post(f"/o/{tenant}/settings/digest", sent).status_code == 303
    assert slots.digest_schedule(connection, tenant) == Schedule(
        frequency=sent["frequency"],  # type: ignore[arg-type] # one of them
        hour=int(sent["hour"]),
        anchor_on=anchor,
        timezone="America/Chicago",
        since=NOW,
    )
    at(datetime(2026, 3, 20, 15, 0, tzinfo=UTC))
    assert browser(tenant, "member").post(f"/o/{tenant}/settings/digest", sent).status_code == 303
    kept = slots.digest_schedule(connection, tenant)
    assert kept is not None and (kept.anchor_on, kept.since) == (anchor, NOW), (
        "saying the same again keeps the rhythm"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frequency", "hourly"),
        ("frequency", "never"),
        ("hour", "24"),
        ("hour", ""),
        ("weekday", "7"),
        ("hour", "٨"),
    ],
)
def test_a_schedule_that_cannot_be_changes_nothing(
    browser: MakeBrowser, connection: db.Connection, tenant: str, field: str, value: str
) -> None:
    member = browser(tenant, "member")
    answer = member.post(
        f"/o/{tenant}/settings/digest", WEEKLY | {"recipient": member.email, field: value}
    )
    assert answer.status_code == 422 and f'href="#{field}"' in answer.text
    assert slots.digest_schedule(connection, tenant) is None
    assert rows(connection, RECIPIENTS, tenant) == []


def test_cadences_below_a_day_are_for_development(
    browser: MakeBrowser, connection: db.Connection, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = browser(tenant, "member")
    assert "every 5 minutes" not in member.get(f"/o/{tenant}/settings/digest").text
    monkeypatch.setenv("WINBACK_DEVELOPMENT_CADENCES", "true")
    settings.cache_clear()
    try:
        assert "every 5 minutes" in member.get(f"/o/{tenant}/settings/digest").text
        sent = WEEKLY | {"frequency": "5-minutes"}
        assert member.post(f"/o/{tenant}/settings/digest", sent).status_code == 303
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    found = slots.digest_schedule(connection, tenant)
    assert found is not None and found.frequency == "5-minutes"


def test_the_next_five_firings_follow_what_is_chosen(
    browser: MakeBrowser, tenant: str, at: At
) -> None:
    at(NOW)
    member = browser(tenant, "member")
    page = text_of(member.get(f"/o/{tenant}/settings/digest"))
    assert "there is no schedule yet" in page
    member.post(f"/o/{tenant}/settings/digest", WEEKLY)
    page = text_of(member.get(f"/o/{tenant}/settings/digest"))
    # daylight saving begins on 8 March; the hour of the local clock stays
    days = ("9 March", "16 March", "23 March", "30 March", "6 April")
    assert all(f"Monday {day} 2026, 08:00" in page for day in days)
    tried = text_of(
        member.post(
            f"/o/{tenant}/settings/digest/next",
            {"frequency": "3-days", "hour": "10", "weekday": "0"},
        )
    )
    assert (
        "Tuesday 3 March 2026, 10:00 in 1 hour" in tried and "Sunday 15 March 2026, 10:00" in tried
    )


def test_a_test_goes_to_whoever_asked_and_to_nobody_else(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    member, owner = browser(tenant, "member"), browser(tenant)
    path = f"/o/{tenant}/settings/digest"
    owner.post(path, WEEKLY | {"recipient": [owner.email, member.email]})
    assert "None has gone out yet" in text_of(member.get(path))
    for _ in range(2):  # pressed twice within a second is asked once, or twice at most
        assert member.post(f"{path}/test").status_code == 303
    asked = rows(
        connection, "SELECT email, ticked_at FROM digest_requests WHERE organization = %s", tenant
    )
    assert 1 <= len(asked) <= 2 and set(asked) == {(member.email, None)}

    publisher = kafka.Publisher()
    for _ in range(2):
        ticking.send_asked_for(connection, publisher)
    publisher.close()
    assert rows(
        connection,
        "SELECT count(*) FROM digest_requests WHERE ticked_at IS NULL AND organization = %s",
        tenant,
    ) == [(0,)]


def test_what_went_out_is_shown_with_what_became_of_each_mail(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    member = browser(tenant, "member")
    with connection.transaction():
        handlers.handle_orders(connection, [record("orders", requested(tenant, 1), tenant, 2)])
        handlers.handle_signals(
            connection, [record("signals", completed(tenant, 1, offset=2), tenant, 3)]
        )
        for number, only_to in ((1, None), (2, member.email)):
            due = DigestDue(
                organization=tenant,
                slot=f"s{number}",
                digest=f"d{number}",
                slot_at=NOW,
                run=1,
                only_to=only_to,
            )
            assert msgspec.json.decode(msgspec.json.encode(due), type=DigestDue) == due
            digest.plan_due_digests(connection, [record("digest-ticks", due, tenant, number)])
    assert rows(
        connection, "SELECT digest, email FROM digest_mails WHERE organization = %s", tenant
    ) == [("d2", member.email)]
    page = member.get(f"/o/{tenant}/settings/digest")
    assert "heartbeat, asked for" in text_of(
        page
    ) and f"{member.email} waiting to be sent" in text_of(page)
    assert (
        'sandbox title="The digest as HTML"' in page.text
        and "frame-src 'self'" in page.headers["content-security-policy"]
    )
    frame = page.text.split("<iframe")[1].split('src="')[1].split('"')[0]
    mail = member.get(frame)
    assert mail.status_code == 200 and "<html" in mail.text
    policy = mail.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "script" not in policy
    assert browser(make_tenant(connection)).get(frame).status_code == 404
    assert member.get(f"/o/{tenant}/settings/digest/mail/a%00b").status_code == 404
    connection.execute(
        "UPDATE digest_mails SET state = 'bounced', answer = '550 no such user', attempts = 1 "
        "WHERE digest = 'd2'"
    )
    assert "bounced: 550 no such user" in text_of(member.get(f"/o/{tenant}/settings/digest"))


def test_who_unsubscribed_takes_it_back_for_themselves_alone(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    member, other = browser(tenant, "member"), browser(tenant, "member")
    for one in (member, other):
        connection.execute(
            "INSERT INTO suppressions (organization, email, reason, at) "
            "VALUES (%s, %s, 'unsubscribed', now())",
            (tenant, one.email),
        )
    page = member.get(f"/o/{tenant}/settings/digest").text
    assert (
        page.count("unsubscribed less than a minute ago") == 2 and page.count("get it again") == 1
    )
    assert member.post(f"/o/{tenant}/settings/digest/again").status_code == 303
    assert rows(connection, "SELECT email FROM suppressions WHERE organization = %s", tenant) == [
        (other.email,)
    ]
