"""`winback chaos`: do the faults, look at what held, write the page."""

import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command("chaos")
def chaos(
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed does the same faults to the same stories.")
    ] = 1,
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", metavar="NAME", help="Only this one; can be repeated."),
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", help="In all, shared among the scenarios.")
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Write the page; rows of other scenarios and seeds stay."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Print the scenarios and end.")] = False,
) -> None:
    """Do faults to a system of its own, and hold what it promised against what is there. Exit code
    1: something did not hold; 3: this machine cannot do one of the faults.

    Example: winback chaos --scenario detector-kills --seed 7 --minutes 2
    """
    from winback.chaos import reporting, runner
    from winback.stack import processes

    if list_:
        for one in runner.SCENARIOS:
            print(f"{one.number:>2}  {one.name:<20} {one.does}")
        return
    try:
        scenarios = runner.named(scenario or [])
    except KeyError as error:
        print(
            f"winback: --scenario: there is no {error}; `winback chaos --list` names them",
            file=sys.stderr,
        )
        raise typer.Exit(2) from None
    processes.adopt_orphans()

    def say(text: str) -> None:
        print(text, file=sys.stderr if as_json else sys.stdout, flush=True)

    # what was mounted and started is undone then too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = runner.run(scenarios, seed=seed, minutes=minutes, say=say)
    if as_json:
        print(json.dumps([asdict(result) for result in results], indent=1, sort_keys=True))
    if report is not None:
        reporting.write(report, results)
    if not all(result.holds or result.impossible for result in results):
        raise typer.Exit(1)
    raise typer.Exit(3 if any(result.impossible for result in results) else 0)
