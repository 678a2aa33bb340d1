"""`winback bench`: the project's own benchmark, which lives in a checkout (bench/) and not in the
installed package.
"""

import importlib
import importlib.util

import typer

from shared.errors import Retryable

NEEDS_A_CHECKOUT = "bench needs a checkout of the project, set up by `make setup-dev`"


def command() -> typer.Typer:
    """The bench's own command. Raises Retryable (exit 3) where only the package is installed."""
    try:
        if importlib.util.find_spec("bench.cli") is None:
            raise Retryable(NEEDS_A_CHECKOUT)
        app: typer.Typer = importlib.import_module("bench.cli").app
    except ModuleNotFoundError as error:  # bench itself, or what only requirements/dev.txt installs
        raise Retryable(f"{NEEDS_A_CHECKOUT} ({error.name} is missing)") from None
    return app


def __getattr__(name: str) -> typer.Typer:
    """`app`, made when the verb is asked for."""
    if name == "app":
        return command()
    raise AttributeError(name)
