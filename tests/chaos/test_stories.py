"""Stories are what comparisons stand on: the same seed tells the same, and what it
tells exercises everything.
"""

import itertools
from datetime import date

from winback.chaos.stories import Batch, Run, Save, Story

ON = date(2026, 6, 1)


def told(seed: int, steps: int = 200) -> list[Batch | Run | Save]:
    return list(itertools.islice(Story(seed=seed, last_on=ON).steps(), steps))


def test_the_same_seed_tells_the_same_story_and_another_seed_another() -> None:
    assert told(3) == told(3)
    assert told(3) != told(4)


def test_an_order_has_one_content_for_each_revision() -> None:
    contents: dict[tuple[str, int], str] = {}
    for step in told(5):
        for order in step.orders if isinstance(step, Batch) else ():
            assert contents.setdefault((order["order"], order["revision"]), repr(order)) == repr(
                order
            )


def test_days_of_runs_never_go_back_and_no_order_is_dated_ahead() -> None:
    steps = told(6)
    days = [step.as_of for step in steps if isinstance(step, Run)]
    assert days == sorted(days)
    dated = [
        order["ordered_on"] for step in steps if isinstance(step, Batch) for order in step.orders
    ]
    assert max(dated) <= ON.isoformat()


def test_orders_are_corrected_cancelled_and_moved() -> None:
    versions = [order for step in told(7) if isinstance(step, Batch) for order in step.orders]
    accounts: dict[str, set[str]] = {}
    for order in versions:
        accounts.setdefault(order["order"], set()).add(order["account"])
    assert any(len(names) > 1 for names in accounts.values())
    assert any(order.get("status") == "cancelled" for order in versions)
    assert any(order["revision"] > 2 for order in versions)
