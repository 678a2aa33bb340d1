"""The dry run and the replay by columns in memory, held against slow ways to know: the second opinion's SQL, and plain Python."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import pairwise
from statistics import median_low
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.signals import audit, dry_run, handlers
from services.signals.ledger import BETWEEN, Ledger
from shared import db
from shared.domain.grades import read_grade
from shared.domain.history import Combo
from shared.domain.sizes import read_od
from shared.domain.thresholds import DEFAULTS, DetectionSettings, checked
from shared.domain.trial import BACK_WITHIN, Subject, quarter_ends
from shared.events import Line, SignalType
from tests.console.conftest import MakeBrowser, text_of
from tests.console.test_settings import typed
from tests.signals.builders import block, completed, order, record, requested

AS_OF = date(2026, 3, 2)
ODS = ("5 1/2", "5.5", "7", "9 5/8", "6 SCH 40", '8 5/8"', f"7{BETWEEN}", None)
GRADES = ("J-55", "J 55", "L80", "gr. b", f"L{BETWEEN}80", "", None)


class Bought(NamedTuple):
    """One line of an order that is not cancelled."""

    account: str
    day: date
    od: str | None
    grade: str | None
    cents: int


def invented(seed: int, connection: db.Connection, organization: str) -> list[Bought]:
    """Orders of several lines over two years, some cancelled, in PostgreSQL; the lines that count."""
    made = random.Random(seed)
    orders, found = [], []
    for number in range(260):
        account, day = f"A{made.randrange(14)}", AS_OF + timedelta(days=15 - made.randrange(760))
        lines = [
            Line(
                revenue_cents=made.choice((-40_000, 0, 90_000, 400_000, 3_000_000)),
                product="pipe",
                od=made.choice(ODS),
                grade=made.choice(GRADES),
            )
            for _ in range(made.randrange(1, 5))
        ]
        cancelled = made.random() < 0.1
        orders.append(order(organization, f"SO-{number}", account=account, on=day, lines=lines, cancelled=cancelled))
        if not cancelled:
            found += [Bought(account, day, line.od, line.grade, line.revenue_cents) for line in lines]
    with connection.transaction():
        handlers.handle_orders(connection, [block(*orders, offset=1)])
    return found


def thresholds(made: random.Random) -> DetectionSettings:
    lapse_days = made.randrange(1, 120)
    patch: dict[str, Any] = {
        "dormant": {"gap_days": made.randrange(1, 90), "minimum_lifetime_revenue_cents": made.randrange(0, 20_000_000)},
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
            "minimum_od": made.choice(("6", "7", "8.625")),
            "share_percent": made.choice(("20", "33.3", "50", "80")),
        },
        "sizes": made.choice(({}, {"6 SCH 40": "6.625"})),
    }
    return checked(patch)


def answers(line: Bought, type_: SignalType, subject: Subject, settings: DetectionSettings) -> bool:
    """Whether a line brings its subject back."""
    od = read_od(line.od, settings.sizes).value
    if line.cents <= 0 or line.account != subject.account:
        return False
    if type_ == "lapse":
        return subject.combo == Combo(od, read_grade(line.grade, settings.grade_aliases))
    return type_ == "dormant" or od is None or float(od) < float(settings.cherry_picking.minimum_od)


def subjects(connection: db.Connection, organization: str, day: date, settings: DetectionSettings) -> dict[str, set[Subject]]:
    """What the second opinion fires on a day, by type."""
    found: dict[str, set[Subject]] = {type_: set() for type_ in dry_run.TYPES}
    with connection.transaction():
        for one in audit.firing(connection, organization, day, settings):
            found[one.key.type].add(Subject(one.key.account, Combo(one.key.od, one.key.grade) if one.key.type == "lapse" else None))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_replay_says_what_a_slow_recomputation_of_each_quarter_says(connection: db.Connection, tenant: str, seed: int) -> None:
    lines, made = invented(seed, connection, tenant), random.Random(-seed)
    for number in range(5):
        settings = thresholds(made)
        found = dry_run.replayed(connection, tenant, settings, as_of=AS_OF, run=1, seconds=60)
        for place, ended_on in enumerate(quarter_ends(AS_OF)):
            fires = subjects(connection, tenant, ended_on, settings)
            for type_ in dry_run.TYPES:
                quarter = found[type_][place]
                back = {
                    subject
                    for subject in fires[type_]
                    if any(
                        ended_on < line.day <= ended_on + BACK_WITHIN and answers(line, type_, subject, settings) for line in lines
                    )
                }
                assert (quarter.ended_on, quarter.flagged, quarter.back) == (ended_on, fires[type_], back), (number, type_)


@pytest.mark.parametrize("seed", range(3))
def test_a_try_flags_what_the_second_opinion_fires_and_knows_the_usual_gap(
    connection: db.Connection, tenant: str, seed: int
) -> None:
    lines, made = invented(seed, connection, tenant), random.Random(seed)
    for _ in range(8):
        settings = thresholds(made)
        found = dry_run.tried(connection, tenant, settings, as_of=AS_OF, run=1, seconds=60)
        fires = subjects(connection, tenant, AS_OF, settings)
        assert {type_: card.flagged for type_, card in found.items()} == fires
        for type_ in ("dormant", "lapse"):
            since = AS_OF - timedelta(days=settings.lapse.history_days) if type_ == "lapse" else date.min
            for one in found[type_].candidates:
                days = sorted(
                    {line.day for line in lines if since < line.day <= AS_OF and answers(line, type_, one.subject, settings)}
                )
                gaps = [(later - day).days for day, later in pairwise(days)]
                assert one.typical_days == (median_low(gaps) if len(gaps) >= 2 else None)


@given(st.lists(st.lists(st.tuples(st.sampled_from(ODS[:6]), st.integers(-(10**12), 10**12)), min_size=1, max_size=4), max_size=12))
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_ledger_holds_every_line_once(orders: list[list[tuple[str, int]]]) -> None:
    rows = [
        f"A{number % 3},{20_000 + number},{field([od for od, _ in lines])},{field([''] * len(lines))},"
        f"{field([str(cents) for _, cents in lines])}\n"
        for number, lines in enumerate(orders)
    ]
    ledger = Ledger("".join(rows).encode())
    lifetimes: dict[str, int] = {}
    for number, lines in enumerate(orders):
        if any(cents > 0 for _, cents in lines):
            lifetimes.setdefault(f"A{number % 3}", 0)
    for number, lines in enumerate(orders):
        if f"A{number % 3}" in lifetimes:
            lifetimes[f"A{number % 3}"] += sum(cents for _, cents in lines)
    everything = checked({"dormant": {"minimum_lifetime_revenue_cents": 0}})
    found = {past.account: past.standing.lifetime_cents for past in ledger.pasts("dormant", everything, date(2026, 1, 1))}
    assert found == {account: cents for account, cents in lifetimes.items() if cents >= 0}


def field(texts: list[str]) -> str:
    """As PostgreSQL writes it into a CSV."""
    text = BETWEEN.join(texts)
    return '"' + text.replace('"', '""') + '"'


def test_no_orders_are_no_candidates() -> None:
    assert [Ledger(b"").pasts(type_, DEFAULTS, AS_OF) for type_ in dry_run.TYPES] == [[], [], []]


# -- one reading for all, and tries that nobody waits for any more ----------------------------------------------------------------


@pytest.fixture
def acme(connection: db.Connection, tenant: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One dormant account, a complete run."""
    with connection.transaction():
        lines = [Line(revenue_cents=15_000_000, product="pipe", od="7", grade=None)]
        orders = block(order(tenant, "SO-1", account="A1", on=AS_OF - timedelta(days=100), lines=lines), offset=1)
        handlers.handle_orders(connection, [orders, record("orders", requested(tenant, 1, as_of=AS_OF), tenant, 2)])
        handlers.handle_signals(connection, [record("signals", completed(tenant, 1, offset=2, as_of=AS_OF), tenant, 9)])
    yield tenant


