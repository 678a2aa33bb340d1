"""A · Fully dormant: every boundary day and cent."""

from datetime import date

import pytest

from shared.domain.dormant import figures, is_dormant
from shared.events import DormantFigures
from tests.domain.accounts import Bought, history, settings, standing

FLOOR = 10_000_000


@pytest.mark.parametrize(
    ("bought", "fires"),
    [
        pytest.param([(90, FLOOR, None, None)], True, id="on-the-gap-and-on-the-floor"),
        pytest.param([(89, FLOOR, None, None)], False, id="a-day-inside-the-gap"),
        pytest.param([(90, FLOOR - 1, None, None)], False, id="a-cent-below-the-floor"),
        pytest.param(
            [(5000, FLOOR - 1, None, None), (90, 1, None, None)], True, id="lifetime-has-no-window"
        ),
        pytest.param(
            [(90, FLOOR + 5, None, None), (1, -5, None, None)], True, id="a-credit-is-no-activity"
        ),
        pytest.param(
            [(90, FLOOR, None, None), (1, -1, None, None)], False, id="a-credit-lowers-lifetime"
        ),
        pytest.param(
            [(90, FLOOR, None, None), (1, 0, None, None)], True, id="a-zero-line-is-no-activity"
        ),
        pytest.param(
            [(90, FLOOR, None, None), (-1, 1, None, None)],
            True,
            id="an-order-after-the-day-is-not-seen",
        ),
        pytest.param(
            [(90, FLOOR - 1, None, None), (-1, 5, None, None)],
            False,
            id="nor-does-it-add-to-lifetime",
        ),
        pytest.param(
            [(90, FLOOR, None, None), (0, 1, None, None)], False, id="an-order-today-is-activity"
        ),
        pytest.param([(95, -FLOOR, None, None)], False, id="only-credits-is-no-account-to-lose"),
        pytest.param([], False, id="no-orders"),
    ],
)
def test_an_account_is_dormant_from_the_gap_and_the_floor_on(
    bought: list[Bought], fires: bool
) -> None:
    under = settings()
    assert is_dormant(standing(*bought, under=under), under.dormant) is fires


def test_a_type_that_is_switched_off_never_fires() -> None:
    under = settings(dormant={"enabled": False})
    assert not is_dormant(standing((200, FLOOR, None, None), under=under), under.dormant)


def test_the_last_year_ends_with_the_last_activity_and_not_today() -> None:
    under = settings()
    bought: list[Bought] = [
        (100, FLOOR, None, None),
        (464, 700, None, None),
        (465, 9_000, None, None),
        (99, -50, None, None),
    ]
    cells, _ = history(*bought)
    assert figures(standing(*bought, under=under), cells) == DormantFigures(
        days_inactive=100,
        last_ordered_on=date(2025, 11, 22),
        lifetime_revenue_cents=FLOOR + 9_650,
        last_year_revenue_cents=FLOOR + 700,
    )
