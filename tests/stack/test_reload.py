"""`winback serve console --reload`, over a copy of the packages that is edited."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.children import child
from tests.eventually import eventually
from tests.repo.tree import CODE, ROOT
from tests.stack_fixtures import Stack
from winback.chaos.machine import free_port

RENDERING = "services/signals/console/http/rendering.py"
SIGN_IN = "services/signals/console/templates/signed_out.html"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in CODE:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


@pytest.fixture
def page(stack: Stack, copy: Path) -> Iterator[str]:
    """The page that signs in, of a console that runs from the copy."""
    port = str(free_port())
    env = os.environ | stack.env | {"WINBACK_CONSOLE_PORT": port, "PYTHONPATH": str(copy)}
    with child(
        [sys.executable, "-P", "-m", "winback", "serve", "console", "--reload"], env=env
    ) as process:
        url = f"http://127.0.0.1:{port}/sign-in"
        shows(url, "Sign in", process)
        yield url
        process.terminate()
        assert process.wait(60) == 0


def shows(url: str, words: str, process: "subprocess.Popen[bytes] | None" = None) -> None:
    eventually(
        lambda: words in (answer := httpx.get(url, timeout=20)).text + str(answer.headers),
        ignoring=httpx.TransportError,
        running=process,
        what=f"{words} at {url}",
    )


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_template_that_is_edited_is_read_again_and_code_that_is_edited_runs(
    page: str, copy: Path
) -> None:
    (copy / SIGN_IN).write_text((copy / SIGN_IN).read_text().replace("Sign in", "Come in"))
    shows(page, "Come in")

    edit(copy / RENDERING, '"nosniff"', '"edited"')
    shows(page, "edited")


def test_a_slip_ends_nothing_the_next_change_is_tried(page: str, copy: Path) -> None:
    edit(copy / RENDERING, "HEADERS = {", "HEADERS = = {")
    eventually(lambda: not answers(page), what="an end of the console")
    edit(copy / RENDERING, "HEADERS = = {", "HEADERS = {")
    shows(page, "Sign in")


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=20).is_success
    except httpx.TransportError:
        return False
