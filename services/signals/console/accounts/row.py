"""An account as a row: its badges, enrollment, days, sums, last contact; all of it text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.signals.console.accounts.address import Address
from services.signals.console.accounts.badges import BadgeView, badges
from services.signals.console.words import owner_words
from services.signals.store.accounts import ListedRow, TopSignal
from services.signals.store.head import Head
from services.signals.store.owner_people import OwnerPerson
from shared.domain.enrollment import INCLUDED, Enrollment, inclusion
from shared.wording import (
    exact_day,
    exact_time,
    money,
    plain_name,
    short_day,
    short_money,
)

ENROLLMENTS: dict[Enrollment, str] = {"auto": "Auto", "yes": "Yes", "no": "No"}


@dataclass(frozen=True, kw_only=True)
class EnrollmentView:
    """How an account is pinned, and whether that puts it into the next digest."""

    account: str
    pinned: Enrollment
    pin: str
    answer: str
    choices: list[tuple[Enrollment, str]]


@dataclass(frozen=True, kw_only=True)
class RowView:
    """An account as a row. number: its place on the page, from 1."""

    number: int
    account: str
    path: str
    name: str
    owner: str
    badges: list[BadgeView]
    enrollment: EnrollmentView
    since: str
    since_exact: str
    typical: str
    lifetime: str
    lifetime_exact: str
    stake: str
    stake_exact: str
    contact: str
    contact_exact: str
    contact_note: str


def row_view(
    row: ListedRow,
    number: int,
    address: Address,
    tops: Sequence[TopSignal],
    gaps: dict[str, tuple[int, int]],
    head: Head,
    now: datetime,
    *,
    people: Mapping[str, OwnerPerson],
) -> RowView:
    today = now.astimezone(ZoneInfo(head.timezone)).date()
    contact, contact_exact, note = contact_words(row, head, now)
    return RowView(
        number=number,
        account=row.account,
        path=address.account_path(row.account),
        name=plain_name(row.name or row.account),
        owner=owner_words(row.owner, people),
        badges=badges(row, [top for top in tops if top.account == row.account], head, now),
        enrollment=enrollment_view(row, now),
        since=days_since(row.last_ordered_on, today),
        since_exact="" if row.last_ordered_on is None else exact_day(row.last_ordered_on),
        typical=f"({gaps[row.account][0]} d)" if row.account in gaps else "",
        lifetime=short_money(row.lifetime_cents, head.currency, head.locale),
        lifetime_exact=money(row.lifetime_cents, head.currency, head.locale),
        stake=short_money(row.at_stake_cents, head.currency, head.locale)
        if row.at_stake_cents
        else "",
        stake_exact=money(row.at_stake_cents, head.currency, head.locale),
        contact=contact,
        contact_exact=contact_exact,
        contact_note=note,
    )


def enrollment_view(row: ListedRow, now: datetime) -> EnrollmentView:
    """Auto says what it comes to."""
    included = in_digest(row, now)
    return EnrollmentView(
        account=row.account,
        pinned=row.enrollment,
        pin="Auto · " if row.enrollment == "auto" else "",
        answer="Yes"
        if (included if row.enrollment == "auto" else row.enrollment == "yes")
        else "No",
        choices=list(ENROLLMENTS.items()),
    )


def in_digest(row: ListedRow, now: datetime) -> bool:
    """Whether the next digest shows it."""
    why = inclusion(
        enrollment=row.enrollment, lost_at=row.lost_at, paused_until=row.paused_until, at=now
    )
    return why in INCLUDED and (why == "always" or row.dormant + row.lapse + row.cherry_picking > 0)


def contact_words(row: ListedRow, head: Head, now: datetime) -> tuple[str, str, str]:
    """(how long ago, exactly, what holds since): the note is of a pause or a loss."""
    zone = ZoneInfo(head.timezone)
    today = now.astimezone(zone).date()
    if row.lost_at is not None:
        note = "lost"
    elif row.paused_until is not None and now < row.paused_until:
        note = f"to {short_day(row.paused_until.astimezone(zone).date(), seen_from=today)}"
    else:
        note = ""
    if row.last_contact_at is None:
        return "", "", note
    days = (today - row.last_contact_at.astimezone(zone).date()).days
    return (
        "today" if days <= 0 else f"{days} d ago",
        exact_time(row.last_contact_at, head.timezone),
        note,
    )


def days_since(day: date | None, today: date) -> str:
    """12 d, or nothing."""
    return "" if day is None else f"{max(0, (today - day).days):,} d"
