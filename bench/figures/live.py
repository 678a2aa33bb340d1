"""Live: orders over HTTP, and how long after its 2xx an order's recovery is in
PostgreSQL and in the console.
"""

import http.client
import json
import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import msgspec

from bench.figure import Found, Measured, Plain, Result, Side, Target
from bench.figures.persist import emptied, owner, persisted, signals
from bench.measured_process import Failed, Watched, together
from bench.rig import Rig, free_port, make_organization, record_of
from bench.workload import ACCEPTED_AT, ALL_TYPES, encode
from services.ingest import blocks
from services.ingest.access import token_hash
from services.signals.store.sign_in import hashed
from shared import clock, db
from shared.domain.orders import content_hash
from shared.events import Line, Order, RunRequested
from shared.partitions import partition_of
from shared.topics import ORDERS

ORGANIZATION = "bench-live"
BATCHES, BATCH_ORDERS, SINGLES = 400, 100, 3_000
CONNECTIONS = 8
ORDERS_A_SECOND = 50.0
RECOVERIES = 500
SEEN = 10
SEEN_EVERY_SECONDS = 2.5
START_SECONDS = 90.0
QUIET_DAYS = 200


@dataclass(frozen=True)
class Door:
    """A server that takes orders."""

    process: Watched
    port: int
    token: str


def token_of(organization: str) -> str:
    """A token that may write orders."""
    token = f"wb_bench_{time.monotonic_ns()}"
    with db.connect() as connection:
        connection.execute(
            "INSERT INTO tokens (token_hash, organization, name, scopes) VALUES (%s, %s, %s, %s)",
            (token_hash(token), organization, token, ["orders:write"]),
        )
    return token


