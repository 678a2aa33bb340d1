"""The console on a port of its own, in this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from services.signals.console.app import build
from shared import db
from tests.logins import login_of, url_of


@contextmanager
def console_served() -> Iterator[str]:
    """As its process serves it, with its own login. Yields its address."""
    with (
        db.pool("winback_app", url=url_of(login_of("console"))) as pool,
        socket.socket() as listening,
    ):
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(build(pool), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(30)
