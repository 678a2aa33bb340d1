"""The process itself: ticks from real Kafka, mails at a real server, a stop that drains."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import date

import msgspec
import pytest

from shared import kafka
from shared.events import DigestDue
from shared.topics import DIGEST_TICKS, dead_letters_of
from tests.digest import rows
from tests.digest.samples import dormant
from tests.eventually import eventually
from tests.ingest.door import records
from tests.stack_fixtures import Mailbox, Organizations, Stack
from winback.chaos.machine import free_port

MONDAY = date(2026, 11, 23)
PORT = free_port()


@pytest.fixture
def service(stack: Stack) -> Iterator["subprocess.Popen[bytes]"]:
    """`winback serve digest`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "winback", "serve", "digest"],
        env=os.environ | stack.env | {"WINBACK_DIGEST_PORT": str(PORT)},
    )
    try:
        eventually(lambda: answers("/readyz"), running=process, what="an answer to /readyz")
        yield process
    finally:
        process.kill()
        process.wait()


def answers(path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def publish(*values: bytes) -> None:
    publisher = kafka.Publisher()
    for value in values:
        publisher.publish(DIGEST_TICKS.name, value, key=b"key", partition=0)
    publisher.close()


def tick(due: DigestDue) -> bytes:
    return msgspec.json.encode(due)


def test_ticks_become_mails_whatever_stands_between_them(
    stack: Stack,
    service: "subprocess.Popen[bytes]",
    organization: str,
    organizations: Organizations,
    mailbox: Mailbox,
) -> None:
    email = rows.address()
    rows.recipient(organization, email)
    rows.run(organization, 1, as_of=MONDAY)
    rows.signal(organization, dormant("A"), run=1, as_of=MONDAY)
    due = rows.due(organization, run=1)
    poison = f"no JSON of {organization}".encode()
    after, last = organizations(), rows.address()
    rows.recipient(after, last)
    publish(
        tick(due), poison, tick(due), tick(rows.due("gone-for-good")), tick(rows.due(organization))
    )
    eventually(lambda: len(mailbox.mails(to=email)) >= 2, what="a mail of each tick")
    publish(tick(rows.due(after)))  # no mail comes twice: another that comes after it is there

    eventually(lambda: mailbox.mails(to=last), what="the mail of the tick behind them")
    success = f'winback_digest_last_success_timestamp_seconds{{organization="{organization}"}}'
    eventually(lambda: success in answers("/metrics"), what=success)  # noted after the mail is out
    assert sorted(mail["subject"] for mail in mailbox.mails(to=email)) == [
        "No digest yet: the check is not complete",
        "No order yet · 1 account to call",
    ]
    assert [one.value for one in records(dead_letters_of(DIGEST_TICKS.name), 0)].count(poison) == 1
    metrics = answers("/metrics")
    assert 'winback_outbox_mails{outbox="digest",state="queued"}' in metrics
    assert 'winback_outbox_oldest_seconds{outbox="digest"}' in metrics

    service.send_signal(signal.SIGTERM)
    assert service.wait(30) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("WINBACK_SMTP_URL", "mail:25"), ("WINBACK_MAIL_FROM", "nobody"), ("WINBACK_SECRET", "")],
)
def test_a_setting_that_cannot_be_right_stops_it_at_once_with_one_line(
    stack: Stack, name: str, value: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "winback", "serve", "digest"],
        env=os.environ | stack.env | {name: value},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stderr.startswith(f"winback: {name}: ") and done.stderr.count("\n") == 1
