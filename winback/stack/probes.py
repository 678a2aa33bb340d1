"""Is it ready? Asked in each server's own protocol, over a fresh connection, within a bounded time.

Every probe returns None when the server does its work, else the reason in words.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable

Probe = Callable[[], Awaitable[str | None]]

HOST = "127.0.0.1"
SECONDS = 2.0


def http(port: int, path: str = "/readyz") -> Probe:
    """2xx at `path`."""

    async def probe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1:2]
        if status and status[0].startswith(b"2"):
            return None
        return (
            body.decode(errors="replace").strip()
            or head[:80].decode(errors="replace")
            or "answers nothing"
        )[:200]

    return _connected(port, probe)


def kafka(port: int, ours: Callable[[], str | None] = lambda: None) -> Probe:
    """Metadata is answered: the broker is registered and takes requests. `ours`: the id of the
    cluster that it must be of; another checkout's broker may have been faster at this port.
    """
    # Metadata, version 4, correlation 1, our name; no topics, none is made
    request = struct.pack(">hhih", 3, 4, 1, 7) + b"winback" + struct.pack(">i?", 0, False)

    async def probe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
        writer.write(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        answers, wanted = cluster_in(await reader.readexactly(length)), ours()
        if wanted is not None and answers != wanted:
            return (
                f"port {port} is another installation's broker (its cluster is {answers}, ours is "
                f"{wanted}): `winback dev down`, then `up`, takes another port"
            )
        return None

    return _connected(port, probe)


def cluster_in(answer: bytes) -> str | None:
    """The cluster in an answer to Metadata, version 4. Raises struct.error for what is none."""

    def text(at: int) -> tuple[str | None, int]:
        (length,) = struct.unpack_from(">h", answer, at)
        at += 2
        return (None, at) if length < 0 else (answer[at : at + length].decode(), at + length)

    brokers, at = struct.unpack_from(">i", answer, 8)[0], 12  # behind correlation and throttling
    for _ in range(brokers):
        _, at = text(at + 4)  # its number, host
        _, at = text(at + 4)  # port, rack
    return text(at)[0]


def postgres(port: int, user: str, database: str) -> Probe:
    """A start-up message is answered by asking for a password or by letting in: it recovered."""
    body = struct.pack(">i", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()

    async def probe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
        writer.write(struct.pack(">i", len(body) + 4) + body)
        kind, length = struct.unpack(">ci", await reader.readexactly(5))
        if kind == b"R":
            return None
        fields = (await reader.readexactly(length - 4)).split(b"\0")
        return next(
            (field[1:].decode() for field in fields if field.startswith(b"M")), "answers an error"
        )

    return _connected(port, probe)


def smtp(port: int) -> Probe:
    """Greets with 220."""

    async def probe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | None:
        greeting = await reader.readline()
        writer.write(b"QUIT\r\n")
        return (
            None
            if greeting.startswith(b"220")
            else greeting.decode(errors="replace").strip() or "greets with nothing"
        )

    return _connected(port, probe)


async def never() -> str | None:
    """For what does its work by ending."""
    return "ends when it is done"


def both(first: Probe, second: Probe) -> Probe:
    """Ready when both are."""

    async def probe() -> str | None:
        return await first() or await second()

    return probe


def _connected(
    port: int, ask: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[str | None]]
) -> Probe:
    async def probe() -> str | None:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_connection(HOST, port)
                return await ask(reader, writer)
        except TimeoutError:
            return "does not answer"
        except (OSError, struct.error, asyncio.IncompleteReadError) as error:
            return (
                "not listening yet"
                if isinstance(error, ConnectionRefusedError)
                else f"does not answer: {error}"
            )
        finally:
            if writer is not None:
                writer.close()

    return probe
