"""B · Product lapse: every boundary day, cent and month."""

from datetime import date

import pytest

from shared.domain.history import Combo
from shared.domain.lapse import lapsed_combos
from shared.events import LapseFigures
from tests.domain.accounts import Bought, settings, standing

FLOOR = 5_000_000
SOLD = FLOOR // 5
ACTIVE: Bought = (0, 1, "7", "L80")


def months(
    last: int, each: int = SOLD, count: int = 5, od: str | None = "5 1/2", grade: str | None = "J55"
) -> list[Bought]:
    """One order every 40 days, the last `last` days ago."""
    return [(last + 40 * i, each, od, grade) for i in range(count)]


@pytest.mark.parametrize(
    ("bought", "fires"),
    [
        pytest.param([ACTIVE, *months(90)], True, id="on-the-lapse-day"),
        pytest.param([ACTIVE, *months(89)], False, id="a-day-before"),
        pytest.param(
            [ACTIVE, *months(90)[1:], (90, SOLD - 1, "5 1/2", "J55")],
            False,
            id="a-cent-below-the-floor",
        ),
        pytest.param(
            [ACTIVE, *months(90), (3, -1, "5 1/2", "J55")],
            False,
            id="a-credit-counts-in-the-window",
        ),
        pytest.param(
            [ACTIVE, *months(90), (3, 0, "5 1/2", "J55")], True, id="a-zero-line-is-no-activity"
        ),
        pytest.param(
            [(89, 1, "7", "L80"), *months(90)],
            True,
            id="the-account-is-active-on-the-last-day-of-the-gap",
        ),
        pytest.param(
            [(90, 1, "7", "L80"), *months(90)], False, id="a-dormant-account-carries-no-lapse"
        ),
        pytest.param([ACTIVE, *months(90, FLOOR, 1)], False, id="one-month-is-one-off"),
        pytest.param([ACTIVE, *months(90, FLOOR, 3)], True, id="three-months"),
        pytest.param(
            [ACTIVE, *months(90, FLOOR, 2), (364, 1, "5 1/2", "J55")],
            True,
            id="the-window-begins-364-days-ago",
        ),
        pytest.param(
            [ACTIVE, *months(90, FLOOR, 2), (365, 1, "5 1/2", "J55")],
            False,
            id="365-days-ago-is-outside",
        ),
        pytest.param([ACTIVE, *months(90, od=None)], True, id="no-size"),
        pytest.param([ACTIVE, *months(90, grade=None)], True, id="no-grade"),
        pytest.param([ACTIVE, *months(90, od=None, grade=None)], False, id="neither-is-no-combo"),
    ],
)
def test_a_combo_lapses_when_it_is_silent_and_its_account_is_not(
    bought: list[Bought], fires: bool
) -> None:
    under = settings()
    assert bool(lapsed_combos(standing(*bought, under=under), under.lapse, under.dormant)) is fires


def test_the_gap_decides_activity_also_when_dormant_is_switched_off() -> None:
    under = settings(dormant={"enabled": False})
    assert not lapsed_combos(
        standing((90, 1, "7", "L80"), *months(90), under=under), under.lapse, under.dormant
    )


def test_different_texts_of_one_size_and_grade_are_one_combo() -> None:
    under = settings()
    bought = [
        ACTIVE,
        (95, FLOOR, '5-1/2"', "J-55"),
        (130, 1, "139.7 mm", "j55"),
        (170, 2, "5.500", "J 55"),
    ]
    assert lapsed_combos(standing(*bought, under=under), under.lapse, under.dormant) == {
        Combo("5.5", "J55"): LapseFigures(
            days_silent=95,
            last_ordered_on=date(2025, 11, 27),
            lapsed_revenue_cents=FLOOR + 3,
            distinct_months=3,
        )
    }


def test_two_days_of_one_calendar_month_are_one_month_and_the_same_month_of_two_years_are_two() -> (
    None
):
    under = settings(lapse={"history_days": 800, "minimum_months": 2})
    bought: list[Bought] = [
        ACTIVE,
        (100, FLOOR, "7", "N80"),
        (101, 1, "7", "N80"),
        (466, 1, "7", "N80"),
    ]
    lapsed = lapsed_combos(standing(*bought, under=under), under.lapse, under.dormant)
    assert [figures.distinct_months for figures in lapsed.values()] == [2]
