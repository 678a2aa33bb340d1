"""One untrusted item -> one event with its warnings, or all that is wrong with it. Pure:
time and settings come as `Terms`.

`order_of` is the narrow place that HTTP and the raw topic pass: an order that leaves it is fit for
Kafka. Files pass `encoding.encoded`, which writes the same bytes for many at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from services.ingest.fields import (
    Wrong,
    checked_revision,
    midnight_utc,
    milliseconds,
    read_cancelled,
    read_day,
    read_id,
    stamp,
)
from services.ingest.shapes import (
    MOST_ERRORS,
    AccountShape,
    ContactShape,
    LineShape,
    OrderShape,
    shaped,
)
from shared.domain.cleaning import Cleaned, clean, clean_name, clean_quantity
from shared.domain.identifiers import is_nothing, wrong_text
from shared.domain.money import (
    LARGEST_ORDER_CENTS,
    Amount,
    NotMoney,
    minor_places,
    read_money,
    wrong_order_total,
)
from shared.domain.orders import ContentLine, content_hash
from shared.domain.sizes import Reading, TaughtSizes, read_od
from shared.errors import FieldError, Rejected
from shared.events import AccountChanged, ContactChanged, Line, Order

LARGEST_RECORD = 900_000  # bytes of one order: a record of the topic stays below 1 MB
TOO_LARGE = f"the order is larger than {LARGEST_RECORD} bytes"
ROUNDED = "was rounded to the minor unit of the currency"

encode = msgspec.json.Encoder().encode

T = TypeVar("T")
V = TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an organization holds its input against, at the moment of acceptance."""

    organization: str
    currency: str
    timezone: str
    accepted_at: datetime
    sizes: TaughtSizes = field(default_factory=lambda: TaughtSizes({}))
    most_lines: int = 5_000

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def today(self) -> date:
        """The organization's day of the acceptance."""
        return self.accepted_at.astimezone(self.zone).date()

    @cached_property
    def accepted_ms(self) -> int:
        """The revision of what brings none."""
        return milliseconds(self.accepted_at.astimezone(UTC))

    @cached_property
    def places(self) -> int:
        return minor_places(self.currency)


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """An event fit for Kafka, encoded too, and what the sender should know about it."""

    id: str
    event: Order | AccountChanged | ContactChanged
    encoded: bytes
    warnings: tuple[FieldError, ...] = ()


class Checks:
    """Collects everything that is wrong with an item, so that a sender repairs it once, and what
    its sender should know.
    """

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self.warnings: list[FieldError] = []

    def wrong(self, name: str, reason: str | None) -> None:
        """Note `reason`, if there is one."""
        if reason is not None:
            self.errors.append(FieldError(field=name, reason=reason))

    def warn(self, name: str, reason: str | None) -> None:
        """Note `reason`, if there is one: it costs nothing."""
        if reason is not None:
            self.warnings.append(FieldError(field=name, reason=reason))

    def id(self, name: str, text: str) -> str:
        """The id that `text` is; noted where it is none, or was changed."""
        if text != text.strip():
            self.wrong(name, "must not start or end with a blank")
            return text
        id_, changed = self.read(name, read_id, text) or (text, None)
        self.warn(name, changed)
        return id_

    def shown(self, name: str, text: str | None, cleaner: Callable[[str], Cleaned]) -> str | None:
        """What can be kept of a text that is only for show; noted where it was changed."""
        cleaned = cleaner(text or "")
        self.warn(name, cleaned.changed)
        return cleaned.text

    def kept(self, name: str, text: str | None, reader: Callable[[str], V]) -> V | None:
        """What `reader` makes of a text; none, noted, where it cannot be right: a contact is more
        than that.
        """
        plain = _text(text)
        try:
            return None if plain is None else reader(plain)
        except ValueError as error:
            self.warn(name, f"{error}, and was left out")
            return None

    def read(self, name: str, reader: Callable[[T], V], value: T) -> V | None:
        """What `reader` makes of `value`; None, noted, where it cannot be right."""
        try:
            return reader(value)
        except (Wrong, NotMoney) as error:
            self.wrong(name, str(error))
            return None

    def end(self) -> None:
        """Raises Rejected where anything was noted."""
        if self.errors:
            raise Rejected(*self.errors[:MOST_ERRORS])


