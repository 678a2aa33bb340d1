"""The dry run and the replay by columns in memory, held against slow ways to know: the second
opinion's SQL, and plain Python.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import median_low
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.signals.persist import handlers
from services.signals.second_opinion import audit
from services.signals.trial import dry_run
from services.signals.trial.candidates import Candidates, candidates
from services.signals.trial.columns import BETWEEN, Ledger
from shared import db
from shared.domain.cherry_picking import is_cherry_picking
from shared.domain.dormant import is_dormant
from shared.domain.grades import read_grade
from shared.domain.history import Combo, ComboStanding, Standing
from shared.domain.lapse import lapsed_combos
from shared.domain.sizes import read_od
from shared.domain.thresholds import DEFAULTS, DetectionSettings, checked
from shared.domain.trial import BACK_WITHIN, Subject, day_bars, quarter_ends, share_bars
from shared.events import Line, SignalType
from tests.console.conftest import MakeBrowser, text_of
from tests.console.settings.test_detection import typed
from tests.eventually import eventually
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
    """Orders of several lines over two years, some cancelled, kept; the lines that count."""
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
        orders.append(
            order(
                organization,
                f"SO-{number}",
                account=account,
                on=day,
                lines=lines,
                cancelled=cancelled,
            )
        )
        if not cancelled:
            found += [
                Bought(account, day, line.od, line.grade, line.revenue_cents) for line in lines
            ]
    with connection.transaction():
        handlers.handle_orders(connection, [block(*orders, offset=1)])
    return found


def thresholds(made: random.Random) -> DetectionSettings:
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


def subjects(
    connection: db.Connection, organization: str, day: date, settings: DetectionSettings
) -> dict[str, set[Subject]]:
    """What the second opinion fires on a day, by type."""
    found: dict[str, set[Subject]] = {type_: set() for type_ in dry_run.TYPES}
    with connection.transaction():
        for one in audit.firing(connection, organization, day, settings):
            found[one.key.type].add(
                Subject(
                    one.key.account,
                    Combo(one.key.od, one.key.grade) if one.key.type == "lapse" else None,
                )
            )
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_replay_says_what_a_slow_recomputation_of_each_quarter_says(
    connection: db.Connection, tenant: str, seed: int
) -> None:
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
                        ended_on < line.day <= ended_on + BACK_WITHIN
                        and answers(line, type_, subject, settings)
                        for line in lines
                    )
                }
                assert (quarter.ended_on, quarter.flagged, quarter.back) == (
                    ended_on,
                    fires[type_],
                    back,
                ), (number, type_)


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
            since = (
                AS_OF - timedelta(days=settings.lapse.history_days)
                if type_ == "lapse"
                else date.min
            )
            for subject, typical_days in usual_gaps(found[type_].candidates):
                days = sorted(
                    {
                        line.day
                        for line in lines
                        if since < line.day <= AS_OF and answers(line, type_, subject, settings)
                    }
                )
                gaps = [(later - day).days for day, later in pairwise(days)]
                assert typical_days == (median_low(gaps) if len(gaps) >= 2 else None)


def usual_gaps(found: Candidates) -> list[tuple[Subject, int | None]]:
    """Of each candidate."""
    if found.type == "dormant":
        return [
            (Subject(found.accounts[account]), seen)
            for account, seen in found.frame.select("account", "seen").rows()
        ]
    rows = found.frame.select("account", "combo", "seen").rows()
    return [
        (Subject(found.accounts[account], found.combos[combo]), seen)
        for account, combo, seen in rows
    ]


def standings(lines: list[Bought], settings: DetectionSettings, on: date) -> dict[str, Standing]:
    """How each account stands, line by line, as the detector's rules take it."""
    found: dict[str, Standing] = {}
    history, window = (
        on - timedelta(days=days)
        for days in (settings.lapse.history_days, settings.cherry_picking.window_days)
    )
    for line in lines:
        if line.day > on:
            continue
        empty = Standing(
            on=on.toordinal(),
            last=0,
            lifetime_cents=0,
            combos={},
            spend_cents=0,
            specialty_cents=0,
            next_change=0,
        )
        one = found.setdefault(line.account, empty)
        od, grade = (
            read_od(line.od, settings.sizes).value,
            read_grade(line.grade, settings.grade_aliases),
        )
        one.lifetime_cents += line.cents
        if line.cents > 0:
            one.last = max(one.last, line.day.toordinal())
        if line.day > window:
            one.spend_cents += line.cents
            is_special = od is not None and Decimal(od) >= Decimal(
                settings.cherry_picking.minimum_od
            )
            one.specialty_cents += line.cents if is_special else 0
        if line.day > history and (od is not None or grade is not None):
            combo = one.combos.setdefault(Combo(od, grade), ComboStanding())
            combo.revenue_cents += line.cents
            if line.cents > 0:
                combo.last = max(combo.last, line.day.toordinal())
                combo.months.add(12 * line.day.year + line.day.month)
    return found


