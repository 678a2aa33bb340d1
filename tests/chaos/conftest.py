"""A world on the stack in which every service runs; each test tells an organization of its own."""

import itertools

import pytest

from tests.stack_fixtures import Stack
from winback.chaos import oracles
from winback.chaos.history import History
from winback.chaos.machine import Machine
from winback.chaos.world import World

STEPS = 24  # settings, the history, the first run and some days


@pytest.fixture
def world(services: Stack) -> World:
    services_ready = Machine(services.home, services.env)
    services_ready.wait_ready()
    return World(services_ready, "tested", seed=11, seconds=4.0)


@pytest.fixture
def told(world: World) -> History:
    """A story was told, nothing happened to the system, and everything has settled."""
    teller = world.teller()
    teller.tell(itertools.islice(world.story(1).steps(), STEPS))
    oracles.settle(teller.history)
    return teller.history
