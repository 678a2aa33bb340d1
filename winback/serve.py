"""`winback serve SERVICE`: this process becomes one service, in the foreground, until SIGTERM."""

import importlib
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer()


class Service(StrEnum):
    """What can be served; several copies of each can run."""

    INGEST = "ingest"
    DETECTOR = "detector"
    SIGNALS = "signals"
    CONSOLE = "console"
    CLOCK = "clock"
    DIGEST = "digest"
    SEQUENCES = "sequences"


MODULES = {  # each has a main() that returns when the service has drained
    Service.INGEST: "services.ingest.__main__",
    Service.DETECTOR: "services.detector.__main__",
    Service.SIGNALS: "services.signals.persist.__main__",
    Service.CONSOLE: "services.signals.console.__main__",
    Service.CLOCK: "services.signals.clock.__main__",
    Service.DIGEST: "services.digest.__main__",
    Service.SEQUENCES: "services.sequences.__main__",
}


@app.command("serve")
def serve(service: Annotated[Service, typer.Argument(help="Which process to become.")]) -> None:
    """Become one process of the system. Settings come from the environment; SIGTERM drains within
    30 s.

    Example: winback serve detector
    """
    importlib.import_module(MODULES[service]).main()
