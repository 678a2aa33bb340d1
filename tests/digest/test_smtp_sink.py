"""The outbox against an independent mail server, Debian postfix's smtp-sink: a digest is never
lost, an ambiguous one is sent again once with the same Message-ID and counted.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg_pool import ConnectionPool

from shared import db, smtp
from shared.errors import Retryable
from shared.outbox.sender import Sender
from shared.smtp import MailServer
from tests.digest.rows import address
from tests.digest.test_outbox import digest
from tests.eventually import eventually
from tests.outbox.contract import HOUR, Batch, ambiguous
from winback.stack import processes

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def pool(stack: object) -> Iterator[ConnectionPool[db.Connection]]:
    with db.pool("winback_worker", most=2) as opened:
        yield opened


@pytest.fixture
def one(pool: ConnectionPool[db.Connection], organization: str) -> Batch:
    return digest(pool, organization, (address(),))


@pytest.fixture
def place() -> Iterator[Path]:
    """Where smtp-sink, which gives up the rights of root, can write."""
    with tempfile.TemporaryDirectory(prefix="winback-sink-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@dataclass(frozen=True, kw_only=True)
class Sink:
    """A running smtp-sink; it writes each message that it hears into a file of `folder`."""

    server: MailServer
    folder: Path

    def message_ids(self) -> list[str]:
        """Of every message whose data it was given."""
        texts = [file.read_text(errors="replace") for file in self.folder.iterdir()]
        return [
            found[1] for text in texts if (found := re.search(r"(?im)^Message-ID: <([^>]+)>", text))
        ]


@contextmanager
def sink(folder: Path, *faults: str) -> Iterator[Sink]:
    """Serve until the end of the block."""
    folder.mkdir()
    folder.chmod(0o777)  # as root it gives up its rights
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    program = shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "Debian's package postfix has it"
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [program, *user, "-d", f"{folder}/%M.", *faults, f"inet:{HOST}:{port}", "10"]
    with subprocess.Popen(command, preexec_fn=processes.die_with_parent) as process:
        try:
            eventually(
                lambda: socket.create_connection((HOST, port), timeout=1),
                ignoring=OSError,
                running=process,
                what="a sink that listens",
            ).close()
            yield Sink(server=MailServer(host=HOST, port=port, security="none"), folder=folder)
        finally:
            process.terminate()


FOR_NOW = [
    ("450 at the recipient", ["-r", "RCPT", "-b", "450 4.2.1 the mailbox is busy"]),
    ("450 at the end", ["-r", ".", "-b", "450 4.3.0 try again later"]),
    ("421 at the recipient", ["-Q", "RCPT"]),
    ("421 at the beginning", ["-Q", "CONNECT"]),
    ("dropped at the recipient", ["-q", "RCPT"]),
    ("dropped before the data", ["-q", "DATA"]),
]


@pytest.mark.parametrize(
    "faults", [faults for _, faults in FOR_NOW], ids=[name for name, _ in FOR_NOW]
)
def test_what_was_certainly_not_taken_goes_out_once_later(
    faults: list[str], one: Batch, place: Path
) -> None:
    before = ambiguous(one.outbox)
    with (
        sink(place / "bad", *faults) as bad,
        suppress(Retryable),
    ):  # then it did not even come to a claim
        one.send(server=bad.server)
    assert one.state()[0] in ("retry", "queued")
    with sink(place / "good") as good:
        one.send(server=good.server, later=HOUR)
        one.send(server=good.server, later=2 * HOUR)
        assert len(good.message_ids()) == 1
    assert one.state()[0] == "sent"
    assert ambiguous(one.outbox) == before


@pytest.mark.parametrize("at", ["RCPT", "."])
def test_a_refusal_for_good_bounces_and_is_not_tried_again(
    at: str, one: Batch, place: Path
) -> None:
    with sink(place / "bad", "-f", at, "-B", "550 5.1.1 no such user") as bad:
        one.send(server=bad.server)
    state, answer = one.state()
    assert state == "bounced"
    assert "5.1.1" in (answer or "")
    with sink(place / "good") as good:
        one.send(server=good.server, later=HOUR)
        assert good.message_ids() == []


@pytest.mark.parametrize("fault", ["dropped", "stalled"])
def test_a_mail_whose_answer_is_lost_goes_out_once_more_with_its_message_id(
    fault: str, one: Batch, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 1.0 if fault == "stalled" else 30.0)
    before = ambiguous(one.outbox)
    with sink(place / "bad", *(["-q", "."] if fault == "dropped" else ["-W", ".:8"])) as bad:
        with closing(Sender(one.outbox, one.pool, batch=one.name, server=bad.server)) as sender:
            sender.send_due()
        assert one.state()[0] == "unknown"
        [first] = bad.message_ids()
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 30.0)
    with sink(place / "good") as good:
        one.send(server=good.server, later=HOUR)
        one.send(server=good.server, later=2 * HOUR)
        assert good.message_ids() == [first]
    assert one.state()[0] == "sent"
    assert ambiguous(one.outbox) == before + 1


def test_a_mail_whose_answer_is_lost_each_time_goes_out_twice_and_no_more(
    one: Batch, place: Path
) -> None:
    with sink(place / "bad", "-q", ".") as bad:
        one.send(server=bad.server)
        one.send(server=bad.server, later=HOUR)
        assert len(bad.message_ids()) == 2
        assert len(set(bad.message_ids())) == 1
    assert one.state()[0] == "unknown"
