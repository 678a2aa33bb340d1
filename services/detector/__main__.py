"""The detector's process."""

import gc
import threading

import faust

from services.detector.app import build
from shared import broker, logs
from shared.health import Readiness, serve_health
from shared.needs import Needs
from shared.needs import kafka as kafka_answers
from shared.settings import settings

# of the garbage collector: state is many small objects that live long and form no cycles
GENERATIONS = (50_000, 20, 50)


def main() -> None:
    """Run until SIGTERM; leaves with 70 where only a fresh start can mend it."""
    logs.configure("detector")
    settings().state_dir.mkdir(parents=True, exist_ok=True)  # Faust makes the last folder only
    needs = Needs(threading.Event())
    needs.ask("Kafka", kafka_answers())
    readiness = Readiness(needs.why)
    serve_health(settings().detector_port, readiness)
    watch = broker.by_folder(settings().state_dir)
    watch.wait_for_own(threading.Event(), readiness.set)
    gc.freeze()  # what was imported stays
    gc.set_threshold(*GENERATIONS)
    worker = faust.Worker(
        build(readiness, watch), override_logging=False, redirect_stdouts=False, quiet=True
    )
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
