"""The verb: every look, one after the other, each finding as soon as it is there."""

import json
import sys

import typer

from winback.doctor import kafka, machine, mail, postgres, quarantined
from winback.doctor.findings import Finding, Look, State, exit_code

app = typer.Typer()

LOOKS: tuple[Look, ...] = (machine.look, kafka.look, postgres.look, quarantined.look, mail.look)
MARKS: dict[State, str] = {"good": "ok   ", "note": "note ", "wrong": "WRONG", "away": "AWAY "}


@app.command("doctor")
def doctor(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Look at Kafka, PostgreSQL, mail, names, clocks and disks, and say what to do. It writes one
    record to a topic of its own.

    Exit code 0: nothing is wrong (notes are no faults); 1: something is; 3:
    something cannot be reached.

    Example: winback doctor
    """
    findings: list[Finding] = []
    for look in LOOKS:
        for finding in look():
            findings.append(finding)
            if not as_json:
                show(finding)
    code = exit_code(findings)
    if as_json:
        print(
            json.dumps(
                {"ok": code == 0, "findings": [finding.as_json() for finding in findings]},
                indent=1,
                ensure_ascii=False,
            )
        )
    else:
        counts = {
            state: sum(finding.state == state for finding in findings)
            for state in ("wrong", "away", "note")
        }
        print(
            f"{len(findings)} looked at: {counts['wrong']} wrong, "
            f"{counts['away']} away, {counts['note']} to note"
        )
    sys.stdout.flush()
    raise typer.Exit(code)


def show(finding: Finding) -> None:
    print(f"{MARKS[finding.state]}  {finding.name}: {finding.said}")
    if finding.do:
        print(f"         → {finding.do}")
