"""The command `winback bench`: measure figures, print them, write the report."""

import json
import logging
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated

import structlog
import typer

from bench import profile, report
from bench.figure import Found
from bench.figures import FIGURES
from bench.measured_process import Failed
from bench.rig import Rig, rig

FIGURE_SECONDS = 900  # a figure that takes longer is given up, so that the others are measured

app = typer.Typer()


@app.command("bench")
def bench(
    figure: Annotated[
        list[str] | None,
        typer.Option("--figure", help="Only this figure; can be repeated. `list` prints all."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each side runs.")] = 3,
    scale: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=10,
            help="Share of the full workload: 0.1 is a tenth of its orders. "
            "Without it, each figure's own (`--figure list`).",
        ),
    ] = None,
    profiled: Annotated[
        bool,
        typer.Option(
            "--profile",
            help="One more round of each figure, not timed: where our time goes (py-spy).",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line a figure.")] = False,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report", help="Write the report page here; figures not measured now are kept."
        ),
    ] = None,
) -> None:
    """Measure figures, each a ratio of runs side by side on a stack of its own,
    answers checked first.

    A figure that fails is told and left out, the others are measured; exit 1 for it, as for a
    target that is missed.

    Example: winback bench --figure drain --figure import --report docs/performance.md
    """
    if figure == ["list"]:
        for name, (_, own_scale, line) in FIGURES.items():
            print(f"{name:12} {own_scale:<5g} {line}")
        return
    names = figure or list(FIGURES)
    if unknown := [name for name in names if name not in FIGURES]:
        print(f"winback: no figure {unknown[0]}; there are {', '.join(FIGURES)}", file=sys.stderr)
        raise typer.Exit(2)
    # of what runs in this process
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found: list[Found] = []
    scales: dict[str, float] = {}
    failed: list[str] = []
    began = time.monotonic()
    with rig(rounds=rounds, say=say) as at:
        if profiled and (why_not := profile.alive(at.folder)):
            say(f"winback: measured without profiles: {why_not}")
        elif profiled:
            at.rounds.profiles = at.folder
        if report_file is not None:
            report_file.parent.mkdir(parents=True, exist_ok=True)
            at.report = report_file
        for name in names:
            at.scale = scales[name] = scale or FIGURES[name][1]
            results = measured(at, name)
            if results is None:
                failed.append(name)
                continue
            for result in results:
                print(
                    json.dumps(result.as_json(), sort_keys=True)
                    if as_json
                    else report.line(result),
                    flush=True,
                )
            found += results
            if report_file is not None:
                report.write(report_file, found, rounds=rounds, scales=scales)
    say(
        f"{len(names) - len(failed)} of {len(names)} figures in "
        f"{(time.monotonic() - began) / 60:.0f} minutes"
    )
    if failed:
        say(f"winback: not measured: {', '.join(failed)}")
    raise typer.Exit(1 if failed or not all(result.reached for result in found) else 0)


def measured(at: Rig, name: str) -> list[Found] | None:
    """What one figure found; None where it failed, whatever the failure, or took too long."""
    measure, _, line = FIGURES[name]
    say(f"{name}: {line}")
    began = time.monotonic()
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(FIGURE_SECONDS)
    try:
        return list(measure(at))
    except Failed as error:
        say(f"winback: {name}: {error}")
    except Exception:  # the figures after it are measured all the same
        say(f"winback: {name}: {traceback.format_exc()}")
    finally:
        signal.alarm(0)
        at.forget_workloads()
        say(f"{name}: {time.monotonic() - began:.0f} s")
    return None


def too_long(*_: object) -> None:
    """Of SIGALRM."""
    raise Failed(f"not done after {FIGURE_SECONDS} s")


def say(text: str) -> None:
    """Progress, beside the answer."""
    print(text, file=sys.stderr, flush=True)
