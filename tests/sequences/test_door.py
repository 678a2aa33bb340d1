"""The door of answers on real sockets, PostgreSQL and mail server: who may come in, what a mail
does, and that a mail to ourselves shows that answers are heard.
"""

import asyncio
import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from psycopg_pool import ConnectionPool

from services.sequences import reply_addresses
from services.sequences.door import round_trip, store
from services.sequences.door.server import CONNECTIONS_AN_ADDRESS, LARGEST_BYTES, Door
from services.signals.store import sequence_people
from shared import clock, db
from shared.settings import settings
from tests.eventually import eventually
from tests.sequences.test_flow import SEQUENCE, Flow
from tests.sequences.world import SENDER, World
from tests.signals.conftest import make_tenant
from tests.stack_fixtures import Mailbox, Stack

TOKENS = "SELECT account, token FROM sequence_mails WHERE organization = %s AND step = %s"
RECEIVED = "SELECT account, kind, sender, said FROM received_mails WHERE organization = %s"
REFUSED = "SELECT email, reason FROM refusals WHERE organization = %s ORDER BY email"
PAUSES = "SELECT sender, why FROM sending_pauses WHERE organization = %s"
HOLDS = "SELECT state, held_times, waits FROM enrollments WHERE organization = %s"


@pytest.fixture(scope="module")
def pool(stack: Stack) -> Iterator[ConnectionPool[db.Connection]]:
    with db.pool("winback_worker", most=12) as pool:
        yield pool


@contextmanager
def opened(
    pool: ConnectionPool[db.Connection], *, smtp_port: int, lmtp_port: int = 0
) -> Iterator[None]:
    """The door in a loop of its own."""
    is_open, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        door = Door(pool, host="127.0.0.1", hostname="replies.winback.test")
        await door.open(smtp_port=smtp_port, lmtp_port=lmtp_port)
        is_open.set()
        await asyncio.to_thread(stop.wait)
        door.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert is_open.wait(10)
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture(scope="module")
def lmtp_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.fixture(scope="module", autouse=True)
def door(pool: ConnectionPool[db.Connection], lmtp_port: int) -> Iterator[int]:
    port = settings().door_smtp_port
    with opened(pool, smtp_port=port, lmtp_port=lmtp_port):
        yield port


@pytest.fixture
def world(stack: Stack) -> World:
    with db.connect() as connection:
        world = World(make_tenant(connection))
    world.run()
    world.member(SENDER)
    return world


@pytest.fixture
def flow(world: World, pool: ConnectionPool[db.Connection]) -> Flow:
    return Flow(world, pool)


class Written:
    """An organization that wrote its first letters, answers to which come to the door."""

    def __init__(self, flow: Flow, port: int, *accounts: str) -> None:
        self.flow, self.port = flow, port
        flow.lapsed(*accounts, replies="door")
        flow.time()
        self.tokens = dict(self.rows(TOKENS, flow.organization, 1))

    def rows(self, query: str, *values: Any) -> list[Any]:
        with self.flow.pool.connection() as connection:
            return connection.execute(query.encode(), values).fetchall()

    def received(self) -> list[tuple[str, str, str, str]]:
        return self.rows(RECEIVED, self.flow.organization)

    def answer(
        self, account: str, role: str = "r", *, sender: str | None = None, **mail: Any
    ) -> None:
        """A mail comes in; by the person where nobody else is said."""
        person = f"{account}@{account}.example"
        message = mail.pop("message", None) or answer_of(person, **mail)
        with smtplib.SMTP("127.0.0.1", self.port) as smtp:
            to = f"{role}.{self.tokens[account].upper()}@{reply_addresses.domain()}"
            smtp.sendmail(person if sender is None else sender, [to], message)


@pytest.fixture
def written(flow: Flow, door: int) -> Written:
    return Written(flow, door, "permian", "delta")


def answer_of(
    person: str, subject: str = "Re: About it", text: str = "Call me.", **headers: str
) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = person, subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes(policy=policy.SMTP)


def report(status: str, words: str) -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n"
        "\r\nFinal-Recipient: rfc822; x@x.example\r\nAction: failed\r\n"
        f"Status: {status}\r\nDiagnostic-Code: smtp; {words}\r\n\r\n--b--\r\n"
    ).encode()


