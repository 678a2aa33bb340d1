"""What stops people in sequences: an order that answers, what reps do, what addresses say. Each in
the transaction of its cause, with what is queued for them.
"""

from collections import defaultdict
from collections.abc import Sequence

import structlog

from services.sequences import stopping_store, telling
from services.sequences.flow_store import Person
from shared import clock, db, kafka, metrics
from shared.domain.enrollment_states import StopReason
from shared.events import SignalRecovered
from shared.records import Record

log = structlog.get_logger()


def stop_answered(connection: db.Connection, records: list[Record]) -> None:
    """Recoveries: each stops exactly the letters that name its signal.

    Where this process reads a recovery before a tick, and the signals service only after it, the
    launch's own test finds it.
    """
    by_organization: dict[str, list[SignalRecovered]] = defaultdict(list)
    for record in records:
        event = record.event
        if isinstance(event, SignalRecovered) and (
            kafka.partition_of(event.organization) == record.partition
        ):
            by_organization[event.organization].append(event)
    for organization, said in by_organization.items():
        stopping_store.keep_answers(connection, organization, said)
        found = stopping_store.answered(connection, organization, said)
        stopping_store.lock_people(connection, [one.person for one in found])
        for one in found:
            stopped = stop(connection, one.person, one.reason)
            if stopped and one.was != "enrolled" and one.reason == "reordered":
                seconds = (clock.now() - one.at).total_seconds()
                metrics.OUTREACH_STOP_SECONDS.observe(max(0.0, seconds))


def stop_all(
    connection: db.Connection,
    people: Sequence[Person],
    reason: StopReason,
    *,
    by: str | None = None,
) -> None:
    """Each of them, for one reason. by: the outcome that did."""
    stopping_store.lock_people(connection, people)
    for person in people:
        stop(connection, person, reason, by=by)


def stop(
    connection: db.Connection, person: Person, reason: StopReason, *, by: str | None = None
) -> bool:
    """False: they were stopped already."""
    done = stopping_store.stop(connection, person, reason, by=by)
    if done is None:
        return False
    telling.stopped(connection, person, reason, step=done.step, at=done.at)
    metrics.ENROLLMENTS_STOPPED.labels(reason).inc()
    log.info("stopped", **person.key, reason=reason, step=done.step)
    return True
