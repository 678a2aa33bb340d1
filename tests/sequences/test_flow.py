"""Letters from launch to stop, on a real PostgreSQL and a real SMTP server: who is written to, what
stops the rest, and what moves people on.
"""

import email
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from psycopg_pool import ConnectionPool

from services.sequences import actions, release, starting, stopping
from services.sequences.flow_store import Person
from services.sequences.letters import LETTERS
from shared import clock, db, ids, kafka, letter_events
from shared.domain.enrollment_states import StopReason
from shared.events import SignalRecovered
from shared.letter_events import ActionEvent
from shared.outbox.sender import Sender
from shared.records import Record
from shared.smtp import mail_server
from tests.sequences.test_process import free_port
from tests.sequences.world import RUN_AT, RUN_DAY, SENDER, World
from tests.signals.conftest import make_tenant
from tests.stack_fixtures import Mailbox, Stack

SEQUENCE = "s-1"
CLOCK_SECONDS = 0.05  # from the dot on the wire to the note of it, in a thread of a busy machine
PEOPLE = """
SELECT account, state, reason, next_step
FROM enrollments
WHERE organization = %s AND sequence = %s
ORDER BY account
"""
LETTERS_OF = """
SELECT account, step, state, answer
FROM sequence_mails
WHERE organization = %s
ORDER BY account, step
"""
TOLD = """
SELECT kind, convert_from(value, 'UTF8')::jsonb
FROM outreach_events
WHERE organization = %s
ORDER BY number
"""


@pytest.fixture
def pool(stack: Stack) -> Iterator[ConnectionPool[db.Connection]]:
    with db.pool("winback_worker", most=12) as pool:
        yield pool


@pytest.fixture
def world(stack: Stack) -> World:
    with db.connect() as connection:
        world = World(make_tenant(connection))
    world.run()
    world.member(SENDER)
    return world


@pytest.fixture
def mailbox(stack: Stack) -> Mailbox:
    return stack.mailbox


class Flow:
    """One sequence and what is done to it."""

    def __init__(self, world: World, pool: ConnectionPool[db.Connection]) -> None:
        self.world, self.pool, self.organization = world, pool, world.organization

    def lapsed(self, *accounts: str, **settings: Any) -> None:
        """Launched to these, each with one lapsed combo, and heard."""
        self.world.sending(**settings)
        for account in accounts:
            self.world.lapse(account)
        self.world.draft(SEQUENCE, *accounts)
        self.launch()

    def launch(self, sequence: str = SEQUENCE) -> None:
        with self.pool.connection() as connection:
            starting.launch(connection, self.organization, sequence, at=clock.now())

    def do(self, event_type: type[ActionEvent], /, **what: Any) -> None:
        """An event of the topic `actions`, as it is heard."""
        event = event_type(
            id="x", organization=self.organization, at=clock.now(), by=SENDER, **what
        )
        with self.pool.connection() as connection:
            actions.follow(connection, [self._record(event)])

    def order(self, account: str, *, od: str = "5.5", episode: int = 1) -> None:
        """An order that answers that combo, as it is heard."""
        event = SignalRecovered(
            id="x", organization=self.organization, account=account,
            signal=ids.signal_id(self.organization, account, "lapse", od, "J55"),
            signal_type="lapse", combo=None, episode=episode, opened_on=RUN_DAY, at=clock.now(),
            source_offset=2, run=None, closed_on=RUN_DAY, resolution="reordered", order="SO-2",
        )  # fmt: skip
        with self.pool.connection() as connection:
            stopping.stop_answered(connection, [self._record(event)])

    def time(self, *, later: timedelta = timedelta()) -> None:
        """What is due goes out, what came of it is drawn."""
        now = clock.now() + later
        release.look(self.pool, now=now)
        with closing(Sender(LETTERS, self.pool, now=lambda: clock.now() + later)) as sender:
            while sender.send_due():
                """All of them."""
        release.look(self.pool, now=now)

    def people(self, sequence: str = SEQUENCE) -> dict[str, tuple[str, str | None, int]]:
        return {row[0]: row[1:] for row in self._rows(PEOPLE, self.organization, sequence)}

    def letters(self) -> list[tuple[Any, ...]]:
        return self._rows(LETTERS_OF, self.organization)

    def told(self) -> list[str]:
        return [kind for kind, _ in self._rows(TOLD, self.organization)]

    def person(self, account: str) -> dict[str, str]:
        return {"sequence": SEQUENCE, "account": account, "contact": f"C-{account}-1"}

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self.pool.connection() as connection:
            return connection.execute(query.encode(), values).fetchall()

    def _record(self, event: Any) -> Record:
        return Record(
            topic="x", partition=kafka.partition_of(self.organization), offset=1, key=None,
            value=b"", headers=[], at=clock.now(), event=event,
        )  # fmt: skip


