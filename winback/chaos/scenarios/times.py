"""Time: a clock that goes back, jumps ahead, crosses daylight saving and a leap day; ten thousand
ticks; two of everything.

The clock process gets its time from the injected offset. What should have fired is worked out here
minute by minute, without the rules of `shared/domain/cadence.py`.
"""

import signal
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from services.signals.store import organizations, recipients, slots
from shared import clock, db, kafka
from shared.events import DigestDue
from shared.ids import derived
from shared.topics import DIGEST_TICKS
from winback.chaos import oracles, store
from winback.chaos.machine import freeze, wake
from winback.chaos.scenarios import Scenario
from winback.chaos.scenarios.mails import address, done, fire
from winback.chaos.world import World

ZONE = "America/Chicago"
HOURS: dict[slots.Kind, int] = {
    "nightly": 2,
    "digest": 1,
}  # the first is skipped in spring, the second comes twice in autumn
NEAR = timedelta(hours=12)
LOOKED_SECONDS = 3.0  # the clock looks every second
TICKS = 10_000
FROZEN_SECONDS = 130.0  # past the lease of a mail
SILENT_SECONDS = 20.0  # past what PostgreSQL waits for a silent leader


def walk(world: World) -> None:
    """9: the machine's clock goes where it should not; two clock processes look at it."""
    history, _ = world.organization(timezone=ZONE)
    name = history.organization
    start = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
    with db.connect() as connection:
        organizations.set_member(connection, name, address(name, 0), "owner")
        recipients.add(connection, name, address(name, 0), added_by="chaos")
        anchor = start.astimezone(ZoneInfo(ZONE)).date() - timedelta(days=30)
        for kind, hour in HOURS.items():
            slots.set_schedule(
                connection,
                name,
                kind,
                frequency="daily",
                hour=hour,
                anchor_on=anchor,
                since=start - timedelta(days=2),
            )
    expected: dict[tuple[str, datetime], bool] = {}
    last: dict[str, datetime] = {}
    for at in moments(start):
        for kind, hour in HOURS.items():
            slot = latest(at, hour)
            if slot > start - timedelta(days=2) and slot > last.get(kind, slot - timedelta(1)):
                last[kind] = slot
                expected[kind, slot] = following(at, hour) - at < NEAR
        look_at(world, name, at, wanted=len(expected))
    with db.connect() as connection:
        fired = {(kind, at): why is not None for kind, at, why in store.slots(connection, name)}
    for key in expected.keys() | fired.keys():
        if expected.get(key) != fired.get(key):
            world.findings.differing.append(
                f"M {name}: slot {key}: expected {expected.get(key)}, "
                f"there is {fired.get(key)} (dropped?)"
            )
    world.wait_until(lambda: done([name]))
    world.findings.add(oracles.delivered(name, world.machine.url("smtp"))[0])
    world.figures["fired / expected"] = f"{len(fired)} / {len(expected)}"
    world.figures["moments"] = str(len(moments(start)))


def moments(start: datetime) -> list[datetime]:
    """What the wall shows, one after the other."""

    def utc(year: int, month: int, day: int, hour: int, minute: int) -> datetime:
        return datetime(year, month, day, hour, minute, tzinfo=UTC)

    return [
        start,
        start - timedelta(hours=1),
        start,
        start + timedelta(days=2),
        start + timedelta(days=2) - timedelta(hours=1),
        start + timedelta(days=5),  # three days of outage
        utc(2027, 3, 14, 7, 30),  # half past one, before the gap
        utc(2027, 3, 14, 8, 5),  # after it
        utc(2027, 11, 7, 6, 30),  # half past one, the first
        utc(2027, 11, 7, 7, 30),  # and again
        utc(2027, 11, 7, 8, 30),
        utc(2028, 2, 29, 9, 0),
        utc(2028, 3, 1, 9, 0),
    ]


def latest(at: datetime, hour: int) -> datetime:
    """The last time at or before `at` at which clocks reached `hour` on some day: found
    by walking its minutes.
    """
    day = at.astimezone(ZoneInfo(ZONE)).date()
    found = [reached(day - timedelta(days=back), hour) for back in (0, 1)]
    return max(one for one in found if one <= at)


def following(at: datetime, hour: int) -> datetime:
    """The first after `at`."""
    day = at.astimezone(ZoneInfo(ZONE)).date()
    return min(
        one for ahead in (0, 1, 2) if (one := reached(day + timedelta(days=ahead), hour)) > at
    )


