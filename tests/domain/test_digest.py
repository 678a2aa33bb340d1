"""What a digest says: order, cuts, what is new, what is at stake (product.md 5)."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest

from shared.domain.digest import Account, ActiveSignal, Digest, Shown, compose
from shared.events import Combo
from tests.digest.samples import (
    EIGHT,
    MONDAY,
    cherry_picking,
    dormant,
    lapse,
    monday_accounts,
    monday_signals,
    week_before,
)


def made(
    signals: Iterable[ActiveSignal], *accounts: Account, previous: Shown | None = None
) -> Digest:
    """The digest of those signals; accounts that are not named are Auto."""
    active = list(signals)
    known = {signal.account: Account(account=signal.account) for signal in active} | {
        a.account: a for a in accounts
    }
    return compose(as_of=MONDAY, at=EIGHT, signals=active, accounts=known, previous=previous)


def shown(
    *signals: ActiveSignal, recoverable: int = 0, earlier: dict[str, int] | None = None
) -> Shown:
    """A digest before that included those."""
    return Shown(
        as_of=date(2026, 11, 16),
        recoverable_revenue_cents=recoverable,
        signals={signal.signal: signal.episode for signal in signals},
        earlier=earlier or {},
    )


def states(digest: Digest) -> dict[str, str]:
    return {
        item.signal.signal: item.state
        for section in digest.sections
        for row in section.rows
        for item in row.items
    }


def order(digest: Digest, section: int = 0) -> list[str]:
    return [row.account.account for row in digest.sections[section].rows]


# -- sections --------------------------------------------------------------------------------------


def test_sections_come_as_a_b_c_and_only_where_something_is_active() -> None:
    digest = made([cherry_picking("1"), lapse("2"), dormant("3")])

    assert [section.type for section in digest.sections] == ["dormant", "lapse", "cherry_picking"]
    assert [section.type for section in made([cherry_picking("1")]).sections] == ["cherry_picking"]


def test_accounts_come_by_lifetime_revenue_and_equal_ones_by_id() -> None:
    digest = made(
        [
            dormant("b", lifetime=5),
            dormant("a", lifetime=5),
            dormant("B", lifetime=5),
            dormant("z", lifetime=6),
            dormant("c", lifetime=4),
        ]
    )

    assert order(digest) == ["z", "B", "a", "b", "c"]


def test_combos_are_nested_by_lapsed_revenue_then_od_then_grade_and_what_has_none_comes_last() -> (
    None
):
    digest = made(
        [
            lapse("1", "13.375", "J55", lapsed=5),
            lapse("1", "5.5", "L80", lapsed=5),
            lapse("1", "5.5", "J55", lapsed=5),
            lapse("1", "9.625", None, lapsed=9),
            lapse("1", None, "J55", lapsed=5),
        ]
    )

    [row] = digest.sections[0].rows
    assert [item.signal.combo for item in row.items] == [
        Combo(od="9.625", grade=None),
        Combo(od="5.5", grade="J55"),
        Combo(od="5.5", grade="L80"),
        Combo(od="13.375", grade="J55"),
        Combo(od=None, grade="J55"),
    ]


def test_a_section_shows_25_accounts_and_says_how_many_there_are() -> None:
    digest = made(dormant(f"{n:03}", lifetime=1000 - n, last_year=7) for n in range(112))

    [section] = digest.sections
    assert (len(section.rows), section.total) == (25, 112)
    assert order(digest)[-1] == "024"
    assert digest.recoverable_revenue_cents == 112 * 7
    assert (digest.accounts, section.new, section.counted_cents) == (112, 112, 112 * 7)


def test_twenty_five_accounts_are_not_cut() -> None:
    assert made(dormant(str(n)) for n in range(25)).sections[0].total == 25


@pytest.mark.parametrize(("combos", "listed", "more"), [(5, 5, 0), (6, 5, 1), (40, 5, 35)])
def test_an_account_lists_five_combos_and_counts_all_of_them(
    combos: int, listed: int, more: int
) -> None:
    digest = made(lapse("1", str(od), lapsed=100) for od in range(1, combos + 1))

    [row] = digest.sections[0].rows
    assert (len(row.items), row.more) == (listed, more)
    assert row.at_stake_cents == digest.recoverable_revenue_cents == combos * 100


# -- at stake --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signals", "cents"),
    [
        ([dormant("1", last_year=70)], 70),
        ([dormant("1", last_year=-5)], -5),  # credits in the last year
        ([lapse("1", lapsed=30)], 30),
        ([cherry_picking("1", upside=9)], 9),
        ([dormant("1", last_year=70), cherry_picking("1", upside=9)], 70),  # its A
        # or else the sum of the others
        ([lapse("1", lapsed=30), lapse("1", "7", lapsed=20), cherry_picking("1", upside=9)], 59),
        ([dormant("1", last_year=70), cherry_picking("2", upside=9)], 79),
    ],
)
def test_recoverable_revenue_counts_each_account_once(
    signals: list[ActiveSignal], cents: int
) -> None:
    digest = made(signals)

    assert digest.recoverable_revenue_cents == cents
    assert sum(section.counted_cents for section in digest.sections) == cents


def test_an_account_in_two_sections_is_one_account_to_call() -> None:
    digest = made(
        [dormant("1"), cherry_picking("1"), lapse("2"), cherry_picking("2"), cherry_picking("3")]
    )

    assert (digest.accounts, digest.overlapping) == (3, 2)
    assert [section.total for section in digest.sections] == [1, 1, 3]


def test_the_two_with_the_most_at_stake_are_named() -> None:
    digest = made([dormant("1", last_year=5), lapse("2", lapsed=9), cherry_picking("3", upside=5)])

    assert [(account.account, cents) for account, cents in digest.largest] == [("2", 9), ("1", 5)]


def test_the_change_is_against_the_digest_before() -> None:
    assert made([dormant("1", last_year=70)], previous=shown(recoverable=50)).change_cents == 20
    assert made([dormant("1", last_year=70)], previous=None).change_cents is None


# -- new, still, back ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signal", "previous", "state"),
    [
        (dormant("1"), None, "new"),
        (dormant("1"), shown(), "new"),
        (dormant("1"), shown(dormant("1")), "still"),
        (dormant("1", episode=2), shown(dormant("1")), "back"),  # closed and opened again since
        (dormant("1", episode=2), shown(), "back"),
        (dormant("1", episode=2), None, "back"),
        (dormant("1", episode=2), shown(dormant("1", episode=2)), "still"),
        (dormant("1"), shown(earlier={"A 1": 1}), "back"),  # paused meanwhile
        (dormant("1", episode=2), shown(earlier={"A 1": 1}), "back"),
        (lapse("1"), shown(lapse("1", "7")), "new"),  # another combo
    ],
)
def test_each_signal_is_new_still_or_back_since_the_last_digest(
    signal: ActiveSignal, previous: Shown | None, state: str
) -> None:
    assert states(made([signal], previous=previous)) == {signal.signal: state}


def test_a_signal_that_was_cut_last_time_is_still_there_and_not_new() -> None:
    first = made(dormant(f"{n:03}", lifetime=1000 - n) for n in range(30))
    second = made([dormant("029", lifetime=1)], previous=first.shown)

    assert states(second) == {"A 029": "still"}


def test_an_account_comes_back_after_a_pause_however_many_digests_it_missed() -> None:
    paused = Account(account="1", paused_until=EIGHT + timedelta(days=1))
    first = made([dormant("1"), dormant("2")])
    second = made([dormant("1"), dormant("2")], paused, previous=first.shown)
    third = made([dormant("1"), dormant("2")], paused, previous=second.shown)
    fourth = made([dormant("1"), dormant("2")], previous=third.shown)

    assert states(second) == states(third) == {"A 2": "still"}
    assert states(fourth) == {"A 1": "back", "A 2": "still"}
    assert fourth.new == 0


def test_new_counts_signals_and_neither_still_nor_back() -> None:
    digest = made(
        [dormant("1"), dormant("2"), dormant("3", episode=2), lapse("4"), lapse("4", "7")],
        previous=shown(dormant("1")),
    )

    assert digest.new == 3
    assert [section.new for section in digest.sections] == [1, 2]


# -- who is in -------------------------------------------------------------------------------------


def test_left_out_accounts_leave_sections_and_totals() -> None:
    digest = made(
        [
            dormant("no", last_year=1),
            dormant("lost", last_year=2),
            dormant("paused", last_year=4),
            dormant("in", last_year=8),
        ],
        Account(account="no", enrollment="no"),
        Account(account="lost", enrollment="yes", lost_at=EIGHT),
        Account(account="paused", enrollment="yes", paused_until=EIGHT + timedelta(days=14)),
    )

    assert order(digest) == ["in"]
    assert (digest.recoverable_revenue_cents, digest.accounts, digest.always) == (8, 1, ())
    assert set(digest.shown.signals) == {"A in"}


def test_yes_is_always_included_and_listed_apart_only_without_a_signal() -> None:
    digest = made(
        [dormant("1")],
        Account(account="1", enrollment="yes"),
        Account(account="2", name="Ö", enrollment="yes"),
    )

    assert order(digest) == ["1"]
    assert [account.account for account in digest.always] == ["2"]


def test_always_included_lists_25_by_name_then_n_more() -> None:
    pinned = [Account(account=f"{99 - n:02}", name=f"n{n:02}", enrollment="yes") for n in range(31)]
    digest = made([], *pinned)

    assert [account.name for account in digest.always] == [f"n{n:02}" for n in range(25)]
    assert digest.always_more == 6


def test_nobody_to_call_is_a_heartbeat_that_still_lists_the_always_included() -> None:
    digest = made(
        [dormant("1")],
        Account(account="1", enrollment="no"),
        Account(account="2", enrollment="yes"),
    )

    assert digest.heartbeat
    assert (digest.accounts, digest.recoverable_revenue_cents, len(digest.always)) == (0, 0, 1)


def test_an_empty_organization_gets_a_heartbeat() -> None:
    digest = made([])

    assert digest.heartbeat
    assert (digest.sections, digest.largest, digest.always) == ((), (), ())


# -- the whole -------------------------------------------------------------------------------------


def test_the_monday_of_the_mocks_adds_up() -> None:
    signals = monday_signals()
    digest = compose(
        as_of=MONDAY,
        at=EIGHT,
        signals=signals,
        accounts=monday_accounts(),
        previous=week_before(signals),
    )

    assert [(section.total, section.new) for section in digest.sections] == [
        (11, 1),
        (10, 2),
        (5, 1),
    ]
    assert (digest.accounts, digest.overlapping, digest.new) == (23, 3, 4)
    assert digest.recoverable_revenue_cents == 184_027_000
    assert [(account.account, cents) for account, cents in digest.largest] == [
        ("Permian Supply", 22_317_000),
        ("Caprock Energy Services", 21_464_000),
    ]


def test_the_order_in_which_signals_are_read_does_not_matter() -> None:
    signals: Any = monday_signals()
    one = compose(
        as_of=MONDAY, at=EIGHT, signals=signals, accounts=monday_accounts(), previous=None
    )
    other = compose(
        as_of=MONDAY, at=EIGHT, signals=reversed(signals), accounts=monday_accounts(), previous=None
    )

    assert one.sections == other.sections
    assert one.largest == other.largest
