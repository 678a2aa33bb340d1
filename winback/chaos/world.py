"""What a scenario works with: the machine, the tellers, and what comes of it.

`World.telling` is the frame of most: organizations are told their stories while the faults happen,
then everything settles, and the oracles offsets. What recovery took is measured at each fault: the
time until everything that was in the log then is detected and persisted.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

import psycopg

from services.signals.progress.caught_up import Offsets
from services.signals.store.positions import CONSUMER
from shared import clock, db
from shared.errors import Retryable
from shared.settings import settings
from shared.topics import ORDERS, SIGNALS
from winback.chaos import log, oracles, store
from winback.chaos.erp import Teller, organization
from winback.chaos.history import History
from winback.chaos.machine import Machine
from winback.chaos.oracles import Findings
from winback.chaos.stories import Step, Story

POLL_SECONDS = 0.05
RECOVERY_SECONDS = 180.0  # longer than this is no recovery


@dataclass
class World:
    """Of one scenario. `seconds`: how long its faults go on. `figures`: what only this scenario
    says, by name.
    """

    machine: Machine
    name: str
    seed: int
    seconds: float
    chance: Random = field(init=False)
    figures: dict[str, str] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    made: int = 0

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)  # noqa: S311 - faults, no secret

    # -- telling -----------------------------------------------------------------------------------

    def organization(
        self, *, timezone: str = "UTC", schedules: bool = False
    ) -> tuple[History, str]:
        """A tenant that no other run of the harness has used, with a token."""
        self.made += 1
        name = f"{self.name[:20]}-{self.seed}-{clock.now_ms() % 10**9}-{self.made}"
        history, token = organization(name, timezone=timezone, schedules=schedules)
        self.histories.append(history)
        return history, token

    def teller(
        self, *, pause: float = 0.0, timezone: str = "UTC", ports: tuple[int, ...] = ()
    ) -> Teller:
        """Somebody with an organization of their own to tell about."""
        history, token = self.organization(timezone=timezone)
        return Teller(
            history.organization, token, ports or (settings().ingest_port,), history, pause=pause
        )

    def story(self, number: int, *, accounts: int = 30) -> Story:
        """The story of the n-th teller."""
        return Story(seed=self.seed * 100 + number, last_on=last_on(), accounts=accounts)

    @contextlib.contextmanager
    def telling(
        self,
        tellers: int = 4,
        *,
        pause: float = 0.05,
        twins: bool = True,
        ports: tuple[int, ...] = (),
    ) -> Iterator[list[Teller]]:
        """Stories are told while the body does its faults. Afterwards all is held against R and H,
        and with `twins` the first is told again to an organization of its own, undisturbed, and
        must come out the same.
        """
        these = [self.teller(pause=pause, ports=ports) for _ in range(tellers)]
        for number, teller in enumerate(these):
            teller.begin(self.story(number).steps())
        try:
            yield these
        finally:
            for teller in these:
                teller.stop.set()
        for teller in these:
            teller.end()
        self.machine.wait_ready()
        days = [oracles.settle(teller.history) for teller in these]
        for teller in these:
            self.findings.add(oracles.settled(teller.history))
        if twins:
            self.tell_again(these[0].history, as_of=days[0])

    def tell_again(
        self,
        history: History,
        *,
        as_of: date,
        steps: list[Step] | None = None,
        active_only: bool = False,
    ) -> None:
        """The same to another organization, without faults (or in the order of `steps`); both end
        with the same signals.
        """
        twin = self.teller()
        twin.tell(history.steps if steps is None else steps)
        oracles.settle(twin.history, as_of=as_of)
        self.findings.add(
            oracles.compared(history.organization, twin.organization, active_only=active_only)
        )

    # -- recovery ----------------------------------------------------------------------------------

    def recovered(self, *, since: float) -> None:
        """Wait until everything that is in the log now is detected and persisted; note the seconds
        since the fault.
        """
        self._patiently(self._caught_up_with(self._ends()), since)

    def acknowledged_again(self, tellers: list[Teller], *, since: float) -> None:
        """Wait for the next 2xx; note the seconds since the fault."""
        self._patiently(
            lambda: any(one.acknowledged_at and one.acknowledged_at[-1] > since for one in tellers),
            since,
        )

    def recovered_when(self, done: Callable[[], bool], *, since: float) -> None:
        """Wait for something else."""
        self._patiently(done, since)

    def caught_up(self) -> None:
        """Wait as `recovered` does; no fault is measured."""
        self.wait_until(self._caught_up_with(self._ends()))

    def _patiently(self, done: Callable[[], bool], since: float) -> None:
        self.wait_until(done)
        self.recoveries.append(time.monotonic() - since)

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Raises Retryable when that takes longer than a recovery may."""
        until = time.monotonic() + RECOVERY_SECONDS
        while True:
            with contextlib.suppress(Retryable, psycopg.OperationalError, psycopg.InterfaceError):
                if done():
                    break
            if time.monotonic() > until:
                raise Retryable(
                    f"{self.name}: no recovery within {RECOVERY_SECONDS:.0f} s of a fault"
                )
            time.sleep(POLL_SECONDS)

    def _ends(self) -> dict[int, int]:
        until = time.monotonic() + RECOVERY_SECONDS
        while True:
            try:
                return log.ends()
            except Retryable:
                if time.monotonic() > until:
                    raise

    def _caught_up_with(self, ends: dict[int, int]) -> Callable[[], bool]:
        said: dict[int, int] = {}

        def caught_up() -> bool:
            with Offsets() as offsets:
                if any(
                    offsets.committed(ORDERS.name, partition) < end
                    for partition, end in ends.items()
                ):
                    return False
                if not said:
                    said.update(
                        {partition: offsets.end(SIGNALS.name, partition) for partition in ends}
                    )
            with db.connect() as connection:
                return all(
                    at >= wanted.get(partition, 0)
                    for topic, wanted in ((ORDERS.name, ends), (SIGNALS.name, said))
                    for partition, at in store.positions(connection, CONSUMER, topic).items()
                )

        return caught_up

    # -- what came of it ---------------------------------------------------------------------------

    @property
    def acknowledged(self) -> int:
        return sum(history.acknowledged for history in self.histories)

    @property
    def answers(self) -> "Counter[str]":
        total: Counter[str] = Counter()
        for history in self.histories:
            total += history.answers
        return total

    def pause(self, least: float, most: float) -> None:
        """A random time between two faults."""
        time.sleep(self.chance.uniform(least, most))


def last_on() -> date:
    """The last day of stories: safely in the past in every zone."""
    return clock.today("UTC") - timedelta(days=2)


def percentile(values: list[float], share: float) -> float:
    """The nearest rank; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0
