"""The clock: what is due, and nothing else, as seen by the one process that looks at the wall.

Four things, each in a transaction per organization, each safe to be done again by
this or another clock:

fire_due       a schedule's slot becomes a row; it asks for a run
publish_runs   the next run of each organization goes into `orders`, one in flight at a time,
               unless an import holds it back
send_ticks     a digest's slot whose run is complete sends its ticks; one without a complete run
               says so after two hours
send_asked_for a digest that someone asked for sends a tick for that address alone

Records go out before the row says that they did: after a crash in between they go out again. The
detector runs a number once, digest and sequences take a slot once.
"""

from datetime import datetime, timedelta

import msgspec
import structlog

from services.signals.store import digest_requests, organizations, run_requests, slots
from shared import clock, db, kafka, metrics, request_ids, tracing
from shared.domain.cadence import due, next_firing
from shared.domain.thresholds import DetectionSettings
from shared.errors import NotFound
from shared.event_headers import headers_of
from shared.events import DigestDue, RunReason, RunRequested, SequencesDue
from shared.ids import derived
from shared.topics import DIGEST_TICKS, ORDERS, SEQUENCE_TICKS

log = structlog.get_logger()

# Both from the moment the slot fired: a catch-up has the same time as any other.
HEARTBEAT_AFTER = timedelta(hours=2)
DIGEST_WITHIN = timedelta(hours=24)
HELD_BACK_AT_MOST = timedelta(hours=2)

RUN_REASON: dict[slots.Kind, RunReason] = {"nightly": "nightly", "digest": "digest"}


def fire_due(connection: db.Connection) -> None:
    """Take every slot that is due, and ask for its run."""
    now = clock.now()
    for plan in slots.planned(connection):
        found = due(plan.schedule, last_slot_at=plan.last_slot_at, now=now)
        if found is None:
            continue
        with connection.transaction():
            try:
                timezone = organizations.lock(connection, plan.organization)
            except NotFound:
                continue
            if not slots.fire(
                connection,
                plan.organization,
                plan.kind,
                found.slot_at,
                fired_at=now,
                dropped=found.dropped,
            ):
                continue
            if found.dropped is None:
                number = run_requests.request(
                    connection,
                    plan.organization,
                    as_of=run_requests.day_for(
                        connection, plan.organization, clock.today(timezone)
                    ),
                    reason=RUN_REASON[plan.kind],
                    requested_at=now,
                )
                slots.set_run(connection, plan.organization, plan.kind, found.slot_at, number)
        if found.dropped is None:
            metrics.SLOTS_FIRED.labels(plan.kind).inc()
        else:
            metrics.SLOTS_DROPPED.labels(plan.kind).inc()
        log.info(
            "slot",
            organization=plan.organization,
            kind=plan.kind,
            slot_at=found.slot_at.isoformat(),
            dropped=found.dropped,
        )


def publish_runs(connection: db.Connection, publisher: kafka.Publisher) -> None:
    """Put the next run of each organization into the log, where none is in flight."""
    for organization in run_requests.to_publish(connection):
        with connection.transaction():
            try:
                organizations.lock(connection, organization)
            except NotFound:
                continue
            run = run_requests.next_pending(connection, organization)
            if (
                run is None
                or run.published_at is not None
                or _holds_back(connection, organization, run)
            ):
                continue
            now = clock.now()
            event = RunRequested(
                organization=organization,
                number=run.number,
                as_of=run.as_of,
                settings_version=run.settings_version,
                settings=msgspec.convert(run.settings, DetectionSettings),
                reason=run.reason,
                requested_at=run.requested_at,
            )
            with (
                tracing.sending(ORDERS.name),
                request_ids.within(request_ids.of_run(organization, run.number)),
            ):
                publisher.publish(
                    ORDERS.name,
                    msgspec.json.encode(event),
                    key=organization.encode(),
                    partition=kafka.partition_of(organization),
                    headers=headers_of(
                        event,
                        source="clock",
                        event_id=derived("run", organization, str(run.number)),
                    ),
                )
            run_requests.mark_published(
                connection,
                organization,
                run.number,
                published_at=now,
                settings_version=run.settings_version,
            )
        log.info(
            "run",
            organization=organization,
            number=run.number,
            as_of=run.as_of.isoformat(),
            reason=run.reason,
        )


