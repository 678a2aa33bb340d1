"""Ticks to drafts and recoveries to stops, through real Kafka into real PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from services.sequences.app import CONSUMER, routes
from shared import consuming, db, ids, kafka
from shared.domain.letters import STEPS
from shared.events import (
    AnyEvent,
    CherryPickingFigures,
    Combo,
    DormantFigures,
    Resolution,
    SequenceDrafted,
    SequencesDue,
    SignalRecovered,
    SignalType,
)
from shared.settings import settings
from shared.topics import SEQUENCE_TICKS, SEQUENCES, SIGNALS, dead_letters_of
from tests.eventually import eventually
from tests.sequences.world import DRAFTED_AT, RUN_AT, RUN_DAY, World
from tests.stack_fixtures import Stack

WAIT_SECONDS = 90.0
DIGEST = "digest-1"

DORMANT = DormantFigures(
    days_inactive=120,
    last_ordered_on=date(2026, 7, 26),
    lifetime_revenue_cents=20_000_000,
    last_year_revenue_cents=9_000_000,
)
CHERRY = CherryPickingFigures(
    specialty_share_bps=8_350,
    specialty_revenue_cents=8_350_000,
    total_revenue_cents=10_000_000,
    estimated_upside_cents=1,
)


@dataclass(frozen=True)
class Running:
    """The consumer at work, and how to feed it."""

    publisher: kafka.Publisher
    failed: list[BaseException]

    def put(self, topic: str, value: bytes, *, organization: str, partition: int) -> None:
        """Publish, and wait until the consumer is past it."""
        offset = self.publisher.publish(
            topic, value, key=organization.encode(), partition=partition
        )

        def taken() -> bool:
            assert not self.failed, self.failed
            return self._position(topic, partition) > offset

        eventually(taken, what=f"a position behind {topic}/{partition}/{offset}")

    def tick(self, organization: str, *, run: int = 1, digest: str = DIGEST) -> None:
        due = SequencesDue(
            organization=organization, slot="slot", digest=digest, run=run, drafted_at=DRAFTED_AT
        )
        self.put(
            SEQUENCE_TICKS.name, msgspec.json.encode(due), organization=organization, partition=0
        )

    def recover(
        self,
        organization: str,
        account: str,
        *,
        resolution: Resolution,
        at: datetime,
        signal_type: SignalType = "lapse",
        od: str = "5.5",
        episode: int = 1,
    ) -> None:
        combo = Combo(od=od, grade="J55") if signal_type == "lapse" else None
        size = (combo.od, combo.grade) if combo else (None, None)
        event = SignalRecovered(
            id="x", organization=organization, account=account,
            signal=ids.signal_id(organization, account, signal_type, *size),
            signal_type=signal_type, combo=combo, episode=episode,
            opened_on=RUN_DAY, at=at, source_offset=2, run=None, closed_on=at.date(),
            resolution=resolution, order="SO-2",
        )  # fmt: skip
        self.put_signal(event)

    def put_signal(self, event: SignalRecovered) -> None:
        partition = kafka.partition_of(event.organization)
        self.put(
            SIGNALS.name,
            msgspec.json.encode(event),
            organization=event.organization,
            partition=partition,
        )

    @staticmethod
    def _position(topic: str, partition: int) -> int:
        with db.connect() as connection:
            return db.position(connection, consumer=CONSUMER, topic=topic, partition=partition)


@pytest.fixture(scope="module")
def running(stack: Stack) -> Iterator[Running]:
    """The service's own routes in the project's consume loop."""
    publisher, stop, failed = kafka.Publisher(), threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            with db.pool("winback_worker") as pool:
                consuming.consume(
                    consumer=CONSUMER,
                    routes=routes(publisher),
                    pool=pool,
                    publisher=publisher,
                    stop=stop,
                )
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    yield Running(publisher, failed)
    stop.set()
    thread.join(WAIT_SECONDS)
    publisher.close()
    assert not failed, failed


@pytest.fixture
def world(organization: str) -> World:
    return World(organization)


def published(topic: str, decode: Callable[[bytes], Any]) -> list[Any]:
    """Every record of a topic with one partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings().kafka,
            "group.id": "winback-test",
            "isolation.level": "read_committed",
        }
    )
    end = kafka.end_offset(topic, 0)
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[Any] = []

    def all_read() -> bool:
        message = consumer.poll(1) if len(found) < end else None
        if message is not None and message.error() is None:
            found.append(decode(message.value() or b""))
        return len(found) >= end

    eventually(all_read, what=f"{end} records of {topic}", pause=0)
    consumer.close()
    return found