@pytest.fixture
def flow(world: World, pool: ConnectionPool[db.Connection]) -> Flow:
    return Flow(world, pool)


def parsed(mailbox: Mailbox, to: str) -> list[Message]:
    """The letters to an address, the oldest first."""
    return [
        email.message_from_bytes(mailbox.source(mail["id"])) for mail in mailbox.mails(to=to)[::-1]
    ]


def parts(letter: Message) -> list[Message]:
    """Text and HTML."""
    return [part for part in letter.walk() if not part.is_multipart()]


# -- launch ----------------------------------------------------------------------------------------


def test_a_launch_tests_everybody_again_and_writes_to_who_passes(flow: Flow, world: World) -> None:
    world.sending()
    for account in ("fine", "pinned", "gone", "out"):
        world.lapse(account)
    world.lapse("over", recovered_at=RUN_AT, resolution="reordered")
    world.account("pinned", enrollment="no")
    world.draft(SEQUENCE, "fine", "pinned", "over", "gone", "out")
    world.refused("gone@gone.example")
    world.suppress("@out.example")

    flow.launch()

    assert flow.people() == {
        "fine": ("active", None, 1),
        "pinned": ("skipped", "pinned", 1),
        "over": ("skipped", "signal-over", 1),
        "gone": ("skipped", "undeliverable", 1),
        "out": ("skipped", "unsubscribed", 1),
    }
    assert flow.told() == ["EnrollmentStarted"]
    flow.launch()
    assert flow.told() == ["EnrollmentStarted"], "told twice, launched once"


def test_a_launch_that_was_taken_back_before_it_was_heard_writes_to_nobody(
    flow: Flow, world: World
) -> None:
    world.sending()
    world.lapse("permian")
    world.draft(SEQUENCE, "permian", state="draft")
    flow.launch()
    assert flow.people() == {"permian": ("enrolled", None, 1)}


def test_two_contacts_with_one_address_are_written_to_once(flow: Flow, world: World) -> None:
    world.sending()
    for account in ("a", "b"):
        world.lapse(account)
        world.account(account)
        world.contact(account, "Shared@x.example" if account == "a" else "shared@x.example")
    world.draft(SEQUENCE, "a", "b")
    flow.launch()
    assert flow.people() == {
        "a": ("active", None, 1),
        "b": ("skipped", "contact-in-sequence", 1),
    }


def test_eight_launches_at_once_over_shared_accounts_put_nobody_in_two_flows(
    flow: Flow, world: World
) -> None:
    world.sending()
    accounts = [f"a{n:02}" for n in range(30)]
    for account in accounts:
        world.lapse(account)
    sequences = [f"s-{n}" for n in range(8)]
    for sequence in sequences:
        world.draft(sequence, *accounts)
    gate = threading.Barrier(len(sequences))
    failed: list[BaseException] = []

    def launch(sequence: str) -> None:
        gate.wait()
        try:
            flow.launch(sequence)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=launch, args=(one,)) for one in sequences]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failed == []
    states = [flow.people(sequence) for sequence in sequences]
    for account in accounts:
        assert sorted(found[account][0] for found in states) == ["active"] + ["skipped"] * 7


# -- what leaves -----------------------------------------------------------------------------------


