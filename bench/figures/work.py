"""What a run costs, and how the detector's cost grows as its work grows: orders, accounts,
organizations, runs, each alone.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import msgspec

from bench import answers
from bench.broker import Follower
from bench.figure import Found, Growth, Measured, Side, Target, timed
from bench.figures.detector import LONGEST_SECONDS, expected, ours
from bench.measured_process import Failed, Watched
from bench.rig import Rig, record_of
from bench.workload import ALL_TYPES, LAST_DAY, Workload, touching
from shared.domain.thresholds import DetectionSettings
from shared.events import RunCompleted, SignalsRecord
from shared.partitions import partition_of
from shared.topics import DETECTOR_APP, ORDERS, SIGNALS

BEYOND_ALL = 10**14
DUE_SHARE = 100

decode = msgspec.json.Decoder(SignalsRecord).decode


def varied(number: int, *, silent: bool) -> DetectionSettings:
    """Other settings for every number, so that a run looks at all accounts; `silent`: floors that
    nobody reaches.
    """
    dormant = msgspec.structs.replace(ALL_TYPES.dormant, gap_days=90 + number % 2)
    if not silent:
        return msgspec.structs.replace(ALL_TYPES, dormant=dormant)
    return msgspec.structs.replace(
        ALL_TYPES,
        dormant=msgspec.structs.replace(dormant, minimum_lifetime_revenue_cents=BEYOND_ALL),
        lapse=msgspec.structs.replace(ALL_TYPES.lapse, minimum_revenue_cents=BEYOND_ALL),
        cherry_picking=msgspec.structs.replace(
            ALL_TYPES.cherry_picking, minimum_revenue_cents=BEYOND_ALL
        ),
    )


class Asked:
    """A detector that has drained the log and is asked for runs, one after the other, in every
    organization at once.
    """

    def __init__(self, rig: Rig, workload: Workload, detector: Watched) -> None:
        self._rig, self._workload, self._detector = rig, workload, detector
        self._number = 0
        self._follower: Follower = rig.broker.follow(SIGNALS.name)

    def run(
        self, settings: DetectionSettings, *, evaluated: int, found: int, by_itself: bool = False
    ) -> Measured:
        """From the records sent to the last answer; `by_itself`: the time that the runs say they
        took, without their way there.

        Raises Failed where they looked at, or found, another number.
        """
        self._number += 1
        records: list[list[tuple[bytes | None, bytes]]] = [[] for _ in range(self._rig.partitions)]
        for run in self._workload.runs(self._number, settings=settings):
            records[partition_of(run.organization, self._rig.partitions)].append(record_of(run))
        self._detector.mark()
        self._rig.broker.fill(ORDERS.name, records)
        completed: list[RunCompleted] = []
        until = time.monotonic() + LONGEST_SECONDS
        while len(completed) < len(self._workload.organizations):
            completed += [
                event
                for event in map(decode, self._follower.values())
                if isinstance(event, RunCompleted)
            ]
            if self._detector.process.poll() is not None or time.monotonic() > until:
                raise Failed(f"{len(completed)} runs answered\n{self._detector.said()}")
        measured = self._detector.measured(1)
        if by_itself:
            measured = replace(
                measured, seconds=max(0.001, sum(one.duration_ms for one in completed) / 1000)
            )
        looked_at = sum(one.evaluated for one in completed)
        if looked_at != evaluated:
            raise Failed(f"the runs looked at {looked_at} accounts, of {evaluated}")
        fired = sum(one.opened + one.seen for one in completed)
        if fired != found:
            raise Failed(f"the runs found {fired} signals, of {found}")
        return measured

    def touch(self, count: int) -> None:
        """One more order of so many accounts, folded: they are due at the next run."""
        blocks = touching(self._workload, count, self._number)
        self._rig.broker.fill(ORDERS.name, [[(None, block) for block in some] for some in blocks])
        self._rig.broker.wait_committed(
            DETECTOR_APP, ORDERS.name, self._rig.broker.ends(ORDERS.name)
        )


def runs(rig: Rig) -> list[Found]:
    """A run over all accounts against DuckDB from scratch, a run with 1 % of them due against that,
    ten runs against one.
    """
    workload = rig.workload()
    file = rig.folder / "lines.parquet"
    answers.write_lines(workload, file)
    counts = {
        number: len(answers.evaluated(file, varied(number, silent=False), LAST_DAY))
        for number in (0, 1)
    }
    accounts = len({(order.organization, order.account) for order in workload.orders})
    rig.fill_orders(workload, runs=False)
    rig.forget_detector()
    with rig.detector() as detector:
        rig.broker.wait_committed(DETECTOR_APP, ORDERS.name, rig.broker.ends(ORDERS.name))
        asked = Asked(rig, workload, detector)
        asked.run(varied(0, silent=False), evaluated=accounts, found=counts[0])
        turn = 0

        def over_all(*, silent: bool, by_itself: bool = False) -> Measured:
            nonlocal turn
            turn += 1
            found = 0 if silent else counts[turn % 2]
            return asked.run(
                varied(turn, silent=silent), evaluated=accounts, found=found, by_itself=by_itself
            )

        found: list[Found] = [
            *rig.rounds.compare(
                "runs",
                title="Run over all accounts",
                unit="s",
                ours=Side(name="winback detector", run=partial(over_all, silent=False)),
                references=[
                    Side(
                        name="DuckDB over the same lines from Parquet",
                        run=lambda: timed(
                            lambda: len(
                                answers.evaluated(file, varied(turn, silent=False), LAST_DAY)
                            )
                        ),
                        target=Target(compares="time", bound=0.5, moonshot=0.1),
                    )
                ],
                note=f"{accounts:,} accounts, {counts[0]:,} signals, "
                f"{len(workload.organizations)} organizations at once; "
                "other settings each time, so every account is looked at; DuckDB on all cores",
            )
        ]
        over_all(silent=True)
        due = max(1, accounts // DUE_SHARE)

        def few() -> Measured:
            asked.touch(due)
            return asked.run(varied(turn, silent=True), evaluated=due, found=0, by_itself=True)

        found += rig.rounds.compare(
            "runs",
            title="Run with 1 % of the accounts due",
            unit="s",
            ours=Side(name="1 % due", run=few),
            references=[
                Side(
                    name="run over all",
                    run=partial(over_all, silent=True, by_itself=True),
                    target=Target(compares="time", bound=0.05),
                )
            ],
            note=f"{due:,} of {accounts:,} accounts, no open signals; "
            "the time that the runs themselves say",
        )
        single = over_all(silent=True).cpu_seconds
        ten = sum(over_all(silent=True).cpu_seconds for _ in range(10))
        found.append(
            growth_of(
                "runs", "Runs over all accounts, × 10", [1, 10], [single, ten], "runs", "CPU s"
            )
        )
    return found


def growth(rig: Rig) -> list[Found]:
    """Drains of more and more, by the CPU seconds and the memory of the detector."""
    found: list[Found] = []

    def drained(**shape: int) -> tuple[Measured, Workload]:
        workload = rig.workload(**shape)
        wanted = expected(rig, workload)
        rig.fill_orders(workload)
        return ours(rig, workload, wanted), workload

    def grown(
        title: str, unit: str, shapes: Sequence[dict[str, int]], sizes: Callable[[Workload], float]
    ) -> None:
        pairs = [drained(**shape) for shape in shapes]
        work = [sizes(workload) for _, workload in pairs]
        found.append(
            growth_of(
                "growth",
                title,
                work,
                [measured.cpu_seconds for measured, _ in pairs],
                unit,
                "CPU s",
            )
        )

    grown(
        "Orders × 10", "orders",
        [{"orders": orders, "accounts": 5_000} for orders in (30_000, 300_000)],
        lambda workload: len(workload.orders),
    )  # fmt: skip
    grown(
        "Accounts × 10", "accounts",
        [{"orders": 100_000, "accounts": accounts} for accounts in (4_000, 40_000)],
        lambda workload: workload.shape.accounts,
    )  # fmt: skip
    grown(
        "Organizations 1 → 1,000", "organizations",
        [
            {"orders": 100_000, "accounts": 20_000, "organizations": count}
            for count in (1, 10, 100, 1_000)
        ],
        lambda workload: workload.shape.organizations,
    )  # fmt: skip
    measured = []
    for accounts in (5_000, 50_000):
        workload = rig.workload(orders=100_000, accounts=accounts)
        wanted = expected(rig, workload)
        rig.fill_orders(workload)
        measured.append(
            (
                ours(rig, workload, wanted, WINBACK_DETECTOR_CACHE_ACCOUNTS="2000"),
                workload.shape.accounts,
            )
        )
    found.append(
        growth_of(
            "growth",
            "Memory, accounts × 10 with a cache of 2,000",
            [accounts for _, accounts in measured],
            [one.peak_bytes / 1e6 for one, _ in measured],
            "accounts",
            "MB at the peak",
        )
    )
    return found


def growth_of(
    figure: str,
    title: str,
    work: Sequence[float],
    cost: Sequence[float],
    work_unit: str,
    cost_unit: str,
) -> Growth:
    """The exponent between the first and the last."""
    exponent = math.log(cost[-1] / cost[0]) / math.log(work[-1] / work[0])
    return Growth(
        figure=figure, title=title, work=list(work), cost=[round(one, 3) for one in cost],
        work_unit=work_unit, cost_unit=cost_unit,
        exponent=exponent,
        note="one drain each, all else alike, its start left out" if figure == "growth" else "",
    )  # fmt: skip
