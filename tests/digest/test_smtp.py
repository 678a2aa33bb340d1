"""What is known of a mail after a transaction, against a real server that answers as it is told."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from shared import smtp
from shared.errors import Misconfigured, Retryable
from shared.smtp import Answer, MailServer, Session, mail_server
from tests.digest.servers import HOST, Answers, serving

MESSAGE = b"Subject: x\r\n\r\none\r\n.two\r\n..three\r\n.\r\nfour\r\n"
LET_GO: AbstractContextManager[bool] = nullcontext(True)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def session(answers: Answers) -> Iterator[Session]:
    with serving(answers) as port:
        opened = Session(MailServer(host=HOST, port=port, security="none"))
        yield opened
        opened.close()


def send(
    session: Session,
    *,
    message: bytes = MESSAGE,
    at_final_dot: AbstractContextManager[bool] = LET_GO,
) -> Answer:
    return session.send(
        sender="winback@pipe.example",
        recipient="ana@example.com",
        message=message,
        at_final_dot=at_final_dot,
    )


def test_a_mail_arrives_as_it_was_with_lines_that_start_with_a_dot(
    session: Session, answers: Answers
) -> None:
    assert send(session) == Answer(state="sent", text="250 kept")
    assert answers.mails == [MESSAGE]


def test_a_mail_that_is_not_ascii_goes_out_as_it_is_where_the_server_takes_8_bits(
    session: Session, answers: Answers
) -> None:
    send(session, message=b"Subject: x\r\n\r\n\xc3\xa9\r\n")

    assert answers.mails == [b"Subject: x\r\n\r\n\xc3\xa9\r\n"]
    assert answers.options == [["BODY=8BITMIME"]]


@pytest.mark.parametrize(
    ("command", "reply", "state"),
    [
        ("mail", "451 4.3.0 later", "retry"),
        # our own address: a setting, no recipient's fault
        ("mail", "550 5.7.1 who are you", "retry"),
        ("rcpt", "450 4.2.1 busy", "retry"),
        ("rcpt", "550 5.1.1 no such user", "bounced"),
        ("data", "452 4.3.1 full", "retry"),
        ("data", "554 5.7.1 spam", "bounced"),
    ],
)
def test_an_answer_says_whether_the_mail_may_be_taken_later(
    session: Session, answers: Answers, command: str, reply: str, state: str
) -> None:
    setattr(answers, command, reply)

    assert send(session) == Answer(state=state, text=reply)  # type: ignore[arg-type]  # a table's text
    setattr(answers, command, "")
    # the next recipient has a fresh transaction on the same connection
    assert send(session).state == "sent"


def test_421_ends_the_connection(session: Session, answers: Answers) -> None:
    answers.rcpt = "421 4.3.2 shutting down"

    assert send(session) == Answer(state="retry", text="421 4.3.2 shutting down")
    assert not session.is_open


def test_a_connection_lost_after_the_final_dot_leaves_it_unknown(
    session: Session, answers: Answers
) -> None:
    answers.data = "drop"

    assert send(session).state == "unknown"
    assert len(answers.mails) == 1
    assert not session.is_open


def test_a_stall_after_the_final_dot_leaves_it_unknown(
    session: Session, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 0.1)
    released = threading.Event()
    answers.at_dot = lambda content: (released.wait(5), None)[1]

    assert send(session).state == "unknown"
    released.set()


def test_giving_up_before_the_final_dot_leaves_the_server_nothing(
    session: Session, answers: Answers
) -> None:
    assert send(session, at_final_dot=nullcontext(False)).state == "dropped"
    assert not session.is_open
    assert answers.mails == []


def test_what_is_held_at_the_final_dot_is_held_until_the_server_has_it(
    session: Session, answers: Answers
) -> None:
    arrived = threading.Event()
    answers.at_dot = lambda content: arrived.set()
    held: list[str] = []

    @contextmanager
    def at_final_dot() -> Iterator[bool]:
        held.append("not there yet" if not arrived.is_set() else "too late")
        yield True
        held.append("there" if arrived.wait(10) else "given back before the dot was written")

    assert send(session, at_final_dot=at_final_dot()).state == "sent"
    assert held == ["not there yet", "there"]


def test_a_connection_lost_before_the_final_dot_is_certainly_not_sent() -> None:
    def half_a_conversation(listening: socket.socket) -> None:
        peer, _ = listening.accept()
        with peer:
            peer.sendall(b"220 hello\r\n")
            for reply in (b"250 hello\r\n", b"250 ok\r\n", b"250 ok\r\n"):
                peer.recv(1000)
                peer.sendall(reply)
            peer.recv(1000)

    with socket.create_server((HOST, 0)) as listening:
        thread = threading.Thread(target=half_a_conversation, args=(listening,))
        thread.start()
        session = Session(MailServer(host=HOST, port=listening.getsockname()[1], security="none"))
        assert send(session).state == "retry"
        thread.join()


def test_a_server_without_8bitmime_gets_seven_bits() -> None:
    received: list[bytes] = []

    def old_server(listening: socket.socket) -> None:
        peer, _ = listening.accept()
        with peer, peer.makefile("rb") as lines:
            peer.sendall(b"220 hello\r\n")
            for line in lines:
                if line.startswith(b"DATA"):
                    peer.sendall(b"354 go on\r\n")
                    received.extend(iter(lambda: next(lines), b".\r\n"))
                peer.sendall(b"500 HELO\r\n" if line.startswith(b"EHLO") else b"250 ok\r\n")

    content = (
        'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n\r\nné\r\n'
    ).encode()
    with socket.create_server((HOST, 0)) as listening:
        thread = threading.Thread(target=old_server, args=(listening,))
        thread.start()
        session = Session(MailServer(host=HOST, port=listening.getsockname()[1], security="none"))
        assert send(session, message=content).state == "sent"
        session.close()
        thread.join()

    assert b"".join(received).isascii()
    assert b"n=C3=A9\r\n" in b"".join(received)


def test_a_mail_server_that_is_not_there_is_retryable() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(Retryable, match="does not take mail"):
        Session(MailServer(host=HOST, port=port, security="none"))


# -- where, and how --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://127.0.0.1:1025", MailServer(host="127.0.0.1", port=1025, security="none")),
        ("smtp://mail", MailServer(host="mail", port=25, security="none")),
        (
            "smtp+starttls://ana%40x:p%3Aw%2F@mail.example",
            MailServer(
                host="mail.example", port=587, security="starttls", user="ana@x", password="p:w/"
            ),
        ),
        (
            "smtps://user:pass@mail:2465",
            MailServer(host="mail", port=2465, security="tls", user="user", password="pass"),
        ),
    ],
)
def test_the_address_of_the_mail_server_is_a_url(url: str, server: MailServer) -> None:
    assert mail_server(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "mail:25",
        "http://mail",
        "smtp://",
        "smtp://mail:x",
        "smtp://mail:99999",
        "smtp://mail/path",
        "",
    ],
)
def test_a_wrong_address_is_named(url: str) -> None:
    with pytest.raises(Misconfigured, match="WINBACK_SMTP_URL"):
        mail_server(url)


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate for 127.0.0.1 that this process trusts."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, pem = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext "
        "subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(pem)], check=True, capture_output=True
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return context


def only_ana(
    server: SMTP, session: Any, envelope: Any, mechanism: str, auth_data: Any
) -> AuthResult:
    assert isinstance(auth_data, LoginPassword)
    return AuthResult(
        success=(auth_data.login, auth_data.password) == (b"ana", b"p:w/"), handled=False
    )


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_mail_goes_over_tls_with_a_login(
    scheme: str, answers: Answers, certificate: ssl.SSLContext
) -> None:
    options: dict[str, Any] = {"authenticator": only_ana, "auth_require_tls": scheme != "smtps"}
    if scheme == "smtps":
        options |= {"tls": certificate}
    else:
        options |= {"tls_context": certificate, "require_starttls": True, "auth_required": True}
    with serving(answers, **options) as port:
        session = Session(mail_server(f"{scheme}://ana:p%3Aw%2F@127.0.0.1:{port}"))
        assert send(session).state == "sent"
        session.close()
        with pytest.raises(Retryable, match="535"):
            Session(mail_server(f"{scheme}://ana:wrong@127.0.0.1:{port}"))


def test_a_certificate_that_nobody_vouches_for_is_refused(
    answers: Answers, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with serving(answers, tls=certificate) as port, pytest.raises(Retryable, match="certificate"):
        Session(mail_server(f"smtps://127.0.0.1:{port}"))
