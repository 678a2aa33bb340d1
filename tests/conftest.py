"""For all tests: one real stack a session (tests/stack_fixtures.py), the marker of those that need
it, and limits.

A test is `system` when a fixture of its closure starts a stack: nobody has to say so, and nobody
can forget to. `start_stack` refuses to start one for a test that is not.

`make test` gives whole files to several workers (`--dist loadfile`), each with stacks of its own.
Files are given out in the order of collection: first those that take longest, so that no worker is
left alone with one at the end.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.stack_fixtures"]
settings.register_profile("tests", deadline=None)  # how long an example takes, a machine decides
settings.register_profile("fuzz", max_examples=5_000, deadline=None)
settings.load_profile("tests")

EVERY_SERVICE = "stack_with_services"
STACKS = frozenset({"stack", EVERY_SERVICE, "organizations", "mailbox"})
MINUTES = ("drill", "upgrade")  # markers of tests that may take many
MINUTES_SECONDS = 3600

# A broker that lives for minutes is compiled for longer than it runs: half of its start's work.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses among them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        long = any(item.get_closest_marker(name) for name in MINUTES)
        if long or STACKS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("system")
        if long:
            item.add_marker(pytest.mark.timeout(MINUTES_SECONDS))
    rank: dict[Path, int] = {}
    for item in items:
        rank[item.path] = min(rank.get(item.path, 2), _rank(item))
    items.sort(key=lambda item: rank[item.path])  # stable: the order in a file stays


def _rank(item: pytest.Item) -> int:
    """0 with every service, 1 with a stack, 2 without one."""
    if EVERY_SERVICE in getattr(item, "fixturenames", ()):
        return 0
    return 1 if item.get_closest_marker("system") else 2
