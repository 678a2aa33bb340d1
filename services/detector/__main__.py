"""The detector's process."""

import gc

import faust

from services.detector.app import build
from shared import logs
from shared.health import Readiness, serve_health
from shared.settings import settings

# of the garbage collector: state is many small objects that live long and form no cycles
GENERATIONS = (50_000, 20, 50)


def main() -> None:
    """Run until SIGTERM; leaves with 70 where only a fresh start can mend it."""
    logs.configure("detector")
    settings().state_dir.mkdir(parents=True, exist_ok=True)  # Faust makes the last folder only
    readiness = Readiness()
    serve_health(settings().detector_port, readiness)
    gc.freeze()  # what was imported stays
    gc.set_threshold(*GENERATIONS)
    worker = faust.Worker(
        build(readiness), override_logging=False, redirect_stdouts=False, quiet=True
    )
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
