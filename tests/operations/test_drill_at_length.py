"""What takes longer, or breaks more than a test may break for others: `make drill`,
on a stack of its own.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from shared import db
from shared.settings import settings
from tests.eventually import eventually
from tests.operations.prometheus import CLEARED, Alert, Prometheus, watching
from tests.operations.rules import ALWAYS, alerts
from tests.operations.world import World, again_and_again, frozen, slowed
from tests.stack_fixtures import Stack, pointed_to, start_stack, stop_stack
from winback.stack import jars, java, processes
from winback.stack.parts import HOST
from winback.stack.ports import is_free

pytestmark = pytest.mark.drill

CLOCK, BROKER = "second-clock", 2

BROKER_PROPERTIES = """
process.roles=broker
node.id={node}
controller.quorum.bootstrap.servers={host}:{controller}
listeners=PLAINTEXT://{host}:{port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
broker.session.timeout.ms=2500
broker.heartbeat.interval.ms=500
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    started = start_stack()
    with pointed_to(started):
        yield started
    stop_stack(started.home, started.supervisor)


@pytest.fixture(scope="module")
def clock_port() -> int:
    return next(port for port in range(32_000, 33_000) if is_free(port))


@pytest.fixture(scope="module")
def prometheus(
    stack: Stack, clock_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """It scrapes a further clock, too, which some tests start."""
    with watching(
        stack, tmp_path_factory.mktemp("prometheus"), later=(CLOCK, f"{HOST}:{clock_port}")
    ) as running:
        yield running


@pytest.fixture
def world(stack: Stack) -> Iterator[World]:
    made = World(stack)
    yield made
    made.close()


def all_ready(stack: Stack) -> None:
    for service in stack.status()["services"]:
        stack.wait_ready(service["name"])


def test_a_broker_that_freezes(stack: Stack, prometheus: Prometheus, world: World) -> None:
    wrong = [
        Alert("ServiceNotReady", service="ingest"),
        Alert("KafkaConfirmsNothing"),
        Alert("IngestBudgetFast"),
        Alert("IngestBudgetSlow"),
    ]
    with ExitStack() as senders:
        for _ in range(8):  # each waits for its answer: enough of them for a budget
            senders.enter_context(again_and_again(lambda: world.post(seconds=20), every=0.2))
        senders.enter_context(frozen(stack, "kafka"))
        prometheus.wait_until_all_fired(wrong)
    eventually(lambda: world.post() == 202, what="an order that is taken", pause=1.0)
    prometheus.wait_until_all_clear(wrong)


def test_a_consumer_that_waits_for_postgresql(
    stack: Stack, prometheus: Prometheus, world: World
) -> None:
    wrong = [
        Alert("FreshnessBudgetFast"),
        Alert("FreshnessBudgetSlow"),
        Alert("ConsumerStuck", consumer="signals"),
    ]

    def hold() -> None:
        with db.connect("winback_worker") as connection, connection.transaction():
            connection.execute(
                "SELECT next_offset FROM positions WHERE consumer = 'signals' FOR UPDATE"
            )
            time.sleep(25)

    with again_and_again(world.post, every=0.05), again_and_again(hold, every=2):
        prometheus.wait_until_all_fired(wrong)
    prometheus.wait_until_all_clear(wrong)


def test_a_broker_that_is_slow(stack: Stack, prometheus: Prometheus, world: World) -> None:
    wrong = [Alert("CheckpointsSlow")]

    def hold_up() -> None:
        with frozen(stack, "kafka"):
            time.sleep(1.6)

    with again_and_again(world.post, every=0.02), again_and_again(hold_up, every=0.2):
        prometheus.wait_until_all_fired(wrong)
    for _ in range(40):
        assert world.post() == 202
        time.sleep(0.1)
    prometheus.wait_until_all_clear(wrong)


def test_orders_that_come_faster_than_they_are_read(
    stack: Stack, prometheus: Prometheus, world: World, tmp_path: Path
) -> None:
    """A backlog of hours, read with little of the machine: the consumer works, and is behind."""
    wrong = [Alert("ConsumerBehind", consumer="signals", topic="orders")]
    file = tmp_path / "orders.csv"
    lines = (
        f"{number},A-{number % 9000},2026-01-0{number % 8 + 1},100.00\n"
        for number in range(250_000)
    )
    file.write_text("order,account,ordered_on,revenue\n" + "".join(lines))
    with frozen(stack, "signals"):
        stack.winback("import", "orders", str(file), "--organization", world.organization)
        time.sleep(3)
    with slowed(stack, "signals"):
        prometheus.wait_until_all_fired(wrong)
    prometheus.wait_until_all_clear(wrong, seconds=300)


def test_no_clock_and_then_one_that_is_wrong_beside_full_disks(
    stack: Stack, prometheus: Prometheus, clock_port: int, tmp_path: Path
) -> None:
    """The second clock takes over from the frozen one: its time is wrong, and a disk that it
    watches is full, then is not.
    """
    blind = [Alert("NoClockLeads"), Alert("NotWatched")]
    with frozen(stack, "clock"):
        prometheus.wait_until_all_fired(blind)
        wrong = [
            Alert("ClockSkew"),
            Alert("DiskLow", disk="small"),
            Alert("DiskFull", disk="small"),
        ]
        with (
            mounted(tmp_path / "small") as small,
            another_clock(stack, clock_port, small, offset_seconds=9),
        ):
            (small / "filler").write_bytes(b"x" * 2_060_000)
            prometheus.wait_until_all_fired(wrong)
            prometheus.wait_until_all_clear(blind)
            (small / "filler").unlink()
            prometheus.wait_until_all_clear(wrong[1:])
    all_ready(stack)
    prometheus.wait_until_all_clear([*blind, *wrong])


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A disk of two megabytes; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def another_clock(stack: Stack, port: int, disk: Path, *, offset_seconds: int) -> Iterator[None]:
    env = os.environ | stack.env
    env |= {
        "WINBACK_CLOCK_PORT": str(port),
        "WINBACK_CLOCK_OFFSET_SECONDS": str(offset_seconds),
        "WINBACK_WATCHED_DISKS": json.dumps({"small": str(disk)}),
    }
    command = [sys.executable, "-P", "-m", "winback", "serve", "clock"]
    process = subprocess.Popen(command, env=env, preexec_fn=processes.die_with_parent)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def test_a_broker_that_is_lost(stack: Stack, prometheus: Prometheus, tmp_path: Path) -> None:
    """Two dead-letter topics move onto a second broker: one has its only replica
    there, one its second.
    """
    wrong = [Alert("KafkaUnderReplicated"), Alert("KafkaTakesNoWrites")]
    admin = AdminClient({"bootstrap.servers": settings().kafka})
    topics = {
        "digest-ticks-dead": NewTopic("digest-ticks-dead", 1, replica_assignment=[[BROKER]]),
        "sequence-ticks-dead": NewTopic("sequence-ticks-dead", 1, replica_assignment=[[1, BROKER]]),
    }
    broker = second_broker(stack, tmp_path)
    try:
        eventually(lambda: len(admin.list_topics(timeout=10).brokers) >= 2, what="a second broker")
        for future in admin.delete_topics(list(topics), operation_timeout=20).values():
            future.result()
        create(admin, list(topics.values()))
        prometheus.wait_until_all_clear(wrong)
        broker.send_signal(signal.SIGKILL)
        broker.wait(30)
        prometheus.wait_until_all_fired(wrong)
        broker = second_broker(stack, tmp_path)
        prometheus.wait_until_all_clear(wrong)
    finally:
        broker.kill()
        broker.wait(30)


def create(admin: AdminClient, topics: list[NewTopic]) -> None:
    def created() -> bool:
        for future in admin.create_topics(topics, operation_timeout=20).values():
            future.result()
        return True

    eventually(created, ignoring=KafkaException, what="topics that are not quite deleted yet")


def second_broker(stack: Stack, folder: Path) -> "subprocess.Popen[bytes]":
    """Of the same cluster, in `folder`; formatted on first use."""
    data = folder / "data"
    port = next(port for port in range(31_000, 32_000) if is_free(port))
    controller = stack.home.state()["ports"]["controller"]
    properties = folder / "server.properties"
    properties.write_text(
        BROKER_PROPERTIES.format(
            node=BROKER, host=HOST, controller=controller, port=port, data=data
        )
    )
    base = jars.command(java.find())
    if not data.exists():
        meta = (stack.home.path / "kafka" / "data" / "meta.properties").read_text()
        cluster = next(
            line.removeprefix("cluster.id=")
            for line in meta.splitlines()
            if line.startswith("cluster.id=")
        )
        command = [*base, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
        subprocess.run(command, check=True, capture_output=True)
    with (folder / "broker.log").open("ab") as log:
        return subprocess.Popen(
            [*base, "kafka.Kafka", str(properties)],
            stdout=log,
            stderr=log,
            preexec_fn=processes.die_with_parent,
        )


def test_the_second_opinion_finds_something_else(
    stack: Stack, prometheus: Prometheus, world: World
) -> None:
    """Somebody closes a signal by hand: the audit after a nightly run sees it, and the next run
    that sees the signal mends it.
    """
    wrong = [Alert("AuditDifferences", organization=world.organization)]
    assert world.post(revenue="250000.00", days_ago=200) == 202
    world.nightly()
    assert (
        stack.winback(
            "signals", "--organization", world.organization, "--active", "--json"
        ).stdout.count("dormant")
        >= 1
    )
    world.execute(
        "UPDATE signals SET recovered_at = now(), resolution = 'correction' "
        "WHERE organization = %s",
        world.organization,
    )
    prometheus.wait_until_all_fired(wrong)
    world.nightly()
    prometheus.wait_until_all_clear(wrong)


def test_a_process_that_ends_again_and_again(stack: Stack, prometheus: Prometheus) -> None:
    wrong = [Alert("CrashLoop", service="sequences")]
    prometheus.wait_until_all_clear(wrong)
    for _ in range(4):
        pid = stack.kill("sequences")
        stack.wait_ready("sequences", other_than=pid)
        time.sleep(2.5)  # two scrapes see it
    prometheus.wait_until_all_fired(wrong)
    prometheus.wait_until_all_clear(wrong)


def test_links_to_sign_in_that_do_not_leave(
    stack: Stack, prometheus: Prometheus, world: World
) -> None:
    wrong = [Alert("SignInMailFails")]
    email = f"ana-{world.organization}@example.com"
    stack.winback("member", "add", world.organization, email)
    stack.mailbox.answer(email, "450 4.2.1 busy")
    form = urllib.parse.urlencode({"email": email}).encode()
    urllib.request.urlopen(f"{stack.service('console')['url']}/sign-in", form, timeout=20).close()
    prometheus.wait_until_all_fired(wrong)
    prometheus.wait_until_all_clear(wrong)


def test_an_archive_that_takes_nothing_and_a_backup_that_is_old(
    stack: Stack, prometheus: Prometheus, world: World
) -> None:
    """archive_command fails, then does its work."""
    wrong = [Alert("WalArchiveLate"), Alert("BackupOld", store="postgres")]

    def archive_by(command: str) -> None:
        with psycopg.connect(settings().database_url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET archive_command = '{command}'".encode())
            connection.execute("ALTER SYSTEM SET archive_mode = 'on'")
            connection.execute("SELECT pg_reload_conf()")

    archive_by("false")
    world.execute("INSERT INTO backups VALUES ('postgres', 'backup', now() - interval '2 days')")
    pid = stack.service("postgres")["pid"]
    os.kill(pid, signal.SIGINT)  # archive_mode needs a start
    stack.wait_ready("postgres", other_than=pid)
    all_ready(stack)
    assert world.post() == 202
    prometheus.wait_until_all_fired(wrong)
    archive_by("true")
    world.execute("INSERT INTO backups VALUES ('postgres', 'backup', now())")
    prometheus.wait_until_all_clear(wrong)


def test_every_alert_was_seen_to_fire_and_to_clear() -> None:
    """The last: `make drill` runs test_drill.py first."""
    assert sorted(CLEARED) == sorted(set(alerts()) - ALWAYS)