def test_a_letter_is_a_mail_as_a_person_writes_one(
    flow: Flow, world: World, mailbox: Mailbox
) -> None:
    flow.lapsed("form")
    flow.time()
    flow.time(later=timedelta(days=4))
    flow.do(letter_events.TaskDone, step=2, result="no_answer", **flow.person("form"))
    flow.time(later=timedelta(days=4))

    first, second = parsed(mailbox, "form@form.example")
    assert first["From"] == f"dk <{SENDER}>" or first["From"] == f'"dk" <{SENDER}>'
    assert first["Reply-To"] == SENDER and first["Return-Path"] == f"<{SENDER}>"
    assert first["Subject"] == "About 5 1/2 J55"
    assert second["Subject"] == "Re: About 5 1/2 J55"
    assert second["In-Reply-To"] == first["Message-ID"]
    assert first["Message-ID"] in second["References"].split()
    assert second["References"].split()[0] == second["Message-ID"]
    for name in ("Auto-Submitted", "Precedence", "X-Auto-Response-Suppress", "Sender"):
        assert first[name] is None
    plain, html = parts(first)
    assert [plain.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    text = str(plain.get_payload())
    assert "is 5 1/2 J55 still needed?" in text and "1 Yard Road, Midland" in text
    assert "/opt-out/" in text
    assert "<img" not in str(html.get_payload()) and "style" not in str(html.get_payload())


def test_a_letter_comes_from_the_account_s_owner_where_it_is_known_who_that_is(
    flow: Flow, world: World, mailbox: Mailbox
) -> None:
    world.member("dana@three-forks.example")
    with flow.pool.connection() as connection:
        connection.execute(
            "INSERT INTO owner_people (organization, owner, email, mapped_by, mapped_at)"
            " VALUES (%s, 'dk', 'dana@three-forks.example', 'x', now())",
            (flow.organization,),
        )
    flow.lapsed("owned")
    flow.time()
    (letter,) = parsed(mailbox, "owned@owned.example")
    assert letter["Reply-To"] == "dana@three-forks.example"
    assert letter["Return-Path"] == "<dana@three-forks.example>"


def test_a_follow_up_waits_for_the_rep_where_only_the_rep_hears_an_answer(
    flow: Flow, world: World, mailbox: Mailbox
) -> None:
    flow.lapsed("asked")
    flow.time()
    assert flow.people()["asked"] == ("active", None, 2)
    flow.time(later=timedelta(days=4))
    assert flow.people()["asked"][0] == "task"
    flow.time(later=timedelta(days=5))
    assert len(mailbox.mails(to="asked@asked.example")) == 1

    flow.do(letter_events.TaskDone, step=2, result="replied", **flow.person("asked"))
    assert flow.people()["asked"] == ("stopped", "replied", 2)


def test_who_never_answers_is_finished_ten_business_days_after_the_last_letter(
    flow: Flow, world: World
) -> None:
    flow.lapsed("quiet")
    flow.time()
    flow.time(later=timedelta(days=4))
    flow.do(letter_events.TaskDone, step=2, result="no_answer", **flow.person("quiet"))
    flow.time(later=timedelta(days=4))
    flow.time(later=timedelta(days=10))
    assert flow.people()["quiet"] == ("active", None, 3)
    flow.time(later=timedelta(days=16))
    assert flow.people()["quiet"] == ("finished", None, 3)
    assert flow.told()[-2:] == ["EnrollmentFinished", "SequenceFinished"]


# -- what stops ------------------------------------------------------------------------------------


def test_an_order_stops_exactly_the_letters_that_name_its_signal(flow: Flow, world: World) -> None:
    world.lapse("two", od="9.625", grade="J55", cents=1_000)
    flow.lapsed("two", "other")
    flow.order("two", od="9.625")  # a combo that the letters do not name
    assert flow.people()["two"][0] == "active"
    flow.order("two")
    assert flow.people() == {
        "two": ("stopped", "reordered", 1),
        "other": ("active", None, 1),
    }


def test_an_order_cancels_what_is_queued_and_nothing_leaves(
    flow: Flow, world: World, mailbox: Mailbox
) -> None:
    flow.lapsed("late")
    release.look(flow.pool, now=clock.now())
    assert [row[2] for row in flow.letters()] == ["queued"]
    flow.order("late")
    assert [row[2] for row in flow.letters()] == ["cancelled"]
    flow.time()
    assert mailbox.mails(to="late@late.example") == []


def test_an_order_of_an_earlier_episode_that_comes_again_stops_nothing(
    flow: Flow, world: World
) -> None:
    world.sending()
    world.lapse("again", episode=2)
    world.draft(SEQUENCE, "again")
    flow.launch()
    flow.order("again", episode=1)
    assert flow.people()["again"][0] == "active"
    flow.order("again", episode=2)
    assert flow.people()["again"] == ("stopped", "reordered", 1)


def test_an_order_that_is_heard_before_the_launch_is_known_to_it(flow: Flow, world: World) -> None:
    world.sending()
    world.lapse("fast")
    world.draft(SEQUENCE, "fast")
    flow.order("fast")
    flow.launch()
    assert flow.people()["fast"][:2] in (("stopped", "reordered"), ("skipped", "signal-over"))


@pytest.mark.parametrize(
    ("kind", "what", "reason"),
    [
        (letter_events.AccountPinned, {"account": "one", "enrollment": "no"}, "pinned"),
        (letter_events.OutcomeRecorded, {"account": "one", "outcome": "o", "kind": "lost"}, "lost"),
        (
            letter_events.OutcomeRecorded,
            {"account": "one", "outcome": "o", "kind": "reached_out"},
            "reached_out",
        ),
        (
            letter_events.OutcomeRecorded,
            {"account": "one", "outcome": "o", "kind": "won_back"},
            "won_back",
        ),
        (
            letter_events.AddressRefused,
            {"email": "ONE@one.example", "reason": "opted_out"},
            "opted_out",
        ),
        (letter_events.AddressRefused, {"email": "@one.example", "reason": "by_hand"}, "removed"),
        (
            letter_events.EnrollmentRemoved,
            {"sequence": SEQUENCE, "account": "one", "contact": "C-one-1"},
            "removed",
        ),
    ],
)
def test_what_a_person_says_stops_it(
    flow: Flow, kind: type[ActionEvent], what: dict[str, Any], reason: str
) -> None:
    flow.lapsed("one", "two")
    release.look(flow.pool, now=clock.now())
    flow.do(kind, **what)
    assert flow.people() == {"one": ("stopped", reason, 1), "two": ("active", None, 1)}
    assert [row[2] for row in flow.letters()] == ["cancelled", "queued"]


def test_undoing_what_somebody_said_lets_it_go_on(flow: Flow, world: World) -> None:
    flow.lapsed("one")
    flow.do(letter_events.OutcomeRecorded, account="one", outcome="o-1", kind="reached_out")
    flow.do(letter_events.OutcomeUndone, account="one", outcome="another")
    assert flow.people()["one"][0] == "stopped"
    flow.do(letter_events.OutcomeUndone, account="one", outcome="o-1")
    assert flow.people()["one"] == ("active", None, 1)


def test_a_paused_sequence_sends_nothing_and_goes_on_when_it_is_resumed(
    flow: Flow, world: World, mailbox: Mailbox
) -> None:
    flow.lapsed("rest")
    release.look(flow.pool, now=clock.now())
    set_state(flow, "paused")
    flow.do(letter_events.SequencePaused, sequence=SEQUENCE)
    flow.time()
    assert [row[2] for row in flow.letters()] == ["cancelled"]
    set_state(flow, "launched")
    flow.do(letter_events.SequenceResumed, sequence=SEQUENCE)
    flow.time()
    assert [row[2] for row in flow.letters()] == ["sent"]
    assert len(mailbox.mails(to="rest@rest.example")) == 1


def test_an_archived_sequence_stops_all_of_its_people(flow: Flow, world: World) -> None:
    flow.lapsed("one", "two")
    set_state(flow, "archived")
    flow.do(letter_events.SequenceArchived, sequence=SEQUENCE)
    assert {state[:2] for state in flow.people().values()} == {("stopped", "archived")}


def test_a_launch_that_is_taken_back_is_a_draft_again(flow: Flow, world: World) -> None:
    world.account("pinned", enrollment="no")
    flow.lapsed("one", "pinned")
    assert flow.people()["pinned"][:2] == ("skipped", "pinned")
    set_state(flow, "draft")
    flow.do(letter_events.SequenceTakenBack, sequence=SEQUENCE)
    assert {state[0] for state in flow.people().values()} == {"enrolled"}


# -- the guard at the dot --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE accounts SET enrollment = 'no' WHERE organization = %s", "pinned"),
        ("UPDATE accounts SET lost_at = now() WHERE organization = %s", "lost"),
        (
            "UPDATE accounts SET paused_until = now() + interval '1 day' WHERE organization = %s",
            "reached_out",
        ),
        ("UPDATE contacts SET email = 'new@x.example' WHERE organization = %s", "contact_changed"),
        ("DELETE FROM contacts WHERE organization = %s", "contact_changed"),
        (
            "UPDATE signals SET recovered_at = now(), resolution = 'reordered'"
            " WHERE organization = %s",
            "reordered",
        ),
        (
            "INSERT INTO suppressions (organization, email, reason, at)"
            " VALUES (%s, 'dot@DOT.example', 'opted_out', now())",
            "opted_out",
        ),
    ],
)
def test_what_is_so_at_the_dot_decides_not_what_was_told(
    flow: Flow, mailbox: Mailbox, change: str, reason: str
) -> None:
    mailbox.clear()
    flow.lapsed("dot")
    release.look(flow.pool, now=clock.now())
    with flow.pool.connection() as connection:
        connection.execute(change.encode(), (flow.organization,))
    flow.time()
    assert mailbox.mails(to="dot@dot.example") == []
    assert [row[2:] for row in flow.letters()] == [("suppressed", reason)]
    assert flow.people()["dot"] == ("stopped", reason, 1)


