"""The process: one thread plans digests from ticks, some send, one measures."""

import os
import threading
from collections.abc import Callable

import structlog

from services.digest.app import CONSUMER, RECORDS_AT_ONCE, ROUTES
from services.digest.outbox import MAILS, tidy
from shared import consuming, db, mail, process
from shared.outbox.measuring import measure
from shared.outbox.sender import Sender
from shared.settings import settings
from shared.smtp import mail_server

log = structlog.get_logger()

SENDERS = 2  # one that waits for a slow recipient's server does not hold up the others
DRAIN_SECONDS = 25.0


def main() -> None:
    """Run until SIGTERM; the batch and the mails under way are finished first."""
    process.configure(
        CONSUMER,
        lambda: mail_server(settings().smtp_url),
        lambda: mail.own_mailbox(""),
        lambda: mail.unsubscribe_token("", ""),
    )
    with (
        process.running(settings().digest_port) as this,
        db.pool("winback_worker", most=SENDERS + 4) as pool,
    ):
        threads = [
            _thread(f"sender-{number}", lambda: Sender(MAILS, pool).run(this.stop))
            for number in range(SENDERS)
        ]
        threads.append(_thread("measure", lambda: measure(MAILS, pool, this.stop, tidy=tidy)))
        consuming.consume(
            consumer=CONSUMER,
            routes=ROUTES,
            pool=pool,
            publisher=this.publisher,
            stop=this.stop,
            on_ready=this.readiness.set,
            standing=this.standing,
            broker=this.broker,
            most=RECORDS_AT_ONCE,
        )
        for thread in threads:
            thread.join(DRAIN_SECONDS)


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    """An error that nobody expected ends the process, whichever thread it is in: the supervisor
    starts a fresh one.
    """

    def guarded() -> None:
        try:
            work()
        except Exception:
            log.exception("thread failed", thread=name)
            os._exit(70)

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread


if __name__ == "__main__":
    main()
