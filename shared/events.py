"""Every event on Kafka: past tense, frozen, one definition each (msgspec); `schemas/`
is generated from here.

JSON on the wire, tagged by `type`, with a `version` in it: readers ignore unknown fields and send
unknown types and versions to the dead letters. Money is integer cents of the organization's
currency, days are ISO dates (the organization's calendar), times are ISO instants in UTC.
CloudEvents attributes travel as headers (`event_headers.headers_of`).
"""

from datetime import date, datetime
from typing import Literal

import msgspec

from shared.domain.thresholds import DetectionSettings
from shared.event_base import Event
from shared.letter_events import ActionsRecord, OutreachRecord

SignalType = Literal["dormant", "lapse", "cherry_picking"]
Resolution = Literal["reordered", "correction", "settings", "superseded", "aged_out"]
RunReason = Literal["nightly", "digest", "settings", "manual"]


# -- orders ----------------------------------------------------------------------------------------


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line as it was sent; `od` and `grade` are raw texts, read by `domain.sizes` and
    `domain.grades` under settings.
    """

    revenue_cents: int
    product: str | None = None
    od: str | None = None
    grade: str | None = None
    quantity: str | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One version of one order, as ingest accepted it.

    organization: stamped by ingest from the token, never from the payload.
    ordered_on: the day as sent. counts_on: the day it counts on; differs only when sent ahead of
      the organization's day.
    revision: as sent, or the time of acceptance in ms with `revision_given` false.
    content: SHA-256 (hex) of the content as sent (`domain.orders.content_hash`).
    """

    organization: str
    order: str
    account: str
    ordered_on: date
    counts_on: date
    revision: int
    content: str
    lines: tuple[Line, ...]
    revision_given: bool = True
    cancelled: bool = False
    account_name: str | None = None
    owner: str | None = None


class OrdersAccepted(Event, frozen=True, kw_only=True):
    """A block: orders of one partition (of any of its organizations) that were
    accepted within one linger.
    """

    accepted_at: datetime
    orders: tuple[Order, ...]


class RunRequested(Event, frozen=True, kw_only=True):
    """Classify every account of the organization as of a day. Numbers count up per organization,
    one in flight.
    """

    organization: str
    number: int
    as_of: date
    settings_version: int
    settings: DetectionSettings
    reason: RunReason
    requested_at: datetime


class RestoredSignal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A signal as it stood: its current or last episode. od, grade: of a lapse, canonical."""

    account: str
    signal_type: SignalType
    episode: int
    opened_on: date
    od: str | None = None
    grade: str | None = None
    is_active: bool = False


class StateRestored(Event, frozen=True, kw_only=True):
    """Behind the orders of a log that was written anew: what the former log had led to. The
    detector takes it as it is and evaluates nothing; a large organization has several.

    run: the latest complete one, with its day and settings.
    """

    organization: str
    run: int
    as_of: date
    settings_version: int
    settings: DetectionSettings
    signals: tuple[RestoredSignal, ...]


# -- signals ---------------------------------------------------------------------------------------


class Combo(msgspec.Struct, frozen=True, kw_only=True):
    """(OD, grade): canonical decimal inches as text, canonical grade; one of them may be null."""

    od: str | None
    grade: str | None


class DormantFigures(msgspec.Struct, frozen=True, kw_only=True, tag="dormant", tag_field="of"):
    """A's figures; `last_year_revenue_cents`: net over the 365 days up to the last activity."""

    days_inactive: int
    last_ordered_on: date
    lifetime_revenue_cents: int
    last_year_revenue_cents: int


class LapseFigures(msgspec.Struct, frozen=True, kw_only=True, tag="lapse", tag_field="of"):
    """B's figures, inside the history window; `last_ordered_on`: the combo's last activity."""

    days_silent: int
    last_ordered_on: date
    lapsed_revenue_cents: int
    distinct_months: int


class CherryPickingFigures(
    msgspec.Struct, frozen=True, kw_only=True, tag="cherry_picking", tag_field="of"
):
    """C's figures over its window; the share in basis points, at most 10,000."""

    specialty_share_bps: int
    specialty_revenue_cents: int
    total_revenue_cents: int
    estimated_upside_cents: int


Figures = DormantFigures | LapseFigures | CherryPickingFigures