def test_a_letter_whose_answer_is_lost_waits_for_a_person(flow: Flow, mailbox: Mailbox) -> None:
    mailbox.answer("lost@lost.example", "drop", times=1)
    flow.lapsed("lost")
    flow.time()
    assert flow.people()["lost"] == ("stopped", "unsure", 1)
    flow.time(later=timedelta(hours=30))
    assert len(mailbox.mails(to="lost@lost.example")) == 1

    flow.do(letter_events.EnrollmentResumed, how="send_again", **flow.person("lost"))
    flow.time()
    twice = mailbox.mails(to="lost@lost.example")
    assert len({mail["message_id"] for mail in twice}) == 1 and len(twice) == 2
    assert flow.people()["lost"] == ("active", None, 2)


def test_a_letter_whose_answer_is_lost_counts_as_sent_when_a_person_says_so(
    flow: Flow, mailbox: Mailbox
) -> None:
    mailbox.answer("lost2@lost2.example", "drop", times=1)
    flow.lapsed("lost2")
    flow.time()
    flow.do(letter_events.EnrollmentResumed, how="go_on", **flow.person("lost2"))
    flow.time()
    assert len(mailbox.mails(to="lost2@lost2.example")) == 1
    assert flow.people()["lost2"][0] in ("active", "task")
    assert flow.people()["lost2"][2] == 2


