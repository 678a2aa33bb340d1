"""Runs scenarios, one after the other, and says of each what was done and what held."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from winback.chaos.disks import CannotMount
from winback.chaos.machine import Machine, started
from winback.chaos.scenarios import (
    Scenario,
    broker,
    database,
    detectors,
    full_disks,
    imports,
    letters,
    loads,
    mails,
    pipeline,
    raw_topics,
    records,
    restores,
    times,
    topics,
)
from winback.chaos.world import World, percentile

MODULES = (
    pipeline,
    broker,
    database,
    records,
    raw_topics,
    mails,
    detectors,
    times,
    loads,
    full_disks,
    topics,
    restores,
    imports,
    letters,
)
SCENARIOS: tuple[Scenario, ...] = tuple(one for module in MODULES for one in module.SCENARIOS)

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One scenario's line of the report. `failure`: it could not be run to its end, and why.
    `impossible`: this machine cannot do the fault, and why: nothing was proved.
    """

    number: int
    name: str
    seed: int
    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    p50: float = 0.0
    p99: float = 0.0
    seconds: float = 0.0
    figures: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    failure: str = ""
    impossible: str = ""

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.differing or self.failure or self.impossible)


def named(names: Sequence[str]) -> list[Scenario]:
    """Those, in the order of the list; without names all but the longest. Raises KeyError with the
    first that does not exist.
    """
    known = {one.name for one in SCENARIOS}
    for name in names:
        if name not in known:
            raise KeyError(name)
    return [one for one in SCENARIOS if one.name in names or not (names or one.only_when_named)]


def run(scenarios: Sequence[Scenario], *, seed: int, minutes: float, say: Say) -> list[Result]:
    """All of them, sharing `minutes` evenly; those that need no machine of their own share one."""
    seconds = minutes * 60 / max(1, len(scenarios))
    results: list[Result] = []
    shared = [one for one in scenarios if not one.own_machine]
    if shared:
        with started() as machine:
            results += [
                run_one(one, machine, seed=seed, seconds=seconds, say=say) for one in shared
            ]
    for one in scenarios:
        if one.own_machine:
            try:
                with started(*one.options, small_disks=one.small_disks, **one.env) as machine:  # type: ignore[arg-type]  # names of settings
                    results.append(run_one(one, machine, seed=seed, seconds=seconds, say=say))
            except CannotMount as error:
                say(f"{one.name}: cannot be done on this machine: {error}")
                results.append(
                    Result(number=one.number, name=one.name, seed=seed, impossible=str(error))
                )
    return sorted(results, key=lambda result: (result.number, result.name))


def run_one(scenario: Scenario, machine: Machine, *, seed: int, seconds: float, say: Say) -> Result:
    """On this machine. A third of the time is kept for settling and looking."""
    say(f"{scenario.name}: {scenario.does}")
    world = World(machine, scenario.name, seed, seconds * 0.65)
    kills_before, began, failure = machine.kills, time.monotonic(), ""
    try:
        scenario.run(world)
    except CannotMount:
        raise
    except Exception as error:  # what it found so far is said all the same, and this is a failure
        failure = f"{type(error).__name__}: {error}"
        machine.end_further()
    result = Result(
        number=scenario.number,
        name=scenario.name,
        seed=seed,
        kills=machine.kills - kills_before,
        acknowledged=world.acknowledged,
        lost=len(world.findings.lost),
        doubled=len(world.findings.doubled),
        differing=len(world.findings.differing),
        p50=percentile(world.recoveries, 0.5),
        p99=percentile(world.recoveries, 0.99),
        seconds=time.monotonic() - began,
        figures=world.figures,
        lines=world.findings.all,
        failure=failure,
    )
    for line in result.lines[:20]:
        say(f"  {line}")
    say(f"  {as_line(result)}")
    return result


def as_line(result: Result) -> str:
    """One line for eyes."""
    more = "; ".join(f"{name} {value}" for name, value in result.figures.items())
    return (
        f"{'holds' if result.holds else 'DOES NOT HOLD'}: {result.kills} kills, "
        f"{result.acknowledged:,} acknowledged, {result.lost} lost, {result.doubled} doubled, "
        f"{result.differing} differing, recovery p50 {result.p50:.1f} s p99 {result.p99:.1f} s, "
        f"{result.seconds:.0f} s in all{'; ' if more else ''}{more}"
        f"{f'; {result.failure}' if result.failure else ''}"
    )
