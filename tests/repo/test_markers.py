"""`make test-fast` runs what needs no stack: the marker of the rest is derived, and held."""

import re

import pytest

from tests.repo.tree import files, name
from tests.stack_fixtures import Unmarked, start_stack

# a stack of their own, which no fixture tells; written so that this file does not find itself
STARTS = re.compile(r"= start_sta" + r'ck\(|"dev", "u' + r'p"|\bwith ri' + r"g\(")
BY_HAND = re.compile(r"mark\.sys" + r"tem\b")


def test_a_test_that_is_not_marked_cannot_start_a_stack(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("system") is None
    with pytest.raises(Unmarked, match=request.node.name):
        start_stack("--without-services")


def test_only_what_starts_a_stack_by_itself_is_marked_by_hand() -> None:
    starts = {
        name(path)
        for path in files("tests")
        if path.name.startswith("test_") and STARTS.search(path.read_text())
    } - {"tests/operations/test_drill_at_length.py"}  # its fixture is a `stack`, too
    by_hand = {name(path) for path in files("tests") if BY_HAND.search(path.read_text())}
    assert by_hand == starts
