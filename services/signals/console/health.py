"""Health, for owners and admins: is the feed alive, do runs complete, did digests go out,
does the second opinion agree.

Of this organization alone. What Kafka has to be asked for is asked on request, with a time limit.
"""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.signals.actions import health as actions
from services.signals.actions.actor import Actor, must_govern
from services.signals.console.http.access import NotHere, Refused
from services.signals.console.http.forms import Form, flash
from services.signals.console.http.organization import head_of, organization_of
from services.signals.console.http.rendering import render
from services.signals.progress import dead_letters, lag
from services.signals.second_opinion import audit
from services.signals.store import delivery, health
from services.signals.store.head import Head
from services.signals.store.health import AuditRow, RunRow
from shared import clock
from shared.dead_letters import DeadLetter, Place, replays
from shared.errors import NotFound, Rejected, Retryable
from shared.wording import age, count, counted, exact_time, plain_name, short_day

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

STALE = timedelta(days=2)  # of a feed: beyond it "dormant" may mean that nothing arrives
DIGESTS_SHOWN = 10
AUDIT_SECONDS = 15
REASONS = {
    "nightly": "nightly",
    "digest": "for a digest",
    "settings": "settings were saved",
    "manual": "asked for",
}
_auditing = threading.Lock()  # one at a time: it reads every order


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run."""

    number: str
    day: str
    reason: str
    state: str
    is_late: bool
    took: str
    found: str
    asked: str


@dataclass(frozen=True, kw_only=True)
class DigestView:
    """One digest, with how its mails fared."""

    subject: str
    when: str
    states: str
    is_bad: bool


@dataclass(frozen=True, kw_only=True)
class DeadView:
    """One dead letter."""

    id: str
    topic: str
    reason: str
    consumer: str
    when: str
    when_exact: str
    replayed: str


@router.get("/o/{organization}/health")
def show(request: Request, organization: str, look: bool = False) -> Response:
    """With `look`, Kafka is asked too."""
    with organization_of(request, organization) as (who, connection):
        must_govern(who.acting_in(organization))
        head = head_of(connection, organization)
        runs = health.newest_runs(connection, organization)
        digests = delivery.newest_digests(connection, organization, limit=DIGESTS_SHOWN)
        mails = delivery.mails(connection, organization, [digest.digest for digest in digests])
        audited = health.latest_audit(connection, organization)
        saved = lag.saved(connection, organization)
        saturated = health.saturated_accounts(connection, organization)
        replayed = replays(connection) if look else {}
    behind = found = None
    away = ""
    if look:  # without holding a connection: Kafka may take its time
        try:
            behind, found = lag.lag(organization, saved), dead_letters.newest(organization)
        except Retryable as error:
            away = str(error)
    at = clock.now()
    states: dict[str, list[str]] = {}
    for mail in mails:
        states.setdefault(mail.digest, []).append(mail.state)
    return render(
        request,
        "health.html",
        visitor=who,
        organization=organization,
        head=head,
        feed=_feed(head, at),
        runs=[_run(run, head, at) for run in runs],
        digests=[
            DigestView(
                subject=plain_name(digest.subject),
                when=exact_time(digest.created_at, head.timezone),
                states=_states(states.get(digest.digest, [])),
                is_bad=any(
                    state in ("bounced", "unknown") for state in states.get(digest.digest, [])
                ),
            )
            for digest in digests
        ],
        audit=_audit(audited, head, at),
        looked=look,
        away=away,
        lag=None
        if behind is None
        else [
            ("Orders not yet looked at by the detector", count(behind.undetected)),
            ("Orders not yet in the console", count(behind.orders_unsaved)),
            ("Signals not yet in the console", count(behind.signals_unsaved)),
        ],
        dead=None
        if found is None
        else [_dead(letter, replayed, head, at) for letter in found.letters],
        dead_line="" if found is None else _dead_line(found),
        lacking="" if found is None else _lacking(found, replayed),
        saturated=_saturated(saturated),
    )


@router.post("/o/{organization}/health/audit")
def run_audit(request: Request, organization: str, form: Form) -> Response:
    """Hold every active signal against the second opinion, and note the result."""
    with organization_of(request, organization) as (who, _):
        by = who.acting_in(organization)
        must_govern(by)
    said = _hold_against(organization, by)
    answer = RedirectResponse(f"/o/{organization}/health", status_code=303)
    flash(request, answer, said)
    return answer


@router.post("/o/{organization}/health/dead-letters")
def replay(request: Request, organization: str, form: Form) -> Response:
    """Put one of the organization's dead letters back where it came from, and note who did."""
    with organization_of(request, organization) as (who, _):
        must_govern(who.acting_in(organization))
    try:
        letter = dead_letters.of_organization(organization, form.get("id", ""))
        with organization_of(request, organization) as (who, connection):
            by = who.acting_in(organization)
            done = actions.replay(connection, organization, letter, by=by)
        said = {
            "replayed": f"Replayed: {letter.id} is in {letter.topic} again.",
            "was replayed before": f"{letter.id} was replayed before.",
            "cannot be replayed": f"Not replayed: {done.why}",
        }[done.status]
    except (NotFound, Rejected):
        raise NotHere from None
    except Retryable as error:
        said = f"Not replayed: {error}"
    answer = RedirectResponse(f"/o/{organization}/health?look=true", status_code=303)
    flash(request, answer, said)
    return answer