def ruled(lines: list[Bought], settings: DetectionSettings, on: date) -> dict[str, set[Subject]]:
    """What the detector's own rules fire."""
    found: dict[str, set[Subject]] = {type_: set() for type_ in dry_run.TYPES}
    lapse = msgspec.structs.replace(settings.lapse, enabled=True)
    cherry = msgspec.structs.replace(settings.cherry_picking, enabled=True)
    for account, one in standings(lines, settings, on).items():
        if is_dormant(one, settings.dormant):
            found["dormant"].add(Subject(account))
        found["lapse"] |= {
            Subject(account, combo) for combo in lapsed_combos(one, lapse, settings.dormant)
        }
        if is_cherry_picking(one.specialty_cents, one.spend_cents, cherry):
            found["cherry_picking"].add(Subject(account))
    return found


BOUGHT = st.builds(
    Bought,
    account=st.sampled_from(("A1", "A2", "A3")),
    day=st.integers(-20, 420).map(lambda days: AS_OF - timedelta(days=days)),
    od=st.sampled_from((*ODS[:6], None)),
    grade=st.sampled_from((*GRADES[:4], None)),
    cents=st.one_of(
        st.sampled_from((-1, 0, 1, 80, 100)), st.integers(-(10**6), 10**7), st.just(10**16)
    ),
)


@given(st.lists(BOUGHT, max_size=40), st.randoms(use_true_random=False))
@hypothesis_settings(max_examples=150, deadline=None)
def test_the_columns_say_what_the_detector_s_own_rules_say(
    lines: list[Bought], made: random.Random
) -> None:
    ledger = read(lines)
    for _ in range(2):
        settings = thresholds(made)
        found = {
            type_: candidates(type_, ledger, settings, AS_OF).flagged() for type_ in dry_run.TYPES
        }
        assert found == ruled(lines, settings, AS_OF)


@given(
    st.lists(BOUGHT, max_size=20), st.lists(BOUGHT, max_size=20), st.randoms(use_true_random=False)
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_ledger_that_follows_says_what_one_that_is_read_anew_says(
    before: list[Bought], after: list[Bought], made: random.Random
) -> None:
    settings = thresholds(made)
    touched = {line.account for line in after} | {"A9"}
    now = [line for line in before if line.account not in touched] + after
    ledger = read(before)
    candidates("lapse", ledger, settings, AS_OF)  # what it computed for itself must not stay
    followed = ledger.replaced(sorted(touched), read(after))
    for type_ in dry_run.TYPES:
        assert (
            candidates(type_, followed, settings, AS_OF).flagged()
            == ruled(now, settings, AS_OF)[type_]
        )
    assert followed.lines.height == len(now)


def test_a_histogram_counts_every_candidate_once_and_cuts_at_the_threshold() -> None:
    bars = day_bars({0: 3, 89: 2, 90: 5, 4_000: 1}, 90)
    assert sum(bar.count for bar in bars) == 11
    assert sum(bar.count for bar in bars if bar.is_flagged) == 6
    shares = [Fraction(0), Fraction(80), Fraction(801, 10), Fraction(100)]
    cut = share_bars(
        len(shares), lambda edge: sum(1 for share in shares if share > edge), Fraction(80)
    )
    assert (sum(bar.count for bar in cut), sum(bar.count for bar in cut if bar.is_flagged)) == (
        4,
        2,
    )


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(ODS[:6]), st.integers(-(10**12), 10**12)),
            min_size=1,
            max_size=4,
        ),
        max_size=12,
    )
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_ledger_holds_every_line_once(orders: list[list[tuple[str, int]]]) -> None:
    lines = [
        Bought(
            f"A{number % 3}", date(1970, 1, 1) + timedelta(days=20_000 + number), od, None, cents
        )
        for number, order in enumerate(orders)
        for od, cents in order
    ]
    csv = "".join(
        row(
            f"A{number % 3}",
            20_000 + number,
            [od for od, _ in order],
            [""] * len(order),
            [cents for _, cents in order],
        )
        for number, order in enumerate(orders)
    )
    for ledger in (Ledger.read(csv.encode()), read(lines)):
        held = ledger.lines.select("account", "day", "od", "cents").rows()
        assert sorted(
            (ledger.accounts[account], day, ledger.ods[od], cents)
            for account, day, od, cents in held
        ) == sorted(
            (line.account, (line.day - date(1970, 1, 1)).days, line.od or "", line.cents)
            for line in lines
        )


