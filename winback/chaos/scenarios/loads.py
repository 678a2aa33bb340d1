"""Too much: clients that never wait, an account with a hundred thousand orders, an order of five
thousand lines, all scripts.
"""

import csv
import itertools
import json
import threading
import time
from pathlib import Path
from zlib import crc32

from shared.settings import settings
from shared.topics import STATE_CHANGELOG
from winback.chaos import log, oracles
from winback.chaos.erp import post
from winback.chaos.machine import Machine
from winback.chaos.scenarios import Scenario
from winback.chaos.stories import RawOrder
from winback.chaos.world import World, last_on, percentile
from winback.stack import processes

CLIENTS = 24  # one alone keeps ingest busy most of the time
PLACES = 6  # requests that ingest works on at a time here: the clients are four times as many
SLOWEST_REFUSAL_SECONDS = 5.0
ORDERS_AT_ONCE = 1_000
MOST_RSS = 1_500_000_000  # of ingest, with 256 MB of bodies and 64 MB on their way
LARGEST_VALUE = 64_000
FROZEN_SECONDS = 15.0  # longer than ingest waits for Kafka
SKEWED_ORDERS = 102_100  # of them a hundred thousand of one account
THE_ONE = "the-one"
DETECTOR_RSS = 1_500_000_000
TEXTS = ("🛢 Öl & Söhne", "شركة النفط", "חברת נפט", "ｆｕｌｌ　ｗｉｄｔｈ", "naïve café", "日本鋼管")


