"""Before a commit the same is asked as by `make check`, with what is installed here."""

from typing import Any

import yaml

from tests.repo.tree import ROOT


def hooks() -> list[dict[str, Any]]:
    found = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in found] == ["local"], "nothing is fetched from elsewhere"
    return [hook for repo in found for hook in repo["hooks"]]


def test_each_hook_is_a_line_of_make_check() -> None:
    makefile = (ROOT / "Makefile").read_text()
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0].replace("$(BIN)", ".venv/bin")
    lines = {line.strip().removesuffix(" .") for line in check.splitlines()[1:]}
    asked = {hook["entry"].removesuffix(" --force-exclude") for hook in hooks()}
    assert asked <= lines
    assert {line.split()[0] for line in lines - asked} == {".venv/bin/deptry"}


def test_each_hook_runs_a_program_of_the_environment() -> None:
    assert {hook["language"] for hook in hooks()} == {"system"}
    assert [hook for hook in hooks() if not (ROOT / hook["entry"].split()[0]).exists()] == []