def drafted(organization: str) -> list[SequenceDrafted]:
    events: list[AnyEvent] = published(SEQUENCES.name, msgspec.json.Decoder(SequenceDrafted).decode)
    return [
        event
        for event in events
        if isinstance(event, SequenceDrafted) and event.organization == organization
    ]


def states(world: World) -> dict[tuple[str, str], tuple[str, str | None]]:
    return {
        (row["signal_type"], row["account"]): (row["state"], row["reason"])
        for row in world.enrollments()
    }


def test_a_digest_gets_one_draft_per_active_type_with_its_contacts_and_their_own_history(
    running: Running, world: World
) -> None:
    world.run()
    world.account("permian", name="Permian Supply")
    contact = world.contact("permian", "purchasing@permian.example")
    world.order(
        "permian",
        date(2026, 8, 21),
        ("CSG", "five and a half", "jot", "500 ft", 1_842_000),
        ("C", None, None, None, -10),
    )
    world.order("permian", date(2026, 6, 1), ("CSG", "139.7 mm", "J-55", "480 ft", 1_842_000))
    world.order("permian", date(2026, 11, 20), ("CSG", "9 5/8", "P110", "300 ft", 900_000))
    world.order("permian", date(2026, 11, 24), ("CSG", "20", "X", "1 ft", 90_000_000))
    world.order(
        "permian", date(2026, 11, 19), ("CSG", "30", "X", "1 ft", 90_000_000), cancelled=True
    )
    world.lapse("permian")
    world.lapse("permian", grade="L80", cents=6_000_000)
    world.account("redwater")
    world.contact("redwater", "yard@redwater.example")
    world.signal("redwater", DORMANT)

    running.tick(world.organization)

    lapse, dormant = (
        ids.derived("sequence", world.organization, DIGEST, kind) for kind in ("lapse", "dormant")
    )
    assert drafted(world.organization) == [
        SequenceDrafted(
            organization=world.organization, sequence=dormant, digest=DIGEST, signal_type="dormant",
            name="Fully dormant, 23 Nov", drafted_at=DRAFTED_AT, steps=STEPS["dormant"],
        ),
        SequenceDrafted(
            organization=world.organization, sequence=lapse, digest=DIGEST, signal_type="lapse",
            name="Product lapse, 23 Nov", drafted_at=DRAFTED_AT, steps=STEPS["lapse"],
        ),
    ]  # fmt: skip
    of_dormant, of_lapse = world.enrollments()
    assert (of_dormant["account"], of_dormant["sequence"], of_dormant["state"]) == (
        "redwater",
        dormant,
        "enrolled",
    )
    assert of_dormant["variables"]["bought"] == "what you used to buy"
    assert of_lapse == {
        "sequence": lapse,
        "digest": DIGEST,
        "signal_type": "lapse",
        "account": "permian",
        "contact": contact,
        "state": "enrolled",
        "reason": None,
        "variables": {
            "account": "Permian Supply",
            "contact_name": "Ana Ruiz",
            "owner": "dk",
            "organization": world.organization.title(),
            "last_order": "21 August",
            "hold_until": "11 December",
            "confirmed": "",
            "bought": "5 1/2 J55 and 9 5/8 P110",
            "lapsed": "5 1/2 J55",
            "all_lapsed": "5 1/2 J55 and 5 1/2 L80",
            "months": "2",
            "usual_quantity": "490 ft",
        },
    }


