"""A tenant and a worker's connection, as the other tests of the signals service have them."""

from tests.signals.conftest import connection, tenant  # noqa: F401 # fixtures
