"""Every service as a real process: kill -9 and it is back, SIGTERM and it drains."""

import os
import signal

from tests.eventually import eventually
from tests.stack_fixtures import Stack
from winback.serve import Service
from winback.stack import processes

DRAIN_SECONDS = 30


def test_every_process_of_the_system_is_ready(services: Stack) -> None:
    status = services.status()
    assert status["ready"]
    names = [
        "kafka",
        "postgres",
        "smtp",
        "ingest",
        "detector",
        "signals",
        "console",
        "clock",
        "digest",
        "sequences",
        "mail",
    ]
    assert [service["name"] for service in status["services"]] == names


def test_services_drain_on_sigterm_within_their_time_and_are_started_again(services: Stack) -> None:
    pids = {name: services.wait_ready(name) for name in Service}
    for pid in pids.values():
        os.kill(pid, signal.SIGTERM)
    eventually(
        lambda: not any(processes.started(pid) for pid in pids.values()),
        seconds=DRAIN_SECONDS,
        what="the end of each",
    )
    for name, pid in pids.items():
        services.wait_ready(name, other_than=pid)
        assert f"{name}: ended with 0; starting it again" in services.log()


def test_a_killed_service_is_started_again(services: Stack) -> None:
    """That each one finds its place again is what the histories and the faults see."""
    killed = {name: services.kill(name) for name in (Service.CLOCK, Service.SEQUENCES)}
    for name, pid in killed.items():
        services.wait_ready(name, other_than=pid)


def test_services_outlive_a_kill_of_what_they_stand_on(services: Stack) -> None:
    for name in ("kafka", "postgres"):
        services.wait_ready(name, other_than=services.kill(name))
    for name in Service:
        services.wait_ready(name)