def accept_order(item: object, terms: Terms) -> Accepted:
    """An order as `POST /v1/orders` takes it. Raises Rejected with every field that is wrong."""
    shape = shaped(OrderShape, item)
    checks = Checks()
    id_, account = checks.id("order", shape.order), checks.id("account", shape.account)
    account_name = checks.shown("account_name", shape.account_name, clean_name)
    ordered_on = checks.read(
        "ordered_on", lambda text: read_day(text, terms.zone), shape.ordered_on
    )
    if ordered_on is not None:
        checks.warn("ordered_on", midnight_utc(shape.ordered_on, ordered_on, terms.zone))
    counts_on = (
        None
        if ordered_on is None
        else checks.read("ordered_on", lambda day: stamp(day, terms.today), ordered_on)
    )
    revision = (
        None
        if shape.revision is None
        else checks.read("revision", checked_revision, shape.revision)
    )
    cancelled = (
        False
        if shape.status is None or is_nothing(shape.status)
        else checks.read("status", read_cancelled, shape.status)
    )
    if shape.currency is not None and shape.currency.upper() != terms.currency:
        checks.wrong("currency", f"must be {terms.currency}, the organization's")
    if len(shape.lines) > terms.most_lines:
        checks.wrong("lines", f"has more than {terms.most_lines} lines")
    else:
        lines = [_line(line, number, terms, checks) for number, line in enumerate(shape.lines)]
        checks.wrong("lines", wrong_order_total(sum(line[-1] for line in lines)))
        checks.wrong("total", _wrong_total(shape, terms, checks))
    checks.end()
    assert ordered_on is not None and counts_on is not None and cancelled is not None
    order, encoded = order_of(
        terms,
        order=id_,
        account=account,
        ordered_on=ordered_on,
        counts_on=counts_on,
        revision=revision,
        cancelled=cancelled,
        lines=lines,
        account_name=account_name,
    )
    return Accepted(id=id_, event=order, encoded=encoded, warnings=tuple(checks.warnings))


def order_of(
    terms: Terms,
    *,
    order: str,
    account: str,
    ordered_on: date,
    counts_on: date,
    revision: int | None,
    cancelled: bool,
    lines: Sequence[ContentLine],
    account_name: str | None = None,
    owner: str | None = None,
) -> tuple[Order, bytes]:
    """The canonical order, and its bytes. Raises Rejected for one that no
    record of the topic could hold.
    """
    event = Order(
        organization=terms.organization,
        order=order,
        account=account,
        ordered_on=ordered_on,
        counts_on=counts_on,
        revision=terms.accepted_ms if revision is None else revision,
        revision_given=revision is not None,
        content=content_hash(
            order=order, account=account, ordered_on=ordered_on, cancelled=cancelled, lines=lines
        ),
        cancelled=cancelled,
        account_name=account_name,
        owner=owner,
        lines=tuple(
            [
                Line(product=product, od=od, grade=grade, quantity=quantity, revenue_cents=cents)
                for product, od, grade, quantity, cents in lines
            ]
        ),
    )
    encoded = encode(event)
    if len(encoded) > LARGEST_RECORD:
        raise Rejected(FieldError(field="lines", reason=TOO_LARGE))
    return event, encoded


def accept_account(item: object, terms: Terms) -> Accepted:
    """An account as `POST /v1/accounts` takes it. Raises Rejected with each field that is wrong."""
    shape = shaped(AccountShape, item)
    checks = Checks()
    account = checks.id("account", shape.account)
    name = checks.shown("name", shape.name, clean_name)
    owner = checks.shown("owner", shape.owner, clean_name)
    revision = (
        terms.accepted_ms
        if shape.revision is None
        else checks.read("revision", checked_revision, shape.revision)
    )
    checks.end()
    assert revision is not None
    event = AccountChanged(
        organization=terms.organization,
        account=account,
        revision=revision,
        name=name,
        owner=owner,
    )
    return Accepted(id=account, event=event, encoded=encode(event), warnings=tuple(checks.warnings))


