"""What happens to single records: the order's check, runs, resolutions, moves."""

import msgspec
from msgspec.structs import replace

from services.detector.app import encode, is_saturated
from services.detector.organization import OrganizationRecord
from services.detector.pages import organization_key, packed, unpacked
from shared.domain.history import Combo as CellCombo
from shared.domain.history import Readings
from shared.domain.money import LARGEST_SUM_CENTS
from shared.domain.thresholds import DEFAULTS, DetectionSettings, checked
from shared.events import Combo, RestoredSignal, RunCompleted, SignalOpened, SignalSeen
from tests.detector.logs import TODAY, Log, order, recovered, settings


def kinds(log_events: list[object]) -> list[str]:
    return [type(event).__name__ for event in log_events]


def dormant_log() -> Log:
    """One account, silent for 100 days, whose dormant signal a run opened 10 days ago."""
    log = Log()
    log.orders(order("1", 110, (500_00, "5 1/2", "J55")))
    assert kinds(list(log.run(10))) == ["SignalOpened", "RunCompleted"]
    return log


def test_an_order_on_or_after_the_opening_day_is_a_reorder() -> None:
    assert recovered(dormant_log().orders(order("2", 10, (1, None, None)))) == [
        ("A", "dormant", "reordered")
    ]


def test_a_late_order_dated_before_the_opening_is_a_correction() -> None:
    assert recovered(dormant_log().orders(order("2", 11, (1, None, None)))) == [
        ("A", "dormant", "correction")
    ]


def test_a_late_order_outside_the_gap_changes_nothing() -> None:
    assert recovered(dormant_log().orders(order("2", 105, (1, None, None)))) == []


def test_a_credit_that_takes_lifetime_below_the_floor_is_a_correction() -> None:
    assert recovered(dormant_log().orders(order("2", 5, (-499_01, None, None)))) == [
        ("A", "dormant", "correction")
    ]


def test_a_cancelled_order_recovers_nothing_and_its_cancellation_reopens_at_the_next_run() -> None:
    log = dormant_log()
    assert recovered(log.orders(order("2", 3, (1, None, None), cancelled=True))) == []
    assert recovered(log.orders(order("3", 3, (1, None, None)))) == [("A", "dormant", "reordered")]
    assert recovered(log.orders(order("3", 3, (1, None, None), revision=2, cancelled=True))) == []
    reopened = [event for event in log.run(0) if isinstance(event, SignalOpened)]
    assert [(event.signal_type, event.episode) for event in reopened] == [("dormant", 2)]


def test_an_order_that_moves_away_is_a_correction_there_and_a_reorder_where_it_arrives() -> None:
    log = Log()
    log.orders(
        order("1", 120, (500_00, None, None), account="A"),
        order("2", 300, (500_00, None, None), account="B"),
    )
    log.orders(order("3", 100, (300_00, None, None), account="A"))
    log.run(5, settings(dormant={"minimum_lifetime_revenue_cents": 500_01}))
    log.run(4)
    moved = log.orders(order("3", 2, (300_00, None, None), account="B", revision=2))
    assert recovered(moved) == [("B", "dormant", "reordered")]
    emptied = log.orders(order("1", 120, (500_00, None, None), account="C", revision=2))
    assert recovered(emptied) == [("A", "dormant", "correction")]


def test_a_standard_line_answers_cherry_picking_only_when_the_share_falls() -> None:
    log = Log()
    log.orders(order("1", 20, (1000_00, "7", "L80")))
    log.run(10)
    assert recovered(log.orders(order("2", 5, (100_00, "5.5", "L80")))) == []
    assert recovered(log.orders(order("3", 4, (150_00, None, "L80")))) == [
        ("A", "cherry_picking", "reordered")
    ]


def test_a_run_says_settings_superseded_or_aged_out() -> None:
    log = Log()
    log.orders(order("1", 150, (500_00, "5 1/2", "J55")), order("2", 60, (10_00, "7", "L80")))
    log.run(50, settings(cherry_picking={"enabled": False}))
    gone = log.run(45, settings(cherry_picking={"enabled": False}, lapse={"lapse_days": 300}))
    assert recovered(gone) == [("A", "lapse", "settings")]
    log.run(40, settings(cherry_picking={"enabled": False}))
    assert ("A", "lapse", "superseded") in recovered(
        log.run(-40, settings(cherry_picking={"enabled": False}))
    )
    late = Log()
    late.orders(order("1", 360, (500_00, "5 1/2", "J55")), order("2", 1, (10_00, "7", "L80")))
    late.run(0, settings(cherry_picking={"enabled": False}))
    assert recovered(late.run(-10, settings(cherry_picking={"enabled": False}))) == [
        ("A", "lapse", "aged_out")
    ]