@pytest.mark.parametrize(
    ("answer", "state", "reason", "refused"),
    [
        ("550 5.1.1 no such user", "stopped", "bounced", True),
        ("552 5.2.2 mailbox full", "stopped", "bounced", False),
        ("554 5.6.0 message content rejected", "stopped", "refused", False),
        ("550 5.7.1 blocked by spamhaus", "held", None, False),
    ],
)
def test_a_refusal_is_about_the_address_the_moment_the_text_or_us(
    flow: Flow, mailbox: Mailbox, answer: str, state: str, reason: str | None, refused: bool
) -> None:
    account = f"no{abs(hash(answer)) % 10_000}"
    mailbox.answer(f"{account}@{account}.example", answer)
    flow.lapsed(account)
    flow.time()
    assert flow.people()[account] == (state, reason, 1)
    with flow.pool.connection() as connection:
        row = connection.execute(
            "SELECT count(*) FROM refusals WHERE organization = %s", (flow.organization,)
        ).fetchone()
    assert row == (int(refused),)
    mailbox.answer(f"{account}@{account}.example", "")


def test_who_was_held_for_a_day_is_written_to_again(flow: Flow, mailbox: Mailbox) -> None:
    mailbox.answer("held@held.example", "550 5.7.1 blocked by spamhaus", times=1)
    flow.lapsed("held")
    flow.time()
    assert flow.people()["held"][0] == "held"
    flow.time(later=timedelta(hours=25))
    assert len(mailbox.mails(to="held@held.example")) == 1
    assert flow.people()["held"] == ("active", None, 2)


# -- resuming --------------------------------------------------------------------------------------


def test_the_rest_goes_on_about_what_is_still_silent(flow: Flow, world: World) -> None:
    world.lapse("both", od="9.625", grade="J55", cents=1_000)
    flow.lapsed("both")
    flow.order("both")
    flow.do(letter_events.EnrollmentResumed, how="resume", **flow.person("both"))
    assert flow.people()["both"][0] == "active"
    flow.order("both", od="9.625")
    assert flow.people()["both"] == ("stopped", "reordered", 1)


@pytest.mark.parametrize("reason", ["opted_out", "complained", "bounced"])
def test_nobody_resumes_who_must_not_be_written_to(flow: Flow, reason: StopReason) -> None:
    flow.lapsed("never")
    person = Person(organization=flow.organization, **flow.person("never"))
    with flow.pool.connection() as connection:
        stopping.stop(connection, person, reason)
    flow.do(letter_events.EnrollmentResumed, how="resume", **flow.person("never"))
    assert flow.people()["never"][:2] == ("stopped", reason)


