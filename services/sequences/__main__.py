"""The process: ticks to drafts, recoveries to stops."""

from services.sequences.app import CONSUMER, routes
from shared import consuming, db, process
from shared.settings import settings


def main() -> None:
    """Run until SIGTERM; the batch under way is finished first."""
    process.configure(CONSUMER)
    with process.running(settings().sequences_port) as this, db.pool("winback_worker") as pool:
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


if __name__ == "__main__":
    main()
