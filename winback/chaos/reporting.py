"""The page: one row a scenario and seed. Writing it again replaces the rows that were done anew and
keeps the others, so that a long run can be done in pieces.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from winback.chaos.runner import Result

HEAD = """\
# Reliability: the last fault run

What was done to a running system, and what it had promised afterwards. Every row is one scenario on
real Apache Kafka, PostgreSQL, SMTP and processes, seeded: `winback chaos --scenario NAME --seed N`
does it again. `make chaos` does all with ten minutes for the faults and their checks; what has a
length of its own (clocks, a frozen broker) comes on top. Of one scenario alone `--minutes` says how
long its faults go on: 2.3 keeps the broker frozen for a minute, 6.8 the leader for 130 s.

- **acknowledged**: operations that were (versions of orders with 2xx, runs, settings, outcomes).
  **lost**: of these, missing or wrong in the log, in PostgreSQL, or in the detector's state rebuilt
  from its changelog on an empty disk. **doubled**: there twice.
- **differing**: rows on which the signals differ from SQL over the raw orders, or from an
  undisturbed twin that was told the same.
- **recovery**: seconds from a fault until everything in the log by then is detected and persisted
  (ingest: until the next 2xx). Measured while other work ran on the same two cores: an upper bound,
  no benchmark.

A row stays until its scenario and seed are done again: rows may be of several versions.

full-disks mounts small file systems of its own and takes root: where that cannot be done it has no
row, and the exit code is 3.

Written by `winback chaos --report`.

"""

COLUMNS = (
    "#", "scenario", "seed", "kills", "acknowledged", "lost", "doubled", "differing",
    "recovery p50 / p99 s", "seen",
)  # fmt: skip
TABLE = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"

ROW = re.compile(
    r"^\| (\d+) \| ([a-z0-9-]+) \| (\d+) \| (\d+) \| ([\d,]+) \| (\d+) \| (\d+) \| (\d+) \| "
)


def write(file: Path, results: Sequence[Result]) -> None:
    """The page with these results in it. What could not be run to its end has no
    row: it proved nothing.
    """
    rows = {
        key(line): line
        for line in (file.read_text().splitlines() if file.exists() else [])
        if ROW.match(line)
    }
    rows |= {(r.number, r.name, r.seed): row(r) for r in results if not (r.failure or r.impossible)}
    lines = [rows[found] for found in sorted(rows)]
    file.write_text(HEAD + totals(lines) + TABLE + "\n".join(lines) + "\n")


def key(line: str) -> tuple[int, str, int]:
    """Number, scenario, seed of a row."""
    found = ROW.match(line)
    assert found is not None
    return int(found[1]), found[2], int(found[3])


def row(result: Result) -> str:
    seen = "; ".join(f"{name} {value}" for name, value in result.figures.items()).replace("|", "/")
    return (
        f"| {result.number} | {result.name} | "
        f"{result.seed} | {result.kills} | {result.acknowledged:,} | {result.lost} | "
        f"{result.doubled} | {result.differing} | {result.p50:.1f} / {result.p99:.1f} | {seen} |"
    )


def totals(lines: Sequence[str]) -> str:
    """The sums of all rows."""
    found = [match for line in lines if (match := ROW.match(line))]
    kills, acknowledged, lost, doubled, differing = (
        sum(int(match[group].replace(",", "")) for match in found) for group in (4, 5, 6, 7, 8)
    )
    return (
        f"**In all: {len(found)} runs of {len({match[2] for match in found})} scenarios, "
        f"{kills} kills, {acknowledged:,} operations acknowledged, "
        f"{lost} lost, {doubled} doubled, {differing} differing.**\n\n"
    )
