"""One function a topic: check whose records these are, sort them out, save them. Each runs in the consume loop's transaction."""

from collections.abc import Iterable

import structlog

from services.signals.store import known, orders, people, runs, signals
from shared import db, kafka, metrics
from shared.consuming import Record
from shared.errors import FieldError, Rejected
from shared.events import AccountChanged, ContactChanged, OrdersAccepted, RunCompleted, RunRequested, SequenceDrafted, SignalEvent
from shared.ids import read_record_key

log = structlog.get_logger()

ORDERS_AT_ONCE = 20_000  # bounds the memory of one COPY


def handle_orders(connection: db.Connection, records: list[Record]) -> None:
    """Orders into the read model, runs as they stand in the log. Raises Rejected for a record in a foreign partition."""
    organizations = {name for record in records for name in _organizations_of(record)}
    here = known(connection, organizations)
    _note_unknown("orders", organizations - here)
    accepted: list[orders.Accepted] = []
    for record in records:
        event = record.event
        if isinstance(event, RunRequested):
            if event.organization in here:
                runs.save_requested(connection, event, offset=record.offset, at=record.at)
            continue
        accepted += [(order, event.accepted_at, record.offset) for order in event.orders if order.organization in here]
        if len(accepted) >= ORDERS_AT_ONCE:
            orders.save(connection, accepted)
            accepted = []
        for organization in {order.organization for order in event.orders} & here:
            metrics.LAST_ORDER_AT.labels(organization).set(event.accepted_at.timestamp())
    if accepted:
        orders.save(connection, accepted)


def handle_signals(connection: db.Connection, records: list[Record]) -> None:
    """Signals and episodes, then the completions of runs: who sees a run complete sees all that it found."""
    organizations = {name for record in records for name in _organizations_of(record)}
    here = known(connection, organizations)
    _note_unknown("signals", organizations - here)
    events = [record.event for record in records if record.event.organization in here]
    found = [event for event in events if isinstance(event, SignalEvent)]
    if found:
        signals.save(connection, found)
    for event in found:
        metrics.SIGNAL_EVENTS.labels(event.signal_type, type(event).__name__).inc()
    completed = [event for event in events if isinstance(event, RunCompleted)]
    for completion in completed:
        runs.save_completed(connection, completion)
    if completed:
        runs.tell_clock(connection)


def handle_accounts(connection: db.Connection, records: list[Record]) -> None:
    """Names and owners. A tombstone says nothing: an account lives as long as its orders."""
    events: list[AccountChanged] = [record.event for record in records if record.event is not None]
    here = known(connection, (event.organization for event in events))
    people.save_accounts(connection, [event for event in events if event.organization in here])


def handle_contacts(connection: db.Connection, records: list[Record]) -> None:
    """People at accounts; a tombstone erases one."""
    here = known(connection, (_contact_of(record)[0] for record in records))
    for record in records:
        organization, contact = _contact_of(record)
        if organization not in here:
            continue
        if record.event is None:
            people.delete_contact(connection, organization, contact)
        else:
            people.save_contact(connection, record.event)


def handle_sequences(connection: db.Connection, records: list[Record]) -> None:
    """Draft sequences, for people to edit."""
    events: list[SequenceDrafted] = [record.event for record in records]
    here = known(connection, (event.organization for event in events))
    for event in events:
        if event.organization in here:
            people.save_draft(connection, event)


def _organizations_of(record: Record) -> Iterable[str]:
    """The organizations that a record of orders or signals names. Raises Rejected where one lives in another partition."""
    event = record.event
    names = {order.organization for order in event.orders} if isinstance(event, OrdersAccepted) else {event.organization}
    for name in names:
        if kafka.partition_of(name) != record.partition:
            raise Rejected(FieldError(field="organization", reason=f"{name} does not live in partition {record.partition}"))
    return names


def _contact_of(record: Record) -> tuple[str, str]:
    event: ContactChanged | None = record.event
    if event is not None:
        return event.organization, event.contact
    try:
        return read_record_key(record.key)
    except ValueError:
        raise Rejected(FieldError(field="key", reason="a tombstone's key must name organization and contact")) from None


def _note_unknown(topic: str, organizations: set[str]) -> None:
    """Records of organizations that were deleted are passed by."""
    for organization in organizations:
        metrics.RECORDS_SKIPPED.labels("signals", topic).inc()
        log.debug("organization is not known", topic=topic, organization=organization)
