"""What every outbox must do, whichever table it is of: a table's tests inherit it.

Real PostgreSQL and real mail servers: refused, dropped, killed, frozen, two at once.
"""

import os
import secrets
import signal
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql
from psycopg_pool import ConnectionPool

from shared import clock, db, metrics
from shared.errors import Retryable
from shared.outbox import final_dot, measuring, store
from shared.outbox.final_dot import FinalDot
from shared.outbox.sender import Sender
from shared.outbox.store import MailState
from shared.outbox.table import Claimed, Guard, Outbox
from shared.settings import settings
from shared.smtp import MailServer
from tests.digest.rows import address
from tests.digest.servers import HOST, Answers, serving
from tests.stack_fixtures import Mailbox

HOUR = timedelta(hours=1)
SEND_WHAT_IS_DUE = """
import importlib, sys
from shared import db
from shared.outbox.sender import Sender
from shared.smtp import mail_server
module, name = sys.argv[1].split(":")
outbox = getattr(importlib.import_module(module), name)
with db.pool("winback_worker") as pool:
    Sender(outbox, pool, batch=sys.argv[2], server=mail_server(sys.argv[3])).send_due()
"""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Mails that were planned together for a fresh organization."""

    outbox: Outbox
    pool: ConnectionPool[db.Connection]
    organization: str
    name: str
    emails: tuple[str, ...]

    @property
    def email(self) -> str:
        """Of the only one."""
        [email] = self.emails
        return email

    def send(
        self,
        *,
        later: timedelta = timedelta(),
        server: MailServer | None = None,
        guard: Guard | None = None,
    ) -> None:
        """One sender, until nothing is due, at a later hour."""
        outbox = replace(self.outbox, guard=guard or self.outbox.guard)
        now = clock.now() + later
        with closing(
            Sender(outbox, self.pool, batch=self.name, server=server, now=lambda: now)
        ) as one:
            while one.send_due():
                pass

    def claim(self) -> list[Claimed]:
        """As a sender does that then dies or freezes."""
        with self.pool.connection() as connection:
            return store.claim(connection, self.outbox, now=clock.now(), most=10, batch=self.name)

    def states(self) -> list[MailState]:
        """Of each mail, in the order of their addresses."""
        with self.pool.connection() as connection:
            return store.states(connection, self.outbox, self.organization, self.name)

    def state(self) -> tuple[str, str | None]:
        """Of the only one: the state and the answer."""
        [one] = self.states()
        return one.state, one.answer


def ambiguous(outbox: Outbox) -> float:
    """So many answers were lost since the process began."""
    found = metrics.MAILS_AMBIGUOUS.labels(outbox.name)._value.get()
    assert isinstance(found, float)
    return found


def is_noted(batch: Batch) -> bool:
    """Does the row say that the final dot may be out?"""
    query = sql.SQL("SELECT submitted_at IS NOT NULL FROM {} WHERE {} = %s").format(
        sql.Identifier(batch.outbox.table), sql.Identifier(batch.outbox.batch)
    )
    with db.connect() as connection:
        row = connection.execute(query, (batch.name,)).fetchone()
    return row is not None and bool(row[0])


def is_free(lock: int) -> bool:
    with db.connect() as connection:
        row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock,)).fetchone()
    return row is not None and bool(row[0])


class OutboxContract(ABC):
    """Inherit it, name the outbox, and say how its mails are planned."""

    outbox: Outbox
    found_at: str  # module:name of the outbox, for another process

    @abstractmethod
    def plan(
        self, pool: ConnectionPool[db.Connection], organization: str, emails: tuple[str, ...]
    ) -> str:
        """One mail to each, due now. Returns the batch."""

    def planned(
        self, pool: ConnectionPool[db.Connection], organization: str, mails: int = 1
    ) -> Batch:
        emails = tuple(sorted(address() for _ in range(mails)))
        return Batch(
            outbox=self.outbox,
            pool=pool,
            organization=organization,
            name=self.plan(pool, organization, emails),
            emails=emails,
        )

    @pytest.fixture(scope="class")
    @classmethod
    def pool(cls, stack: object) -> Iterator[ConnectionPool[db.Connection]]:
        with db.pool("winback_worker", most=6) as opened:
            yield opened

    @pytest.fixture
    def one(self, pool: ConnectionPool[db.Connection], organization: str) -> Batch:
        return self.planned(pool, organization)

    @pytest.fixture
    def answers(self) -> Answers:
        return Answers()

    @pytest.fixture
    def server(self, answers: Answers) -> Iterator[MailServer]:
        with serving(answers) as port:
            yield MailServer(host=HOST, port=port, security="none")

    # -- what servers answer

    def test_a_mail_goes_out_once(self, one: Batch, mailbox: Mailbox) -> None:
        one.send()
        one.send(later=HOUR)

        assert len(mailbox.mails(to=one.email)) == 1
        assert one.state()[0] == "sent"

    def test_a_mail_that_is_planned_again_stays_as_it_is(
        self, pool: ConnectionPool[db.Connection], one: Batch
    ) -> None:
        one.send()
        query = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
            sql.SQL(", ").join(map(sql.Identifier, one.outbox.key)),
            sql.Identifier(one.outbox.table),
            sql.Identifier(one.outbox.batch),
        )
        with pool.connection() as connection:
            key = connection.execute(query, (one.name,)).fetchone()
            assert key is not None
            again = dict(zip(one.outbox.key, key, strict=True)) | {
                "email": one.email,
                "message_id": "another@localhost",
                "message": b"another",
                "state": "queued",
                "at": clock.now(),
                "answer": None,
            }
            store.plan(connection, one.outbox, [again])

        assert one.state()[0] == "sent"

    @pytest.mark.parametrize("answer", ["450 4.2.1 busy", "421 4.3.2 shutting down"])
    def test_a_refusal_for_now_is_tried_again_later_with_the_same_message_id(
        self, one: Batch, mailbox: Mailbox, answer: str
    ) -> None:
        mailbox.answer(one.email, answer, times=2)
        one.send()
        assert one.state() == ("retry", answer)

        one.send()  # not due yet
        assert mailbox.mails(to=one.email) == []

        one.send(later=HOUR)
        one.send(later=2 * HOUR)
        assert one.state()[0] == "sent"
        assert len(mailbox.mails(to=one.email)) == 1

    def test_an_address_that_is_none_bounces_and_holds_nobody_up(
        self, pool: ConnectionPool[db.Connection], organization: str, mailbox: Mailbox
    ) -> None:
        emails = ("no address at all", address())
        batch = Batch(
            outbox=self.outbox,
            pool=pool,
            organization=organization,
            name=self.plan(pool, organization, emails),
            emails=emails,
        )
        batch.send()

        assert len(mailbox.mails(to=emails[1])) == 1
        assert sorted(one.state for one in batch.states()) == ["bounced", "sent"]

    def test_a_refusal_for_good_bounces(self, one: Batch, mailbox: Mailbox) -> None:
        mailbox.answer(one.email, "550 5.1.1 no such user")
        one.send()
        one.send(later=HOUR)

        assert one.state() == ("bounced", "550 5.1.1 no such user")

    def test_one_recipient_s_bounce_does_not_keep_the_others_from_their_mail(
        self, pool: ConnectionPool[db.Connection], organization: str, mailbox: Mailbox
    ) -> None:
        three = self.planned(pool, organization, 3)
        mailbox.answer(three.emails[0], "550 5.1.1 no such user")
        mailbox.answer(three.emails[1], "421 4.3.2 shutting down", times=1)
        three.send()

        assert [mail.state for mail in three.states()] == ["bounced", "retry", "sent"]

    def test_after_24_hours_it_is_given_up(self, one: Batch, mailbox: Mailbox) -> None:
        mailbox.answer(one.email, "450 4.2.1 busy")
        one.send()
        one.send(later=25 * HOUR)

        assert one.state() == ("bounced", "given up: 450 4.2.1 busy")

    def test_while_the_mail_server_is_not_there_nothing_is_claimed(self, one: Batch) -> None:
        with pytest.raises(Retryable):
            one.send(server=MailServer(host=HOST, port=9, security="none"))

        assert one.state() == ("queued", None)

    # -- answers that are lost

    def test_a_mail_whose_answer_is_always_lost_goes_out_as_often_as_is_allowed_and_no_more(
        self, one: Batch, mailbox: Mailbox
    ) -> None:
        before = ambiguous(one.outbox)
        mailbox.answer(one.email, "drop")
        for hours in (0, 1, 2):
            one.send(later=hours * HOUR)

        mails = mailbox.mails(to=one.email)
        assert len(mails) == one.outbox.most_ambiguous
        assert len({mail["message_id"] for mail in mails}) == 1
        assert ambiguous(one.outbox) == before + one.outbox.most_ambiguous
        [left] = one.states()
        assert (left.state, left.waits) == ("unknown", False), "a person has to look"

    def test_a_sender_that_is_killed_between_the_answer_and_its_row_leaves_a_doubt(
        self, one: Batch, answers: Answers, server: MailServer
    ) -> None:
        process: list[subprocess.Popen[bytes]] = []
        answers.at_dot = lambda content: (
            os.kill(process[0].pid, signal.SIGKILL) if len(answers.mails) == 1 else None
        )
        url = f"smtp://{HOST}:{server.port}"
        command = [sys.executable, "-c", SEND_WHAT_IS_DUE, self.found_at, one.name, url]
        process.append(subprocess.Popen(command))
        assert process[0].wait(60) == -signal.SIGKILL
        assert one.state()[0] == "sending"

        one.send(server=server)  # the lease holds
        assert len(answers.mails) == 1

        before = ambiguous(one.outbox)
        one.send(server=server, later=timedelta(minutes=3))
        assert ambiguous(one.outbox) == before + 1
        is_repeated = one.outbox.most_ambiguous > 1
        assert answers.mails == answers.mails[:1] * (2 if is_repeated else 1)
        assert one.state()[0] == ("sent" if is_repeated else "unknown")

    def test_a_sender_that_is_killed_before_the_final_dot_is_no_doubt(
        self, one: Batch, answers: Answers, server: MailServer
    ) -> None:
        assert len(one.claim()) == 1
        before = ambiguous(one.outbox)

        one.send(server=server, later=timedelta(minutes=3))
        assert len(answers.mails) == 1
        assert ambiguous(one.outbox) == before

    def test_a_frozen_sender_that_wakes_up_before_its_final_dot_gives_way(
        self,
        one: Batch,
        answers: Answers,
        server: MailServer,
        pool: ConnectionPool[db.Connection],
    ) -> None:
        [frozen] = one.claim()
        one.send(server=server, later=timedelta(minutes=3))

        now = clock.now()
        with pool.connection() as connection:
            assert not store.note(connection, one.outbox, frozen, now=now)
            assert not store.settle(
                connection,
                one.outbox,
                frozen,
                state="bounced",
                answer="late",
                now=now,
                next_attempt_at=now,
            )
            store.release(connection, one.outbox, [frozen])
        assert one.state()[0] == "sent"
        assert len(answers.mails) == 1

    # -- the guard

    def test_what_the_guard_refuses_does_not_go_out_and_says_why(
        self, one: Batch, answers: Answers, server: MailServer
    ) -> None:
        before = ambiguous(one.outbox)
        one.send(server=server, guard=lambda connection, mail: "they have ordered")
        one.send(server=server, later=HOUR)

        assert one.state() == ("suppressed", "they have ordered")
        assert answers.mails == []
        assert ambiguous(one.outbox) == before

    def test_a_mail_that_is_refused_does_not_keep_the_others_from_leaving(
        self,
        pool: ConnectionPool[db.Connection],
        organization: str,
        answers: Answers,
        server: MailServer,
    ) -> None:
        three = self.planned(pool, organization, 3)
        three.send(
            server=server,
            guard=lambda connection, mail: "no" if mail.email == three.emails[1] else None,
        )

        assert [mail.state for mail in three.states()] == ["sent", "suppressed", "sent"]
        assert len(answers.mails) == 2

    def test_the_note_is_committed_and_what_the_guard_locked_is_held_over_the_dot(
        self,
        one: Batch,
        pool: ConnectionPool[db.Connection],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(final_dot, "HOLD_SECONDS", 60.0)
        lock = secrets.randbits(62)

        def locking(connection: db.Connection, mail: Claimed) -> None:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))

        [claimed] = one.claim()
        guarded = replace(one.outbox, guard=locking)
        with FinalDot(pool, guarded, claimed, now=clock.now) as may_be_written:
            assert may_be_written
            assert is_noted(one)
            assert not is_free(lock)
        assert is_free(lock)
        with pool.connection() as connection:
            store.release(connection, one.outbox, [claimed])

    def test_a_guard_that_takes_too_long_lets_no_dot_out(
        self,
        one: Batch,
        answers: Answers,
        server: MailServer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """PostgreSQL may have given its locks to others by then."""
        asked: list[str] = []

        def slow_at_first(connection: db.Connection, mail: Claimed) -> None:
            asked.append(mail.email)
            is_first = len(asked) == 1
            monkeypatch.setattr(final_dot, "HOLD_SECONDS", 0.1 if is_first else 30.0)
            connection.execute("SELECT pg_sleep(0.2)")

        one.send(server=server, guard=slow_at_first)
        assert len(asked) == 2, "the first dot was given up"
        assert one.state()[0] == "sent"
        assert len(answers.mails) == 1

    def test_a_database_that_goes_between_the_note_and_the_dot_is_no_doubt(
        self, one: Batch, answers: Answers, server: MailServer
    ) -> None:
        """The sender knows that its dot did not go out."""
        before = ambiguous(one.outbox)
        ended: list[int] = []

        def ending(connection: db.Connection, mail: Claimed) -> None:
            if not ended:
                ended.append(connection.info.backend_pid)
                with psycopg.connect(settings().database_url) as owner:
                    owner.execute("SELECT pg_terminate_backend(%s, 10000)", (ended[0],))
                connection.execute("SELECT 1")

        one.send(server=server, guard=ending)
        assert len(ended) == 1
        assert one.state()[0] == "sent"
        assert len(answers.mails) == 1
        assert ambiguous(one.outbox) == before

    # -- several senders, stops

    def test_two_senders_at_once_send_each_mail_once(
        self,
        pool: ConnectionPool[db.Connection],
        organization: str,
        answers: Answers,
        server: MailServer,
    ) -> None:
        forty = self.planned(pool, organization, 40)
        threads = [threading.Thread(target=forty.send, kwargs={"server": server}) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        ids = [
            line
            for mail in answers.mails
            for line in mail.splitlines()
            if line.startswith(b"Message-ID:")
        ]
        assert len(ids) == len(set(ids)) == 40
        assert {mail.state for mail in forty.states()} == {"sent"}

    def test_a_stop_gives_back_what_was_not_begun(
        self, one: Batch, server: MailServer, answers: Answers
    ) -> None:
        stop = threading.Event()
        stop.set()
        with closing(Sender(one.outbox, one.pool, batch=one.name, server=server)) as stopped:
            assert stopped.send_due(stop) == 0

        assert one.state()[0] == "retry"
        one.send(server=server)
        assert len(answers.mails) == 1

    # -- measuring

    def test_the_outbox_says_how_many_wait_and_how_old_the_oldest_is(
        self, one: Batch, pool: ConnectionPool[db.Connection]
    ) -> None:
        with pool.connection() as connection:
            measuring.set_gauges(connection, one.outbox, clock.now() + HOUR)

        assert metrics.OUTBOX_OLDEST_SECONDS.labels(one.outbox.name)._value.get() >= 3600
        assert metrics.OUTBOX_MAILS.labels(one.outbox.name, "queued")._value.get() >= 1
