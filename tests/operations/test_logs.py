"""Every line of a service's log is JSON, whoever wrote it; of an error the cause comes last, and
whole; one request is found again by its id.
"""

import asyncio
import json
import subprocess
import sys
from functools import partial
from typing import Any

from shared import request_ids, stray_lines
from shared.request_ids import RequestIds
from tests.eventually import eventually
from tests.operations.world import World
from tests.stack_fixtures import Stack

# A process with all that writes lines: librdkafka whose broker is away, a warning, the logging of a
# library, an error with a cause, a thread and a process that end of one.
PROCESS = """
import logging, os, threading, warnings
import structlog
from shared import logs
logs.configure("test")
from confluent_kafka import Consumer
consumer = Consumer({"bootstrap.servers": "127.0.0.1:9", "group.id": "x"})
consumer.subscribe(["orders"])
consumer.poll(1.0)
warnings.warn("a warning")
logging.getLogger("uvicorn.error").error("of a library")
os.write(2, b"past all loggers\\n")
try:
    try:
        {}["what began it"]
    except KeyError as error:
        raise ValueError("what came of it " + "x" * 5_000) from error
except ValueError:
    structlog.get_logger().exception("went wrong")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("the end")
"""


def test_every_line_is_json_and_the_cause_is_last_and_whole() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROCESS], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    said = {line["event"].split("\n")[0]: line for line in lines}
    assert {line.get("logger") for line in lines} >= {"librdkafka", "py.warnings", "uvicorn.error"}
    assert "past all loggers" in said
    wrong = said["went wrong"]
    assert list(wrong)[-2:] == ["exception", "cause"]
    assert wrong["cause"] == "KeyError: 'what began it'"
    assert "x" * 5_000 in wrong["exception"]
    causes = [line["cause"] for line in lines if line["event"] == "nobody caught this"]
    assert causes == ["ZeroDivisionError: division by zero", "RuntimeError: the end"]
    assert all(line["service"] == "test" for line in lines)
    assert "\x1b" not in done.stderr


def test_what_a_client_says_again_and_again_is_said_seldom_and_counted() -> None:
    said: list[dict[str, str]] = []
    now = [100.0]
    seldom = stray_lines.Seldom(lambda _, line: said.append(line), now=lambda: now[0])
    for _ in range(3):
        seldom(*stray_lines.told("%3|1.0|FAIL|rdkafka#consumer-1| [thrd:x]: refused"))
    now[0] += stray_lines.EVERY_SECONDS
    seldom(*stray_lines.told("%3|1.0|FAIL|rdkafka#consumer-1| [thrd:x]: refused"))
    seldom(*stray_lines.told("Traceback (most recent call last):"))
    assert [line.get("repeated") for line in said] == [None, "2", None]


def answered(headers: list[tuple[bytes, bytes]]) -> tuple[str, tuple[str, ...]]:
    """(the id that an answer says, those that are current in the request)."""
    seen: list[tuple[str, ...]] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(request_ids.current())
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(RequestIds(app)({"type": "http", "headers": headers}, None, send))
    [(name, value)] = sent[0]["headers"]
    assert name == b"x-request-id"
    return value.decode(), seen[0]


def test_a_request_keeps_the_id_that_it_came_with_where_that_is_fit_to_be_logged() -> None:
    assert answered([(b"x-request-id", b"erp-77")]) == ("erp-77", ("erp-77",))
    for unfit in (b"", b"a b", b'"}', b"x" * 65, "é".encode()):
        given, current = answered([(b"x-request-id", unfit)])
        assert len(given) == 32
        assert current == (given,)


def test_one_order_is_followed_by_its_id_from_its_request_to_the_tables(services: Stack) -> None:
    world = World(services)
    id_ = f"erp-{world.organization}"
    try:
        assert world.post(headers={"X-Request-Id": id_}) == 202
        services.winback("wait", "--organization", world.organization)

        def lines(name: str) -> list[dict[str, Any]]:
            text = (services.home.logs / f"{name}.log").read_text()
            return [json.loads(line) for line in text.splitlines() if id_ in line]

        for name in ("ingest", "detector", "signals"):
            eventually(partial(lines, name), what=f"the id in the log of {name}")
        [accepted] = lines("ingest")
        assert (accepted["event"], accepted["request_id"]) == ("accepted", id_)
        places = {
            (line["event"], line["topic"], line["partition"], line["offset"])
            for name in ("detector", "signals")
            for line in lines(name)
        }
        assert len(places) == 1, "detector and read model name the same record"
        run = f"run-{world.organization}-1"
        services.winback("run", "--organization", world.organization, "--wait")
        text = (services.home.logs / "detector.log").read_text()
        assert run in text
    finally:
        world.close()
