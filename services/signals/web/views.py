"""What pages show, ready as text: templates hold no arithmetic."""

from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from services.signals.store.pages import Head, OrderRow, SignalRow
from shared.events import Combo, SignalType
from shared.wording import age, combo_words, counted, money, percent, plain_name, short_day, short_money

LETTERS: dict[SignalType, str] = {"dormant": "A", "lapse": "B", "cherry_picking": "C"}
TYPES: dict[SignalType, str] = {"dormant": "Dormant", "lapse": "Product lapse", "cherry_picking": "Cherry-picking"}
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
class SignalView:
    """One signal as a row or a paragraph."""

    account: str
    account_path: str
    owner: str
    type: SignalType
    letter: str
    type_name: str
    sentence: str
    lifetime: str
    lifetime_exact: str
    since: str
    state: str
    is_active: bool
    seen: str


@dataclass(frozen=True, kw_only=True)
class OrderView:
    """One order as a row."""

    order: str
    day: str
    lines: str
    net: str
    note: str


def signal_view(row: SignalRow, *, organization: str, head: Head, today: date) -> SignalView:
    """As of `today` in the organization's zone."""
    opened = short_day(row.opened_on, seen_from=today)
    if row.recovered_at is None:
        state = "active" if row.episode == 1 else f"active again, {counted(row.episode, 'time')}"
    else:
        ended = row.recovered_at.astimezone(ZoneInfo(head.timezone)).date()
        state = f"{short_day(ended, seen_from=today)}: {RESOLUTIONS[row.resolution or '']}"
    return SignalView(
        account=plain_name(row.name or row.account),
        account_path=account_path(organization, row.account),
        owner=plain_name(row.owner or ""),
        type=row.type,
        letter=LETTERS[row.type],
        type_name=TYPES[row.type],
        sentence=sentence(row, head.currency, today),
        lifetime=short_money(row.lifetime_revenue_cents, head.currency),
        lifetime_exact=money(row.lifetime_revenue_cents, head.currency),
        since=opened,
        state=state,
        is_active=row.recovered_at is None,
        seen=f"since {opened}; last seen by the run of {short_day(row.as_of, seen_from=today)}, settings {row.settings_version}",
    )


def sentence(row: SignalRow, currency: str, today: date) -> str:
    """What the signal says, in one sentence."""
    figures = row.figures
    if row.type == "dormant":
        last = short_day(date.fromisoformat(figures["last_ordered_on"]), seen_from=today)
        year = money(figures["last_year_revenue_cents"], currency)
        return f"No order for {counted(figures['days_inactive'], 'day')}, the last on {last}; {year} in the year up to it."
    if row.type == "lapse":
        silent = counted(figures["days_silent"], "day")
        revenue, months = money(figures["lapsed_revenue_cents"], currency), counted(figures["distinct_months"], "month")
        what = combo_words(Combo(od=row.od, grade=row.grade))
        return f"{what} silent for {silent}; {revenue} inside the history window, in {months}."
    spent = money(figures["total_revenue_cents"], currency)
    share, upside = percent(figures["specialty_share_bps"]), money(figures["estimated_upside_cents"], currency)
    return f"{share} of {spent} went on specialty sizes; an estimated {upside} of standard goods more."


def order_view(row: OrderRow, *, currency: str, today: date) -> OrderView:
    """A cancelled order counts nowhere."""
    return OrderView(
        order=row.order_id,
        day=short_day(row.counts_on, seen_from=today),
        lines=counted(row.lines, "line"),
        net=money(row.net_cents, currency),
        note="cancelled" if row.cancelled else "",
    )


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A filter above the table."""

    name: str
    count: str
    path: str
    type: SignalType | None
    is_chosen: bool


def tabs(organization: str, counts: dict[str, int], *, chosen: str | None) -> list[Tab]:
    """All, a type each, and what recovered."""
    path = f"/o/{quote(organization, safe='')}/signals"
    total = sum(counts.get(type_, 0) for type_ in TYPES)
    found = [Tab(name="All", count=f"{total:,}", path=path, type=None, is_chosen=chosen is None)]
    found += [
        Tab(name=name, count=f"{counts.get(type_, 0):,}", path=f"{path}?type={type_}", type=type_, is_chosen=chosen == type_)
        for type_, name in TYPES.items()
    ]
    return [*found, Tab(name="Recovered", count="", path=f"{path}?state=recovered", type=None, is_chosen=chosen == "recovered")]


def next_page(organization: str, type_: SignalType | None, after: str) -> str:
    """The address of the page that goes on after a place."""
    narrowed = f"type={type_}&" if type_ else ""
    return f"/o/{quote(organization, safe='')}/signals?{narrowed}after={quote(after)}"


def shown_of(shown: int, total: int) -> str:
    """How much of a list is shown, where it is not all."""
    return f"the newest {shown} of {total:,}" if shown < total else ""


def head_line(head: Head, accounts: int, now: datetime) -> str:
    """What the page's head says: how many need a call, how fresh the orders are."""
    if head.last_accepted_at is None:
        return "No orders yet"
    parts = [
        "No account needs a call"
        if accounts == 0
        else f"{accounts:,} {'account needs' if accounts == 1 else 'accounts need'} a call",
        f"newest order {age(now - head.last_accepted_at)} ago",
        "no run yet" if head.as_of is None else f"run of {short_day(head.as_of, seen_from=now.date())}",
    ]
    return " · ".join(parts)


def account_path(organization: str, account: str) -> str:
    """Of the account's page."""
    return f"/o/{quote(organization, safe='')}/accounts/{quote(account, safe='')}"