def _holds_back(connection: db.Connection, organization: str, run: run_requests.PendingRun) -> bool:
    """True while an import holds the organization's runs; after two hours the run starts anyway,
    and says so.
    """
    holding = run_requests.holding_import(connection, organization)
    if holding is None:
        return False
    waited_long = clock.now() - run.requested_at >= HELD_BACK_AT_MOST
    why = (
        f"import {holding}: started anyway after two hours" if waited_long else f"import {holding}"
    )
    if run_requests.hold_back(connection, organization, run.number, why):
        log.warning("run held back", organization=organization, number=run.number, why=why)
    return not waited_long


def send_ticks(connection: db.Connection, publisher: kafka.Publisher) -> None:
    """Digests whose run is complete, heartbeats for those without one, and the end of waiting."""
    now = clock.now()
    for slot in slots.open_slots(connection, late_at=now - HEARTBEAT_AFTER):
        with connection.transaction():
            if slot.completed_at is not None and now - slot.fired_at <= DIGEST_WITHIN:
                _send(connection, publisher, slot, run=slot.run, completed_at=slot.completed_at)
                slots.set_ticked(connection, slot, at=now)
            elif now - slot.fired_at > DIGEST_WITHIN:
                slots.drop(connection, slot, "no complete run within 24 hours")
                metrics.SLOTS_DROPPED.labels("digest").inc()
                log.error(
                    "digest given up",
                    organization=slot.organization,
                    slot_at=slot.slot_at.isoformat(),
                )
            elif slot.heartbeat_at is None:
                why = _why_no_run(slot)
                _send(connection, publisher, slot, run=None, why=why)
                slots.set_heartbeat(connection, slot, at=now, why=why)
                metrics.DIGESTS_LATE.inc()
                log.error("no complete run for the digest", organization=slot.organization, why=why)


def _send(
    connection: db.Connection,
    publisher: kafka.Publisher,
    slot: slots.OpenSlot,
    *,
    run: int | None,
    completed_at: datetime | None = None,
    why: str | None = None,
) -> None:
    schedule = slots.digest_schedule(connection, slot.organization)
    slot_id = slot.slot if run is not None else slot.heartbeat_slot
    digest = derived("digest", slot.organization, slot_id)
    events: list[tuple[str, msgspec.Struct]] = [
        (
            DIGEST_TICKS.name,
            DigestDue(
                organization=slot.organization,
                slot=slot_id,
                digest=digest,
                slot_at=slot.slot_at,
                run=run,
                why=why,
                next_at=next_firing(schedule, clock.now()) if schedule else None,
            ),
        )
    ]
    if run is not None and completed_at is not None:
        drafts = SequencesDue(
            organization=slot.organization,
            slot=slot_id,
            digest=digest,
            run=run,
            drafted_at=completed_at,
        )
        events.append((SEQUENCE_TICKS.name, drafts))
    sends = []
    of_run = () if run is None else (request_ids.of_run(slot.organization, run),)
    with tracing.doing("digest due", organization=slot.organization), request_ids.within(*of_run):
        for topic, event in events:
            with tracing.sending(topic):
                sends.append(
                    publisher.send(
                        topic,
                        msgspec.json.encode(event),
                        key=slot.organization.encode(),
                        partition=0,
                        headers=headers_of(event, source="clock", event_id=slot_id),
                    )
                )
    publisher.confirm(sends)


def send_asked_for(connection: db.Connection, publisher: kafka.Publisher) -> None:
    """Digests of the latest complete run, each for the one member who asked."""
    for request in digest_requests.open_requests(connection):
        of_run = (
            () if request.run is None else (request_ids.of_run(request.organization, request.run),)
        )
        with connection.transaction(), request_ids.within(*of_run):
            event = DigestDue(
                organization=request.organization,
                slot=request.slot,
                digest=derived("digest", request.organization, request.slot),
                slot_at=request.asked_at,
                run=request.run,
                only_to=request.email,
            )
            with tracing.sending(DIGEST_TICKS.name):
                publisher.publish(
                    DIGEST_TICKS.name,
                    msgspec.json.encode(event),
                    key=request.organization.encode(),
                    partition=0,
                    headers=headers_of(event, source="clock", event_id=request.slot),
                )
            digest_requests.set_ticked(connection, request, at=clock.now())
        log.info("digest asked for", organization=request.organization, run=request.run)


def _why_no_run(slot: slots.OpenSlot) -> str:
    """For people, in the heartbeat."""
    if slot.published_at is None and slot.held_back is not None:
        return f"the run is held back by {slot.held_back}"
    if slot.published_at is None:
        return "the run has not started"
    return "the detector has not answered the run"
