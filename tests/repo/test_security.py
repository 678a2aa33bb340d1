"""What docs/security.md says is in the way is shown by tests that exist, and what the product runs
on may be run by anybody.
"""

import ast
import re
from importlib import metadata

from tests.repo.tree import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
ROW = re.compile(r"^\|(?!---| who | chapter )(.*)\|$", re.MULTILINE)

# Licences that let anybody run and pass on this project as it is, under its own
# (Apache-2.0). Those of the LGPL and the MPL oblige whoever changes such a library itself:
# they are used as they are published.
ALLOWED = {
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-3.0-only", "MIT", "MIT-0", "MPL-2.0",
    "PSF-2.0", "Apache Software License", "BSD License", "ISC License (ISCL)", "MIT License",
    "Mozilla Public License 2.0 (MPL 2.0)",
    "Python Software Foundation License", "Repoze Public License",
    "3-Clause BSD License",
}  # fmt: skip
ELSEWHERE = {
    "colorama",
    "httpx2-jsfetch",
}  # pinned for Windows and for browsers: not installed where this runs


def test_every_line_of_the_security_page_names_a_test() -> None:
    rows = ROW.findall(PAGE)
    assert len(rows) > 10
    assert [row for row in rows if not NAMED.search(row)] == []


def test_every_test_that_the_security_page_names_exists() -> None:
    missing = [
        f"{path}::{name}"
        for path, name in NAMED.findall(PAGE)
        if name not in {"", *functions_of(path)}
    ]
    assert missing == []
    assert [path for path, _ in NAMED.findall(PAGE) if not (ROOT / path).exists()] == []


def functions_of(path: str) -> set[str]:
    file = ROOT / path
    tree = ast.parse(file.read_text() if file.exists() else "")
    return {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}


def test_every_dependency_is_under_a_licence_that_anybody_can_live_with() -> None:
    pinned = re.findall(
        r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements" / "main.txt").read_text(), re.MULTILINE
    )
    assert len(pinned) > 50
    found = {name: licences(name) for name in pinned if name not in ELSEWHERE}
    assert {name: of for name, of in found.items() if not of or of - ALLOWED} == {}


def licences(package: str) -> set[str]:
    """By its expression, else by its classifiers, else by the words of its field."""
    about = metadata.metadata(package)
    if "License-Expression" in about:
        return set(re.split(r" AND | OR ", about["License-Expression"]))
    classified = {
        one.rpartition(" :: ")[2]
        for one in about.get_all("Classifier") or []
        if one.startswith("License ::")
    }
    return classified - {"OSI Approved"} or set(about.get_all("License") or [])
