"""Topics to handlers."""

from typing import Any

import msgspec

from services.signals import handlers
from shared.errors import FieldError, Rejected
from shared.events import AccountChanged, ContactChanged, OrdersRecord, SequenceDrafted, SignalsRecord
from shared.kafka import Decode, Record, Route, decode_with
from shared.topics import ACCOUNTS, CONTACTS, ORDERS, SEQUENCES, SIGNALS

CONSUMER = "signals"


def never_empty(decode: Decode) -> Decode:
    """Only compacted topics have tombstones; elsewhere a record without a value can never be right."""

    def strict(record: Record) -> Any:
        if record.value is None:
            raise Rejected(FieldError(field="value", reason=f"a record of {record.topic} must have one"))
        return decode(record)

    return strict


ROUTES = (
    Route(
        topic=ORDERS.name,
        decode=never_empty(decode_with(msgspec.json.Decoder(OrdersRecord))),
        handle=handlers.handle_orders,
    ),
    Route(
        topic=SIGNALS.name,
        decode=never_empty(decode_with(msgspec.json.Decoder(SignalsRecord))),
        handle=handlers.handle_signals,
    ),
    Route(
        topic=ACCOUNTS.name,
        decode=decode_with(msgspec.json.Decoder(AccountChanged)),
        handle=handlers.handle_accounts,
    ),
    Route(
        topic=CONTACTS.name,
        decode=decode_with(msgspec.json.Decoder(ContactChanged)),
        handle=handlers.handle_contacts,
    ),
    Route(
        topic=SEQUENCES.name,
        decode=never_empty(decode_with(msgspec.json.Decoder(SequenceDrafted))),
        handle=handlers.handle_sequences,
    ),
)
