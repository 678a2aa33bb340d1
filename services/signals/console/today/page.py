"""GET /o/{organization}, and what is done there: a run asked for, a promised call done or moved."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import follow_ups as follow_up_actions
from services.signals.actions import runs as run_actions
from services.signals.console.http.access import NotHere, Visitor
from services.signals.console.http.forms import Form, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.console.paths import account_path, accounts_path, back_to, today_path
from services.signals.console.today import year
from services.signals.console.today.back import back_views
from services.signals.console.today.calls import calls
from services.signals.console.today.first_steps import first_steps
from services.signals.console.words import owner_words, short_ago
from services.signals.store import accounts, came_back, follow_ups, owner_people, today
from services.signals.store.account_filter import BACK_DAYS, Filter
from services.signals.store.follow_ups import FollowUpRow
from services.signals.store.head import Head
from services.signals.store.owner_people import OwnerPerson
from services.signals.store.today import CONTACTED_DAYS, LOST_DAYS
from shared import clock, db
from shared.domain.came_back import by_account
from shared.domain.identifiers import wrong_id
from shared.errors import FieldError, NotFound, Rejected
from shared.wording import (
    exact_day,
    exact_time,
    long_day,
    money,
    plain_name,
    short_day,
    short_money,
)

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

CALLS = 5
BACK_SHOWN = 8
BACK_SHOWN_DAYS = 14
OWNERS_SHOWN = 12
LOOKED = "winback_looked"  # when whoever has this browser looked at Today before
LOOKED_AGAIN = timedelta(minutes=30)  # what is newer is the same look
LOOKED_LASTS = timedelta(days=60)


@dataclass(frozen=True, kw_only=True)
class OwnerView:
    """A row of the owners' table. is_quiet: with calls to make, and nobody contacted."""

    name: str
    path: str
    call: str
    signals: str
    stake: str
    contacted: str
    back: str
    lost: str
    is_quiet: bool


@dataclass(frozen=True, kw_only=True)
class DueView:
    """A promised call."""

    follow_up: str
    account: str
    path: str
    note: str
    who: str
    day: str
    is_late: bool


@router.get("/o/{organization}")
def page(request: Request, organization: str) -> Response:
    """Mine where the member is an owner, unless everyone's are asked for."""
    return _page(request, organization)


@dataclass(frozen=True, kw_only=True)
class NotMoved:
    """A follow-up's form that came back."""

    follow_up: str = ""
    typed: str = ""
    reason: str = ""


