"""One request, or one raw record -> events that are fit for Kafka, and a result per
item. Pure, apart from metrics.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from services.ingest import plain_bodies
from services.ingest.acceptance import Accepted, Terms, accept_account, accept_contact
from services.ingest.bodies import Number, items_of, read_json
from services.ingest.shapes import AccountShape, ContactShape, LineShape, OrderShape
from shared import metrics
from shared.domain.identifiers import wrong_id
from shared.errors import FieldError, Rejected
from shared.events import Order
from shared.topics import ACCOUNTS, CONTACTS, ORDERS

_INDEX = re.compile(r"\[\d+\]")
_KNOWN_FIELDS = (
    {"body"}
    | {*OrderShape.model_fields, *AccountShape.model_fields, *ContactShape.model_fields}
    | {f"lines.{name}" for name in LineShape.model_fields}
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What can be posted."""

    plural: str
    id_field: str
    scope: str
    topic: str
    accept: Callable[[object, Terms], Accepted]


KINDS = {
    "orders": Kind(
        plural="orders",
        id_field="order",
        scope="orders:write",
        topic=ORDERS.name,
        accept=plain_bodies.accept,
    ),
    "accounts": Kind(
        plural="accounts",
        id_field="account",
        scope="accounts:write",
        topic=ACCOUNTS.name,
        accept=accept_account,
    ),
    "contacts": Kind(
        plural="contacts",
        id_field="contact",
        scope="contacts:write",
        topic=CONTACTS.name,
        accept=accept_contact,
    ),
}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one item. `id` is None where it could not be read."""

    index: int
    id: str | None
    status: str
    errors: Sequence[FieldError] = ()
    warnings: Sequence[FieldError] = ()

    def as_json(self) -> dict[str, Any]:
        """As interfaces.md says."""
        return {
            "index": self.index,
            "id": self.id,
            "status": self.status,
            "errors": [{"field": error.field, "reason": error.reason} for error in self.errors],
            "warnings": [
                {"field": warning.field, "reason": warning.reason} for warning in self.warnings
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Intake:
    """The results in the order of the items, and what is to be sent: one entry an accepted item."""

    results: list[Result]
    accepted: list[Accepted]

    @property
    def errors(self) -> list[FieldError]:
        """All errors, each with its item's index where there are several items."""
        several = len(self.results) > 1
        return [
            FieldError(
                field=f"[{result.index}].{error.field}" if several else error.field,
                reason=error.reason,
            )
            for result in self.results
            for error in result.errors
        ]


def read_items(kind: Kind, body: bytes, *, most_levels: int) -> tuple[Sequence[object], bool]:
    """(the items of a body, whether it was a batch), for `take_in`. Raises NotJson."""
    plain = plain_bodies.read(body) if kind.plural == "orders" else None
    return plain or items_of(read_json(body, most_levels=most_levels), kind.plural)


def take_in(kind: Kind, items: Sequence[object], terms: Terms, *, source: str) -> Intake:
    """Accept each item on its own: a refused one stops no other."""
    results: list[Result] = []
    accepted: list[Accepted] = []
    contents: dict[tuple[str, int], str] = {}
    for index, item in enumerate(items):
        try:
            one = kind.accept(item, terms)
        except Rejected as error:
            results.append(
                Result(index=index, id=_id_of(item, kind), status="rejected", errors=error.errors)
            )
            metrics.ORDERS_REFUSED.labels(source, _label(error.errors[0].field)).inc()
            continue
        accepted.append(one)
        warnings = one.warnings
        if isinstance(one.event, Order) and one.event.revision_given:
            known = contents.setdefault((one.id, one.event.revision), one.event.content)
            if known != one.event.content:
                warnings = (
                    *warnings,
                    FieldError(
                        field="revision", reason="came with another content too: the greater counts"
                    ),
                )
        results.append(Result(index=index, id=one.id, status="accepted", warnings=warnings))
    return Intake(results=results, accepted=accepted)


def _id_of(item: object, kind: Kind) -> str | None:
    """The item's id, where it is fit to be repeated to the sender."""
    found = (
        item.get(kind.id_field) if isinstance(item, dict) else getattr(item, kind.id_field, None)
    )
    if isinstance(found, Number):
        found = found.text
    return found if isinstance(found, str) and wrong_id(found) is None else None


def _label(field: str) -> str:
    """A field as a metric's label: without indexes, and no name that a sender made up."""
    plain = _INDEX.sub("", field)
    return plain if plain in _KNOWN_FIELDS else "unknown"