# -- who may come in -------------------------------------------------------------------------------


def test_nobody_but_a_letters_own_addresses_is_taken_in(written: Written) -> None:
    domain, token = reply_addresses.domain(), written.tokens["permian"]
    with smtplib.SMTP("127.0.0.1", written.port) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        for address in (
            f"r.{'a' * 24}@{domain}", f"x.{token}@{domain}", f"r.{token}x@{domain}", f"r@{domain}",
            f"r.{token}@other.example", "postmaster@elsewhere.example", f"{token}@{domain}",
        ):  # fmt: skip
            assert smtp.rcpt(address)[0] == 550, address
        assert smtp.rcpt(f"R.{token.upper()}@{domain.upper()}")[0] == 250


def test_an_eleventh_connection_of_an_address_is_told_to_come_later(written: Written) -> None:
    with ExitStack() as held:
        for _ in range(CONNECTIONS_AN_ADDRESS):
            held.enter_context(smtplib.SMTP("127.0.0.1", written.port))
        with pytest.raises(smtplib.SMTPConnectError, match="421"):
            smtplib.SMTP("127.0.0.1", written.port)
    eventually(lambda: is_taken_in(written), seconds=30, what="a place again")


def is_taken_in(written: Written) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", written.port):
            return True
    except smtplib.SMTPConnectError:
        return False


