"""The digest's outbox: the contract of every outbox, and what digests have of their own."""

from dataclasses import replace
from typing import Any

from psycopg_pool import ConnectionPool

from services.digest import handlers, mails_store
from services.digest.outbox import MAILS
from shared import clock, db, metrics
from shared.events import DigestDue
from shared.outbox import store
from shared.smtp import MailServer
from tests.digest.rows import address, due, recipient, unsubscribed
from tests.digest.servers import HOST, Answers, serving
from tests.outbox.contract import HOUR, Batch, OutboxContract, ambiguous
from tests.stack_fixtures import Mailbox


def planned(pool: ConnectionPool[db.Connection], tick: DigestDue) -> str:
    with pool.connection() as connection:
        handlers.plan(connection, tick, at=tick.slot_at)
    return tick.digest


def digest(
    pool: ConnectionPool[db.Connection], organization: str, emails: tuple[str, ...]
) -> Batch:
    """One digest to these fresh recipients."""
    for email in emails:
        recipient(organization, email)
    return Batch(
        outbox=MAILS,
        pool=pool,
        organization=organization,
        name=planned(pool, due(organization)),
        emails=emails,
    )


class TestDigestMails(OutboxContract):
    outbox = MAILS
    found_at = "services.digest.outbox:MAILS"

    def plan(
        self, pool: ConnectionPool[db.Connection], organization: str, emails: tuple[str, ...]
    ) -> str:
        return digest(pool, organization, emails).name

    # -- planning

    def test_a_digest_says_what_it_is(self, one: Batch, mailbox: Mailbox) -> None:
        one.send()

        [mail] = mailbox.mails(to=one.email)
        assert mail["subject"] == "No digest yet: the check is not complete"
        assert mail["message_id"].endswith("@localhost>")

    def test_a_tick_that_comes_again_plans_nothing_more(
        self, pool: ConnectionPool[db.Connection], one: Batch
    ) -> None:
        again = due(one.organization)
        fields = {name: getattr(again, name) for name in again.__struct_fields__}
        planned(pool, DigestDue(**fields | {"digest": one.name}))

        assert len(one.states()) == 1

    def test_whose_mail_has_bounced_gets_no_later_digest(
        self, pool: ConnectionPool[db.Connection], one: Batch, mailbox: Mailbox
    ) -> None:
        mailbox.answer(one.email, "550 5.1.1 no such user")
        one.send()

        later = replace(one, name=planned(pool, due(one.organization)))
        assert later.state() == ("suppressed", "bounced")

    def test_a_recipient_who_is_added_anew_is_tried_anew(
        self, pool: ConnectionPool[db.Connection], one: Batch, mailbox: Mailbox
    ) -> None:
        mailbox.answer(one.email, "550 5.1.1 no such user", times=1)
        one.send()
        with pool.connection() as connection:
            connection.execute(
                "UPDATE digest_recipients SET added_at = now() WHERE email = %s", (one.email,)
            )

        later = replace(one, name=planned(pool, due(one.organization)))
        later.send()
        assert later.state()[0] == "sent"

    # -- answers that are lost

    def test_a_digest_whose_answer_is_lost_is_sent_once_more_with_the_same_message_id(
        self, one: Batch, mailbox: Mailbox
    ) -> None:
        before = ambiguous(MAILS)
        mailbox.answer(one.email, "drop", times=1)
        one.send()

        mails = mailbox.mails(to=one.email)
        assert len(mails) == 2
        assert len({mail["message_id"] for mail in mails}) == 1
        assert one.state()[0] == "sent"
        assert ambiguous(MAILS) == before + 1

    # -- who has unsubscribed

    def test_who_has_unsubscribed_is_planned_as_suppressed(
        self, pool: ConnectionPool[db.Connection], organization: str
    ) -> None:
        email = address()
        unsubscribed(organization, email)
        suppressed = digest(pool, organization, (email,))
        suppressed.send()

        assert suppressed.state() == ("suppressed", "unsubscribed")

    def test_who_unsubscribes_after_planning_gets_nothing(
        self, one: Batch, mailbox: Mailbox
    ) -> None:
        unsubscribed(one.organization, one.email)
        one.send()

        assert one.state() == ("suppressed", "unsubscribed")
        assert mailbox.mails(to=one.email) == []

    def test_who_unsubscribes_before_the_next_attempt_is_suppressed_at_once(
        self, one: Batch, mailbox: Mailbox
    ) -> None:
        mailbox.answer(one.email, "450 4.2.1 busy", times=1)
        one.send()
        unsubscribed(one.organization, one.email)
        one.send()  # not due yet

        assert one.state() == ("suppressed", "unsubscribed")

    def test_who_unsubscribes_while_it_is_being_sent_gets_nothing(self, one: Batch) -> None:
        class Unsubscribing(Answers):
            async def handle_RCPT(self, *arguments: Any) -> str:  # noqa: N802 - aiosmtpd's name
                unsubscribed(one.organization, one.email)
                return await super().handle_RCPT(*arguments)

        answers = Unsubscribing()
        with serving(answers) as port:
            one.send(server=MailServer(host=HOST, port=port, security="none"))

        assert one.state() == ("suppressed", "unsubscribed")
        assert answers.mails == []

    # -- keeping and measuring

    def test_mails_are_forgotten_after_90_days_and_what_was_shown_is_not(
        self, one: Batch, pool: ConnectionPool[db.Connection]
    ) -> None:
        with pool.connection() as connection, connection.transaction(force_rollback=True):
            connection.execute(
                "UPDATE digests SET created_at = now() - interval '91 days' WHERE digest = %s",
                (one.name,),
            )
            connection.execute(
                "UPDATE digest_mails SET queued_at = now() - interval '91 days' WHERE digest = %s",
                (one.name,),
            )
            mails_store.forget(connection, now=clock.now())

            assert store.states(connection, MAILS, one.organization, one.name) == []
            kept = connection.execute(
                "SELECT html, body, shown FROM digests WHERE digest = %s", (one.name,)
            ).fetchone()
            assert kept is not None and kept[:2] == ("", "") and kept[2]["heartbeat"]

    def test_a_digest_that_was_taken_is_an_organization_s_last_success(self, one: Batch) -> None:
        one.send()

        assert metrics.DIGEST_LAST_SUCCESS.labels(one.organization)._value.get() > 0

    def test_a_digest_is_late_from_its_slot_on(
        self, pool: ConnectionPool[db.Connection], organization: str
    ) -> None:
        recipient(organization, address())
        tick = due(organization, at=clock.now() - 5 * HOUR)
        with pool.connection() as connection:
            handlers.plan(connection, tick, at=clock.now())
            [mail] = store.claim(connection, MAILS, now=clock.now(), most=1, batch=tick.digest)

        assert mail.due_at == tick.slot_at
