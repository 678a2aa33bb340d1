"""The console's process."""

import signal
import sys
import threading
from types import FrameType

import uvicorn

from services.signals.console.app import build
from services.signals.console.live import Streams
from shared import broker, db, process
from shared.http import config
from shared.needs import Needs, Postgres
from shared.settings import settings

POOL_SECONDS = 5.0  # a request waits so long for a connection, then it is told to try again


class Server(uvicorn.Server):
    """Ends the streams, which would never end by themselves, before
    it waits for requests under way.
    """

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._streams.closing.set()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serve until SIGTERM; requests under way are answered first."""
    process.configure("console")
    for name in (signal.SIGTERM, signal.SIGINT):
        # uvicorn drains, then raises the signal again: the end is no failure
        signal.signal(name, lambda *_: None)
    with db.pool("winback_app", most=8) as pool:
        pool.timeout = POOL_SECONDS
        watch, stop = broker.by_database("winback_app"), threading.Event()
        watch.start(stop)
        needs = Needs(stop)
        needs.ask("PostgreSQL", Postgres())
        app = build(pool, lambda: needs.why() or watch.why())
        server = Server(config(app, settings().console_port), app.state.streams)
        server.run()
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
