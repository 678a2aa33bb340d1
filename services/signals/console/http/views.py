"""What pages show, ready as text: templates hold no arithmetic."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

from services.signals.store.pages import OrderRow
from shared.domain.typed_numbers import NumberStyle
from shared.events import SignalType
from shared.wording import counted, short_day, whole_money

LETTERS: dict[SignalType, str] = {"dormant": "A", "lapse": "B", "cherry_picking": "C"}
TYPES: dict[SignalType, str] = {
    "dormant": "Dormant",
    "lapse": "Product lapse",
    "cherry_picking": "Cherry-picking",
}
RESOLUTIONS = {
    "reordered": "came back with an order",
    "correction": "was never so: orders were corrected",
    "settings": "ended by a change of settings",
    "superseded": "the whole account went dormant",
    "aged_out": "its history slid out of the window",
}
REASONS: dict[str, str] = {  # of shared.domain.drafts.SkipReason, and of what stops a sequence
    "no-contact": "no primary contact",
    "no-email": "no email address",
    "unsubscribed": "unsubscribed",
    "bounced": "mail to them bounced",
    "account-in-sequence": "the account is in another active sequence",
    "contact-in-sequence": "the contact is in another active sequence",
    "reordered": "ordered again",
    "erased": "erased",
}


@dataclass(frozen=True, kw_only=True)
class OrderView:
    """One order as a row."""

    order: str
    day: str
    lines: str
    net: str
    note: str


def order_view(row: OrderRow, *, style: NumberStyle, today: date) -> OrderView:
    """A cancelled order counts nowhere."""
    return OrderView(
        order=row.order_id,
        day=short_day(row.counts_on, seen_from=today),
        lines=counted(row.lines, "line"),
        net=whole_money(row.net_cents, style),
        note="cancelled" if row.cancelled else "",
    )


def shown_of(shown: int, total: int) -> str:
    """How much of a list is shown, where it is not all."""
    return f"the newest {shown} of {total:,}" if shown < total else ""


def account_path(organization: str, account: str) -> str:
    """Of the account's page."""
    return f"/o/{quote(organization, safe='')}/accounts/{quote(account, safe='')}"