def test_nobody_is_resumed_who_is_in_another_flow(flow: Flow, world: World) -> None:
    flow.lapsed("busy")
    flow.do(letter_events.EnrollmentRemoved, **flow.person("busy"))
    world.draft("s-2", "busy")
    flow.launch("s-2")
    flow.do(letter_events.EnrollmentResumed, how="resume", **flow.person("busy"))
    assert flow.people()["busy"][0] == "stopped"
    assert flow.people("s-2")["busy"][0] == "active"


# -- why not yet -----------------------------------------------------------------------------------


def test_what_waits_says_why_and_when(flow: Flow, world: World) -> None:
    flow.lapsed("a", "b", "c", sender_daily=2, gap_least_seconds=0)
    flow.time()
    rows = waits(flow)
    assert [row[0] for row in rows] == ["c"]
    _, why, next_at = rows[0]
    assert why["why"] == "sender_daily" and (why["used"], why["of"]) == (2, 2)
    assert clock.now() + timedelta(hours=23) < next_at < clock.now() + timedelta(hours=25)


def test_a_guard_stops_a_sender_whom_servers_refuse(flow: Flow, mailbox: Mailbox) -> None:
    accounts = [f"ours{n}" for n in range(3)]
    for account in accounts:
        mailbox.answer(f"{account}@{account}.example", "550 5.7.1 SPF fail", times=1)
    flow.lapsed(*accounts, "after")
    with flow.pool.connection() as connection:
        connection.execute(
            "UPDATE enrollments SET next_at = now() + interval '1 hour'"
            " WHERE organization = %s AND account = 'after'",
            (flow.organization,),
        )
    flow.time()
    assert "SendingPaused" in flow.told()
    flow.time(later=timedelta(hours=2))
    assert mailbox.mails(to="after@after.example") == []
    flow.do(letter_events.SendingResumed, sender=SENDER)
    flow.time(later=timedelta(hours=3))
    assert len(mailbox.mails(to="after@after.example")) == 1


def waits(flow: Flow) -> list[tuple[str, dict[str, Any], datetime]]:
    with flow.pool.connection() as connection:
        return connection.execute(
            "SELECT account, waits, next_at FROM enrollments"
            " WHERE organization = %s AND waits IS NOT NULL ORDER BY account",
            (flow.organization,),
        ).fetchall()


def set_state(flow: Flow, state: str) -> None:
    with flow.pool.connection() as connection:
        connection.execute(
            "UPDATE sequences SET state = %s WHERE organization = %s", (state, flow.organization)
        )


# -- stops raced against the dot -------------------------------------------------------------------

RACED = int(os.environ.get("WINBACK_RACED_LETTERS", "60"))
STOPPED_AT = """
SELECT
    account,
    extract(epoch FROM stopped_at)
FROM enrollments
WHERE organization = %s
  AND state = 'stopped'
"""


def test_no_dot_comes_after_the_stop_of_an_order_that_races_it(flow: Flow) -> None:
    """WINBACK_RACED_LETTERS=1000 for the whole of it. Senders and stops go through the same
    accounts at once; the server notes when each dot came, PostgreSQL when each stop was.
    """
    dots: dict[str, float] = {}

    class Noting:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
            dots[envelope.rcpt_tos[0].split("@")[0]] = time.time()
            return "250 OK"

    accounts = [f"r{n:04}" for n in range(RACED)]
    flow.lapsed(*accounts)
    release.look(flow.pool, now=clock.now())
    release.look(flow.pool, now=clock.now())
    port = free_port()
    door = Controller(Noting(), hostname="127.0.0.1", port=port)
    door.start()
    try:
        server = mail_server(f"smtp://127.0.0.1:{port}")
        senders = [Sender(LETTERS, flow.pool, server=server) for _ in range(3)]
        done = threading.Event()

        def send(sender: Sender) -> None:
            while not done.is_set():
                if not sender.send_due():
                    done.wait(0.01)
            sender.close()

        threads = [threading.Thread(target=send, args=(one,)) for one in senders]
        for thread in threads:
            thread.start()
        for account in accounts:
            flow.order(account)
        done.set()
        for thread in threads:
            thread.join(60)
    finally:
        door.stop()

    stops = {str(account): float(at) for account, at in flow._rows(STOPPED_AT, flow.organization)}
    assert stops.keys() == set(accounts)
    late = {one: dots[one] - stops[one] for one in dots if dots[one] > stops[one] + CLOCK_SECONDS}
    assert late == {}, "a dot came after its stop"
    assert 0 < len(dots) < len(accounts) or RACED < 20, "some were faster, some not"
