"""The process: ticks to drafts, recoveries to stops."""

import signal
import sys
import threading

from services.sequences.app import CONSUMER, routes
from shared import consuming, db, kafka, logs
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
    end_health = serve_health(settings().sequences_port, readiness)
    publisher = kafka.Publisher()
    with db.pool("winback_worker") as pool:
        consuming.consume(
            consumer=CONSUMER,
            routes=routes(publisher),
            pool=pool,
            publisher=publisher,
            stop=stop,
            on_ready=readiness.set,
        )
    publisher.close()
    end_health()


if __name__ == "__main__":
    main()
