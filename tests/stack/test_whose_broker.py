"""Another installation's broker at our address is told from our own: by `dev up`, by every process,
by the doctor, before anything is read from it or sent to it.
"""

import asyncio
import shutil
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from shared import broker, broker_store, kafka
from shared.errors import Misconfigured, Retryable
from shared.settings import settings
from shared.topics import ORDERS
from tests.eventually import eventually
from tests.operations.told import Told, serving
from tests.stack_fixtures import Stack
from winback.doctor import kafka as doctor
from winback.serve import Service
from winback.stack import probes
from winback.stack.kafka import cluster_of

OTHER = "c29tZWJvZHktZWxzZXM"


@contextmanager
def noted_as(cluster_id: str) -> Iterator[None]:
    """PostgreSQL says that our cluster is this one: so the broker that is there is a stranger's."""
    change = b"UPDATE broker SET cluster_id = %s"
    with psycopg.connect(settings().database_url, autocommit=True) as owner:
        before = owner.execute("SELECT cluster_id FROM broker").fetchone()
        assert before is not None
        owner.execute(change, (cluster_id,))
        try:
            yield
        finally:
            owner.execute(change, before)


def test_the_stack_notes_the_cluster_whose_storage_it_has(stack: Stack) -> None:
    with psycopg.connect(settings().database_url) as owner:
        noted = broker_store.noted(owner)
    assert noted == cluster_of(stack.home.path / "kafka") == broker.cluster_id()
    assert not broker.note()  # once


def test_the_broker_of_another_checkout_at_our_port_is_not_ready(
    stack: Stack, tmp_path: Path
) -> None:
    port = urlsplit(f"//{settings().kafka}").port
    assert port is not None
    ours = stack.home.path / "kafka"
    assert asked(port, ours) is None
    assert asked(port, tmp_path) is None  # none made yet
    theirs = tmp_path / "kafka"
    shutil.copytree(
        ours / "data", theirs / "data", ignore=lambda _, names: set(names) - {"meta.properties"}
    )
    file = theirs / "data" / "meta.properties"
    file.write_text(
        file.read_text().replace(f"cluster.id={cluster_of(ours)}", f"cluster.id={OTHER}")
    )
    said = asked(port, theirs)
    assert said is not None
    assert f"port {port} is another installation's broker" in said
    assert OTHER in said


def asked(port: int, storage: Path) -> str | None:
    async def ask() -> str | None:
        return await probes.kafka(port, lambda: cluster_of(storage))()

    return asyncio.run(ask())


def test_an_answer_that_is_no_metadata_is_not_ready_and_no_crash() -> None:
    with pytest.raises(struct.error):
        probes.cluster_in(b"HTTP/1.1 400")


def test_every_process_says_whose_broker_it_is_and_joins_nothing_there(
    stack: Stack, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / broker.FILE).write_text(OTHER + "\n")  # the detector reaches no PostgreSQL
    env = {"state_dir": str(state), "secret": "x" * 32}
    told = Told()
    with noted_as(OTHER), ExitStack() as running:
        addresses = {
            service: running.enter_context(serving(told, service, tmp_path, env)).address
            for service in Service
        }
        for service, address in addresses.items():
            eventually(
                lambda address=address: "of another installation" in readyz(address),  # type: ignore[misc] # bound now
                what=f"{service} that says so",
            )
            assert OTHER in readyz(address)
        orders = httpx.post(
            f"{addresses[Service.INGEST]}/readyz", timeout=10
        )  # alive, whatever it answers
        assert orders.status_code in (404, 405)
        groups = (
            AdminClient({"bootstrap.servers": settings().kafka}).list_consumer_groups().result()
        )
        ours = {group.group_id for group in groups.valid if group.state.name != "EMPTY"}
        assert {group for group in ours if group.startswith("winback-")} == set()


def readyz(address: str) -> str:
    try:
        answer = httpx.get(f"{address}/readyz", timeout=10)
    except httpx.TransportError:
        return ""
    return "" if answer.status_code == 200 else answer.text


def test_nothing_is_sent_to_a_stranger_and_all_goes_on_when_our_own_is_back(stack: Stack) -> None:
    partition = 0
    with noted_as(OTHER):
        watch = broker.by_database()
        publisher = kafka.Publisher(why_not=watch.why)
        watch.look_quietly()
        end = kafka.end_offset(ORDERS.name, partition)
        with pytest.raises(Retryable, match="of another installation"):
            publisher.publish(ORDERS.name, b"{}", partition=partition)
        assert kafka.end_offset(ORDERS.name, partition) == end
        with pytest.raises(RuntimeError, match="of another installation"):
            watch.require_own()
        finding = next(one for one in doctor.look() if one.name == "kafka cluster")
        assert finding.state == "wrong"
        with pytest.raises(Misconfigured, match="topics --adopt"):
            broker.note()
        for verb in ("topics", "dead-letters replay --all"):
            done = stack.winback(*verb.split(), check=False)
            assert done.returncode in (2, 3), done
            assert "of another installation" in done.stderr
        stack.winback("topics", "--adopt")
        assert not broker.note()
        mine = broker.by_database()
        said: list[tuple[bool, str]] = []
        mine.wait_for_own(threading.Event(), lambda ready, why: said.append((ready, why)))
        assert (mine.why(), said) == ("", [])
    publisher.close()


def test_a_detector_keeps_the_cluster_that_it_began_with(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    watch = broker.by_folder(folder)
    watch.look()
    assert (folder / broker.FILE).read_text().strip() == broker.cluster_id()
    (folder / broker.FILE).write_text(OTHER + "\n")
    with pytest.raises(broker.Stranger, match=f"remove {folder / broker.FILE}"):
        broker.by_folder(folder).look()
    watch.look()  # what it knows stays, until it is started again
