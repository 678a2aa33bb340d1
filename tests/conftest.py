"""Fixtures for all tests: one real stack a session (tests/stack_fixtures.py)."""

pytest_plugins = ["tests.stack_fixtures"]
