"""Outcomes: what stands after what people did and took back, who may take it back, what it is
worth, what a month adds up to.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.outcomes import (
    Action,
    Counted,
    Kind,
    Month,
    Role,
    Saved,
    Standing,
    may_undo,
    month,
    monthly_value_cents,
    pause_ends,
    standing,
    won,
)
from shared.events import SignalType

MONDAY = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def action(outcome: str, kind: Kind, *, hours: int = 0, actor: str = "ana", **more: Any) -> Action:
    at = MONDAY + timedelta(hours=hours)
    pause = pause_ends(at) if kind in ("reached_out", "won_back") else None
    return Action(outcome=outcome, kind=kind, at=at, actor=actor, paused_until=pause, **more)


def undone(about: str, *, hours: int = 0) -> Action:
    return action(f"{about}:undone", "undone", hours=hours, about=about)


def answered(about: str, *, hours: int = 0) -> Action:
    return action(f"{about}:answered", "answered", hours=hours, about=about)


def saved(
    type_: SignalType, *, answered: bool = False, history_days: int = 365, **figures: int
) -> Saved:
    return Saved(
        signal=type_,
        episode=1,
        type=type_,
        figures=figures,
        answered=answered,
        history_days=history_days,
    )


# -- what stands -----------------------------------------------------------------------------------


def test_an_account_that_nobody_did_anything_about_stands_as_it_is() -> None:
    assert standing([]) == Standing()


def test_reaching_out_is_contact_now_and_a_pause_of_fourteen_days() -> None:
    pause = MONDAY + timedelta(days=14)
    assert standing([action("1", "reached_out")]) == Standing(
        last_contact_at=MONDAY, paused_until=pause, outcome="1"
    )


def test_what_is_won_back_is_paused_and_not_lost_any_more() -> None:
    done = [action("1", "lost"), action("2", "won_back", hours=1)]
    assert standing(done) == Standing(
        paused_until=pause_ends(MONDAY + timedelta(hours=1)), outcome="2"
    )


def test_lost_ends_a_pause_and_keeps_the_contact() -> None:
    done = [action("1", "reached_out"), action("2", "lost", hours=1)]
    assert standing(done) == Standing(
        last_contact_at=MONDAY, lost_at=MONDAY + timedelta(hours=1), outcome="2"
    )


def test_whoever_is_lost_and_talked_to_again_stays_lost() -> None:
    done = [action("1", "lost"), action("2", "reached_out", hours=1)]
    assert standing(done) == Standing(
        last_contact_at=MONDAY + timedelta(hours=1), lost_at=MONDAY, outcome="1"
    )


def test_an_order_clears_what_was_lost() -> None:
    assert standing([action("1", "lost"), answered("1", hours=2)]) == Standing()


def test_an_order_ends_the_hiding_of_what_was_claimed() -> None:
    assert standing([action("1", "won_back"), answered("1", hours=2)]) == Standing()


def test_lost_again_after_an_order_is_lost() -> None:
    done = [action("1", "lost"), answered("1", hours=1), action("2", "lost", hours=2)]
    assert standing(done).lost_at == MONDAY + timedelta(hours=2)


def test_undoing_brings_back_what_stood_before() -> None:
    before = [action("1", "reached_out")]
    done = [*before, action("2", "lost", hours=1), undone("2", hours=2)]
    assert standing(done) == standing(before)


def test_undoing_an_older_action_leaves_the_newer_one() -> None:
    done = [action("1", "reached_out"), action("2", "lost", hours=1), undone("1", hours=2)]
    assert standing(done) == Standing(lost_at=MONDAY + timedelta(hours=1), outcome="2")


def test_undoing_everything_leaves_nothing() -> None:
    assert (
        standing([action("1", "reached_out"), undone("1"), action("2", "won_back"), undone("2")])
        == Standing()
    )


def test_an_outcome_of_a_signal_hides_the_signal_and_counts_as_contact_with_the_account() -> None:
    done = [action("1", "reached_out", signal="s", episode=1)]
    assert standing(done) == Standing(last_contact_at=MONDAY)
    assert standing(done, signal="s", episode=1).paused_until == MONDAY + timedelta(days=14)
    assert standing(done, signal="t", episode=1).paused_until is None


def test_a_signal_that_fires_again_starts_anew() -> None:
    done = [action("1", "lost", signal="s", episode=1)]
    assert standing(done, signal="s", episode=1).lost_at == MONDAY
    assert standing(done, signal="s", episode=2).lost_at is None


# -- undo ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actor", "role", "hours", "may"),
    [
        ("ana", "member", 24, True),
        ("ana", "member", 25, False),
        ("bo", "member", 1, False),
        ("bo", "admin", 1000, True),
        ("bo", "owner", 1000, True),
    ],
)
def test_its_actor_undoes_for_a_day_and_an_admin_always(
    actor: str, role: Role, hours: int, may: bool
) -> None:
    done = action("1", "lost")
    assert may_undo(done, [done], actor=actor, role=role, at=MONDAY + timedelta(hours=hours)) is may


def test_nothing_is_undone_twice_and_no_undo_or_answer_is() -> None:
    done = [action("1", "lost"), undone("1"), answered("2")]
    assert not any(may_undo(one, done, actor="ana", role="owner", at=MONDAY) for one in done)


# -- worth -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signals", "cents"),
    [
        ([saved("dormant", last_year_revenue_cents=120_000)], 10_000),
        ([saved("dormant", last_year_revenue_cents=18)], 2),  # 1.5, half up
        ([saved("lapse", lapsed_revenue_cents=120_000)], 10_000),
        ([saved("lapse", lapsed_revenue_cents=120_000, history_days=730)], 5_000),
        ([saved("cherry_picking", estimated_upside_cents=60_000)], 5_000),
        (
            [
                saved("lapse", lapsed_revenue_cents=120_000),
                saved("cherry_picking", estimated_upside_cents=60_000),
            ],
            15_000,
        ),
        (
            [
                saved("dormant", last_year_revenue_cents=120_000),
                saved("cherry_picking", estimated_upside_cents=60_000),
            ],
            10_000,
        ),
        ([saved("dormant", last_year_revenue_cents=-500)], 0),
        ([], 0),
    ],
)
def test_the_default_value_is_a_month_of_what_was_lost(signals: list[Saved], cents: int) -> None:
    assert monthly_value_cents(signals) == cents


def test_what_orders_answered_is_what_was_won_and_else_what_is_open() -> None:
    back, open_ = saved("lapse", answered=True), saved("cherry_picking")
    assert won([back, open_]) == [back]
    assert won([open_]) == [open_]
    assert won([]) == []


# -- the month -------------------------------------------------------------------------------------


def test_a_month_tells_confirmed_from_claimed_and_losses_by_reason() -> None:
    assert month(
        [
            Counted(kind="reached_out"),
            Counted(kind="won_back", monthly_value_cents=500, confirmed=True),
            Counted(kind="won_back", monthly_value_cents=70),
            Counted(kind="lost", reason="price"),
            Counted(kind="lost", reason="price"),
            Counted(kind="lost"),
        ]
    ) == Month(
        reached_out=1,
        saves=2,
        confirmed=1,
        confirmed_cents=500,
        claimed=1,
        claimed_cents=70,
        losses=3,
        losses_by_reason={"price": 2, None: 1},
    )


@pytest.mark.parametrize(
    ("quiet", "others", "hint"), [(0, 0, False), (1, 1, False), (2, 1, True), (1, 0, True)]
)
def test_the_hint_is_for_a_month_in_which_most_went_quiet(
    quiet: int, others: int, hint: bool
) -> None:
    lost = [Counted(kind="lost", reason="went_quiet")] * quiet + [
        Counted(kind="lost", reason="price")
    ] * others
    assert month(lost).mostly_quiet is hint
