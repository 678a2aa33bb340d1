"""One function a topic: check whose records these are, sort them out, save them. Each runs in the
consume loop's transaction.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

import structlog

from services.signals.store import (
    account_records,
    contacts,
    known,
    orders,
    run_requests,
    runs,
    sequences,
    signals,
)
from shared import clock, db, kafka, metrics
from shared.errors import FieldError, Rejected
from shared.events import (
    AccountChanged,
    ContactChanged,
    OrdersAccepted,
    OrdersRecord,
    RunCompleted,
    RunRequested,
    SequenceDrafted,
    SignalEvent,
    StateRestored,
)
from shared.ids import read_record_key
from shared.letter_events import SequenceFinished
from shared.records import Record

log = structlog.get_logger()

ORDERS_AT_ONCE = 20_000  # bounds the memory of one COPY


def handle_orders(connection: db.Connection, records: list[Record]) -> None:
    """Orders into the read model, runs as they stand in the log."""
    here = _known(
        "orders",
        connection,
        (name for record in records for name in _organizations_of(record.event)),
    )
    accepted: list[orders.Accepted] = []
    for record in records:
        event = record.event
        if isinstance(event, StateRestored):
            continue  # it was made of these tables
        if isinstance(event, RunRequested):
            if event.organization in here:
                runs.save_requested(connection, event, offset=record.offset, at=record.at)
            continue
        accepted += [
            (order, event.accepted_at, record.offset)
            for order in event.orders
            if order.organization in here
        ]
        if len(accepted) >= ORDERS_AT_ONCE:
            orders.save(connection, accepted)
            accepted = []
    if accepted:
        orders.save(connection, accepted)
    _note_age(
        "orders",
        (
            record.event.accepted_at
            for record in records
            if isinstance(record.event, OrdersAccepted)
        ),
    )


def handle_signals(connection: db.Connection, records: list[Record]) -> None:
    """Signals and episodes, then the completions of runs: who sees a run complete
    sees all that it found.

    Raises Rejected for a record in another partition than its organization's.
    """
    organizations = {record.event.organization for record in records}
    if any(kafka.partition_of(name) != records[0].partition for name in organizations):
        raise Rejected(
            FieldError(
                field="organization", reason=f"does not belong to partition {records[0].partition}"
            )
        )
    here = _known("signals", connection, organizations)
    events = [record.event for record in records if record.event.organization in here]
    for found, completed in _up_to_completions(events):
        if found:
            signals.save(connection, found)
            _note_age("signals", (event.at for event in found))
        for event in found:
            metrics.SIGNAL_EVENTS.labels(event.signal_type, type(event).__name__).inc()
        for completion in completed:
            runs.save_completed(connection, completion)
        if completed:
            run_requests.tell_clock(connection)


def handle_accounts(connection: db.Connection, records: list[Record]) -> None:
    """Names and owners. A tombstone says nothing: an account lives as long as its orders."""
    events: list[AccountChanged] = [record.event for record in records if record.event is not None]
    here = known(connection, (event.organization for event in events))
    account_records.save(connection, [event for event in events if event.organization in here])


def handle_contacts(connection: db.Connection, records: list[Record]) -> None:
    """People at accounts; a tombstone erases one."""
    here = known(connection, (_contact_of(record)[0] for record in records))
    ours = [record for record in records if _contact_of(record)[0] in here]
    for is_tombstone, part in groupby(ours, lambda record: record.event is None):
        if is_tombstone:
            for record in part:
                contacts.delete_contact(connection, *_contact_of(record))
        else:
            contacts.save_contacts(connection, [record.event for record in part])


def handle_sequences(connection: db.Connection, records: list[Record]) -> None:
    """Draft sequences, for people to edit."""
    events: list[SequenceDrafted] = [record.event for record in records]
    here = known(connection, (event.organization for event in events))
    for event in events:
        if event.organization in here:
            sequences.save_draft(connection, event)


def _up_to_completions(
    events: Iterable[SignalEvent | RunCompleted],
) -> list[tuple[list[SignalEvent], list[RunCompleted]]]:
    """(signals, completions) to save one after the other, so that a completion finds its
    organization as the run left it. Most batches are one.
    """
    parts: list[tuple[list[SignalEvent], list[RunCompleted]]] = []
    runs_of: Counter[str] = Counter()
    for event in events:
        place = runs_of[event.organization]
        while len(parts) <= place:
            parts.append(([], []))
        if isinstance(event, RunCompleted):
            parts[place][1].append(event)
            runs_of[event.organization] += 1
        else:
            parts[place][0].append(event)
    return parts


def handle_outreach(connection: db.Connection, records: list[Record]) -> None:
    """Sequences in which nobody is open any more. What came of each person and letter is read
    through the views of the service that knows it.
    """
    for record in records:
        event = record.event
        if isinstance(event, SequenceFinished):
            sequences.finish(connection, event.organization, event.sequence)


def _note_age(topic: str, accepted: Iterable[datetime]) -> None:
    """How old what is now saved has become."""
    now, seconds = clock.now(), metrics.PERSISTED_SECONDS.labels(topic)
    for at in accepted:
        seconds.observe(max(0.0, (now - at).total_seconds()))


def _organizations_of(event: OrdersRecord) -> Iterable[str]:
    return (
        {order.organization for order in event.orders}
        if isinstance(event, OrdersAccepted)
        else [event.organization]
    )


def _contact_of(record: Record) -> tuple[str, str]:
    event: ContactChanged | None = record.event
    if event is not None:
        return event.organization, event.contact
    try:
        return read_record_key(record.key)
    except ValueError:
        raise Rejected(
            FieldError(field="key", reason="a tombstone's key must name organization and contact")
        ) from None


def _known(topic: str, connection: db.Connection, organizations: Iterable[str]) -> set[str]:
    """The organizations that exist here; records of those that were deleted are passed by."""
    named = set(organizations)
    here = known(connection, named)
    for organization in named - here:
        metrics.RECORDS_SKIPPED.labels("signals", topic).inc()
        log.debug("organization is not known", topic=topic, organization=organization)
    return here
