"""The faults, one function each. A scenario does its faults to a world; what does not hold afterwards is in `world.findings`."""

from collections.abc import Callable
from dataclasses import dataclass

from winback.chaos.world import World


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`number` as the list of promises has it. `options`, `env`: of the supervisor, where it needs a machine of its own."""

    name: str
    number: int
    does: str
    run: Callable[[World], None]
    own_machine: bool = False
    options: tuple[str, ...] = ()
