"""The process itself: it gets ready, says what it counts, and ends when it is told to."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.eventually import eventually
from tests.stack_fixtures import Stack

COMMAND = (sys.executable, "-P", "-m", "winback", "serve", "sequences")
START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
    return port


@contextmanager
def serving(env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(COMMAND, env=os.environ | env, text=True, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def asked(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except OSError as error:
        return getattr(error, "code", 0), ""


def test_it_gets_ready_serves_its_metrics_and_drains_on_sigterm(stack: Stack) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    with serving(stack.env | {"WINBACK_SEQUENCES_PORT": str(port)}) as process:
        eventually(
            lambda: asked(f"{url}/readyz")[0] == 200,
            seconds=START_SECONDS,
            running=process,
            what="a ready process",
        )
        assert asked(f"{url}/healthz") == (200, "ok\n")
        assert "winback_drafts_total" in asked(f"{url}/metrics")[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_setting_that_cannot_be_right_is_one_line_and_exit_code_2(stack: Stack) -> None:
    with serving(stack.env | {"WINBACK_PARTITIONS": "many"}) as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert said.startswith("winback: WINBACK_PARTITIONS: ") and said.count("\n") == 1
