"""What people decided, told to whoever follows it (topic `actions`): written down with the change,
published behind it by `winback serve signals`.
"""

from datetime import datetime
from typing import Any

from services.signals.actions.actor import Actor
from shared import clock, db
from shared.ids import derived
from shared.letter_events import ActionEvent
from shared.relay import store
from shared.relay.store import Told
from shared.topics import ACTIONS

TOLD = Told(table="action_events", topic=ACTIONS, source="signals")


def tell(
    connection: db.Connection,
    organization: str,
    by: Actor,
    event_type: type[ActionEvent],
    /,
    *,
    at: datetime | None = None,
    **what: Any,
) -> None:
    """Behind the change that it tells, in its transaction."""
    when = at or clock.now()
    parts = [str(value) for _, value in sorted(what.items())]
    id_ = derived("action", organization, event_type.__name__, when.isoformat(), *parts)
    event = event_type(id=id_, organization=organization, at=when, by=by.name, **what)
    store.note(connection, TOLD, event)
