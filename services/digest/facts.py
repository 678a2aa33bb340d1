"""What a digest is made from, as the store reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from shared.domain.cadence import Schedule
from shared.domain.digest import Account, ActiveSignal, Shown
from shared.domain.thresholds import DEFAULTS, DetectionSettings


@dataclass(frozen=True, kw_only=True)
class Organization:
    """The tenant as a mail names it."""

    organization: str
    name: str
    currency: str
    timezone: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """A complete run."""

    number: int
    as_of: date
    completed_at: datetime
    accounts: int
    settings: DetectionSettings = DEFAULTS
    median_share: str | None = None


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The pulse of the order stream. received: orders accepted since `since`."""

    received: int
    since: datetime
    newest_accepted_at: datetime | None
    newest_ordered_on: date | None


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Who gets it, and why. `refused`: the reason why nothing is sent to them."""

    email: str
    why: str
    refused: str | None = None


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """The last day an account bought something, and what: the largest first."""

    on: date
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All of them for one digest. run None: there is no complete run for it; last_run: the latest
    complete one, whichever.
    """

    organization: Organization
    run: Run | None
    last_run: Run | None
    feed: Feed
    schedule: Schedule | None
    previous: Shown | None
    signals: tuple[ActiveSignal, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)
