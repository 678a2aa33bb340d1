"""What was said of the orders of raw topics so far (`raw_orders.py`), in the transaction that moves
the topic's position.
"""

from dataclasses import dataclass, field

import msgspec

from services.ingest.raw_orders import Item, KnownOrder
from shared import db

# Who comes second waits for the first: lines of an order may lie in two partitions.
LOCK = """
INSERT INTO raw_orders (organization, topic, order_id, revision, said)
VALUES (%(organization)s, %(topic)s, %(order)s, 0, '')
ON CONFLICT (organization, topic, order_id) DO UPDATE SET
    revision = raw_orders.revision
RETURNING revision, said
"""

PUT = """
UPDATE raw_orders
SET revision = %(revision)s,
    said = %(said)s
WHERE organization = %(organization)s
  AND topic = %(topic)s
  AND order_id = %(order)s
"""

FORGET = """
DELETE FROM raw_orders
WHERE organization = %(organization)s
  AND topic = %(topic)s
  AND order_id = %(order)s
  AND said = ''
"""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A row's bytes."""

    order: Item
    lines: dict[str, Item]
    is_gone: bool = False


_decoder = msgspec.json.Decoder(Said)


@dataclass(kw_only=True)
class StoredOrders:
    """`raw_orders.Known` of one batch: read once an order, written by `save`."""

    connection: db.Connection
    topic: str
    _known: dict[tuple[str, str], KnownOrder | None] = field(default_factory=dict)
    _changed: set[tuple[str, str]] = field(default_factory=set)

    def find(self, organization: str, order: str) -> KnownOrder | None:
        place = (organization, order)
        if place not in self._known:
            row = self.connection.execute(LOCK, self._key(place)).fetchone()
            assert row is not None
            self._known[place] = _known(int(row[0]), bytes(row[1])) if row[1] else None
        return self._known[place]

    def put(self, organization: str, order: str, known: KnownOrder) -> None:
        self._known[organization, order] = known
        self._changed.add((organization, order))

    def save(self) -> None:
        """What changed, and nothing of what nothing was said of."""
        for place, known in self._known.items():
            if place in self._changed and known is not None:
                said = Said(order=known.order, lines=known.lines, is_gone=known.is_gone)
                values = {"revision": known.revision, "said": msgspec.json.encode(said)}
                self.connection.execute(PUT, self._key(place) | values)
            elif known is None:
                self.connection.execute(FORGET, self._key(place))

    def _key(self, place: tuple[str, str]) -> dict[str, object]:
        return {"organization": place[0], "topic": self.topic, "order": place[1]}


def _known(revision: int, body: bytes) -> KnownOrder:
    said = _decoder.decode(body)
    return KnownOrder(revision=revision, order=said.order, lines=said.lines, is_gone=said.is_gone)