def overload(world: World) -> None:
    """5: clients that never wait. Those that are too many hear 429 or 503 in time; what was
    accepted is there; and it is over when they stop.
    """
    history, token = world.organization()
    stop, times, refusals = threading.Event(), list[float](), list[float]()

    def client(number: int) -> None:
        for turn in itertools.count():
            if stop.is_set():
                return
            orders = tuple(small(f"{number}-{turn}-{place}") for place in range(ORDERS_AT_ONCE))
            answer = post(
                settings().ingest_port,
                token,
                "/v1/orders",
                json.dumps({"orders": orders}).encode(),
                key=None,
                seconds=60,
            )
            history.answered(str(answer.status or "lost"))
            times.append(answer.seconds)
            if answer.status == 202:
                history.accepted(orders)
            else:
                history.without_retry_after += (
                    answer.status in (429, 503) and answer.retry_after is None
                )
            if answer.status == 429:
                refusals.append(answer.seconds)

    threads = [
        threading.Thread(target=client, args=(number,), daemon=True) for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    pid, peak, until = (
        world.machine.living("ingest"),
        0,
        time.monotonic() + max(world.seconds, 30.0),
    )
    froze = False
    while time.monotonic() < until:
        peak = max(peak, processes.resident_bytes(pid))
        if not froze and time.monotonic() > until - FROZEN_SECONDS:
            froze = True
            with world.machine.frozen("kafka"):  # and now nothing goes out at all
                time.sleep(FROZEN_SECONDS)
        time.sleep(0.1)
    stop.set()
    ended_at = time.monotonic()
    for thread in threads:
        thread.join(90)
    last = (small("afterwards"),)
    answer = post(
        settings().ingest_port,
        token,
        "/v1/orders",
        json.dumps({"orders": last}).encode(),
        key="afterwards",
        seconds=60,
    )
    if answer.status == 202:
        history.accepted(last)
    else:
        world.findings.differing.append(
            f"H: one client alone got {answer.status} after the load had ended"
        )
    world.recovered(since=ended_at)
    oracles.settle(history)
    world.findings.add(oracles.settled(history))
    if not refusals:
        world.findings.differing.append(
            "H: nobody was told to slow down: the scenario proved less than it says"
        )
    if percentile(refusals, 0.99) > SLOWEST_REFUSAL_SECONDS:
        world.findings.differing.append(
            f"H: it took {percentile(refusals, 0.99):.1f} s to say that there is too much"
        )
    if peak > MOST_RSS:
        world.findings.differing.append(f"H: ingest grew to {peak:,} bytes")
    if world.machine.living("ingest") != pid:
        world.findings.differing.append("H: ingest did not live through it")
    if history.without_retry_after:
        world.findings.differing.append(
            f"H: {history.without_retry_after} answers without Retry-After"
        )
    world.figures["answers"] = ", ".join(
        f"{status}: {count}" for status, count in sorted(history.answers.items())
    )
    world.figures["answer p99, s"] = f"{percentile(times, 0.99):.1f}"
    world.figures["429 p99, s"] = f"{percentile(refusals, 0.99):.1f}"
    world.figures["one alone afterwards, s"] = f"{answer.seconds:.2f}"
    world.figures["peak RSS of ingest, MB"] = f"{peak / 1e6:.0f}"


def skew(world: World) -> None:
    """14: one account has nearly all orders; then some of them are corrected. No value grows,
    memory and disk are bounded.
    """
    history, token = world.organization()
    orders = [skewed(number) for number in range(SKEWED_ORDERS)]
    file = world.machine.home.path / "skewed.csv"
    write(file, orders)
    began = time.monotonic()
    peak = import_file(world.machine, file, history.organization)
    history.accepted(tuple(orders))
    oracles.settle(history)
    rate = SKEWED_ORDERS / (time.monotonic() - began)
    again = tuple(
        skewed(number, revision=2) for number in world.chance.sample(range(SKEWED_ORDERS), k=200)
    )
    answer = post(
        settings().ingest_port,
        token,
        "/v1/orders",
        json.dumps({"orders": again}).encode(),
        key="again",
    )
    assert answer.status == 202, answer.body
    history.accepted(again)
    oracles.settle(history)
    world.findings.add(oracles.settled(history))
    largest = max(
        (
            len(r.value or b"")
            for p in range(settings().partitions)
            for r in log.records(STATE_CHANGELOG, p)
        ),
        default=0,
    )
    detector = processes.resident_bytes(world.machine.living("detector"))
    disk = sum(
        path.stat().st_size
        for path in Path(world.machine.env["WINBACK_STATE_DIR"]).rglob("*")
        if path.is_file()
    )
    if largest > LARGEST_VALUE:
        world.findings.differing.append(f"R: a value of the state has {largest:,} bytes")
    if max(detector, peak) > DETECTOR_RSS:
        world.findings.differing.append(f"R: memory grew to {max(detector, peak):,} bytes")
    world.figures["orders of one account"] = (
        f"{sum(order['account'] == THE_ONE for order in orders):,}"
    )
    world.figures["file to persisted, orders/s"] = f"{rate:,.0f}"
    world.figures["largest value"] = f"{largest:,} bytes"
    world.figures["RSS detector / import, MB"] = f"{detector / 1e6:.0f} / {peak / 1e6:.0f}"
    world.figures["disk of state, bytes an order"] = f"{disk / SKEWED_ORDERS:.0f}"


def large_and_strange(world: World) -> None:
    """14: five thousand lines in one order; emoji, right-to-left and wide texts are kept; NUL is
    refused by its field.
    """
    history, token = world.organization()
    lines = [
        {"product": TEXTS[n % len(TEXTS)], "od": "5.5", "grade": "J55", "revenue": "12.50"}
        for n in range(5_000)
    ]
    on = last_on().isoformat()
    fine = [{"order": "large", "account": "A", "ordered_on": on, "revision": 1, "lines": lines}]
    fine += [
        {
            "order": f"strange-{n}-{text}",
            "account": text,
            "ordered_on": on,
            "revision": 1,
            "lines": lines[:3],
        }
        for n, text in enumerate(TEXTS)
    ]
    bad = [
        fine[0] | {"order": "nul\0nul"}, fine[0] | {"order": "more", "lines": [*lines, lines[0]]},
        fine[0] | {"order": "bidi‮evil"},
        fine[0] | {"order": "product", "lines": [{"product": "a\0b", "revenue": "1"}]},
    ]  # fmt: skip
    answer = post(
        settings().ingest_port,
        token,
        "/v1/orders",
        json.dumps({"orders": [*fine, *bad]}).encode(),
        key=None,
        seconds=60,
    )
    assert answer.status == 202, answer.body
    results = answer.body["results"]
    taken = [
        one
        for one, result in zip([*fine, *bad], results, strict=True)
        if result["status"] == "accepted"
    ]
    if taken != fine:
        world.findings.lost.append(f"H: accepted were {[one['order'] for one in taken]}")
    unnamed = [
        result
        for result in results
        if result["status"] == "rejected" and not result["errors"][0]["field"]
    ]
    world.findings.differing += [f"H: a refusal names no field: {result}" for result in unnamed]
    history.accepted(tuple(taken))
    oracles.settle(history)
    world.findings.add(oracles.settled(history))
    world.figures["accepted / refused by field"] = f"{len(taken)} / {len(results) - len(taken)}"


def small(name: str) -> RawOrder:
    """An order of one line."""
    lines = [{"product": "casing", "revenue": "10.00", "od": "7"}]
    return {
        "order": name,
        "account": f"A-{crc32(name.encode()) % 500}",
        "ordered_on": last_on().isoformat(),
        "revision": 1,
        "lines": lines,
    }


def skewed(number: int, *, revision: int = 1) -> RawOrder:
    """Of one account, all but one in fifty."""
    account = THE_ONE if number % 50 else f"A-{number % 997}"
    lines = [
        {
            "product": "casing",
            "od": "7",
            "grade": f"G{number % 7}",
            "revenue": f"{10 + number % 90 + revision}.00",
        }
    ]
    on = last_on().toordinal() - number % 700
    day = type(last_on()).fromordinal(on).isoformat()
    return {
        "order": f"S-{number:07}",
        "account": account,
        "ordered_on": day,
        "revision": revision,
        "lines": lines,
    }


def write(file: Path, orders: list[RawOrder]) -> None:
    """As a CSV file, a row a line."""
    with file.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(
            ("order", "account", "ordered_on", "revision", "product", "od", "grade", "revenue")
        )
        for one in orders:
            for line in one["lines"]:
                head = (one["order"], one["account"], one["ordered_on"], one["revision"])
                rows.writerow((*head, line["product"], line["od"], line["grade"], line["revenue"]))


def import_file(machine: Machine, file: Path, organization: str) -> int:
    """`winback import`. Returns the most memory that it took."""
    done = threading.Event()
    peak = [0]
    known = set(processes.children())

    def watch() -> None:
        while not done.is_set():
            new = [processes.resident_bytes(pid) for pid in set(processes.children()) - known]
            peak[0] = max([peak[0], *new])
            done.wait(0.1)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    ended = machine.winback("import", "orders", str(file), "--organization", organization, "--json")
    done.set()
    assert ended.returncode == 0, ended.stderr[-500:]
    return peak[0]


SCENARIOS = (
    Scenario(
        name="overload",
        number=5,
        does="clients that never wait, more than ingest has places for, "
        "and Kafka frozen under them",
        run=overload,
        own_machine=True,
        env={"ingest_max_requests": str(PLACES)},
    ),
    Scenario(
        name="skew",
        number=14,
        does="an account with 100,000 orders from a file, some corrected",
        run=skew,
    ),
    Scenario(
        name="large-and-strange",
        number=14,
        does="5,000 lines, emoji, right-to-left, NUL",
        run=large_and_strange,
    ),
)
