"""The orders page: newest first with each account's activity, paging without gaps, and the stream
that says that something came.
"""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from services.signals.actions import members
from services.signals.actions.actor import COMMAND_LINE
from services.signals.console import live
from services.signals.persist import handlers
from services.signals.store import live as store
from shared import db
from shared.events import Combo
from tests.console.conftest import MakeBrowser, text_of
from tests.signals.builders import block, order, record, recovered, signal_event

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def arrive(
    connection: db.Connection,
    organization: str,
    *names: str,
    at: datetime = AT,
    offset: int = 1,
    account: str = "A1",
) -> None:
    with connection.transaction():
        sent = [order(organization, name, account=account, on=date(2026, 3, 1)) for name in names]
        handlers.handle_orders(connection, [block(*sent, offset=offset, accepted_at=at)])


def keys(page: str) -> list[str]:
    return [part.split('"')[0] for part in page.split('data-key="')[1:]]


def test_the_newest_order_stands_first_with_the_activity_of_its_account(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    arrive(connection, tenant, "SO-1", account="A1")
    arrive(connection, tenant, "SO-2", account="A2", at=AT + timedelta(hours=3), offset=2)
    arrive(connection, tenant, "SO-3", account="A3", at=AT + timedelta(days=30), offset=3)
    with connection.transaction():
        events = [
            signal_event("opened", tenant, offset=1, account="A1"),
            *(
                signal_event(
                    "opened", tenant, offset=1, account="A2", combo=Combo(od=od, grade=None)
                )
                for od in ("5.5", "7")
            ),
        ]
        handlers.handle_signals(
            connection,
            [record("signals", event, tenant, place) for place, event in enumerate(events)],
        )
    page = browser(tenant).get(f"/o/{tenant}/orders")
    assert keys(page.text) == ["SO-3", "SO-2", "SO-1"]
    said = text_of(page)
    assert "SO-3 Active" in said and "SO-2 Product lapse ×2" in said and "SO-1 Dormant" in said


def test_an_order_that_brought_someone_back_says_so_and_is_news_again(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    with connection.transaction():
        opened = signal_event("opened", tenant, offset=1, combo=Combo(od="5.5", grade="J55"))
        handlers.handle_signals(connection, [record("signals", opened, tenant, 1)])
    arrive(connection, tenant, "SO-1", offset=2)
    ana = browser(tenant)
    first = live_counter(connection, tenant)
    assert keys(ana.get(f"/o/{tenant}/orders").text) == ["SO-1"]
    with connection.transaction():
        back = recovered(tenant, offset=2, combo=Combo(od="5.5", grade="J55"))
        handlers.handle_signals(connection, [record("signals", back, tenant, 2)])
    assert live_counter(connection, tenant) != first
    page = ana.get(f"/o/{tenant}/orders")
    assert keys(page.text) == ["SO-1+"] and "5 1/2 J55: came back" in text_of(page)


def live_counter(connection: db.Connection, organization: str) -> str:
    return store.counter(connection, organization)


def test_older_orders_page_without_leaving_out_or_repeating_any(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    for hour in range(6):
        arrive(
            connection,
            tenant,
            *(f"SO-{hour}-{n:02}" for n in range(20)),
            at=AT + timedelta(hours=hour * 40),
            offset=hour,
        )
    ana, seen, path = browser(tenant), [], f"/o/{tenant}/orders"
    while path:
        page = ana.get(path).text
        seen += keys(page)
        path = (
            page.split('class="pager"><a class="btn" href="')[1].split('"')[0]
            if "Older orders" in page
            else ""
        )
    assert len(seen) == 120 and len(set(seen)) == 120


def test_htmx_and_the_script_get_the_rows_alone(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    arrive(connection, tenant, "SO-1")
    part = browser(tenant).get(f"/o/{tenant}/orders", headers={"HX-Request": "true"}).text
    assert keys(part) == ["SO-1"] and "<html" not in part


def test_without_orders_the_page_says_how_to_send_them(browser: MakeBrowser, tenant: str) -> None:
    assert "No orders yet." in text_of(browser(tenant).get(f"/o/{tenant}/orders"))


@pytest.mark.parametrize("before", ["x", "1~", "99999999999999999999~a"])
def test_a_place_that_is_none_is_refused(browser: MakeBrowser, tenant: str, before: str) -> None:
    assert browser(tenant).get(f"/o/{tenant}/orders", params={"before": before}).status_code == 422


def test_the_stream_says_when_something_came(
    browser: MakeBrowser, connection: db.Connection, tenant: str
) -> None:
    arrive(connection, tenant, "SO-1")
    with browser(tenant).client.stream("GET", f"/o/{tenant}/orders/live", timeout=90) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        first = next(lines)
        late = threading.Timer(
            0.5,
            arrive,
            (connection, tenant, "SO-2"),
            {"at": AT + timedelta(minutes=1), "offset": 2},
        )
        late.start()
        assert next(lines) != first
        late.join()


def test_the_stream_is_for_members_and_ends_with_membership(
    browser: MakeBrowser, connection: db.Connection, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert browser().get(f"/o/{tenant}/orders/live").status_code == 401
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.5)
    ana = browser(tenant, "member")
    with ana.client.stream("GET", f"/o/{tenant}/orders/live", timeout=90) as answer:
        lines = answer.iter_lines()
        next(lines)
        with connection.transaction():
            members.remove(connection, tenant, ana.email, by=COMMAND_LINE)
        assert list(lines) is not None  # it ends


def test_streams_are_bounded() -> None:
    streams = live.Streams()
    assert [streams.enter("ana") for _ in range(live.MOST_OF_A_PERSON + 1)][-2:] == [True, False]
    assert streams.enter("bo")
    streams.leave("ana")
    assert streams.enter("ana")
    assert all(streams.enter(f"p{n}") for n in range(live.MOST_STREAMS - live.MOST_OF_A_PERSON - 1))
    assert not streams.enter("one too many")
