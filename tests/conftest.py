"""Fixtures for all tests: one real stack a session (tests/stack_fixtures.py); `make fuzz` looks
longer than `make test`.
"""

from hypothesis import settings

pytest_plugins = ["tests.stack_fixtures"]
settings.register_profile("fuzz", max_examples=5_000, deadline=None)