def accept_contact(item: object, terms: Terms) -> Accepted:
    """A contact as `POST /v1/contacts` takes it. Raises Rejected with every field that is wrong."""
    # with its languages and countries it takes a twentieth of what importing a file of orders costs
    from shared import people

    shape = shaped(ContactShape, item)
    checks = Checks()
    contact, account = checks.id("contact", shape.contact), checks.id("account", shape.account)
    name = checks.shown("name", shape.name, clean_name)
    email = checks.kept("email", shape.email, people.read_address)
    phone = checks.kept("phone", shape.phone, people.read_phone)
    title = checks.shown("title", shape.title, clean_name)
    newsletter = checks.kept("newsletter", shape.newsletter, people.read_newsletter)
    language = checks.kept("language", shape.language, people.read_language)
    zone = checks.kept("zone", shape.zone, people.read_zone)
    country = checks.kept("country", shape.country, people.read_country)
    revision = (
        terms.accepted_ms
        if shape.revision is None
        else checks.read("revision", checked_revision, shape.revision)
    )
    checks.end()
    assert revision is not None
    event = ContactChanged(
        organization=terms.organization,
        contact=contact,
        account=account,
        revision=revision,
        email=email,
        name=name,
        primary=bool(shape.primary),
        phone=phone,
        title=title,
        newsletter=newsletter,
        language=language,
        zone=zone,
        country=country,
    )
    return Accepted(id=contact, event=event, encoded=encode(event), warnings=tuple(checks.warnings))


@lru_cache(maxsize=100_000)
def money(text: str, places: int) -> Amount:
    """`read_money`, remembered: prices repeat. Raises NotMoney."""
    return read_money(text, places)


@lru_cache(maxsize=20_000)
def plain_od(text: str) -> Reading:
    """An OD under an empty size table, remembered: sizes repeat."""
    return read_od(text, {})


def kept_od(text: str, sizes: TaughtSizes) -> tuple[str | None, str | None]:
    """(the raw OD that is kept, why it could not be read for certain or what was
    assumed): an OD never costs the order.
    """
    if wrong := wrong_text(text):
        return None, f"no size, and not kept: it {wrong}"
    reading = plain_od(text)
    return text, read_od(text, sizes).warning if reading.warning and sizes else reading.warning


def kept_grade(text: str) -> tuple[str | None, str | None]:
    """(the raw grade that is kept, why it is not): a grade never costs the order."""
    wrong = wrong_text(text)
    return (text, None) if wrong is None else (None, f"no grade, and not kept: it {wrong}")


def _line(line: LineShape, number: int, terms: Terms, checks: Checks) -> ContentLine:
    """The line as content; what is wrong with it is noted, and what its sender should know."""
    product = checks.shown(f"lines[{number}].product", line.product, clean)
    od, grade, quantity = map(_text, (line.od, line.grade, line.quantity))
    if od is not None:
        od, warning = kept_od(od, terms.sizes)
        checks.warn(f"lines[{number}].od", warning)
    if grade is not None:
        grade, warning = kept_grade(grade)
        checks.warn(f"lines[{number}].grade", warning)
    if quantity is not None:
        cleaned = clean_quantity(quantity)
        quantity = cleaned.text
        checks.warn(f"lines[{number}].quantity", cleaned.changed)
    amount = checks.read(
        f"lines[{number}].revenue", lambda text: money(text, terms.places), line.revenue
    )
    if amount is not None and amount.lost:
        checks.warn(f"lines[{number}].revenue", ROUNDED)
    return product, od, grade, quantity, 0 if amount is None else amount.cents


def _text(text: str | None) -> str | None:
    """Blanks at the ends are nobody's; an empty text, or a word for nothing, is none."""
    plain = text.strip() if text else ""
    return None if not plain or is_nothing(plain) else plain


def _wrong_total(shape: OrderShape, terms: Terms, checks: Checks) -> str | None:
    """Why the order's total is not that of its lines, as they were sent;
    it may be off by one minor unit.
    """
    if shape.total is None or any(error.field.endswith(".revenue") for error in checks.errors):
        return None
    try:
        total = read_money(shape.total, terms.places, most=LARGEST_ORDER_CENTS)
    except NotMoney as error:
        return str(error)
    checks.warn("total", ROUNDED if total.lost else None)
    lines = sum((Decimal(line.revenue) for line in shape.lines), Decimal(0))
    if abs(Decimal(shape.total) - lines) > Decimal(1).scaleb(-terms.places):
        return f"is not the sum of the lines, {lines}"
    return None
