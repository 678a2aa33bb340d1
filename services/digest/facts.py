"""What a digest is made from, as the store reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from shared.domain.cadence import Schedule
from shared.domain.digest import Account, ActiveSignal, Shown
from shared.domain.thresholds import DEFAULTS, DetectionSettings
from shared.events import Combo


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
    """Who gets it, and why. `refused`: the reason why nothing is sent to them. owners: they asked
    for the accounts of these codes alone; None: for all.
    """

    email: str
    why: str
    refused: str | None = None
    owners: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """The last day an account bought something, and what: the largest first."""

    on: date
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Back:
    """An account of the last digest that ordered since: what, on which day, for how much."""

    account: Account
    what: tuple[Combo, ...]
    is_whole: bool
    ordered_on: date
    order_cents: int


@dataclass(frozen=True, kw_only=True)
class Contact:
    """Whom to call at an account."""

    name: str
    phone: str | None
    email: str | None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All of them for one digest. run None: there is no complete run for it; last_run: the latest
    complete one, whichever. back: who came last first. contacts: by account.
    """

    organization: Organization
    run: Run | None
    last_run: Run | None
    feed: Feed
    schedule: Schedule | None
    previous: Shown | None
    signals: tuple[ActiveSignal, ...] = ()
    accounts: Mapping[str, Account] = field(default_factory=dict)
    back: tuple[Back, ...] = ()
    contacts: Mapping[str, Contact] = field(default_factory=dict)

    def of_owners(self, owners: tuple[str, ...]) -> "Facts":
        """Of the accounts of these owners alone."""
        accounts = {key: one for key, one in self.accounts.items() if one.owner in owners}
        return replace(
            self,
            accounts=accounts,
            signals=tuple(one for one in self.signals if one.account in accounts),
            back=tuple(one for one in self.back if one.account.owner in owners),
        )