def _hold_against(organization: str, by: Actor) -> str:
    if not _auditing.acquire(blocking=False):
        raise Refused(409, "an audit is under way: try again in a moment")
    try:
        with health.one_organization(organization, timeout_seconds=AUDIT_SECONDS) as connection:
            report = audit.differences(connection, organization)
            actions.note_audit(
                connection,
                organization,
                run=report.run,
                active=report.active,
                differences=[str(difference) for difference in report.differences],
                by=by,
            )
    except Retryable as error:
        return f"Not audited: {error}"
    except psycopg.errors.QueryCanceled:
        return (
            f"Not audited: it took longer than {AUDIT_SECONDS} seconds. "
            f"`winback audit --organization {organization}` has no limit."
        )
    finally:
        _auditing.release()
    return (
        f"Audited: {counted(len(report.differences), 'difference')} in "
        f"{counted(report.active, 'active signal')}."
    )


def _feed(head: Head, at: datetime) -> tuple[str, str, bool]:
    """(age of the newest order, when exactly, whether that is a worry)."""
    if head.last_accepted_at is None:
        return "no orders yet", "", False
    old = at - head.last_accepted_at
    return f"{age(old)} ago", exact_time(head.last_accepted_at, head.timezone), old > STALE


def _run(run: RunRow, head: Head, at: datetime) -> RunView:
    if run.completed_at is not None:
        state = "complete"
    elif run.held_back:
        state = f"held back: {run.held_back}"
    else:
        state = "under way" if run.published_at else "waiting"
    numbers = (
        (run.opened, "opened"),
        (run.seen, "seen"),
        (run.recovered, "recovered"),
        (run.accounts, "accounts"),
    )
    found = [f"{count(number or 0)} {word}" for number, word in numbers]
    return RunView(
        number=str(run.number),
        day=short_day(run.as_of, seen_from=clock.today(head.timezone)),
        reason=REASONS.get(run.reason, run.reason),
        state=state,
        is_late=run.completed_at is None and at - run.requested_at > timedelta(minutes=10),
        took="" if run.duration_ms is None else f"{count(run.duration_ms)} ms",
        found=" · ".join(found) if run.completed_at else "",
        asked=exact_time(run.requested_at, head.timezone),
    )


def _states(states: list[str]) -> str:
    return (
        ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        or "nobody to send it to"
    )


def _audit(row: AuditRow | None, head: Head, at: datetime) -> dict[str, object] | None:
    if row is None:
        return None
    detail = row.detail
    return {
        "differences": counted(int(detail.get("differences", 0)), "difference"),
        "is_bad": bool(detail.get("differences")),
        "line": f"in {counted(int(detail.get('active', 0)), 'active signal')}, "
        f"run {detail.get('run') or 'none'}",
        "when": f"{age(at - row.at)} ago",
        "when_exact": exact_time(row.at, head.timezone),
        "by": row.actor,
        "first": [plain_name(str(one)) for one in detail.get("first", [])],
    }


def _dead(
    letter: DeadLetter, replayed: dict[Place, datetime], head: Head, at: datetime
) -> DeadView:
    died = datetime.fromisoformat(letter.at)
    again = replayed.get(letter.place)
    return DeadView(
        id=letter.id,
        topic=letter.topic,
        reason=plain_name(letter.reason),
        consumer=letter.consumer,
        when=f"{age(at - died)} ago",
        when_exact=exact_time(died, head.timezone),
        replayed=f"replayed {age(at - again)} ago" if again else "",
    )


def _lacking(found: dead_letters.Found, replayed: dict[Place, datetime]) -> str:
    """What is not whole since records that ended processes were put aside; empty where all is."""
    number = sum(letter.place not in replayed for letter in found.ended)
    if number == 0:
        return ""
    which = "A record that names" if number == 1 else f"{count(number)} records that name"
    return f"{which} this organization ended a process three times and was put aside"


def _saturated(accounts: int) -> str:
    """Empty where every sum is what it says."""
    if accounts == 0:
        return ""
    return "1 account" if accounts == 1 else f"{count(accounts)} accounts"


def _dead_line(found: dead_letters.Found) -> str:
    line = (
        "None of this organization"
        if found.total == 0
        else f"{count(found.total)} of this organization"
    )
    return line if found.complete else f"{line}; there are more than could be looked at in time"
