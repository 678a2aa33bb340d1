"""The consumer: topics to tables."""

import signal
import sys
import threading

from services.signals.app import ROUTES
from services.signals.store.positions import CONSUMER
from shared import consuming, db, kafka, logs, metrics
from shared.errors import Misconfigured
from shared.health import Readiness, serve_health
from shared.settings import settings
from shared.topics import ORDERS, SIGNALS


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
    for topic in (ORDERS, SIGNALS):
        metrics.PERSISTED_SECONDS.labels(topic.name)
    publisher = kafka.Publisher()
    with db.pool("winback_worker") as pool:
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
