"""The monthly summary: what was won back and what was lost, counted from audited
actions that nobody took back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

from babel.dates import format_date
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from services.signals.console.accounts.outcomes_view import REASON_NAMES
from services.signals.console.http.csv_export import ROWS_A_PAGE, download
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.problems import Wrong, like
from services.signals.console.http.rendering import render
from services.signals.console.paths import account_path
from services.signals.console.today.back import back_views
from services.signals.console.today.page import year_of
from services.signals.console.words import shown_of
from services.signals.store import came_back, outcome_rows, owner_people
from services.signals.store.head import Head
from services.signals.store.outcome_rows import OutcomeRow
from shared import clock, db, wording
from shared.domain import outcomes as rules
from shared.domain.came_back import CameBack, by_account, total_monthly_cents
from shared.domain.money import minor_places
from shared.events import Combo
from shared.wording import combo_words, money, plain_name, short_day

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

FIRST_YEAR = 2000
MOST_SHOWN = 200
EXPORTED = (
    "at", "account", "name", "about", "outcome", "reason", "monthly_value", "currency", "state",
    "actor",
)  # fmt: skip

Month = Annotated[
    Annotated[str, like(r"[0-9]{4}-(0[1-9]|1[0-2])", "is no month: write it like 2026-11")] | None,
    Query(description="Like 2026-11; without it this month."),
]


@dataclass(frozen=True, kw_only=True)
class ActionView:
    """One action of the month."""

    account: str
    account_path: str
    words: str
    value: str
    state: str
    by: str
    day: str
    note: str


@dataclass(frozen=True, kw_only=True)
class ComparedView:
    """A number of the month beside that of the month before. anchor: of its rows."""

    name: str
    note: str
    anchor: str
    number: str
    value: str
    before: str
    before_value: str
    change: str


@router.get("/o/{organization}/summary")
def summary(request: Request, organization: str, month: Month = None) -> Response:
    """Of one month in the organization's zone."""
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        first, after = bounds(month, head)
        rows, back = _of_month(connection, organization, first, after, head)
        earlier, earlier_back = _of_month(connection, organization, _before(first), first, head)
        people = owner_people.people(connection, organization)
        today = clock.today(head.timezone)
        year = year_of(connection, organization, head, today)
    counted = rules.month(row.counted() for row in rows)
    return render(
        request,
        "summary.html",
        visitor=who,
        organization=organization,
        head=head,
        month=f"{first:%Y-%m}",
        title=format_date(first, "MMMM y", locale=wording.LOCALE),
        before=f"{_before(first):%Y-%m}",
        after=f"{after:%Y-%m}" if after <= today else "",
        before_title=format_date(_before(first), "MMMM", locale=wording.LOCALE),
        this_title=format_date(first, "MMM", locale=wording.LOCALE),
        before_short=format_date(_before(first), "MMM", locale=wording.LOCALE),
        year=year,
        came_back=wording.count(len(back)),
        came_back_value=money(total_monthly_cents(back), head.currency, head.locale),
        came_back_touched=wording.count(sum(one.touch is not None for one in back)),
        compared=_compared(
            (counted, back), (rules.month(row.counted() for row in earlier), earlier_back), head
        ),
        back=back_views(organization, back[:MOST_SHOWN], people, head, now=clock.now()),
        back_shown=shown_of(MOST_SHOWN, len(back)),
        claims=[
            _action(row, organization=organization, head=head, today=today)
            for row in reversed(rows)
            if row.kind == "won_back" and not row.confirmed
        ][:MOST_SHOWN],
        lost=[
            _action(row, organization=organization, head=head, today=today)
            for row in reversed(rows)
            if row.kind == "lost"
        ][:MOST_SHOWN],
        confirmed_count=wording.count(counted.confirmed),
        claimed_count=wording.count(counted.claimed),
        confirmed=money(counted.confirmed_cents, head.currency, head.locale),
        claimed=money(counted.claimed_cents, head.currency, head.locale),
        losses=wording.count(counted.losses),
        reached_out=wording.count(counted.reached_out),
        reasons=[
            (REASON_NAMES[reason].capitalize(), wording.count(number))
            for reason, number in counted.losses_by_reason.items()
        ],
        mostly_quiet=counted.mostly_quiet,
        actions=[
            _action(row, organization=organization, head=head, today=today)
            for row in reversed(rows[-MOST_SHOWN:])
        ],
        shown=shown_of(MOST_SHOWN, len(rows)),
    )


def _of_month(
    connection: db.Connection, organization: str, first: date, after: date, head: Head
) -> tuple[list[OutcomeRow], list[CameBack]]:
    """What was noted, and who came back by orders."""
    since, until = _at(first, head), _at(after, head)
    rows = outcome_rows.of_month(connection, organization, since=since, until=until)
    found = came_back.recoveries(connection, organization, since=since, until=until)
    return rows, by_account(found)