def waiting(connection: db.Connection) -> int:
    """Statements that wait for a lock."""
    row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return int(row[0]) if row else 0


def test_a_try_ends_when_the_same_person_s_next_one_begins(
    browser: MakeBrowser, connection: db.Connection, acme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "SECONDS_WHILE_TYPING", 60.0)
    ana = browser(acme)
    token = typed() | {"csrf": ana.get(f"/o/{acme}/settings").text.split('name="csrf" value="')[1].split('"')[0]}
    dry_run._kept = dry_run._Kept()
    headers = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
    own = {"Sec-Fetch-Site": "same-origin"}

    def try_out(sent: dict[str, str]) -> Any:
        return ana.client.post(f"/o/{acme}/settings/try", data=token, headers=sent, timeout=60)

    with ThreadPoolExecutor(3) as threads, db.connect() as locking:
        locking.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        first = threads.submit(try_out, headers)
        until(lambda: waiting(connection) == 1)
        second = threads.submit(try_out, own)
        until(lambda: dry_run._turns[acme, f"{ana.email} tries"] == 2)
        third = threads.submit(try_out, headers)
        until(lambda: dry_run._turns[acme, f"{ana.email} tries"] == 3)
        assert waiting(connection) == 1  # one reads, two wait for it
        locking.rollback()
        assert (first.result().status_code, second.result().status_code) == (204, 409)
        assert "you tried something else meanwhile" in text_of(second.result())
        assert third.result().status_code == 200 and "would flag" in third.result().text.lower()


def test_somebody_else_s_try_ends_nobody_s(connection: db.Connection, acme: str) -> None:
    mine = dry_run.next_turn(acme, "ana tries")
    dry_run.next_turn(acme, "bob tries")
    mine.go_on()
    dry_run.next_turn(acme, "ana tries")
    with pytest.raises(dry_run.Superseded):
        mine.go_on()


def test_ledgers_that_nobody_uses_make_room(connection: db.Connection, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = dry_run._Kept()
    ledger = kept.get(connection, acme, run=1, seconds=30)
    assert kept.get(connection, acme, run=1, seconds=30) is ledger
    assert kept.get(connection, acme, run=2, seconds=30) is not ledger
    monkeypatch.setattr(dry_run, "KEPT_BYTES", 1)
    kept.get(connection, "another", run=1, seconds=30)
    assert list(kept._places) == ["another"]


def until(holds: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        threading.Event().wait(0.01)
