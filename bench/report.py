"""docs/performance.md, rewritten by one command from what was measured, and docs/scaling.md with
it; the figures are kept beside them as JSON.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import scaling
from bench.figure import Found, Growth, Plain, Result

MEGA = 1_000_000


def line(found: Found) -> str:
    """One figure for the eyes."""
    verdict = "reached" if found.reached else "NOT reached"
    if isinstance(found, Growth):
        return (
            f"{found.figure}: {found.title}: "
            f"exponent {found.exponent:.2f} (≤ {found.bound}) {verdict}"
        )
    if isinstance(found, Plain):
        return (
            f"{found.figure}: {found.title}: "
            f"{found.value:,.2f} {found.unit} (≤ {found.bound:g}) {verdict}"
        )
    return (
        f"{found.figure}: {found.title}: {found.ratio:.3g} of {found.reference} ({found.target}) "
        f"{verdict}; {found.ours_value:,.4g} against {found.reference_value:,.4g} {found.unit}; "
        f"CPU {found.ours_cpu_seconds:.1f} against {found.reference_cpu_seconds:.1f} s; "
        f"peak {found.ours_peak_bytes / MEGA:.0f} against "
        f"{found.reference_peak_bytes / MEGA:.0f} MB; load {found.load}"
    )


def write(path: Path, found: Sequence[Found], *, rounds: int, scales: Mapping[str, float]) -> None:
    """Put these figures into the page, in place of older ones of the same name."""
    kept_file = path.with_suffix(".json")
    kept: dict[str, list[dict[str, Any]]] = (
        json.loads(kept_file.read_text()) if kept_file.exists() else {}
    )
    at = {
        "on": datetime.now(UTC).date().isoformat(),
        "rounds": rounds,
        "machine": machine(),
        "cores": os.cpu_count(),
    }
    for name in {one.figure for one in found}:
        before = {one["title"]: one["profile"] for one in kept.get(name, []) if one.get("profile")}
        kept[name] = []
        for one in found:
            if one.figure == name:
                row = one.as_json() | {"kind": type(one).__name__, "scale": scales[name]} | at
                if row.get("profile"):
                    row["profile"] = row["profile"] | {"on": at["on"]}
                elif "profile" in row:
                    # measured without one: the older says its own day
                    row["profile"] = before.get(row["title"])
                kept[name].append(row)
    kept_file.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    path.write_text(page(kept))
    path.with_name("scaling.md").write_text(scaling.page(kept))


def machine() -> str:
    """What it ran on, in a line."""
    model = next(
        (
            text.split(":", 1)[1].strip()
            for text in Path("/proc/cpuinfo").read_text().splitlines()
            if text.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} × {model}, {memory:.0f} GB, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


def page(kept: dict[str, list[dict[str, Any]]]) -> str:
    """The page: a table of ratios, one of growth, one of sizes; then what holds the figures that
    are not reached.
    """
    from bench.figures import FIGURES

    rows = [one for name in FIGURES for one in kept.get(name, [])]
    ratios = [one for one in rows if one["kind"] == Result.__name__]
    growth = [one for one in rows if one["kind"] == Growth.__name__]
    plain = [one for one in rows if one["kind"] == Plain.__name__]
    notes = Path(__file__).with_name("notes.md").read_text().strip()
    parts = [HEAD, "## Ratios\n", RATIOS, *map(ratio_row, ratios), ""]
    if growth:
        parts += ["## Cost as work grows\n", GROWTH, *map(growth_row, growth), ""]
    if plain:
        parts += ["## Sizes\n", PLAIN, *map(plain_row, plain), ""]
    parts += profiles(rows)
    parts += [
        "## How each was measured\n",
        *(f"- **{one['title']}** ({one['figure']}, {one['on']}): {told(one)}" for one in rows),
        "",
    ]
    machines = sorted({one["machine"] for one in rows})
    parts += ["## Machine\n", *(f"- {one}" for one in machines), "", notes]
    return "\n".join(parts) + "\n"


HEAD = """\
# Speed

Every figure is a **ratio to a reference that ran in the same command**, on the same broker, in
turns; a ratio is the median over the rounds of each round's own ratio, and the answers of both
sides are checked before a time is believed. Absolute numbers are of a machine that others used too:
do not compare them across days.

