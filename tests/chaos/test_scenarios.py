"""A short, fixed selection of the faults, on the stack that all tests share: `make chaos` does all
of them, for longer.
"""

from winback.chaos.scenarios import letters, pipeline, records
from winback.chaos.world import World


def test_ingest_is_killed_while_clients_send(world: World) -> None:
    pipeline.kill_ingest(world)
    assert world.machine.kills >= 2
    assert world.findings.all == []


def test_the_detector_is_killed_at_random_and_loses_its_disk(world: World) -> None:
    world.seconds = 8.0
    pipeline.kill_detector(world)
    assert world.machine.kills >= 1
    pipeline.wipe(world)
    world.machine.wait_ready("detector")
    assert world.findings.all == []


def test_the_signals_service_is_killed_and_sees_records_again(world: World) -> None:
    pipeline.kill_signals(world)
    assert world.machine.kills >= 1
    assert world.findings.all == []


def test_a_year_comes_shuffled_and_twice_after_live_orders(world: World) -> None:
    world.seconds = 0.0  # one story
    records.disorder(world)
    assert world.findings.all == []


def test_a_newer_producer_sends_fields_and_versions_that_nobody_knows(world: World) -> None:
    world.seconds = 0.0  # as fast as it goes
    records.mixed_producers(world)
    assert world.findings.all == []


def test_the_sender_of_letters_is_frozen_and_killed_at_the_dot(world: World) -> None:
    world.seconds = 15.0
    letters.kill_sender(world)
    assert world.machine.kills >= 1
    assert world.findings.all == []