def test_a_renamed_combo_closes_as_settings_and_the_new_one_starts_its_own() -> None:
    log = Log()
    only_lapse = {"cherry_picking": {"enabled": False}}
    log.orders(order("1", 150, (500_00, "5 1/2", "J55")), order("2", 1, (10_00, "7", "L80")))
    log.run(1, settings(**only_lapse))
    events = log.run(0, settings(**only_lapse, grade_aliases={"J55": "K55"}))
    assert recovered(events) == [("A", "lapse", "settings")]
    opened = [event for event in events if isinstance(event, SignalOpened)]
    assert [(event.combo and event.combo.grade, event.episode) for event in opened] == [("K55", 1)]


def test_sums_beyond_64_bits_stop_nothing_and_leave_no_trace_when_they_go() -> None:
    """Such orders were accepted once: 5,000 lines of 10**15 minor units each."""
    log = Log()
    dear = [order(str(n), 150, *[(10**15, "7", "L80")] * 5_000) for n in range(4)]
    log.orders(order("last", 1, (500_00, "5", "J55")), *dear)
    opened = [event for event in log.run(0) if isinstance(event, SignalOpened)]
    assert {event.signal_type for event in opened} == {"lapse", "cherry_picking"}
    for event in opened:
        assert event.lifetime_revenue_cents == LARGEST_SUM_CENTS
        assert is_saturated(event)
        assert max(msgspec.structs.astuple(event.figures)[2:]) <= LARGEST_SUM_CENTS
        assert msgspec.json.decode(encode(event), type=SignalOpened) == event
    log.save()
    log.restart()
    log.orders(*(replace(one, revision=2, cancelled=True, lines=()) for one in dear[1:]))
    seen = [event for event in log.run(0) if isinstance(event, SignalSeen)]
    assert {event.lifetime_revenue_cents for event in seen} == {LARGEST_SUM_CENTS}
    log.orders(order("0", 150, (1_00, "7", "L80"), revision=2))
    log.run(0)
    log.orders(order("0", 150, (3_00, "7", "L80"), revision=3))
    (lapse,) = (event for event in log.run(0) if isinstance(event, SignalSeen))
    assert lapse.lifetime_revenue_cents == 503_00


def test_numbers_kept_before_they_were_strict_do_not_stop_the_partition() -> None:
    """A run in the log is read again for ever: correcting the settings does not take it away."""
    log = Log()
    log.orders(order("1", 150, (500_00, "5 1/2", "J55")), order("2", 1, (900_00, "7", "L80")))
    for patch in ({"minimum_od": "6__0"}, {"share_percent": "8__0"}):
        found = log.run(0, kept_before(sizes={"5 1/2": "5__0"}, cherry_picking=patch))
        types = [event.signal_type for event in found if isinstance(event, SignalOpened)]
        assert "cherry_picking" not in types
        assert kinds(list(found))[-1] == "RunCompleted"
    log.save()
    log.restart()
    assert kinds(list(log.run(0)))[-1] == "RunCompleted"


def test_a_size_table_is_looked_through_once_for_all_texts() -> None:
    """Its rows times the texts of all orders would hold a partition for minutes."""

    class Counted(dict[str, str]):
        reads = 0

        def __getitem__(self, key: str) -> str:
            Counted.reads += 1
            return super().__getitem__(key)

    table = {f"size {row}": "5.5" for row in range(100)}
    readings = Readings(replace(settings(), sizes=Counted(table), grade_aliases=Counted(table)))
    readings.extend([(f"size {text}", f"grade {text}") for text in range(50)])
    assert readings.combos[7] == CellCombo("5.5", "GRADE7")
    assert Counted.reads <= 2 * len(table)


def kept_before(*, sizes: dict[str, str], cherry_picking: dict[str, str]) -> DetectionSettings:
    """Settings that no door takes any more."""
    fine = settings()
    return replace(fine, sizes=sizes, cherry_picking=replace(fine.cherry_picking, **cherry_picking))


def test_a_number_that_is_not_above_the_states_gets_its_completion_alone() -> None:
    log = dormant_log()
    before = log.save()
    (answer,) = log.run(0, number=1)
    assert isinstance(answer, RunCompleted) and answer.repeated
    assert before and log.save() == []


def test_a_run_as_of_an_earlier_day_than_the_latest_evaluates_nothing() -> None:
    (answer,) = dormant_log().run(11)
    assert isinstance(answer, RunCompleted) and answer.repeated


def test_orders_dated_after_the_day_of_a_run_are_not_seen_by_it() -> None:
    log = Log()
    log.orders(order("1", 200, (500_00, None, None)), order("2", 20, (500_00, None, None)))
    opened = next(event for event in log.run(50) if isinstance(event, SignalOpened))
    assert opened.figures.days_inactive == 150  # type: ignore[union-attr] # dormant
    assert recovered(log.run(20)) == [("A", "dormant", "aged_out")]


def test_a_run_looks_only_at_accounts_that_are_due_or_open() -> None:
    log = Log()
    only_dormant = settings(lapse={"enabled": False}, cherry_picking={"enabled": False})
    log.orders(
        *(order(f"{n}", 5, (500_00, None, None), account=f"A{n}") for n in range(50)),
        order("x", 95, (500_00, None, None), account="B"),
    )
    *_, first = log.run(3, only_dormant)
    *_, second = log.run(2, only_dormant)
    *_, third = log.run(-85, only_dormant)
    evaluated = [
        event.evaluated for event in (first, second, third) if isinstance(event, RunCompleted)
    ]
    assert evaluated == [51, 1, 51]


