"""The process itself: ticks from real Kafka, mails at a real server, a stop that drains."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import date

import msgspec
import pytest

from shared import kafka
from shared.events import DigestDue
from shared.topics import DIGEST_TICKS
from tests.digest import rows
from tests.digest.samples import dormant
from tests.stack_fixtures import Mailbox, Stack

MONDAY = date(2026, 11, 23)
PORT = 18_985


@pytest.fixture
def service(stack: Stack) -> Iterator["subprocess.Popen[bytes]"]:
    """`winback serve digest`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "winback", "serve", "digest"], env=os.environ | stack.env | {"WINBACK_DIGEST_PORT": str(PORT)}
    )
    until = time.monotonic() + 60
    while not answers("/readyz"):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    yield process
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
    stack: Stack, service: "subprocess.Popen[bytes]", organization: str, mailbox: Mailbox
) -> None:
    email = rows.address()
    rows.recipient(organization, email)
    rows.run(organization, 1, as_of=MONDAY)
    rows.signal(organization, dormant("A"), run=1, as_of=MONDAY)
    due = rows.due(organization, run=1)
    dead = kafka.end_offset("digest-ticks-dead", 0)
    publish(tick(due), b"no JSON", tick(due), tick(rows.due("gone-for-good")), tick(rows.due(organization)))

    until = time.monotonic() + 30
    while len(mailbox.mails(to=email)) < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(1)
    assert sorted(mail["subject"] for mail in mailbox.mails(to=email)) == [
        "No digest yet: the check is not complete",
        "No order yet · 1 account to call",
    ]
    assert kafka.end_offset("digest-ticks-dead", 0) == dead + 1
    metrics = answers("/metrics")
    assert f'winback_digest_last_success_timestamp_seconds{{organization="{organization}"}}' in metrics
    assert 'winback_outbox_mails{outbox="digest",state="queued"}' in metrics
    assert 'winback_outbox_oldest_seconds{outbox="digest"}' in metrics

    service.send_signal(signal.SIGTERM)
    assert service.wait(30) == 0


@pytest.mark.parametrize(
    ("name", "value"), [("WINBACK_SMTP_URL", "mail:25"), ("WINBACK_MAIL_FROM", "nobody"), ("WINBACK_SECRET", "")]
)
def test_a_setting_that_cannot_be_right_stops_it_at_once_with_one_line(stack: Stack, name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "winback", "serve", "digest"],
        env=os.environ | stack.env | {name: value},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stderr.startswith(f"winback: {name}: ") and done.stderr.count("\n") == 1
