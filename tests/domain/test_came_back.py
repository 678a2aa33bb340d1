"""What came back: each account once, what it was worth, after whose call; what an order brought."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shared.domain.came_back import Recovery, by_account, total_monthly_cents
from shared.domain.follow_ups import checked_day, checked_note
from shared.domain.outcomes import Saved, brought_cents, monthly_value_cents
from shared.domain.thresholds import DEFAULTS
from shared.errors import Rejected

MONDAY = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
TODAY = MONDAY.date()


def recovery(account: str = "A1", **changes: Any) -> Recovery:
    usual: dict[str, Any] = {
        "account": account,
        "name": None,
        "owner": None,
        "signal": f"s-{account}",
        "episode": 1,
        "type": "lapse",
        "od": "5.5",
        "grade": "J55",
        "ordered_on": TODAY,
        "at": MONDAY,
        "order": "SO-1",
        "order_cents": 50_000,
        "figures": {"lapsed_revenue_cents": 1_200_000, "last_ordered_on": "2026-08-21"},
        "history_days": 365,
        "touched_at": None,
        "touched_by": None,
        "won": False,
    }
    return Recovery(**(usual | changes))


def test_an_account_counts_once_however_much_of_it_came_back() -> None:
    two = recovery(signal="s-2", od="7", order="SO-1")
    first, second = by_account([recovery(), two, recovery("A2", figures=None)])
    assert (first.account, len(first.recoveries), second.account) == ("A1", 2, "A2")
    assert first.monthly_cents == 200_000  # two lapses of $12,000 a year
    assert first.order_cents == 50_000  # one order, counted once
    assert second.monthly_cents == 0
    assert total_monthly_cents([first, second]) == 200_000


def test_it_says_how_long_it_was_silent_and_after_whose_call_it_came() -> None:
    called = recovery(touched_at=MONDAY - timedelta(days=3), touched_by="dana@example.com")
    (one,) = by_account([recovery(signal="s-2"), called])
    assert one.newest.silent_days == 94
    assert one.touch is called and not one.won
    (alone,) = by_account([recovery(figures=None)])
    assert (alone.touch, alone.newest.silent_days) == (None, None)


LINES = [
    ("5.500", "J-55", 70_000),
    ("7", "L80", 30_000),
    ("8 5/8", "X52", 900_000),
    ("7", "L80", -99),
]


@pytest.mark.parametrize(
    ("type_", "combo", "cents"),
    [
        ("dormant", (None, None), 999_901),
        ("lapse", ("5.5", "J55"), 70_000),
        ("lapse", ("7", "L80"), 29_901),
        ("lapse", ("2.375", "J55"), 0),
        ("cherry_picking", (None, None), 70_000),  # below 6 in alone
    ],
)
def test_an_order_brought_what_it_has_of_the_signal(type_: Any, combo: Any, cents: int) -> None:
    assert brought_cents(type_, combo, LINES, DEFAULTS) == cents


def test_what_was_won_by_an_order_is_worth_what_the_order_brought_and_not_the_year() -> None:
    figures = {"last_year_revenue_cents": 1_200_000_00}
    answered = Saved(
        signal="s", episode=1, type="dormant", figures=figures, answered=True, answered_cents=777_00
    )
    assert monthly_value_cents([answered]) == 777_00
    claimed = Saved(signal="s", episode=1, type="dormant", figures=figures)
    assert monthly_value_cents([claimed]) == 100_000_00


@pytest.mark.parametrize("text", ["2026-11-22", "2028-11-23", "tomorrow", "23.11.2026", "20261123"])
def test_a_follow_up_is_on_a_day_from_today_on(text: str) -> None:
    with pytest.raises(Rejected, match="follow_up_on"):
        checked_day(text, today=TODAY)


def test_a_day_and_a_note_may_be_left_out() -> None:
    assert checked_day(" ", today=TODAY) is None
    assert checked_day("2026-11-23", today=TODAY) == date(2026, 11, 23)
    assert checked_note("  ") is None
    assert checked_note(" J55 in January ") == "J55 in January"
    for wrong in ("a\nb", "a\u202eb", "x" * 201):
        with pytest.raises(Rejected, match="note"):
            checked_note(wrong)
