"""How far the pipeline is for one organization."""

from dataclasses import dataclass

from services.signals.progress.caught_up import Offsets
from services.signals.store import positions
from shared import db
from shared.partitions import partition_of
from shared.topics import ORDERS, SIGNALS


@dataclass(frozen=True, kw_only=True)
class Lag:
    """Records of the organization's partition that wait: for the detector, and for PostgreSQL."""

    undetected: int
    orders_unsaved: int
    signals_unsaved: int


def saved(connection: db.Connection, organization: str) -> dict[str, int]:
    """topic -> the next offset of the organization's partition that is not in PostgreSQL."""
    partition = partition_of(organization)
    return {
        name: positions.of(connection, positions.CONSUMER, name, partition)
        for name in (ORDERS.name, SIGNALS.name)
    }


def lag(organization: str, saved: dict[str, int]) -> Lag:
    """Raises Retryable while Kafka is away."""
    partition = partition_of(organization)
    with Offsets() as offsets:
        detected = offsets.committed(ORDERS.name, partition)
        ends = {name: offsets.end(name, partition) for name in saved}
    return Lag(
        undetected=max(0, ends[ORDERS.name] - detected),
        orders_unsaved=max(0, ends[ORDERS.name] - saved[ORDERS.name]),
        signals_unsaved=max(0, ends[SIGNALS.name] - saved[SIGNALS.name]),
    )
