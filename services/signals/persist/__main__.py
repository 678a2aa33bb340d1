"""The consumer: topics to tables; beside it, what people decided to its topic."""

from services.signals.actions.telling import TOLD
from services.signals.persist.routes import ROUTES
from services.signals.store.positions import CONSUMER
from shared import consuming, db, metrics, process
from shared.relay.relaying import relay
from shared.settings import settings
from shared.topics import ORDERS, SIGNALS

DRAIN_SECONDS = 10.0


def main() -> None:
    """Run until SIGTERM; the batch under way is finished first."""
    process.configure(CONSUMER)
    for topic in (ORDERS, SIGNALS):
        metrics.PERSISTED_SECONDS.labels(topic.name)
    with process.running(settings().signals_port) as this, db.pool("winback_worker") as pool:
        relaying = process.beside("relay", lambda: relay(TOLD, pool, this.publisher, this.stop))
        consuming.consume(
            consumer=CONSUMER,
            routes=ROUTES,
            pool=pool,
            publisher=this.publisher,
            stop=this.stop,
            on_ready=this.readiness.set,
            standing=this.standing,
            broker=this.broker,
        )
        relaying.join(DRAIN_SECONDS)


if __name__ == "__main__":
    main()
