"""A figure: what is measured against what, in interleaved rounds.

In each round every side runs once, and the side that begins changes from round to round. The ratio
is the median of the rounds' own ratios, so that a machine that slows down between rounds slows both
sides of each.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bench import profile

Compares = Literal["rate", "time"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of one side: so many units of work in so many seconds."""

    units: float
    seconds: float
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    note: str = ""

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds


@dataclass(frozen=True, kw_only=True)
class Target:
    """`compares`: our rate over the reference's, at least `bound`; or our time over the
    reference's, at most `bound`.
    """

    compares: Compares
    bound: float
    moonshot: float | None = None

    @property
    def words(self) -> str:
        sign = "≥" if self.compares == "rate" else "≤"
        return f"{sign} {self.bound:g}"

    def reached(self, ratio: float) -> bool:
        return ratio >= self.bound if self.compares == "rate" else ratio <= self.bound


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two: its name as the report says it, and what runs it once."""

    name: str
    run: Callable[[], Measured]
    target: Target | None = None  # of a reference: what we hold ourselves to against it


@dataclass(frozen=True, kw_only=True)
class Result:
    """A ratio with all that it was made from. `load`: of the machine, when it
    began and when it ended.
    """

    figure: str
    title: str
    unit: str
    ours: str
    reference: str
    compares: Compares
    ratio: float
    target: str
    reached: bool
    moonshot: float | None
    ratios: list[float]
    ours_value: float
    reference_value: float
    ours_cpu_seconds: float
    reference_cpu_seconds: float
    ours_peak_bytes: int
    reference_peak_bytes: int
    load: tuple[float, float]
    note: str = ""
    units: float = 0  # of work in a round of ours
    needs_cores: int = 0  # fewer, and the figure says little; 0 where that does not matter
    profile: dict[str, Any] | None = None  # of one more round of ours: `profile.summary`

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How a cost grows: work and cost, and the exponent between them (1 is linear)."""

    figure: str
    title: str
    work: list[float]
    cost: list[float]
    work_unit: str
    cost_unit: str
    exponent: float
    bound: float = 1.1
    note: str = ""

    @property
    def reached(self) -> bool:
        return self.exponent <= self.bound

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"reached": self.reached}


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A figure that is held against a bound without a second run: bytes against bytes."""

    figure: str
    title: str
    value: float
    bound: float
    unit: str
    note: str = ""

    @property
    def reached(self) -> bool:
        return self.value <= self.bound

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"reached": self.reached}


Found = Result | Growth | Plain


@dataclass
class Rounds:
    """Runs sides in turns. `profiles`: a folder for what py-spy reads of one more round of ours;
    None, and there is none.
    """

    count: int
    say: Callable[[str], None]
    profiles: Path | None = None
    # of the latest timed round of the first side, which is ours
    processes: list[profile.Read] = field(default_factory=list)

    def run(self, sides: Sequence[Side]) -> dict[str, list[Measured]]:
        """What each side measured, round by round; ours is the first."""
        kept: dict[str, list[Measured]] = {side.name: [] for side in sides}
        for number in range(self.count):
            turn = number % len(sides)
            for side in [*sides[turn:], *sides[:turn]]:
                with profile.reading(None) as processes:
                    measured = side.run()
                if side is sides[0]:
                    self.processes = processes
                kept[side.name].append(measured)
                self.say(
                    f"round {number + 1} · {side.name}: "
                    f"{measured.rate:,.0f}/s in {measured.seconds:.2f} s"
                )
        return kept

    def compare(
        self, figure: str, *, title: str, unit: str, ours: Side, references: Sequence[Side],
        note: str = "", profiled: bool = True,
    ) -> list[Result]:  # fmt: skip
        """Our side against each reference. Where `compares` is time, values are seconds.
        `profiled`: no other figure reads it.
        """
        began = os.getloadavg()[0]
        kept = self.run([ours, *references])
        found = self.profiled(ours) if profiled else None
        return [
            replace(
                self.result(
                    figure,
                    title=title,
                    unit=unit,
                    ours=ours,
                    reference=reference,
                    kept=kept,
                    note=note,
                    began=began,
                ),
                profile=found,
            )
            for reference in references
            if reference.target is not None
        ]

    def profiled(self, ours: Side, *, again: bool = False) -> dict[str, Any] | None:
        """Where the time of one more round goes, which is not timed. `again`: `run` saw no timed
        one, here it is.
        """
        if self.profiles is None:
            return None
        if again:
            once = replace(self, count=1)
            once.run([ours])
            self.processes = once.processes
        self.say(f"profile · {ours.name}")
        with profile.reading(self.profiles) as reads:
            ours.run()
            return profile.summary(reads, self.processes)

    def result(
        self, figure: str, *, title: str, unit: str, ours: Side, reference: Side,
        kept: dict[str, list[Measured]], note: str = "",
        began: float | None = None,
    ) -> Result:  # fmt: skip
        """One pair of sides that `run` has measured. `began`: the machine's load then."""
        load = os.getloadavg()[0]
        span = (round(load if began is None else began, 1), round(load, 1))
        return _result(
            figure,
            title,
            unit,
            ours.name,
            kept[ours.name],
            reference,
            kept[reference.name],
            span,
            note,
        )


def _result(
    figure: str, title: str, unit: str, name: str, mine: list[Measured], reference: Side,
    theirs: list[Measured], load: tuple[float, float], note: str,
) -> Result:  # fmt: skip
    target = reference.target
    assert target is not None
    by_rate = target.compares == "rate"
    ratios = [
        one.rate / other.rate if by_rate else one.seconds / other.seconds
        for one, other in zip(mine, theirs, strict=True)
    ]
    ratio = statistics.median(ratios)

    def value(of: list[Measured]) -> float:
        return statistics.median(one.rate if by_rate else one.seconds for one in of)

    notes = [
        text
        for text in (note, *dict.fromkeys(one.note for one in (*mine, *theirs) if one.note))
        if text
    ]
    return Result(
        figure=figure,
        title=title,
        unit=unit,
        ours=name,
        reference=reference.name,
        compares=target.compares,
        ratio=ratio,
        target=target.words,
        reached=target.reached(ratio),
        moonshot=target.moonshot,
        ratios=[round(one, 4) for one in ratios],
        ours_value=value(mine),
        reference_value=value(theirs),
        ours_cpu_seconds=statistics.median(one.cpu_seconds for one in mine),
        reference_cpu_seconds=statistics.median(one.cpu_seconds for one in theirs),
        ours_peak_bytes=max(one.peak_bytes for one in mine),
        reference_peak_bytes=max(one.peak_bytes for one in theirs),
        load=load,
        units=statistics.median(one.units for one in mine),
        note="; ".join(notes),
    )


def timed(work: Callable[[], float]) -> Measured:
    """Work inside this process: `work` returns its units."""
    recording = profile.begin(os.getpid())
    cpu, began = time.process_time(), time.monotonic()
    units = work()
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    profile.end(recording, name="this process", seconds=seconds, cpu_seconds=cpu)
    return Measured(units=units, seconds=seconds, cpu_seconds=cpu)
