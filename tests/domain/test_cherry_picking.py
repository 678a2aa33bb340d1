"""C · Cherry-picking, and its estimate: every boundary cent, exact shares."""

from fractions import Fraction

import pytest

from shared.domain.cherry_picking import (
    estimated_upside_cents,
    figures,
    is_cherry_picking,
    usual_share,
)
from shared.events import CherryPickingFigures
from tests.domain.accounts import Bought, settings, standing

FLOOR = 5_000_000


@pytest.mark.parametrize(
    ("bought", "fires"),
    [
        pytest.param(
            [(0, 4_000_001, "6", "X"), (0, 999_999, "5", "X")], True, id="a-cent-above-the-share"
        ),
        pytest.param(
            [(0, 4_000_000, "6", "X"), (0, 1_000_000, "5", "X")], False, id="on-the-share"
        ),
        pytest.param([(0, 4_999_999, "6", "X")], False, id="a-cent-below-the-floor"),
        pytest.param([(0, FLOOR, "6", "X")], True, id="only-specialty-on-the-floor"),
        pytest.param([(0, FLOOR, "5.999", "X")], False, id="just-below-the-size"),
        pytest.param([(0, FLOOR, None, "X")], False, id="a-line-without-size-is-standard"),
        pytest.param([(364, FLOOR, "6", "X")], True, id="the-window-begins-364-days-ago"),
        pytest.param([(365, FLOOR, "6", "X")], False, id="365-days-ago-is-outside"),
        pytest.param(
            [(0, FLOOR + 10, "6", "X"), (0, -10, "5", "X")], True, id="a-net-share-past-100-percent"
        ),
        pytest.param([(200, FLOOR, "6", "X")], True, id="a-dormant-account-may-carry-it"),
    ],
)
def test_an_account_picks_cherries_strictly_above_the_share(
    bought: list[Bought], fires: bool
) -> None:
    under = settings()
    found = standing(*bought, under=under)
    assert (
        is_cherry_picking(found.specialty_cents, found.spend_cents, under.cherry_picking) is fires
    )


def test_a_floor_of_nothing_still_needs_spend_for_a_share() -> None:
    thresholds = settings(cherry_picking={"minimum_revenue_cents": 0}).cherry_picking
    assert not is_cherry_picking(5, 0, thresholds)
    assert not is_cherry_picking(-5, -10, thresholds)
    assert is_cherry_picking(1, 1, thresholds)


@pytest.mark.parametrize(
    ("peers", "usual"),
    [
        pytest.param([(1, 2)] * 9, Fraction(4, 5), id="nine-are-too-few"),
        pytest.param([(1, 2)] * 10, Fraction(1, 2), id="ten-are-enough"),
        pytest.param(
            [(1, 2)] * 5 + [(2, 3)] * 5, Fraction(7, 12), id="the-mean-of-the-two-in-the-middle"
        ),
        pytest.param([(0, 9)] * 11, Fraction(1, 5), id="not-below-20-percent"),
        pytest.param([(-3, 9)] * 11, Fraction(1, 5), id="not-below-20-percent-for-credits"),
        pytest.param([(9, 10)] * 11, Fraction(4, 5), id="not-above-80-percent"),
    ],
)
def test_the_usual_share_is_the_median_of_the_others_within_bounds(
    peers: list[tuple[int, int]], usual: Fraction
) -> None:
    assert usual_share(peers) == usual


def test_shares_that_floats_cannot_tell_apart_keep_their_order() -> None:
    big = 10**17
    below, middle, above = (big // 2 - 1, big), (big // 2, big), (big // 2 + 1, big)
    assert usual_share([above] * 5 + [below] * 5 + [middle]) == Fraction(1, 2)


@pytest.mark.parametrize(
    ("specialty", "spend", "usual", "upside"),
    [
        (900, 1_000, Fraction(1, 2), 800),
        (900, 1_000, Fraction(4, 5), 125),
        (1_000, 1_000, Fraction(2, 3), 500),
        (5, 5, Fraction(2, 3), 3),  # 2.5 is rounded up
        (5_000, 10_000, Fraction(4, 5), 0),
        (1_100, 1_000, Fraction(4, 5), 375),
    ],
)
def test_the_upside_is_what_others_buy_beside_as_much_specialty(
    specialty: int, spend: int, usual: Fraction, upside: int
) -> None:
    assert estimated_upside_cents(specialty, spend, usual) == upside


def test_a_share_past_100_percent_is_shown_as_100_percent() -> None:
    under = settings()
    found = standing((0, FLOOR + 10, "6", "X"), (0, -10, "5", "X"), under=under)
    assert figures(found, Fraction(4, 5)) == CherryPickingFigures(
        specialty_share_bps=10_000,
        specialty_revenue_cents=FLOOR + 10,
        total_revenue_cents=FLOOR,
        estimated_upside_cents=(FLOOR + 10) // 4 + 10 + 1,
    )
