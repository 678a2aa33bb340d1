"""`winback serve SERVICE`: this process becomes one service, in the foreground, until SIGTERM."""

import importlib
import os
from enum import StrEnum
from typing import Annotated

import typer

from shared import db
from shared.errors import Misconfigured

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
    MAIL = "mail"


MODULES = {  # each has a main() that returns when the service has drained
    Service.INGEST: "services.ingest.__main__",
    Service.DETECTOR: "services.detector.__main__",
    Service.SIGNALS: "services.signals.persist.__main__",
    Service.CONSOLE: "services.signals.console.__main__",
    Service.CLOCK: "services.signals.clock.__main__",
    Service.DIGEST: "services.digest.__main__",
    Service.SEQUENCES: "services.sequences.__main__",
    Service.MAIL: "services.sequences.door.__main__",
}


@app.command("serve")
def serve(
    context: typer.Context,
    service: Annotated[Service, typer.Argument(help="Which process to become.")],
    reload: Annotated[
        bool,
        typer.Option(
            "--reload",
            help="For who works on it: again whenever its code changes; templates are read anew.",
        ),
    ] = False,
) -> None:
    """Become one process of the system. Settings come from the environment; SIGTERM drains within
    30 s. To work on one beside all the others: `winback dev up --detach --without console`, then
    `winback serve console --reload`.

    Example: winback serve detector
    """
    db.name_connections(service)
    if (context.obj or {}).get("with_stack"):
        from winback.stack import home, parts

        here = home.find()
        for name in parts.of_owner(here, here.state()["ports"]):
            os.environ.pop(name, None)  # who serves comes as its own login
        os.environ |= parts.own_settings(here, here.state()["ports"], service)
    if reload:
        from winback.reload import serve_again_and_again

        raise typer.Exit(serve_again_and_again(service))
    require_port(service)
    importlib.import_module(MODULES[service]).main()


def require_port(service: Service) -> None:
    """Raises Misconfigured where somebody listens at the port of the service."""
    from shared.settings import PREFIX, settings
    from winback.stack import ports

    name = f"{service}_port"
    port = getattr(settings(), name)
    if not ports.is_free(port, settings().host):
        raise Misconfigured(f"{PREFIX}{name.upper()}: port {port} is taken by {ports.holder(port)}")
