"""Topics to handlers."""

from functools import partial

import msgspec

from services.sequences import actions, drafting, stopping
from shared.applying import Route
from shared.events import SequencesDue, SignalsRecord
from shared.kafka import Publisher
from shared.letter_events import ActionsRecord
from shared.records import decode_with
from shared.topics import ACTIONS, SEQUENCE_TICKS, SIGNALS

CONSUMER = "sequences"


def routes(publisher: Publisher) -> tuple[Route, ...]:
    """What this service consumes."""
    return (
        Route(
            topic=SEQUENCE_TICKS.name,
            decode=decode_with(msgspec.json.Decoder(SequencesDue)),
            handle=partial(drafting.draft, publisher=publisher),
        ),
        Route(
            topic=SIGNALS.name,
            decode=decode_with(msgspec.json.Decoder(SignalsRecord)),
            handle=stopping.stop_answered,
            is_first_reader=False,
        ),
        Route(
            topic=ACTIONS.name,
            decode=decode_with(msgspec.json.Decoder(ActionsRecord)),
            handle=actions.follow,
        ),
    )
