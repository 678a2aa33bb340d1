"""A mail server that keeps every mail instead of sending it on, with a page to read them.

    python -m winback.stack.smtp FOLDER SMTP_PORT HTTP_PORT REPLIES_DOMAIN DOOR_PORT

Mails are .eml files in FOLDER with the envelope in front, as Delivered-To and Return-Path
lines. A recipient can be given another answer than 250 (`Answers`), so that what the senders
do about it can be seen. What is sent to REPLIES_DOMAIN is handed on to the door of answers too, as
that domain's MX would.
"""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from winback.stack.answering import Door
from winback.stack.mail_page import start
from winback.stack.mailbox import Answers, Mailbox

HOST = "127.0.0.1"
LARGEST_BYTES = 33_554_432


class Handler:
    """aiosmtpd calls these, by their names and with these arguments."""

    def __init__(self, mailbox: Mailbox, answers: Answers, door: Door) -> None:
        self.mailbox, self.answers, self.door = mailbox, answers, door
        self._handing: set[asyncio.Task[str]] = set()

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
        if answering := [to for to in envelope.rcpt_tos if self.door.is_for(to)]:
            sender = envelope.mail_from or ""
            task = asyncio.create_task(
                asyncio.to_thread(self.door.hand_on, sender, answering, content)
            )
            self._handing.add(task)  # else nobody holds it, and it may be collected
            task.add_done_callback(self._handing.discard)
        for answer in planned:
            if answer.startswith("hold"):
                await asyncio.sleep(float(answer.removeprefix("hold")))
        if "drop" in planned and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return f"250 kept as {mail.id}"


async def serve(folder: Path, smtp_port: int, http_port: int, door: Door) -> None:
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
        lambda: SMTP(Handler(mailbox, answers, door), **options), HOST, smtp_port
    )
    page = start(HOST, http_port, mailbox, answers, door)
    await stop.wait()
    server.close()
    with contextlib.suppress(Exception):
        page.shutdown()


if __name__ == "__main__":
    folder, smtp_port, http_port, domain, door_port = sys.argv[1:]
    door = Door(domain=domain, port=int(door_port))
    asyncio.run(serve(Path(folder), int(smtp_port), int(http_port), door))