def test_a_restart_says_the_same_as_a_process_that_lived_on() -> None:
    lived, restarted = dormant_log(), dormant_log()
    restarted.save()
    restarted.restart()
    assert restarted.orders(order("2", 3, (1, None, None))) == lived.orders(
        order("2", 3, (1, None, None))
    )
    restarted.save()
    restarted.restart()
    assert [e for e in restarted.run(0) if not isinstance(e, SignalSeen)] == [
        e for e in lived.run(0) if not isinstance(e, SignalSeen)
    ]


def upgraded(log: Log, under: DetectionSettings) -> None:
    """A process of this program over the state of a former one, which read grades as the aliases of
    the latest run do, and ran under `under`.
    """
    log.save()
    key = organization_key("acme")
    record = unpacked(log.store[key], msgspec.msgpack.Decoder(OrganizationRecord))
    record.settings, record.reading = msgspec.json.encode(under), 0
    log.store[key] = packed(record)
    log.restart()


def test_the_first_run_of_a_program_that_reads_otherwise_looks_at_every_account() -> None:
    """The former one read both grades as one, so the account was not due for long."""
    log = Log()
    under = settings(dormant={"enabled": False}, cherry_picking={"enabled": False})
    log.orders(order("1", 150, (500_00, "5.5", "X")), order("2", 2, (500_00, "5.5", "Y")))
    log.run(1, checked({"grade_aliases": {"Y": "X"}}, under))
    upgraded(log, under)
    opened = [event for event in log.run(0, under) if isinstance(event, SignalOpened)]
    assert [event.combo for event in opened] == [Combo(od="5.5", grade="X")]
    assert kinds(list(log.run(0, under))) == ["SignalSeen", "RunCompleted"]


def test_what_closes_by_another_reading_says_settings_and_a_dormant_account_supersedes() -> None:
    log = Log()
    under = settings(dormant={"enabled": False}, cherry_picking={"enabled": False})
    bought = [(500_00, "5.5", "X")]
    log.orders(
        *(order(f"{account}1", 150, *bought, account=account) for account in "AB"),
        order("A2", 2, (1, "7", None), account="A"),
        order("B2", 85, (1, "7", None), account="B"),
    )
    log.run(1, checked({"grade_aliases": {"X": "Z"}}, under))
    upgraded(log, under)
    assert recovered(log.run(-10, under)) == [
        ("A", "lapse", "settings"),
        ("B", "lapse", "superseded"),
    ]


def test_the_state_of_a_program_without_a_number_for_its_reading_is_understood() -> None:
    former = msgspec.msgpack.encode([3, 738_000, 2, msgspec.json.encode(DEFAULTS), 0])
    record = msgspec.msgpack.decode(former, type=OrganizationRecord)
    assert (record.run, record.reading) == (3, 0)


def test_a_log_that_was_written_anew_goes_on_with_the_signals_and_episodes_that_it_had() -> None:
    """The former log opened, closed and reopened; the new one has the orders in any order, then how
    it stood. Nothing is opened a second time, and an episode goes on with its number and day.
    """
    former = Log()
    first, answer = order("1", 300, (500_00, "5.5", "J55")), order("2", 150, (1_00, "5.5", "J55"))
    former.orders(first)
    assert "SignalOpened" in kinds(list(former.run(200)))
    assert ("A", "dormant", "reordered") in recovered(former.orders(answer))
    reopened = [event for event in former.run(10) if isinstance(event, SignalOpened)]
    assert [(one.signal_type, one.episode) for one in reopened if one.combo is None] == [
        ("dormant", 2)
    ]
    expected = [event for event in former.run(0) if isinstance(event, SignalSeen)]

    anew = Log()
    assert anew.orders(answer, first) == []
    known = [
        RestoredSignal(
            account=one.account,
            signal_type=one.signal_type,
            episode=one.episode,
            opened_on=one.opened_on,
            od=one.combo.od if one.combo else None,
            grade=one.combo.grade if one.combo else None,
            is_active=True,
        )
        for one in reopened
    ]
    assert anew.restored(*known, run=2, days_ago=10) == []
    anew.save()
    anew.restart()
    seen = [event for event in anew.run(0) if isinstance(event, SignalOpened | SignalSeen)]
    assert [type(one) for one in seen] == [SignalSeen] * len(expected)
    facts = ("account", "signal", "episode", "opened_on", "figures", "lifetime_revenue_cents")
    assert sorted([str([getattr(one, fact) for fact in facts]) for one in seen]) == sorted(
        [str([getattr(one, fact) for fact in facts]) for one in expected]
    )
    assert all(one.opened_on < TODAY for one in seen)
    # the run that it stood at is not run again
    assert kinds(list(anew.run(10, number=2))) == ["RunCompleted"]
