"""The process: one thread plans digests from ticks, some send, one measures."""

import os
import signal
import sys
import threading
from collections.abc import Callable

import structlog

from services.digest.app import CONSUMER, RECORDS_AT_ONCE, ROUTES
from services.digest.outbox import Sender, measure
from shared import consuming, db, kafka, logs, mail
from shared.errors import Misconfigured
from shared.health import Readiness, serve_health
from shared.settings import settings
from shared.smtp import mail_server

log = structlog.get_logger()

SENDERS = 2  # one that waits for a slow recipient's server does not hold up the others
DRAIN_SECONDS = 25.0


def main() -> None:
    """Run until SIGTERM; the batch and the mails under way are finished first."""
    try:
        logs.configure(CONSUMER)
        mail_server(settings().smtp_url)
        mail.own_mailbox("")
        mail.unsubscribe_token("", "")
    except Misconfigured as error:
        print(f"winback: {error}", file=sys.stderr)
        sys.exit(2)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    readiness = Readiness()
    end_health = serve_health(settings().digest_port, readiness)
    publisher = kafka.Publisher()
    with db.pool("winback_worker", most=SENDERS + 4) as pool:
        threads = [_thread(f"sender-{number}", lambda: Sender(pool).run(stop)) for number in range(SENDERS)]
        threads.append(_thread("measure", lambda: measure(pool, stop)))
        consuming.consume(
            consumer=CONSUMER,
            routes=ROUTES,
            pool=pool,
            publisher=publisher,
            stop=stop,
            on_ready=readiness.set,
            most=RECORDS_AT_ONCE,
        )
        for thread in threads:
            thread.join(DRAIN_SECONDS)
    publisher.close()
    end_health()


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    """An error that nobody expected ends the process, whichever thread it is in: the supervisor starts a fresh one."""

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
