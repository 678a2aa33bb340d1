"""The topic to its handler."""

from typing import Any

import msgspec

from services.digest import handlers
from shared.errors import FieldError, Rejected
from shared.events import DigestDue
from shared.kafka import Record, Route, decode_with
from shared.topics import DIGEST_TICKS

CONSUMER = "digest"
RECORDS_AT_ONCE = 20  # digests in one transaction: a large one takes a tenth of a second

_decode = decode_with(msgspec.json.Decoder(DigestDue))


def decode_due(record: Record) -> Any:
    """A tick; a record without a value can never be one."""
    if record.value is None:
        raise Rejected(FieldError(field="value", reason=f"a record of {record.topic} must have one"))
    return _decode(record)


ROUTES = (Route(topic=DIGEST_TICKS.name, decode=decode_due, handle=handlers.plan_due_digests),)