def ready(process: Watched, port: int) -> None:
    """Until it says so."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        if process.process.poll() is not None or time.monotonic() > until:
            raise Failed(f"not ready\n{process.said()}")
        time.sleep(0.05)


def bodies(batches: int, each: int) -> list[bytes]:
    """Orders as an ERP sends them; one by itself is no list."""
    found = []
    for batch in range(batches):
        orders = [
            body(f"H{batch}-{number}", f"A-{(batch * each + number) % 500}", "1250.00")
            for number in range(each)
        ]
        found.append(json.dumps(orders if each > 1 else orders[0]).encode())
    return found


def body(order: str, account: str, revenue: str) -> dict[str, object]:
    """One order of three lines, of today."""
    lines = [
        {"product": f"PIPE-{od}", "od": od, "grade": "J55", "quantity": "120", "revenue": revenue}
        for od in ("4.5", "5.5", "7")
    ]
    return {
        "order": order,
        "account": account,
        "ordered_on": clock.now().date().isoformat(),
        "revision": 1,
        "lines": lines,
    }


def posted(door: Door, waiting: Sequence[bytes], orders: int) -> Measured:
    """All of them over a few connections that stay open. Raises Failed for any answer but 202."""
    left = iter(waiting)
    lock, wrong = threading.Lock(), list[str]()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
        while not wrong:
            with lock:
                one = next(left, None)
            if one is None:
                break
            connection.request(
                "POST",
                "/v1/orders",
                one,
                {"Authorization": f"Bearer {door.token}", "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 202:
                wrong.append(f"{answer.status} {said[:300]!r}")
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    door.process.mark()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise Failed(f"{door.process.name}: {wrong[0]}")
    return door.process.measured(orders)


def checked(rig: Rig, door: Door, waiting: Sequence[bytes], orders: int) -> Measured:
    """Ours. Raises Failed where 202 was said for orders that are not all in the log."""
    held = in_log(rig)
    measured = posted(door, waiting, orders)
    if in_log(rig) - held != orders:
        raise Failed(f"{in_log(rig) - held} of {orders} orders stand in the log")
    return measured


def in_log(rig: Rig) -> int:
    """Orders in the topic."""
    return sum(value.count(b'"counts_on":') for value in rig.broker.values(ORDERS.name))


def ingest(rig: Rig) -> list[Result]:
    """`POST /v1/orders`, in batches of 100 and singly, against a route that parses and returns."""
    make_organization(ORGANIZATION)
    rig.broker.make(ORDERS.name, partitions=rig.partitions)
    found: list[Result] = []
    with ExitStack() as opened:
        mine, theirs = free_port(), free_port()
        ours = Door(
            opened.enter_context(
                rig.winback("serve", "ingest", env={"WINBACK_INGEST_PORT": str(mine)})
            ),
            mine,
            "",
        )
        ours = Door(ours.process, mine, token_of(ORGANIZATION))
        bare = Door(opened.enter_context(rig.peer("bare_http", str(theirs))), theirs, "-")
        for door in (ours, bare):
            ready(door.process, door.port)
        for title, each, count in (
            ("HTTP ingest, batches of 100", BATCH_ORDERS, max(10, int(BATCHES * rig.scale))),
            ("HTTP ingest, one by one", 1, max(50, int(SINGLES * rig.scale))),
        ):
            waiting, orders = bodies(count, each), count * each
            posted(ours, waiting[:10], 1)  # its tokens are known, its connections open

            found += rig.rounds.compare(
                "http",
                title=title,
                unit="orders/s",
                ours=Side(
                    name="winback serve ingest", run=partial(checked, rig, ours, waiting, orders)
                ),
                references=[
                    Side(
                        name="FastAPI parses and returns",
                        run=partial(posted, bare, waiting, orders),
                        target=Target(compares="rate", bound=0.5, moonshot=0.8),
                    )
                ],
                note=f"{CONNECTIONS} connections of one client in Python, three lines an order",
            )
    return found


def latency(rig: Rig) -> list[Found]:
    """From an order's 2xx to its recovery in PostgreSQL, against produce → consume; then to the
    console's event.
    """
    count = max(40, int(RECOVERIES * rig.scale))
    make_organization(ORGANIZATION)
    emptied()
    rig.broker.make(ORDERS.name, partitions=rig.partitions)
    rig.forget_detector()
    with ExitStack() as opened:
        port, console_port = free_port(), free_port()
        door = opened.enter_context(
            rig.winback("serve", "ingest", env={"WINBACK_INGEST_PORT": str(port)})
        )
        console = opened.enter_context(
            rig.winback("serve", "console", env={"WINBACK_CONSOLE_PORT": str(console_port)})
        )
        detector, process = opened.enter_context(rig.detector()), opened.enter_context(signals(rig))
        ready(door, port)
        ready(console, console_port)
        detector.wait_for('"partition owned"', count=rig.partitions)
        process.wait_for("partitions assigned")
        ours = Door(door, port, token_of(ORGANIZATION))
        rounds: list[list[float]] = []
        echoes: list[list[float]] = []
        for number in range(rig.rounds.count):
            flagged(rig, process, count, number)
            rounds.append(recovered(ours, count, number))
            echoes.append(echoed(rig, count))
            rig.say(
                f"round {number + 1} · p99 {p99(rounds[-1]):.3f} s, echo {p99(echoes[-1]):.3f} s"
            )
        flagged(rig, process, SEEN, rig.rounds.count)
        seen = seen_in_console(ours, console_port, rig.rounds.count)

        more = iter((1, 2))

        def once_more() -> Measured:
            number, services = rig.rounds.count + next(more), (door, detector, process)
            flagged(rig, process, count, number)
            for one in services:
                one.mark()
            took = recovered(ours, count, number)
            return together([one.measured(count) for one in services], count, p99(took))

        profile = rig.rounds.profiled(
            Side(name="ingest, detector and signals", run=once_more), again=True
        )

    def side(
        name: str, samples: list[list[float]], target: Target | None = None
    ) -> tuple[Side, list[Measured]]:
        measured = [
            Measured(
                units=len(one), seconds=p99(one), note=f"p50 {statistics.median(one) * 1000:.0f} ms"
            )
            for one in samples
        ]
        return Side(name=name, run=lambda: measured[0], target=target), measured

    mine, my_times = side("order's 2xx → recovery in PostgreSQL, p99", rounds)
    echo, their_times = side(
        "produce → consume echo, p99", echoes, Target(compares="time", bound=5, moonshot=2)
    )
    kept = {mine.name: my_times, echo.name: their_times}
    note = (
        f"{count} orders a round, {ORDERS_A_SECOND:g} a second, "
        "each the recovery of another account; p50 of each round: ours, echo"
    )
    told = "Order accepted → seen in the console, median"
    result = rig.rounds.result(
        "latency",
        title="Order accepted → recovery persisted",
        unit="s",
        ours=mine,
        reference=echo,
        kept=kept,
        note=note,
    )
    looks = (
        f"{len(seen)} orders, one after the other; "
        "the console looks once a second and tells its open pages then"
    )
    return [
        replace(result, profile=profile),
        Plain(
            figure="latency",
            title=told,
            value=statistics.median(seen),
            bound=2,
            unit="s",
            note=looks,
        ),
    ]


def p99(samples: Sequence[float]) -> float:
    """The sample that one in a hundred is above."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * 0.99))]


def account_of(number: int, at: int) -> str:
    return f"R{number}-{at}"


def flagged(rig: Rig, process: Watched, count: int, number: int) -> None:
    """So many more accounts that are dormant, by a run."""
    on = clock.now().date() - timedelta(days=QUIET_DAYS)
    orders = []
    for at in range(count):
        account = account_of(number, at)
        line = Line(product="PIPE", od="5.5", grade="J55", quantity="1", revenue_cents=20_000_000)
        content = content_hash(
            order=f"D{account}", account=account, ordered_on=on, cancelled=False,
            lines=[(line.product, line.od, line.grade, line.quantity, line.revenue_cents)],
        )  # fmt: skip
        orders.append(
            Order(
                organization=ORGANIZATION,
                order=f"D{account}",
                account=account,
                ordered_on=on,
                counts_on=on,
                revision=1,
                content=content,
                lines=(line,),
            )
        )
    run = RunRequested(
        organization=ORGANIZATION,
        number=number + 1,
        as_of=clock.now().date(),
        settings_version=1,
        settings=ALL_TYPES,
        reason="manual",
        requested_at=ACCEPTED_AT,
    )
    mine: list[tuple[bytes | None, bytes]] = [
        (None, blocks.block(part, ACCEPTED_AT)) for part in blocks.in_blocks(map(encode, orders))
    ]
    records = [
        [*mine, record_of(run)] if place == partition_of(ORGANIZATION, rig.partitions) else []
        for place in range(rig.partitions)
    ]
    rig.broker.fill(ORDERS.name, records)
    persisted(ORDERS.name, rig.broker.ends(ORDERS.name), process)
    until = time.monotonic() + START_SECONDS
    with owner() as connection:
        while True:
            row = connection.execute(
                "SELECT count(*) FROM signals "
                "WHERE organization = %s AND recovered_at IS NULL AND account LIKE %s",
                (ORGANIZATION, f"R{number}-%"),
            ).fetchone()
            assert row is not None
            if row[0] == count:
                return
            if time.monotonic() > until:
                raise Failed(f"{row[0]} of {count} accounts are dormant\n{process.said()}")
            time.sleep(0.02)


