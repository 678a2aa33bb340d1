"""Topics to handlers."""

from functools import partial

import msgspec

from services.sequences import handlers
from shared.errors import FieldError, Rejected
from shared.events import SequencesDue, SignalsRecord
from shared.kafka import Publisher, Record, Route, decode_with
from shared.topics import SEQUENCE_TICKS, SIGNALS

CONSUMER = "sequences"

_read_tick = decode_with(msgspec.json.Decoder(SequencesDue))
_read_signals = decode_with(msgspec.json.Decoder(SignalsRecord))


def routes(publisher: Publisher) -> tuple[Route, ...]:
    """What this service consumes."""
    return (
        Route(topic=SEQUENCE_TICKS.name, decode=tick, handle=partial(handlers.draft, publisher=publisher)),
        Route(topic=SIGNALS.name, decode=signal, handle=handlers.stop),
    )


def tick(record: Record) -> SequencesDue:
    """A tick is an event: one without a value can never be right."""
    due: SequencesDue | None = _read_tick(record)
    if due is None:
        raise Rejected(FieldError(field="value", reason="a tick must have one"))
    return due


def signal(record: Record) -> SignalsRecord | None:
    """None for what cannot be read: the signals service reads the same record and puts it aside, once is enough."""
    try:
        event: SignalsRecord | None = _read_signals(record)
    except Rejected:
        return None
    return event