def test_who_is_skipped_is_listed_with_the_reason(running: Running, world: World) -> None:
    world.run()
    for account, email in {
        "fine": "Fine@x.example",
        "no-email": None,
        "unsubscribed": "Out@x.example",
        "undeliverable": "Gone@x.example",
        "account-in-sequence": "a@x.example",
        "contact-in-sequence": "Shared@x.example",
    }.items():
        world.account(account)
        world.contact(account, email)
        world.lapse(account)
    world.account("no-contact")
    world.contact("no-contact", "second@x.example", primary=False)
    world.lapse("no-contact")
    world.suppress("out@x.example")
    for state in ("launched", "paused", "draft", "finished"):
        world.sequence(f"s-{state}", state)
    world.refused("gone@X.example")
    world.enrollment("s-paused", "account-in-sequence", "C-other", email="other@x.example")
    world.account("elsewhere")
    world.enrollment(
        "s-launched",
        "elsewhere",
        world.contact("elsewhere", "shared@x.example"),
        state="held",
        email="shared@X.example",
    )
    world.enrollment("s-launched", "fine", "C-fine-1", state="stopped", reason="reordered")
    world.enrollment("s-draft", "fine", "C-fine-1", state="enrolled")
    world.enrollment("s-finished", "fine", "C-fine-1", state="finished")

    running.tick(world.organization)

    drafts = {
        row["account"]: (row["state"], row["reason"])
        for row in world.enrollments()
        if row["digest"] == DIGEST
    }
    skipped = (
        "no-contact",
        "no-email",
        "unsubscribed",
        "undeliverable",
        "account-in-sequence",
        "contact-in-sequence",
    )
    assert drafts == {reason: ("skipped", reason) for reason in skipped} | {
        "fine": ("enrolled", None)
    }


def test_no_lost_and_paused_accounts_leave_the_drafts_and_a_type_without_others_has_none(
    running: Running, world: World
) -> None:
    world.run()
    later, before = DRAFTED_AT + timedelta(seconds=1), DRAFTED_AT - timedelta(seconds=1)
    pins: dict[str, dict[str, Any]] = {
        "pinned-no": {"enrollment": "no"},
        "lost": {"enrollment": "yes", "lost_at": before},
        "paused": {"enrollment": "yes", "paused_until": later},
        "pause-over": {"paused_until": before},
        "pinned-yes": {"enrollment": "yes"},
    }
    for account, changed in pins.items():
        world.account(account, **changed)
        world.contact(account, f"{account}@x.example")
        world.lapse(account)
    world.account("vip", enrollment="yes")
    world.contact("vip", "vip@x.example")
    world.signal("lost", CHERRY)

    running.tick(world.organization)

    assert states(world) == {
        ("lapse", "pause-over"): ("enrolled", None),
        ("lapse", "pinned-yes"): ("enrolled", None),
    }
    assert [event.signal_type for event in drafted(world.organization)] == ["lapse"]


def test_drafts_follow_what_the_digests_run_saw_and_is_still_active(
    running: Running, world: World
) -> None:
    world.run(4)
    world.run(5, as_of=RUN_DAY + timedelta(days=1), at=RUN_AT + timedelta(days=1))
    for account in ("seen", "seen-again", "recovered", "opened-later", "not-seen-since"):
        world.account(account)
        world.contact(account, f"{account}@x.example")
    world.lapse("seen", run=4)
    world.lapse("seen-again", run=5)
    world.lapse(
        "recovered", run=4, recovered_at=RUN_AT + timedelta(minutes=1), resolution="reordered"
    )
    world.lapse("opened-later", run=5, opened_on=RUN_DAY + timedelta(days=1))

    running.tick(world.organization, run=4)

    assert {account for _, account in states(world)} == {"seen", "seen-again"}


