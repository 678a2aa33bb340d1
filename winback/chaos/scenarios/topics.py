"""Topics that are deleted and made anew: offsets of the old one mean nothing in the new one. What
hangs on them says so and stops rather than pass records by; what does not starts over.
"""

import itertools
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shared import kafka, kafka_access
from shared.partitions import partition_of
from shared.settings import settings
from shared.topics import ORDERS, STATE_CHANGELOG
from winback.chaos import oracles
from winback.chaos.history import History
from winback.chaos.scenarios import Scenario
from winback.chaos.world import World

STEPS = 40
SAID = "was deleted and made anew"
SAYING_SECONDS = 90.0


def make_anew(world: World) -> None:
    """The changelog first: the detector starts over from `orders`. Then `orders`, the truth:
    detector and signals service stop and say why, at every start again, and not one row changes.
    """
    teller = world.teller()
    teller.tell(itertools.islice(world.story(1).steps(), STEPS))
    oracles.settle(teller.history)
    changelog_anew(world, teller.history)
    orders_anew(world, teller.history)


def changelog_anew(world: World, history: History) -> None:
    """Its topic is gone, the detector's disk is not: what is on it must not pass for saved."""
    pid = world.machine.kill("detector")
    killed_at = time.monotonic()
    world.machine.wait_gone(pid)
    again(STATE_CHANGELOG)
    world.machine.kill("detector")  # the one that came back meanwhile may have seen the old one
    world.wait_until(
        lambda: kafka.end_offset(STATE_CHANGELOG, partition_of(history.organization)) > 0
    )
    world.recovered(since=killed_at)
    oracles.settle(history)
    found = oracles.settled(history)
    world.figures["after a new changelog"] = f"{len(found.all)} differences"
    world.findings.add(found)


def orders_anew(world: World, history: History) -> None:
    """Nothing can be right but to stop: rows of PostgreSQL and the state remember
    offsets of the old log.
    """
    logs = {name: world.machine.home.logs / f"{name}.log" for name in ("detector", "signals")}
    before = {name: log.read_text().count(SAID) for name, log in logs.items()}
    rows = oracles.fingerprint(history.organization)
    again(ORDERS.name)
    publisher = kafka.Publisher()
    for partition in range(settings().partitions):  # records at offsets that the old log had too
        for _ in range(3):
            publisher.publish(ORDERS.name, b"{}", partition=partition)
    publisher.close()
    asked_at, waiting = time.monotonic(), set(logs)
    while waiting and time.monotonic() - asked_at < SAYING_SECONDS:
        waiting = {name for name in waiting if logs[name].read_text().count(SAID) == before[name]}
        time.sleep(0.2)
    world.recoveries.append(time.monotonic() - asked_at)
    world.findings.lost += [
        f"H: {name} did not notice that {ORDERS.name} is another topic" for name in waiting
    ]
    if oracles.fingerprint(history.organization) != rows:
        world.findings.differing.append("H: rows changed under a topic that is another one")
    world.figures["stopped and said why"] = f"{len(logs) - len(waiting)} of {len(logs)}"


def again(topic: str) -> None:
    """Delete it, and make it as `winback topics` does."""
    admin = AdminClient(kafka_access.client())
    admin.delete_topics([topic])[topic].result(30)
    until = time.monotonic() + 30
    while topic not in kafka_topics(admin):
        try:
            kafka.create_topics()
        except KafkaException:  # still being deleted
            assert time.monotonic() < until, f"{topic} cannot be made again"
        time.sleep(0.1)


def kafka_topics(admin: AdminClient) -> set[str]:
    return set(admin.list_topics(timeout=10).topics)


SCENARIOS = (
    Scenario(
        name="topics-anew",
        number=2,
        does="changelog, then orders deleted and made anew",
        run=make_anew,
        own_machine=True,
    ),
)
