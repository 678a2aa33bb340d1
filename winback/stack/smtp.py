"""A mail server that keeps every mail instead of sending it on, with a page to read them.

    python -m winback.stack.smtp FOLDER SMTP_PORT HTTP_PORT

Mails are .eml files in FOLDER with the envelope in front, as Delivered-To and Return-Path
lines. A recipient can be given another answer than 250 (`Answers`), so that what the senders
do about it can be seen.
"""

import asyncio
import contextlib
import itertools
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"
LARGEST_BYTES = 33_554_432
HEAD_BYTES = 16_384  # enough to list a mail without reading all of it


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One line of the list."""

    id: str
    sender: str
    recipients: list[str]
    subject: str
    message_id: str
    received_at: str
    bytes: int


@dataclass
class Mailbox:
    """The folder of .eml files, with its list in memory. Used by the mail
    server and the page at once.
    """

    folder: Path
    mails: dict[str, Mail] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    counter: "itertools.count[int]" = field(default_factory=itertools.count)

    def load(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(self.folder.glob("*.eml")):
            self.mails[file.stem] = summary(file)

    def keep(self, sender: str, recipients: list[str], content: bytes) -> Mail:
        """On disk before it is answered."""
        name = f"{time.time_ns():020d}-{next(self.counter) % 1000:03d}"
        envelope = f"Return-Path: <{sender}>\r\n" + "".join(
            f"Delivered-To: {recipient}\r\n" for recipient in recipients
        )
        new = self.folder / f"{name}.new"
        new.write_bytes(envelope.encode() + content)
        file = new.rename(self.folder / f"{name}.eml")
        mail = summary(file)
        with self.lock:
            self.mails[mail.id] = mail
        return mail

    def newest(self, to: str | None = None) -> list[Mail]:
        with self.lock:
            mails = list(self.mails.values())
        return [
            mail
            for mail in reversed(mails)
            if to is None or to.lower() in (one.lower() for one in mail.recipients)
        ]

    def source(self, mail: str) -> bytes | None:
        """The bytes of a mail; None when there is no such mail (only names from
        the list are looked at).
        """
        return (self.folder / f"{mail}.eml").read_bytes() if mail in self.mails else None

    def clear(self) -> None:
        with self.lock:
            for mail in self.mails:
                (self.folder / f"{mail}.eml").unlink(missing_ok=True)
            self.mails.clear()


@dataclass
class Answers:
    """What a recipient gets instead of 250, and how many times: a reply line (`450 4.2.1 busy`) to
    RCPT; `drop` keeps the mail and ends the connection without an answer; `stall 300` waits that
    many seconds before it keeps it and answers, `hold 5` so many after it has kept it.
    """

    planned: dict[str, tuple[str, int | None]] = field(default_factory=dict)

    def plan(self, recipient: str, answer: str, times: int | None = None) -> None:
        if answer:
            self.planned[recipient.lower()] = (answer, times)
        else:
            self.planned.pop(recipient.lower(), None)

    def take(self, recipient: str, *, at_data: bool) -> str | None:
        """The planned answer for this stage of the conversation, counted."""
        answer, times = self.planned.get(recipient.lower(), ("", None))
        if not answer or at_data == answer[0].isdigit():
            return None
        if times is not None:
            self.plan(recipient, answer if times > 1 else "", times - 1)
        return answer


class Handler:
    """aiosmtpd calls these, by their names and with these arguments."""

    def __init__(self, mailbox: Mailbox, answers: Answers) -> None:
        self.mailbox, self.answers = mailbox, answers

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.take(address, at_data=False)
        if answer is None:
            envelope.rcpt_tos.append(address)
            return "250 OK"
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        planned = [
            answer for to in envelope.rcpt_tos if (answer := self.answers.take(to, at_data=True))
        ]
        for answer in planned:
            if answer.startswith("stall"):
                await asyncio.sleep(float(answer.removeprefix("stall")))
        content = envelope.content
        assert isinstance(content, bytes)
        mail = self.mailbox.keep(envelope.mail_from or "", list(envelope.rcpt_tos), content)
        for answer in planned:
            if answer.startswith("hold"):
                await asyncio.sleep(float(answer.removeprefix("hold")))
        if "drop" in planned and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return f"250 kept as {mail.id}"


def summary(file: Path) -> Mail:
    """Read what the list shows."""
    with file.open("rb") as opened:
        head = BytesParser(policy=policy.default).parsebytes(
            opened.read(HEAD_BYTES), headersonly=True
        )
    seconds = int(file.stem.split("-")[0]) / 1e9
    return Mail(
        id=file.stem,
        sender=header(head, "Return-Path").strip("<>"),
        recipients=[str(value) for value in head.get_all("Delivered-To", [])],
        subject=header(head, "Subject"),
        message_id=header(head, "Message-ID"),
        received_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)),
        bytes=file.stat().st_size,
    )


def header(message: EmailMessage, name: str) -> str:
    return str(message.get(name, ""))


def parsed(source: bytes) -> EmailMessage:
    message = BytesParser(policy=policy.default).parsebytes(source)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str | None:
    """The part that is `html` or `plain`; None when there is none."""
    part = message.get_body(preferencelist=(kind,))
    return None if part is None else str(part.get_content())


async def serve(folder: Path, smtp_port: int, http_port: int) -> None:
    from winback.stack.mail_page import start

    mailbox, answers = Mailbox(folder), Answers()
    mailbox.load()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    options: dict[str, Any] = {
        "hostname": "winback.localhost",
        "enable_SMTPUTF8": True,
        "data_size_limit": LARGEST_BYTES,
    }
    server = await loop.create_server(
        lambda: SMTP(Handler(mailbox, answers), **options), HOST, smtp_port
    )
    page = start(HOST, http_port, mailbox, answers)
    await stop.wait()
    server.close()
    with contextlib.suppress(Exception):
        page.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
