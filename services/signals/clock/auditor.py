"""The second opinion by itself: after each nightly run of an organization, for
the metric and its alert.

It takes turns with nothing: one organization at a time, beside the clock that leads, on a
connection of its own.
"""

import threading

import psycopg
import structlog

from services.signals.second_opinion.audit import differences
from services.signals.store import runs
from shared import db
from shared.errors import NotFound, Retryable, said

log = structlog.get_logger()

LOOK_SECONDS = 60.0


def run(leading: threading.Event, stop: threading.Event) -> None:
    """Until `stop`; a run that was audited since this process began is not audited again."""
    audited: dict[str, int] = {}
    while not stop.wait(LOOK_SECONDS):
        if not leading.is_set():
            continue
        try:
            with db.connect() as connection:
                connection.autocommit = True
                audit_new(connection, audited, stop)
        except (psycopg.OperationalError, Retryable) as error:
            log.warning("audit put off", error=said(error))


def audit_new(connection: db.Connection, audited: dict[str, int], stop: threading.Event) -> None:
    """Audit every organization whose newest nightly run is not in `audited`, and note it there."""
    for organization, number in runs.newest_nightly(connection):
        if stop.is_set() or audited.get(organization, 0) >= number:
            continue
        try:
            report = differences(connection, organization)
        except NotFound:
            continue  # deleted meanwhile
        except Retryable:
            continue  # in the middle of a run: next time
        audited[organization] = number
        log.log(
            40 if report.differences else 20,
            "audit",
            organization=organization,
            run=report.run,
            differences=[str(difference) for difference in report.differences[:20]],
            count=len(report.differences),
        )