def test_a_mail_that_is_too_large_is_refused_and_a_large_one_is_heard(written: Written) -> None:
    long = answer_of("permian@permian.example", text="Call me.\n" + "x" * 70_000 + "\n")
    with pytest.raises(smtplib.SMTPResponseException, match="552"):
        written.answer("permian", message=long + b"y" * 70 + b"\r\n" * (LARGEST_BYTES // 2))
    assert written.received() == []
    written.answer("permian", message=long + b"\r\n".join([b"z" * 70] * 20_000))
    assert [row[1] for row in written.received()] == ["reply"]


def test_while_postgresql_is_away_the_sender_keeps_the_mail(
    flow: Flow, pool: ConnectionPool[db.Connection], lmtp_port: int
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, nobody = free.getsockname()[1], "postgresql://nobody@127.0.0.1:1/none"
    away: ConnectionPool[db.Connection] = ConnectionPool(
        nobody, min_size=0, max_size=2, timeout=1, open=False
    )
    with away, opened(away, smtp_port=port), smtplib.SMTP("127.0.0.1", port) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        assert smtp.rcpt(f"r.{'a' * 24}@{reply_addresses.domain()}")[0] == 451


def test_lmtp_says_of_each_recipient_that_it_was_kept(written: Written, lmtp_port: int) -> None:
    domain = reply_addresses.domain()
    recipients = [f"r.{written.tokens[name]}@{domain}" for name in ("permian", "delta")]
    with smtplib.LMTP("127.0.0.1", lmtp_port) as lmtp:
        assert lmtp.sendmail("both@x.example", recipients, answer_of("both@x.example")) == {}
        assert lmtp.getreply()[0] == 250  # of the second
    assert sorted(row[0] for row in written.received()) == ["delta", "permian"]


# -- what a mail does ------------------------------------------------------------------------------


def test_a_reply_stops_the_rest_and_is_told(written: Written) -> None:
    written.answer("permian", text="Not now, call me in June.")
    flow = written.flow
    assert flow.people()["permian"] == ("stopped", "replied", 2)
    assert flow.people()["delta"][0] == "active"
    assert ("permian", "reply", "permian@permian.example", "Not now, call me in June.") in [
        tuple(row) for row in written.received()
    ]
    assert flow.told()[-2:] == ["EnrollmentStopped", "ReplyReceived"]


def test_a_mail_that_is_handed_over_twice_does_what_it_does_once(written: Written) -> None:
    message = answer_of("permian@permian.example", Auto_Submitted="auto-replied")
    for _ in range(3):
        written.answer("permian", message=message, sender="")
    assert len(written.received()) == 1
    assert written.rows(HOLDS + " AND account = 'permian'", written.flow.organization)[0][1] == 1


def test_who_is_away_is_written_to_later_three_times_at_most(written: Written) -> None:
    holds = HOLDS + " AND account = 'permian'"
    for times in range(1, 5):
        written.answer("permian", text=f"Away {times}", Auto_Submitted="auto-replied")
        state, held, waits = written.rows(holds, written.flow.organization)[0]
        assert (state, held) == ("held", min(times, 3))
        assert waits == {"why": "away"}
    written.flow.time(later=timedelta(days=1))
    assert written.rows(holds, written.flow.organization)[0][0] == "held"
    written.flow.time(later=timedelta(days=60))
    assert written.rows(holds, written.flow.organization)[0][0] != "held"


@pytest.mark.parametrize(
    ("role", "mail", "sender", "reason", "refused"),
    [
        ("u", {"Auto_Submitted": "auto-replied"}, None, "opted_out", "opted_out"),
        ("r", {"text": "unsubscribe"}, None, "opted_out", "opted_out"),
        (
            "b",
            {"message": report("5.1.1", "550 5.1.1 User unknown")},
            "",
            "bounced",
            "undeliverable",
        ),
        ("b", {"message": report("5.2.2", "552 5.2.2 Over quota")}, "", "bounced", None),
    ],
)
def test_an_opt_out_or_a_report_stops_and_says_whether_the_address_is_refused(
    written: Written,
    role: str,
    mail: dict[str, Any],
    sender: str | None,
    reason: str,
    refused: str | None,
) -> None:
    written.answer("permian", role, sender=sender, **mail)
    assert written.flow.people()["permian"][:2] == ("stopped", reason)
    expected = [] if refused is None else [("permian@permian.example", refused)]
    assert written.rows(REFUSED, written.flow.organization) == expected


def test_the_second_letter_that_fails_softly_refuses_the_address(
    written: Written, world: World
) -> None:
    """However often the first is reported; and whether the second is, or the server says so."""
    for number in range(2):
        words = f"552 5.2.2 Over quota, for the {number}. time"
        written.answer("permian", "b", message=report("5.2.2", words), sender="")
    assert written.rows(REFUSED, written.flow.organization) == []

    world.draft("s-2", "permian")
    written.flow.launch("s-2")
    written.flow.time()
    [(token,)] = written.rows(
        "SELECT token FROM sequence_mails WHERE organization = %s AND sequence = 's-2'",
        written.flow.organization,
    )
    written.tokens["permian"] = token
    written.answer("permian", "b", message=report("5.2.2", "552 5.2.2 Over quota"), sender="")
    assert written.rows(REFUSED, written.flow.organization) == [
        ("permian@permian.example", "undeliverable")
    ]


def test_the_funnel_counts_who_is_reported_undeliverable(written: Written) -> None:
    gone = report("5.1.1", "550 5.1.1 User unknown")
    written.answer("permian", "b", message=gone, sender="")
    with written.flow.pool.connection() as connection:
        steps = sequence_people.funnel(connection, written.flow.organization, SEQUENCE)
    assert [(one.step, one.sent, one.undeliverable) for one in steps] == [(1, 2, 1), (2, 0, 0)]


def test_two_complaints_pause_the_organization(written: Written) -> None:
    complaint = (
        b'From: fbl@provider.example\r\nContent-Type: multipart/report; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--b--\r\n"
    )
    written.answer("permian", "b", message=complaint, sender="fbl@provider.example")
    assert written.rows(PAUSES, written.flow.organization) == []
    written.answer("delta", "b", message=complaint, sender="fbl@provider.example")
    assert written.rows(PAUSES, written.flow.organization) == [("", "complaints")]
    assert {reason for _, reason, _ in written.flow.people().values()} == {"complained"}


def test_three_servers_that_do_not_want_us_pause_the_sender(flow: Flow, door: int) -> None:
    written = Written(flow, door, "a1", "a2", "a3")
    for account in written.tokens:
        blocked = report("5.7.1", "550 5.7.1 blocked: SPF failed")
        written.answer(account, "b", message=blocked, sender="")
    assert {state for state, _, _ in flow.people().values()} == {"held"}
    assert written.rows(PAUSES, flow.organization) == [(SENDER, "ours")]


def test_another_organizations_token_stops_nobody_here(
    written: Written, pool: ConnectionPool[db.Connection], stack: Stack
) -> None:
    with db.connect() as connection:
        other = World(make_tenant(connection))
    other.run()
    other.member(SENDER)
    theirs = Written(Flow(other, pool), written.port, "permian")
    theirs.answer("permian")
    assert written.received() == []
    assert written.flow.people()["permian"][0] == "active"
    assert theirs.flow.people()["permian"][:2] == ("stopped", "replied")


def test_a_letter_tells_where_answers_reports_and_opt_outs_go(
    written: Written, mailbox: Mailbox
) -> None:
    domain, token = reply_addresses.domain(), written.tokens["permian"]
    mail = mailbox.mails(to="permian@permian.example")[0]
    headers = dict(mail["headers"])
    assert mail["sender"] == f"b.{token}@{domain}"
    assert headers["Reply-To"] == f"{SENDER}, r.{token}@{domain}"
    assert headers["Message-ID"] == f"<m.{token}@{domain}>"
    assert f"<mailto:u.{token}@{domain}?subject=unsubscribe>" in headers["List-Unsubscribe"]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("reply", ("stopped", "replied")),
        ("away", ("held", None)),
        ("bounce", ("stopped", "bounced")),
        ("spam", ("stopped", "complained")),
        ("unsubscribe", ("stopped", "opted_out")),
    ],
)
def test_the_mail_sink_answers_as_people_and_servers_do(
    written: Written, mailbox: Mailbox, kind: str, state: tuple[str, str | None]
) -> None:
    mail = mailbox.mails(to="permian@permian.example")[0]
    said = httpx.post(f"{mailbox.url}/api/messages/{mail['id']}/answer", json={"kind": kind})
    assert said.json() == {"said": "250"}
    assert written.flow.people()["permian"][:2] == state


# -- the round trip --------------------------------------------------------------------------------


def test_a_mail_to_ourselves_comes_back_and_says_that_answers_are_heard(
    world: World, pool: ConnectionPool[db.Connection]
) -> None:
    world.sending(replies="door")
    round_trip.look(pool, now=clock.now())

    def state() -> store.TripState:
        with pool.connection() as connection:
            states = store.states_of_trips(connection)
        return next(one for one in states if one.organization == world.organization)

    eventually(lambda: state().returned_at is not None, seconds=60, what="the test mail")
    assert state().wrong is None
    before = state().asked_at
    round_trip.look(pool, now=clock.now())
    assert state().asked_at == before, "one a day is enough"


def test_a_test_mail_that_does_not_come_back_pauses_letters_until_one_does(
    world: World, pool: ConnectionPool[db.Connection], mailbox: Mailbox
) -> None:
    world.sending(replies="door")
    trip = store.Trip(
        organization=world.organization, token="z" * 24, sender=SENDER, message_id="t.z@x.example"
    )
    with pool.connection() as connection:
        connection.execute("DELETE FROM round_trips WHERE token = %s", (trip.token,))
        store.insert_trip(connection, trip, at=clock.now() - timedelta(minutes=31))

    def pauses() -> list[Any]:
        with pool.connection() as connection:
            return connection.execute(PAUSES.encode(), (world.organization,)).fetchall()

    round_trip.look(pool, now=clock.now())
    assert pauses() == [("", "round_trip")]
    with pool.connection() as connection:
        store.returned(connection, trip.token, None, at=clock.now())
    round_trip.look(pool, now=clock.now())
    assert pauses() == []


def test_a_relay_that_writes_another_sender_is_said(
    world: World, pool: ConnectionPool[db.Connection]
) -> None:
    world.sending(replies="door")
    token = "y" * 24
    trip = store.Trip(
        organization=world.organization, token=token, sender=SENDER, message_id=f"t.{token}@x"
    )
    with pool.connection() as connection:
        connection.execute("DELETE FROM round_trips WHERE token = %s", (token,))
        store.insert_trip(connection, trip, at=clock.now())
        round_trip.returned(
            connection,
            token,
            envelope_from="bounces@relay.example",
            content=b"From: Relay <no-reply@relay.example>\r\nReferences: <other@x>\r\n\r\nhi",
            at=clock.now(),
        )
        state = next(
            one
            for one in store.states_of_trips(connection)
            if one.organization == world.organization
        )
    assert state.wrong is not None
    assert "no-reply@relay.example" in state.wrong
    assert "Message-ID" in state.wrong
    assert "bounces@relay.example" in state.wrong
