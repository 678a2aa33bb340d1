"""The process: one thread plans digests from ticks, some send, one measures."""

from services.digest.app import CONSUMER, RECORDS_AT_ONCE, ROUTES
from services.digest.outbox import MAILS, tidy
from shared import consuming, db, mail, process
from shared.outbox.measuring import measure
from shared.outbox.sender import Sender
from shared.settings import settings
from shared.smtp import mail_server

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
            process.beside(f"sender-{number}", lambda: Sender(MAILS, pool).run(this.stop))
            for number in range(SENDERS)
        ]
        threads.append(
            process.beside("measure", lambda: measure(MAILS, pool, this.stop, tidy=tidy))
        )
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


if __name__ == "__main__":
    main()
