"""The topic to its handler."""

import msgspec

from services.digest import handlers
from shared.applying import Route
from shared.events import DigestDue
from shared.records import decode_with
from shared.topics import DIGEST_TICKS

CONSUMER = "digest"
RECORDS_AT_ONCE = 20  # digests in one transaction: a large one takes a tenth of a second

ROUTES = (
    Route(
        topic=DIGEST_TICKS.name,
        decode=decode_with(msgspec.json.Decoder(DigestDue)),
        handle=handlers.plan_due_digests,
    ),
)
