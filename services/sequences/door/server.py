"""The dialogue of the door: SMTP and LMTP by aiosmtpd.

Whoever is not addressed to a letter is told so at RCPT; nothing is ever sent on. 250 is said once
the mail and what it does are committed; while PostgreSQL is away, 451: the sender's server tries
again for days. A stranger holds ten connections at most, and none for longer than a minute of
silence.
"""

import asyncio
import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from psycopg_pool import ConnectionPool, PoolTimeout

from services.sequences import reply_addresses
from services.sequences.door import receiving, store
from shared import db, metrics
from shared.errors import said

log = structlog.get_logger()

LARGEST_BYTES = 25 * 1024 * 1024
CONNECTIONS_AN_ADDRESS, CONNECTIONS = 10, 40
LONGEST_LINE = 1 << 20  # some programs write a whole HTML page as one
MOST_RECIPIENTS = 100
SILENCE_SECONDS = 60.0
REFUSED = ("nobody", "busy", "away", "error")  # why something is not taken
AWAY = "451 4.3.0 Not now: try again later"


class Places:
    """Who is connected, by address."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """False: there is none left for this address, or for anybody."""
        if self._held[address] >= CONNECTIONS_AN_ADDRESS or self._held.total() >= CONNECTIONS:
            return False
        self._held[address] += 1
        return True

    def give_back(self, address: str) -> None:
        """The connection is over."""
        self._held[address] -= 1
        if self._held[address] <= 0:
            del self._held[address]


class Handler:
    """aiosmtpd calls these, by their names and with these arguments."""

    def __init__(self, pool: ConnectionPool[db.Connection]) -> None:
        self._pool = pool

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Only what names a letter is taken."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        known = reply_addresses.read(address)
        if known is None:
            return _refused("nobody", "550 5.1.1 Nobody is here by that address")
        try:
            found = await asyncio.to_thread(self._is_known, known.token)
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("the door waits for PostgreSQL", reason=said(error))
            return _refused("away", AWAY)
        if not found:
            return _refused("nobody", "550 5.1.1 Nobody is here by that address")
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Kept, and acted on, before it is answered."""
        content = envelope.content
        assert isinstance(content, bytes)
        work = functools.partial(
            receiving.take,
            self._pool,
            list(envelope.rcpt_tos),
            envelope_from=envelope.mail_from or "",
            content=content,
        )
        try:
            await asyncio.to_thread(work)
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("the door waits for PostgreSQL", reason=said(error))
            answer = _refused("away", AWAY)
        else:
            answer = "250 2.0.0 Kept"
        if isinstance(server, LMTP):  # one answer a recipient (RFC 2033, 4.2)
            return "\r\n".join([answer] * len(envelope.rcpt_tos))
        return answer

    async def handle_exception(self, error: Exception) -> str:
        """What nobody expected: the sender's server keeps the mail."""
        metrics.DOOR_REFUSED.labels("error").inc()
        log.error("the door failed", exc_info=error)
        return AWAY

    def _is_known(self, token: str) -> bool:
        with self._pool.connection() as connection:
            return store.is_known(connection, token)


def _refused(why: str, answer: str) -> str:
    metrics.DOOR_REFUSED.labels(why).inc()
    return answer


def guarded(kind: type[SMTP], places: Places, *, handler: Handler, hostname: str) -> SMTP:
    """A server of one connection, which has a place or is told to come later."""

    class Guarded(kind):  # type: ignore[misc, valid-type]  # SMTP or LMTP
        line_length_limit = LONGEST_LINE
        address = ""

        def connection_made(self, transport: Any) -> None:
            peer = transport.get_extra_info("peername")
            address = str(peer[0]) if peer else "unknown"
            if not places.take(address):
                metrics.DOOR_REFUSED.labels("busy").inc()
                transport.write(b"421 4.7.0 Too many connections: try again later\r\n")
                transport.close()
                return
            self.address = address
            super().connection_made(transport)

        def connection_lost(self, error: Exception | None) -> None:
            if self.address:
                places.give_back(self.address)
                super().connection_lost(error)

    return Guarded(
        handler,
        hostname=hostname,
        ident="Winback",
        data_size_limit=LARGEST_BYTES,
        enable_SMTPUTF8=True,
        timeout=SILENCE_SECONDS,
    )


class Door:
    """Listens from `open` to `close`, in the loop that opened it."""

    def __init__(self, pool: ConnectionPool[db.Connection], *, host: str, hostname: str) -> None:
        self._host = host
        places, handler = Places(), Handler(pool)
        self._factory: Callable[[type[SMTP]], Callable[[], SMTP]] = lambda kind: (
            lambda: guarded(kind, places, handler=handler, hostname=hostname)
        )
        self._servers: list[asyncio.Server] = []

    async def open(self, *, smtp_port: int, lmtp_port: int = 0) -> None:
        """lmtp_port: 0 for none. Raises OSError where a port is taken."""
        loop = asyncio.get_running_loop()
        for kind, port in ((SMTP, smtp_port), (LMTP, lmtp_port)):
            if port:
                server = await loop.create_server(self._factory(kind), self._host, port)
                self._servers.append(server)

    def close(self) -> None:
        """Nobody comes in any more; who is in, finishes."""
        for server in self._servers:
            server.close()
