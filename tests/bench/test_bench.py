"""The benchmark measures what it says: tiny workloads, every answer checked; nothing here depends
on how long anything takes.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench import report, scaling
from bench.answers import Gathered
from bench.figure import Measured, Plain, Result, Rounds, Side, Target
from bench.figures import FIGURES
from bench.figures.detector import NAIVE_ACCOUNTS, NAIVE_ORDERS, naive_side
from bench.figures.work import growth_of
from bench.measured_process import Failed
from bench.rig import Rig, rig
from bench.workload import Shape, Workload

SCALE = 0.01
# those that are quick and need only what `make setup-dev` installs
LIGHT = ("drain", "import", "digests", "trials")


@pytest.fixture(scope="module")
def tiny() -> Iterator[Rig]:
    """A stack of its own: the benchmark makes the topics anew that other tests read."""
    with rig(rounds=1, say=lambda _: None) as found:
        found.scale = SCALE
        yield found


@pytest.mark.system
@pytest.mark.parametrize("name", LIGHT)
def test_a_figure_checks_its_answers_and_has_both_sides(tiny: Rig, name: str) -> None:
    for result in FIGURES[name][0](tiny):
        assert isinstance(result, Result)
        assert result.ratio > 0 and result.ours_value > 0 and result.reference_value > 0
        assert len(result.ratios) == tiny.rounds.count


@pytest.mark.system
def test_naive_faust_answers_as_it_should(tiny: Rig) -> None:
    few = tiny.workload(orders=NAIVE_ORDERS, accounts=NAIVE_ACCOUNTS)
    assert naive_side(tiny, few).run().units == len(few.orders)


def test_a_wrong_answer_is_no_figure() -> None:
    found = Gathered()
    found.take([b'{"type":"RunCompleted","organization":"o"}'])
    with pytest.raises(Failed, match="1 missing"):
        found.must_be({("o", "A-1", "dormant", "", "", (100, 1, 1))}, "a peer")


def test_a_run_that_is_answered_again_is_not_taken_for_another_ones() -> None:
    found = Gathered()
    found.take([b'{"type":"RunCompleted","organization":"one"}'] * 2)
    assert found.completed == 1
    found.take([b'{"type":"RunCompleted","organization":"other"}'])
    assert found.completed == 2


def test_a_ratio_is_the_median_of_the_rounds_own_ratios_and_sides_take_turns() -> None:
    went: list[str] = []

    def side(name: str, seconds: list[float], target: Target | None = None) -> Side:
        def run() -> Measured:
            went.append(name)
            return Measured(units=10, seconds=seconds.pop(0))

        return Side(name=name, run=run, target=target)

    rounds = Rounds(3, lambda _: None)
    (result,) = rounds.compare(
        "f",
        title="t",
        unit="u",
        ours=side("ours", [1, 2, 4]),
        references=[side("it", [2, 2, 2], Target(compares="rate", bound=1))],
    )
    assert went == ["ours", "it", "it", "ours", "ours", "it"]
    assert (result.ratio, result.ratios, result.reached) == (1.0, [2.0, 1.0, 0.5], True)


def test_a_workload_is_the_same_every_time_and_holds_what_it_should() -> None:
    shape = Shape(orders=2_000, accounts=100)
    first, again = Workload(shape), Workload(shape)
    assert first.orders == again.orders and len(first.orders) == 2_000
    assert {order.organization for order in first.orders} == set(first.organizations)
    assert any(order.cancelled for order in first.orders) and any(
        order.revision == 2 for order in first.orders
    )
    assert len(first.counting) < len(first.orders)
    skewed = Workload(replace(shape, hot=(0.01, 0.3)))
    assert 0.25 < sum(order.account == "A-000000" for order in skewed.orders) / 2_000 < 0.35


def test_the_report_keeps_the_figures_that_were_not_measured_now(tmp_path: Path) -> None:
    rounds = Rounds(1, lambda _: None)

    def measured(name: str) -> list[Result]:
        it = Side(
            name="it",
            run=lambda: Measured(units=1, seconds=1),
            target=Target(compares="rate", bound=0.5),
        )
        return rounds.compare(
            name,
            title=f"title of {name}",
            unit="u/s",
            ours=Side(name="ours", run=lambda: Measured(units=1, seconds=1)),
            references=[it],
        )

    page = tmp_path / "performance.md"
    report.write(page, measured("drain"), rounds=1, scales={"drain": 1})
    report.write(page, measured("import"), rounds=1, scales={"import": 0.1})
    text = page.read_text()
    assert "title of drain" in text and "title of import" in text
    assert set(json.loads(page.with_suffix(".json").read_text())) == {"drain", "import"}


def test_the_report_tells_a_missed_target_of_every_kind() -> None:
    rows = {
        "drain": [
            rounds_of(seconds)[0].as_json()
            | {"kind": "Result", "on": "2026-01-01", "rounds": 1, "scale": 1, "machine": "m"}
            for seconds in (1, 4)
        ],
        "growth": [
            growth_of("growth", "grown", [1, 10], [1, cost], "orders", "s").as_json()
            | {"kind": "Growth", "on": "2026-01-01", "rounds": 1, "scale": 1, "machine": "m"}
            for cost in (10, 20)
        ],
        "restore": [
            Plain(figure="restore", title="bytes", value=value, bound=3, unit="bytes").as_json()
            | {"kind": "Plain", "on": "2026-01-01", "rounds": 1, "scale": 1, "machine": "m"}
            for value in (3, 4)
        ],
    }
    table = [
        line
        for line in report.page(rows).splitlines()
        if line.startswith("| ") and ("✓" in line or "✗" in line)
    ]
    assert ["✓" in line for line in table] == [True, False, True, False, True, False]


def rounds_of(seconds: float) -> list[Result]:
    it = Side(
        name="it", run=lambda: Measured(units=1, seconds=1), target=Target(compares="time", bound=2)
    )
    mine = Side(name="ours", run=lambda: Measured(units=1, seconds=seconds))
    return Rounds(1, lambda _: None).compare(
        "drain", title="t", unit="s", ours=mine, references=[it]
    )


def test_the_report_in_the_repository_is_what_its_figures_say() -> None:
    page = Path(__file__).parents[2] / "docs/performance.md"
    kept = json.loads(page.with_suffix(".json").read_text())
    assert page.read_text() == report.page(kept)
    assert page.with_name("scaling.md").read_text() == scaling.page(kept)


def test_what_a_hundred_million_orders_take_follows_from_figures_and_names_those_missing() -> None:
    rows = {
        "restore": [{"title": "Changelog, bytes an order", "value": 70.0, "bound": 500.0}],
        "sink": [{"title": "PostgreSQL, bytes an order", "value": 2.0}],
        "drain": [
            {
                "title": "Detector drain, then one run",
                "ours_value": 23_148.0,
                "ours_cpu_seconds": 2.0,
                "units": 100_000,
                "scale": 1,
            }
        ],
    }
    lines = scaling.page(rows).splitlines()
    assert "| PostgreSQL a day | 100,000,000 × 1,000 bytes | **100 GB** |" in lines
    assert "| cores that fold at the peak | 11,574/s × 20 µs ÷ 0.5 | **0.463 cores** |" in lines
    assert "| one partition's drain over the peak of all | 23,148 ÷ 11,574 | **2 ×** |" in lines
    assert (
        "| Kafka, each replica, a day | 100,000,000 × – bytes | **– (a figure is missing)** |"
        in lines
    )


WITHOUT_A_CHECKOUT = """
import sys

class Refuse:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] == "bench":
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Refuse)
from winback.cli import main
main()
"""


def test_without_a_checkout_the_verb_says_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT_A_CHECKOUT, "bench"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "checkout" in done.stderr
