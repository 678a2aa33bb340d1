"""The letters' outbox: the contract of every outbox on their table, and what letters need of it.

Nothing plans a letter yet. What is held here is what their sending will stand on: a stop that has
committed comes before the dot or after it, and a letter whose answer was lost is never repeated by
itself.
"""

import os
import sys
import threading
from dataclasses import replace

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from shared import clock, db
from shared.outbox import final_dot, store
from shared.outbox.final_dot import FinalDot
from shared.outbox.table import Claimed, Outbox
from shared.settings import settings
from shared.smtp import MailServer
from tests.children import child
from tests.children import stopped as stopped_process
from tests.digest.servers import HOST, Answers
from tests.eventually import eventually
from tests.outbox.contract import HOUR, Batch, OutboxContract
from tests.sequences.world import World
from tests.stack_fixtures import Mailbox

STEP = 1
OPEN_ENROLLMENT = """
SELECT
FROM enrollments
WHERE organization = %(organization)s
  AND sequence = %(sequence)s
  AND account = %(account)s
  AND contact = %(contact)s
  AND state = 'active'
FOR SHARE
"""
STOP = """
UPDATE enrollments
SET state = 'stopped',
    reason = 'reordered'
WHERE organization = %s
"""
IS_WAITING_FOR_A_LOCK = """
SELECT wait_event_type = 'Lock'
FROM pg_stat_activity
WHERE pid = %s
"""

FREEZE_AT_THE_DOT = """
import os, signal, sys
from dataclasses import replace
from shared import db
from shared.outbox.sender import Sender
from shared.smtp import mail_server
from tests.sequences.test_outbox import LETTERS, stopped

def freeze(connection, mail):
    refusal = stopped(connection, mail)
    os.kill(os.getpid(), signal.SIGSTOP)
    return refusal

with db.pool("winback_worker") as pool:
    sender = Sender(
        replace(LETTERS, guard=freeze), pool, batch=sys.argv[1], server=mail_server(sys.argv[2])
    )
    assert sender.send_due() == 1
"""


def stopped(connection: db.Connection, mail: Claimed) -> str | None:
    """What a letter's guard will ask first of all, and hold: is its enrollment still open?"""
    found = connection.execute(OPEN_ENROLLMENT, mail.key).fetchone()
    return None if found is not None else "stopped"


LETTERS = Outbox(
    name="sequences",
    table="sequence_mails",
    key=("organization", "sequence", "account", "contact", "step"),
    most_ambiguous=1,
    guard=stopped,
)


def stop(organization: str) -> None:
    """An order that answers the letters, as it commits."""
    with db.connect() as connection:
        connection.execute(STOP, (organization,))


class TestSequenceMails(OutboxContract):
    outbox = LETTERS
    found_at = "tests.sequences.test_outbox:LETTERS"

    def plan(
        self, pool: ConnectionPool[db.Connection], organization: str, emails: tuple[str, ...]
    ) -> str:
        world, sequence = World(organization), f"sequence of {organization}"
        for email in emails:
            world.enrollment(sequence, account=email, contact=email)
        letters: list[dict[str, object]] = [
            {
                "organization": organization,
                "sequence": sequence,
                "account": email,
                "contact": email,
                "step": STEP,
                "email": email,
                "message_id": f"{email}.1",
                "message": f"Message-ID: <{email}.1>\r\nSubject: 5.5 J55\r\n\r\nHello\r\n".encode(),
                "state": "queued",
                "at": clock.now(),
                "answer": None,
            }
            for email in emails
        ]
        with pool.connection() as connection:
            store.plan(connection, LETTERS, letters)
        return sequence

    def test_a_letter_whose_answer_is_lost_is_never_repeated_by_itself(
        self, one: Batch, mailbox: Mailbox
    ) -> None:
        mailbox.answer(one.email, "drop", times=1)
        for hours in (0, 1, 30):
            one.send(later=hours * HOUR)

        assert len(mailbox.mails(to=one.email)) == 1
        assert one.state()[0] == "unknown"

    def test_a_letter_does_not_go_out_once_its_stop_has_committed(
        self, one: Batch, answers: Answers, server: MailServer
    ) -> None:
        stop(one.organization)
        one.send(server=server)

        assert one.state() == ("suppressed", "stopped")
        assert answers.mails == []

    def test_a_stop_during_the_dot_waits_for_it(
        self,
        one: Batch,
        pool: ConnectionPool[db.Connection],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(final_dot, "HOLD_SECONDS", 60.0)
        [claimed] = one.claim()
        backend: list[int] = []

        def stop_beside() -> None:
            with db.connect() as connection:
                backend.append(connection.info.backend_pid)
                connection.execute(STOP, (one.organization,))

        def is_waiting() -> bool:
            with psycopg.connect(settings().database_url) as owner:
                row = owner.execute(IS_WAITING_FOR_A_LOCK, backend).fetchone()
            return row is not None and bool(row[0])

        stopping = threading.Thread(target=stop_beside)
        with FinalDot(pool, LETTERS, claimed, now=clock.now) as may_be_written:
            assert may_be_written
            stopping.start()
            eventually(lambda: bool(backend) and is_waiting())
        stopping.join(30)
        assert not stopping.is_alive()
        with pool.connection() as connection:
            store.release(connection, LETTERS, [claimed])

    def test_a_sender_that_freezes_at_the_dot_frees_the_stop_and_gives_its_dot_up(
        self, one: Batch, answers: Answers, server: MailServer
    ) -> None:
        url = f"smtp://{HOST}:{server.port}"
        command = [sys.executable, "-c", FREEZE_AT_THE_DOT, one.name, url]
        with child(command) as process:
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            with stopped_process(process.pid):
                stop(one.organization)
            assert process.wait(60) == 0

        assert answers.mails == []
        assert one.state()[0] == "retry"
        one.send(server=server)
        assert one.state() == ("suppressed", "stopped")
        assert answers.mails == []

    def test_letters_to_one_contact_leave_step_by_step_each_with_its_own_row(
        self, one: Batch, answers: Answers, server: MailServer
    ) -> None:
        [first] = one.claim()
        with one.pool.connection() as connection:
            store.release(connection, LETTERS, [first])
            second: dict[str, object] = {
                **first.key,
                "step": STEP + 1,
                "email": one.email,
                "message_id": "2",
                "message": b"Subject: second\r\n\r\n",
                "state": "queued",
                "at": clock.now(),
                "answer": None,
            }
            store.plan(connection, LETTERS, [second])
        guarded = replace(LETTERS, guard=lambda c, m: None if m.key["step"] == STEP else "later")
        replace(one, outbox=guarded).send(server=server)

        assert [mail.state for mail in one.states()] == ["sent", "suppressed"]
        assert len(answers.mails) == 1
