"""What a process needs and does not get, its /readyz says within seconds, also where the process
itself waits; and it is ready again by itself.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx

from tests.children import stopped
from tests.eventually import eventually
from tests.stack_fixtures import Stack
from winback.stack import processes

SECONDS = 20.0  # a bound; the machine is shared
BACK_SECONDS = 90.0
NEEDS = {
    "ingest": {"Kafka", "PostgreSQL"},
    "detector": {"Kafka"},
    "signals": {"Kafka", "PostgreSQL"},
    "digest": {"Kafka", "PostgreSQL"},
    "sequences": {"Kafka", "PostgreSQL"},
    "clock": {"Kafka", "PostgreSQL"},
    "console": {"PostgreSQL"},
}


def asked(stack: Stack, name: str, path: str = "/readyz") -> tuple[int, str]:
    """(status, text) of a process; its answer may not take long, whatever is away."""
    answer = httpx.get(stack.service(name)["url"] + path, timeout=3)
    return answer.status_code, answer.text


def says(stack: Stack, name: str, what: str) -> bool:
    status, text = asked(stack, name)
    return status == 503 and what in text


def is_ready(stack: Stack, name: str) -> bool:
    return asked(stack, name)[0] == 200


def say_that_it_is_away(stack: Stack, what: str) -> None:
    for name, needed in NEEDS.items():
        if what in needed:
            eventually(
                partial(says, stack, name, what),
                seconds=SECONDS,
                what=f"{name} says that {what} is away",
                ignoring=httpx.ReadTimeout,
            )
        else:
            assert asked(stack, name) == (200, "ready\n"), name
        assert asked(stack, name, "/livez")[0] == 200


def all_are_ready_again(stack: Stack) -> None:
    for name in NEEDS:
        eventually(
            partial(is_ready, stack, name),
            seconds=BACK_SECONDS,
            what=f"a ready {name}",
            ignoring=httpx.HTTPError,
        )


def family(pid: int) -> list[int]:
    """A process and those that it started: PostgreSQL has one for each connection."""
    found = [pid]
    for other in processes.pids():
        fields = processes.stat(other)
        if fields is not None and int(fields[1]) == pid:
            found.append(other)
    return found


@contextmanager
def without_broker(stack: Stack) -> Iterator[None]:
    """Killed, and not started again within the block."""
    with stopped(stack.supervisor.pid):
        pid = stack.service("kafka")["pid"]
        os.kill(pid, 9)
        yield


def test_a_frozen_postgresql_is_told_by_all_who_need_it(services: Stack) -> None:
    with stopped(*family(services.service("postgres")["pid"])):
        say_that_it_is_away(services, "PostgreSQL")
    all_are_ready_again(services)


def test_a_frozen_broker_is_told_by_all_who_need_it(services: Stack) -> None:
    with stopped(services.service("kafka")["pid"]):
        say_that_it_is_away(services, "Kafka")
    all_are_ready_again(services)


def test_a_dead_broker_is_told_by_all_who_need_it(services: Stack) -> None:
    with without_broker(services):
        say_that_it_is_away(services, "Kafka")
    all_are_ready_again(services)


def test_no_log_of_an_outage_has_a_line_that_is_no_json(services: Stack) -> None:
    """After those above: nine of ten lines of an outage were none."""
    for name in NEEDS:
        text = (services.home.logs / f"{name}.log").read_text()
        others = [line for line in text.splitlines() if not re.fullmatch(r"\{.*\}", line)]
        assert others == [], name
