"""Topics to handlers."""

import msgspec

from services.signals.persist import handlers
from shared.applying import Route
from shared.events import AccountChanged, ContactChanged, SequenceDrafted, SignalsRecord
from shared.letter_events import OutreachRecord
from shared.records import decode_orders, decode_with
from shared.topics import ACCOUNTS, CONTACTS, ORDERS, OUTREACH, SEQUENCES, SIGNALS

ROUTES = (
    Route(
        topic=ORDERS.name,
        decode=decode_orders(),
        handle=handlers.handle_orders,
        is_first_reader=False,  # the detector is
        starts_over=False,  # accounts, runs and signals remember how far in it they are
    ),
    Route(
        topic=SIGNALS.name,
        decode=decode_with(msgspec.json.Decoder(SignalsRecord)),
        handle=handlers.handle_signals,
    ),
    Route(
        topic=ACCOUNTS.name,
        decode=decode_with(msgspec.json.Decoder(AccountChanged), tombstones=True),
        handle=handlers.handle_accounts,
    ),
    Route(
        topic=CONTACTS.name,
        decode=decode_with(msgspec.json.Decoder(ContactChanged), tombstones=True),
        handle=handlers.handle_contacts,
    ),
    Route(
        topic=SEQUENCES.name,
        decode=decode_with(msgspec.json.Decoder(SequenceDrafted)),
        handle=handlers.handle_sequences,
    ),
    Route(
        topic=OUTREACH.name,
        decode=decode_with(msgspec.json.Decoder(OutreachRecord)),
        handle=handlers.handle_outreach,
    ),
)
