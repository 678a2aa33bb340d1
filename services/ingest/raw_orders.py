"""Records of a connector, by their topic's mapping -> orders as `POST /v1/orders` takes them, or
why not, by our field and where it was looked for. No Kafka, no SQL: what earlier records said is
asked of `Known`.

An order of several records (one a line), or one whose delete cancels it, is put together from all
that was said of it: the lines by their ids, the rest as the last record has it. Each version gets a
greater revision than the one before, and one that says nothing new is none. Of a batch the last
version of each order is sent alone.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Protocol

from services.ingest.acceptance import Accepted, Terms
from services.ingest.amounts import bare_amount, plain_number
from services.ingest.bodies import NotJson, Number, read_json
from services.ingest.connect import (
    UNAVAILABLE,
    Change,
    Clock,
    NoRow,
    day,
    decimal_of,
    moment,
    unwrapped,
    whole,
)
from services.ingest.days import file_day
from services.ingest.fields import LARGEST_REVISION, Wrong, milliseconds, read_id
from services.ingest.intake import KINDS, take_in
from services.ingest.pointers import MISSING, Pointer, followed
from services.ingest.raw_mapping import COUNTS, DECIMALS, RawMapping
from shared.domain.cleaning import clean
from shared.domain.identifiers import is_nothing
from shared.domain.money import NotMoney
from shared.errors import FieldError
from shared.records import Record

SHOWN = 40  # letters of a value in a reason
Item = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class KnownOrder:
    """What was said of an order so far. revision: of the last version that was sent. order: without
    its lines. lines: by their ids; of nested ones, by their places. is_gone: all of its lines were
    deleted; `lines` are the last that it had, and it is cancelled.
    """

    revision: int
    order: Item
    lines: dict[str, Item]
    is_gone: bool = False


class Known(Protocol):
    """Of one raw topic."""

    def find(self, organization: str, order: str) -> KnownOrder | None:
        """None where nothing was said of it."""

    def put(self, organization: str, order: str, known: KnownOrder) -> None:
        """From now on."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What came of a record: orders that go in, and all that is wrong with it."""

    accepted: list[Accepted] = field(default_factory=list)
    wrong: list[FieldError] = field(default_factory=list)