class SignalEvent(Event, frozen=True, kw_only=True):
    """What the three signal events share.

    id: UUIDv5 of what the event says, so that a repeat is recognised. at: the time of the source
      record; every `…_at` is this.
    source_offset: of the record in `orders` that caused it. run: number of the run, None when an
      order caused it.
    """

    id: str
    organization: str
    account: str
    signal: str
    signal_type: SignalType
    combo: Combo | None
    episode: int
    opened_on: date
    at: datetime
    source_offset: int
    run: int | None


class SignalOpened(SignalEvent, frozen=True, kw_only=True):
    """A run found it firing, and it was not active: new (episode 1) or reopened (2 and up)."""

    as_of: date
    settings_version: int
    lifetime_revenue_cents: int
    figures: Figures


class SignalSeen(SignalEvent, frozen=True, kw_only=True):
    """A run still found it firing."""

    as_of: date
    settings_version: int
    lifetime_revenue_cents: int
    figures: Figures


class SignalRecovered(SignalEvent, frozen=True, kw_only=True):
    """It fires no more. closed_on: the as_of of the check that closed it. order: the order that
    did, if one did.
    """

    closed_on: date
    resolution: Resolution
    order: str | None = None


class RunCompleted(Event, frozen=True, kw_only=True):
    """Behind all events of the run in the same partition. source_offset: of its RunRequested."""

    id: str
    organization: str
    number: int
    as_of: date
    settings_version: int
    at: datetime
    source_offset: int
    accounts: int
    evaluated: int
    opened: int
    seen: int
    recovered: int
    # of the estimate's formula, as "numerator/denominator"; None: C is off
    median_specialty_share: str | None = None
    duration_ms: int = 0
    repeated: bool = False  # the number was not above the state's: nothing was evaluated


# -- accounts and contacts -------------------------------------------------------------------------


class AccountChanged(Event, frozen=True, kw_only=True):
    """Name and owner of an account; the greatest revision counts. A field that is None was not sent
    and changes nothing.
    """

    organization: str
    account: str
    revision: int
    name: str | None = None
    owner: str | None = None


class ContactChanged(Event, frozen=True, kw_only=True):
    """A person at an account; the greatest revision counts.

    language: BCP 47. zone: IANA. country: ISO 3166, two letters.
    """

    organization: str
    contact: str
    account: str
    revision: int
    email: str | None = None
    name: str | None = None
    primary: bool = False
    phone: str | None = None
    title: str | None = None
    newsletter: Literal["subscribed", "unsubscribed"] | None = None
    language: str | None = None
    zone: str | None = None
    country: str | None = None


# -- ticks and drafts ------------------------------------------------------------------------------


class DigestDue(Event, frozen=True, kw_only=True):
    """A digest of this slot is due. run: the complete run it shows; None: there is none, so a
    heartbeat says why.

    slot: unique id of the firing. digest: the digest's id. slot_at: when the schedule fired.
      next_at: its next firing.
    only_to: someone asked for it, and it goes to this address alone; None: to the recipients.
    """

    organization: str
    slot: str
    digest: str
    slot_at: datetime
    run: int | None
    why: str | None = None
    next_at: datetime | None = None
    only_to: str | None = None


class SequencesDue(Event, frozen=True, kw_only=True):
    """Draft one sequence per active type for this digest."""

    organization: str
    slot: str
    digest: str
    run: int
    drafted_at: datetime


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One mail of a sequence: wait (business days after the one before; 0: at launch), subject and
    text with {variables}.
    """

    wait_days: int
    subject: str
    text: str


class SequenceDrafted(Event, frozen=True, kw_only=True):
    """A fresh draft for one type, from one digest. sequence: derived from
    (organization, digest, type).
    """

    organization: str
    sequence: str
    digest: str
    signal_type: SignalType
    name: str
    drafted_at: datetime
    steps: tuple[Step, ...]


OrdersRecord = OrdersAccepted | RunRequested | StateRestored
SignalsRecord = SignalOpened | SignalSeen | SignalRecovered | RunCompleted
AnyEvent = (
    OrdersAccepted
    | RunRequested
    | StateRestored
    | SignalOpened
    | SignalSeen
    | SignalRecovered
    | RunCompleted
    | AccountChanged
    | ContactChanged
    | DigestDue
    | SequencesDue
    | SequenceDrafted
    | ActionsRecord
    | OutreachRecord
)