def read(lines: list[Bought]) -> Ledger:
    """Each as an order of its own."""
    rows = [
        row(
            line.account,
            (line.day - date(1970, 1, 1)).days,
            [line.od or ""],
            [line.grade or ""],
            [line.cents],
        )
        for line in lines
    ]
    return Ledger.read("".join(rows).encode())


def row(account: str, day: int, ods: list[str], grades: list[str], cents: list[int]) -> str:
    """An order."""
    return f"{account},{day},{field(ods)},{field(grades)},{field([str(one) for one in cents])}\n"


def field(texts: list[str]) -> str:
    """As PostgreSQL writes it into a CSV."""
    text = BETWEEN.join(texts)
    return '"' + text.replace('"', '""') + '"'


def test_no_orders_are_no_candidates() -> None:
    assert [
        len(candidates(type_, Ledger.read(b""), DEFAULTS, AS_OF)) for type_ in dry_run.TYPES
    ] == [0, 0, 0]


# -- one reading for all, and tries that nobody waits for any more ---------------------------------


@pytest.fixture
def acme(connection: db.Connection, tenant: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One dormant account, a complete run."""
    with connection.transaction():
        lines = [Line(revenue_cents=15_000_000, product="pipe", od="7", grade=None)]
        orders = block(
            order(tenant, "SO-1", account="A1", on=AS_OF - timedelta(days=100), lines=lines),
            offset=1,
        )
        handlers.handle_orders(
            connection, [orders, record("orders", requested(tenant, 1, as_of=AS_OF), tenant, 2)]
        )
        handlers.handle_signals(
            connection, [record("signals", completed(tenant, 1, offset=2, as_of=AS_OF), tenant, 9)]
        )
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
    token = typed() | {
        "csrf": ana.get(f"/o/{acme}/settings").text.split('name="csrf" value="')[1].split('"')[0]
    }
    dry_run._kept = dry_run._Kept()
    headers = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
    own = {"Sec-Fetch-Site": "same-origin"}

    def try_out(sent: dict[str, str]) -> Any:
        return ana.client.post(f"/o/{acme}/settings/try", data=token, headers=sent, timeout=60)

    with ThreadPoolExecutor(3) as threads, db.connect() as locking:
        locking.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        first = threads.submit(try_out, headers)
        eventually(lambda: waiting(connection) == 1)
        second = threads.submit(try_out, own)
        eventually(lambda: dry_run._turns[acme, f"{ana.email} tries"] == 2)
        third = threads.submit(try_out, headers)
        eventually(lambda: dry_run._turns[acme, f"{ana.email} tries"] == 3)
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


def test_a_ledger_follows_the_accounts_that_orders_touched(
    connection: db.Connection, acme: str
) -> None:
    kept = dry_run._Kept()
    before = kept.get(connection, acme, run=1, seconds=30)
    # a run without an order between changes nothing
    assert kept.get(connection, acme, run=2, seconds=30) is before

    def bring(
        number: int, account: str, offset: int, cents: int = 100, cancelled: bool = False
    ) -> None:
        lines = [Line(revenue_cents=cents, product="pipe", od="7", grade="J55")]
        changed = order(
            acme,
            f"SO-{number}",
            account=account,
            on=AS_OF,
            lines=lines,
            cancelled=cancelled,
            revision=offset,
        )
        with connection.transaction():
            handlers.handle_orders(connection, [block(changed, offset=offset)])

    for number in range(20, 40):
        bring(number, f"B{number}", number)
    kept.get(connection, acme, run=3, seconds=30)
    read_at = kept._places[acme].read_at
    bring(21, "B20", 50, 7)  # moved, and edited
    bring(22, "B22", 51, cancelled=True)
    bring(41, "B41", 52)
    ledger = kept.get(connection, acme, run=4, seconds=30)
    # three accounts of twenty-one: the others were not read again
    assert kept._places[acme].read_at == read_at
    held = sorted(
        (ledger.accounts[account], cents)
        for account, cents in ledger.lines.select("account", "cents").rows()
    )
    others = [(f"B{number}", 100) for number in range(23, 40)]
    assert held == [("A1", 15_000_000), ("B20", 7), ("B20", 100), *others, ("B41", 100)]


def test_ledgers_that_nobody_uses_make_room(connection: db.Connection, acme: str) -> None:
    kept = dry_run._Kept()
    ledger = kept.get(connection, acme, run=1, seconds=30)
    kept.get(connection, "another", run=1, seconds=30)
    assert kept.get(connection, acme, run=1, seconds=30) is ledger
    small = dry_run._Kept(most_bytes=ledger.size_bytes - 1)
    small.get(connection, acme, run=1, seconds=30)
    assert list(small._places) == [acme]  # the one that is asked for stays, however large
    small.get(connection, "another", run=1, seconds=30)
    assert list(small._places) == ["another"]
