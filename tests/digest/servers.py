"""Mail servers for tests: aiosmtpd on a free port, in a thread, answering as it is told."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"


@dataclass
class Answers:
    """A handler. An answer replaces the 250 of its command; `drop` closes the
    connection instead of answering.

    at_dot: called with each whole message before it is answered, with the process still waiting.
    """

    mail: str = ""
    rcpt: str = ""
    data: str = ""
    at_dot: Callable[[bytes], None] = lambda content: None
    mails: list[bytes] = field(default_factory=list)
    options: list[list[str]] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.options.append(options)
        envelope.mail_from = address
        return self.mail or "250 ok"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self.rcpt:
            envelope.rcpt_tos.append(address)
        return self.rcpt or "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.content
        assert isinstance(content, bytes)
        if not self.data or self.data == "drop":
            self.mails.append(content)
        self.at_dot(content)
        if self.data == "drop" and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return self.data or "250 kept"


@contextmanager
def serving(
    handler: Any, *, tls: ssl.SSLContext | None = None, server: type[SMTP] = SMTP, **options: Any
) -> Iterator[int]:
    """Serve until the end of the block. Yields the port. tls: from the first byte on."""
    loop = asyncio.new_event_loop()
    started = loop.run_until_complete(
        loop.create_server(
            lambda: server(handler, hostname="mail.test", loop=loop, **options), HOST, 0, ssl=tls
        )
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield started.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(started), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(started: asyncio.Server) -> None:
    """Close the connections too, and let their tasks finish."""
    started.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
