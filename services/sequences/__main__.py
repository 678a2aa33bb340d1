"""The process: ticks to drafts, what people decide to letters, recoveries to stops; and the threads
that let letters leave.
"""

from services.sequences import release
from services.sequences.app import CONSUMER, routes
from services.sequences.letters import LETTERS
from services.sequences.telling import TOLD
from shared import consuming, db, mail, process
from shared.outbox.measuring import measure
from shared.outbox.sender import Sender
from shared.relay.relaying import relay
from shared.settings import settings
from shared.smtp import mail_server

SENDERS = 2  # one that waits for a slow recipient's server does not hold up the others
DRAIN_SECONDS = 25.0


def main() -> None:
    """Run until SIGTERM; the batch and the letters under way are finished first."""
    process.configure(
        CONSUMER,
        lambda: mail_server(settings().smtp_url),
        lambda: mail.own_mailbox(""),
        lambda: mail.opt_out_url("", ""),
    )
    with (
        process.running(settings().sequences_port) as this,
        db.pool("winback_worker", most=2 * SENDERS + 5) as pool,
    ):
        threads = [
            process.beside(f"sender-{number}", lambda: Sender(LETTERS, pool).run(this.stop))
            for number in range(SENDERS)
        ]
        threads += [
            process.beside("release", lambda: release.run(pool, this.stop)),
            process.beside("relay", lambda: relay(TOLD, pool, this.publisher, this.stop)),
            process.beside("measure", lambda: measure(LETTERS, pool, this.stop, tidy=release.tidy)),
        ]
        consuming.consume(
            consumer=CONSUMER,
            routes=routes(this.publisher),
            pool=pool,
            publisher=this.publisher,
            stop=this.stop,
            on_ready=this.readiness.set,
            standing=this.standing,
            broker=this.broker,
        )
        for thread in threads:
            thread.join(DRAIN_SECONDS)


if __name__ == "__main__":
    main()
