"""From rows of the signals service to a digest and its mails, on real PostgreSQL."""

import email
from collections.abc import Iterator
from datetime import date, timedelta
from email import policy
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from services.digest import handlers, store
from services.digest.handlers import Planned
from shared import clock, db
from shared.domain.digest import Digest
from shared.events import DigestDue
from shared.ids import derived
from shared.settings import settings
from tests.digest import rows
from tests.digest.samples import cherry_picking, dormant, lapse
from tests.stack_fixtures import Organizations

MONDAY = date(2026, 11, 23)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def pool(stack: object) -> Iterator[ConnectionPool[db.Connection]]:
    with db.pool("winback_worker") as opened:
        yield opened


@pytest.fixture
def over_https(stack: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WINBACK_BASE_URL", "https://winback.example")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def plan(pool: ConnectionPool[db.Connection], tick: DigestDue, **more: Any) -> Planned:
    with pool.connection() as connection:
        planned = handlers.plan(connection, tick, at=tick.slot_at, **more)
    assert planned is not None
    return planned


def digest_of(planned: Planned) -> Digest:
    assert planned.edition.digest is not None
    return planned.edition.digest


def states(planned: Planned) -> dict[str, str]:
    found = digest_of(planned)
    return {
        item.signal.account: item.state
        for section in found.sections
        for row in section.rows
        for item in row.items
    }


def mails(pool: ConnectionPool[db.Connection], digest: str) -> list[Any]:
    with pool.connection() as connection:
        found = connection.execute(
            "SELECT email, message_id, message, state FROM digest_mails WHERE digest = %s",
            (digest,),
        )
        return found.fetchall()


# -- what its run saw and is still active ----------------------------------------------------------


def test_a_digest_shows_what_its_run_saw_and_is_still_active(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY - WEEK)
    rows.run(organization, 2, as_of=MONDAY)
    rows.signal(organization, dormant("seen"), run=2, as_of=MONDAY, opened_on=MONDAY - WEEK)
    rows.signal(organization, dormant("back"), run=2, as_of=MONDAY, recovered=True)
    rows.signal(organization, dormant("long-gone"), run=1, as_of=MONDAY - WEEK, recovered=True)

    assert states(plan(pool, rows.due(organization, run=2))) == {"seen": "new"}


def test_a_digest_that_comes_late_still_shows_what_its_run_saw(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY)
    rows.run(organization, 2, as_of=MONDAY + timedelta(days=1))
    rows.signal(
        organization,
        dormant("seen-by-both"),
        run=2,
        as_of=MONDAY + timedelta(days=1),
        opened_on=MONDAY,
    )
    rows.signal(organization, dormant("opened-later"), run=2, as_of=MONDAY + timedelta(days=1))

    assert states(plan(pool, rows.due(organization, run=1))) == {"seen-by-both": "new"}


def test_an_account_shows_its_name_and_its_id_without_one(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY)
    rows.account(organization, "A-1", name="Permian Supply", owner="dk")
    for account in ("A-1", "A-2"):
        rows.signal(organization, dormant(account), run=1, as_of=MONDAY)
    text = plan(pool, rows.due(organization, run=1)).edition.rendered.text

    assert "Permian Supply (new)" in text
    assert "A-2 (new)" in text


def test_enrollment_outcomes_and_pauses_are_the_accounts_own(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    now = clock.now()
    rows.run(organization, 1, as_of=MONDAY)
    rows.account(organization, "no", enrollment="no")
    rows.account(organization, "lost", lost_at=now)
    rows.account(organization, "paused", paused_until=now + WEEK)
    rows.account(organization, "pause-over", paused_until=now - WEEK)
    rows.account(organization, "yes", enrollment="yes")
    for account in ("no", "lost", "paused", "pause-over"):
        rows.signal(organization, dormant(account), run=1, as_of=MONDAY)
    planned = plan(pool, rows.due(organization, run=1))

    assert states(planned) == {"pause-over": "new"}
    assert [account.account for account in digest_of(planned).always] == ["yes"]


def test_nothing_of_another_organization_is_shown(
    pool: ConnectionPool[db.Connection], organizations: Organizations
) -> None:
    mine, theirs = organizations(), organizations()
    for each in (mine, theirs):
        rows.run(each, 1, as_of=MONDAY)
        rows.recipient(each, rows.address())
        rows.account(each, f"pinned by {each}", enrollment="yes")
    rows.signal(theirs, dormant("theirs"), run=1, as_of=MONDAY)
    rows.order(theirs, "theirs", (None, "5.5", "J55", 100), day=MONDAY)
    planned = plan(pool, rows.due(mine, run=1))

    assert digest_of(planned).heartbeat
    assert planned.recipients == 1
    assert theirs not in planned.edition.rendered.html
    assert "No order has arrived yet." in planned.edition.rendered.text


# -- since the last digest -------------------------------------------------------------------------


def test_new_still_and_back_are_since_the_digest_of_the_run_before(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY - WEEK)
    for account in ("stays", "goes", "returns"):
        rows.signal(organization, dormant(account, last_year=100_00), run=1, as_of=MONDAY - WEEK)
    assert digest_of(plan(pool, rows.due(organization, run=1))).change_cents is None

    rows.run(organization, 2, as_of=MONDAY)
    rows.signal(organization, dormant("stays"), run=2, as_of=MONDAY, opened_on=MONDAY - WEEK)
    rows.signal(organization, dormant("goes"), run=1, as_of=MONDAY, recovered=True)
    rows.signal(organization, dormant("returns", episode=2), run=2, as_of=MONDAY)
    rows.signal(organization, dormant("comes", last_year=500_00), run=2, as_of=MONDAY)
    second = plan(pool, rows.due(organization, run=2))

    assert states(second) == {"stays": "still", "returns": "back", "comes": "new"}
    assert digest_of(second).change_cents == 400_00
    assert "$400 more than on 16 Nov" in second.edition.rendered.text


def test_a_heartbeat_without_a_run_and_a_mail_by_hand_are_no_digest_to_compare_with(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY - WEEK)
    rows.signal(organization, dormant("known"), run=1, as_of=MONDAY - WEEK)
    plan(pool, rows.due(organization, run=1))
    rows.run(organization, 2, as_of=MONDAY)
    rows.signal(organization, dormant("known"), run=2, as_of=MONDAY, opened_on=MONDAY - WEEK)
    rows.signal(organization, dormant("fresh"), run=2, as_of=MONDAY, opened_on=MONDAY)
    plan(pool, rows.due(organization))
    by_hand = plan(pool, rows.due(organization, run=2), only_to=rows.address())
    rows.run(organization, 3, as_of=MONDAY)
    for account in ("known", "fresh"):
        rows.signal(organization, dormant(account), run=3, as_of=MONDAY)

    assert states(by_hand) == {"known": "still", "fresh": "new"}
    assert states(plan(pool, rows.due(organization, run=3))) == {"known": "still", "fresh": "new"}


def test_the_same_run_says_the_same_however_often_it_is_sent(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY)
    rows.signal(organization, dormant("1"), run=1, as_of=MONDAY)
    first, second = (plan(pool, rows.due(organization, run=1)) for _ in range(2))

    assert digest_of(first) == digest_of(second)


def test_a_slot_is_taken_once(pool: ConnectionPool[db.Connection], organization: str) -> None:
    tick = rows.due(organization)
    plan(pool, tick)
    with pool.connection() as connection:
        assert handlers.plan(connection, tick, at=tick.slot_at) is None
        other = DigestDue(
            organization=organization,
            slot=tick.slot,
            digest="another",
            slot_at=tick.slot_at,
            run=None,
        )
        assert handlers.plan(connection, other, at=tick.slot_at) is None


def test_an_organization_that_is_gone_gets_nothing(pool: ConnectionPool[db.Connection]) -> None:
    with pool.connection() as connection:
        assert handlers.plan(connection, rows.due("gone-for-good"), at=clock.now()) is None


# -- what they last bought -------------------------------------------------------------------------


def test_a_dormant_account_shows_what_it_bought_on_its_last_activity_day(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY)
    rows.signal(organization, dormant("A", days=100), run=1, as_of=MONDAY)
    last = MONDAY - timedelta(days=100)
    rows.order(
        organization,
        "A",
        ("p", "5-1/2", "j 55", 300),
        ("p", "7", "L-80", 500),
        ("p", "5½", "J55", 300),
        day=last,
    )
    rows.order(
        organization, "A", ("UMBRELLA", None, None, 200), ("p", "9.625", "K55", -900), day=last
    )
    # a credit is no activity
    rows.order(organization, "A", ("later", "20", "B", -100), day=last + timedelta(days=5))
    rows.order(
        organization, "A", ("gone", "20", "B", 900), day=last + timedelta(days=6), cancelled=True
    )

    assert (
        "last bought 15 Aug: 5 1/2 J55, 7 L80, UMBRELLA"
        in plan(pool, rows.due(organization, run=1)).edition.rendered.text
    )


def test_more_than_three_things_bought_are_counted(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY)
    rows.signal(organization, dormant("A", days=1), run=1, as_of=MONDAY)
    rows.order(
        organization,
        "A",
        *((None, str(od), "J55", od) for od in range(1, 7)),
        day=MONDAY - timedelta(days=1),
    )

    assert (
        "last bought 22 Nov: 6 J55, 5 J55, 4 J55, 3 more"
        in plan(pool, rows.due(organization, run=1)).edition.rendered.text
    )


def test_a_cherry_picker_shows_its_last_order_and_the_median_behind_its_estimate(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY, median="31/50")
    rows.signal(organization, cherry_picking("C"), run=1, as_of=MONDAY)
    rows.order(organization, "C", ("p", "7", "L80", 5), day=MONDAY - timedelta(days=17))
    text = plan(pool, rows.due(organization, run=1)).edition.rendered.text

    assert "last order 17 days ago" in text
    assert "with m = 62\u00a0%" in text


# -- mails -----------------------------------------------------------------------------------------


def test_each_recipient_has_a_mail_of_their_own(
    pool: ConnectionPool[db.Connection], organization: str, over_https: None
) -> None:
    emails = {rows.address(), rows.address()}
    for address in emails:
        rows.recipient(organization, address)
    rows.run(organization, 1, as_of=MONDAY)
    rows.signal(organization, lapse("B"), run=1, as_of=MONDAY)
    planned = plan(pool, rows.due(organization, run=1))

    found = {
        address: (message_id, message, state)
        for address, message_id, message, state in mails(pool, planned.digest)
    }
    assert found.keys() == emails
    for address, (message_id, message, state) in found.items():
        own = email.message_from_bytes(message, policy=policy.default)
        link = str(own["List-Unsubscribe"]).strip("<>")
        assert state == "queued"
        assert own["To"] == address
        assert own["Message-ID"] == f"<{message_id}>"
        assert message_id == f"{derived('mail', organization, planned.digest, address)}@localhost"
        assert own["Auto-Submitted"] == "auto-generated"
        assert own["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        for part in own.iter_parts():
            assert link in part.get_content()
            assert "You were added by rs on " in part.get_content()
            assert derived("sequence", organization, planned.digest, "lapse") in part.get_content()


def test_a_recipient_without_an_address_that_works_holds_nobody_up(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    good = rows.address()
    for address in ("not an address", good):
        rows.recipient(organization, address)
    planned = plan(pool, rows.due(organization))

    assert {address: state for address, _, _, state in mails(pool, planned.digest)} == {
        "not an address": "bounced",
        good: "queued",
    }


def test_what_is_kept_of_a_digest_holds_no_recipient_s_link(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.recipient(organization, rows.address())
    planned = plan(pool, rows.due(organization))
    with pool.connection() as connection:
        kept = connection.execute(
            "SELECT html || body FROM digests WHERE digest = %s", (planned.digest,)
        ).fetchone()

    assert kept is not None and "/unsubscribe/" not in kept[0]


def test_the_digest_that_was_sent_of_a_run_is_found_again(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY)
    rows.signal(organization, dormant("A"), run=1, as_of=MONDAY)
    with pool.connection() as connection:
        assert store.digest_of_run(connection, organization, 1) is None
    plan(pool, rows.due(organization, run=1), only_to=rows.address())
    planned = plan(pool, rows.due(organization, run=1))

    with pool.connection() as connection:
        assert store.digest_of_run(connection, organization, 1) == planned.digest


# -- of one's own ----------------------------------------------------------------------------------


def test_a_recipient_who_asks_for_it_gets_the_accounts_of_their_own_alone(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY)
    rows.account(organization, "A-1", name="Permian Supply", owner="dk")
    rows.account(organization, "A-2", name="Caprock Energy", owner="rs")
    for account in ("A-1", "A-2"):
        rows.signal(organization, dormant(account), run=1, as_of=MONDAY)
    dana, everyone = rows.address(), rows.address()
    for address in (dana, everyone):
        rows.recipient(organization, address)
    with pool.connection() as connection:
        connection.execute("UPDATE digest_recipients SET own_only = true WHERE email = %s", (dana,))
        connection.execute(
            "INSERT INTO owner_people (organization, owner, email, mapped_at, mapped_by)"
            " VALUES (%s, 'dk', %s, now(), 'test')",
            (organization, dana),
        )
    planned = plan(pool, rows.due(organization, run=1))
    sent = {
        address: email.message_from_bytes(message, policy=policy.default)
        for address, _, message, _ in mails(pool, planned.digest)
    }
    bodies = {address: message.get_body(("plain",)) for address, message in sent.items()}
    texts = {address: body.get_content() for address, body in bodies.items() if body is not None}
    assert "Permian Supply" in texts[dana] and "Caprock Energy" not in texts[dana]
    assert all(name in texts[everyone] for name in ("Permian Supply", "Caprock Energy"))
    assert digest_of(planned).accounts == 2  # what is kept is of all


def test_what_the_last_digest_listed_and_an_order_ended_came_back(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    rows.run(organization, 1, as_of=MONDAY - WEEK)
    rows.account(organization, "A-1", name="Permian Supply", owner="dk")
    rows.signal(organization, dormant("A-1"), run=1, as_of=MONDAY - WEEK)
    rows.signal(organization, dormant("A-2"), run=1, as_of=MONDAY - WEEK)
    first = plan(pool, rows.due(organization, run=1))
    rows.run(organization, 2, as_of=MONDAY)
    signal = derived("signal", organization, dormant("A-1").signal)
    with pool.connection() as connection:
        connection.execute(
            "UPDATE signals SET recovered_at = now(), resolution = 'reordered'"
            " WHERE organization = %s AND signal = %s",
            (organization, signal),
        )
        connection.execute(
            "INSERT INTO episodes (organization, signal, episode, opened_on, opened_at, closed_on,"
            " closed_at, resolution) VALUES (%s, %s, 1, %s, now(), %s, now(), 'reordered')",
            (organization, signal, MONDAY - WEEK, MONDAY),
        )
    rows.signal(organization, dormant("A-2"), run=2, as_of=MONDAY, opened_on=MONDAY - WEEK)
    second = plan(pool, rows.due(organization, run=2))
    assert "CAME BACK" not in first.edition.rendered.text
    assert "CAME BACK · 1" in second.edition.rendered.text
    assert "Permian Supply" in second.edition.rendered.text
