"""Mail: the sender killed after the final dot, and what servers answer. A digest is never lost;
what is ambiguous goes out again once, with the same Message-ID.
"""

import json
import time
import urllib.request
from collections import Counter
from datetime import timedelta
from functools import partial

from services.signals.store import organizations, recipients, slots
from shared import clock, db
from winback.chaos import oracles, store
from winback.chaos.erp import insist
from winback.chaos.scenarios import Scenario
from winback.chaos.world import World

DIGEST_KILLS = 20
DIGESTS = 12
RECIPIENTS = 6
HELD_SECONDS = 4.0
WAITING = ("queued", "retry", "sending", "unknown")
MOST_AMBIGUOUS = 2  # answers that were lost: then a person has to look

# recipient -> what the server says to it, how many times; what must have become of the mail: state,
# copies at the sink.
CLASSES: dict[str, tuple[str, int | None, str, int]] = {
    "taken": ("", None, "sent", 1),
    "421": ("421 4.3.2 closing", 1, "sent", 1),
    "450": ("450 4.2.1 busy", 2, "sent", 1),
    "550": ("550 5.1.1 nobody here", None, "bounced", 0),
    "dropped-after-dot": ("drop", 1, "sent", 2),
    "stalled": ("stall 5", 1, "sent", 1),
    # past the minute that a sender waits for an answer
    "stalled-longer": ("stall 70", 1, "sent", 2),
}
LONG_ENOUGH_SECONDS = 90.0


def kill_sender(world: World) -> None:
    """4: the server keeps a mail and holds its answer; then the process is killed. Leases run out
    two minutes later, which are not waited for: the rows of the dead are told that they passed.
    """
    url = world.machine.url("smtp")
    names = [world.organization()[0].organization for _ in range(DIGESTS)]
    for name in names:
        for number in range(RECIPIENTS):
            answer(url, address(name, number), f"hold {HELD_SECONDS}", times=1)
        fire(name, [address(name, number) for number in range(RECIPIENTS)])
    until, kills = time.monotonic() + world.seconds, 0
    while kills < DIGEST_KILLS and time.monotonic() < until:
        known = count(url, names)
        world.wait_until(partial(went_on, url, names, known))
        if done(names):
            break
        pid = world.machine.kill("digest")
        killed_at, kills = time.monotonic(), kills + 1
        world.machine.wait_gone(pid)
        run_out(names)
        kept = count(url, names)
        world.recovered_when(partial(went_on, url, names, kept), since=killed_at)
    for name in names:
        for number in range(RECIPIENTS):
            answer(url, address(name, number), "")
    held_until = time.monotonic() + 60
    while not done(names) and time.monotonic() < held_until:
        time.sleep(0.5)
    copies: Counter[str] = Counter()
    for name in names:
        found, seen = oracles.delivered(name, url)
        world.findings.add(found)
        copies += seen
    doubles = sum(1 for times in copies.values() if times > 1)
    world.figures["missing"] = str(len(world.findings.lost))
    world.figures["doubles per 1,000"] = f"{1000 * doubles / max(1, len(copies)):.0f}"


def answers_of_servers(world: World) -> None:
    """13: one recipient of each class in every digest."""
    url = world.machine.url("smtp")
    classes = {
        name: what
        for name, what in CLASSES.items()
        if world.seconds > LONG_ENOUGH_SECONDS or name != "stalled-longer"
    }
    names = [world.organization()[0].organization for _ in range(3)]
    for name in names:
        for kind, (said, times, _, _) in classes.items():
            answer(url, f"{kind}@{name}.example", said, times)
        fire(name, [f"{kind}@{name}.example" for kind in classes])
    world.recovered_when(lambda: done(names), since=time.monotonic())
    attempts: Counter[str] = Counter()
    for name in names:
        found, _ = oracles.delivered(
            name,
            url,
            refused={f"{kind}@{name}.example" for kind, what in classes.items() if not what[3]},
        )
        world.findings.add(found)
        with db.connect() as connection:
            rows = store.mails(connection, name)
        for email, state, tried, _, reply in rows:
            kind = email.partition("@")[0]
            attempts[kind] += tried
            wanted, copies = classes[kind][2:]
            there = len(oracles.at_the_sink(url, email))
            if (state, there) != (wanted, copies):
                world.findings.differing.append(
                    f"M {name}: {kind} is {state} ({reply}), {there} copies; not {wanted}, {copies}"
                )
    world.figures["attempts by class"] = ", ".join(
        f"{kind} {attempts[kind] / len(names):.1f}" for kind in classes
    )


# -- digests ---------------------------------------------------------------------------------------


def address(organization: str, number: int) -> str:
    """Of the n-th recipient."""
    return f"r{number}@{organization}.example"


def fire(organization: str, emails: list[str]) -> None:
    """Recipients, and a daily schedule whose latest firing was within this hour: the clock makes up
    for it at once.
    """

    def set_up() -> None:
        now = clock.now()
        with db.connect() as connection:
            for email in emails:
                organizations.set_member(connection, organization, email, "member")
                recipients.add(connection, organization, email, added_by="chaos")
            slots.set_schedule(
                connection,
                organization,
                "digest",
                frequency="daily",
                hour=now.hour,
                anchor_on=now.date() - timedelta(days=7),
                since=now - timedelta(days=2),
            )

    insist(set_up)


def done(names: list[str]) -> bool:
    """Every one of them has a digest, and no mail waits for anything but a person."""
    with db.connect() as connection:
        for name in names:
            mails = store.mails(connection, name)
            if not mails or any(
                state in WAITING and ambiguous < MOST_AMBIGUOUS
                for _, state, _, ambiguous, _ in mails
            ):
                return False
    return True


def went_on(url: str, names: list[str], known: int) -> bool:
    """More mails are at the sink than were, or none is to come."""
    return count(url, names) > known or done(names)


def run_out(names: list[str]) -> None:
    """The leases of a dead sender."""

    def pass_time() -> None:
        with db.connect() as connection:
            for name in names:
                store.leases_run_out(connection, name)

    insist(pass_time)


def count(url: str, names: list[str]) -> int:
    """Mails at the sink for all of them."""
    with urllib.request.urlopen(f"{url}/api/messages", timeout=20) as answered:  # noqa: S310  # our own sink
        messages = json.load(answered)["messages"]
    suffixes = tuple(f"@{name}.example" for name in names)
    return sum(1 for one in messages if any(to.endswith(suffixes) for to in one["recipients"]))


def answer(url: str, recipient: str, said: str, times: int | None = None) -> None:
    """What the sink says to a recipient from now on; nothing special with ""."""
    body = json.dumps({"recipient": recipient, "answer": said, "times": times}).encode()
    request = urllib.request.Request(f"{url}/api/answers", data=body, method="PUT")  # noqa: S310  # our own sink
    urllib.request.urlopen(request, timeout=20).close()  # noqa: S310 # our own sink


SCENARIOS = (
    Scenario(
        name="sender-kills",
        number=4,
        does="kill -9 of the digest after the final dot, before the row",
        run=kill_sender,
    ),
    Scenario(
        name="mail-answers",
        number=13,
        does="421, 450, 550, dropped after the dot, stalled",
        run=answers_of_servers,
    ),
)
