"""The process `mail`: the door of answers, and the test mails that show that it is reached."""

import asyncio
import threading

import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from services.sequences import reply_addresses
from services.sequences.door import round_trip
from services.sequences.door.server import REFUSED, Door
from shared import db, metrics, process
from shared.domain.received_mail import Kind
from shared.errors import said
from shared.settings import settings
from shared.smtp import mail_server

log = structlog.get_logger()

CONNECTIONS = 8
LOOK_EVERY_SECONDS = 0.2
ASK_EVERY_SECONDS = 5.0
NO_DOMAIN = "no answers come here: WINBACK_REPLIES_DOMAIN is empty"


def main() -> None:
    """Run until SIGTERM."""
    process.configure("mail", lambda: mail_server(settings().smtp_url))
    for kind in Kind:
        metrics.RECEIVED_MAILS.labels(kind, "token")
    for why in REFUSED:
        metrics.DOOR_REFUSED.labels(why)
    with (
        process.running(settings().mail_port) as this,
        db.pool("winback_worker", most=CONNECTIONS) as pool,
    ):
        trips = process.beside("round-trip", lambda: round_trip.run(pool, this.stop))
        asking = process.beside("asking", lambda: ask(pool, this))
        asyncio.run(serve(pool, this.stop))
        trips.join(10)
        asking.join(10)


async def serve(pool: ConnectionPool[db.Connection], stop: threading.Event) -> None:
    """Until `stop`."""
    door = Door(
        pool, host=settings().door_host, hostname=reply_addresses.domain() or "winback.localhost"
    )
    await door.open(smtp_port=settings().door_smtp_port, lmtp_port=settings().door_lmtp_port)
    log.info("the door is open", port=settings().door_smtp_port)
    while not stop.is_set():
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    door.close()


def ask(pool: ConnectionPool[db.Connection], this: process.Process) -> None:
    """Ready while PostgreSQL answers: what cannot be kept is not taken."""
    while not this.stop.is_set():
        try:
            with pool.connection() as connection:
                connection.execute("SELECT 1")
            this.readiness.set(True, "" if reply_addresses.domain() else NO_DOMAIN)
        except (psycopg.Error, PoolTimeout) as error:
            this.readiness.set(False, f"PostgreSQL is away: {said(error)}")
        this.stop.wait(ASK_EVERY_SECONDS)


if __name__ == "__main__":
    main()