def test_a_tick_that_comes_again_changes_nothing(running: Running, world: World) -> None:
    world.run()
    world.account("permian")
    world.contact("permian", "p@x.example")
    world.lapse("permian")
    running.tick(world.organization)
    before, events = world.enrollments(), drafted(world.organization)
    world.account("late")
    world.contact("late", "late@x.example")
    world.lapse("late")

    running.tick(world.organization)

    assert world.enrollments() == before
    assert drafted(world.organization) == events


def test_the_next_digest_has_drafts_of_its_own(running: Running, world: World) -> None:
    world.run()
    world.account("permian")
    world.contact("permian", "p@x.example")
    world.lapse("permian")
    running.tick(world.organization, digest="digest-1")
    running.tick(world.organization, digest="digest-2")
    assert [(row["digest"], row["state"]) for row in world.enrollments()] == [
        ("digest-1", "enrolled"),
        ("digest-2", "enrolled"),
    ]
    assert len({event.sequence for event in drafted(world.organization)}) == 2


def test_an_order_that_answers_a_signal_stops_what_has_not_been_sent(
    running: Running, world: World
) -> None:
    world.run()
    for account in ("back", "still-gone", "corrected", "under-way"):
        world.account(account)
        world.contact(account, f"{account}@x.example")
        world.lapse(account)
    world.signal("back", CHERRY)
    named = ids.signal_id(world.organization, "under-way", "lapse", "5.5", "J55")
    world.enrollment("s-launched", "under-way", "C-under-way-1", signals=[named], episodes=[1])
    running.tick(world.organization)
    after = RUN_AT + timedelta(hours=4)

    running.recover(world.organization, "back", resolution="reordered", at=after)
    running.recover(world.organization, "corrected", resolution="correction", at=after)
    running.recover(world.organization, "under-way", resolution="reordered", at=after)

    under_way = {row["state"] for row in world.enrollments() if row["sequence"] == "s-launched"}
    assert under_way == {"stopped"}
    assert {key: value for key, value in states(world).items() if key[1] != "under-way"} == {
        ("cherry_picking", "back"): ("enrolled", None),
        ("lapse", "back"): ("stopped", "reordered"),
        ("lapse", "corrected"): ("enrolled", None),
        ("lapse", "still-gone"): ("enrolled", None),
    }


def test_a_recovery_from_before_the_run_that_comes_again_stops_nothing(
    running: Running, world: World
) -> None:
    world.run()
    world.account("permian")
    world.contact("permian", "p@x.example")
    world.lapse("permian")
    running.tick(world.organization)
    running.recover(
        world.organization, "permian", resolution="reordered", at=RUN_AT - timedelta(days=30)
    )
    assert states(world) == {("lapse", "permian"): ("enrolled", None)}


def test_a_skipped_account_stays_skipped_when_it_comes_back(running: Running, world: World) -> None:
    world.run()
    world.account("permian")
    world.lapse("permian")
    running.tick(world.organization)
    running.recover(
        world.organization, "permian", resolution="reordered", at=RUN_AT + timedelta(hours=1)
    )
    assert states(world) == {("lapse", "permian"): ("skipped", "no-contact")}


def test_ticks_of_unknown_organizations_are_passed_by_and_unreadable_ones_put_aside(
    running: Running, world: World
) -> None:
    dead = dead_letters_of(SEQUENCE_TICKS.name)
    before = len(published(dead, bytes))
    running.tick(f"{world.organization}-gone")
    assert len(published(dead, bytes)) == before
    running.put(SEQUENCE_TICKS.name, b"{not json", organization="x", partition=0)
    running.tick(world.organization, run=99)
    assert [value for value in published(dead, bytes)[before:] if b"not json" in value] == [
        b"{not json"
    ]
    assert len(published(dead, bytes)) == before + 2
    assert world.enrollments() == []


def test_a_signal_that_cannot_be_read_is_left_to_the_signals_service(
    running: Running, world: World
) -> None:
    before = len(published(dead_letters_of(SIGNALS.name), bytes))
    running.put(SIGNALS.name, b"\x00\xff", organization=world.organization, partition=0)
    assert len(published(dead_letters_of(SIGNALS.name), bytes)) == before
