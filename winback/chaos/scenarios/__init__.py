"""The faults, one function each. A scenario does its faults to a world; what does not hold
afterwards is in `world.findings`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from winback.chaos.world import World


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`number` as the list of promises has it. `options`, `small_disks`, `env`: as
    `machine.started` takes them, where it needs a machine of its own. `only_when_named`: too long
    to be one of all.
    """

    name: str
    number: int
    does: str
    run: Callable[[World], None]
    own_machine: bool = False
    only_when_named: bool = False
    options: tuple[str, ...] = ()
    small_disks: Mapping[str, int] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
