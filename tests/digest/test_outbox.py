"""The outbox on real PostgreSQL and real mail servers: refused, dropped, killed, frozen, two at
once.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from psycopg_pool import ConnectionPool

from services.digest import handlers, outbox, outbox_store
from services.digest.outbox import Sender
from shared import clock, db, metrics
from shared.errors import Retryable
from shared.events import DigestDue
from shared.smtp import MailServer
from tests.digest.rows import address, due, recipient, unsubscribed
from tests.digest.servers import HOST, Answers, serving
from tests.stack_fixtures import Mailbox

HOUR = timedelta(hours=1)
SEND_ONE_BATCH = """
import sys
from services.digest.outbox import Sender
from shared import db
from shared.smtp import mail_server
with db.pool("winback_worker") as pool:
    Sender(pool, digest=sys.argv[1], server=mail_server(sys.argv[2])).send_due()
"""


@pytest.fixture(scope="module")
def pool(stack: object) -> Iterator[ConnectionPool[db.Connection]]:
    with db.pool("winback_worker", most=6) as opened:
        yield opened


@dataclass
class Outbox:
    """One digest to one fresh recipient of a fresh organization."""

    pool: ConnectionPool[db.Connection]
    organization: str
    email: str = field(default_factory=address)
    digest: str = ""

    def plan(self) -> "Outbox":
        recipient(self.organization, self.email)
        self.digest = planned(self.pool, due(self.organization))
        return self

    def send(self, *, later: timedelta = timedelta(), server: MailServer | None = None) -> None:
        """One sender, until nothing is due, at a later hour."""
        with closing(
            Sender(self.pool, digest=self.digest, server=server, now=lambda: clock.now() + later)
        ) as sender:
            while sender.send_due():
                pass

    def state(self) -> tuple[str, str | None]:
        [one] = states(self.pool, self.organization, self.digest)
        return one.state, one.answer


@pytest.fixture
def one(pool: ConnectionPool[db.Connection], organization: str) -> Outbox:
    return Outbox(pool, organization).plan()


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def server(answers: Answers) -> Iterator[MailServer]:
    with serving(answers) as port:
        yield MailServer(host=HOST, port=port, security="none")


def planned(pool: ConnectionPool[db.Connection], tick: DigestDue) -> str:
    with pool.connection() as connection:
        handlers.plan(connection, tick, at=tick.slot_at)
    return tick.digest


def states(
    pool: ConnectionPool[db.Connection], organization: str, digest: str
) -> list[outbox_store.MailState]:
    with pool.connection() as connection:
        return outbox_store.states(connection, organization, digest)


def ambiguous() -> float:
    found = metrics.MAILS_AMBIGUOUS.labels("digest")._value.get()
    assert isinstance(found, float)
    return found


# -- what servers answer -------------------------------------------------------------------------------------------------------


def test_a_recipient_gets_the_digest_once(one: Outbox, mailbox: Mailbox) -> None:
    one.send()
    one.send(later=HOUR)

    [mail] = mailbox.mails(to=one.email)
    assert mail["subject"] == "No digest yet: the check is not complete"
    assert one.state()[0] == "sent"


def test_a_tick_that_comes_again_plans_nothing_more(
    pool: ConnectionPool[db.Connection], one: Outbox
) -> None:
    again = due(one.organization)
    planned(
        pool,
        DigestDue(
            **{name: getattr(again, name) for name in again.__struct_fields__}
            | {"digest": one.digest}
        ),
    )

    assert len(states(pool, one.organization, one.digest)) == 1


@pytest.mark.parametrize("answer", ["450 4.2.1 busy", "421 4.3.2 shutting down"])
def test_a_refusal_for_now_is_tried_again_later_with_the_same_message_id(
    one: Outbox, mailbox: Mailbox, answer: str
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


def test_a_refusal_for_good_bounces_and_later_digests_are_suppressed(
    pool: ConnectionPool[db.Connection], one: Outbox, mailbox: Mailbox
) -> None:
    mailbox.answer(one.email, "550 5.1.1 no such user")
    one.send()
    one.send(later=HOUR)
    assert one.state() == ("bounced", "550 5.1.1 no such user")

    one.digest = planned(pool, due(one.organization))
    assert one.state() == ("suppressed", "bounced")


def test_a_recipient_who_is_added_anew_is_tried_anew(
    pool: ConnectionPool[db.Connection], one: Outbox, mailbox: Mailbox
) -> None:
    mailbox.answer(one.email, "550 5.1.1 no such user", times=1)
    one.send()
    with pool.connection() as connection:
        connection.execute(
            "UPDATE digest_recipients SET added_at = now() WHERE email = %s", (one.email,)
        )

    one.digest = planned(pool, due(one.organization))
    one.send()
    assert one.state()[0] == "sent"


def test_one_recipient_s_bounce_does_not_keep_the_others_from_their_mail(
    pool: ConnectionPool[db.Connection], organization: str, mailbox: Mailbox
) -> None:
    emails = sorted(address() for _ in range(3))
    for email in emails:
        recipient(organization, email)
    mailbox.answer(emails[0], "550 5.1.1 no such user")
    mailbox.answer(emails[1], "421 4.3.2 shutting down", times=1)
    sent = Outbox(pool, organization, digest=planned(pool, due(organization)))
    sent.send()

    assert [mail.state for mail in states(pool, organization, sent.digest)] == [
        "bounced",
        "retry",
        "sent",
    ]


def test_after_24_hours_it_is_given_up(one: Outbox, mailbox: Mailbox) -> None:
    mailbox.answer(one.email, "450 4.2.1 busy")
    one.send()
    one.send(later=25 * HOUR)

    assert one.state() == ("bounced", "given up: 450 4.2.1 busy")
    assert backoffs_stay_within_bounds()


def backoffs_stay_within_bounds() -> bool:
    waits = [outbox.backoff(attempts) for attempts in range(1, 60)]
    return all(timedelta(seconds=2) <= wait <= timedelta(minutes=45) for wait in waits) and waits[
        0
    ] < timedelta(seconds=8)


def test_while_the_mail_server_is_not_there_nothing_is_claimed(one: Outbox) -> None:
    with pytest.raises(Retryable):
        one.send(server=MailServer(host=HOST, port=9, security="none"))

    assert one.state() == ("queued", None)


# -- answers that are lost -----------------------------------------------------------------------------------------------------


def test_an_answer_that_is_lost_after_the_final_dot_sends_once_more_with_the_same_message_id(
    one: Outbox, mailbox: Mailbox
) -> None:
    before = ambiguous()
    mailbox.answer(one.email, "drop", times=1)
    one.send()

    mails = mailbox.mails(to=one.email)
    assert len(mails) == 2
    assert len({mail["message_id"] for mail in mails}) == 1
    assert mails[0]["message_id"].endswith("@localhost>")
    assert one.state()[0] == "sent"
    assert ambiguous() == before + 1


def test_a_mail_whose_answer_is_always_lost_goes_out_twice_and_no_more(
    one: Outbox, mailbox: Mailbox
) -> None:
    mailbox.answer(one.email, "drop")
    for hours in (0, 1, 2):
        one.send(later=hours * HOUR)

    assert len(mailbox.mails(to=one.email)) == 2
    assert one.state()[0] == "unknown"


def test_a_sender_that_is_killed_between_the_answer_and_its_row_leaves_one_more_mail(
    one: Outbox, answers: Answers, server: MailServer
) -> None:
    process: list[subprocess.Popen[bytes]] = []
    answers.at_dot = lambda content: (
        os.kill(process[0].pid, signal.SIGKILL) if len(answers.mails) == 1 else None
    )
    url = f"smtp://{HOST}:{server.port}"
    process.append(subprocess.Popen([sys.executable, "-c", SEND_ONE_BATCH, one.digest, url]))
    assert process[0].wait(30) == -signal.SIGKILL
    assert one.state()[0] == "sending"

    one.send(server=server)  # the lease holds
    assert len(answers.mails) == 1

    before = ambiguous()
    one.send(server=server, later=timedelta(minutes=3))
    assert len(answers.mails) == 2
    assert answers.mails[0] == answers.mails[1]
    assert one.state()[0] == "sent"
    assert ambiguous() == before + 1


def test_a_sender_that_is_killed_before_the_final_dot_is_no_ambiguity(
    one: Outbox, answers: Answers, server: MailServer, pool: ConnectionPool[db.Connection]
) -> None:
    with pool.connection() as connection:
        assert len(outbox_store.claim(connection, now=clock.now(), most=10, digest=one.digest)) == 1
    before = ambiguous()

    one.send(server=server, later=timedelta(minutes=3))
    assert len(answers.mails) == 1
    assert ambiguous() == before


def test_a_frozen_sender_that_wakes_up_before_its_final_dot_gives_way(
    one: Outbox, answers: Answers, server: MailServer, pool: ConnectionPool[db.Connection]
) -> None:
    with pool.connection() as connection:
        [frozen] = outbox_store.claim(connection, now=clock.now(), most=10, digest=one.digest)
    one.send(server=server, later=timedelta(minutes=3))

    with pool.connection() as connection:
        assert not outbox_store.submitting(connection, frozen, now=clock.now())
        assert not outbox_store.settle(
            connection,
            frozen,
            state="bounced",
            answer="late",
            now=clock.now(),
            next_attempt_at=clock.now(),
        )
        outbox_store.release(connection, [frozen])
    assert one.state()[0] == "sent"
    assert len(answers.mails) == 1


# -- several senders, stops, suppression ---------------------------------------------------------------------------------------


def test_two_senders_at_once_send_each_mail_once(
    pool: ConnectionPool[db.Connection], organization: str, answers: Answers, server: MailServer
) -> None:
    for _ in range(40):
        recipient(organization, address())
    both = Outbox(pool, organization, digest=planned(pool, due(organization)))
    threads = [threading.Thread(target=both.send, kwargs={"server": server}) for _ in range(2)]
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
    assert {mail.state for mail in states(pool, organization, both.digest)} == {"sent"}


def test_a_stop_gives_back_what_was_not_begun(
    one: Outbox, server: MailServer, answers: Answers
) -> None:
    stop = threading.Event()
    stop.set()
    with closing(Sender(one.pool, digest=one.digest, server=server)) as sender:
        assert sender.send_due(stop) == 0

    assert one.state()[0] == "retry"
    one.send(server=server)
    assert len(answers.mails) == 1


def test_who_has_unsubscribed_is_planned_as_suppressed(
    pool: ConnectionPool[db.Connection], organization: str
) -> None:
    email = address()
    recipient(organization, email)
    unsubscribed(organization, email)
    suppressed = Outbox(pool, organization, email, planned(pool, due(organization)))
    suppressed.send()

    assert suppressed.state() == ("suppressed", "unsubscribed")


def test_who_unsubscribes_after_planning_gets_nothing(one: Outbox, mailbox: Mailbox) -> None:
    unsubscribed(one.organization, one.email)
    one.send()

    assert one.state() == ("suppressed", "unsubscribed")
    assert mailbox.mails(to=one.email) == []


def test_who_unsubscribes_while_it_is_being_sent_gets_nothing(one: Outbox) -> None:
    class Unsubscribing(Answers):
        async def handle_RCPT(self, *arguments: Any) -> str:  # noqa: N802 - aiosmtpd's name
            unsubscribed(one.organization, one.email)
            return await super().handle_RCPT(*arguments)

    answers = Unsubscribing()
    with serving(answers) as port:
        one.send(server=MailServer(host=HOST, port=port, security="none"))

    assert one.state() == ("suppressed", "unsubscribed")
    assert answers.mails == []


# -- keeping and measuring -----------------------------------------------------------------------------------------------------


def test_mails_are_forgotten_after_90_days_and_what_was_shown_is_not(
    one: Outbox, pool: ConnectionPool[db.Connection]
) -> None:
    with pool.connection() as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "UPDATE digests SET created_at = now() - interval '91 days' WHERE digest = %s",
            (one.digest,),
        )
        connection.execute(
            "UPDATE digest_mails SET queued_at = now() - interval '91 days' WHERE digest = %s",
            (one.digest,),
        )
        outbox_store.forget(connection, now=clock.now())

        assert outbox_store.states(connection, one.organization, one.digest) == []
        kept = connection.execute(
            "SELECT html, body, shown FROM digests WHERE digest = %s", (one.digest,)
        ).fetchone()
        assert kept is not None and kept[:2] == ("", "") and kept[2]["heartbeat"]


def test_the_outbox_says_how_old_its_oldest_mail_is(
    one: Outbox, pool: ConnectionPool[db.Connection]
) -> None:
    with pool.connection() as connection:
        outbox.set_gauges(connection, clock.now() + HOUR)

    assert metrics.OUTBOX_OLDEST_SECONDS.labels("digest")._value.get() >= 3600
    assert metrics.OUTBOX_MAILS.labels("digest", "queued")._value.get() >= 1
    one.send()
    assert metrics.DIGEST_LAST_SUCCESS.labels(one.organization)._value.get() > 0
