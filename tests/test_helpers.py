"""What the tests themselves stand on: waiting, and processes that are stopped."""

import subprocess
import sys

import pytest

from tests.children import child, stopped
from tests.eventually import eventually
from winback.stack import processes

FOREVER = [sys.executable, "-c", "while True: pass"]


def test_eventually_gives_the_first_value_that_counts() -> None:
    looks = iter([0, None, "", "there", "later"])
    assert eventually(lambda: next(looks), pause=0) == "there"


def test_eventually_says_what_was_wanted_and_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match=r"there is not a mail; seen last: \[\]"):
        eventually(lambda: [], seconds=0, what="a mail")


def test_eventually_takes_an_error_for_a_look_only_if_it_is_told_to() -> None:
    def away() -> bool:
        raise ConnectionError("nobody listens")

    with pytest.raises(AssertionError, match="nobody listens"):
        eventually(away, seconds=0, ignoring=OSError)
    with pytest.raises(ConnectionError):
        eventually(away)


def test_eventually_waits_no_longer_for_a_process_that_has_ended() -> None:
    with (
        child([sys.executable, "-c", "raise SystemExit(7)"]) as process,
        pytest.raises(AssertionError, match="ended with 7 before there was a page"),
    ):
        eventually(lambda: False, running=process, what="a page")


def test_a_stopped_process_goes_on_although_the_block_fails() -> None:
    with child(FOREVER) as process:
        with pytest.raises(ZeroDivisionError), stopped(process.pid):
            eventually(lambda: state_of(process) == "T", what="a process that is stopped")
            raise ZeroDivisionError
        eventually(lambda: state_of(process) != "T", what="a process that goes on")
    assert process.poll() is not None


def test_a_child_is_ended_although_it_is_stopped_and_the_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), child(FOREVER) as process, stopped(process.pid):
        raise ZeroDivisionError
    assert process.poll() is not None


def state_of(process: "subprocess.Popen[bytes]") -> str:
    """R runs, S sleeps, T is stopped."""
    fields = processes.stat(process.pid)
    assert fields is not None
    return fields[0]