def reached(day: date, hour: int) -> datetime:
    """The first minute of `day` in the zone at which its clocks show `hour` or later."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    while True:
        local = at.astimezone(ZoneInfo(ZONE))
        if local.date() == day and local.hour >= hour:
            return at
        at += timedelta(minutes=1)


def look_at(world: World, name: str, at: datetime, *, wanted: int) -> None:
    """Two clock processes see this time; once they have looked, and what is due went out, one is
    asked to end, one killed.
    """
    offset = str((at - datetime.now(UTC)).total_seconds())
    both = [
        world.machine.start("clock", f"clock-{number}", clock_offset_seconds=offset)
        for number in range(2)
    ]
    until = time.monotonic() + 40
    for one in both:
        one.wait_ready()
    time.sleep(LOOKED_SECONDS)

    def settled() -> bool:
        with db.connect() as connection:
            there = store.digest_slots(connection, name)
            return len(store.slots(connection, name)) >= wanted and all(
                ticked or why for _, ticked, _, why in there
            )

    while not settled() and time.monotonic() < until:
        time.sleep(0.1)
    world.machine.end(both[0])
    world.machine.end(both[1], signal.SIGKILL)


def many_ticks(world: World) -> None:
    """10: the same ticks again and again, as after crashes between Kafka and the row: one digest
    for each slot.
    """
    count = max(10, min(100, int(world.seconds)))
    names = [world.organization()[0].organization for _ in range(count)]
    slot_at = clock.now().replace(microsecond=0)
    ticks = []
    for name in names:
        with db.connect() as connection:
            organizations.set_member(connection, name, address(name, 0), "owner")
            recipients.add(connection, name, address(name, 0), added_by="chaos")
            slots.fire(connection, name, "digest", slot_at, fired_at=slot_at, dropped=None)
            connection.execute(
                slots.SET_TICKED, {"organization": name, "slot_at": slot_at, "at": slot_at}
            )
        slot = derived("slot", name, "digest", slot_at.isoformat())
        ticks.append(
            DigestDue(
                organization=name,
                slot=slot,
                digest=derived("digest", name, slot),
                slot_at=slot_at,
                run=None,
            )
        )
    publisher = kafka.Publisher(linger_ms=5)
    began = time.monotonic()
    sends = [
        publisher.send(
            DIGEST_TICKS.name,
            msgspec.json.encode(ticks[number % count]),
            key=ticks[number % count].organization.encode(),
            partition=0,
        )
        for number in range(TICKS)
    ]
    publisher.confirm(sends)
    publisher.close()
    end = kafka.end_offset(DIGEST_TICKS.name, 0)

    def caught_up() -> bool:
        with db.connect() as connection:
            return store.positions(connection, "digest", DIGEST_TICKS.name).get(0, 0) >= end

    world.recovered_when(caught_up, since=began)
    world.wait_until(lambda: done(names))
    copies = 0
    for name in names:
        found, seen = oracles.delivered(name, world.machine.url("smtp"))
        world.findings.add(found)
        copies += sum(seen.values())
    world.figures["ticks"] = f"{TICKS:,}"
    world.figures["digests per slot"] = f"{copies / count:.2f}"


def two_of_everything(world: World) -> None:
    """11: a second process of each service; the leading clock and a sender of mail
    frozen while slots fire.
    """
    services = ("ingest", "detector", "signals", "console", "clock", "digest", "sequences", "mail")
    for service in services:
        own = (
            {"detector_id": "second", "state_dir": str(world.machine.home.path / "second")}
            if service == "detector"
            else {}
        )
        world.machine.start(service, f"second-{service}", **own)
    for one in world.machine.further:
        one.wait_ready()
    frozen = min(FROZEN_SECONDS, max(SILENT_SECONDS, world.seconds * 0.5))
    with world.telling(2):
        names = [world.organization()[0].organization for _ in range(6)]
        for name in names[:3]:
            fire(name, [address(name, number) for number in range(3)])
        world.pause(0.2, 1.5)
        pids = [world.machine.living(name) for name in ("clock", "digest")]
        for pid in pids:
            freeze(pid)
        frozen_at = time.monotonic()
        for name in names[3:]:
            fire(name, [address(name, number) for number in range(3)])
        time.sleep(frozen)
        for pid in pids:
            wake(pid)
        world.recovered(since=frozen_at)
        world.wait_until(lambda: done(names))
    url, total = world.machine.url("smtp"), 0
    for name in names:
        found, seen = oracles.delivered(name, url)
        world.findings.add(found)
        total += sum(seen.values())
        with db.connect() as connection:
            if (there := len(store.digest_slots(connection, name))) != 1:
                world.findings.doubled.append(f"M {name}: {there} slots where one was due")
    world.machine.end_further()
    world.figures["frozen, s"] = f"{frozen:.0f}"
    world.figures["sends per slot and recipient"] = f"{total / (len(names) * 3):.2f}"


SCENARIOS = (
    Scenario(
        name="clocks", number=9,
        does="a clock that goes back and ahead, daylight saving, a leap day",
        run=walk, own_machine=True, options=("--without", "clock"),
    ),
    Scenario(name="ticks", number=10, does="10,000 ticks at once", run=many_ticks),
    Scenario(
        name="two-of-everything", number=11, does="two of every process, the leader frozen",
        run=two_of_everything,
    ),
)  # fmt: skip