def _page(
    request: Request,
    organization: str,
    *,
    not_moved: NotMoved = NotMoved(),  # frozen
    status_code: int = 200,
) -> Response:
    now = clock.now()
    with organization_of(request, organization) as (who, connection):
        head = head_of(connection, organization)
        own = owner_people.of_member(connection, organization, who.email)
        people = owner_people.people(connection, organization)
        is_mine = bool(own) and request.query_params.get("whose") != "everyone"
        owners = own if is_mine else None
        steps = today.steps(connection, organization)
        narrowed = Filter(only="call", owners=owners)
        rows = accounts.page(
            connection, organization, sort="stake", descending=True, narrowed=narrowed,
            place=None, limit=CALLS, now=now,
        )  # fmt: skip
        totals = today.owner_rows(
            connection,
            organization,
            now=now,
            contacted_since=now - timedelta(days=CONTACTED_DAYS),
            back_since=now - timedelta(days=BACK_DAYS),
            lost_since=now - timedelta(days=LOST_DAYS),
        )
        mine = [row for row in totals if row.owner in own]
        counted = mine if is_mine else totals
        recoveries = came_back.recoveries(
            connection,
            organization,
            since=now - timedelta(days=BACK_SHOWN_DAYS),
            until=now + timedelta(days=1),
            owners=owners,
        )
        local_today = clock.today(head.timezone)
        since_on = local_today - timedelta(days=BACK_SHOWN_DAYS)
        back = by_account(one for one in recoveries if one.ordered_on >= since_on)
        due = follow_ups.due(
            connection, organization, up_to=local_today, email=who.email if is_mine else None
        )
        looked_at = _looked_at(request)
        query = "&mine=yes" if is_mine else ""
        path = today_path(organization)
        answer = render(
            request,
            "today.html",
            status_code=status_code,
            not_moved=not_moved,
            visitor=who,
            organization=organization,
            head=head,
            title=f"Today, {long_day(local_today)}",
            whose="mine" if is_mine else "everyone",
            can_choose=bool(own),
            mine_count=f"{sum(row.call for row in mine):,}",
            all_count=f"{sum(row.call for row in totals):,}",
            path_of_all=f"{path}?whose=everyone",
            path_of_mine=path,
            here=path if is_mine or not own else f"{path}?whose=everyone",
            call=f"{sum(row.call for row in counted):,}",
            stake=short_money(sum(row.stake_cents for row in counted), head.currency, head.locale),
            stake_exact=money(sum(row.stake_cents for row in counted), head.currency, head.locale),
            call_path=f"{accounts_path(organization)}?only=call{query}",
            back_path=f"{accounts_path(organization)}?state=back{query}",
            fresh="" if head.last_accepted_at is None else short_ago(now - head.last_accepted_at),
            fresh_exact=""
            if head.last_accepted_at is None
            else exact_time(head.last_accepted_at, head.timezone),
            calls=calls(connection, organization, rows, people, head, now),
            back=back_views(
                organization, back[:BACK_SHOWN], people, head, now=now, looked_at=looked_at
            ),
            back_count=f"{len(back):,}",
            back_days=BACK_SHOWN_DAYS,
            due=[_due(row, organization, local_today, who) for row in due],
            owners=[] if is_mine else _owners(totals, people, head, organization),
            together=_together(totals, head),
            year=None
            if is_mine
            else year_of(
                connection,
                organization,
                head,
                local_today,
                stake_cents=sum(row.stake_cents for row in totals),
            ),
            steps=first_steps(connection, organization, steps, who=who, head=head)
            if not steps.has_digest
            else None,
            has_run=steps.run_done is not None,
            may_govern=who.governs(organization),
            once=secrets.token_hex(16),
            token_name=f"erp-{local_today.isoformat()}",
        )
    _look(request, answer, now)
    return answer


@router.post("/o/{organization}/runs")
def run_now(request: Request, organization: str, form: Form) -> Response:
    """A run of today, as soon as the clock publishes it."""
    with organization_of(request, organization) as (who, connection):
        number, day = run_actions.ask(
            connection, organization, as_of=None, by=who.acting_in(organization)
        )
    answer = RedirectResponse(_back(form, organization), status_code=303)
    flash(
        request,
        answer,
        f"Run {number} of {exact_day(day)} was asked for: what it finds is here within a minute",
    )
    return answer


@router.post("/o/{organization}/follow-ups/{follow_up}")
def follow_up(request: Request, organization: str, follow_up: str, form: Form) -> Response:
    """Done, or moved to another day: `do` says which."""
    if wrong_id(follow_up):
        raise NotHere
    now = clock.now()
    try:
        with organization_of(request, organization) as (who, connection):
            by, head = who.acting_in(organization), head_of(connection, organization)
            if form.get("do") == "done":
                row = follow_up_actions.finish(connection, organization, follow_up, by=by, at=now)
                said = "Done"
            elif form.get("do") == "move":
                row = follow_up_actions.move(
                    connection,
                    organization,
                    follow_up,
                    form.get("follow_up_on", ""),
                    today=clock.today(head.timezone),
                    by=by,
                )
                said = f"Moved to {form.get('follow_up_on', '')}"
            else:
                raise Rejected(FieldError(field="do", reason="must be done or move"))
    except NotFound:
        raise NotHere from None
    except Rejected as refused:
        not_moved = NotMoved(
            follow_up=follow_up,
            typed=form.get("follow_up_on", ""),
            reason=refused.errors[0].reason,
        )
        return _page(request, organization, not_moved=not_moved, status_code=422)
    answer = RedirectResponse(_back(form, organization), status_code=303)
    flash(request, answer, f"{said}: {plain_name(row.name or row.account)}")
    return answer