def recovered(door: Door, count: int, number: int) -> list[float]:
    """Seconds from the 2xx of each account's order to its recovery, as somebody sees it who asks
    PostgreSQL again and again.
    """
    accepted: dict[str, float] = {}
    found: dict[str, float] = {}

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
        began = time.monotonic()
        for at in range(count):
            time.sleep(max(0.0, began + at / ORDERS_A_SECOND - time.monotonic()))
            account = account_of(number, at)
            value = json.dumps(body(f"L{account}", account, "10.00")).encode()
            connection.request(
                "POST", "/v1/orders", value, {"Authorization": f"Bearer {door.token}"}
            )
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 202
            accepted[account] = time.monotonic()

    sending = threading.Thread(target=send)
    sending.start()
    until = time.monotonic() + START_SECONDS + count / ORDERS_A_SECOND
    with owner() as connection:
        while len(found) < count:
            rows = connection.execute(
                "SELECT account FROM signals WHERE organization = %s AND recovered_at IS NOT NULL "
                "AND account LIKE %s AND NOT account = ANY(%s)",
                (ORGANIZATION, f"R{number}-%", list(found)),
            ).fetchall()
            now = time.monotonic()
            found.update({account: now for (account,) in rows})
            if now > until:
                raise Failed(f"{len(found)} of {count} recovered")
            time.sleep(0.003)
    sending.join()
    return [max(0.0, found[account] - accepted[account]) for account in found]


def echoed(rig: Rig, count: int) -> list[float]:
    """The same number at the same pace through Kafka alone."""
    topic = "bench-echo"
    rig.broker.make(topic, partitions=1)
    with rig.peer("echo", topic, str(count), str(ORDERS_A_SECOND)) as peer:
        (line,) = peer.wait_for(r"^\[")
        samples: list[float] = msgspec.json.decode(line, type=list[float])
    return samples


def seen_in_console(door: Door, port: int, number: int) -> list[float]:
    """Seconds from the 2xx of an order to the event that tells open pages to look again, after its
    recovery is persisted.
    """
    email, session = "bench@example.com", f"bench-session-{time.monotonic_ns()}"
    with owner() as connection:
        connection.execute(
            "INSERT INTO members (organization, email, role) "
            "VALUES (%s, %s, 'owner') ON CONFLICT DO NOTHING",
            (ORGANIZATION, email),
        )
        connection.execute(
            "INSERT INTO sessions (session_hash, email, created_at, last_seen_at, expires_at)"
            " VALUES (%s, %s, now(), now(), now() + interval '1 hour')",
            (hashed(session), email),
        )
    listening = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    listening.request(
        "GET", f"/o/{ORGANIZATION}/orders/live", headers={"Cookie": f"winback_session={session}"}
    )
    events = listening.getresponse()
    if events.status != 200:
        raise Failed(f"the console says {events.status}: {events.read()[:300]!r}")
    came: list[float] = []

    def listen() -> None:
        while line := events.readline():
            if line.startswith(b"data:"):
                came.append(time.monotonic())

    threading.Thread(target=listen, daemon=True).start()
    found = []
    for at in range(SEEN):
        # what the order before had to tell is told; not in step with the console's looks
        time.sleep(SEEN_EVERY_SECONDS + at / SEEN)
        account = account_of(number, at)
        posting = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
        value = json.dumps(body(f"L{account}", account, "10.00")).encode()
        posting.request("POST", "/v1/orders", value, {"Authorization": f"Bearer {door.token}"})
        if posting.getresponse().status != 202:
            raise Failed("the order was refused")
        accepted = time.monotonic()
        posting.close()
        until = accepted + START_SECONDS
        with owner() as connection:
            while connection.execute(
                "SELECT 1 FROM signals "
                "WHERE organization = %s AND account = %s AND recovered_at IS NULL",
                (ORGANIZATION, account),
            ).fetchone():
                time.sleep(0.003)
        persisted_at = time.monotonic()
        while not came or came[-1] < persisted_at:
            if time.monotonic() > until:
                raise Failed("the console does not tell of the order")
            time.sleep(0.003)
        found.append(next(one for one in came if one >= persisted_at) - accepted)
    return found
