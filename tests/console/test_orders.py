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
from services.signals.store import order_listing
from shared import db
from shared.events import Combo, Line
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


# number, account, its name, owner, day, lines: product, size, grade, cents
Said = tuple[str, str, str | None, str, int, list[tuple[str, str | None, str, int]]]


@pytest.fixture
def mixed(connection: db.Connection, tenant: str) -> str:
    """Orders of three accounts and two owners, with sizes and grades in several texts."""
    said: list[Said] = [
        ("SO-1", "A1", "Müller Röhren", "dk", 1, [("Casing", '9 5/8"', "P-110", 500)]),
        ("SO-2", "A1", None, "dk", 3, [("Casing", "9.625", "J55", 900), ("Pipe", "7", "P110", 1)]),
        ("SO-3", "A2", "Permian Supply", "mp", 5, [("Tubing", "2 3/8", "L80", 100)]),
        ("SO-4", "A2", None, "mp", 9, [("Casing", "9-5/8", "P 110", -50)]),
        ("SO/5?", "A3", "Ana & Söhne", "mp", 9, [("Casing", None, "P110", 20)]),
    ]
    with connection.transaction():
        sent = [
            order(
                tenant,
                name,
                account=account,
                account_name=called,
                owner=owner,
                on=date(2026, 2, day),
                lines=[
                    Line(product=product, od=od, grade=grade, quantity="3", revenue_cents=dollars)
                    for product, od, grade, dollars in lines
                ],
            )
            for name, account, called, owner, day, lines in said
        ]
        handlers.handle_orders(connection, [block(*sent, offset=1, accepted_at=AT)])
    return tenant


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("account=A1", ["SO-2", "SO-1"]),
        ("account=muller", ["SO-2", "SO-1"]),
        ("account=nobody", []),
        ("owner=mp", ["SO/5?", "SO-4", "SO-3"]),
        ("from=2026-02-03&to=2026-02-05", ["SO-3", "SO-2"]),
        ("to=2026-02-01", ["SO-1"]),
        ("size=9+5%2F8", ["SO-4", "SO-2", "SO-1"]),
        ("grade=p110", ["SO/5?", "SO-4", "SO-2", "SO-1"]),
        ("size=9.625&grade=P-110", ["SO-4", "SO-1"]),  # of one line
        ("size=7&grade=P110&product=Pipe", ["SO-2"]),
        ("size=7&product=Casing", []),
        ("size=4", []),
        ("grade=X52", []),
        ("sort=net", ["SO-2", "SO-1", "SO-3", "SO/5?", "SO-4"]),
        ("sort=net&owner=mp", ["SO-3", "SO/5?", "SO-4"]),
        ("sort=day", ["SO/5?", "SO-4", "SO-3", "SO-2", "SO-1"]),
        ("owner=dk&size=9+5%2F8&from=2026-02-02", ["SO-2"]),
    ],
)
@pytest.mark.parametrize("step", [5_000, 1])
def test_orders_are_narrowed_down_and_sorted(
    browser: MakeBrowser,
    mixed: str,
    monkeypatch: pytest.MonkeyPatch,
    query: str,
    expected: list[str],
    step: int,
) -> None:
    monkeypatch.setattr(order_listing, "LOOKED_AT_ONCE", step)
    monkeypatch.setattr(order_listing, "LOOKS_SECONDS", 60.0)
    page = browser(mixed, "member").get(f"/o/{mixed}/orders?{query}")
    assert page.status_code == 200 and "data-stream" not in page.text
    assert keys(page.text) == expected
    assert expected or "No such orders." in page.text


@pytest.mark.parametrize("query", ["sort=day", "sort=net", "owner=mp", "account=A&sort=net"])
def test_pages_of_narrowed_orders_leave_out_and_repeat_none(
    browser: MakeBrowser, connection: db.Connection, mixed: str, query: str
) -> None:
    with connection.transaction():
        more = [
            order(mixed, f"N-{number:03}", account="A2", on=date(2026, 1, 1 + number % 3))
            for number in range(120)
        ]
        handlers.handle_orders(connection, [block(*more, offset=2, accepted_at=AT)])
    ana, seen, path = browser(mixed), list[str](), f"/o/{mixed}/orders?{query}"
    while path:
        page = ana.get(path.replace("&amp;", "&")).text
        seen += keys(page)
        path = (
            page.split('class="pager"><a class="btn" href="')[1].split('"')[0]
            if ('class="pager"><a class="btn"' in page)
            else ""
        )
    assert len(seen) == len(set(seen)) == {"owner=mp": 123}.get(query, 125)


def test_a_look_that_takes_too_long_says_how_far_it_came_and_goes_on(
    browser: MakeBrowser, mixed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_listing, "LOOKED_AT_ONCE", 2)
    monkeypatch.setattr(order_listing, "LOOKS_SECONDS", 0.0)
    ana, seen, path = browser(mixed), list[str](), f"/o/{mixed}/orders?size=9+5%2F8"
    pages = 0
    while path:
        page = ana.get(path.replace("&amp;", "&")).text
        seen, pages = seen + keys(page), pages + 1
        path = (
            page.split("Look further back</a>")[0].rsplit('href="', 1)[1].split('"')[0]
            if ("Look further back" in page)
            else ""
        )
    assert (seen, pages) == (["SO-4", "SO-2", "SO-1"], 3)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=31.3.2026", "From needs a day such as 2026-03-31"),
        ("to=2026-02-30", "To needs a day such as"),
        ("size=big", "Size cannot be read as a size"),
        ("sort=junk&after=x", ""),
        ("after=2026-02-03~", ""),
        ("sort=net&after=99999999999999999999~x", ""),
        ("account=%00&owner=%ff&grade=%27", ""),
    ],
)
def test_what_no_filter_can_be_is_said_or_left_out(
    browser: MakeBrowser, mixed: str, query: str, said: str
) -> None:
    page = browser(mixed).get(f"/o/{mixed}/orders?{query}")
    assert page.status_code == 200 and said in text_of(page)


def test_an_order_opens_to_its_lines(browser: MakeBrowser, mixed: str) -> None:
    ana = browser(mixed, "member")
    row = ana.get(f"/o/{mixed}/orders?account=A1").text
    links = {part.split('"')[0] for part in row.split('href="')[1:]}
    (path,) = (one for one in links if one.endswith("SO-1"))
    said = text_of(ana.get(path))
    assert "Order SO-1" in said and "Müller Röhren" in said and "1 Feb 2026" in said
    assert "Casing 9 5/8 sent as 9 5/8&#34; P110 sent as P-110 3 $5" in said
    assert "Net $5" in said
    odd = text_of(ana.get(f"/o/{mixed}/order/SO%2F5%3F"))
    assert "Order SO/5?" in odd and "no size" in odd
    assert ana.get(f"/o/{mixed}/order/none").status_code == 404
    assert ana.get(f"/o/{mixed}/order/a%00b").status_code == 404


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
