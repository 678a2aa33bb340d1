"""Things go wrong on the running system, and the real Prometheus sees it, and sees it mended. The
slow ones: `make drill`.
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import msgspec
import pytest

from ops import dashboards
from shared import clock, kafka
from shared.events import SequencesDue
from shared.topics import ACCOUNTS, SEQUENCE_TICKS
from tests.eventually import eventually
from tests.operations.prometheus import Alert, Prometheus, faster, watching
from tests.operations.test_dashboards import chosen
from tests.operations.world import World, again_and_again, frozen
from tests.stack_fixtures import Stack, pointed_to

RUN = """
INSERT INTO runs (organization, number, as_of, settings_version, reason, requested_at)
VALUES (%s, %s, current_date, 1, 'digest', now() - interval '3 hours')
"""
SLOT = """
INSERT INTO slots (organization, kind, slot_at, fired_at, run)
VALUES (%s, 'digest', now() - %s, now() - %s, 1)
"""
FEED = """
INSERT INTO feeds (organization, last_accepted_at, last_ordered_on)
VALUES (%s, now() - interval '40 hours', current_date - 2)
"""

RIGHTLY_EMPTY = {
    'sum by (alertname) (ALERTS{alertstate="firing"})',  # while all is well
    # before the first of it:
    'time() - min(winback_round_trip_timestamp_seconds{instance=~"$instance"} > 0)',
    'time() - max by (store) (winback_backup_timestamp_seconds{instance=~"$instance"})',
    'time() - max(winback_history_timestamp_seconds{instance=~"$instance"} > 0)',
}


@pytest.fixture(scope="module")
def prometheus(
    stack_with_services: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    with watching(stack_with_services, tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.fixture(scope="module")
def busy(stack_with_services: Stack) -> Iterator[None]:
    """Of a day's work: orders that are taken, refused and nobody's, a run that finds something, a
    digest with its drafts. What the audit says of it comes within a minute, so this is begun before
    what goes wrong.
    """
    with pointed_to(stack_with_services):
        world = World(stack_with_services)
        assert world.post(revenue="a lot") == 422
        assert world.post(revenue="250000.00", days_ago=200) == 202
        world.order_of_nobody()
        stack_with_services.winback(
            "member",
            "add",
            world.organization,
            f"panels-{world.organization}@example.com",
            "--digest",
        )
        world.nightly()
        world.execute(SLOT, world.organization, timedelta(), timedelta())
    yield
    with pointed_to(stack_with_services):
        world.close()


@pytest.fixture
def world(services: Stack) -> Iterator[World]:
    made = World(services)
    yield made
    made.close()


def test_only_times_are_divided() -> None:
    rule = {
        "alert": "X",
        "expr": "rate(a_total[15m]) / 3600 > 0.05 and b > 36 * 3600 and c > 14.4 * 0.001",
        "for": "5m",
        "labels": {"severity": "page"},
    }
    assert faster(rule, 60) == rule | {
        "expr": "rate(a_total[15000ms]) / 3600 > 0.05 and b > 36 * 60 and c > 14.4 * 0.001",
        "for": "5000ms",
    }


def test_what_goes_wrong_is_seen_to_fire_and_to_clear(
    services: Stack, prometheus: Prometheus, world: World, busy: None
) -> None:
    """All at once: they do not know of each other."""
    slow, dropped, refused = (
        f"{name}-{world.organization}@example.com" for name in ("slow", "dropped", "refused")
    )
    for recipient, answer, times in (
        (slow, "450 4.2.1 busy", None),
        (dropped, "drop", 1),
        (refused, "550 5.1.1 unknown", None),
    ):
        services.mailbox.answer(recipient, answer, times)
    owner = world.organization
    wrong = [
        Alert("DeadLetters", topic="accounts"),
        Alert("RecordsSkipped", topic="orders"),
        Alert("OrdersRefused", source="http"),
        Alert("FeedStale", organization=owner),
        Alert("ServiceDown", service="sequences"),
        Alert("ConsumerStuck", consumer="sequences"),
        Alert("RunLate"),
        Alert("DigestLate"),
        Alert("DigestMissed", kind="digest"),
        Alert("OutboxOld"),
        Alert("MailAmbiguous"),
        Alert("MailsBounce"),
        Alert("DigestsSlow"),
    ]
    prometheus.wait_until_all_clear(wrong)

    with (
        frozen(services, "sequences", "detector"),
        again_and_again(lambda: world.post(revenue="a lot"), every=0.3),
        again_and_again(world.order_of_nobody, every=2.0),
    ):
        world.publisher.publish(
            ACCOUNTS.name, b"{", key=b"broken", partition=kafka.partition_of(owner)
        )
        due = SequencesDue(organization=owner, slot="s", digest="d", run=1, drafted_at=clock.now())
        world.publisher.publish(SEQUENCE_TICKS.name, msgspec.json.encode(due), partition=0)
        world.execute(FEED, owner)
        world.execute(RUN, owner, 1)
        for hours in (3, 25):
            world.execute(SLOT, owner, timedelta(hours=hours), timedelta(hours=hours))
        for recipient in (slow, dropped, refused):
            world.mail(recipient, slot_at=clock.now() - timedelta(hours=1))
        prometheus.wait_until_all_fired(wrong)

    for recipient in (slow, dropped, refused):
        services.mailbox.answer(recipient, "")
    world.execute("UPDATE digest_mails SET next_attempt_at = now() WHERE organization = %s", owner)
    for _ in range(40):  # so that what bounced and what was late is a small share of the day
        world.mail(f"good-{owner}@example.com")
    assert world.post() == 202
    services.wait_ready("detector")
    prometheus.wait_until_all_clear(wrong)


def test_every_panel_of_the_dashboards_has_something_to_show(
    prometheus: Prometheus, busy: None
) -> None:
    for query in dashboards.queries():
        if query not in RIGHTLY_EMPTY:
            eventually(
                partial(prometheus.query, chosen(query)),
                what=f"a series of {query}",
                pause=0.5,
            )