def _back(form: Mapping[str, str], organization: str) -> str:
    return back_to(form.get("back", ""), organization, otherwise=today_path(organization))


def _looked_at(request: Request) -> datetime | None:
    """When they looked before this visit; the cookie has the look before and the last one."""
    said = request.cookies.get(LOOKED, "").partition(".")[0]
    return datetime.fromtimestamp(int(said), UTC) if said.isdecimal() and len(said) < 12 else None


def _look(request: Request, answer: Response, now: datetime) -> None:
    before, _, last = request.cookies.get(LOOKED, "").partition(".")
    stamp = int(now.timestamp())
    is_number = last.isdecimal() and len(last) < 12
    if is_number and stamp - int(last) > LOOKED_AGAIN.total_seconds():
        before = last
    kept = f"{before if before.isdecimal() and len(before) < 12 else stamp}.{stamp}"
    answer.set_cookie(
        LOOKED,
        kept,
        max_age=int(LOOKED_LASTS.total_seconds()),
        httponly=True,
        samesite="lax",
        path="/",
    )


def _due(row: FollowUpRow, organization: str, local_today: date, who: Visitor) -> DueView:
    return DueView(
        follow_up=row.follow_up,
        account=plain_name(row.name or row.account),
        path=account_path(organization, row.account),
        note=plain_name(row.note or ""),
        who="You" if row.email == who.email else plain_name(row.email),
        day="today"
        if row.due_on == local_today
        else f"since {short_day(row.due_on, seen_from=local_today)}",
        is_late=row.due_on < local_today,
    )


def _owners(
    rows: Sequence[today.OwnerRow],
    people: Mapping[str, OwnerPerson],
    head: Head,
    organization: str,
) -> list[OwnerView]:
    return [
        OwnerView(
            name=owner_words(row.owner, people) or "No owner",
            path=accounts_path(organization)
            + (f"?only=call&owner={quote(row.owner)}" if row.owner else "?only=call"),
            call=f"{row.call:,}",
            signals=f"{row.signals:,}",
            stake=money(row.stake_cents, head.currency, head.locale),
            contacted=f"{row.contacted:,}",
            back=f"{row.back:,}",
            lost=f"{row.lost:,}",
            is_quiet=row.call > 0 and row.contacted == 0 and row.owner is not None,
        )
        for row in rows[:OWNERS_SHOWN]
    ]


def _together(rows: Sequence[today.OwnerRow], head: Head) -> OwnerView:
    return OwnerView(
        name="Together",
        path="",
        call=f"{sum(row.call for row in rows):,}",
        signals=f"{sum(row.signals for row in rows):,}",
        stake=money(sum(row.stake_cents for row in rows), head.currency, head.locale),
        contacted=f"{sum(row.contacted for row in rows):,}",
        back=f"{sum(row.back for row in rows):,}",
        lost=f"{sum(row.lost for row in rows):,}",
        is_quiet=False,
    )


def year_of(
    connection: db.Connection,
    organization: str,
    head: Head,
    local_today: date,
    *,
    stake_cents: int | None = None,
) -> year.YearView:
    """Twelve months up to today; the summary draws them too. stake_cents: as it stands now, where
    that is known.
    """
    first = year.first_month(local_today)
    since = datetime.combine(first, time(), tzinfo=ZoneInfo(head.timezone))
    return year.draw(
        today=local_today,
        stakes=today.stakes(connection, organization, since_on=first)
        | ({} if stake_cents is None else {local_today: stake_cents}),
        back_by_week=came_back.by_week(connection, organization, since=since, zone=head.timezone),
        back_by_month=came_back.by_month(connection, organization, since=since, zone=head.timezone),
        lost_by_week=today.lost(
            connection, organization, since=since, zone=head.timezone, unit="week"
        ),
        lost_by_month=today.lost(
            connection, organization, since=since, zone=head.timezone, unit="month"
        ),
        settings_days=today.settings_days(
            connection, organization, since=since, zone=head.timezone
        ),
        currency=head.currency,
        locale=head.locale,
        summary_path=f"/o/{organization}/summary",
    )