class Wrongs(ValueError):
    """What is wrong with a row, field by field."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{one.field}: {one.reason}" for one in errors))
        self.errors = list(errors)


class Batch:
    """The records of one batch, one by one; then `ended`."""

    def __init__(self, mapping: RawMapping, known: Known, *, topic: str, most_levels: int) -> None:
        self._mapping, self._known = mapping, known
        self._topic, self._most_levels = topic, most_levels
        self._touched: dict[tuple[str, str], tuple[Record, Terms]] = {}

    def take(self, record: Record, terms: Terms) -> Taken:
        """Whatever of it goes in at once; the rest at the end of the batch."""
        try:
            change = unwrapped(record.key, record.value, most_levels=self._most_levels)
            if change is None:
                raise NoRow("body: is missing, and so is a key that says of what")
            if change.op == "delete":
                self._delete(change, record, terms)
                return Taken()
            return self._upsert(change, record, terms)
        except NotJson as error:
            return Taken(wrong=[FieldError(field="body", reason=str(error))])
        except NoRow as error:
            name, _, reason = str(error).partition(": ")
            return Taken(wrong=[FieldError(field=name, reason=reason)])
        except Wrongs as error:
            return Taken(wrong=error.errors)

    def ended(self) -> Iterator[tuple[Record, Taken]]:
        """The orders that several records made, each with the last of them."""
        for (organization, order), (record, terms) in self._touched.items():
            known = self._known.find(organization, order)
            assert known is not None
            item = {**known.order, "lines": list(known.lines.values())}
            yield record, self._accepted(item | {"revision": Number(str(known.revision))}, terms)

    def _upsert(self, change: Change, record: Record, terms: Terms) -> Taken:
        item = item_of(change, self._mapping, terms)
        if not self._mapping.remembers:
            return self._accepted(item, terms)
        lines = self._lines(item)
        alone = self._accepted(item, terms)
        if alone.wrong:
            return alone
        item["order"] = alone.accepted[0].id
        moved = self._moved_from(change, item)
        if moved is not None and self._known.find(terms.organization, moved) is not None:
            self._without_line(moved, self._line_of(change.envelope["before"]), record, terms)
        known = self._known.find(terms.organization, item["order"])
        if known is not None and self._mapping.is_grouped and not known.is_gone:
            lines = known.lines | lines
        self._remember(item, lines, known, record, terms)
        return Taken()

    def _delete(self, change: Change, record: Record, terms: Terms) -> None:
        if self._mapping.deletes == "ignore":
            return
        if self._mapping.deletes == "refuse":
            raise NoRow(
                "op: a delete; the mapping can say what it means: deletes, cancel or ignore"
            )
        order = self._order_of(change)
        known = self._known.find(terms.organization, order)
        if self._mapping.is_grouped:
            self._without_line(order, self._line_of(change.row, change.key), record, terms)
            return
        try:
            item = item_of(change, self._mapping, terms)
            lines = self._lines(item)
            if self._accepted(item, terms).wrong:
                raise Wrongs
        except Wrongs:
            if known is None:
                raise NoRow(
                    f"order: {shown(order)} was deleted, and nothing is known of it; a table with "
                    "REPLICA IDENTITY FULL says what it was"
                ) from None
            item, lines = known.order, known.lines
        self._remember(item | {"status": "cancelled"}, lines, known, record, terms)

    def _without_line(self, order: str, line: str | None, record: Record, terms: Terms) -> None:
        known = self._known.find(terms.organization, order)
        if line is None:
            raise NoRow(
                "line: was deleted, and the record does not say which; a table with REPLICA "
                "IDENTITY FULL does"
            )
        if known is None:
            raise NoRow(f"order: a line of {shown(order)} was deleted, and nothing is known of it")
        if known.is_gone:
            return
        left = {id_: one for id_, one in known.lines.items() if id_ != line}
        if left:
            self._remember(known.order, left, known, record, terms)
        else:
            cancelled = known.order | {"status": "cancelled"}
            self._remember(cancelled, known.lines, known, record, terms, is_gone=True)

    def _remember(
        self,
        item: Item,
        lines: dict[str, Item],
        known: KnownOrder | None,
        record: Record,
        terms: Terms,
        *,
        is_gone: bool = False,
    ) -> None:
        """A version with a revision above that of the one before; none where nothing is new."""
        order = {name: one for name, one in item.items() if name not in ("lines", "revision")}
        was = None if known is None else (known.order, known.lines, known.is_gone)
        if was == (order, lines, is_gone):
            return
        given = item.get("revision")
        said = whole(given) if given is not None else terms.accepted_ms
        revision = max(said or 0, 0 if known is None else known.revision + 1)
        place = (terms.organization, item["order"])
        self._known.put(
            *place, KnownOrder(revision=revision, order=order, lines=lines, is_gone=is_gone)
        )
        self._touched[place] = (record, terms)

    def _accepted(self, item: Item, terms: Terms) -> Taken:
        intake = take_in(KINDS["orders"], [item], terms, source=self._topic)
        wrong = [_with_pointer(error, self._mapping) for error in intake.errors]
        return Taken(accepted=intake.accepted, wrong=wrong)

    def _lines(self, item: Item) -> dict[str, Item]:
        ids = item.pop("line ids", None)
        return {
            str(place) if ids is None else ids[place]: line
            for place, line in enumerate(item["lines"])
        }

    def _order_of(self, change: Change) -> str:
        """The order that a delete is of: by the row as it was, else by the key."""
        where = self._mapping.of_order["order"]
        for value in (change.row, change.key):
            try:
                found = _plain(_value(where, change, value), self._mapping)
                if found is not None:
                    return read_id(found)[0]
            except Wrong as error:
                raise NoRow(f"order ({where.text}): {error}") from None
        raise NoRow(
            f"order: was deleted, and neither the row as it was nor the key has {where.text}; a "
            "table with REPLICA IDENTITY FULL says it"
        )

    def _line_of(self, *values: Any) -> str | None:
        where = self._mapping.of_line["line"]
        found = (_plain(followed(value, where.steps), self._mapping) for value in values)
        return next((one for one in found if one is not None), None)

    def _moved_from(self, change: Change, item: Item) -> str | None:
        """The order that a line was in before this change, if it was another."""
        before = change.envelope.get("before") if isinstance(change.envelope, dict) else None
        if not self._mapping.is_grouped or not isinstance(before, dict):
            return None
        where = self._mapping.of_order["order"]
        was = _plain(followed(before, where.steps), self._mapping) if where.root == "row" else None
        return was if was is not None and was != item["order"] else None


def item_of(change: Change, mapping: RawMapping, terms: Terms) -> Item:
    """The row as a body of `POST /v1/orders`; with `line ids` where each record is a line. Raises
    Wrongs.
    """
    reading = _Reading(change, mapping, terms)
    item: Item = {}
    for ours, where in mapping.of_order.items():
        text = reading.read(ours, where, change.row)
        if text is not None:
            item[ours] = text
    rows = [change.row]
    if mapping.lines is not None:
        found = followed(change.row, mapping.lines)
        if isinstance(found, str):  # a column of JSON comes as its text
            with suppress(NotJson):
                found = read_json(found.encode("utf-8", "surrogatepass"))
        rows = found if isinstance(found, list) else []
        if not rows:
            at = f"lines (/{'/'.join(mapping.lines)})"
            reading.errors.append(FieldError(field=at, reason="are missing"))
    lines = [reading.line(row, number) for number, row in enumerate(rows[: terms.most_lines + 1])]
    if reading.errors:
        raise Wrongs(*reading.errors[:20])
    if mapping.is_grouped:
        item["line ids"] = [line.pop("line") for line in lines]
    item["lines"] = [{name: one for name, one in line.items() if name != "line"} for line in lines]
    return item


class _Reading:
    """Of one row; `errors` has all that is wrong with it."""

    def __init__(self, change: Change, mapping: RawMapping, terms: Terms) -> None:
        self._change, self._mapping, self._terms = change, mapping, terms
        self.errors: list[FieldError] = []

    def line(self, row: Any, number: int) -> Item:
        found: Item = {"product": ""}
        for ours, where in self._mapping.of_line.items():
            of = row if where.each is not None else self._change.row
            text = self.read(ours, where, of, number if where.each is not None else None)
            if text is not None:
                found["revenue" if ours == "revenue_cents" else ours] = text
        return found

    def read(self, ours: str, where: Pointer, row: Any, number: int | None = None) -> Any:
        """The value as a body holds it; None where there is nothing, noted where there must be."""
        name = ours if number is None else f"lines[{number}].{ours}"
        try:
            value = _value(where, self._change, row)
            found = self._as(ours, value)
            if found is None and ours in ("order", "account", "ordered_on", "line", *REVENUES):
                raise Wrong("is missing")
            return found
        except (Wrong, NotMoney) as error:
            self.errors.append(FieldError(field=f"{name} ({where.text})", reason=str(error)))
            return None

    def _as(self, ours: str, value: Any) -> Any:
        if ours == "ordered_on":
            return self._day(value)
        if ours == "revision":
            return self._revision(value)
        if ours in self._mapping.scale and isinstance(value, str):
            found = decimal_of(value, self._mapping.scale[ours])
            if found is None:
                raise Wrong(f"is no decimal in base64: {shown(value)}")
            value = Number(found)
        text = _plain(value, self._mapping)
        if text is None:
            return None
        if ours == "status":
            return self._status(text)
        if ours not in DECIMALS or ours == "od":
            return text
        if not isinstance(value, Number):
            writing = self._mapping.writing
            bare = bare_amount(text, self._terms.currency, writing.credits)
            text = plain_number(bare, decimal=writing.decimal, thousands=writing.thousands)
        if ours == "revenue_cents":
            cents = whole(text.partition(".")[0] if text.rstrip("0").endswith(".") else text)
            if cents is None:
                raise Wrong(f"must be a whole number of minor units, not {shown(text)}")
            return format(Decimal(cents).scaleb(-self._terms.places), "f")
        return text

    def _status(self, text: str) -> str:
        words = self._mapping.writing.status
        found = words.get(text.lower(), words.get("*", text.lower()))
        if found not in ("open", "cancelled", "canceled"):
            raise Wrong(
                f"{shown(text)} is neither open nor cancelled: the key status of the mapping can "
                "say which of them it means"
            )
        return found

    def _day(self, value: Any) -> str | None:
        if isinstance(value, Clock):
            return self._on_the_clock(value.at).isoformat()
        number = whole(value)
        if number is not None and (isinstance(value, Number) or self._mapping.counts is not None):
            return self._counted(number)
        text = _plain(value, self._mapping)
        if text is None:
            return None
        if self._mapping.zone is not None:
            try:
                at = datetime.fromisoformat(text)
                if at.tzinfo is None and len(text) > len("2026-03-31"):
                    return self._on_the_clock(at).isoformat()
            except ValueError:
                pass
        return file_day(text, self._terms.zone, self._mapping.writing.formats).isoformat()

    def _counted(self, number: int) -> str:
        counts = self._mapping.counts
        if counts is None:
            raise Wrong(
                f"is the number {shown(str(number))}: date_format in the mapping says what it "
                f"counts, {', '.join(COUNTS)}"
            )
        if counts == "days":
            found = day(number)
        else:
            at = moment(number, COUNTS[counts])
            found = None if at is None else self._on_the_clock(at.at).isoformat()
        if found is None:
            raise Wrong("is no day of the calendar")
        return found

    def _on_the_clock(self, at: datetime) -> date:
        """The organization's day of a time on the connector's clock."""
        if self._mapping.zone is None:
            return at.date()
        try:
            return at.replace(tzinfo=self._mapping.zone).astimezone(self._terms.zone).date()
        except OverflowError:
            raise Wrong("is no day of the calendar") from None

    def _revision(self, value: Any) -> Number | None:
        if isinstance(value, Clock):
            return Number(str(max(0, milliseconds(value.at.replace(tzinfo=UTC)))))
        number = whole(value)
        if number is None:
            text = _plain(value, self._mapping)
            if text is None:
                return None
            try:
                at = datetime.fromisoformat(text)
            except ValueError:
                raise Wrong(f"must be a whole number or a time, not {shown(text)}") from None
            number = milliseconds(at if at.tzinfo is not None else at.replace(tzinfo=UTC))
        if not 0 <= number <= LARGEST_REVISION:
            raise Wrong(f"must be a whole number from 0 to {LARGEST_REVISION}")
        return Number(str(number))


REVENUES = ("revenue", "revenue_cents")


def _value(where: Pointer, change: Change, row: Any) -> Any:
    """What the pointer leads to; MISSING where there is nothing."""
    roots = {"row": row, "key": change.key, "envelope": change.envelope}
    return followed(roots[where.root], where.steps)


def _plain(value: Any, mapping: RawMapping) -> str | None:
    """The text of a value; None where it stands for nothing. Raises Wrong."""
    if value is None or value is MISSING:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, Clock):
        return value.at.isoformat()
    if not isinstance(value, str):
        said = "a list" if isinstance(value, list) else "an object"
        raise Wrong(f"must be a text or a number, not {said}")
    if value == UNAVAILABLE:
        raise Wrong(
            "was not changed, so the connector does not say it; a table with REPLICA IDENTITY FULL "
            "does"
        )
    text = value.strip()
    return None if not text or text in mapping.writing.null or is_nothing(text) else text


def _with_pointer(error: FieldError, mapping: RawMapping) -> FieldError:
    """The reason of a body, with where in the record it stands."""
    name = error.field.rpartition(".")[2]
    where = {**mapping.of_order, **mapping.of_line}
    found = where.get(name, where.get("revenue_cents") if name == "revenue" else None)
    return error if found is None else replace(error, field=f"{error.field} ({found.text})")


def shown(text: str) -> str:
    """What of a text from outside may stand in a reason."""
    return clean(text[:SHOWN]).text or "?"
