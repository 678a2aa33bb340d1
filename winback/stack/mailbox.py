"""What the mail server kept, and what it is told to answer."""

import itertools
import threading
import time
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

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
