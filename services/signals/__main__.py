"""The consumer: topics to tables."""

import signal
import sys
import threading

from services.signals.app import ROUTES
from services.signals.store import feeds
from services.signals.store.positions import CONSUMER
from shared import consuming, db, kafka, logs, metrics
from shared.errors import Misconfigured
from shared.health import Readiness, serve_health
from shared.settings import settings


def main() -> None:
    """Run until SIGTERM; the batch under way is finished first."""
    try:
        logs.configure(CONSUMER)
    except Misconfigured as error:
        print(f"winback: {error}", file=sys.stderr)
        sys.exit(2)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    readiness = Readiness()
    end_health = serve_health(settings().signals_port, readiness)
    publisher = kafka.Publisher()
    with db.pool("winback_worker") as pool:
        with pool.connection() as connection:
            for organization, accepted_at in feeds.last_orders(connection):
                metrics.LAST_ORDER_AT.labels(organization).set(accepted_at.timestamp())
        consuming.consume(
            consumer=CONSUMER,
            routes=ROUTES,
            pool=pool,
            publisher=publisher,
            stop=stop,
            on_ready=readiness.set,
        )
    publisher.close()
    end_health()


if __name__ == "__main__":
    main()