Written by `make bench`, that is `winback bench --profile --report docs/performance.md`, in half an
hour on two quiet cores; `winback bench --figure NAME` measures one, `--figure list` names them with
the share of the full workload that each is measured at. A load above 3 where each was measured
means that others had the cores.
"""
RATIOS = """\
| figure | reference | ratio | target | | ours | reference's | CPU s | peak MB |
|---|---|---|---|---|---|---|---|---|"""
GROWTH = """\
| what grows | work | cost | exponent | at most | |
|---|---|---|---|---|---|"""
PROFILES = """\
Of each figure that misses its target: one more round of our side, not timed, read by py-spy
(`winback bench --profile`). Shares are of the CPU of all the processes listed; a function's is its
own with the C under it. How long they took is of the last timed round; a process that waits has
nothing to do, waits for another one, or for a core.
"""
PROFILE = """\
| CPU | for | most of it in |
|---|---|---|"""
PLAIN = """\
| figure | value | at most | |
|---|---|---|---|"""


def short_of_cores(one: dict[str, Any]) -> bool:
    """Whether it was measured on fewer cores than it needs."""
    return bool(one.get("needs_cores", 0) > one.get("cores", 0))


def ratio_row(one: dict[str, Any]) -> str:
    mark = "✓" if one["reached"] else "✗"
    if short_of_cores(one) and not one["reached"]:
        mark += f" {one['cores']} of {one['needs_cores']} cores"
    return (
        f"| {one['title']} | {one['reference']} | **{one['ratio']:.3g}** | {one['target']} | "
        f"{mark} | {value(one['ours_value'])} {one['unit']} | {value(one['reference_value'])} | "
        f"{one['ours_cpu_seconds']:.1f} / {one['reference_cpu_seconds']:.1f} | "
        f"{one['ours_peak_bytes'] / MEGA:.0f} / {one['reference_peak_bytes'] / MEGA:.0f} |"
    )


def growth_row(one: dict[str, Any]) -> str:
    work = " → ".join(value(number) for number in one["work"])
    cost = " → ".join(value(number) for number in one["cost"])
    mark = "✓" if one["reached"] else "✗"
    exponent = f"**{one['exponent']:.2f}** | {one['bound']} | {mark}"
    return (
        f"| {one['title']} | {work} {one['work_unit']} | {cost} {one['cost_unit']} | {exponent} |"
    )


def profiles(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Of each figure that misses its target, where the time of our side goes: one table a title,
    however many references it has.
    """
    parts = []
    for title in dict.fromkeys(one["title"] for one in rows if not one["reached"]):
        of = next((one for one in rows if one["title"] == title and one.get("profile")), None)
        if of is not None:
            parts += [f"### {title}\n", *map(process_line, of["profile"]["processes"])]
            parts += [
                f"- Read on {of['profile']['on']}.\n",
                PROFILE,
                *map(group_row, of["profile"]["groups"]),
                "",
            ]
    return ["## Where the time goes\n", PROFILES, *parts] if parts else []


def process_line(one: dict[str, Any]) -> str:
    return (
        f"- `{one['name']}`: {one['seconds']:.1f} s, {one['cpu_seconds']:.1f} of CPU; "
        f"it waited {one['waited']:.0%} of the time."
    )


def group_row(one: dict[str, Any]) -> str:
    functions = ", ".join(f"`{name}` {share:.0%}" for name, share in one["functions"])
    return f"| {one['share']:.0%} | {one['group']} | {functions} |"


def plain_row(one: dict[str, Any]) -> str:
    mark = "✓" if one["reached"] else "✗"
    return (
        f"| {one['title']} | **{value(one['value'])}** {one['unit']} | "
        f"{value(one['bound'])} | {mark} |"
    )


def told(one: dict[str, Any]) -> str:
    """Rounds, scale, load and the figure's own words."""
    said = [f"{one['rounds']} rounds"]
    if one["scale"] != 1:
        said.append(f"at {one['scale']:g} of the full workload")
    if "ratios" in one:
        said.append("ratios " + ", ".join(f"{ratio:.3g}" for ratio in one["ratios"]))
        said.append(f"load {one['load'][0]} to {one['load'][1]}")
    if one["note"]:
        said.append(one["note"])
    if short_of_cores(one):
        said.append(
            f"**it needs {one['needs_cores']} cores, one for broker and benchmark, this machine "
            f"has {one['cores']}**: the ratio says what they share, not what more of them would do"
        )
    return "; ".join(said) + "."


def value(number: float) -> str:
    """Three digits that count, thousands apart."""
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}"