def _compared(
    this: tuple[rules.Month, list[CameBack]], before: tuple[rules.Month, list[CameBack]], head: Head
) -> list[ComparedView]:
    """The month beside the one before it."""

    def back_of(month: list[CameBack], touched: bool | None) -> tuple[int, int]:
        those = [one for one in month if touched is None or (one.touch is not None) == touched]
        return len(those), total_monthly_cents(those)

    kinds: list[tuple[str, str, str, tuple[int, int], tuple[int, int]]] = [
        ("Came back", "by orders", "back", back_of(this[1], None), back_of(before[1], None)),
        ("– after a call", "", "back", back_of(this[1], True), back_of(before[1], True)),
        ("– by themselves", "", "back", back_of(this[1], False), back_of(before[1], False)),
        (
            "Won back, confirmed",
            "noted, and an order came",
            "actions",
            (this[0].confirmed, this[0].confirmed_cents),
            (before[0].confirmed, before[0].confirmed_cents),
        ),
        (
            "Won back, claimed",
            "noted, no order yet",
            "claimed",
            (this[0].claimed, this[0].claimed_cents),
            (before[0].claimed, before[0].claimed_cents),
        ),
        ("Lost", "", "lost", (this[0].losses, -1), (before[0].losses, -1)),
    ]
    return [
        ComparedView(
            name=name,
            note=note,
            anchor=anchor,
            number=wording.count(now[0]),
            value="" if now[1] < 0 else money(now[1], head.currency, head.locale),
            before=wording.count(then[0]),
            before_value="" if then[1] < 0 else money(then[1], head.currency, head.locale),
            change=f"{now[0] - then[0]:+,}" if now[0] != then[0] else "same",
        )
        for name, note, anchor, now, then in kinds
    ]


@router.get("/o/{organization}/summary.csv")
def summary_csv(request: Request, organization: str, month: Month = None) -> Response:
    """The month's actions, one a row; amounts are exact decimals."""
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
    first, after = bounds(month, head)

    def read(
        connection: db.Connection, place: tuple[datetime, str] | None
    ) -> tuple[list[Sequence[object]], tuple[datetime, str] | None]:
        found = outcome_rows.of_month(
            connection,
            organization,
            since=_at(first, head),
            until=_at(after, head),
            after=place,
            limit=ROWS_A_PAGE,
        )
        goes_on = len(found) == ROWS_A_PAGE
        return [_exported(row, head.currency) for row in found], (
            (found[-1].at, found[-1].outcome) if goes_on else None
        )

    name = f"winback-{organization}-{first:%Y-%m}"
    return download(request, who, organization, "summary", name, EXPORTED, read)


def _exported(row: OutcomeRow, currency: str) -> tuple[object, ...]:
    value = row.monthly_value_cents
    return (
        row.at.isoformat(),
        row.account,
        row.name or "",
        _what(row),
        row.kind,
        row.reason or "",
        None if value is None else Decimal(value).scaleb(-minor_places(currency)),
        currency,
        ("confirmed" if row.confirmed else "claimed") if row.kind == "won_back" else "",
        row.actor,
    )


def bounds(month: str | None, head: Head) -> tuple[date, date]:
    """The month's first day, and the next one's. Raises Wrong for a month that no clock shows."""
    today = clock.today(head.timezone)
    first = (
        date.fromisoformat(f"{month}-01")
        if month and month >= f"{FIRST_YEAR}"
        else today.replace(day=1)
    )
    if month and (month < f"{FIRST_YEAR}" or first > today):
        raise Wrong("month", "must be this month or one before it, like 2026-11")
    return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)


def _before(first: date) -> date:
    return date(first.year - (first.month == 1), (first.month - 2) % 12 + 1, 1)


def _at(day: date, head: Head) -> datetime:
    """The midnight with which a day begins there."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(head.timezone))


def _what(row: OutcomeRow) -> str:
    return (
        combo_words(Combo(od=row.od, grade=row.grade)) if row.signal and row.type == "lapse" else ""
    )


def _action(row: OutcomeRow, *, organization: str, head: Head, today: date) -> ActionView:
    what = _what(row)
    state = {
        "won_back": "confirmed" if row.confirmed else "claimed",
        "lost": REASON_NAMES[row.reason],
    }
    return ActionView(
        account=plain_name(row.name or row.account),
        account_path=account_path(organization, row.account),
        words=f"{wording.OUTCOME_NAMES[row.kind]}{f': {what}' if what else ''}",
        value=""
        if row.monthly_value_cents is None
        else money(row.monthly_value_cents, head.currency, head.locale),
        state=state.get(row.kind, ""),
        by=row.actor,
        note=plain_name(row.note or ""),
        day=short_day(row.at.astimezone(ZoneInfo(head.timezone)).date(), seen_from=today),
    )
