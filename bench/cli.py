"""The command `winback bench`: measure figures, print them, write the report."""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Annotated

import structlog
import typer

from bench import report
from bench.figure import Found
from bench.figures import FIGURES
from bench.rig import rig
from bench.watched import Failed

app = typer.Typer()


@app.command("bench")
def bench(
    figure: Annotated[
        list[str] | None, typer.Option("--figure", help="Only this figure; can be repeated. `list` prints all.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each side runs.")] = 3,
    scale: Annotated[
        float, typer.Option(min=0.001, max=10, help="Share of the full workload: 0.1 is a tenth of its orders.")
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line a figure.")] = False,
    report_file: Annotated[
        Path | None, typer.Option("--report", help="Write the report page here; figures not measured now are kept.")
    ] = None,
) -> None:
    """Measure figures, each a ratio of runs side by side on a stack of its own, answers checked first.

    Example: winback bench --figure drain --figure import --report docs/performance.md
    """
    if figure == ["list"]:
        for name, (_, line) in FIGURES.items():
            print(f"{name:12} {line}")
        return
    names = figure or list(FIGURES)
    if unknown := [name for name in names if name not in FIGURES]:
        print(f"winback: no figure {unknown[0]}; there are {', '.join(FIGURES)}", file=sys.stderr)
        raise typer.Exit(2)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # of what runs in this process
    found: list[Found] = []
    failed = False
    with rig(rounds=rounds, scale=scale, say=say) as at:
        for name in names:
            measure, line = FIGURES[name]
            say(f"{name}: {line}")
            began = time.monotonic()
            try:
                results = measure(at)
            except Failed as error:
                print(f"winback: {name}: {error}", file=sys.stderr)
                failed = True
                continue
            for result in results:
                print(json.dumps(result.as_json(), sort_keys=True) if as_json else report.line(result), flush=True)
            say(f"{name}: {time.monotonic() - began:.0f} s")
            found += results
            if report_file is not None:
                report.write(report_file, found, rounds=rounds, scale=scale)
    raise typer.Exit(1 if failed or not all(result.reached for result in found) else 0)


def say(text: str) -> None:
    """Progress, beside the answer."""
    print(text, file=sys.stderr, flush=True)
